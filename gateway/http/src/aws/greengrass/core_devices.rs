//! Core devices: what they say of themselves, and what is deployed to them. A thing is one once its device has reported
//! its health.

use axum::extract::{Path, State};
use serde_json::{Map, Value};
use shipslog_domain::core::InstalledComponent;
use shipslog_projections::Views;
use shipslog_projections::cores::{Core, CoreFilter, Device, EffectiveDeployment};

use super::Answer;
use crate::arn::Arns;
use crate::aws::wire::{self, Paging, members, time, to_token};
use crate::cdf::cores::execution_status;
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::query::Query;

/// The device of a core that has reported, or the refusal that says there is none.
fn found<'v>(views: &'v Views, name: &str) -> Result<(Core<'v>, Device<'v>), Error> {
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

pub(crate) async fn list(State(http): State<Http>, query: Query) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    for name in ["thingGroupArn", "runtime"] {
        if query.one(name)?.is_some() {
            return Err(Error::invalid(name, "is not supported yet; leave it out").into());
        }
    }
    let status = query.one("status")?;
    http.view(|views| {
        let mut items = Vec::new();
        let mut after = paging.after.clone();
        let mut scanned = 0;
        let mut has_more = true;
        while has_more && items.len() < paging.limit && scanned < limits::CORE_DEVICES_SCANNED_MAX {
            let wanted = paging.limit - items.len();
            let page = views.cores(&CoreFilter::default(), after.as_deref(), wanted);
            has_more = page.has_more;
            scanned += page.items.len();
            let Some(last) = page.items.last() else { break };
            after = Some(last.name.to_owned());
            for core in &page.items {
                let device = views.device(core.id);
                let is_shown = status.is_none_or(|status| status == device.status());
                if device.health.is_some() && is_shown {
                    items.push(Value::Object(head(core, &device)));
                }
            }
        }
        let token = after.filter(|_| has_more).map(|after| to_token(&after));
        Ok(wire::ok(members([
            ("coreDevices", Some(items.into())),
            ("nextToken", token),
        ])))
    })
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

pub(crate) async fn effective_deployments(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    let skipped = paging.after.as_deref().unwrap_or("0").parse::<usize>();
    let skipped = skipped.map_err(|_| {
        Error::invalid(
            "nextToken",
            "must be a token from an answer of this operation",
        )
    })?;
    http.view(|views| {
        let (core, _) = found(views, &name)?;
        let mut all = views.effective_deployments(core.id);
        all.sort_by_key(|one| std::cmp::Reverse(one.created_at));
        let mut latest: Vec<&EffectiveDeployment<'_>> = Vec::new();
        for one in &all {
            // The newest of each target says how that stands.
            if !latest
                .iter()
                .any(|known| known.target_groups == one.target_groups)
            {
                latest.push(one);
            }
        }
        let has_more = latest.len() > skipped.saturating_add(paging.limit);
        let shown = latest.iter().skip(skipped).take(paging.limit);
        let items = shown.map(|one| render_deployment(http.arns(), one));
        let token = has_more.then(|| to_token(&(skipped + paging.limit).to_string()));
        Ok(wire::ok(members([
            ("effectiveDeployments", Some(items.collect())),
            ("nextToken", token),
        ])))
    })
}

fn render_deployment(arns: &Arns, one: &EffectiveDeployment<'_>) -> Value {
    let target = one.target_groups.first().copied().unwrap_or_default();
    Value::Object(members([
        ("deploymentId", Some(one.deployment_id.into())),
        (
            "deploymentName",
            Some(one.description.unwrap_or_default().into()),
        ),
        ("iotJobId", Some(one.job_name.into())),
        ("iotJobArn", Some(arns.job(one.job_name).into())),
        ("targetArn", Some(arns.group(target).into())),
        (
            "coreDeviceExecutionStatus",
            Some(execution_status(one.status).into()),
        ),
        ("reason", one.reason.as_deref().map(Value::from)),
        ("creationTimestamp", Some(time(one.created_at))),
        ("modifiedTimestamp", Some(time(one.updated_at))),
    ]))
}
