//! What devices report in their shadows.

use serde_json::Value;

/// What a change of a thing's shadow reports of one of its deployments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowReport {
    /// Which revision of the thing's deployments.
    pub revision: u32,
    /// `status`.
    pub status: String,
    /// `statusDetails.detailedStatus`.
    pub detailed: Option<String>,
}

impl ShadowReport {
    /// Reads a change of the shadow; `None` if it is no report.
    #[must_use]
    pub fn read(change: &str) -> Option<Self> {
        let change: Value = serde_json::from_str(change).ok()?;
        let reported = change.get("reported")?;
        let arn = reported.get("fleetConfigurationArnForStatus")?.as_str()?;
        let details = reported.get("statusDetails");
        let detailed = details.and_then(|details| details.get("detailedStatus"));
        Some(Self {
            revision: arn.rsplit(':').next()?.parse().ok()?,
            status: reported.get("status")?.as_str()?.to_owned(),
            detailed: detailed.and_then(Value::as_str).map(str::to_owned),
        })
    }
}
