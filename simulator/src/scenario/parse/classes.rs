//! `[[class]]` and `[[class.job]]`: parts of the fleet and how they behave.

use shipslog_domain::Span;

use crate::behavior::Behavior;
use crate::device::{Kind, OnlineHours, Script};
use crate::scenario::parse::fields::{Fields, Problem};
use crate::scenario::parse::values::Found;
use crate::scenario::parse::{HORIZON_MAX, KINDS, class};
use crate::scenario::{Amount, Class, SHARE_WHOLE};

/// Most classes of a fleet.
const CLASSES_MAX: usize = 100;
/// Most times that work is played faster than drawn.
const HURRY_MAX: u64 = 1_000_000;

/// Without any class, everybody is honest.
pub(super) fn read_classes(root: &mut Fields<'_>, kind: Kind) -> Result<Vec<Class>, Problem> {
    let tables = root.tables("class")?;
    if tables.len() > CLASSES_MAX {
        return Err(root.problem(format!("class: must be at most {CLASSES_MAX}")));
    }
    let mut read: Vec<(Box<str>, Option<u32>, Script)> = Vec::new();
    let mut rest = SHARE_WHOLE;
    for mut fields in tables {
        let name = fields.required("name", |found| {
            let name = found.name()?;
            if read.iter().any(|(one, _, _)| *one == name) {
                return Err(found.problem(format!("{name:?} is taken; choose another name")));
            }
            Ok(name)
        })?;
        let share = fields.optional("share", |found| found.share_of_rest(rest))?;
        if share.is_none() && read.iter().any(|(_, share, _)| share.is_none()) {
            return Err(fields.problem(
                "has no share, as another class before it; only one class can have what is left",
            ));
        }
        rest -= share.unwrap_or(0);
        let script = read_script(&mut fields, kind)?;
        fields.finish()?;
        read.push((name, share, script));
    }
    if read.is_empty() {
        let script = Script {
            kind,
            ..Script::default()
        };
        return Ok(vec![class("honest".into(), (0, SHARE_WHOLE), script)]);
    }
    let takes_rest = read.iter().any(|(_, share, _)| share.is_none());
    if rest > 0 && !takes_rest {
        return Err(root.problem(format!(
            "class: shares add up to {}; leave share out of one class, which then has the rest",
            Amount::Share(SHARE_WHOLE - rest)
        )));
    }
    let mut from = 0;
    let classes = read.into_iter().map(|(name, share, script)| {
        let to = from + share.unwrap_or(rest);
        let slice = (from, to);
        from = to;
        class(name, slice, script)
    });
    Ok(classes.collect())
}

fn read_script(fields: &mut Fields<'_>, kind: Kind) -> Result<Script, Problem> {
    let mut script = Script::default();
    let software = fields.optional("software", |found| found.choice(&KINDS))?;
    script.kind = software.unwrap_or(kind);
    let never = fields.optional("never-connects", Found::yes_or_no)?;
    script.never_connects = never.unwrap_or(false);
    script.reconnect = fields.optional("reconnect", Found::distribution)?;
    if let Some(mut backoff) = fields.table("backoff")? {
        let first = backoff.required("first", |found| found.span_within(Span(1), HORIZON_MAX))?;
        let longest = backoff.required("longest", |found| found.span_within(first, HORIZON_MAX))?;
        script.patience.reconnect = first;
        script.patience.reconnect_max = longest;
        if script.reconnect.is_some() {
            return Err(backoff.problem("does nothing beside reconnect; remove one of them"));
        }
        backoff.finish()?;
    }
    let answer = fields.optional("answer-timeout", |found| {
        found.span_within(Span(1), HORIZON_MAX)
    })?;
    script.patience.answer = answer.unwrap_or(script.patience.answer);
    if let Some(mut online) = fields.table("online")? {
        let on = online.required("on", |found| {
            let on = found.distribution()?;
            if on.is_zero() {
                return Err(found.problem("must be above 0"));
            }
            Ok(on)
        })?;
        let off = online.required("off", Found::distribution)?;
        online.finish()?;
        script.online = Some(OnlineHours { on, off });
    }
    let ahead = fields.optional("clock-ahead", Found::distribution)?;
    script.clock_ahead = ahead.unwrap_or(script.clock_ahead);
    let behind = fields.optional("clock-behind", Found::distribution)?;
    script.clock_behind = behind.unwrap_or(script.clock_behind);
    let hurry = fields.optional("hurry", |found| found.whole_within(1, HURRY_MAX))?;
    script.hurry = u32::try_from(hurry.unwrap_or(1)).unwrap_or(1);
    let jobs = fields.tables("job")?;
    let behaviors: Vec<Behavior> = jobs
        .into_iter()
        .map(read_behavior)
        .collect::<Result<_, _>>()?;
    if !behaviors.is_empty() {
        script.behaviors = behaviors;
    }
    Ok(script)
}

fn read_behavior(mut fields: Fields<'_>) -> Result<Behavior, Problem> {
    let mut behavior = Behavior::default();
    let mut rest = SHARE_WHOLE;
    for (key, share) in [
        ("fails", &mut behavior.failing),
        ("rejects", &mut behavior.rejecting),
        ("silent", &mut behavior.silent),
        ("stalls", &mut behavior.stalling),
    ] {
        let read = fields.optional(key, |found| {
            let share = found.share()?;
            if share > rest {
                return Err(found.problem(format!(
                    "fails, rejects, silent and stalls add up to more than the whole: {} is left",
                    Amount::Share(rest)
                )));
            }
            Ok(share)
        })?;
        *share = read.unwrap_or(0);
        rest -= *share;
    }
    for (key, share) in [
        ("repeats", &mut behavior.repeating),
        ("slow", &mut behavior.slow),
        ("dies", &mut behavior.dying),
        ("late", &mut behavior.late),
        ("lies", &mut behavior.lying),
    ] {
        *share = fields.optional(key, Found::share)?.unwrap_or(0);
    }
    let factor = fields.optional("slow-factor", |found| found.whole_within(1, 10_000))?;
    if let Some(factor) = factor {
        behavior.slow_factor = u32::try_from(factor).unwrap_or(1);
    }
    for (key, length) in [
        ("download", &mut behavior.download),
        ("install", &mut behavior.install),
        ("think", &mut behavior.think),
        ("away", &mut behavior.away),
        ("lateness", &mut behavior.lateness),
    ] {
        if let Some(read) = fields.optional(key, Found::distribution)? {
            *length = read;
        }
    }
    let reasons = fields.optional("reasons", |found| {
        let reasons: Vec<Box<str>> = found
            .list()?
            .iter()
            .map(Found::text)
            .collect::<Result<_, _>>()?;
        if reasons.is_empty() {
            return Err(found.problem("must have at least one reason"));
        }
        Ok(reasons)
    })?;
    behavior.reasons = reasons.unwrap_or(behavior.reasons);
    fields.finish()?;
    Ok(behavior)
}
