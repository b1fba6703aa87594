//! AWS IoT: the attributes of things and thing groups on the wire.

use serde_json::Value;
use shipslog_domain::limits;
use shipslog_domain::thing::Attributes;

use crate::error::Error;
use crate::json::Field;

/// `attributePayload.attributes`.
pub(super) fn read(parent: &Field<'_, '_>) -> Result<Attributes, Error> {
    let payload = parent.member("attributePayload");
    if !payload.is_present() {
        return Ok(Vec::new());
    }
    payload.object()?;
    payload.member("merge").optional_bool()?;
    let attributes = payload.member("attributes");
    match attributes.present() {
        Some(attributes) => attributes.string_map(limits::ATTRIBUTES_MAX),
        None => Ok(Vec::new()),
    }
}

pub(super) fn render(attributes: &[(Box<str>, Box<str>)]) -> Value {
    let members = attributes.iter();
    let members = members.map(|(name, value)| (name.to_string(), value.as_ref().into()));
    Value::Object(members.collect())
}
