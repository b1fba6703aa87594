//! Messages about shadows, the same over MQTT and over HTTP (AWS IoT: Device Shadow service documents).

use serde_json::{Map, Value};
use shipslog_domain::shadow::{Change, Document};
use shipslog_domain::{Rejection, RejectionKind, Timestamp};

/// What a request on a shadow is refused with: a status of HTTP, on MQTT too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 413.
    TooLarge,
    /// 415.
    Encoding,
    /// 429.
    TooManyRequests,
}

impl Code {
    /// The number that clients get.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::Encoding => 415,
            Self::TooManyRequests => 429,
        }
    }

    /// The one table from refusals of the state machine.
    #[must_use]
    pub const fn of(kind: RejectionKind) -> Self {
        match kind {
            RejectionKind::Malformed => Self::BadRequest,
            RejectionKind::NotFound => Self::NotFound,
            RejectionKind::AlreadyExists
            | RejectionKind::WrongState
            | RejectionKind::Finished
            | RejectionKind::VersionMismatch
            | RejectionKind::Conflict => Self::Conflict,
            RejectionKind::TooMany => Self::TooLarge,
        }
    }
}

/// What is said of bytes that are no text.
pub const NOT_UTF_8: &str = "Unsupported documented encoding; supported encoding is UTF-8";

/// What is said when the service has more to do than it may queue.
pub const TOO_MANY_REQUESTS: &str = "Too many requests: the service is busy; try again";

fn put(message: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    message.insert(name.to_owned(), value.into());
}

fn end(mut message: Map<String, Value>, at: Timestamp, token: Option<&str>) -> Vec<u8> {
    put(&mut message, "timestamp", at.seconds());
    if let Some(token) = token {
        put(&mut message, "clientToken", token);
    }
    Value::Object(message).to_string().into_bytes()
}

/// The answer to a request for a shadow: everything that it holds, and what is desired and not reported so.
#[must_use]
pub fn shown(document: &Document, now: Timestamp, token: Option<&str>) -> Vec<u8> {
    let mut whole = document.whole();
    if let (Some(delta), Value::Object(state)) = (document.delta(), &mut whole.state) {
        put(state, "delta", delta.state);
    }
    let mut message = Map::new();
    put(&mut message, "state", whole.state);
    put(&mut message, "metadata", whole.metadata);
    put(&mut message, "version", document.version);
    end(message, now, token)
}

/// The answer to an update: what it changed.
#[must_use]
pub fn updated(change: &Change, version: u64, at: Timestamp, token: Option<&str>) -> Vec<u8> {
    let echo = change.echo(at);
    let mut message = Map::new();
    put(&mut message, "state", echo.state);
    put(&mut message, "metadata", echo.metadata);
    put(&mut message, "version", version);
    end(message, at, token)
}

/// The answer to a deletion.
#[must_use]
pub fn deleted(version: u64, at: Timestamp, token: Option<&str>) -> Vec<u8> {
    let mut message = Map::new();
    put(&mut message, "version", version);
    end(message, at, token)
}

/// What is desired and not reported so; nothing if there is no difference.
#[must_use]
pub fn delta(document: &Document, at: Timestamp, token: Option<&str>) -> Option<Vec<u8>> {
    let delta = document.delta()?;
    let mut message = Map::new();
    put(&mut message, "version", document.version);
    put(&mut message, "state", delta.state);
    put(&mut message, "metadata", delta.metadata);
    Some(end(message, at, token))
}

/// The document before and after an update. `previous` is absent where there was none.
#[must_use]
pub fn documents(
    previous: Option<&Document>,
    current: &Document,
    at: Timestamp,
    token: Option<&str>,
) -> Vec<u8> {
    let one = |document: &Document| {
        let whole = document.whole();
        let mut message = Map::new();
        put(&mut message, "state", whole.state);
        put(&mut message, "metadata", whole.metadata);
        put(&mut message, "version", document.version);
        Value::Object(message)
    };
    let mut message = Map::new();
    if let Some(previous) = previous {
        put(&mut message, "previous", one(previous));
    }
    put(&mut message, "current", one(current));
    end(message, at, token)
}

/// A refusal.
#[must_use]
pub fn refused(code: Code, message: &str, at: Timestamp, token: Option<&str>) -> Vec<u8> {
    let mut refusal = Map::new();
    put(&mut refusal, "code", code.number());
    put(&mut refusal, "message", message);
    end(refusal, at, token)
}

/// [`refused`] by the state machine. Its messages are those of AWS IoT, which clients look for.
#[must_use]
pub fn rejected(rejection: &Rejection, at: Timestamp, token: Option<&str>) -> Vec<u8> {
    refused(Code::of(rejection.kind), &rejection.message, at, token)
}
