//! AWS IoT Jobs over MQTT: parse into a command or a query, submit once, render the answer.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Deserialize;
use shipslog_domain::command::{ExecutionUpdate, ReportedStatus};
use shipslog_domain::execution::{Details, StepTimer, View};
use shipslog_domain::{
    Command, Fleet, JobName, Namespace, Rejection, RejectionKind, ThingId, ThingName, Timestamp,
};

use shipslog_gateway_core::s3::Documents;
use shipslog_gateway_core::{App, Failure, Receipt};

use super::render::{begin, by_status, execution, state, summary};
use super::requests;
use crate::admission::Admission;
use crate::limits;
use crate::topics::{JobReference, JobsOperation};

/// A reply to the requester.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) accepted: bool,
    pub(super) json: Vec<u8>,
}

/// A request that is refused.
#[derive(Debug)]
pub(super) struct Refused {
    token: Option<Arc<str>>,
    code: Code,
    message: Cow<'static, str>,
}

/// `code` of a rejection. TerminalStateReached is not among them: describing a finished execution is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Code {
    InvalidTopic,
    InvalidJson,
    InvalidRequest,
    InvalidStateTransition,
    ResourceNotFound,
    VersionMismatch,
    RequestThrottled,
}

impl Code {
    const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidTopic => "InvalidTopic",
            Self::InvalidJson => "InvalidJson",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidStateTransition => "InvalidStateTransition",
            Self::ResourceNotFound => "ResourceNotFound",
            Self::VersionMismatch => "VersionMismatch",
            Self::RequestThrottled => "RequestThrottled",
        }
    }

    /// The one table from refusals of the state machine to codes of the device plane.
    const fn of(kind: RejectionKind) -> Self {
        match kind {
            RejectionKind::Malformed | RejectionKind::AlreadyExists | RejectionKind::Conflict => {
                Self::InvalidRequest
            }
            RejectionKind::NotFound => Self::ResourceNotFound,
            RejectionKind::WrongState | RejectionKind::Finished => Self::InvalidStateTransition,
            RejectionKind::VersionMismatch => Self::VersionMismatch,
            RejectionKind::TooMany => Self::RequestThrottled,
        }
    }
}

impl Refused {
    fn new(token: Option<Arc<str>>, code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            token,
            code,
            message: message.into(),
        }
    }

    /// The service has more to do than it may queue.
    pub(super) fn throttled(token: Option<Arc<str>>) -> Self {
        Self::new(
            token,
            Code::RequestThrottled,
            "the service is busy; try again",
        )
    }

    pub(super) fn json(&self, now: Timestamp) -> Vec<u8> {
        self.json_with(now, None)
    }

    fn json_with(&self, now: Timestamp, execution: Option<&View<'_>>) -> Vec<u8> {
        let mut reply = begin(self.token.as_deref(), now);
        reply.member("code", self.code.as_str());
        reply.member("message", &*self.message);
        if let Some(view) = execution {
            state(&mut reply, view);
        }
        reply.end()
    }

    fn reply(&self, now: Timestamp, execution: Option<&View<'_>>) -> Reply {
        Reply {
            accepted: false,
            json: self.json_with(now, execution),
        }
    }
}

/// A request that is as it should be.
#[derive(Debug)]
pub(super) struct Work {
    token: Option<Arc<str>>,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Pending {
        thing: Box<str>,
    },
    Describe(Describe),
    StartNext {
        thing: ThingName,
        details: Option<Details>,
        step_timer: Option<StepTimer>,
    },
    Update {
        update: Box<ExecutionUpdate>,
        show: Show,
    },
}

#[derive(Debug)]
struct Describe {
    thing: Box<str>,
    /// Nothing: `$next`.
    job: Option<Box<str>>,
    namespace: Option<Box<str>>,
    number: Option<u64>,
    with_document: bool,
}

/// What an accepted update shows besides the time.
#[derive(Clone, Copy, Debug)]
struct Show {
    state: bool,
    document: bool,
}

/// Parses a request.
pub(super) fn prepare(
    thing: &str,
    operation: JobsOperation<'_>,
    payload: &[u8],
) -> Result<Work, Refused> {
    match operation {
        JobsOperation::GetPending => {
            let request: requests::Bare<'_> = parse(payload)?;
            let token = token(request.client_token.as_deref())?;
            Ok(Work {
                token,
                asked: Asked::Pending {
                    thing: thing.into(),
                },
            })
        }
        JobsOperation::StartNext => start_next(thing, payload),
        JobsOperation::Describe { job, namespace } => {
            let request: requests::Describe<'_> = parse(payload)?;
            let token = token(request.client_token.as_deref())?;
            let describe = Describe {
                thing: thing.into(),
                job: match job {
                    JobReference::Next => None,
                    JobReference::Name(name) => Some(name.into()),
                },
                namespace: namespace.map(Into::into),
                number: request.execution_number.map(|number| number.0),
                with_document: request.include_job_document.unwrap_or(true),
            };
            Ok(Work {
                token,
                asked: Asked::Describe(describe),
            })
        }
        JobsOperation::Update { job, namespace } => update(thing, job, namespace, payload),
        JobsOperation::Invalid => {
            let token = parse::<requests::Bare<'_>>(payload)
                .ok()
                .and_then(|request| token(request.client_token.as_deref()).ok().flatten());
            Err(Refused::new(
                token,
                Code::InvalidTopic,
                "the topic is no operation of jobs",
            ))
        }
    }
}

fn start_next(thing: &str, payload: &[u8]) -> Result<Work, Refused> {
    let request: requests::StartNext<'_> = parse(payload)?;
    let token = token(request.client_token.as_deref())?;
    let refuse = |rejection: Rejection| refused(token.clone(), &rejection);
    let asked = Asked::StartNext {
        thing: ThingName::parse(thing).map_err(refuse)?,
        details: request.status_details.map(|pairs| pairs.0),
        step_timer: request
            .step_timeout_in_minutes
            .map(step_timer)
            .transpose()
            .map_err(refuse)?,
    };
    Ok(Work { token, asked })
}

fn update(
    thing: &str,
    job: &str,
    namespace: Option<&str>,
    payload: &[u8],
) -> Result<Work, Refused> {
    let request: requests::Update<'_> = parse(payload)?;
    let token = token(request.client_token.as_deref())?;
    let refuse = |rejection: Rejection| refused(token.clone(), &rejection);
    let status = match request.status.as_deref() {
        Some("IN_PROGRESS") => ReportedStatus::InProgress,
        Some("SUCCEEDED") => ReportedStatus::Succeeded,
        Some("FAILED") => ReportedStatus::Failed,
        Some("REJECTED") => ReportedStatus::Rejected,
        Some("QUEUED") => ReportedStatus::Queued,
        _ => {
            let rule = "must be one of IN_PROGRESS, SUCCEEDED, FAILED, REJECTED";
            return Err(refuse(Rejection::malformed("status", rule)));
        }
    };
    let update = ExecutionUpdate {
        thing: ThingName::parse(thing).map_err(refuse)?,
        job: JobName::parse(job).map_err(refuse)?,
        namespace: namespace
            .map(Namespace::parse)
            .transpose()
            .map_err(refuse)?,
        status,
        details: request.status_details.map(|pairs| pairs.0),
        expected_version: request.expected_version.map(|number| number.0),
        number: request.execution_number.map(|number| number.0),
        step_timer: request
            .step_timeout_in_minutes
            .map(step_timer)
            .transpose()
            .map_err(refuse)?,
    };
    let show = Show {
        state: request.include_job_execution_state.unwrap_or(false),
        document: request.include_job_document.unwrap_or(false),
    };
    Ok(Work {
        token,
        asked: Asked::Update {
            update: Box::new(update),
            show,
        },
    })
}

fn step_timer(minutes: i64) -> Result<StepTimer, Rejection> {
    match u32::try_from(minutes) {
        Ok(minutes) => Ok(StepTimer::Minutes(minutes)),
        Err(_) if minutes == -1 => Ok(StepTimer::Stopped),
        Err(_) => Err(Rejection::malformed(
            "stepTimeoutInMinutes",
            "must be at least 1, or -1 to stop the timer",
        )),
    }
}

fn refused(token: Option<Arc<str>>, rejection: &Rejection) -> Refused {
    Refused::new(token, Code::of(rejection.kind), rejection.to_string())
}

/// Reads a payload; none at all stands for an empty object.
fn parse<'a, T: Deserialize<'a> + Default>(payload: &'a [u8]) -> Result<T, Refused> {
    if payload.is_empty() {
        return Ok(T::default());
    }
    let Ok(text) = std::str::from_utf8(payload) else {
        return Err(Refused::new(
            None,
            Code::InvalidJson,
            "the payload is not UTF-8",
        ));
    };
    // A list would pass for an object with its members in order.
    if text.trim_start().starts_with('[') {
        return Err(Refused::new(
            None,
            Code::InvalidRequest,
            "the payload must be a JSON object",
        ));
    }
    let error = match serde_json::from_str::<T>(text) {
        Ok(request) => return Ok(request),
        Err(error) => error,
    };
    if error.classify() != serde_json::error::Category::Data {
        return Err(Refused::new(
            None,
            Code::InvalidJson,
            format!("the payload is not JSON: {error}"),
        ));
    }
    // The token can still be told from the rest.
    let token = serde_json::from_str::<requests::Bare<'_>>(text)
        .ok()
        .and_then(|request| token(request.client_token.as_deref()).ok().flatten());
    Err(Refused::new(token, Code::InvalidRequest, error.to_string()))
}

fn token(text: Option<&str>) -> Result<Option<Arc<str>>, Refused> {
    match text {
        Some(text) if text.len() > limits::CLIENT_TOKEN_BYTES_MAX => {
            let rule = format!(
                "clientToken: must have at most {} bytes",
                limits::CLIENT_TOKEN_BYTES_MAX
            );
            Err(Refused::new(None, Code::InvalidRequest, rule))
        }
        text => Ok(text.map(Into::into)),
    }
}

impl Work {
    pub(super) fn token(&self) -> Option<Arc<str>> {
        self.token.clone()
    }

    /// Submits it once, when it is its turn, and renders the answer.
    pub(super) async fn answer(self, app: &App, admission: &Admission) -> Result<Reply, Failure> {
        let _place = admission.enter().await?;
        let token = self.token;
        let documents = app.documents();
        match self.asked {
            Asked::Pending { thing } => {
                let now = app.now();
                app.read(move |fleet| pending(fleet, &thing, token, now))
                    .await
            }
            Asked::Describe(describe) => {
                let now = app.now();
                app.read(move |fleet| describe.render(fleet, &documents, token, now))
                    .await
            }
            Asked::StartNext {
                thing,
                details,
                step_timer,
            } => {
                let name = thing.clone();
                let now = app.now();
                let command = Command::StartNextExecution {
                    thing,
                    namespace: None,
                    details,
                    step_timer,
                };
                app.submit_with(command, None, move |fleet, result| {
                    started(fleet, &name, &documents, token, &result, now)
                })
                .await
            }
            Asked::Update { update, show } => {
                let now = app.now();
                let about = About {
                    thing: update.thing.clone(),
                    job: update.job.clone(),
                    namespace: update.namespace.clone(),
                    show,
                };
                let command = Command::UpdateExecution { update };
                app.submit_with(command, None, move |fleet, result| {
                    about.updated(fleet, &documents, token, &result, now)
                })
                .await
            }
        }
    }
}

/// The number of a registered thing, or the refusal.
fn registered(fleet: &Fleet, thing: &str, token: Option<&Arc<str>>) -> Result<ThingId, Refused> {
    let found = fleet.thing_id(thing).filter(|id| fleet.is_registered(*id));
    found.ok_or_else(|| {
        let rejection = Rejection::not_found("thingName", format_args!("thing {thing:?}"));
        refused(token.cloned(), &rejection)
    })
}

fn pending(fleet: &Fleet, thing: &str, token: Option<Arc<str>>, now: Timestamp) -> Reply {
    let thing = match registered(fleet, thing, token.as_ref()) {
        Ok(thing) => thing,
        Err(refused) => return refused.reply(now, None),
    };
    let mut all = fleet.pending(thing, None);
    all.truncate(limits::PENDING_LISTED_MAX);
    let (in_progress, queued) = by_status(all);
    let mut reply = begin(token.as_deref(), now);
    reply.list("inProgressJobs", &in_progress, summary);
    reply.list("queuedJobs", &queued, summary);
    Reply {
        accepted: true,
        json: reply.end(),
    }
}

impl Describe {
    fn render(
        &self,
        fleet: &Fleet,
        documents: &Documents,
        token: Option<Arc<str>>,
        now: Timestamp,
    ) -> Reply {
        let thing = match registered(fleet, &self.thing, token.as_ref()) {
            Ok(thing) => thing,
            Err(refused) => return refused.reply(now, None),
        };
        let namespace = self.namespace.as_deref();
        let found = match &self.job {
            None => fleet.next_pending(thing, namespace),
            Some(job) => fleet
                .job_id(job)
                .and_then(|job| fleet.execution(job, thing)),
        };
        let found = found.filter(|view| {
            view.namespace == namespace
                && self
                    .number
                    .is_none_or(|number| number == u64::from(view.number))
        });
        if found.is_none() && self.job.is_some() {
            let what = format_args!(
                "job {:?} of thing {:?}",
                self.job.as_deref().unwrap_or_default(),
                self.thing
            );
            return refused(token, &Rejection::not_found("jobId", what)).reply(now, None);
        }
        let mut reply = begin(token.as_deref(), now);
        if let Some(view) = found {
            reply.object("execution", |object| {
                let document = self.with_document.then_some(documents);
                execution(object, &view, &self.thing, document, now);
            });
        }
        Reply {
            accepted: true,
            json: reply.end(),
        }
    }
}

fn started(
    fleet: &Fleet,
    thing: &ThingName,
    documents: &Documents,
    token: Option<Arc<str>>,
    result: &Result<Receipt, Rejection>,
    now: Timestamp,
) -> Reply {
    let now = match result {
        Ok(receipt) => receipt.at,
        Err(rejection) => return refused(token, rejection).reply(now, None),
    };
    let mut reply = begin(token.as_deref(), now);
    // What is in progress comes first, so the head is what was started or had been.
    let head = fleet
        .thing_id(thing.as_str())
        .and_then(|id| fleet.next_pending(id, None));
    if let Some(view) = head {
        reply.object("execution", |object| {
            execution(object, &view, thing.as_str(), Some(documents), now);
        });
    }
    Reply {
        accepted: true,
        json: reply.end(),
    }
}

/// Which execution an update was about.
struct About {
    thing: ThingName,
    job: JobName,
    namespace: Option<Namespace>,
    show: Show,
}

impl About {
    fn updated(
        &self,
        fleet: &Fleet,
        documents: &Documents,
        token: Option<Arc<str>>,
        result: &Result<Receipt, Rejection>,
        now: Timestamp,
    ) -> Reply {
        let receipt = match result {
            Ok(receipt) => receipt,
            Err(rejection) => {
                let refused = refused(token, rejection);
                let shown = matches!(
                    refused.code,
                    Code::InvalidStateTransition | Code::VersionMismatch
                );
                let view = if shown { self.view(fleet) } else { None };
                return refused.reply(now, view.as_ref());
            }
        };
        let mut reply = begin(token.as_deref(), receipt.at);
        if (self.show.state || self.show.document)
            && let Some(view) = self.view(fleet)
        {
            if self.show.state {
                state(&mut reply, &view);
            }
            if self.show.document {
                reply.raw("jobDocument", &documents.delivered(&view));
            }
        }
        Reply {
            accepted: true,
            json: reply.end(),
        }
    }

    fn view<'a>(&self, fleet: &'a Fleet) -> Option<View<'a>> {
        let thing = fleet.thing_id(self.thing.as_str())?;
        let view = fleet.execution(fleet.job_id(self.job.as_str())?, thing)?;
        (view.namespace == self.namespace.as_ref().map(Namespace::as_str)).then_some(view)
    }
}
