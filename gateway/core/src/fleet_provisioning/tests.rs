use std::path::Path;

use shipslog_domain::provisioning::{Kind, Settings};
use shipslog_domain::{PolicyName, Position, Span, limits, policy};

use super::*;
use crate::app::{Options, Service};
use crate::log::Log;

const TEMPLATE: &str = r#"{
    "Parameters": {"SerialNumber": {"Type": "String"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Ref": "SerialNumber"}}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
            "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}},
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}}}}"#;
const TRUSTED: Asker<'_> = Asker {
    client_id: "trusted",
    certificate: None,
};

struct House {
    service: Service,
    provisioning: Arc<FleetProvisioning>,
}

impl House {
    fn open(directory: &Path) -> Self {
        let options = Options {
            virtual_clock: true,
            ..Options::default()
        };
        let log = Log::open(directory).expect("the log opens");
        let service = Service::start(log, options).expect("the service starts");
        let now = service.app().now();
        let authority = Authority::open(&directory.join("ca"), &pki::Settings::default(), now);
        let authority = Arc::new(authority.expect("the CA opens"));
        let app = service.app().clone();
        Self {
            provisioning: Arc::new(FleetProvisioning::new(app, authority, Hooks::default())),
            service,
        }
    }

    async fn furnish(&self) {
        let app = self.service.app();
        for command in [
            Command::Policy(policy::Command::Create {
                name: PolicyName::parse("fleet").expect("valid"),
                document: r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#
                    .into(),
            }),
            Command::Provisioning(provisioning::Command::Create {
                name: ProvisioningTemplateName::parse("t").expect("valid"),
                kind: Kind::Fleet,
                settings: Settings {
                    enabled: true,
                    ..Settings::default()
                },
                body: TEMPLATE.into(),
            }),
        ] {
            app.submit(command).await.expect("it runs").expect("accepted");
        }
    }

    async fn provision(&self, token: &str, serial: &str) -> Result<DeviceAnswer, Refused> {
        let parameters = vec![("SerialNumber".into(), serial.into())];
        self.provisioning
            .provision("t", token, parameters, TRUSTED)
            .await
    }
}

#[tokio::test]
async fn a_token_outlives_the_process_and_its_hour_does_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.furnish().await;
    let first = house.provisioning.create_keys(TRUSTED).await.expect("made");
    let second = house.provisioning.create_keys(TRUSTED).await.expect("made");
    // Neither is stored: not the key, not the token.
    let mut follower = house.service.app().follow(Position(0));
    let mut seen = 0;
    while seen < house.service.app().head().0 {
        let commit = follower.next().await.expect("more").expect("readable");
        seen = commit.last().0;
        let said = format!("{:?}", commit.events);
        assert!(!said.contains(&second.token[64..]) && !said.contains("PRIVATE KEY"));
    }
    drop(house.provisioning);
    house.service.kill();
    let house = House::open(directory.path());
    let answer = house
        .provision(&second.token, "pump-2")
        .await
        .expect("granted");
    assert_eq!(&*answer.thing_name, "pump-2");
    let again = house.provision(&second.token, "pump-2").await;
    let again = again.expect_err("it was used");
    assert_eq!(again.code, "InvalidCertificateOwnershipToken");
    let app = house.service.app();
    let hour = Span::minutes(limits::OWNERSHIP_MINUTES);
    app.advance_clock(hour)
        .await
        .expect("it runs")
        .expect("virtual");
    let late = house.provision(&first.token, "pump-1").await;
    assert_eq!(
        late.expect_err("it ran out").code,
        "InvalidCertificateOwnershipToken"
    );
    let known = app.read(move |fleet| fleet.certificate(&first.certificate.fingerprint).is_some());
    assert!(!known.await.expect("it runs"));
}

#[tokio::test]
async fn whoever_goes_away_gives_up_no_place_before_it_is_free() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    house.furnish().await;
    let places = house.provisioning.key_makers.available_permits();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..4 * places {
        let provisioning = Arc::clone(&house.provisioning);
        waiting.spawn(async move { provisioning.create_keys(TRUSTED).await.is_ok() });
    }
    while house.provisioning.key_makers.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    // All who asked are gone; what was being made goes on being made, and nothing more.
    waiting.shutdown().await;
    assert_eq!(
        house.provisioning.metrics.waiting.load(Ordering::Relaxed),
        0
    );
    let all = u32::try_from(places).expect("few");
    let freed = house.provisioning.key_makers.acquire_many(all);
    let freed = timeout(Duration::from_secs(20), freed).await;
    assert!(freed.expect("in time").is_ok());
}

#[tokio::test]
async fn a_certificate_that_small_devices_cannot_read_is_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = House::open(directory.path());
    let key = rcgen::KeyPair::generate().expect("a key");
    let csr = |units: usize| {
        let mut params = rcgen::CertificateParams::default();
        for _ in 0..units {
            let unit = "x".repeat(60);
            params
                .distinguished_name
                .push(rcgen::DnType::CustomDnType(vec![2, 5, 4, 13]), unit);
        }
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "c".repeat(units));
        let request = params.serialize_request(&key).expect("a request");
        request.pem().expect("text")
    };
    let made = house.provisioning.create_from_csr(&csr(1), TRUSTED).await;
    assert!(made.is_ok(), "{made:?}");
    let made = house
        .provisioning
        .create_from_csr(&csr(2_600), TRUSTED)
        .await;
    let refused = made.expect_err("too long");
    assert_eq!(refused.status, 400);
    assert!(
        refused.message.starts_with("certificateSigningRequest"),
        "{refused:?}"
    );
}
