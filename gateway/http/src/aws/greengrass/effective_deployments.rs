//! Deployments as a core device sees them.

use axum::extract::{Path, State};
use serde_json::{Value, json};
use shipslog_domain::deployment::EffectiveDeployment;

use super::deployments::target_arn;
use super::{Answer, core_devices};
use crate::arn::Arns;
use crate::aws::wire::{self, Paging, members, time, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::limits;
use crate::position::failed;
use crate::query::Query;

pub(crate) async fn list(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    let paging = Paging::read_or(&query, limits::GREENGRASS_PAGE_ITEMS_DEFAULT)?;
    let skipped = paging.after.as_deref().unwrap_or("0").parse::<usize>();
    let skipped = skipped.map_err(|_| {
        let rule = "must be a token from an answer of this operation";
        Error::invalid("nextToken", rule)
    })?;
    let core = http.view(|views| core_devices::found(views, &name).map(|(core, _)| core.id))?;
    let arns = http.arns().clone();
    let page = http.app().read(move |fleet| {
        let all = fleet.effective_deployments(core);
        let end = skipped.saturating_add(paging.limit);
        let has_more = all.len() > end;
        let shown = all.iter().skip(skipped).take(paging.limit);
        let items: Value = shown.map(|one| render(&arns, one)).collect();
        (items, has_more.then(|| to_token(&end.to_string())))
    });
    let (items, token) = page.await.map_err(failed)?;
    Ok(wire::ok(members([
        ("effectiveDeployments", Some(items)),
        ("nextToken", token),
    ])))
}

fn render(arns: &Arns, one: &EffectiveDeployment<'_>) -> Value {
    let deployment = one.deployment;
    let name = deployment.name.as_deref().unwrap_or_default();
    let has_errors = !one.error_stack.is_empty() || !one.error_types.is_empty();
    let details =
        has_errors.then(|| json!({"errorStack": one.error_stack, "errorTypes": one.error_types}));
    Value::Object(members([
        ("deploymentId", Some((*deployment.id).into())),
        ("deploymentName", Some(name.into())),
        ("iotJobId", Some(deployment.job.as_str().into())),
        ("iotJobArn", Some(arns.job(deployment.job.as_str()).into())),
        ("targetArn", Some(target_arn(arns, deployment).into())),
        (
            "coreDeviceExecutionStatus",
            Some(one.status.as_str().into()),
        ),
        ("reason", one.reason.as_deref().map(Value::from)),
        ("creationTimestamp", Some(time(one.told_at))),
        ("modifiedTimestamp", Some(time(one.changed_at))),
        ("statusDetails", details),
    ]))
}
