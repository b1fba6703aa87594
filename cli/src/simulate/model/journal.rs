//! Logs beside each other: one is copied, or compared with another.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use shipslog_domain::Position;
use shipslog_domain::codec::kind_name;
use shipslog_domain::log::{Batch, EventLog, Record};
use shipslog_gateway_core::log::{Chunk, Log, LogReader, tools};

/// Events of one append.
const BATCH: usize = 8_192;

fn reader(directory: &Path) -> Result<LogReader> {
    tools::open_reader(directory)
        .with_context(|| format!("cannot read the log in {}", directory.display()))
}

/// Appends the first events of a log, `most` of them at most, to an empty one; how many there were.
pub(super) fn copy(source: &Path, mut log: Log, most: u64) -> Result<(Log, u64)> {
    ensure!(
        source.is_dir(),
        "--from-log: {} is not a directory; name a service's data directory",
        source.display()
    );
    let reader = reader(source)?;
    let mut batch = Batch::default();
    let mut failed = None;
    reader.read(Position::START, &mut |record| {
        if record.position.0 > most {
            return ControlFlow::Break(());
        }
        batch.push(
            record.stream,
            record.at,
            record.kind,
            record.command,
            |out| {
                out.extend_from_slice(record.payload);
            },
        );
        if batch.len() < BATCH {
            return ControlFlow::Continue(());
        }
        match log.append(&batch) {
            Ok(_) => {
                batch.clear();
                ControlFlow::Continue(())
            }
            Err(failure) => {
                failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(failure) = failed {
        return Err(failure).context("--from-log: cannot copy the log");
    }
    if !batch.is_empty() {
        log.append(&batch)?;
    }
    let events = log.head().0;
    Ok((log, events))
}

/// The first event that two logs do not have in common, in words.
pub(super) fn difference(recorded: &Path, played: &Path) -> Result<Option<String>> {
    let (recorded, played) = (reader(recorded)?, reader(played)?);
    let (mut chunks, mut chunk) = (played.chunks(Position::START), Chunk::default());
    let mut found = None;
    let mut failed = None;
    recorded.read(Position::START, &mut |expected| {
        while !chunk.contains(expected.position) {
            match chunks.next_into(&mut chunk) {
                Ok(true) => (),
                Ok(false) => {
                    found = Some(format!("it ends before {}", told(&expected)));
                    return ControlFlow::Break(());
                }
                Err(failure) => {
                    failed = Some(failure);
                    return ControlFlow::Break(());
                }
            }
        }
        let other = chunk.get(expected.position);
        let is_same = other.is_some_and(|other| {
            (other.stream, other.at, other.kind, other.payload)
                == (
                    expected.stream,
                    expected.at,
                    expected.kind,
                    expected.payload,
                )
        });
        if is_same {
            return ControlFlow::Continue(());
        }
        let other = other.map_or_else(|| "nothing".into(), |other| told(&other));
        found = Some(format!("recorded {}, played {other}", told(&expected)));
        ControlFlow::Break(())
    })?;
    if let Some(failure) = failed {
        return Err(failure.into());
    }
    let (recorded, played) = (recorded.head(), played.head());
    if found.is_none() && played > recorded {
        found = Some(format!(
            "it goes on to {played} after the recorded {recorded}"
        ));
    }
    Ok(found)
}

fn told(record: &Record<'_>) -> String {
    format!(
        "event {} ({} of {} at {})",
        record.position,
        kind_name(record.kind).unwrap_or("unknown"),
        record.stream,
        record.at
    )
}
