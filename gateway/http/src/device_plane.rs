//! The device plane over HTTPS: what devices ask with their certificate instead of a signature.
//!
//! | request | policy action, resource |
//! | --- | --- |
//! | `/things/{thing}/jobs…` (`iot-jobs-data`) | `iotjobsdata:GetPendingJobExecutions` and so on, `thing/{thing}` |
//! | `/things/{thing}/shadow` (`iot-data`) | `iot:GetThingShadow` and so on, `thing/{thing}`, or `thing/{thing}/{shadow}` for a named one |
//! | `POST /topics/{topic}` | `iot:Publish`, and `iot:RetainPublish` with `retain=true`, `topic/{topic}` |
//! | `GET /greengrass/v2/coreDevices/{thing}/thingGroups` | `greengrass:ListThingGroupsForCoreDevice`, `coreDevices:{thing}` |
//! | `POST /greengrass/v2/resolveComponentCandidates` | `greengrass:ResolveComponentCandidates`, `components:*` |
//! | `GET /greengrass/v2/components/{arn}/artifacts/{name}` | `greengrass:GetComponentVersionArtifact`, the ARN |
//! | `GET /greengrass/v2/coreDevices/{thing}/deployments/{id}/configuration` | `greengrass:GetDeploymentConfiguration`, `deployments:{id}` |
//! | `GET /role-aliases/{alias}/credentials` | `iot:AssumeRoleWithCertificate`, `rolealias/{alias}` |
//!
//! The fleet is asked at every request whether the certificate may be used and what its policies allow. Which thing the
//! device is follows from the thing in the path, or from the header `x-amzn-iot-thingname`.

mod requests;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use shipslog_domain::access::{Access, Action, Claimant, Refusal};
use shipslog_domain::{Fleet, ThingId};
use shipslog_gateway_core::App;
use shipslog_gateway_core::messages::{Publication, Unpublished};
use shipslog_gateway_core::pki::Presented;
use shipslog_gateway_core::refusals::{Reason, Refused};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::aws::iot_data::messages::{messages, properties, refusal};
use crate::aws::scope::Service;
use crate::error::Error;
use crate::http::{Edge, Http};
use crate::metrics::{MetricsSource, Sample, SampleKind};
use crate::query::Query;
use crate::surface::Surface;
use crate::{Options, limits, server};
use requests::Asked;

/// Protocols of the plane, as clients name them (ALPN). A client may name none.
pub const PROTOCOLS: [&str; 2] = ["x-amzn-http-ca", "http/1.1"];

/// The device plane. Clones share its bounds.
#[derive(Clone, Debug)]
pub struct DevicePlane {
    edge: Edge,
    connections: Arc<Semaphore>,
    counts: Arc<[AtomicU64; RESULTS.len()]>,
}

/// How requests are answered, for the metrics.
const RESULTS: [&str; 3] = ["answered", "forbidden", "refused"];

impl DevicePlane {
    /// A plane on an App. Access keys do not count here: certificates do.
    #[must_use]
    pub fn new(app: App, mut options: Options) -> Self {
        options.keys = None;
        options.metrics_sources = Vec::new();
        Self {
            edge: Edge::new(Http::new(app, options)),
            connections: Arc::new(Semaphore::new(limits::CONNECTIONS_MAX)),
            counts: Arc::default(),
        }
    }

    /// Serves the requests of one connection. One more than there may be is closed at once.
    pub async fn serve<S>(&self, stream: S, certificate: Presented)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Ok(_counted) = Arc::clone(&self.connections).try_acquire_owned() else {
            return;
        };
        let certificate = Arc::new(certificate);
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (plane, certificate) = (self.clone(), Arc::clone(&certificate));
            async move {
                let request = request.map(Body::new);
                Ok::<_, Infallible>(plane.handle(request, &certificate).await)
            }
        });
        let mut stopping = self.edge.http().stopping();
        let stopped = async { drop(stopping.wait_for(|is_stopping| *is_stopping).await) };
        let connection = server::builder().serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stopped => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            // Clients come and go.
            tracing::trace!(%error, "an HTTPS connection broke");
        }
    }

    /// Finishes the requests in hand, but does not wait longer than the HTTP side does.
    pub async fn stop(&self) {
        self.edge.http().stop();
        let all =
            u32::try_from(limits::CONNECTIONS_MAX).expect("the bound on connections is small");
        if timeout(limits::STOP_PATIENCE, self.connections.acquire_many(all))
            .await
            .is_err()
        {
            tracing::warn!(
                "some HTTPS connections of devices did not end in time and were cut off"
            );
        }
    }

    async fn handle(&self, request: Request, certificate: &Arc<Presented>) -> Response {
        let answer = self.answer(request, certificate).await;
        let result = match answer.status() {
            StatusCode::FORBIDDEN => 1,
            status if status.is_client_error() || status.is_server_error() => 2,
            _ => 0,
        };
        if let Some(count) = self.counts.get(result) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn answer(&self, request: Request, certificate: &Arc<Presented>) -> Response {
        let Some(asked) = Asked::read(&request) else {
            return refuse(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                "no operation of the device plane is at this path with this method",
            );
        };
        if let Err(response) = self.judge(&asked, certificate).await {
            return response;
        }
        match asked {
            Asked::Jobs { .. } => {
                let surface = Surface::Aws(Service::JobsData);
                self.edge.handle_as(surface, request).await
            }
            Asked::Shadow { .. } => {
                let surface = Surface::Aws(Service::IotData);
                self.edge.handle_as(surface, request).await
            }
            Asked::Components { .. } => {
                let surface = Surface::Aws(Service::Greengrass);
                self.edge.handle_as(surface, request).await
            }
            Asked::Topic(topic) => match self.publish(topic, request).await {
                Ok(()) => json_response(StatusCode::OK, &json!({"message": "OK"})),
                Err(refused) => refused,
            },
            Asked::ThingGroups { thing } => self.thing_groups(thing).await,
            Asked::Credentials { alias, .. } => refuse(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                &format!(
                    "role alias {alias} lends nothing: this service has no credentials of roles"
                ),
            ),
        }
    }

    /// Refuses what the certificate or its policies do not allow.
    async fn judge(&self, asked: &Asked, certificate: &Arc<Presented>) -> Result<(), Response> {
        let app = self.edge.http().app();
        let (asking, presented) = (asked.clone(), Arc::clone(certificate));
        let judged = app.read(move |fleet| {
            let access = fleet.access(&Claimant {
                fingerprint: presented.fingerprint(),
                client_id: asking.thing(),
                certificate_field: &|name| presented.field(name),
            })?;
            let missing = asking.missing(&access, fleet);
            Ok::<_, Refusal>(missing.map(|action| (action, access.thing())))
        });
        let resource = asked.resource();
        let refused = Refused {
            certificate: certificate.fingerprint(),
            thing: None,
            client_id: asked.thing(),
            action: asked.action(),
            resource: &resource,
            reason: Reason::CertificateNotActive,
        };
        match judged.await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some((action, thing)))) => {
                app.refusals().note(&Refused {
                    thing,
                    action,
                    reason: Reason::Policy,
                    ..refused
                });
                Err(forbidden("no policy of the certificate allows this"))
            }
            Ok(Err(refusal)) => {
                if matches!(refusal, Refusal::NotActive(_)) {
                    app.refusals().note(&refused);
                }
                Err(forbidden(&refusal.to_string()))
            }
            Err(failure) => Err(refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                &failure.to_string(),
            )),
        }
    }

    async fn publish(&self, topic: requests::Topic, request: Request) -> Result<(), Response> {
        let http = self.edge.http();
        let invalid = |why: &str| refuse(StatusCode::BAD_REQUEST, "InvalidRequestException", why);
        let wrong = |error: Error| invalid(&error.summary().detail());
        let properties = properties(&Query::of(request.uri()), request.headers());
        let properties = properties.map_err(wrong)?;
        let read = axum::body::to_bytes(request.into_body(), limits::MESSAGE_BYTES_MAX);
        let read = timeout(limits::REQUEST_DEADLINE, read).await.map_err(|_| {
            refuse(
                StatusCode::REQUEST_TIMEOUT,
                "RequestTimeoutException",
                "the payload did not come in time",
            )
        })?;
        let too_long = || {
            refuse(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLargeException",
                &format!(
                    "the payload has more than {} bytes",
                    limits::MESSAGE_BYTES_MAX
                ),
            )
        };
        let payload = read.map_err(|_| too_long())?;
        let published = messages(http).map_err(wrong)?.publish(Publication {
            topic: topic.name,
            payload,
            at_least_once: topic.at_least_once,
            retain: topic.retain,
            properties,
        });
        published.await.map_err(|why| match why {
            Unpublished::Payload => too_long(),
            Unpublished::Topic | Unpublished::Properties => wrong(refusal(why)),
            Unpublished::Busy => refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                "the service is busy; try again in a moment",
            ),
        })
    }

    async fn thing_groups(&self, thing: String) -> Response {
        let name = thing.clone();
        let groups = self.edge.http().app().read(move |fleet| {
            let id = fleet.thing_id(&name)?;
            fleet.is_registered(id).then(|| groups_of(fleet, id))
        });
        match groups.await {
            Ok(Some(groups)) => json_response(StatusCode::OK, &json!({"thingGroups": groups})),
            Ok(None) => refuse(
                StatusCode::NOT_FOUND,
                "ResourceNotFoundException",
                &format!("thing {thing} is not registered"),
            ),
            Err(failure) => refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailableException",
                &failure.to_string(),
            ),
        }
    }
}

/// The groups of a thing, each with those above it from the top down.
fn groups_of(fleet: &Fleet, thing: ThingId) -> Vec<Value> {
    let named = |name: &str| {
        let arn = fleet.settings().arn(&format!("thinggroup/{name}"));
        json!({"thingGroupName": name, "thingGroupArn": arn})
    };
    let groups = fleet.thing(thing).map(|thing| thing.groups.iter());
    let groups = groups.into_iter().flatten();
    let groups = groups.filter_map(|id| {
        let group = fleet.group_by_id(*id)?;
        let mut above = Vec::new();
        let mut next = group.parent;
        while let Some(parent) = next.and_then(|id| fleet.group_by_id(id)) {
            above.insert(0, named(parent.name.as_str()));
            next = parent.parent;
        }
        let mut described = named(group.name.as_str());
        if let Some(members) = described.as_object_mut() {
            members.insert("rootToParentThingGroups".into(), above.into());
        }
        Some(described)
    });
    groups.collect()
}

impl MetricsSource for DevicePlane {
    fn samples(&self) -> Vec<Sample> {
        let counts = RESULTS.iter().zip(self.counts.iter());
        let samples = counts.map(|(result, count)| Sample {
            name: "shipslog_device_https_requests_total",
            help: "Requests of devices over HTTPS, by how they were answered",
            kind: SampleKind::Counter,
            labels: vec![("result", (*result).to_owned())],
            // Counts are far below 2^53.
            #[expect(clippy::cast_precision_loss, reason = "Prometheus takes floats")]
            value: count.load(Ordering::Relaxed) as f64,
        });
        samples.collect()
    }
}

fn forbidden(message: &str) -> Response {
    refuse(StatusCode::FORBIDDEN, "ForbiddenException", message)
}

/// A refusal in the form of AWS' device planes.
fn refuse(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let mut response = json_response(status, &json!({"message": message}));
    let name = HeaderName::from_static("x-amzn-errortype");
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(kind));
    response
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (status, kind, body.to_string()).into_response()
}

impl Asked {
    /// The policy action that an access does not allow; `None`: all that is needed is allowed.
    fn missing(&self, access: &Access, fleet: &Fleet) -> Option<&'static str> {
        let settings = fleet.settings();
        let service = |arn: &str| {
            let action = self.action();
            (!access.allows_service(action, arn)).then_some(action)
        };
        match self {
            Self::Jobs { .. } | Self::Shadow { .. } | Self::Credentials { .. } => {
                service(&settings.arn(&self.resource()))
            }
            Self::ThingGroups { .. } | Self::Components { .. } => {
                service(&settings.greengrass_arn(&self.resource()))
            }
            Self::Topic(topic) => {
                let retains = topic.retain.then_some(Action::RetainPublish);
                let mut needed = [Some(Action::Publish), retains].into_iter().flatten();
                needed
                    .find(|action| !access.allows(*action, &topic.name))
                    .map(Action::as_str)
            }
        }
    }
}

#[cfg(test)]
mod tests;
