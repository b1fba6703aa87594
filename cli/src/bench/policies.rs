//! What policies cost: a verdict on a message, beside everything else that a publication costs at one connection.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use shipslog_domain::access::{Access, Action, Claimant};
use shipslog_domain::certificate::{self, Certificate, Signer, Status};
use shipslog_domain::policy::{self, Target, device};
use shipslog_domain::{Command, Fingerprint, Fleet, PolicyName, ThingName, Timestamp};
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::{App, Ended, Options, Service};
use shipslog_gateway_device::{Edge, Settings};
use shipslog_simulator::mqtt::Packet;

use super::pipe::Client;
use super::{fixture, thousandths};

const THING: &str = "pump-7";
const FINGERPRINT: Fingerprint = Fingerprint([7; 32]);
const NOW: Timestamp = Timestamp(1_704_067_200_000);
/// Publications are a hundred times as dear as verdicts.
const VERDICTS_PER_PUBLICATION: u32 = 20;

pub(crate) fn measure(directory: &Path, verdicts: u32) -> Result<Value> {
    let service = Service::start(Log::open(directory)?, Options::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let publications = (verdicts / VERDICTS_PER_PUBLICATION).max(1);
    let publication = runtime.block_on(publish(service.app().clone(), publications));
    drop(runtime);
    let ended = service.stop();
    ensure!(ended == Ended::Stopped, "the service failed: {ended:?}");
    let own = format!("$aws/things/{THING}/jobs/J/update");
    let other = "$aws/things/valve-7/jobs/J/update";
    let default = access(&device::document(&fixture::settings()))?;
    let ten = access(&ten_statements())?;
    let telemetry = format!("site/north/{THING}/telemetry");
    let nanos = |access: &Access, action, topic: &str, is_allowed| {
        nanos_per_verdict(access, action, topic, is_allowed, verdicts)
    };
    Ok(json!({
        "bench": "policies",
        "verdicts": verdicts,
        "nanosPerPublication": publication?,
        "defaultPublishNanos": nanos(&default, Action::Publish, &own, true)?,
        "defaultReceiveNanos": nanos(&default, Action::Receive, &own, true)?,
        "defaultRefusedNanos": nanos(&default, Action::Publish, other, false)?,
        "tenPublishNanos": nanos(&ten, Action::Publish, &telemetry, true)?,
        "tenReceiveNanos": nanos(&ten, Action::Receive, &telemetry, true)?,
        "tenRefusedNanos": nanos(&ten, Action::Publish, other, false)?,
    }))
}

fn nanos_per_verdict(
    access: &Access,
    action: Action,
    topic: &str,
    is_allowed: bool,
    verdicts: u32,
) -> Result<f64> {
    let begun = Instant::now();
    for _ in 0..verdicts {
        let allows = black_box(access).allows(action, black_box(topic));
        ensure!(allows == is_allowed, "the verdict on {topic} is wrong");
    }
    Ok(nanos_each(begun, verdicts))
}

fn nanos_each(begun: Instant, times: u32) -> f64 {
    thousandths(begun.elapsed().as_secs_f64() * 1e9 / f64::from(times))
}

/// Ten statements, each with variables, of which the last ones allow what is asked.
fn ten_statements() -> String {
    const NAME: &str = "${iot:Connection.Thing.ThingName}";
    const SITE: &str = "${iot:Connection.Thing.Attributes[site]}";
    let arn = |resource: String| format!("arn:aws:iot:*:*:{resource}");
    let statement = |effect: &str, actions: Value, resource: String| json!({"Effect": effect, "Action": actions, "Resource": arn(resource)});
    let mut statements = vec![statement(
        "Allow",
        json!("iot:Connect"),
        format!("client/{NAME}"),
    )];
    for kind in ["commands", "logs", "alarms", "files"] {
        let topic = format!("topic/site/{SITE}/{kind}/{NAME}/*");
        statements.push(statement(
            "Allow",
            json!(["iot:Publish", "iot:Receive"]),
            topic,
        ));
        let filter = format!("topicfilter/site/{SITE}/{kind}/{NAME}/*");
        statements.push(statement("Allow", json!("iot:Subscribe"), filter));
    }
    let telemetry = format!("topic/site/{SITE}/{NAME}/telemetry");
    statements.push(statement(
        "Allow",
        json!(["iot:Publish", "iot:Receive"]),
        telemetry,
    ));
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// What a device may do under this policy.
fn access(document: &str) -> Result<Access> {
    let mut fleet = Fleet::new(fixture::settings());
    let thing = ThingName::parse(THING)?;
    let name = PolicyName::parse("measured").map_err(|refused| anyhow!("{refused:?}"))?;
    let commands = [
        Command::CreateThing {
            name: thing.clone(),
            thing_type: None,
            attributes: vec![("site".into(), "north".into())],
            billing_group: None,
        },
        Command::Certificate(certificate::Command::Enroll {
            certificate: Certificate {
                fingerprint: FINGERPRINT,
                pem: "PEM".into(),
                status: Status::Active,
            },
            signer: Signer::Service,
        }),
        Command::AttachCertificate {
            thing,
            fingerprint: FINGERPRINT,
        },
        Command::Policy(policy::Command::Create {
            name: name.clone(),
            document: document.into(),
        }),
        Command::Policy(policy::Command::Attach {
            name,
            target: Target::Certificate(FINGERPRINT),
        }),
    ];
    for command in &commands {
        fleet.submit(command, NOW, &mut Vec::new())?;
    }
    let claimant = Claimant {
        fingerprint: &FINGERPRINT,
        client_id: THING,
        certificate_field: &|_| None,
    };
    let access = fleet.admit(&claimant);
    access.map_err(|refusal| anyhow!("{refusal}"))
}

/// What a publication to an application topic without subscribers costs in all, without a policy.
async fn publish(app: App, publications: u32) -> Result<f64> {
    let edge = Edge::start(app, Settings::default());
    let mut client = Client::connect(edge.clone(), THING, true).await?;
    let begun = Instant::now();
    for _ in 0..publications {
        let publication = Packet::Publish {
            topic: "site/north/pump-7/telemetry",
            payload: b"{\"level\":7}",
            id: None,
            dup: false,
        };
        client.send(&publication).await?;
    }
    client.send(&Packet::Pingreq).await?;
    let answered = client.next(|packet| matches!(packet, Packet::Pingresp).then_some(()));
    answered.await.context("the edge did not answer")?;
    let nanos = nanos_each(begun, publications);
    edge.shutdown().await;
    Ok(nanos)
}
