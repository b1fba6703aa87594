//! What the tests below stand on: a service, an edge, and requests as text.

use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use shipslog_domain::command::Provisioned;
use shipslog_domain::core::{Health, HealthReport, InstalledComponent};
use shipslog_domain::presence::{self, Observation, State};
use shipslog_domain::{Command, Span, ThingName};
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::log::{Log, LogOptions};
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_core::pki::Authority;
use shipslog_gateway_core::storage::memory::MemoryDisk;
use shipslog_gateway_core::{App, Options as CoreOptions, Service};
use tempfile::TempDir;

use crate::Options;
use crate::http::{Edge, Http};

/// A service with all its surfaces.
pub(super) struct Bench {
    pub(super) edge: Edge,
    app: App,
    service: Option<Service>,
    artifacts: Arc<Store>,
    _directory: TempDir,
}

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().unwrap());
        value.unwrap_or("")
    }
}

/// The defaults, with page tokens that are the same in every run.
fn http_options(artifacts: &Arc<Store>) -> Options {
    Options {
        page_secret: [7; 32],
        ..Options::new(Arc::clone(artifacts))
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    /// A service whose HTTP side is set up further.
    pub(super) fn with(set_up: impl FnOnce(&mut Options)) -> Self {
        let options = LogOptions {
            segment_bytes: 1 << 20,
            index: None,
            background: false,
            ..LogOptions::for_directory(Path::new("/nowhere"))
        };
        let log = Log::open_with(Arc::new(MemoryDisk::default()), options).unwrap();
        let options = CoreOptions {
            virtual_clock: true,
            ..CoreOptions::default()
        };
        let service = Service::start(log, options).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let artifacts = Arc::new(Store::open(directory.path()).unwrap());
        let app = service.app().clone();
        let mut options = http_options(&artifacts);
        let ca = directory.path().join("ca");
        let authority = Authority::open(&ca, &Default::default(), app.now()).unwrap();
        options.authority = Some(Arc::new(authority));
        let fetched = directory.path().join("fetched");
        options.objects = Objects::open(Arc::clone(&artifacts), None, &fetched).unwrap();
        set_up(&mut options);
        let edge = Edge::new(Http::new(app.clone(), options));
        Self {
            edge,
            app,
            artifacts,
            service: Some(service),
            _directory: directory,
        }
    }

    pub(super) fn app(&self) -> &App {
        &self.app
    }

    pub(super) fn options(&self) -> Options {
        http_options(&self.artifacts)
    }

    pub(super) fn stop(&mut self) {
        self.service.take().unwrap().stop();
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.edge.handle(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_vec(),
        }
    }

    /// Sends a request of a named kind; see [`request`].
    pub(super) async fn ask(&self, kind: &str, line: &str, body: impl Into<Vec<u8>>) -> Answer {
        let (method, path) = line.split_once(' ').unwrap();
        self.send(request(kind, method, path, &[], body.into()).unwrap())
            .await
    }

    /// Ends all items of open core tasks, as the provisioner does.
    pub(super) async fn provision(&self) {
        let open = self.app().read(|fleet| {
            let tasks = fleet.open_core_tasks();
            tasks
                .map(|task| (task.key, task.items.len()))
                .collect::<Vec<_>>()
        });
        for (key, count) in open.await.unwrap() {
            let count = u32::try_from(count).unwrap();
            let start = Command::StartCoreTaskBatch {
                key,
                first: 0,
                count,
            };
            self.app().submit(start).await.unwrap().unwrap();
            for item in 0..count {
                let result = Ok(Provisioned::default());
                let finish = Command::FinishCoreTaskItem { key, item, result };
                self.app().submit(finish).await.unwrap().unwrap();
            }
        }
    }

    /// A core device reports that it is healthy.
    pub(super) async fn report_health(&self, thing: &str) {
        let component = InstalledComponent {
            name: "aws.greengrass.Cli".into(),
            version: "2.5.0".into(),
            state: "RUNNING".into(),
            is_root: true,
        };
        let report = HealthReport {
            nucleus_version: "2.5.0".into(),
            platform: "linux".into(),
            architecture: "amd64".into(),
            health: Health::Healthy,
            sequence_number: 1,
            complete: true,
            components: vec![component],
            device_time: 0,
        };
        let command = Command::ReportHealth {
            thing: ThingName::parse(thing).unwrap(),
            report: Box::new(report),
        };
        self.app().submit(command).await.unwrap().unwrap();
    }

    /// The device edge sees a thing connect.
    pub(super) async fn connect(&self, thing: &str) {
        let since = self.app().now();
        let seen = vec![Observation {
            client: thing.into(),
            state: State::Connected { since },
            unrecorded: 0,
        }];
        let observe = Command::Presence(presence::Command::Observe { seen });
        self.app().submit(observe).await.unwrap().unwrap();
    }

    pub(super) async fn advance(&self, milliseconds: u64) {
        let moved = self.app().advance_clock(Span(milliseconds)).await;
        moved.unwrap().unwrap();
    }
}

/// A request as a client of a kind sends it: `cdf`, `json`, `plain`, or an AWS service name, which signs.
pub(super) fn request(
    kind: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Option<Request<Body>> {
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDTEST/20240101/us-east-1/{kind}/aws4_request, \
         SignedHeaders=host, Signature=0"
    );
    let media_type = "application/vnd.aws-cdf-v1.0+json";
    let mut all: Vec<(&str, &str)> = match kind {
        "cdf" => vec![("accept", media_type), ("content-type", media_type)],
        "json" => vec![("content-type", "application/json")],
        "plain" => Vec::new(),
        _ => vec![("authorization", &signature)],
    };
    all.extend(headers);
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::from_bytes(method.as_bytes()).ok()?;
    *request.uri_mut() = path.parse().ok()?;
    for (name, value) in all {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        request
            .headers_mut()
            .insert(name, HeaderValue::from_str(value).ok()?);
    }
    Some(request)
}
