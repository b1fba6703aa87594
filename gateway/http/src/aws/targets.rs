//! Services that speak JSON 1.1: every request is `POST /`, and `X-Amz-Target` names the operation.
//!
//! Inside, an operation has the path of its name, such as `/CreateStack`, so that routes, metrics and the table of
//! operations are those of every other service.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, Uri};

use super::scope::Service;

/// The header that names the operation.
pub(crate) const HEADER: &str = "x-amz-target";

/// What stands before the operation's name.
const PREFIXES: [(&str, Service); 2] = [
    ("OpsWorks_20130218.", Service::OpsWorks),
    ("Lightsail_20161128.", Service::Lightsail),
];

fn target(headers: &HeaderMap) -> Option<(Service, &str)> {
    let target = headers.get(HEADER)?.to_str().ok()?;
    let mut prefixes = PREFIXES.iter();
    prefixes.find_map(|(prefix, service)| Some((*service, target.strip_prefix(prefix)?)))
}

/// The service of a target, for requests that nobody signed.
pub(crate) fn service(headers: &HeaderMap) -> Service {
    target(headers).map_or(Service::Json, |(service, _)| service)
}

/// Gives a request the path of its operation. What names none keeps its path, behind which there is nothing.
pub(crate) fn set_path(service: Service, mut request: Request) -> Request {
    let is_sent_so = *request.method() == Method::POST && request.uri().path() == "/";
    let path = match target(request.headers()) {
        Some((named, operation)) if named == service && is_sent_so => is_name(operation)
            .then(|| Uri::try_from(format!("/{operation}")).ok())
            .flatten(),
        _ => None,
    };
    if let Some(path) = path {
        *request.uri_mut() = path;
    }
    request
}

fn is_name(operation: &str) -> bool {
    !operation.is_empty() && operation.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether the operation with this path changes nothing.
pub(crate) fn is_read(path: &str) -> bool {
    let reads = ["/Describe", "/Get", "/List"];
    reads.iter().any(|read| path.starts_with(read))
}

#[cfg(test)]
mod tests;
