//! Memory, as Linux counts it.

/// What is resident of this process, in bytes; 0 where the system does not say.
pub(super) fn resident_bytes() -> u64 {
    field("/proc/self/status", "VmRSS:").unwrap_or(0)
}

/// What the machine has left, in bytes.
pub(super) fn available_bytes() -> Option<u64> {
    field("/proc/meminfo", "MemAvailable:")
}

fn field(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kibibytes * 1024)
}
