//! Core devices: what they say of themselves, and what is deployed to them. A thing is one once its device has reported
//! its health.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::core::InstalledComponent;
use shipslog_domain::{Command, ThingId, ThingName};
use shipslog_projections::Views;
use shipslog_projections::cores::{Core, CoreFilter, Device};

use super::{Answer, deployments};
use crate::aws::wire::{self, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::position::{Caller, failed};
use crate::query::Query;

/// The device of a core that has reported, or the refusal that says there is none.
pub(super) fn found<'v>(views: &'v Views, name: &str) -> Result<(Core<'v>, Device<'v>), Error> {
    let core = views.core(name);
    let found = core.map(|core| {
        let device = views.device(core.id);
        (core, device)
    });
    let found = found.filter(|(_, device)| device.health.is_some());
    found.ok_or_else(|| {
        Error::about("coreDevice", name)(Error::Absent(format!("core device {name}")))
    })
}

fn head(core: &Core<'_>, device: &Device<'_>) -> Map<String, Value> {
    members([
        ("coreDeviceThingName", Some(core.name.into())),
        ("platform", said(device.platform)),
        ("architecture", said(device.architecture)),
        ("status", Some(device.status().into())),
        ("lastStatusUpdateTimestamp", device.last_status_at.map(time)),
    ])
}

/// What a device said, unless it said nothing.
fn said(text: Option<&str>) -> Option<Value> {
    text.filter(|text| !text.is_empty()).map(Value::from)
}

pub(crate) async fn get(State(http): State<Http>, Path(name): Path<String>) -> Answer {
    http.view(|views| {
        let (core, device) = found(views, &name)?;
        let mut body = head(&core, &device);
        body.append(&mut members([
            ("coreVersion", said(device.nucleus_version)),
            ("tags", Some(Value::Object(Map::new()))),
        ]));
        Ok(wire::ok(body))
    })
}

pub(crate) async fn delete(caller: Caller, Path(name): Path<String>) -> Answer {
    let core =
        ThingName::parse(&name).map_err(|no| Error::invalid("coreDeviceThingName", no.message))?;
    let deleted = caller.submit(Command::DeleteCoreDevice { core }).await;
    deleted.map_err(Error::about("coreDevice", name))?;
    Ok(wire::no_content())
}

/// A core device that was looked at for a page.
struct Looked {
    id: ThingId,
    name: String,
    /// Whether it is what the page is to show, as far as its device says.
    is_shown: bool,
}

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    if query.one("runtime")?.is_some() {
        return Err(Error::invalid("runtime", "is not supported yet; leave it out").into());
    }
    let group = deployments::read_group(http.arns(), "thingGroupArn", query.one("thingGroupArn")?)?;
    let status = query.one("status")?;
    let limit = paging.limit;
    // Those that have a group's deployment may be few: then more are looked at together.
    let wanted = match group {
        Some(_) => limits::CORE_DEVICES_SCANNED_MAX,
        None => limit,
    };
    let (mut looked, has_more) = http.view(|views| look(views, paging.after, status, wanted));
    if let Some(group) = group {
        let filtered = http.app().read(move |fleet| {
            let Some(group) = fleet.group_id(&group) else {
                return Vec::new();
            };
            let mut left = limit;
            let shown = looked.into_iter().map(|mut one| {
                one.is_shown &= left > 0 && fleet.has_deployment_of(one.id, group);
                left -= usize::from(one.is_shown);
                one
            });
            shown.collect()
        });
        looked = filtered.await.map_err(failed)?;
    }
    let last_shown = looked.iter().enumerate().filter(|(_, one)| one.is_shown);
    let full = last_shown
        .map(|(place, _)| place)
        .nth(limit.saturating_sub(1));
    let is_cut = full.is_some_and(|place| place + 1 < looked.len());
    let end = full.map_or(looked.len(), |place| place + 1);
    let last = looked.get(..end).and_then(|looked| looked.last());
    let token = last.filter(|_| has_more || is_cut);
    let token = token.map(|last| to_token(&last.name));
    let shown = looked.iter().filter(|one| one.is_shown).take(limit);
    let items = http.view(|views| -> Vec<Value> {
        let shown = shown.filter_map(|one| views.core(&one.name));
        let rendered = shown.map(|core| Value::Object(head(&core, &views.device(core.id))));
        rendered.collect()
    });
    Ok(wire::ok(members([
        ("coreDevices", Some(items.into())),
        ("nextToken", token),
    ])))
}

/// Looks at cores from the one after `after` on, until `wanted` of them are to be shown. Says whether there are more.
fn look(
    views: &Views,
    mut after: Option<String>,
    status: Option<&str>,
    wanted: usize,
) -> (Vec<Looked>, bool) {
    let mut looked: Vec<Looked> = Vec::new();
    let (mut shown, mut has_more) = (0, true);
    while has_more && shown < wanted && looked.len() < limits::CORE_DEVICES_SCANNED_MAX {
        let page = views.cores(&CoreFilter::default(), after.as_deref(), wanted - shown);
        has_more = page.has_more;
        let Some(last) = page.items.last() else { break };
        after = Some(last.name.to_owned());
        for core in &page.items {
            let device = views.device(core.id);
            let is_asked_for = status.is_none_or(|status| status == device.status());
            let is_shown = device.health.is_some() && is_asked_for;
            shown += usize::from(is_shown);
            looked.push(Looked {
                id: core.id,
                name: core.name.to_owned(),
                is_shown,
            });
        }
    }
    (looked, has_more)
}

pub(crate) async fn installed(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    let shows_all = query.one("topologyFilter")? == Some("ALL");
    http.view(|views| {
        let (_, device) = found(views, &name)?;
        let after = paging.after.as_deref();
        let listed = device.installed_components.iter();
        let listed = listed.filter(|one| shows_all || one.is_root);
        let listed: Vec<_> = listed
            .filter(|one| after.is_none_or(|after| &*one.name > after))
            .collect();
        let has_more = listed.len() > paging.limit;
        let shown = listed.get(..paging.limit).unwrap_or(&listed);
        let token = shown
            .last()
            .filter(|_| has_more)
            .map(|last| to_token(&last.name));
        let items = shown.iter().map(|one| render_installed(one, &device));
        Ok(wire::ok(members([
            ("installedComponents", Some(items.collect())),
            ("nextToken", token),
        ])))
    })
}

fn render_installed(one: &InstalledComponent, device: &Device<'_>) -> Value {
    Value::Object(members([
        ("componentName", Some((*one.name).into())),
        ("componentVersion", Some((*one.version).into())),
        ("lifecycleState", Some((*one.state).into())),
        ("isRoot", Some(one.is_root.into())),
        ("lastReportedTimestamp", device.last_status_at.map(time)),
    ]))
}
