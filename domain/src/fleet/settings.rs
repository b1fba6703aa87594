//! What the fleet is told when it starts.

use crate::limits;

/// What decisions depend on besides the state. Events carry the results, so replay does not need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The most things per minute that any job may be rolled out to.
    pub rollout_ceiling_per_minute: u32,
    /// Region in ARNs.
    pub region: Box<str>,
    /// Account in ARNs.
    pub account: Box<str>,
}

impl Settings {
    /// The ARN of a resource of AWS IoT, such as `thing/pump`.
    #[must_use]
    pub fn arn(&self, resource: &str) -> String {
        format!("arn:aws:iot:{}:{}:{resource}", self.region, self.account)
    }

    /// The ARN of a container service with this id.
    #[must_use]
    pub fn container_service_arn(&self, id: &str) -> String {
        let (region, account) = (&self.region, &self.account);
        format!("arn:aws:lightsail:{region}:{account}:ContainerService/{id}")
    }

    /// The ARN of a resource of Greengrass, such as `coreDevices:pump`.
    #[must_use]
    pub fn greengrass_arn(&self, resource: &str) -> String {
        format!(
            "arn:aws:greengrass:{}:{}:{resource}",
            self.region, self.account
        )
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rollout_ceiling_per_minute: limits::ROLLOUT_CEILING_PER_MINUTE_DEFAULT,
            region: "us-east-1".into(),
            account: "000000000000".into(),
        }
    }
}
