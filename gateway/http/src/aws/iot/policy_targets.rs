//! AWS IoT: what policies are attached to, in the words of targets and in the older ones of principals.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Map, Value};
use shipslog_domain::policy::{Command as Change, Target};
use shipslog_domain::{CertificateId, Command, GroupId, PolicyName, RejectionKind};
use shipslog_projections::Views;
use shipslog_projections::views::PolicyTarget;

use super::policies::identity;
use super::principals::{header, principal};
use super::{Answer, absent};
use crate::arn::Arns;
use crate::aws::wire::codes::{INVALID_REQUEST, recode};
use crate::aws::wire::{self, AwsBody, marker, members, page_size, to_token, wrong_marker};
use crate::error::Error;
use crate::http::Http;
use crate::json::Field;
use crate::limits;
use crate::position::Caller;
use crate::query::Query;

/// The header of a principal in the older operations.
const PRINCIPAL: &str = "x-amzn-iot-principal";

fn target(arns: &Arns, body: &Value) -> Result<Target, Error> {
    arns.policy_target(Field::root(body).member("target").text()?)
}

pub(crate) async fn attach(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let change = Change::Attach {
        name: PolicyName::parse(&name)?,
        target: target(caller.http().arns(), &body)?,
    };
    caller.submit(Command::Policy(change)).await?;
    Ok(wire::no_output())
}

/// AWS IoT's model knows no code for a target that does not exist.
pub(crate) async fn detach(
    caller: Caller,
    Path(name): Path<String>,
    AwsBody(body): AwsBody,
) -> Answer {
    let change = Change::Detach {
        name: PolicyName::parse(&name)?,
        target: target(caller.http().arns(), &body)?,
    };
    let codes = [(RejectionKind::NotFound, INVALID_REQUEST)];
    let detached = caller.submit(Command::Policy(change)).await;
    detached.map_err(|error| recode(error, &codes))?;
    Ok(wire::no_output())
}

/// AttachPrincipalPolicy.
pub(crate) async fn attach_principal(
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let fingerprint = principal(caller.http().arns(), &headers, PRINCIPAL)?;
    let change = Change::Attach {
        name: PolicyName::parse(&name)?,
        target: Target::Certificate(fingerprint),
    };
    caller.submit(Command::Policy(change)).await?;
    Ok(wire::no_output())
}

/// DetachPrincipalPolicy.
pub(crate) async fn detach_principal(
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let fingerprint = principal(caller.http().arns(), &headers, PRINCIPAL)?;
    let change = Change::Detach {
        name: PolicyName::parse(&name)?,
        target: Target::Certificate(fingerprint),
    };
    caller.submit(Command::Policy(change)).await?;
    Ok(wire::no_output())
}

/// Waits a moment for what was acknowledged before: these reads are sent as POST.
async fn freshen(http: &Http) {
    let head = http.app().head();
    let _late = http.app().wait_for(head, limits::FRESHNESS_PATIENCE).await;
}

/// Names of the policies that are attached to a target. A target that does not exist is an error.
fn attached<'v>(views: &'v Views, target: &Target, recursive: bool) -> Result<Vec<&'v str>, Error> {
    match target {
        Target::Certificate(fingerprint) => {
            let certificate = views.certificate(fingerprint);
            let certificate =
                certificate.ok_or_else(|| absent("certificate", &fingerprint.to_string()))?;
            Ok(certificate.policies)
        }
        Target::Group(name) => views
            .policies_of_group(name.as_str(), recursive)
            .ok_or_else(|| absent("thing group", name.as_str())),
    }
}

/// ListAttachedPolicies.
pub(crate) async fn list_attached(
    State(http): State<Http>,
    Path(target): Path<String>,
    query: Query,
) -> Answer {
    freshen(&http).await;
    let target = http.arns().policy_target(&target)?;
    let answer = list_policies(&http, &target, query.flag("recursive")?, &query)?;
    Ok(wire::ok(answer))
}

/// ListPrincipalPolicies.
pub(crate) async fn list_of_principal(
    State(http): State<Http>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let fingerprint = principal(http.arns(), &headers, PRINCIPAL)?;
    let target = Target::Certificate(fingerprint);
    Ok(wire::ok(list_policies(&http, &target, false, &query)?))
}

/// A page of the policies of a target, by name. The list is short.
fn list_policies(
    http: &Http,
    target: &Target,
    recursive: bool,
    query: &Query,
) -> Result<Map<String, Value>, Error> {
    let limit = page_size(query)?;
    let after = marker(query)?;
    http.view(|views| {
        let mut names = attached(views, target, recursive)?;
        names.sort_unstable();
        let after = after.as_deref();
        let mut rest = names.into_iter();
        let mut rest = rest
            .by_ref()
            .filter(|name| after.is_none_or(|after| *name > after));
        let page: Vec<&str> = rest.by_ref().take(limit).collect();
        let last = page.last().filter(|_| rest.next().is_some());
        let items = page
            .iter()
            .map(|name| Value::Object(identity(http.arns(), name)));
        Ok(members([
            ("policies", Some(Value::Array(items.collect()))),
            ("nextMarker", last.map(|name| to_token(name))),
        ]))
    })
}

/// ListTargetsForPolicy.
pub(crate) async fn list_targets(
    State(http): State<Http>,
    Path(name): Path<String>,
    query: Query,
) -> Answer {
    freshen(&http).await;
    Ok(wire::ok(targets(&http, &name, "targets", &query)?))
}

/// ListPolicyPrincipals: the certificates alone.
pub(crate) async fn list_principals(
    State(http): State<Http>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let name = header(&headers, "x-amzn-iot-policy", "policyName")?;
    Ok(wire::ok(targets(&http, name, "principals", &query)?))
}

fn targets(
    http: &Http,
    name: &str,
    member: &'static str,
    query: &Query,
) -> Result<Map<String, Value>, Error> {
    PolicyName::parse(name)?;
    let limit = page_size(query)?;
    let after = marker(query)?.map(|cursor| read_cursor(&cursor).ok_or_else(wrong_marker));
    let after = after.transpose()?;
    http.view(|views| {
        let policy = views.policy(name).ok_or_else(|| absent("policy", name))?;
        let page = views.policy_targets(policy.id, after, limit);
        let arns = http.arns();
        let items = page.items.iter().filter_map(|target| match target {
            PolicyTarget::Certificate(id) => {
                let certificate = views.certificate_by_id(*id)?;
                Some(arns.certificate(&certificate.fingerprint).into())
            }
            PolicyTarget::Group(_) if member == "principals" => None,
            PolicyTarget::Group(id) => Some(arns.group(views.group_name(*id)?).into()),
        });
        let last = page.items.last().filter(|_| page.has_more);
        Ok(members([
            (member, Some(Value::Array(items.collect()))),
            ("nextMarker", last.map(|last| to_token(&cursor(*last)))),
        ]))
    })
}

fn cursor(target: PolicyTarget) -> String {
    match target {
        PolicyTarget::Certificate(id) => format!("c{}", id.0),
        PolicyTarget::Group(id) => format!("g{}", id.0),
    }
}

fn read_cursor(text: &str) -> Option<PolicyTarget> {
    if let Some(number) = text.strip_prefix('c') {
        return Some(PolicyTarget::Certificate(CertificateId(
            number.parse().ok()?,
        )));
    }
    let number = text.strip_prefix('g')?;
    Some(PolicyTarget::Group(GroupId(number.parse().ok()?)))
}
