//! What messages of the registry say. Times are milliseconds.

use serde_json::{Map, Value, json};
use shipslog_domain::Fleet;
use shipslog_domain::fleet::Settings;
use shipslog_domain::ids::stable_uuid;

use super::super::event_id;
use super::{Draft, KnownGroup, KnownType, Named, Pairs, Subject};

impl Draft {
    /// What the fleet says of the message's thing; nothing where it is about none.
    pub(in crate::events) fn look(&self, fleet: &Fleet) -> Named {
        let (thing, wants_attributes) = match &self.subject {
            Subject::Thing {
                thing, attributes, ..
            } => (*thing, attributes.is_none()),
            Subject::Membership { thing, .. } | Subject::Association { thing, .. } => {
                (*thing, false)
            }
            Subject::Type(_) | Subject::Group(_) | Subject::Hierarchy { .. } => {
                return Named::default();
            }
        };
        let attributes = fleet.thing(thing).filter(|_| wants_attributes);
        Named {
            name: fleet.thing_name(thing).into(),
            attributes: attributes.map_or_else(Vec::new, |thing| thing.attributes().to_vec()),
        }
    }

    /// Topic and body.
    pub(in crate::events) fn message(
        &self,
        named: &Named,
        settings: &Settings,
    ) -> (String, Map<String, Value>) {
        let (path, kind, name, body) = self.described(named, settings);
        let operation = self.operation.as_str();
        let mut message = Map::new();
        message.insert("eventType".into(), kind.into());
        let id = event_id(self.position, &name, &format!("{kind}{operation}"));
        message.insert("eventId".into(), id.into());
        message.insert("timestamp".into(), self.at.0.into());
        message.insert("operation".into(), operation.into());
        message.insert("accountId".into(), settings.account.as_ref().into());
        if let Value::Object(body) = body {
            message.extend(body);
        }
        let operation = operation.to_ascii_lowercase();
        (format!("$aws/events/{path}/{operation}"), message)
    }

    /// The middle of the topic, the type of the message, what tells it apart from others of its event, and its own
    /// members.
    fn described(
        &self,
        named: &Named,
        settings: &Settings,
    ) -> (String, &'static str, String, Value) {
        let thing = &*named.name;
        match &self.subject {
            Subject::Thing {
                version,
                thing_type,
                attributes,
                ..
            } => {
                let attributes = attributes.as_ref().unwrap_or(&named.attributes);
                let body = json!({
                    "thingId": stable_uuid("thing", thing), "thingName": thing, "versionNumber": version,
                    "thingTypeName": thing_type, "attributes": object(attributes),
                });
                (format!("thing/{thing}"), "THING_EVENT", thing.into(), body)
            }
            Subject::Type(known) => {
                let name = &*known.name;
                let path = format!("thingType/{name}");
                (path, "THING_TYPE_EVENT", name.into(), type_body(known))
            }
            Subject::Group(known) => {
                let path = format!("thingGroup/{}", known.name);
                let body = group_body(known, settings);
                (path, "THING_GROUP_EVENT", known.name.to_string(), body)
            }
            Subject::Membership { group, .. } => {
                let ids = (
                    stable_uuid("thing-group", group),
                    stable_uuid("thing", thing),
                );
                let path = format!("thingGroupMembership/thingGroup/{group}/thing/{thing}");
                let name = format!("{group}/{thing}");
                let body = json!({
                    "groupArn": settings.arn(&format!("thinggroup/{group}")), "groupId": ids.0,
                    "thingArn": settings.arn(&format!("thing/{thing}")), "thingId": ids.1,
                    "membershipId": stable_uuid("membership", &name),
                });
                (path, "THING_GROUP_MEMBERSHIP_EVENT", name, body)
            }
            Subject::Hierarchy { parent, child } => {
                let path =
                    format!("thingGroupHierarchy/thingGroup/{parent}/childThingGroup/{child}");
                let body = json!({
                    "thingGroupId": stable_uuid("thing-group", parent), "thingGroupName": parent,
                    "childGroupId": stable_uuid("thing-group", child), "childGroupName": child,
                });
                (path, "THING_GROUP_HIERARCHY_EVENT", child.to_string(), body)
            }
            Subject::Association { thing_type, .. } => {
                let path = format!("thingTypeAssociation/thing/{thing}/thingType/{thing_type}");
                let body = json!({
                    "thingId": stable_uuid("thing", thing), "thingName": thing, "thingTypeName": thing_type,
                });
                let name = format!("{thing}/{thing_type}");
                (path, "THING_TYPE_ASSOCIATION_EVENT", name, body)
            }
        }
    }
}

fn type_body(known: &KnownType) -> Value {
    json!({
        "thingTypeId": stable_uuid("thing-type", &known.name), "thingTypeName": known.name,
        "isDeprecated": known.deprecated_at.is_some(), "deprecationDate": known.deprecated_at.map(|at| at.0),
        "searchableAttributes": known.properties.searchable, "description": known.properties.description,
    })
}

fn group_body(known: &KnownGroup, settings: &Settings) -> Value {
    let parent = known.above.first().map(|(_, name)| name);
    let id = |name: &str| stable_uuid("thing-group", name);
    let chain = known.above.iter().rev().map(|(_, name)| {
        json!({"groupArn": settings.arn(&format!("thinggroup/{name}")), "groupId": id(name)})
    });
    json!({
        "thingGroupId": id(&known.name), "thingGroupName": known.name, "versionNumber": known.version,
        "parentGroupName": parent, "parentGroupId": parent.map(|name| id(name)),
        "description": known.description, "rootToParentThingGroups": chain.collect::<Vec<_>>(),
        "attributes": object(&known.attributes),
        "dynamicGroupMappingId": known.is_dynamic.then(|| stable_uuid("dynamic-group", &known.name)),
    })
}

fn object(pairs: &Pairs) -> Map<String, Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.to_string(), value.as_ref().into()))
        .collect()
}
