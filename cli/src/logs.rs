//! `shipslog log`: offline reading of a log.

use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use shipslog_domain::codec::kind_name;
use shipslog_domain::log::Record;
use shipslog_domain::{Event, Position, Recorded, StreamId};
use shipslog_gateway_core::log::TornTail;
use shipslog_gateway_core::log::tools::{self, IndexState};
use shipslog_projections::{Value as Told, Views, describe};

use crate::args::{Dump, Log, Repair};
use crate::output;

pub(crate) fn run(command: &Log) -> Result<ExitCode> {
    match command {
        Log::Verify(log) => verify(existing(&log.data_dir)?),
        Log::Stat(log) => stat(existing(&log.data_dir)?),
        Log::Dump(options) => dump(options),
        Log::Digest(log) => {
            let digest = tools::digest_directory(existing(&log.data_dir)?)?;
            output::line(
                &json!({ "logDigest": hex(&digest.hash), "events": digest.events }).to_string(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Log::Repair(options) => repair(options),
    }
}

fn existing(directory: &Path) -> Result<&Path> {
    ensure!(
        directory.is_dir(),
        "{} is not a directory; name the service's data directory with --data-dir",
        directory.display()
    );
    Ok(directory)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Remains of a commit that was interrupted: nothing acknowledged.
fn torn(tail: &TornTail) -> Value {
    json!({
        "offset": tail.offset,
        "end": tail.end,
        "damage": tail.damage.to_string(),
    })
}

fn verify(directory: &Path) -> Result<ExitCode> {
    let report = tools::verify(directory)?;
    let index = match &report.index {
        IndexState::Good => "good".to_owned(),
        IndexState::Missing => "missing, which the next start rebuilds".to_owned(),
        IndexState::Unusable(why) => format!("unusable, which the next start rebuilds: {why}"),
        IndexState::Wrong(what) => {
            format!("wrong, which the next start mends: {}", what.join("; "))
        }
    };
    output::line(
        &json!({
            "ok": report.is_clean(),
            "position": report.head.0,
            "segments": report.segments,
            "blocks": report.blocks,
            "commits": report.commits,
            "firstTime": report.first_time.map(|time| time.to_string()),
            "lastTime": report.last_time.map(|time| time.to_string()),
            "index": index,
            "savedStates": report.states.len(),
            "badSavedStates": report.bad_states,
            "tornTail": report.torn.as_ref().map(torn),
            "problem": report.problem.as_ref().map(|problem| shipslog_gateway_core::failure::with_causes(problem)),
        })
        .to_string(),
    );
    match report.problem {
        Some(problem) => Err(anyhow::Error::new(problem).context("the log is damaged")),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn stat(directory: &Path) -> Result<ExitCode> {
    let stat = tools::stat(directory)?;
    output::line(
        &json!({
            "logId": stat.log_id.map(|id| id.to_string()),
            "segments": stat.segments,
            "blocks": stat.blocks,
            "commits": stat.commits,
            "events": stat.events,
            "rawBytes": stat.raw_bytes,
            "diskBytes": stat.disk_bytes,
            "reservedBytes": stat.reserved_bytes,
            "bytesPerEvent": stat.bytes_per_event,
            "firstTime": stat.first_time.map(|time| time.to_string()),
            "lastTime": stat.last_time.map(|time| time.to_string()),
        })
        .to_string(),
    );
    Ok(ExitCode::SUCCESS)
}

/// Which events a dump prints.
struct Wanted {
    from: Position,
    to: Position,
    stream: Option<StreamId>,
    types: Vec<String>,
}

impl Wanted {
    fn parse(options: &Dump) -> Result<Self> {
        let stream = match &options.stream {
            None => None,
            Some(text) => Some(StreamId::parse(text).with_context(|| {
                format!("--stream: must be a stream such as thing-17 or job-3, not {text:?}")
            })?),
        };
        let known = |name: &String| {
            (0..=u16::MAX).step_by(256).any(|aggregate| {
                (0..32).any(|variant| kind_name(aggregate | variant) == Some(name))
            })
        };
        if let Some(unknown) = options.types.iter().find(|name| !known(name)) {
            bail!("--type: {unknown:?} is not an event type; dump a few events to see the names");
        }
        Ok(Self {
            from: Position(options.from),
            to: Position(options.to.unwrap_or(u64::MAX)),
            stream,
            types: options.types.clone(),
        })
    }

    fn includes(&self, record: &Record<'_>) -> bool {
        let named = |wanted: &String| kind_name(record.kind) == Some(wanted);
        record.position >= self.from
            && self.stream.is_none_or(|stream| stream == record.stream)
            && (self.types.is_empty() || self.types.iter().any(named))
    }
}

/// Names are logged once, so the log is folded from its beginning to print any part of it.
fn dump(options: &Dump) -> Result<ExitCode> {
    let wanted = Wanted::parse(options)?;
    let reader = tools::open_reader(existing(&options.log.data_dir)?)?;
    let mut views = Views::default();
    let mut out = BufWriter::new(io::stdout().lock());
    let mut failed = None;
    reader.read(Position::START, &mut |record| {
        if record.position > wanted.to {
            return ControlFlow::Break(());
        }
        match dump_one(&wanted, &record, &mut views, &mut out) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    })?;
    match failed {
        // Whoever read the output has seen enough.
        Some(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error),
        None => {
            out.flush()?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn dump_one(
    wanted: &Wanted,
    record: &Record<'_>,
    views: &mut Views,
    out: &mut impl Write,
) -> Result<()> {
    let recorded = Recorded {
        position: record.position,
        previous: record.previous,
        at: record.at,
        stream: record.stream,
        event: Event::try_from(record)?,
    };
    views.apply(&recorded);
    if !wanted.includes(record) {
        return Ok(());
    }
    let told = describe(&recorded, views);
    let data: Map<String, Value> = told
        .fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), as_json(value)))
        .collect();
    let line = json!({
        "position": record.position.0,
        "time": record.at.to_string(),
        "stream": record.stream.to_string(),
        "name": told.stream,
        "type": told.kind,
        "summary": told.summary,
        "data": data,
        "previous": (record.previous != Position::START).then_some(record.previous.0),
    });
    writeln!(out, "{line}")?;
    Ok(())
}

fn as_json(value: Told) -> Value {
    match value {
        Told::Null => Value::Null,
        Told::Bool(value) => Value::Bool(value),
        Told::Number(value) => Value::from(value),
        Told::Text(value) => Value::String(value),
        Told::List(values) => Value::Array(values.into_iter().map(as_json).collect()),
        Told::Map(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(name, value)| (name, as_json(value)))
                .collect(),
        ),
    }
}

fn repair(options: &Repair) -> Result<ExitCode> {
    let repaired = tools::repair(existing(&options.log.data_dir)?, options.accept_loss)?;
    output::line(
        &json!({
            "position": repaired.head.0,
            "tornTail": repaired.torn.as_ref().map(torn),
            "lost": repaired.loss.as_ref().map(|loss| json!({
                "from": loss.from.0,
                "to": loss.to.0,
                "reason": loss.reason,
                "segments": loss.segments,
                "savedStates": loss.states,
            })),
        })
        .to_string(),
    );
    Ok(ExitCode::SUCCESS)
}
