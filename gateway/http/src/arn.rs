//! ARNs of this service's own region and account, written and read.

use shipslog_domain::command::TargetName;
use shipslog_domain::{GroupName, ThingName};

use crate::error::Error;

/// Writes and reads ARNs.
#[derive(Clone, Debug)]
pub(crate) struct Arns {
    /// `arn:aws:iot:us-east-1:000000000000:`.
    prefix: String,
}

impl Arns {
    pub(crate) fn new(region: &str, account: &str) -> Self {
        Self {
            prefix: format!("arn:aws:iot:{region}:{account}:"),
        }
    }

    pub(crate) fn thing(&self, name: &str) -> String {
        format!("{}thing/{name}", self.prefix)
    }

    pub(crate) fn thing_type(&self, name: &str) -> String {
        format!("{}thingtype/{name}", self.prefix)
    }

    pub(crate) fn group(&self, name: &str) -> String {
        format!("{}thinggroup/{name}", self.prefix)
    }

    pub(crate) fn job(&self, name: &str) -> String {
        format!("{}job/{name}", self.prefix)
    }

    pub(crate) fn job_template(&self, name: &str) -> String {
        format!("{}jobtemplate/{name}", self.prefix)
    }

    /// The ARN of a job template that AWS manages: it belongs to no account.
    pub(crate) fn managed_job_template(&self, name: &str) -> String {
        let region = self.prefix.split(':').nth(3).unwrap_or_default();
        format!("arn:aws:iot:{region}::jobtemplate/{name}")
    }

    pub(crate) fn file_stream(&self, name: &str) -> String {
        format!("{}stream/{name}", self.prefix)
    }

    /// The rest of an ARN of this region and account that begins with `kind`.
    pub(crate) fn resource<'a>(&self, arn: &'a str, kind: &str) -> Option<&'a str> {
        let resource = arn.strip_prefix(self.prefix.as_str())?;
        resource.strip_prefix(kind)?.strip_prefix('/')
    }

    /// A target of a job: the ARN of a thing or of a thing group.
    pub(crate) fn target(&self, arn: &str) -> Result<TargetName, Error> {
        let refuse = |message: String| Error::invalid("targets", message);
        if let Some(name) = self.resource(arn, "thing") {
            let name = ThingName::parse(name);
            return Ok(TargetName::Thing(name.map_err(|no| refuse(no.message))?));
        }
        if let Some(name) = self.resource(arn, "thinggroup") {
            let name = GroupName::parse(name);
            return Ok(TargetName::Group(name.map_err(|no| refuse(no.message))?));
        }
        Err(refuse(format!(
            "must be ARNs such as {} or {}",
            self.thing("name"),
            self.group("name")
        )))
    }
}
