//! What the nodes of container services say of their containers: lines of logs, and samples of how much they use.
//!
//! None of it is an event: nothing follows from a line, and a chatty container would fill the log of record. Lines and
//! samples stand in memory, bounded per container and in all with the oldest dropped first, and in files of their own
//! beside the log, so that they outlive a restart. A file that ends in the middle of a record is read up to there.
//!
//! Files are written without waiting for the disk: a killed process loses nothing, a power cut the latest lines.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shipslog_domain::{Span, Timestamp};

use crate::limits;
use crate::storage::Storage;
use file::Files;
use record::Record;

/// Whom lines and samples are of: the service by its id, which no other ever has, and the container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The id of the service: a UUID as text.
    pub service: Box<str>,
    /// The name of the container; samples are of a whole node and have none.
    pub container: Box<str>,
}

/// A line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number among all lines and samples, ascending.
    pub number: u64,
    /// When the container wrote it, as its node says.
    pub at: Timestamp,
    /// The thing that the container runs on.
    pub node: Box<str>,
    /// What it says.
    pub message: Box<str>,
}

/// How much a node used at a moment, in hundredths of a percent of what the service's power allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its number among all lines and samples, ascending.
    pub number: u64,
    /// When it was taken, as the node says.
    pub at: Timestamp,
    /// The thing.
    pub node: Box<str>,
    /// Of its processors.
    pub cpu_hundredths: u32,
    /// Of its memory.
    pub memory_hundredths: u32,
}

/// What became of lines or samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many are kept.
    pub accepted: usize,
    /// How many came faster than is taken.
    pub dropped: usize,
}

/// What is counted of lines and samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Lines that were taken since the start.
    pub lines: u64,
    /// Samples that were taken since the start.
    pub samples: u64,
    /// Lines and samples that came faster than is taken.
    pub dropped: u64,
    /// Bytes of the messages in memory.
    pub held_bytes: u64,
}

/// Lines and samples of all container services.
#[derive(Debug, Default)]
pub struct ContainerLogs {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: BTreeMap<Source, Lines>,
    samples: BTreeMap<Box<str>, Samples>,
    /// The number of the latest line or sample.
    last: u64,
    files: Option<Files>,
    figures: Figures,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<Line>,
    bytes: u64,
    pace: Pace,
}

#[derive(Debug, Default)]
struct Samples {
    samples: VecDeque<Sample>,
    pace: Pace,
}

/// How many came in the second that began at `since`.
#[derive(Debug, Default)]
struct Pace {
    since: Timestamp,
    count: usize,
}

impl Pace {
    /// How many of `count` may come at `now`.
    fn admit(&mut self, count: usize, now: Timestamp, per_second: usize) -> usize {
        if now.since(self.since) >= Span::seconds(1) || now < self.since {
            self.since = now;
            self.count = 0;
        }
        let admitted = count.min(per_second.saturating_sub(self.count));
        self.count += admitted;
        admitted
    }
}

impl ContainerLogs {
    /// Reads what an earlier process left, and keeps in files what comes.
    ///
    /// # Errors
    /// When the files cannot be read or made.
    pub fn open(storage: Arc<dyn Storage>) -> io::Result<Self> {
        let mut kept = Kept::default();
        let files = Files::open(storage, |record| kept.take(record))?;
        kept.figures.lines = 0;
        kept.figures.samples = 0;
        kept.files = Some(files);
        Ok(Self {
            kept: Mutex::new(kept),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is kept is whole between any two statements that could panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes lines of a container on a node, in their order; those that come faster than is taken are dropped.
    pub fn add_lines(
        &self,
        source: &Source,
        node: &str,
        lines: &[(Timestamp, &str)],
        now: Timestamp,
    ) -> Taken {
        let mut kept = self.kept();
        let pace = &mut kept.lines.entry(source.clone()).or_default().pace;
        let accepted = pace.admit(lines.len(), now, limits::CONTAINER_LINES_PER_SECOND);
        let taken = kept.counted(accepted, lines.len());
        for (at, message) in lines.iter().take(accepted) {
            let record = Record::line(source, node, *at, message, kept.last + 1);
            kept.store(record);
        }
        kept.flush();
        taken
    }

    /// Takes samples of a node.
    pub fn add_samples(
        &self,
        service: &str,
        node: &str,
        samples: &[(Timestamp, u32, u32)],
        now: Timestamp,
    ) -> Taken {
        let mut kept = self.kept();
        let pace = &mut kept.samples.entry(service.into()).or_default().pace;
        let accepted = pace.admit(samples.len(), now, limits::CONTAINER_SAMPLES_PER_SECOND);
        let taken = kept.counted(accepted, samples.len());
        for (at, cpu, memory) in samples.iter().take(accepted) {
            let record = Record::sample(service, node, *at, (*cpu, *memory), kept.last + 1);
            kept.store(record);
        }
        kept.flush();
        taken
    }

    /// Lines of a container from `from` to before `to` that `admits` likes, by their times, those after the line with
    /// the time and number `after`; at most `count`, and whether there are more.
    #[must_use]
    pub fn lines(
        &self,
        source: &Source,
        (from, to): (Timestamp, Timestamp),
        after: Option<(Timestamp, u64)>,
        count: usize,
        admits: impl Fn(&str) -> bool,
    ) -> (Vec<Line>, bool) {
        let kept = self.kept();
        let Some(lines) = kept.lines.get(source) else {
            return (Vec::new(), false);
        };
        let in_range = |line: &&Line| {
            (from..to).contains(&line.at)
                && after.is_none_or(|after| (line.at, line.number) > after)
        };
        let mut found: Vec<&Line> = lines.lines.iter().filter(in_range).collect();
        found.sort_by_key(|line| (line.at, line.number));
        let mut found = found.into_iter().filter(|line| admits(&line.message));
        let page = found.by_ref().take(count).cloned().collect();
        (page, found.next().is_some())
    }

    /// Samples of all nodes of a service from `from` to before `to`.
    #[must_use]
    pub fn samples(&self, service: &str, from: Timestamp, to: Timestamp) -> Vec<Sample> {
        let kept = self.kept();
        let samples = kept.samples.get(service).into_iter();
        let samples = samples.flat_map(|samples| &samples.samples);
        let in_range = samples.filter(|sample| (from..to).contains(&sample.at));
        in_range.cloned().collect()
    }

    /// What was counted.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.kept().figures
    }
}

impl Kept {
    fn counted(&mut self, accepted: usize, given: usize) -> Taken {
        let dropped = given - accepted;
        self.figures.dropped += dropped as u64;
        Taken { accepted, dropped }
    }

    /// Keeps a new record, in memory and in the files.
    fn store(&mut self, record: Record) {
        if let Some(files) = &mut self.files {
            files.add(&record);
        }
        self.take(record);
    }

    /// Writes what was added. What left the files leaves memory, so that a restart changes nothing.
    fn flush(&mut self) {
        let oldest = self.files.as_mut().and_then(Files::flush);
        if let Some(oldest) = oldest {
            self.forget_before(oldest);
        }
    }

    fn take(&mut self, record: Record) {
        self.last = self.last.max(record.number());
        match record {
            Record::Line {
                service,
                container,
                node,
                at,
                message,
                number,
            } => {
                let line = Line {
                    number,
                    at,
                    node,
                    message,
                };
                self.take_line(Source { service, container }, line);
            }
            Record::Sample {
                service,
                node,
                at,
                cpu_hundredths,
                memory_hundredths,
                number,
            } => {
                let samples = &mut self.samples.entry(service).or_default().samples;
                samples.push_back(Sample {
                    number,
                    at,
                    node,
                    cpu_hundredths,
                    memory_hundredths,
                });
                if samples.len() > limits::CONTAINER_SAMPLES_MAX {
                    samples.pop_front();
                }
                self.figures.samples += 1;
            }
        }
    }

    fn take_line(&mut self, source: Source, line: Line) {
        let bytes = line.message.len() as u64;
        let lines = self.lines.entry(source).or_default();
        lines.bytes += bytes;
        lines.lines.push_back(line);
        self.figures.lines += 1;
        self.figures.held_bytes += bytes;
        while lines.lines.len() > limits::CONTAINER_LINES_MAX
            || lines.bytes > limits::CONTAINER_LINE_BYTES_HELD_MAX
        {
            self.figures.held_bytes -= lines.drop_first();
        }
        while self.figures.held_bytes > limits::CONTAINER_LOG_BYTES_MAX {
            let oldest = self.lines.values_mut().min_by_key(|lines| {
                let first = lines.lines.front();
                first.map_or(u64::MAX, |first| first.number)
            });
            let Some(oldest) = oldest.filter(|lines| !lines.lines.is_empty()) else {
                break;
            };
            self.figures.held_bytes -= oldest.drop_first();
            self.lines.retain(|_, lines| !lines.lines.is_empty());
        }
    }

    fn forget_before(&mut self, oldest: u64) {
        for lines in self.lines.values_mut() {
            while lines
                .lines
                .front()
                .is_some_and(|first| first.number < oldest)
            {
                self.figures.held_bytes -= lines.drop_first();
            }
        }
        for samples in self.samples.values_mut() {
            let samples = &mut samples.samples;
            while samples.front().is_some_and(|first| first.number < oldest) {
                samples.pop_front();
            }
        }
        self.lines.retain(|_, lines| !lines.lines.is_empty());
        self.samples
            .retain(|_, samples| !samples.samples.is_empty());
    }
}

impl Lines {
    /// Drops the oldest line, and says how long it was.
    fn drop_first(&mut self) -> u64 {
        let dropped = self.lines.pop_front();
        let bytes = dropped.map_or(0, |line| line.message.len() as u64);
        self.bytes -= bytes;
        bytes
    }
}
