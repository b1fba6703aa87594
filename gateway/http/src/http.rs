//! What happens around every request: bounds, deadlines, the surface that answers, and its form of errors.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use shipslog_domain::Position;
use shipslog_gateway_core::App;
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::messages::Messages;
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_core::pki::Authority;
use shipslog_gateway_core::s3::Endpoint;
use shipslog_projections::Views;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tower::ServiceExt;

use crate::arn::Arns;
use crate::auth::{self, Access, Auth};
use crate::aws::operations;
use crate::aws::opsworks;
use crate::aws::pages::Sealer;
use crate::aws::scope::Service;
use crate::aws::targets;

use crate::error::Error;
use crate::metrics::Metrics;
use crate::position;
use crate::query::{self, Plus, decode};
use crate::surface::Surface;
use crate::{Options, aws, cdf, limits, routes};

/// What every handler may use.
#[derive(Clone, Debug)]
pub(crate) struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    app: App,
    options: Options,
    arns: Arns,
    metrics: Metrics,
    auth: Option<Arc<Auth>>,
    page_tokens: Sealer,
    requests: Arc<Semaphore>,
    body_room: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    document_making: Arc<Mutex<()>>,
    stopping: watch::Sender<bool>,
}

/// Bodies are counted in units of this size, so that their sum fits a semaphore.
const ROOM_UNIT: usize = 1_024;

impl Http {
    pub(crate) fn new(app: App, options: Options) -> Self {
        let arns = Arns::new(&options.region, &options.account);
        let metrics = Metrics::new(app.clone(), options.metrics_sources.clone());
        let auth = options.keys.clone();
        Self(Arc::new(Inner {
            app,
            page_tokens: Sealer::new(&options.page_secret),
            auth: auth.map(|keys| Arc::new(Auth::new(keys, options.artifact_key.clone()))),
            options,
            arns,
            metrics,
            requests: Arc::new(Semaphore::new(limits::REQUESTS_MAX)),
            body_room: Arc::new(Semaphore::new(limits::BODY_BYTES_HELD_MAX / ROOM_UNIT)),
            uploads: Arc::new(Semaphore::new(limits::UPLOADS_MAX)),
            document_making: Arc::default(),
            stopping: watch::Sender::new(false),
        }))
    }

    pub(crate) fn app(&self) -> &App {
        &self.0.app
    }

    pub(crate) fn arns(&self) -> &Arns {
        &self.0.arns
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Who checks credentials; `None` if nobody does.
    pub(crate) fn auth(&self) -> Option<&Arc<Auth>> {
        self.0.auth.as_ref()
    }

    /// What the page tokens of AWS lists are sealed with.
    pub(crate) fn page_tokens(&self) -> &Sealer {
        &self.0.page_tokens
    }

    pub(crate) fn artifacts(&self) -> &Arc<Store> {
        &self.0.options.artifacts
    }

    /// Held by whoever makes a large document, so that it is made once.
    pub(crate) fn document_making(&self) -> &Arc<Mutex<()>> {
        &self.0.document_making
    }

    /// What devices may fetch.
    pub(crate) fn objects(&self) -> &Objects {
        &self.0.options.objects
    }

    pub(crate) fn s3_endpoint(&self) -> Option<&Endpoint> {
        self.0.options.s3_endpoint.as_ref()
    }

    /// Who issues and signs certificates.
    pub(crate) fn authority(&self) -> Option<&Arc<Authority>> {
        self.0.options.authority.as_ref()
    }

    /// Who takes messages to those who subscribed.
    pub(crate) fn messages(&self) -> Option<&Arc<dyn Messages>> {
        self.0.options.messages.as_ref()
    }

    /// The account in ARNs.
    pub(crate) fn account(&self) -> &str {
        &self.0.options.account
    }

    /// Turns true when the service stops: what lives longer than a request must end then.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.subscribe()
    }

    pub(crate) fn stop(&self) {
        self.0.stopping.send_replace(true);
    }

    /// Reads the views as they are.
    pub(crate) fn view<T>(&self, read: impl FnOnce(&Views) -> T) -> T {
        self.app().look(read)
    }

    pub(crate) fn views_position(&self) -> Position {
        self.app().views().position()
    }

    /// Takes room for a body, or refuses it while others fill the room.
    pub(crate) fn room_for_body(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.0.body_room).try_acquire_many_owned(units);
        room.map_err(|_| Error::transient("BUSY", "too many large bodies at once; try again"))
    }

    /// Takes a place for a file that is being received, or refuses it while others have them all.
    pub(crate) fn place_for_upload(&self) -> Result<OwnedSemaphorePermit, Error> {
        let place = Arc::clone(&self.0.uploads).try_acquire_owned();
        place.map_err(|_| Error::transient("BUSY", "too many uploads at once; try again"))
    }
}

/// Whether an answer of this status may come before the body was read. Such a connection ends, and a client that
/// keeps connections must be told.
fn may_leave_body(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::URI_TOO_LONG
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            | StatusCode::SERVICE_UNAVAILABLE
    )
}

/// All surfaces, ready to answer.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    http: Http,
    cdf: Router,
    iot: Router,
    jobs_data: Router,
    iot_data: Router,
    json_aws: Router,
    opsworks: Router,
    lightsail: Router,
    greengrass: Router,
    own: Router,
}

impl Edge {
    pub(crate) fn new(http: Http) -> Self {
        let cdf = finish(cdf::endpoints::routes(), Surface::Cdf)
            .layer(middleware::from_fn(cdf::require_version));
        let aws = |routes, service| {
            finish(routes, Surface::Aws(service)).layer(middleware::from_fn_with_state(
                (http.clone(), service),
                operations::around,
            ))
        };
        Self {
            cdf: cdf.with_state(http.clone()),
            iot: aws(routes::iot(), Service::Iot).with_state(http.clone()),
            jobs_data: aws(routes::jobs_data(), Service::JobsData).with_state(http.clone()),
            iot_data: aws(routes::iot_data(), Service::IotData).with_state(http.clone()),
            json_aws: aws(Router::new(), Service::Json).with_state(http.clone()),
            opsworks: aws(opsworks::routes(), Service::OpsWorks).with_state(http.clone()),
            lightsail: aws(routes::lightsail(), Service::Lightsail).with_state(http.clone()),
            greengrass: aws(routes::greengrass(), Service::Greengrass).with_state(http.clone()),
            own: finish(routes::own(&http), Surface::Own).with_state(http.clone()),
            http,
        }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Answers one request: never panics, never takes longer than the deadline.
    pub(crate) async fn handle(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let surface = Surface::of(&parts);
        self.handle_as(surface, Request::from_parts(parts, body))
            .await
    }

    /// [`Edge::handle`] for a request whose surface is known.
    pub(crate) async fn handle_as(&self, surface: Surface, request: Request) -> Response {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let method = parts.method.clone();
        let has_body = !body.is_end_stream();
        let answer = self.answer(surface, Request::from_parts(parts, body));
        let mut response = match AssertUnwindSafe(answer).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => surface.respond(&error),
            Err(_) => {
                tracing::error!(
                    surface = surface.as_str(),
                    "a request made its handler panic"
                );
                surface.respond(&Error::refused(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "INTERNAL",
                    "this is a defect of the service; the log says more",
                ))
            }
        };
        if let Surface::Aws(_) = surface {
            aws::wire::add_request_id(&mut response);
        }
        if surface == Surface::Cdf {
            self.add_cors(&mut response);
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"shipslog\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        if has_body && may_leave_body(response.status()) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        let route = response.extensions_mut().remove::<MatchedPath>();
        self.http.metrics().record_request(
            surface,
            route.as_ref().map_or("", MatchedPath::as_str),
            &method,
            response.status(),
            started.elapsed(),
        );
        response
    }

    async fn answer(&self, surface: Surface, request: Request) -> Result<Response, Error> {
        let (parts, body) = request.into_parts();
        check_head(&parts)?;
        // Stored files are named as on S3, which signs and serves each path as it stands; their names have a rule.
        if surface != Surface::Artifacts {
            check_segments(parts.uri.path())?;
        }
        let request = Request::from_parts(parts, body);
        if surface == Surface::Probe {
            let request = self.admit(surface, request).await?;
            return Ok(self.route(surface, request).await);
        }
        let requests = Arc::clone(&self.http.0.requests);
        let _at_work = requests
            .try_acquire_owned()
            .map_err(|_| Error::transient("BUSY", "too many requests at once; try again"))?;
        let mut request = self.admit(surface, request).await?;
        if let Surface::Aws(service) = surface {
            // The signature is over what was sent.
            request = targets::set_path(service, request);
        }
        if surface == Surface::Cdf && *request.method() == Method::OPTIONS {
            return Ok(preflight());
        }
        let run = |request| self.route(surface, request);
        let answer = position::around(&self.http, surface, request, run);
        if surface == Surface::Artifacts {
            // A file takes as long as it takes; each part of it has a deadline of its own.
            return Ok(answer.await);
        }
        timeout(limits::REQUEST_DEADLINE, answer)
            .await
            .map_err(|_| Error::transient("DEADLINE", "the answer took too long; try again"))
    }

    /// Refuses a request whose sender may not ask, before anything of it is parsed.
    async fn admit(&self, surface: Surface, mut request: Request) -> Result<Request, Error> {
        auth::refuse_chunked(request.headers())?;
        let Some(auth) = self.http.auth() else {
            request.extensions_mut().insert(Access::Open);
            return Ok(request);
        };
        let admitted = auth.admit(&self.http, surface, request).await;
        if let Err(Error::Denied(denied)) = &admitted {
            self.http.metrics().record_denied(denied);
        }
        admitted
    }

    async fn route(&self, surface: Surface, request: Request) -> Response {
        let router = match surface {
            Surface::Cdf => &self.cdf,
            Surface::Aws(Service::Iot) => &self.iot,
            Surface::Aws(Service::JobsData) => &self.jobs_data,
            Surface::Aws(Service::IotData) => &self.iot_data,
            Surface::Aws(Service::Json) => &self.json_aws,
            Surface::Aws(Service::OpsWorks) => &self.opsworks,
            Surface::Aws(Service::Lightsail) => &self.lightsail,
            Surface::Aws(Service::Greengrass) => &self.greengrass,
            Surface::GraphQl | Surface::Artifacts | Surface::Probe | Surface::Own => &self.own,
        };
        match router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn add_cors(&self, response: &mut Response) {
        let Some(origin) = &self.http.0.options.cors_origin else {
            return;
        };
        if let Ok(origin) = HeaderValue::try_from(origin) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED_HEADERS),
            );
        }
    }
}

/// The original exposes the first two only, so that a browser cannot read the id of a task.
const EXPOSED_HEADERS: &str = "content-type,location,x-taskid,x-name,x-version,x-shipslog-position";

/// A browser asks what it may send.
fn preflight() -> Response {
    let headers = [
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET,HEAD,PUT,PATCH,POST,DELETE",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "accept,content-type,authorization,if-match,idempotency-key,x-shipslog-min-position",
        ),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Refuses a head that is too long, and a path whose segments are no text, before a route takes it apart.
fn check_head(parts: &Parts) -> Result<(), Error> {
    let headers = parts.headers.iter();
    let headers: usize = headers
        .map(|(name, value)| name.as_str().len() + value.len())
        .sum();
    let target = parts
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    if headers + target.len() > limits::HEAD_BYTES_MAX {
        return Err(Error::refused(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "HEAD_TOO_LARGE",
            format!("path and headers exceed {} bytes", limits::HEAD_BYTES_MAX),
        ));
    }
    if query::is_text(parts.uri.path()) {
        return Ok(());
    }
    Err(Error::invalid("path", "must be percent-encoded UTF-8"))
}

/// Refuses a path that is not in its canonical form. A signature is made over that form, and a proxy may forward it,
/// while the route is that of the path as it stands: the two must not differ.
fn check_segments(path: &str) -> Result<(), Error> {
    let is_plain = |segment: &str| match segment {
        "" | "." | ".." => false,
        encoded if encoded.contains('%') => !matches!(&*decode(encoded, Plus::Itself), "." | ".."),
        _ => true,
    };
    let inner = path.strip_prefix('/').unwrap_or(path);
    // The canonical form keeps one slash at the end.
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    if matches!(path, "" | "/") || inner.split('/').all(is_plain) {
        return Ok(());
    }
    Err(Error::invalid(
        "path",
        "must have no segment that is empty, . or .. (not as %2e either); send the path that is meant",
    ))
}

/// Adds the answers for unknown paths and methods, and tells the metrics which route it was.
fn finish(routes: Router<Http>, surface: Surface) -> Router<Http> {
    routes
        .method_not_allowed_fallback(move || async move {
            surface.respond(&Error::refused(
                StatusCode::METHOD_NOT_ALLOWED,
                "METHOD_NOT_ALLOWED",
                "this path exists, but not with this method",
            ))
        })
        .fallback(move |request: Request<Body>| async move {
            surface.respond(&unknown_path(surface, request.uri().path()))
        })
        .layer(middleware::from_fn(note_route))
}

fn unknown_path(surface: Surface, path: &str) -> Error {
    let message = match surface {
        Surface::Cdf | Surface::GraphQl | Surface::Artifacts | Surface::Probe | Surface::Own => {
            format!("there is nothing at {path}")
        }
        Surface::Aws(_) => format!("the operation at {path} is not supported"),
    };
    Error::refused(StatusCode::NOT_FOUND, "NO_SUCH_PATH", message)
}

async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

#[cfg(test)]
mod tests;
