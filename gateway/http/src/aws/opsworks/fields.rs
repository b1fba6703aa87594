//! What the resources of OpsWorks have in common: ids, members that no rule reads, secrets, times.

use axum::response::Response;
use serde_json::{Map, Value};
use shipslog_domain::stack::{Details, FILTERED};
use shipslog_domain::{AppId, InstanceId, LayerId, StackId, Timestamp, stack};

use crate::aws::wire;
use crate::error::Error;
use crate::json::Field;
use crate::limits;
use crate::position::Caller;

/// An id that a caller sees as a UUID.
pub(super) trait Id: Sized {
    /// What it is the id of.
    const WHAT: &'static str;

    fn open(text: &str) -> Option<Self>;

    /// Reads one; a text that is no id is the id of nothing.
    fn read(text: &str) -> Result<Self, Error> {
        let absent = || absent::<Self>(text);
        Self::open(text).ok_or_else(absent)
    }

    /// Reads a required member.
    fn member(body: &Field<'_, '_>, name: &str) -> Result<Self, Error> {
        Self::read(body.member(name).text()?)
    }

    /// Reads a member that may be absent.
    fn optional(body: &Field<'_, '_>, name: &str) -> Result<Option<Self>, Error> {
        let text = body.member(name).optional_string()?;
        text.map(Self::read).transpose()
    }

    /// Reads a list of ids; an absent one is empty.
    fn list(body: &Field<'_, '_>, name: &str) -> Result<Vec<Self>, Error> {
        let field = body.member(name);
        if !field.is_present() {
            return Ok(Vec::new());
        }
        field.list(limits::OPSWORKS_IDS_MAX, |id| Self::read(id.text()?))
    }
}

/// There is no item with this id.
pub(super) fn absent<T: Id>(id: &str) -> Error {
    Error::Absent(format!("{} {id}", T::WHAT))
}

macro_rules! ids {
    ($($id:ident $what:literal),+) => {$(
        impl Id for $id {
            const WHAT: &'static str = $what;

            fn open(text: &str) -> Option<Self> {
                Self::from_uuid(text)
            }
        }
    )+};
}

ids!(StackId "stack", LayerId "layer", AppId "app", InstanceId "instance");

/// The members of a request that are kept as they are.
pub(super) fn details(body: &Value, kept: &[&str]) -> Details {
    let mut members = Map::new();
    for name in kept {
        let value = body.get(*name).filter(|value| !value.is_null());
        if let Some(value) = value {
            members.insert((*name).to_owned(), without_nulls(value));
        }
    }
    Details::from(&members)
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.iter().filter(|(_, value)| !value.is_null());
            let present = present.map(|(name, value)| (name.clone(), without_nulls(value)));
            Value::Object(present.collect())
        }
        other => other.clone(),
    }
}

/// Members whose text readers do not get.
const SECRETS: [&str; 6] = [
    "Password",
    "SshKey",
    "PrivateKey",
    "MysqlRootPassword",
    "HaproxyStatsPassword",
    "GangliaPassword",
];

/// Members with their secrets replaced.
pub(super) fn shown(details: &Details) -> Map<String, Value> {
    let mut members = details.members();
    members.values_mut().for_each(hide);
    members
}

fn hide(value: &mut Value) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, value) in members {
        match value {
            Value::String(text) if SECRETS.contains(&name.as_str()) && !text.is_empty() => {
                *text = FILTERED.to_owned();
            }
            other => hide(other),
        }
    }
}

/// A text as the domain keeps it.
pub(super) fn text(field: &Field<'_, '_>) -> Result<Option<Box<str>>, Error> {
    Ok(field.optional_string()?.map(Into::into))
}

/// A time as OpsWorks writes it: `2013-07-25T18:57:49+00:00`.
pub(super) fn iso(at: Timestamp) -> Value {
    let text = at.to_string();
    let seconds = text.get(..19).unwrap_or_default();
    format!("{seconds}+00:00").into()
}

/// Refuses anything but one of several ways to say what is meant.
pub(super) fn exactly_one(body: &Field<'_, '_>, names: &[&str]) -> Result<(), Error> {
    let given: Vec<&&str> = names
        .iter()
        .filter(|name| body.member(name).is_present())
        .collect();
    match given[..] {
        [_] => Ok(()),
        [] => Err(Error::invalid(
            names.join(", "),
            "give one of these parameters",
        )),
        [_, second, ..] => Err(Error::invalid(
            *second,
            format!("give only one of {}", names.join(", ")),
        )),
    }
}

/// Submits a command that answers nothing.
pub(super) async fn done(caller: Caller, command: stack::Command) -> super::Answer {
    caller
        .submit(shipslog_domain::Command::Stack(command))
        .await?;
    Ok(nothing())
}

/// 200 with an object that has no members.
pub(super) fn nothing() -> Response {
    wire::ok(Map::new())
}
