//! The code by which each surface says each refusal, written from the contracts.

use shipslog_domain::Command;
use shipslog_domain::RejectionKind::{
    self, AlreadyExists, Conflict, Finished, Malformed, NotFound, TooMany, VersionMismatch,
    WrongState,
};

use super::saying::Surface;

/// Whether the surface answers this refusal as if it had done what was asked: what is to be deleted is not there.
pub(super) const fn is_silent(command: &Command, kind: RejectionKind) -> bool {
    let deletes = matches!(
        command,
        Command::DeleteThing { .. } | Command::DeleteGroup { .. } | Command::DeleteTemplate { .. }
    );
    deletes && matches!(kind, NotFound)
}

/// The code of a refusal.
pub(super) const fn code(surface: Surface, command: &Command, kind: RejectionKind) -> &'static str {
    match surface {
        Surface::Cdf | Surface::Own => of_cdf(kind),
        Surface::Iot => of_iot(command, kind),
        Surface::JobsData => of_jobs_data(kind),
        Surface::Mqtt3 | Surface::Mqtt5 => of_mqtt(kind),
    }
}

const fn of_cdf(kind: RejectionKind) -> &'static str {
    match kind {
        Malformed => "MALFORMED",
        NotFound => "NOT_FOUND",
        AlreadyExists => "ALREADY_EXISTS",
        WrongState => "WRONG_STATE",
        Finished => "FINISHED",
        VersionMismatch => "VERSION_MISMATCH",
        Conflict => "CONFLICT",
        TooMany => "TOO_MANY",
    }
}

/// The model of an operation lists few codes: what it has no word for is an invalid request.
const fn of_iot(command: &Command, kind: RejectionKind) -> &'static str {
    const INVALID: &str = "InvalidRequestException";
    let knows_states = matches!(
        command,
        Command::DeleteJob { .. }
            | Command::CancelExecution { .. }
            | Command::DeleteExecution { .. }
    );
    let knows_absence = !matches!(command, Command::CreateGroup { .. });
    match kind {
        Malformed | TooMany => INVALID,
        NotFound if knows_absence => "ResourceNotFoundException",
        AlreadyExists => "ResourceAlreadyExistsException",
        WrongState | Finished if knows_states => "InvalidStateTransitionException",
        NotFound | WrongState | Finished => INVALID,
        VersionMismatch => "VersionConflictException",
        Conflict => "ConflictException",
    }
}

const fn of_jobs_data(kind: RejectionKind) -> &'static str {
    match kind {
        Malformed => "InvalidRequestException",
        NotFound => "ResourceNotFoundException",
        WrongState | Finished | VersionMismatch => "InvalidStateTransitionException",
        AlreadyExists | Conflict => "ConflictException",
        TooMany => "ThrottlingException",
    }
}

const fn of_mqtt(kind: RejectionKind) -> &'static str {
    match kind {
        Malformed | AlreadyExists | Conflict => "InvalidRequest",
        NotFound => "ResourceNotFound",
        WrongState | Finished => "InvalidStateTransition",
        VersionMismatch => "VersionMismatch",
        TooMany => "RequestThrottled",
    }
}
