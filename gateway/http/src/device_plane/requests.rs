//! What a request asks for.

use axum::extract::Request;
use axum::http::Method;
use shipslog_domain::access::Action;

use crate::query::{self, Plus, Query};

/// Says which thing a device is, where the path does not.
const THING_HEADER: &str = "x-amzn-iot-thingname";

/// What a device asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// An operation of `iot-jobs-data`.
    Jobs {
        thing: String,
        /// The policy action.
        action: &'static str,
    },
    /// An operation on a shadow, of `iot-data`.
    Shadow {
        thing: String,
        /// The policy action.
        action: &'static str,
        /// The thing, and behind a slash the name of the shadow if it has one.
        resource: String,
    },
    /// To publish.
    Topic(Topic),
    /// The groups of a core device.
    ThingGroups { thing: String },
    /// What a core asks when it installs components, of `greengrassv2`.
    Components {
        thing: String,
        /// The policy action.
        action: &'static str,
        /// What it is on, as in an ARN.
        resource: String,
    },
    /// Credentials of a role.
    Credentials { alias: String, thing: String },
}

/// Where and how a message is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) name: String,
    pub(super) at_least_once: bool,
    pub(super) retain: bool,
    /// The thing that the device says it is.
    thing: String,
}

impl Asked {
    /// Reads the head of a request; `None` if there is no such operation.
    pub(super) fn read(request: &Request) -> Option<Self> {
        let path = request.uri().path().strip_prefix('/')?;
        let get = *request.method() == Method::GET;
        let post = *request.method() == Method::POST;
        let named = request.headers().get(THING_HEADER);
        let named = named.and_then(|name| name.to_str().ok()).unwrap_or("");
        if let Some(topic) = path.strip_prefix("topics/").filter(|_| post) {
            let query = Query::of(request.uri());
            return Some(Self::Topic(Topic {
                name: decode(topic)?,
                at_least_once: query.one("qos").ok()? == Some("1"),
                retain: query.one("retain").ok()? == Some("true"),
                thing: named.to_owned(),
            }));
        }
        let levels: Vec<&str> = path.split('/').collect();
        match levels.as_slice() {
            ["things", thing, "jobs", rest @ ..] => {
                let action = match rest {
                    [] if get => "iotjobsdata:GetPendingJobExecutions",
                    [job] if is_next(job) && *request.method() == Method::PUT => {
                        "iotjobsdata:StartNextPendingJobExecution"
                    }
                    [_] if get => "iotjobsdata:DescribeJobExecution",
                    [_] if post => "iotjobsdata:UpdateJobExecution",
                    _ => return None,
                };
                let thing = decode(thing)?;
                Some(Self::Jobs { thing, action })
            }
            ["things", thing, "shadow"] => {
                let action = match *request.method() {
                    Method::GET => "iot:GetThingShadow",
                    Method::POST => "iot:UpdateThingShadow",
                    Method::DELETE => "iot:DeleteThingShadow",
                    _ => return None,
                };
                let thing = decode(thing)?;
                let resource = match Query::of(request.uri()).one("name").ok()? {
                    Some(shadow) => format!("{thing}/{shadow}"),
                    None => thing.clone(),
                };
                Some(Self::Shadow {
                    thing,
                    action,
                    resource,
                })
            }
            ["greengrass", "v2", rest @ ..] => Self::greengrass(rest, request.method(), named),
            ["role-aliases", alias, "credentials"] if get => Some(Self::Credentials {
                alias: decode(alias)?,
                thing: named.to_owned(),
            }),
            _ => None,
        }
    }

    /// What stands behind `/greengrass/v2/`.
    fn greengrass(levels: &[&str], method: &Method, named: &str) -> Option<Self> {
        let (get, post) = (*method == Method::GET, *method == Method::POST);
        match levels {
            ["coreDevices", thing, "thingGroups"] if get => {
                let thing = decode(thing)?;
                Some(Self::ThingGroups { thing })
            }
            ["coreDevices", thing, "deployments", id, "configuration"] if get => {
                Some(Self::Components {
                    thing: decode(thing)?,
                    action: "greengrass:GetDeploymentConfiguration",
                    resource: format!("deployments:{}", decode(id)?),
                })
            }
            ["resolveComponentCandidates"] if post => Some(Self::Components {
                thing: named.to_owned(),
                action: "greengrass:ResolveComponentCandidates",
                // Which ones is in the body.
                resource: "components:*".to_owned(),
            }),
            ["components", arn, "artifacts", _, ..] if get => {
                let arn = decode(arn)?;
                let (_account, resource) = arn.strip_prefix("arn:")?.split_once(":components:")?;
                Some(Self::Components {
                    thing: named.to_owned(),
                    action: "greengrass:GetComponentVersionArtifact",
                    resource: format!("components:{resource}"),
                })
            }
            _ => None,
        }
    }

    /// The policy action that it needs.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Jobs { action, .. }
            | Self::Shadow { action, .. }
            | Self::Components { action, .. } => action,
            Self::Topic(_) => Action::Publish.as_str(),
            Self::ThingGroups { .. } => "greengrass:ListThingGroupsForCoreDevice",
            Self::Credentials { .. } => "iot:AssumeRoleWithCertificate",
        }
    }

    /// What it is done with, as in an ARN; a topic is without its kind.
    pub(super) fn resource(&self) -> String {
        match self {
            Self::Jobs { thing, .. } => format!("thing/{thing}"),
            Self::Shadow { resource, .. } => format!("thing/{resource}"),
            Self::Topic(topic) => topic.name.clone(),
            Self::ThingGroups { thing } => format!("coreDevices:{thing}"),
            Self::Components { resource, .. } => resource.clone(),
            Self::Credentials { alias, .. } => format!("rolealias/{alias}"),
        }
    }

    /// The thing that the device says it is; empty where it says nothing.
    pub(super) fn thing(&self) -> &str {
        match self {
            Self::Jobs { thing, .. }
            | Self::Shadow { thing, .. }
            | Self::ThingGroups { thing }
            | Self::Components { thing, .. }
            | Self::Credentials { thing, .. } => thing,
            Self::Topic(topic) => &topic.thing,
        }
    }
}

fn is_next(job: &str) -> bool {
    decode(job).as_deref() == Some("$next")
}

/// A part of a path as text; `None` if it is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let text = query::decode(text, Plus::Itself);
    (!text.contains(char::REPLACEMENT_CHARACTER)).then_some(text)
}
