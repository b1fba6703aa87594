//! How the domain says no: a kind that every edge has a code for, the field, the rule and the way out.

use std::fmt;

/// What a refusal means to the caller. Every adapter has one exhaustive table from kind to code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectionKind {
    /// A field breaks a rule of form or range.
    Malformed,
    /// The named item does not exist.
    NotFound,
    /// The name is taken.
    AlreadyExists,
    /// The item is in a state that does not allow this.
    WrongState,
    /// The execution or job has ended.
    Finished,
    /// The expected version is not the current one.
    VersionMismatch,
    /// The command contradicts existing facts, or its id was used with another body.
    Conflict,
    /// A named bound would be exceeded.
    TooMany,
}

/// A refused command: kind, field, and a message that says the rule and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What the refusal means.
    pub kind: RejectionKind,
    /// The field or item that the rule is about, as clients spell it.
    pub field: &'static str,
    /// The rule and the way out; a lower-case fragment.
    pub message: String,
}

impl Rejection {
    /// A refusal of the given kind.
    pub fn new(kind: RejectionKind, field: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            field,
            message: message.into(),
        }
    }

    /// A field that breaks a rule of form or range.
    pub fn malformed(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(RejectionKind::Malformed, field, message)
    }

    /// An item that does not exist.
    pub fn not_found(field: &'static str, what: impl fmt::Display) -> Self {
        Self::new(
            RejectionKind::NotFound,
            field,
            format!("{what} does not exist"),
        )
    }

    /// A name that is taken.
    pub fn already_exists(field: &'static str, what: impl fmt::Display) -> Self {
        Self::new(
            RejectionKind::AlreadyExists,
            field,
            format!("{what} already exists"),
        )
    }

    /// A state that does not allow the command.
    pub fn wrong_state(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(RejectionKind::WrongState, field, message)
    }

    /// A bound that would be exceeded.
    pub fn too_many(field: &'static str, message: impl Into<String>) -> Self {
        Self::new(RejectionKind::TooMany, field, message)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl std::error::Error for Rejection {}
