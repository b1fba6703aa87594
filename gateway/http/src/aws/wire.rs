//! What all operations share: bodies, answers, errors, times, pages, ids.

pub(crate) mod codes;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use shipslog_domain::{Rejection, RejectionKind, Timestamp, execution, limits as domain};
use shipslog_gateway_core::random;

pub(crate) use shipslog_domain::stable_uuid;

use super::greengrass;
use super::lightsail;
use super::model::Operation;
use super::operations::{Called, Outcome};
use super::scope::Service;
use super::validation;
use crate::auth::Denied;
use crate::body;
use crate::error::{Error, Summary};
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::query::Query;

/// The media type that SDKs expect of a rest-json service.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The media type of a service that speaks JSON 1.1.
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
pub(crate) const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// A body, whatever its content type: SDKs leave the type out where there is no body.
#[derive(Debug)]
pub(crate) struct AwsBody(pub(crate) Value);

impl FromRequest<Http> for AwsBody {
    type Rejection = Response;

    async fn from_request(request: Request, http: &Http) -> Result<Self, Self::Rejection> {
        let called = request.extensions().get::<Called>().cloned();
        let refuse = |error: Error| Outcome::Refused(error).into_response();
        let mut body = body::read_json(http, request).await.map_err(refuse)?;
        Field::root(&body).object().map_err(refuse)?;
        if let Some(called) = called {
            if let Some(operation) = called.operation {
                validation::check_body(operation, &body).map_err(refuse)?;
            }
            called.seal.open_body(&mut body).map_err(refuse)?;
        }
        Ok(Self(body))
    }
}

/// The media type of a service's answers.
pub(crate) const fn media_type(service: Service) -> HeaderValue {
    if service.is_rest() { JSON } else { JSON_1_1 }
}

/// What an operation answers.
pub(crate) type Answer<E> = Result<Response, E>;

/// 200 with a JSON body.
pub(crate) fn ok(body: Map<String, Value>) -> Response {
    Outcome::Members(body).into_response()
}

/// 201 with a JSON body.
pub(crate) fn created(body: Map<String, Value>) -> Response {
    let mut response = ok(body);
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// 204, which has no body.
pub(crate) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// 200 without a body, for operations that have no output.
pub(crate) fn no_output() -> Response {
    ([(header::CONTENT_TYPE, JSON)], Body::empty()).into_response()
}

/// Inserts members, in order, leaving out what is absent.
pub(crate) fn members<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Map<String, Value> {
    let present = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    present
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Seconds since 1970 with milliseconds as a fraction: AWS' timestamp.
pub(crate) fn time(at: Timestamp) -> Value {
    let (seconds, milliseconds) = (at.0 / 1_000, at.0 % 1_000);
    if milliseconds == 0 {
        return seconds.into();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for the next 280,000 years"
    )]
    let seconds = at.0 as f64 / 1_000.0;
    seconds.into()
}

macro_rules! service_error {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) Error);

        impl<E: Into<Error>> From<E> for $name {
            fn from(error: E) -> Self {
                Self(error.into())
            }
        }

        impl IntoResponse for $name {
            fn into_response(self) -> Response {
                Outcome::Refused(self.0).into_response()
            }
        }
    };
}

service_error!(
    /// An error of the control plane.
    IotError
);
service_error!(
    /// An error of the device plane.
    JobsDataError
);
service_error!(
    /// An error of the data plane.
    IotDataError
);
service_error!(
    /// An error of Greengrass.
    GreengrassError
);
service_error!(
    /// An error of OpsWorks.
    OpsWorksError
);
service_error!(
    /// An error of Lightsail.
    LightsailError
);

/// The refusal tables: status and code of AWS.
fn status_and_code(service: Service, kind: RejectionKind) -> (u16, &'static str) {
    match service {
        Service::Iot | Service::Json => match kind {
            RejectionKind::Malformed => (400, "InvalidRequestException"),
            RejectionKind::NotFound => (404, "ResourceNotFoundException"),
            RejectionKind::AlreadyExists => (409, "ResourceAlreadyExistsException"),
            RejectionKind::WrongState | RejectionKind::Finished => {
                (409, "InvalidStateTransitionException")
            }
            RejectionKind::VersionMismatch => (409, "VersionConflictException"),
            RejectionKind::Conflict => (409, "ConflictException"),
            RejectionKind::TooMany => (410, "LimitExceededException"),
        },
        Service::IotData => match kind {
            RejectionKind::Malformed => (400, "InvalidRequestException"),
            RejectionKind::NotFound => (404, "ResourceNotFoundException"),
            RejectionKind::AlreadyExists
            | RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch
            | RejectionKind::Conflict => (409, "ConflictException"),
            RejectionKind::TooMany => (413, "RequestEntityTooLargeException"),
        },
        Service::Greengrass => match kind {
            RejectionKind::Malformed => (400, "ValidationException"),
            RejectionKind::NotFound => (404, "ResourceNotFoundException"),
            RejectionKind::AlreadyExists
            | RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch
            | RejectionKind::Conflict => (409, "ConflictException"),
            RejectionKind::TooMany => (402, "ServiceQuotaExceededException"),
        },
        Service::OpsWorks => match kind {
            RejectionKind::NotFound => (400, "ResourceNotFoundException"),
            RejectionKind::Malformed
            | RejectionKind::AlreadyExists
            | RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch
            | RejectionKind::Conflict
            | RejectionKind::TooMany => (400, "ValidationException"),
        },
        Service::Lightsail => match kind {
            RejectionKind::NotFound => (400, "NotFoundException"),
            RejectionKind::Malformed
            | RejectionKind::AlreadyExists
            | RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch
            | RejectionKind::Conflict
            | RejectionKind::TooMany => (400, "InvalidInputException"),
        },
        Service::JobsData => match kind {
            RejectionKind::Malformed => (400, "InvalidRequestException"),
            RejectionKind::NotFound => (404, "ResourceNotFoundException"),
            // The device plane knows no code of its own for a wrong version.
            RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch => (409, "InvalidStateTransitionException"),
            RejectionKind::AlreadyExists | RejectionKind::Conflict => (409, "ConflictException"),
            RejectionKind::TooMany => (429, "ThrottlingException"),
        },
    }
}

/// Codes of what is no refusal of the domain.
fn transport_code(summary: &Summary<'_>) -> (u16, &'static str) {
    match summary.status {
        // A code of AWS is said as it is.
        status if summary.code.ends_with("Exception") => (status.as_u16(), summary.code),
        StatusCode::NOT_FOUND if summary.code == "NO_SUCH_PATH" => {
            (404, "UnknownOperationException")
        }
        StatusCode::NOT_FOUND => (404, "ResourceNotFoundException"),
        StatusCode::BAD_REQUEST if summary.code == "INVALID_QUERY" => {
            (400, "InvalidQueryException")
        }
        StatusCode::METHOD_NOT_ALLOWED => (404, "UnknownOperationException"),
        StatusCode::GONE => (410, "TerminalStateException"),
        StatusCode::PAYLOAD_TOO_LARGE if summary.code == "BODY_TOO_LARGE" => {
            (413, "RequestEntityTooLargeException")
        }
        StatusCode::REQUEST_TIMEOUT => (408, "RequestTimeoutException"),
        StatusCode::SERVICE_UNAVAILABLE => (503, "ServiceUnavailableException"),
        StatusCode::INTERNAL_SERVER_ERROR => (500, "InternalFailureException"),
        _ => (400, "InvalidRequestException"),
    }
}

/// Status and code of refused credentials. Every operation may answer them, whatever its model lists.
fn denied_code(denied: &Denied) -> (u16, &'static str) {
    match denied {
        Denied::Missing => (403, "MissingAuthenticationTokenException"),
        Denied::Incomplete(_) => (403, "IncompleteSignatureException"),
        Denied::Unknown => (403, "UnrecognizedClientException"),
        Denied::Mismatch | Denied::Invalid(_) | Denied::Body => (403, "InvalidSignatureException"),
        Denied::Role { .. } => (403, "AccessDeniedException"),
        Denied::Chunked => (400, "InvalidRequestException"),
    }
}

/// An error as SDKs read it: the code in a header and in the body, the message in the body.
pub(crate) fn respond_error(
    service: Service,
    operation: Option<&Operation>,
    error: &Error,
) -> Response {
    let summary = error.summary();
    let (about, error) = error.split();
    let (status, code) = match error {
        Error::Rejected(rejection) => status_and_code(service, rejection.kind),
        Error::Denied(denied) => denied_code(denied),
        Error::Invalid { .. }
        | Error::TooLarge { .. }
        | Error::Absent(_)
        | Error::About { .. }
        | Error::Refused(_) => transport_code(&summary),
    };
    let (status, code) = match operation {
        Some(operation) => operation.modelled(status, code),
        None if service == Service::Greengrass => greengrass::code(status, code),
        None => (status, code),
    };
    let message = match (service, error) {
        // The words of AWS, which clients look for.
        (Service::IotData, Error::Rejected(rejection)) => rejection.message.clone(),
        _ => summary.detail(),
    };
    let mut body = members([
        ("__type", Some(code.into())),
        ("message", Some(message.into())),
    ]);
    if service == Service::Greengrass {
        body.append(&mut greengrass::details(code, about, &summary));
    }
    if service == Service::Lightsail {
        body.append(&mut lightsail::details(code));
    }
    // JSON 1.1 has one status for whatever the caller got wrong.
    let status = if service.is_rest() || status >= 500 {
        status
    } else {
        400
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = [
        (header::CONTENT_TYPE, media_type(service)),
        (ERROR_TYPE, HeaderValue::from_static(code)),
    ];
    let mut response = (status, headers, Value::Object(body).to_string()).into_response();
    if matches!(
        summary.status,
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT
    ) {
        // The rest of the body is left on the connection.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    if summary.is_transient {
        let seconds = HeaderValue::from(limits::RETRY_AFTER_SECONDS);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// A refusal under the code `InvalidRequestException`, for operations whose model has no code for a wrong state:
/// SDKs make no exception class of a code that an operation does not list.
pub(crate) fn state_as_invalid(error: Error) -> Error {
    match error {
        Error::Rejected(rejection) => Error::Rejected(Rejection {
            kind: match rejection.kind {
                RejectionKind::WrongState | RejectionKind::Finished => RejectionKind::Malformed,
                RejectionKind::Malformed
                | RejectionKind::NotFound
                | RejectionKind::AlreadyExists
                | RejectionKind::VersionMismatch
                | RejectionKind::Conflict
                | RejectionKind::TooMany => rejection.kind,
            },
            ..rejection
        }),
        other => other,
    }
}

/// Deleting what is not there succeeds (AWS IoT: things and thing groups).
pub(crate) fn absent_is_deleted<T>(deleted: Result<T, Error>) -> Result<(), Error> {
    match deleted {
        Ok(_)
        | Err(Error::Rejected(Rejection {
            kind: RejectionKind::NotFound,
            ..
        })) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Refuses a member that we do not act upon, rather than ignore what it asks for.
pub(crate) fn refuse_unsupported(body: &Field<'_, '_>, names: &[&str]) -> Result<(), Error> {
    let present = names.iter().find(|name| body.member(name).is_present());
    match present {
        None => Ok(()),
        Some(name) => Err(body
            .member(name)
            .refuse("is not supported yet; leave it out")),
    }
}

/// Every answer carries an id that a caller can quote.
pub(crate) fn add_request_id(response: &mut Response) {
    if let Ok(id) = HeaderValue::try_from(random_uuid()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// A UUID that nobody can guess.
pub(crate) fn random_uuid() -> String {
    let bytes = u128::from_be_bytes(random::bytes());
    // Version 4, variant 2.
    let bytes = bytes & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{bytes:032x}");
    let (a, b, c, d, e) = (
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    );
    format!("{a}-{b}-{c}-{d}-{e}")
}

/// `maxResults` and `nextToken` of a list.
#[derive(Debug)]
pub(crate) struct Paging {
    pub(crate) limit: usize,
    pub(crate) after: Option<String>,
}

impl Paging {
    pub(crate) fn read(query: &Query) -> Result<Self, Error> {
        Self::read_or(query, limits::AWS_PAGE_ITEMS_DEFAULT)
    }

    /// [`Paging::read`] where a page has another number of items by default.
    pub(crate) fn read_or(query: &Query, default: usize) -> Result<Self, Error> {
        let limit = match query.one("maxResults")? {
            None => default,
            Some(text) => match text.parse::<u32>() {
                Ok(count) if (1..=limits::AWS_PAGE_ITEMS_MAX).contains(&count) => count as usize,
                _ => {
                    let max = limits::AWS_PAGE_ITEMS_MAX;
                    return Err(Error::invalid("maxResults", format!("must be 1 to {max}")));
                }
            },
        };
        let after = Self::after(query.one("nextToken")?)?;
        Ok(Self { limit, after })
    }

    /// Where a page token says to go on.
    pub(crate) fn after(token: Option<&str>) -> Result<Option<String>, Error> {
        let cursor = token.map(|token| {
            let rule = "must be a token from an answer of this operation";
            from_token(token).ok_or_else(|| Error::invalid("nextToken", rule))
        });
        cursor.transpose()
    }
}

/// A page token: the cursor in hexadecimal digits, so that nobody mistakes it for a name.
pub(crate) fn to_token(cursor: &str) -> Value {
    let digits = cursor.bytes().map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().into()
}

fn from_token(token: &str) -> Option<String> {
    let digits = token.as_bytes();
    if !digits.len().is_multiple_of(2) || digits.is_empty() {
        return None;
    }
    let bytes = digits.chunks_exact(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        let is_hex = pair.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u8::from_str_radix(pair, 16).ok()).flatten()
    });
    String::from_utf8(bytes.collect::<Option<Vec<u8>>>()?).ok()
}

/// `pageSize`, `marker` and `isAscendingOrder` of a list in the order of creation, the newest first where nobody says
/// otherwise.
#[derive(Debug)]
pub(crate) struct MarkerPaging {
    pub(crate) limit: usize,
    /// The number of the last item that was listed.
    pub(crate) from: Option<u32>,
    pub(crate) ascending: bool,
}

impl MarkerPaging {
    pub(crate) fn read(query: &Query) -> Result<Self, Error> {
        let marker = marker(query)?.map(|cursor| cursor.parse().map_err(|_| wrong_marker()));
        Ok(Self {
            limit: page_size(query)?,
            from: marker.transpose()?,
            ascending: query.flag("isAscendingOrder")?,
        })
    }

    /// `nextMarker` after the item with this number, where more follow.
    pub(crate) fn next(has_more: bool, last: Option<u32>) -> Option<Value> {
        let last = last.filter(|_| has_more)?;
        Some(to_token(&last.to_string()))
    }
}

/// `pageSize` of a list.
pub(crate) fn page_size(query: &Query) -> Result<usize, Error> {
    let Some(text) = query.one("pageSize")? else {
        return Ok(limits::AWS_PAGE_ITEMS_DEFAULT);
    };
    match text.parse::<u32>() {
        Ok(count) if (1..=limits::AWS_PAGE_ITEMS_MAX).contains(&count) => Ok(count as usize),
        _ => {
            let max = limits::AWS_PAGE_ITEMS_MAX;
            Err(Error::invalid("pageSize", format!("must be 1 to {max}")))
        }
    }
}

/// The cursor in `marker` of a list.
pub(crate) fn marker(query: &Query) -> Result<Option<String>, Error> {
    let marker = query.one("marker")?;
    let marker = marker.map(|token| from_token(token).ok_or_else(wrong_marker));
    marker.transpose()
}

/// A marker that no answer of the operation had.
pub(crate) fn wrong_marker() -> Error {
    Error::invalid(
        "marker",
        "must be a marker from an answer of this operation",
    )
}

const EXECUTION_STATUSES: [execution::Status; 8] = execution::Status::ALL;

/// `status` of a list of executions.
pub(crate) fn execution_status(query: &Query) -> Result<Option<execution::Status>, Error> {
    let Some(text) = query.one("status")? else {
        return Ok(None);
    };
    let status = EXECUTION_STATUSES
        .into_iter()
        .find(|status| status.as_str() == text);
    status.map(Some).ok_or_else(|| {
        let words = EXECUTION_STATUSES.map(execution::Status::as_str);
        Error::invalid("status", format!("must be one of {}", words.join(", ")))
    })
}

/// `statusDetails`: pairs in the order they came.
pub(crate) fn details(body: &Field<'_, '_>) -> Result<Option<execution::Details>, Error> {
    let field = body.member("statusDetails");
    match field.present() {
        Some(field) => Ok(Some(field.string_pairs(domain::DETAILS_MAX)?)),
        None => Ok(None),
    }
}

/// `expectedVersion`: a number, or the same as text, as the samples in circulation send it.
pub(crate) fn expected_version(body: &Field<'_, '_>) -> Result<Option<u64>, Error> {
    let field = body.member("expectedVersion");
    field.present().map(Field::number_or_digits).transpose()
}

/// A number in the query.
pub(crate) fn query_number(query: &Query, name: &str) -> Result<Option<u64>, Error> {
    let number = query.one(name)?.map(str::parse).transpose();
    number.map_err(|_| Error::invalid(name, "must be a whole number of 0 or more"))
}

#[cfg(test)]
mod tests;
