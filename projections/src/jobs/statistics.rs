//! What the devices of one job say of their updates, counted as their runs end.
//!
//! The figures count runs: one that failed and was tried again counts as a failure and later as what it became.
//! Deleting an execution does not take back what it counted.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use shipslog_domain::Timestamp;
use shipslog_domain::execution::Status;

use super::quantiles::Quantiles;
use super::rate::Rate;
use crate::pairs;

/// Distinct failure reasons that a job tells apart; further ones are counted as [`OTHER_REASON`].
pub const FAILURE_REASONS_MAX: usize = 100;
/// Counts runs whose reason is one too many.
pub const OTHER_REASON: &str = "other";
/// Counts runs that failed without a reason.
pub const UNKNOWN_REASON: &str = "unknown";

/// Details that say why a run failed, the most telling first.
const REASON_KEYS: [&str; 3] = [
    "reason",
    "deployment-failure-cause",
    "detailed-deployment-status",
];

/// The detail that says how many milliseconds a download took.
const DOWNLOAD_TIME_KEY: &str = "downloadTime";

/// Figures of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(super) struct Statistics {
    #[n(0)]
    reasons: BTreeMap<Box<str>, u64>,
    #[n(1)]
    pub(super) downloads: Quantiles,
    #[n(2)]
    pub(super) retries: u64,
    #[n(3)]
    pub(super) rate: Rate,
}

impl Statistics {
    /// Counts a run that begins.
    pub(super) fn queued(&mut self, retry: u8, from: Timestamp, at: Timestamp) {
        self.retries += u64::from(retry > 0);
        self.rate.at(from, at).queued += 1;
    }

    /// Counts a run that ended, with its latest details.
    pub(super) fn ended(&mut self, status: Status, details: &[u8], from: Timestamp, at: Timestamp) {
        self.rate.at(from, at).finished += 1;
        match status {
            Status::Failed | Status::Rejected => {
                let mut keys = REASON_KEYS.iter();
                let reason = keys.find_map(|key| pairs::value(details, key));
                self.count_reason(reason.unwrap_or(UNKNOWN_REASON));
            }
            Status::Queued
            | Status::InProgress
            | Status::Succeeded
            | Status::TimedOut
            | Status::Removed
            | Status::Canceled => {}
        }
        if matches!(status, Status::Succeeded | Status::Failed)
            && let Some(time) = pairs::value(details, DOWNLOAD_TIME_KEY)
            && time.bytes().all(|byte| byte.is_ascii_digit())
            && let Ok(time) = time.parse()
        {
            self.downloads.add(time);
        }
    }

    fn count_reason(&mut self, reason: &str) {
        if let Some(count) = self.reasons.get_mut(reason) {
            *count += 1;
            return;
        }
        let reason = if self.reasons.len() < FAILURE_REASONS_MAX {
            reason
        } else {
            OTHER_REASON
        };
        *self.reasons.entry(reason.into()).or_default() += 1;
    }

    /// Failure reasons, most frequent first, then by text.
    pub(super) fn reasons(&self) -> Vec<(&str, u64)> {
        let reasons = self.reasons.iter();
        let mut reasons: Vec<_> = reasons.map(|(reason, &count)| (&**reason, count)).collect();
        reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        reasons
    }
}
