//! This process and all that it has started, as Linux counts them.

use std::time::Duration;

/// Ticks per second in what Linux tells programs of processor time: the same on every machine, whatever its kernel
/// counts in.
const TICKS_PER_SECOND: u32 = 100;
/// Where in `/proc/PID/stat`, after the name of the program, the processor times begin.
const USER_TIME: usize = 11;

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// In the programs themselves.
    pub user: Duration,
    /// In the kernel on their behalf.
    pub system: Duration,
}

impl CpuTimes {
    /// What this process and all that live of those it has started have used; none where the system does not say.
    #[must_use]
    pub fn now() -> Self {
        each().iter().map(|process| of(process)).fold(
            Self::default(),
            |Self { user, system }, one| Self {
                user: user + one.user,
                system: system + one.system,
            },
        )
    }

    /// What was used between two looks.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

fn of(process: &str) -> CpuTimes {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    parse(&stat).unwrap_or_default()
}

/// The name of a program is in parentheses and may have any characters in it.
fn parse(stat: &str) -> Option<CpuTimes> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split_whitespace().skip(USER_TIME);
    let mut time = || {
        let ticks: u32 = fields.next()?.parse().ok()?;
        Some(Duration::from_secs(1) * ticks / TICKS_PER_SECOND)
    };
    Some(CpuTimes {
        user: time()?,
        system: time()?,
    })
}

/// Memory that all of them have now, in bytes; 0 where the system does not say.
#[must_use]
pub fn resident_bytes() -> u64 {
    let resident = |process: &String| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let rest = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let kilobytes: u64 = each().iter().filter_map(resident).sum();
    kilobytes * 1024
}

/// The ids of all of them, this one first.
fn each() -> Vec<String> {
    let mut all = vec![std::process::id().to_string()];
    let mut next = 0;
    while let Some(process) = all.get(next) {
        next += 1;
        let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            all.extend(children.split_whitespace().map(str::to_owned));
        }
    }
    all
}

#[cfg(test)]
mod tests;
