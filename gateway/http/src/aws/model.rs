//! What AWS models of an operation: where it is, who may call it here, which errors it may answer, and what its
//! request must look like. One table, `model/*.txt`, says it for every operation.

mod notation;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use axum::http::Method;
use shipslog_gateway_core::access::Role;

use super::scope::Service;
#[cfg(test)]
pub(crate) use notation::Pattern;
pub(crate) use notation::{Member, Place, Type};

/// An operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The service that it belongs to.
    pub(crate) service: Service,
    /// Its name in AWS' model.
    pub(crate) name: &'static str,
    /// Its path, with the names of path members in braces.
    pub(crate) path: Cow<'static, str>,
    /// The least role that may call it.
    pub(crate) role: Role,
    /// The codes of errors that it may answer.
    pub(crate) errors: Vec<&'static str>,
    /// The members of its request.
    pub(crate) members: Vec<Member>,
}

/// All operations, and the types that their members name.
#[derive(Debug, Default)]
struct Model {
    types: HashMap<&'static str, Type>,
    operations: HashMap<(Service, &'static str, String), Operation>,
}

/// The files of the table.
const TABLES: [&str; 2] = [
    include_str!("model/operations.txt"),
    include_str!("model/json_operations.txt"),
];

static MODEL: LazyLock<Model> = LazyLock::new(|| {
    let mut model = Model::default();
    for table in TABLES {
        read(&mut model, table).expect("the tables of operations are read by a test");
    }
    model
});

/// The operation behind a route; the names of path members do not matter.
pub(crate) fn find(service: Service, method: &Method, route: &str) -> Option<&'static Operation> {
    let method = known_method(method)?;
    MODEL.operations.get(&(service, method, anonymous(route)))
}

/// Every operation with its method, in the order of their names.
#[cfg(test)]
pub(crate) fn all() -> Vec<(&'static str, &'static Operation)> {
    let operations = MODEL.operations.iter();
    let mut all: Vec<_> = operations
        .map(|((_, method, _), operation)| (*method, operation))
        .collect();
    all.sort_by_key(|(method, operation)| (operation.name, &operation.path, *method));
    all
}

/// Whether paths of the control plane begin with this segment: requests without a signature are told by it.
pub(crate) fn is_root(segment: &str) -> bool {
    ROOTS.contains(segment)
}

static ROOTS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let operations = MODEL.operations.values();
    let iot = operations.filter(|operation| operation.service == Service::Iot);
    let roots = iot.filter_map(|operation| operation.path.split('/').nth(1));
    roots.collect()
});

/// A type by its name.
pub(crate) fn named(name: &str) -> Option<&'static Type> {
    MODEL.types.get(name)
}

fn known_method(method: &Method) -> Option<&'static str> {
    match method.as_str() {
        // What a GET would answer, without its body.
        "GET" | "HEAD" => Some("GET"),
        "POST" => Some("POST"),
        "PUT" => Some("PUT"),
        "PATCH" => Some("PATCH"),
        "DELETE" => Some("DELETE"),
        _ => None,
    }
}

/// `/things/{}/jobs` of `/things/{thing}/jobs`.
fn anonymous(path: &str) -> String {
    let segments = path.split('/');
    let segments = segments.map(|segment| {
        if segment.starts_with('{') {
            "{}"
        } else {
            segment
        }
    });
    segments.collect::<Vec<_>>().join("/")
}

/// Reads a table; the refusal names the line.
fn read(model: &mut Model, text: &'static str) -> Result<(), String> {
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        read_line(model, line).ok_or_else(|| line.to_owned())?;
    }
    Ok(())
}

fn read_line(model: &mut Model, line: &'static str) -> Option<()> {
    if let Some(line) = line.strip_prefix("type ") {
        let (name, definition) = line.split_once(" = ")?;
        model.types.insert(name, notation::read_type(definition)?);
        return Some(());
    }
    let (head, members) = line.split_once(" | ").unwrap_or((line, ""));
    let mut words = head.split(' ');
    let service = match words.next()? {
        "iot" => Service::Iot,
        "iot-jobs-data" => Service::JobsData,
        "iot-data" => Service::IotData,
        "greengrassv2" => Service::Greengrass,
        "opsworks" => Service::OpsWorks,
        "lightsail" => Service::Lightsail,
        _ => return None,
    };
    let name = words.next()?;
    let (method, path) = if service.is_rest() {
        (words.next()?, Cow::from(words.next()?))
    } else {
        ("POST", Cow::from(format!("/{name}")))
    };
    let method = known_method(&Method::from_bytes(method.as_bytes()).ok()?)?;
    let operation = Operation {
        service,
        name,
        path,
        role: words.next()?.parse().ok()?,
        errors: words.next()?.split(',').map(code).collect::<Option<_>>()?,
        members: notation::read_members(members)?,
    };
    let key = (service, method, anonymous(&operation.path));
    let known = model.operations.insert(key, operation);
    known.is_none().then_some(())
}

impl Operation {
    /// Whether AWS lists this code for the operation.
    pub(crate) fn lists(&self, code: &str) -> bool {
        self.errors.contains(&code)
    }

    /// What the operation may answer in the place of an error: SDKs make no exception class of a code that its model
    /// does not list. Credentials, unknown operations and faults are for every operation alike.
    pub(crate) fn modelled(&self, status: u16, code: &'static str) -> (u16, &'static str) {
        let faults = ["InternalServerException", "ServiceException"];
        let is_fault = code == INTERNAL_FAILURE && faults.iter().any(|code| self.lists(code));
        if self.lists(code) || (COMMON.contains(&code) && !is_fault) {
            return (status, code);
        }
        let instead: &[(u16, &'static str)] = match status {
            500 => &[(500, "InternalServerException"), (500, "ServiceException")],
            503 => &[
                (429, "ThrottlingException"),
                (500, "InternalServerException"),
                (503, "ServiceException"),
            ],
            406 | 409 | 410 if code != INVALID_STATE => {
                &[(409, "ConflictException"), (400, INVALID)]
            }
            _ => &[(400, INVALID), (400, INVALID_INPUT)],
        };
        let listed = instead.iter().find(|(_, code)| self.lists(code));
        match listed.copied() {
            // The control plane throttles with 400.
            Some((429, code)) if self.service == Service::Iot => (400, code),
            Some(found) => found,
            // OpsWorks models no fault at all.
            None if status >= 500 => (status, INTERNAL_FAILURE),
            None => (400, "ValidationException"),
        }
    }
}

const INTERNAL_FAILURE: &str = "InternalFailureException";
const INVALID: &str = "InvalidRequestException";
/// Lightsail's word for it.
const INVALID_INPUT: &str = "InvalidInputException";
const INVALID_STATE: &str = "InvalidStateTransitionException";

/// Codes that any operation may answer.
const COMMON: [&str; 7] = [
    "AccessDeniedException",
    "IncompleteSignatureException",
    INTERNAL_FAILURE,
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnknownOperationException",
    "UnrecognizedClientException",
];

/// The code behind its initials in the table.
fn code(initials: &'static str) -> Option<&'static str> {
    Some(match initials {
        "CC" => "CertificateConflictException",
        "CRU" => "ConflictingResourceUpdateException",
        "CS" => "CertificateStateException",
        "CV" => "CertificateValidationException",
        "Conf" => "ConflictException",
        "DC" => "DeleteConflictException",
        "IA" => "InvalidAggregationException",
        "IF" => INTERNAL_FAILURE,
        "INR" => "IndexNotReadyException",
        "IQ" => "InvalidQueryException",
        "IR" => INVALID,
        "IS" => "InternalServerException",
        "IST" => INVALID_STATE,
        "LE" => "LimitExceededException",
        "MNA" => "MethodNotAllowedException",
        "MP" => "MalformedPolicyException",
        "AD" => "AccessDeniedException",
        "ASIP" => "AccountSetupInProgressException",
        "II" => INVALID_INPUT,
        "NF" => "NotFoundException",
        "OF" => "OperationFailureException",
        "RSIP" => "RegionSetupInProgressException",
        "Svc" => "ServiceException",
        "Unauthn" => "UnauthenticatedException",
        "RAIP" => "RequestAlreadyInProgressException",
        "RAE" => "ResourceAlreadyExistsException",
        "RCV" => "RegistrationCodeValidationException",
        "RETL" => "RequestEntityTooLargeException",
        "RNF" => "ResourceNotFoundException",
        "RRF" => "ResourceRegistrationFailureException",
        "SQE" => "ServiceQuotaExceededException",
        "SU" => "ServiceUnavailableException",
        "TAC" => "TransferAlreadyCompletedException",
        "TAE" => "TaskAlreadyExistsException",
        "TC" => "TransferConflictException",
        "Term" => "TerminalStateException",
        "Thr" => "ThrottlingException",
        "UDE" => "UnsupportedDocumentEncodingException",
        "Una" => "UnauthorizedException",
        "VC" => "VersionConflictException",
        "VLE" => "VersionsLimitExceededException",
        "Val" => "ValidationException",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
