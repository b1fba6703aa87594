//! Requests of devices: publications to `$aws/…`.
//!
//! | topic | served by |
//! | --- | --- |
//! | `$aws/things/{thing}/jobs/…` | [`jobs`] |
//! | `$aws/things/{thing}/greengrassv2/health/json` | [`health`] |
//! | `$aws/things/{thing}/container-services/{service}/logs`, `…/metrics` | [`containers`] |
//! | `$aws/things/{thing}/shadow/…` | [`shadow`] |
//! | `$aws/certificates/create/…`, `…/create-from-csr/…`, `$aws/provisioning-templates/{template}/provision/…` | [`provisioning`] |
//! | `$aws/things/{thing}/streams/…` | [`streams`] |
//! | `$aws/events/…` | nobody: counted as unknown, acknowledged with reason 0x90 in MQTT 5, otherwise ignored |
//!
//! A request is parsed where its bytes were read ([`prepare`]), and answered after what it caused is durable
//! ([`Prepared::answer`]).

mod containers;
mod health;
mod jobs;
mod json;
mod provisioning;
mod render;
mod requests;
mod shadow;
pub(crate) mod streams;

use std::sync::Arc;

use shipslog_gateway_core::fleet_provisioning::{Asker, FleetProvisioning};
use shipslog_gateway_core::{App, Failure};

use crate::admission::Admission;
use crate::metrics::{Answer, Operation};
use crate::topics::{
    self, ContainersOperation, JobsOperation, ProvisioningOperation, Request, ShadowOperation,
};
pub(crate) use render::{head_json, list_json};

/// A parsed request.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) operation: Operation,
    work: Work,
}

#[derive(Debug)]
enum Work {
    /// Refused as it stands.
    Refused(jobs::Refused),
    Jobs(jobs::Work),
    RefusedShadow(shadow::Refused),
    Shadow(shadow::Work),
    Health(health::Report),
    Containers(Box<containers::Report>),
    Provisioning(Box<provisioning::Work>),
    Stream(Box<streams::Request>),
    Nothing,
}

/// What became of a request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) operation: Operation,
    pub(crate) answer: Answer,
    /// To the requester, on the topic of the request with `/accepted` or `/rejected` behind it.
    pub(crate) reply: Option<Vec<u8>>,
    /// Whether all who subscribed to the reply, the requester among them, are told from the log.
    pub(crate) is_told: bool,
}

impl Answered {
    /// The last level of the reply's topic.
    pub(crate) fn suffix(&self) -> &'static str {
        if self.answer == Answer::Accepted {
            "/accepted"
        } else {
            "/rejected"
        }
    }
}

/// The service is ending; the request may or may not have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// Reads a publication to a `$` topic; nothing if it is none.
pub(crate) fn prepare(topic: &str, payload: &[u8]) -> Option<Prepared> {
    let (operation, work) = match topics::request(topic)? {
        Request::Unknown => (Operation::Unknown, Work::Nothing),
        Request::Stream {
            thing,
            stream,
            operation,
            format,
        } => {
            let request = streams::Request::read(thing, stream, (operation, format), payload);
            (operation.counted(), Work::Stream(Box::new(request)))
        }
        Request::Health { thing } => match health::parse(thing, payload) {
            Ok(report) => (Operation::Health, Work::Health(report)),
            Err(problem) => {
                tracing::warn!(thing.name = thing, %problem, "a health message was not understood");
                (Operation::Health, Work::Nothing)
            }
        },
        Request::Containers {
            thing,
            service,
            operation,
        } => {
            let counted = match operation {
                ContainersOperation::Logs => Operation::ContainerLogs,
                ContainersOperation::Metrics => Operation::ContainerMetrics,
            };
            let report = containers::Report::read(thing, service, operation, payload);
            (counted, Work::Containers(Box::new(report)))
        }
        Request::Shadow {
            thing,
            shadow,
            operation,
        } => prepare_shadow(thing, shadow, operation, payload),
        Request::Provisioning { operation, format } => {
            let counted = match operation {
                ProvisioningOperation::CreateKeys => Operation::CreateKeys,
                ProvisioningOperation::CreateFromCsr => Operation::CreateFromCsr,
                ProvisioningOperation::Provision { .. } => Operation::Provision,
            };
            let work = provisioning::prepare(operation, format, payload);
            (counted, Work::Provisioning(Box::new(work)))
        }
        Request::Jobs { thing, operation } => {
            let counted = match operation {
                JobsOperation::GetPending => Operation::GetPending,
                JobsOperation::StartNext => Operation::StartNext,
                JobsOperation::Describe { .. } => Operation::Describe,
                JobsOperation::Update { .. } => Operation::Update,
                JobsOperation::Invalid => Operation::InvalidTopic,
            };
            let work = match jobs::prepare(thing, operation, payload) {
                Ok(work) => Work::Jobs(work),
                Err(refused) => Work::Refused(refused),
            };
            (counted, work)
        }
    };
    Some(Prepared { operation, work })
}

fn prepare_shadow(
    thing: &str,
    shadow: Option<&str>,
    operation: ShadowOperation,
    payload: &[u8],
) -> (Operation, Work) {
    let counted = match operation {
        ShadowOperation::Get => Operation::ShadowGet,
        ShadowOperation::Update => Operation::ShadowUpdate,
        ShadowOperation::Delete => Operation::ShadowDelete,
    };
    let work = match shadow::prepare(thing, shadow, operation, payload) {
        Ok(work) => Work::Shadow(work),
        Err(refused) => Work::RefusedShadow(refused),
    };
    (counted, work)
}

impl Prepared {
    /// Whether nobody serves the topic.
    pub(crate) fn is_unknown(&self) -> bool {
        self.operation == Operation::Unknown
    }

    /// Whether it is only for whoever asked over a connection.
    pub(crate) fn needs_asker(&self) -> bool {
        matches!(self.work, Work::Provisioning(_) | Work::Stream(_))
    }

    /// A request that is answered with messages of its own kind, block by block; the others as they were.
    pub(crate) fn into_stream(self) -> Result<streams::Request, Self> {
        match self.work {
            Work::Stream(request) => Ok(*request),
            work => Err(Self { work, ..self }),
        }
    }

    /// Does what was asked for. Answers after it is durable. `asker` is the client at the other end of the connection,
    /// where there is one.
    pub(crate) async fn answer(
        self,
        app: &App,
        admission: &Admission,
        asker: Option<(Asker<'_>, Option<&FleetProvisioning>)>,
    ) -> Result<Answered, Stopped> {
        let operation = self.operation;
        let answered = |answer, reply| Answered {
            operation,
            answer,
            reply,
            is_told: false,
        };
        match self.work {
            // Nobody is there to take the blocks.
            Work::Nothing | Work::Stream(_) => Ok(answered(Answer::Ignored, None)),
            Work::Provisioning(work) => {
                let Some((asker, service)) = asker else {
                    return Ok(answered(Answer::Ignored, None));
                };
                let reply = work.answer(service, asker).await;
                Ok(answered(Answer::of(reply.accepted), Some(reply.json)))
            }
            Work::Refused(refused) => Ok(answered(Answer::Rejected, Some(refused.json(app.now())))),
            Work::Jobs(work) => {
                let token: Option<Arc<str>> = work.token();
                match work.answer(app, admission).await {
                    Ok(jobs::Reply {
                        accepted: true,
                        json,
                    }) => Ok(answered(Answer::Accepted, Some(json))),
                    Ok(jobs::Reply {
                        accepted: false,
                        json,
                    }) => Ok(answered(Answer::Rejected, Some(json))),
                    Err(Failure::Busy) => {
                        let json = jobs::Refused::throttled(token).json(app.now());
                        Ok(answered(Answer::Throttled, Some(json)))
                    }
                    Err(Failure::Stopped) => Err(Stopped),
                }
            }
            Work::RefusedShadow(refused) => {
                Ok(answered(Answer::Rejected, Some(refused.json(app.now()))))
            }
            Work::Shadow(work) => {
                let (token, is_told) = (work.token(), work.is_told());
                match work.answer(app, admission).await {
                    Ok(reply) if reply.accepted => Ok(Answered {
                        is_told,
                        ..answered(Answer::Accepted, Some(reply.json))
                    }),
                    Ok(reply) => Ok(answered(Answer::Rejected, Some(reply.json))),
                    Err(Failure::Busy) => {
                        let json = shadow::Work::throttled(token.as_deref(), app.now());
                        Ok(answered(Answer::Throttled, Some(json)))
                    }
                    Err(Failure::Stopped) => Err(Stopped),
                }
            }
            Work::Containers(report) => answer_containers(*report, operation, app, admission).await,
            Work::Health(report) => match report.answer(app, admission).await {
                Ok(true) => Ok(answered(Answer::Accepted, None)),
                Ok(false) => Ok(answered(Answer::Rejected, None)),
                Err(Failure::Busy) => Ok(answered(Answer::Throttled, None)),
                Err(Failure::Stopped) => Err(Stopped),
            },
        }
    }
}

/// Keeps what a node says of its containers.
async fn answer_containers(
    report: containers::Report,
    operation: Operation,
    app: &App,
    admission: &Admission,
) -> Result<Answered, Stopped> {
    let token = report.token();
    let (answer, reply) = match report.answer(app, admission).await {
        Ok(reply) => (Answer::of(reply.accepted), reply.json),
        Err(Failure::Busy) => {
            let json = containers::Report::throttled(token.as_deref(), app.now());
            (Answer::Throttled, json)
        }
        Err(Failure::Stopped) => return Err(Stopped),
    };
    Ok(Answered {
        operation,
        answer,
        reply: Some(reply),
        is_told: false,
    })
}

#[cfg(test)]
mod tests;
