//! How many file descriptors a process may have: each connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::Failure;

/// Descriptors that a process needs besides its devices' sockets.
pub const DESCRIPTORS_SPARE: u64 = 500;

/// How many descriptors this process may have, after it has asked for as many as it may ask for.
#[must_use]
pub fn descriptor_limit() -> u64 {
    let now = getrlimit(Resource::Nofile);
    if now.current != now.maximum {
        let wanted = Rlimit {
            current: now.maximum,
            maximum: now.maximum,
        };
        // Systems with a lower bound of their own refuse; then the limit stays what it was.
        setrlimit(Resource::Nofile, wanted).ok();
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many devices a process can connect that keeps `elsewhere` descriptors for other things.
#[must_use]
pub fn devices_max(elsewhere: u64) -> u32 {
    let devices = descriptor_limit().saturating_sub(elsewhere + DESCRIPTORS_SPARE);
    u32::try_from(devices).unwrap_or(u32::MAX)
}

/// Refuses what the process has no descriptors for.
pub(super) fn check(devices: u32, elsewhere: u64) -> Result<(), Failure> {
    let most = devices_max(elsewhere);
    if devices <= most {
        return Ok(());
    }
    Err(Failure::Descriptors {
        devices,
        needed: u64::from(devices) + elsewhere + DESCRIPTORS_SPARE,
        limit: descriptor_limit(),
        workers: (most > 0).then(|| devices.div_ceil(most)),
    })
}

/// Refuses parts of a fleet that are too large for one worker each.
pub(super) fn check_workers(devices: u32, largest: u32) -> Result<(), Failure> {
    check(largest, 0).map_err(|failure| match failure {
        Failure::Descriptors {
            needed,
            limit,
            workers,
            ..
        } => Failure::Descriptors {
            devices: largest,
            needed,
            limit,
            workers: workers.map(|_| devices.div_ceil(devices_max(0).max(1))),
        },
        other => other,
    })
}
