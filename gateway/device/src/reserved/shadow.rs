//! Shadows over MQTT: parse into a command or a query, submit once, render the answer.
//!
//! An accepted update or deletion is told to all who subscribed to it from the committed event; the requester gets it
//! from here only if it is not among them.

use shipslog_domain::shadow::{Command as Shadow, Request, parse_token};
use shipslog_domain::{Command, Rejection, ShadowName, ThingName, Timestamp};
use shipslog_gateway_core::shadows::{self, Code};
use shipslog_gateway_core::{App, Failure};

use super::jobs::Reply;
use crate::admission::Admission;
use crate::topics::ShadowOperation;

type Token = Option<Box<str>>;

/// A request that is as it should be.
#[derive(Debug)]
pub(super) struct Work {
    thing: ThingName,
    shadow: Option<ShadowName>,
    asked: Asked,
}

#[derive(Debug)]
enum Asked {
    Get(Token),
    Update(Box<Request>),
    Delete(Token),
}

/// A request that is refused as it stands.
#[derive(Debug)]
pub(super) struct Refused {
    code: Code,
    message: String,
    token: Token,
}

impl Refused {
    pub(super) fn json(&self, now: Timestamp) -> Vec<u8> {
        shadows::refused(self.code, &self.message, now, self.token.as_deref())
    }
}

/// Parses a request.
pub(super) fn prepare(
    thing: &str,
    shadow: Option<&str>,
    operation: ShadowOperation,
    payload: &[u8],
) -> Result<Work, Refused> {
    let Ok(text) = std::str::from_utf8(payload) else {
        return Err(Refused {
            code: Code::Encoding,
            message: shadows::NOT_UTF_8.to_owned(),
            token: None,
        });
    };
    // What is wrong with the rest of a request does not keep its token from being returned.
    let refuse = |rejection: Rejection| Refused {
        code: Code::of(rejection.kind),
        message: rejection.message,
        token: parse_token(text).ok().flatten(),
    };
    let asked = match operation {
        ShadowOperation::Get => Asked::Get(parse_token(text).map_err(refuse)?),
        ShadowOperation::Delete => Asked::Delete(parse_token(text).map_err(refuse)?),
        ShadowOperation::Update => {
            let request = Request::parse(text).map_err(refuse)?;
            Asked::Update(Box::new(request))
        }
    };
    Ok(Work {
        thing: ThingName::parse(thing).map_err(refuse)?,
        shadow: shadow.map(ShadowName::parse).transpose().map_err(refuse)?,
        asked,
    })
}

impl Work {
    /// Whether those who subscribed to the answer are told from the event.
    pub(super) fn is_told(&self) -> bool {
        !matches!(self.asked, Asked::Get(_))
    }

    /// The answer to a request that found the service busy.
    pub(super) fn throttled(token: Option<&str>, now: Timestamp) -> Vec<u8> {
        shadows::refused(
            Code::TooManyRequests,
            shadows::TOO_MANY_REQUESTS,
            now,
            token,
        )
    }

    pub(super) fn token(&self) -> Token {
        match &self.asked {
            Asked::Get(token) | Asked::Delete(token) => token.clone(),
            Asked::Update(request) => request.token.clone(),
        }
    }

    /// Submits it once, when it is its turn, and renders the answer.
    pub(super) async fn answer(self, app: &App, admission: &Admission) -> Result<Reply, Failure> {
        let _place = admission.enter().await?;
        let Self {
            thing,
            shadow,
            asked,
        } = self;
        let now = app.now();
        let refuse = |rejection: &Rejection, token: Option<&str>| Reply {
            accepted: false,
            json: shadows::rejected(rejection, now, token),
        };
        let accept = |json| Reply {
            accepted: true,
            json,
        };
        match asked {
            Asked::Get(token) => {
                let found = app.read(move |fleet| fleet.shadow(&thing, shadow.as_ref()).cloned());
                Ok(match found.await? {
                    Ok(document) => accept(shadows::shown(&document, now, token.as_deref())),
                    Err(rejection) => refuse(&rejection, token.as_deref()),
                })
            }
            Asked::Update(request) => {
                let (change, token) = (request.change.clone(), request.token.clone());
                let (name, which) = (thing.clone(), shadow.clone());
                let command = Command::Shadow(Shadow::Update {
                    thing,
                    shadow,
                    request,
                });
                let decided = app.submit_with(command, None, move |fleet, decided| {
                    let receipt = decided?;
                    let document = fleet.shadow(&name, which.as_ref())?;
                    Ok((document.version, receipt.at))
                });
                let token = token.as_deref();
                Ok(match decided.await? {
                    Ok((version, at)) => accept(shadows::updated(&change, version, at, token)),
                    Err(rejection) => refuse(&rejection, token),
                })
            }
            Asked::Delete(token) => {
                let command = Command::Shadow(Shadow::Delete {
                    thing: thing.clone(),
                    shadow: shadow.clone(),
                    token: token.clone(),
                });
                let decided = app.submit_with(command, None, move |fleet, decided| {
                    let receipt = decided?;
                    Ok((
                        fleet.shadow_version(&thing, shadow.as_ref(), receipt.at),
                        receipt.at,
                    ))
                });
                let token = token.as_deref();
                Ok(match decided.await? {
                    Ok((version, at)) => accept(shadows::deleted(version, at, token)),
                    Err(rejection) => refuse(&rejection, token),
                })
            }
        }
    }
}

#[cfg(test)]
mod tests;
