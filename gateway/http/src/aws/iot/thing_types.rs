//! AWS IoT: thing types.

use axum::extract::Path;
use shipslog_domain::{Command, ThingTypeName};

use super::Answer;
use crate::aws::wire::{self, members, stable_uuid};
use crate::position::Caller;

pub(crate) async fn create(caller: Caller, Path(name): Path<String>) -> Answer {
    let name = ThingTypeName::parse(&name)?;
    let command = Command::CreateThingType { name: name.clone() };
    caller.submit(command).await?;
    let name = name.as_str();
    Ok(wire::ok(members([
        ("thingTypeName", Some(name.into())),
        (
            "thingTypeArn",
            Some(caller.http().arns().thing_type(name).into()),
        ),
        ("thingTypeId", Some(stable_uuid("thing-type", name).into())),
    ])))
}
