//! Job executions as devices get them: integer seconds, the order of AWS IoT.

use shipslog_domain::Timestamp;
use shipslog_domain::execution::{Status, View};
use shipslog_gateway_core::s3::Documents;

use super::json::Object;
use crate::limits;

/// Payload of `notify`: the pending executions, the first in line first.
pub(crate) fn list_json(all: &[View<'_>], now: Timestamp) -> Vec<u8> {
    let listed: Vec<View<'_>> = all
        .iter()
        .take(limits::PENDING_LISTED_MAX)
        .copied()
        .collect();
    let (in_progress, queued) = by_status(listed);
    let mut message = Object::new();
    message.member("timestamp", &now.seconds());
    message.object("jobs", |jobs| {
        for (status, views) in [(Status::InProgress, in_progress), (Status::Queued, queued)] {
            if !views.is_empty() {
                jobs.list(status.as_str(), &views, summary);
            }
        }
    });
    message.end()
}

/// Payload of `notify-next`: the head of the pending executions.
pub(crate) fn head_json(head: Option<&View<'_>>, documents: &Documents, now: Timestamp) -> Vec<u8> {
    let mut message = Object::new();
    message.member("timestamp", &now.seconds());
    if let Some(view) = head {
        message.object("execution", |object| {
            object.member("jobId", view.job_name);
            object.member("status", view.status.as_str());
            times(object, view);
            object.member("versionNumber", &view.version);
            object.member("executionNumber", &view.number);
            if !view.details.is_empty() {
                object.pairs("statusDetails", view.details);
            }
            object.raw("jobDocument", &documents.delivered(view));
        });
    }
    message.end()
}

pub(super) fn begin(token: Option<&str>, now: Timestamp) -> Object {
    let mut reply = Object::new();
    if let Some(token) = token {
        reply.member("clientToken", token);
    }
    reply.member("timestamp", &now.seconds());
    reply
}

fn times(object: &mut Object, view: &View<'_>) {
    object.member("queuedAt", &view.queued_at.seconds());
    if let Some(started_at) = view.started_at {
        object.member("startedAt", &started_at.seconds());
    }
    object.member("lastUpdatedAt", &view.last_updated_at.seconds());
}

pub(super) fn summary(object: &mut Object, view: &View<'_>) {
    object.member("jobId", view.job_name);
    times(object, view);
    object.member("executionNumber", &view.number);
    object.member("versionNumber", &view.version);
}

/// An execution as its device gets it, with its document from `document`.
pub(super) fn execution(
    object: &mut Object,
    view: &View<'_>,
    thing: &str,
    document: Option<&Documents>,
    now: Timestamp,
) {
    object.member("jobId", view.job_name);
    object.member("thingName", thing);
    object.member("status", view.status.as_str());
    if !view.details.is_empty() {
        object.pairs("statusDetails", view.details);
    }
    times(object, view);
    if let Some(due) = view.times_out_at {
        object.member(
            "approximateSecondsBeforeTimedOut",
            &(due.since(now).0 / 1_000),
        );
    }
    object.member("versionNumber", &view.version);
    object.member("executionNumber", &view.number);
    if let Some(documents) = document {
        object.raw("jobDocument", &documents.delivered(view));
    }
}

pub(super) fn state(reply: &mut Object, view: &View<'_>) {
    reply.object("executionState", |object| {
        object.member("status", view.status.as_str());
        object.pairs("statusDetails", view.details);
        object.member("versionNumber", &view.version);
    });
}

/// Those in progress, and those queued.
pub(super) fn by_status(all: Vec<View<'_>>) -> (Vec<View<'_>>, Vec<View<'_>>) {
    all.into_iter()
        .partition(|view| view.status == Status::InProgress)
}
