//! AWS IoT: the attributes and tags of things, types and groups on the wire.

use serde_json::Value;
use shipslog_domain::command::{AttributeChange, TagChange};
use shipslog_domain::limits;
use shipslog_domain::thing::Attributes;

use crate::aws::wire::members;
use crate::error::Error;
use crate::json::Field;

/// `attributePayload`, if it is there.
pub(super) fn change(parent: &Field<'_, '_>) -> Result<Option<AttributeChange>, Error> {
    let payload = parent.member("attributePayload");
    if !payload.is_present() {
        return Ok(None);
    }
    payload.object()?;
    let merge = payload.member("merge").optional_bool()?.unwrap_or(false);
    let attributes = payload.member("attributes");
    let attributes = match attributes.present() {
        Some(attributes) => attributes.string_map(limits::ATTRIBUTES_MAX)?,
        // Without a map there is nothing to replace the old one with.
        None => return Ok(None),
    };
    Ok(Some(AttributeChange { attributes, merge }))
}

/// `attributePayload.attributes` of something new.
pub(super) fn read(parent: &Field<'_, '_>) -> Result<Attributes, Error> {
    Ok(change(parent)?.unwrap_or_default().attributes)
}

pub(super) fn render(attributes: &[(Box<str>, Box<str>)]) -> Value {
    let members = attributes.iter();
    let members = members.map(|(name, value)| (name.to_string(), value.as_ref().into()));
    Value::Object(members.collect())
}

/// `tags`, if there are any.
pub(super) fn tags(parent: &Field<'_, '_>) -> Result<Option<TagChange>, Error> {
    let tags = parent.member("tags");
    if !tags.is_present() {
        return Ok(None);
    }
    let set = tags.list(limits::TAGS_MAX, |tag| {
        tag.object()?;
        let value = tag.member("Value").optional_string()?.unwrap_or_default();
        Ok((tag.member("Key").text()?.into(), value.into()))
    })?;
    let remove = Vec::new();
    Ok(Some(TagChange { set, remove }).filter(|change| !change.set.is_empty()))
}

pub(super) fn render_tags(tags: &[(Box<str>, Box<str>)]) -> Value {
    let tags = tags.iter().map(|(key, value)| {
        Value::Object(members([
            ("Key", Some(key.as_ref().into())),
            ("Value", Some(value.as_ref().into())),
        ]))
    });
    Value::Array(tags.collect())
}
