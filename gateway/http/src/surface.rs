//! Which API a request belongs to: decided once, from the signature's scope and the path, for routing and for the
//! form of errors.

use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use crate::aws;
use crate::aws::scope::Service;
use crate::aws::targets;
use crate::cdf;
use crate::error::Error;

/// An API with its own routes and its own form of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// The Connected Device Framework.
    Cdf,
    /// An AWS service.
    Aws(Service),
    /// GraphQL. Refusals before GraphQL itself are problems.
    GraphQl,
    /// Stored files.
    Artifacts,
    /// Health and metrics: never wait for anything.
    Probe,
    /// Everything else that is ours.
    Own,
}

impl Surface {
    /// The surface of a request. A signature for an AWS service decides; without one the first path segment does.
    pub(crate) fn of(parts: &Parts) -> Self {
        let scope = Service::of(&parts.headers, parts.uri.query().unwrap_or(""));
        Self::choose(scope, &parts.headers, parts.uri.path())
    }

    fn choose(scope: Option<Service>, headers: &HeaderMap, path: &str) -> Self {
        if let Some(service) = scope {
            return Self::Aws(service);
        }
        let root = path.trim_start_matches('/').split('/').next().unwrap_or("");
        match root {
            "healthz" | "readyz" | "metrics" => Self::Probe,
            "graphql" => Self::GraphQl,
            "artifacts" => Self::Artifacts,
            "greengrass" => Self::Aws(Service::Greengrass),
            root if cdf::ROOTS.contains(&root) => Self::Cdf,
            // Without a signature, as `curl` sends it: the service that owns the path.
            _ if headers.contains_key(targets::HEADER) => Self::Aws(targets::service(headers)),
            root if aws::model::is_root(root) => {
                Self::Aws(Service::of_host(headers).unwrap_or(Service::Iot))
            }
            _ => Self::Own,
        }
    }

    /// An error in the form of this surface.
    pub(crate) fn respond(self, error: &Error) -> Response {
        match self {
            Self::Cdf => cdf::respond_error(error),
            Self::Aws(service) => aws::wire::respond_error(service, None, error),
            Self::GraphQl | Self::Artifacts | Self::Probe | Self::Own => error.problem(),
        }
    }

    /// Whether a request reads the views.
    pub(crate) fn is_read(self, method: &Method, path: &str) -> bool {
        match self {
            Self::Cdf | Self::Aws(_) | Self::Own => {
                *method == Method::GET
                    || *method == Method::HEAD
                    || self.is_posted_read(method, path)
            }
            Self::GraphQl => true,
            Self::Artifacts | Self::Probe => false,
        }
    }

    /// Whether a question comes with a body: AWS IoT posts its searches and aggregations, JSON 1.1 everything.
    pub(crate) fn is_posted_read(self, method: &Method, path: &str) -> bool {
        let Self::Aws(service) = self else {
            return false;
        };
        let asks = match service {
            Service::OpsWorks | Service::Lightsail | Service::Json => targets::is_read(path),
            Service::Iot | Service::JobsData | Service::IotData | Service::Greengrass => {
                path.starts_with("/indices/")
            }
        };
        asks && *method == Method::POST
    }

    /// Whether a repeated write is recognized by its key. Storing a file twice is harmless, and its body is streamed.
    pub(crate) fn takes_idempotency_key(self) -> bool {
        match self {
            Self::Cdf | Self::Aws(_) | Self::Own => true,
            Self::GraphQl | Self::Artifacts | Self::Probe => false,
        }
    }

    /// The word for metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cdf => "cdf",
            Self::Aws(Service::Iot) => "iot",
            Self::Aws(Service::JobsData) => "iot-jobs-data",
            Self::Aws(Service::IotData) => "iot-data",
            Self::Aws(Service::Greengrass) => "greengrassv2",
            Self::Aws(Service::OpsWorks) => "opsworks",
            Self::Aws(Service::Lightsail) => "lightsail",
            Self::Aws(Service::Json) => "aws",
            Self::GraphQl => "graphql",
            Self::Artifacts => "artifacts",
            Self::Probe => "probe",
            Self::Own => "own",
        }
    }
}

#[cfg(test)]
mod tests;
