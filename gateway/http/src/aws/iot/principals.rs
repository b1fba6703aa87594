//! AWS IoT: which certificates act as which things. A principal travels in a header.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde_json::{Map, Value};
use shipslog_domain::{Command, Fingerprint, RejectionKind, ThingName, certificate};

use super::{Answer, absent};
use crate::arn::Arns;
use crate::aws::wire::codes::{INVALID_REQUEST, recode};
use crate::aws::wire::{self, Paging, members, to_token};
use crate::error::Error;
use crate::http::Http;
use crate::position::Caller;
use crate::query::Query;

/// Whether a certificate may act as one thing only, by AWS IoT's words.
const KINDS: [(&str, bool); 2] = [("EXCLUSIVE_THING", true), ("NON_EXCLUSIVE_THING", false)];

fn kind_of(query: &Query) -> Result<Option<bool>, Error> {
    let Some(text) = query.one("thingPrincipalType")? else {
        return Ok(None);
    };
    let found = KINDS.iter().find(|(word, _)| *word == text);
    let found = found.map(|(_, exclusive)| *exclusive);
    found.map(Some).ok_or_else(|| {
        let rule = "must be one of EXCLUSIVE_THING, NON_EXCLUSIVE_THING";
        Error::invalid("thingPrincipalType", rule)
    })
}

fn kind_word(exclusive: bool) -> &'static str {
    if exclusive {
        "EXCLUSIVE_THING"
    } else {
        "NON_EXCLUSIVE_THING"
    }
}

/// The certificate that a header names.
pub(super) fn principal(
    arns: &Arns,
    headers: &HeaderMap,
    name: &str,
) -> Result<Fingerprint, Error> {
    arns.principal(header(headers, name, "principal")?)
}

/// The text of a header that stands for a field.
pub(super) fn header<'h>(
    headers: &'h HeaderMap,
    name: &str,
    field: &str,
) -> Result<&'h str, Error> {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.ok_or_else(|| Error::invalid(field, format!("must be given in the header {name}")))
}

pub(crate) async fn attach(
    caller: Caller,
    Path(thing): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Answer {
    let command = certificate::Command::Attach {
        thing: ThingName::parse(&thing)?,
        fingerprint: principal(caller.http().arns(), &headers, "x-amzn-principal")?,
        exclusive: kind_of(&query)?.unwrap_or_default(),
    };
    let codes = [
        (RejectionKind::WrongState, INVALID_REQUEST),
        (RejectionKind::TooMany, INVALID_REQUEST),
    ];
    let attached = caller.submit(Command::Certificate(command)).await;
    attached.map_err(|error| recode(error, &codes))?;
    Ok(wire::ok(Map::new()))
}

pub(crate) async fn detach(
    caller: Caller,
    Path(thing): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let command = Command::DetachCertificate {
        thing: ThingName::parse(&thing)?,
        fingerprint: principal(caller.http().arns(), &headers, "x-amzn-principal")?,
    };
    caller.submit(command).await?;
    Ok(wire::ok(Map::new()))
}

/// The other side of attachments that a page shows, each with whether it is exclusive, and the page's token.
type Attachments = (Vec<(String, bool)>, Option<Value>);

/// The certificates of a thing that a page shows, and its token.
fn principals(http: &Http, thing: &str, query: &Query) -> Result<Attachments, Error> {
    let paging = Paging::read(query)?;
    let wanted = kind_of(query)?;
    ThingName::parse(thing)?;
    http.view(|views| {
        let known = views.thing(thing).ok_or_else(|| absent("thing", thing))?;
        let mut all = known.certificates;
        all.sort_unstable();
        let after = paging.after.as_deref();
        let all = all.into_iter().map(|id| (id.to_string(), id));
        let rest = all.filter(|(text, _)| after.is_none_or(|after| text.as_str() > after));
        let kinds = rest.map(|(text, id)| {
            let certificate = views.certificate(&id);
            let reserved = certificate.and_then(|certificate| certificate.reserved_for);
            (text, http.arns().certificate(&id), reserved == Some(thing))
        });
        let mut shown = kinds.filter(|(.., kind)| wanted.is_none_or(|wanted| wanted == *kind));
        let page: Vec<_> = shown.by_ref().take(paging.limit).collect();
        let last = page.last().filter(|_| shown.next().is_some());
        let token = last.map(|(text, ..)| to_token(text));
        let page = page.into_iter().map(|(_, arn, kind)| (arn, kind));
        Ok((page.collect(), token))
    })
}

pub(crate) async fn list(
    State(http): State<Http>,
    Path(thing): Path<String>,
    query: Query,
) -> Answer {
    let (page, token) = principals(&http, &thing, &query)?;
    let items = page.into_iter().map(|(arn, _)| arn.into());
    Ok(wire::ok(members([
        ("principals", Some(Value::Array(items.collect()))),
        ("nextToken", token),
    ])))
}

pub(crate) async fn list_with_kinds(
    State(http): State<Http>,
    Path(thing): Path<String>,
    query: Query,
) -> Answer {
    let (page, token) = principals(&http, &thing, &query)?;
    let items = page.into_iter().map(|(arn, kind)| {
        Value::Object(members([
            ("principal", Some(arn.into())),
            ("thingPrincipalType", Some(kind_word(kind).into())),
        ]))
    });
    Ok(wire::ok(members([
        ("thingPrincipalObjects", Some(Value::Array(items.collect()))),
        ("nextToken", token),
    ])))
}

/// The things of a certificate that a page shows, by name, and its token.
fn things(http: &Http, headers: &HeaderMap, query: &Query) -> Result<Attachments, Error> {
    let paging = Paging::read(query)?;
    let wanted = kind_of(query)?;
    let fingerprint = principal(http.arns(), headers, "x-amzn-principal")?;
    http.view(|views| {
        let certificate = views.certificate(&fingerprint);
        let certificate =
            certificate.ok_or_else(|| absent("certificate", &fingerprint.to_string()))?;
        let mut names = certificate.things;
        names.sort_unstable();
        let after = paging.after.as_deref();
        let rest = names.into_iter();
        let rest = rest.filter(|name| after.is_none_or(|after| *name > after));
        let reserved = certificate.reserved_for;
        let kinds = rest.map(|name| (name.to_owned(), reserved == Some(name)));
        let mut shown = kinds.filter(|(_, kind)| wanted.is_none_or(|wanted| wanted == *kind));
        let page: Vec<_> = shown.by_ref().take(paging.limit).collect();
        let last = page.last().filter(|_| shown.next().is_some());
        let token = last.map(|(name, _)| to_token(name));
        Ok((page, token))
    })
}

pub(crate) async fn list_things(
    State(http): State<Http>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let (page, token) = things(&http, &headers, &query)?;
    let items = page.into_iter().map(|(name, _)| name.into());
    Ok(wire::ok(members([
        ("things", Some(Value::Array(items.collect()))),
        ("nextToken", token),
    ])))
}

pub(crate) async fn list_things_with_kinds(
    State(http): State<Http>,
    headers: HeaderMap,
    query: Query,
) -> Answer {
    let (page, token) = things(&http, &headers, &query)?;
    let items = page.into_iter().map(|(name, kind)| {
        Value::Object(members([
            ("thingName", Some(name.into())),
            ("thingPrincipalType", Some(kind_word(kind).into())),
        ]))
    });
    Ok(wire::ok(members([
        ("principalThingObjects", Some(Value::Array(items.collect()))),
        ("nextToken", token),
    ])))
}
