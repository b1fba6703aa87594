//! ARNs of this service's own region and account, written and read.

use shipslog_domain::command::TargetName;
use shipslog_domain::policy::Target;
use shipslog_domain::{Fingerprint, GroupName, ThingName};

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

    /// The region in every ARN.
    pub(crate) fn region(&self) -> &str {
        self.prefix.split(':').nth(3).unwrap_or_default()
    }

    /// The account in every ARN.
    pub(crate) fn account(&self) -> &str {
        self.prefix.split(':').nth(4).unwrap_or_default()
    }

    pub(crate) fn thing(&self, name: &str) -> String {
        format!("{}thing/{name}", self.prefix)
    }

    pub(crate) fn thing_type(&self, name: &str) -> String {
        format!("{}thingtype/{name}", self.prefix)
    }

    pub(crate) fn billing_group(&self, name: &str) -> String {
        format!("{}billinggroup/{name}", self.prefix)
    }

    pub(crate) fn group(&self, name: &str) -> String {
        format!("{}thinggroup/{name}", self.prefix)
    }

    pub(crate) fn certificate(&self, fingerprint: &Fingerprint) -> String {
        format!("{}cert/{fingerprint}", self.prefix)
    }

    pub(crate) fn ca_certificate(&self, fingerprint: &Fingerprint) -> String {
        format!("{}cacert/{fingerprint}", self.prefix)
    }

    pub(crate) fn policy(&self, name: &str) -> String {
        format!("{}policy/{name}", self.prefix)
    }

    pub(crate) fn role_alias(&self, name: &str) -> String {
        format!("{}rolealias/{name}", self.prefix)
    }

    pub(crate) fn provisioning_template(&self, name: &str) -> String {
        format!("{}provisioningtemplate/{name}", self.prefix)
    }

    /// A certificate as AWS IoT names a principal.
    pub(crate) fn principal(&self, arn: &str) -> Result<Fingerprint, Error> {
        let refuse = || {
            Error::invalid(
                "principal",
                format!(
                    "must be the ARN of a certificate, such as {}cert/<64 hexadecimal digits>",
                    self.prefix
                ),
            )
        };
        let id = self.resource(arn, "cert").ok_or_else(refuse)?;
        Fingerprint::parse(id).map_err(|_| refuse())
    }

    /// What a policy is attached to: the ARN of a certificate or of a thing group.
    pub(crate) fn policy_target(&self, arn: &str) -> Result<Target, Error> {
        let refuse = || {
            Error::invalid(
                "target",
                format!(
                    "must be the ARN of a certificate or of a thing group, such as {}",
                    self.group("name")
                ),
            )
        };
        if let Some(id) = self.resource(arn, "cert") {
            return Ok(Target::Certificate(
                Fingerprint::parse(id).map_err(|_| refuse())?,
            ));
        }
        let group = self.resource(arn, "thinggroup").ok_or_else(refuse)?;
        Ok(Target::Group(
            GroupName::parse(group).map_err(|_| refuse())?,
        ))
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

    pub(crate) fn ota_update(&self, name: &str) -> String {
        format!("{}otaupdate/{name}", self.prefix)
    }

    /// The ARN of a resource such as `thing/pump-7`.
    pub(crate) fn of(&self, resource: &str) -> String {
        format!("{}{resource}", self.prefix)
    }

    /// A resource of Greengrass, such as `coreDevices:pump`.
    pub(crate) fn greengrass(&self, resource: &str) -> String {
        let (region, account) = (self.region(), self.account());
        format!("arn:aws:greengrass:{region}:{account}:{resource}")
    }

    /// A resource of OpsWorks, such as `stack/<id>/`.
    pub(crate) fn opsworks(&self, resource: &str) -> String {
        let (region, account) = (self.region(), self.account());
        format!("arn:aws:opsworks:{region}:{account}:{resource}")
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
