//! Events: what the log holds, told in words and with real names.

use std::collections::BTreeMap;

use async_graphql::{Context, Error, Json, SimpleObject};
use shipslog_domain::{
    Fingerprint, InstanceId, Recorded, StackId, StreamId, StreamKind, TaskKey, codec,
};
use shipslog_projections::{Value, Views, describe};

use crate::graphql::errors::Code;
use crate::graphql::limits::FILTER_VALUES_MAX;
use crate::graphql::log::{self, Selection};
use crate::graphql::paging::{self, Bounds, Cursor, List, Page};
use crate::graphql::scalars::{DateTime, EventPosition, Long};
use crate::graphql::source;

/// One event of the log. Events are never changed and never deleted.
#[derive(Clone, Debug, SimpleObject)]
pub struct Event {
    /// Its place in the log: gapless, from 1.
    pub position: Long,
    /// Position of the event before it in the same stream; null for the first.
    pub previous: Option<Long>,
    /// When it was recorded.
    pub at: DateTime,
    /// Whom it is about: kind and name, such as `thing/pump-7` or `job/update-2`.
    pub stream: String,
    /// The same by number, such as `thing-17`. Numbers are never used twice; names may be.
    pub stream_id: String,
    /// What happened, such as `ExecutionSucceeded`.
    #[graphql(name = "type")]
    pub kind: String,
    /// What happened, in words.
    pub summary: String,
    /// What the event says, by field.
    pub data: Json<serde_json::Value>,
}

impl Event {
    pub(in crate::graphql) fn of(views: &Views, recorded: &Recorded) -> Self {
        let described = describe(recorded, views);
        let fields = described.fields.into_iter();
        let data = fields.map(|(name, value)| (name.to_owned(), json(value)));
        Self {
            position: recorded.position.into(),
            previous: (recorded.previous.0 > 0).then(|| recorded.previous.into()),
            at: recorded.at.into(),
            stream: described.stream,
            stream_id: recorded.stream.to_string(),
            kind: described.kind.to_owned(),
            summary: described.summary,
            data: Json(serde_json::Value::Object(data.collect())),
        }
    }
}

fn json(value: Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => value.into(),
        Value::Number(value) => value.into(),
        Value::Text(value) => value.into(),
        Value::List(values) => values.into_iter().map(json).collect(),
        Value::Map(fields) => serde_json::Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, json(value)))
                .collect(),
        ),
    }
}

/// A page of the events of a stream, newest first.
pub(super) async fn timeline(
    context: &Context<'_>,
    stream: StreamId,
    first: Option<i32>,
    after: Option<&str>,
    before: Option<&str>,
) -> Result<Page<Event>, Error> {
    let size = paging::page_size(first)?;
    let after = paging::number(List::Timeline, "after", after)?;
    let before = paging::number(List::Timeline, "before", before)?;
    let found = log::backwards(source(context), stream, after, before, size).await?;
    page(context, List::Timeline, found, after.is_some()).await
}

/// A page of the events of the log, oldest first.
pub(in crate::graphql) async fn list(
    context: &Context<'_>,
    after: Option<EventPosition>,
    first: Option<i32>,
    stream: Option<&str>,
    types: Option<&[String]>,
) -> Result<Page<Event>, Error> {
    let size = paging::page_size(first)?;
    let after = after.unwrap_or_default();
    let selection = selection(context, stream, types)?;
    let found = log::forwards(source(context), after.0, selection, size).await?;
    page(context, List::Events, found, after.0.0 > 0).await
}

/// Which events are wanted, by the names that callers use.
pub(in crate::graphql) fn selection(
    context: &Context<'_>,
    stream: Option<&str>,
    types: Option<&[String]>,
) -> Result<Selection, Error> {
    let stream = stream
        .map(|name| {
            let known = source(context).views(|views| stream_id(views, name));
            known.ok_or_else(|| {
                let message = format!(
                    "stream: {name:?} is no stream; name one as thing/NAME, job/ID or thing-17"
                );
                Code::BadInput.error(message)
            })
        })
        .transpose()?;
    let kinds = types.map(kinds).transpose()?;
    Ok(Selection { stream, kinds })
}

async fn page(
    context: &Context<'_>,
    list: List,
    found: log::Found,
    has_previous: bool,
) -> Result<Page<Event>, Error> {
    let source = source(context);
    if let Some(newest) = found.events.iter().map(|event| event.position).max() {
        // Names of things are those of the views, which must have seen them.
        source.caught_up(newest).await?;
    }
    let end = found.end.map(|position| Cursor::number(list, position.0));
    Ok(source.views(|views| {
        let bounds = Bounds {
            has_previous,
            has_next: found.has_more,
            total: None,
            position: views.position(),
        };
        let items = found.events.iter().map(|recorded| {
            let cursor = Cursor::number(list, recorded.position.0);
            (cursor, Event::of(views, recorded))
        });
        paging::page_until(bounds, items, end)
    }))
}

/// The stream with this name: `thing/pump-7`, or by number, `thing-17`.
fn stream_id(views: &Views, name: &str) -> Option<StreamId> {
    let Some((kind, name)) = name.split_once('/') else {
        return StreamId::parse(name);
    };
    let kind = StreamKind::ALL
        .into_iter()
        .find(|known| known.prefix() == kind)?;
    let number = match kind {
        StreamKind::Thing => views.thing_id(name)?.0,
        StreamKind::Group => views.group(name)?.id.0,
        StreamKind::Certificate => {
            let fingerprint = Fingerprint::parse(name).ok()?;
            views.certificate(&fingerprint)?.id.0
        }
        StreamKind::Template => views.template(name)?.id.0,
        StreamKind::CoreTask => {
            let key = TaskKey::parse(name).ok()?;
            let device_task = || Some(views.device_task(key)?.0);
            views.core_task(key).or_else(device_task)?.id.0
        }
        StreamKind::DeploymentTask => views.deployment_task(TaskKey::parse(name).ok()?)?.id.0,
        StreamKind::Job => views.job_id(name)?.0,
        StreamKind::Stack => StackId::from_uuid(name)?.0,
        StreamKind::Instance => InstanceId::from_uuid(name)?.0,
        StreamKind::BillingGroup => views.billing_group_id(name)?.0,
        StreamKind::Policy => views.policy_id(name)?.0,
        StreamKind::CaCertificate => {
            let fingerprint = Fingerprint::parse(name).ok()?;
            views.ca_certificate(&fingerprint)?.id.0
        }
        // Known by number only.
        StreamKind::ThingType
        | StreamKind::ProvisioningTemplate
        | StreamKind::JobTemplate
        | StreamKind::FileStream
        | StreamKind::OtaUpdate
        | StreamKind::ComponentVersion
        | StreamKind::ContainerService
        | StreamKind::Deployment
        | StreamKind::Account => return None,
    };
    Some(StreamId::new(kind, number))
}

/// The stored kinds of event type names.
fn kinds(types: &[String]) -> Result<Vec<u16>, Error> {
    if types.is_empty() || types.len() > FILTER_VALUES_MAX {
        let message = format!("types: must name 1 to {FILTER_VALUES_MAX} event types");
        return Err(Code::BadInput.error(message));
    }
    let known: BTreeMap<&str, u16> = (0..=u16::from(u8::MAX))
        .flat_map(|aggregate| (0..32).map(move |variant| aggregate << 8 | variant))
        .filter_map(|kind| Some((codec::kind_name(kind)?, kind)))
        .collect();
    types
        .iter()
        .map(|name| {
            known.get(name.as_str()).copied().ok_or_else(|| {
                let names: Vec<_> = known.keys().copied().collect();
                Code::BadInput.error(format!(
                    "types: {name:?} is no event type; there are {}",
                    names.join(", ")
                ))
            })
        })
        .collect()
}
