use std::sync::Mutex;

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use shipslog_domain::certificate::Status;
use shipslog_domain::command::{GroupsUpdate, JobRequest, TargetName};
use shipslog_domain::{Command, GroupName, JobName, ThingName, component, job};
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::log::Log;
use shipslog_gateway_core::messages::{Messages, Publishing, Retained};
use shipslog_gateway_core::pki::{Authority, Settings};
use shipslog_gateway_core::{Clock, Options as ServiceOptions, Service as Running, devices};

use super::*;

/// Takes what is published, and refuses what is sent to `full`.
#[derive(Debug, Default)]
struct Taken(Mutex<Vec<Publication>>);

impl Messages for Taken {
    fn publish(&self, publication: Publication) -> Publishing<'_> {
        Box::pin(async move {
            match publication.topic.as_str() {
                "$aws/things/T/full" => Err(Unpublished::Busy),
                "$aws/things/T/+" => Err(Unpublished::Topic),
                _ => {
                    self.0.lock().unwrap().push(publication);
                    Ok(())
                }
            }
        })
    }

    fn retained(&self, _topic: &str) -> Option<Retained> {
        None
    }

    fn retained_after(&self, _after: Option<&str>, _limit: usize) -> Vec<Retained> {
        Vec::new()
    }
}

/// A plane with two devices under the default policy.
struct World {
    plane: DevicePlane,
    app: App,
    taken: Arc<Taken>,
    devices: [Arc<Presented>; 2],
    // Dropped in this order: the service ends before its directory goes.
    _service: Running,
    _directory: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Log::open(directory.path()).unwrap();
        let service = Running::start(log, ServiceOptions::default()).unwrap();
        let app = service.app().clone();
        let ca = directory.path().join("ca");
        let authority = Authority::open(&ca, &Settings::default(), Clock::System.now()).unwrap();
        let store = Store::open(&directory.path().join("artifacts")).unwrap();
        let taken = Arc::new(Taken::default());
        let mut options = Options::new(Arc::new(store));
        options.messages = Some(Arc::clone(&taken) as _);
        let plane = DevicePlane::new(app.clone(), options);
        let mut all = Vec::new();
        for thing in ["T", "U"] {
            let issued = devices::issue(&app, &authority, thing).await.unwrap();
            let lines = issued.certificate.pem.lines();
            let body: String = lines.filter(|line| !line.starts_with('-')).collect();
            let der = STANDARD.decode(body).unwrap();
            all.push(Arc::new(Presented::read(&der).unwrap()));
        }
        Self {
            plane,
            app,
            taken,
            devices: all.try_into().unwrap(),
            _service: service,
            _directory: directory,
        }
    }

    async fn submit(&self, command: Command) {
        self.app.submit(command).await.unwrap().unwrap();
    }

    async fn ask(&self, device: usize, line: &str, body: &str) -> (u16, Value) {
        self.ask_as(device, line, "", body).await
    }

    /// Sends a request as a device that says which thing it is; status and body of the answer.
    async fn ask_as(&self, device: usize, line: &str, thing: &str, body: &str) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("x-amzn-iot-thingname", thing)
            .header("content-length", body.len())
            .body(Body::from(body.to_owned()))
            .unwrap();
        let answer = self.plane.handle(request, &self.devices[device]).await;
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

fn request(line: &str) -> Request {
    let (method, path) = line.split_once(' ').unwrap();
    let request = axum::http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path);
    request.body(Body::empty()).unwrap()
}

#[test]
fn requests_are_told_apart() {
    let jobs = |action| {
        Some(Asked::Jobs {
            thing: "T".into(),
            action,
        })
    };
    let shadow = |action, resource: &str| {
        Some(Asked::Shadow {
            thing: "T".into(),
            action,
            resource: resource.into(),
        })
    };
    let rows = [
        (
            "GET /things/T/jobs",
            jobs("iotjobsdata:GetPendingJobExecutions"),
        ),
        (
            "PUT /things/T/jobs/$next",
            jobs("iotjobsdata:StartNextPendingJobExecution"),
        ),
        (
            "PUT /things/T/jobs/%24next",
            jobs("iotjobsdata:StartNextPendingJobExecution"),
        ),
        (
            "GET /things/T/jobs/$next",
            jobs("iotjobsdata:DescribeJobExecution"),
        ),
        (
            "GET /things/T/jobs/J",
            jobs("iotjobsdata:DescribeJobExecution"),
        ),
        (
            "POST /things/T/jobs/J",
            jobs("iotjobsdata:UpdateJobExecution"),
        ),
        (
            "GET /things/%54/jobs",
            jobs("iotjobsdata:GetPendingJobExecutions"),
        ),
        ("PUT /things/T/jobs/J", None),
        ("DELETE /things/T/jobs/J", None),
        ("POST /things/T/jobs", None),
        ("GET /things/T", None),
        ("GET /things/T/jobs/J/x", None),
        ("GET /things/%FF/jobs", None),
        ("GET /things/T/shadow", shadow("iot:GetThingShadow", "T")),
        (
            "POST /things/T/shadow?name=%24n%3A1",
            shadow("iot:UpdateThingShadow", "T/$n:1"),
        ),
        (
            "DELETE /things/T/shadow?name=n",
            shadow("iot:DeleteThingShadow", "T/n"),
        ),
        ("PUT /things/T/shadow", None),
        ("GET /topics/t", None),
        ("GET /jobs", None),
        ("GET /", None),
        (
            "GET /greengrass/v2/coreDevices/T/thingGroups",
            Some(Asked::ThingGroups { thing: "T".into() }),
        ),
        ("POST /greengrass/v2/coreDevices/T/thingGroups", None),
        (
            "POST /greengrass/v2/resolveComponentCandidates",
            Some(Asked::Components {
                thing: String::new(),
                action: "greengrass:ResolveComponentCandidates",
                resource: "components:*".into(),
            }),
        ),
        ("GET /greengrass/v2/resolveComponentCandidates", None),
        (
            "GET /greengrass/v2/components/arn:aws:greengrass:r%3A0:components:a:versions:1.0.0/artifacts/software/hello.py",
            Some(Asked::Components {
                thing: String::new(),
                action: "greengrass:GetComponentVersionArtifact",
                resource: "components:a:versions:1.0.0".into(),
            }),
        ),
        ("GET /greengrass/v2/components/arn/artifacts", None),
        ("DELETE /greengrass/v2/components/arn", None),
        ("POST /greengrass/v2/createComponentVersion", None),
    ];
    for (line, asked) in rows {
        assert_eq!(Asked::read(&request(line)), asked, "{line}");
    }
}

#[tokio::test]
async fn a_device_takes_its_jobs_and_no_others() {
    let world = World::new().await;
    let targets = ["T", "U"].map(|name| TargetName::Thing(ThingName::parse(name).unwrap()));
    world
        .submit(Command::CreateJob {
            request: Box::new(JobRequest {
                name: JobName::parse("J").unwrap(),
                namespace: None,
                document: "{}".into(),
                description: None,
                targets: targets.into(),
                target_selection: job::TargetSelection::Snapshot,
                settings: job::Settings::default(),
                extras: job::Extras::default(),
            }),
        })
        .await;
    let (status, pending) = world.ask(0, "GET /things/T/jobs", "").await;
    assert_eq!(
        (status, &pending["queuedJobs"][0]["jobId"]),
        (200, &json!("J"))
    );
    let (status, started) = world.ask(0, "PUT /things/T/jobs/$next", "{}").await;
    assert_eq!((status, &started["execution"]["jobId"]), (200, &json!("J")));
    let update = r#"{"status":"SUCCEEDED"}"#;
    for (line, body) in [
        ("GET /things/U/jobs", ""),
        ("PUT /things/U/jobs/$next", "{}"),
        ("GET /things/U/jobs/J", ""),
        ("POST /things/U/jobs/J", update),
    ] {
        assert_eq!(world.ask(0, line, body).await.0, 403, "{line}");
    }
    assert_eq!(world.ask(0, "POST /things/T/jobs/J", update).await.0, 200);
    let (_, pending) = world.ask(1, "GET /things/U/jobs", "").await;
    assert_eq!(
        pending["queuedJobs"][0]["jobId"], "J",
        "the other's is as it was"
    );
    // What is withdrawn counts at the next request.
    world
        .submit(Command::SetCertificateStatus {
            fingerprint: *world.devices[0].fingerprint(),
            status: Status::Revoked,
        })
        .await;
    let (status, refused) = world.ask(0, "GET /things/T/jobs", "").await;
    assert_eq!(status, 403);
    assert_eq!(refused["message"], "the certificate is REVOKED");
    let counts: Vec<f64> = world
        .plane
        .samples()
        .iter()
        .map(|sample| sample.value)
        .collect();
    assert_eq!(counts, [4.0, 5.0, 0.0]);
    let refusals = world.app.refusals().of(world.devices[0].fingerprint());
    let told = refusals.iter().rev();
    let told = told.map(|one| (one.action, &*one.resource, &*one.client_id, one.reason));
    let other = |action| (action, "thing/U", "U", Reason::Policy);
    assert!(told.eq([
        other("iotjobsdata:GetPendingJobExecutions"),
        other("iotjobsdata:StartNextPendingJobExecution"),
        other("iotjobsdata:DescribeJobExecution"),
        other("iotjobsdata:UpdateJobExecution"),
        (
            "iotjobsdata:GetPendingJobExecutions",
            "thing/T",
            "T",
            Reason::CertificateNotActive
        ),
    ]));
}

#[tokio::test]
async fn a_device_publishes_where_it_may() {
    let world = World::new().await;
    let own = "POST /topics/$aws/things/T/x?qos=1";
    assert_eq!(
        world.ask_as(0, own, "T", "hello").await,
        (200, json!({"message": "OK"}))
    );
    let taken = std::mem::take(&mut *world.taken.0.lock().unwrap());
    let expected = Publication {
        topic: "$aws/things/T/x".into(),
        payload: "hello".into(),
        at_least_once: true,
        ..Publication::default()
    };
    assert_eq!(taken, [expected]);
    let long = "x".repeat(limits::MESSAGE_BYTES_MAX + 1);
    let rows = [
        // It does not say which thing it is, or says what it is not.
        (own, "", "", 403),
        (own, "U", "", 403),
        ("POST /topics/$aws/things/U/x", "T", "", 403),
        ("POST /topics/$aws/things/U/x", "U", "", 403),
        ("POST /topics/elsewhere", "T", "", 403),
        (
            "POST /topics/$aws%2Fthings%2FT%2Fx?retain=true",
            "T",
            "",
            403,
        ),
        ("POST /topics/$aws%2Fthings%2FT%2Fx", "T", "", 200),
        ("POST /topics/$aws/things/T/+", "T", "", 400),
        ("POST /topics/$aws/things/T/full", "T", "", 503),
        (own, "T", &long, 413),
        (own, "T", &long[1..], 200),
    ];
    for (line, thing, body, status) in rows {
        assert_eq!(
            world.ask_as(0, line, thing, body).await.0,
            status,
            "{line} {thing}"
        );
    }
    assert_eq!(world.taken.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_core_learns_its_groups() {
    let world = World::new().await;
    let group = |name: &str| GroupName::parse(name).unwrap();
    for (name, parent) in [("site", None), ("floor", Some("site")), ("other", None)] {
        world
            .submit(Command::CreateGroup {
                name: group(name),
                parent: parent.map(group),
                description: None,
                attributes: Vec::new(),
            })
            .await;
    }
    world
        .submit(Command::UpdateThingGroups {
            update: Box::new(GroupsUpdate {
                thing: ThingName::parse("T").unwrap(),
                add: vec![group("floor"), group("other")],
                remove: Vec::new(),
                override_dynamic: false,
            }),
        })
        .await;
    let line = "GET /greengrass/v2/coreDevices/T/thingGroups";
    let arn = |name: &str| format!("arn:aws:iot:us-east-1:000000000000:thinggroup/{name}");
    let named = |name: &str, above: Value| json!({"thingGroupName": name, "thingGroupArn": arn(name), "rootToParentThingGroups": above});
    let site = json!([{"thingGroupName": "site", "thingGroupArn": arn("site")}]);
    let expected = json!({"thingGroups": [named("floor", site), named("other", json!([]))]});
    assert_eq!(world.ask(0, line, "").await, (200, expected));
    assert_eq!(world.ask(1, line, "").await.0, 403);
    // The default policy lends no role, and no service of ours has one to lend.
    assert_eq!(
        world
            .ask_as(0, "GET /role-aliases/a/credentials", "T", "")
            .await
            .0,
        403
    );
    assert_eq!(world.ask(0, "GET /elsewhere", "").await.0, 404);
}

#[tokio::test]
async fn a_core_resolves_components() {
    let world = World::new().await;
    let recipe = json!({
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": "com.example.Hello",
        "ComponentVersion": "1.0.0",
        "Manifests": [{"Platform": {"os": "linux"}, "Artifacts": [{"Uri": "s3://software/hello.py"}]}]
    });
    let content = component::Content {
        recipe: recipe.to_string().into(),
        format: component::Format::Json,
        errors: Vec::new(),
        tags: Vec::new(),
    };
    let create = component::Command::Create {
        content: Box::new(content),
        token: None,
    };
    world.submit(Command::Component(create)).await;
    let resolve = "POST /greengrass/v2/resolveComponentCandidates";
    let asked = |range: &str| {
        json!({
            "platform": {"attributes": {"os": "linux"}},
            "componentCandidates": [
                {"componentName": "com.example.Hello", "versionRequirements": {"LOCAL": range}}
            ]
        })
        .to_string()
    };
    let (status, resolved) = world.ask(0, resolve, &asked("^1.0.0")).await;
    let arn =
        "arn:aws:greengrass:us-east-1:000000000000:components:com.example.Hello:versions:1.0.0";
    let found = &resolved["resolvedComponentVersions"][0];
    assert_eq!((status, &found["arn"]), (200, &json!(arn)), "{resolved}");
    let recipe = STANDARD.decode(found["recipe"].as_str().unwrap()).unwrap();
    let recipe: Value = serde_json::from_slice(&recipe).unwrap();
    assert_eq!(
        recipe["Manifests"][0]["Artifacts"][0]["Uri"],
        "greengrass:software/hello.py"
    );
    let (status, refused) = world.ask(0, resolve, &asked("^2.0.0")).await;
    assert_eq!(status, 404);
    assert_eq!(
        refused["message"],
        "Component com.example.Hello has no usable version satisfying requirements LOCAL: ^2.0.0"
    );
    let artifact = |name: &str| format!("GET /greengrass/v2/components/{arn}/artifacts/{name}");
    assert_eq!(world.ask(0, &artifact("software/none"), "").await.0, 404);
    // Nobody signs addresses in this world.
    assert_eq!(
        world.ask(0, &artifact("software/hello.py"), "").await.0,
        429
    );
    let foreign = arn.replace("components", "deployments");
    let line = format!("GET /greengrass/v2/components/{foreign}/artifacts/software/hello.py");
    assert_eq!(world.ask(0, &line, "").await.0, 404);
}
