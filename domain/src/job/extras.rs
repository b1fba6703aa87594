//! What only some jobs have: where their document came from, presigned URLs, a schedule, labels.

use minicbor::{Decode, Encode};

use super::Schedule;
use crate::limits;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// `presignedUrlConfig`: who may read the files that a job document points to, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PresignedUrls {
    /// `roleArn`; absent in a change: as before.
    #[n(0)]
    pub role_arn: Option<Box<str>>,
    /// `expiresInSec`, 60 to 3,600.
    #[n(1)]
    pub expires_in_seconds: Option<u32>,
}

impl PresignedUrls {
    /// Refuses what AWS IoT Jobs would refuse, naming the field as clients spell it.
    pub fn check(&self) -> Result<(), Rejection> {
        if let Some(arn) = &self.role_arn {
            check_role_arn("presignedUrlConfig.roleArn", arn)?;
        }
        match self.expires_in_seconds {
            Some(seconds) if !(60..=3_600).contains(&seconds) => Err(Rejection::malformed(
                "presignedUrlConfig.expiresInSec",
                format!("must be 60 to 3,600 seconds, not {seconds}"),
            )),
            _ => Ok(()),
        }
    }
}

/// Refuses what is not as long as the ARN of a role (AWS IoT: 20 to 2,048 characters).
pub(crate) fn check_role_arn(field: &'static str, arn: &str) -> Result<(), Rejection> {
    if (20..=2_048).contains(&arn.len()) && arn.starts_with("arn:") {
        return Ok(());
    }
    Err(Rejection::malformed(
        field,
        "must be the ARN of a role: 20 to 2,048 characters that begin with arn:",
    ))
}

/// Pairs of text in the order given.
pub type Pairs = Vec<(Box<str>, Box<str>)>;

/// What only some jobs have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Extras {
    /// `documentSource`: where the document was read from at creation.
    #[n(0)]
    pub document_source: Option<Box<str>>,
    /// `jobTemplateArn`: the template that it was made from.
    #[n(1)]
    pub template_arn: Option<Box<str>>,
    /// `documentParameters`, with which the template's placeholders were filled.
    #[n(2)]
    pub parameters: Pairs,
    /// The document before parameters were filled in, where it differs.
    #[n(3)]
    pub unsubstituted: Option<Box<str>>,
    /// `presignedUrlConfig`.
    #[n(4)]
    pub presigned_urls: Option<PresignedUrls>,
    /// `schedulingConfig`.
    #[n(5)]
    pub schedule: Option<Schedule>,
    /// `destinationPackageVersions`: ARNs, stored for who reads them.
    #[n(6)]
    pub package_versions: Vec<Box<str>>,
    /// `tags` given at creation.
    #[n(7)]
    pub tags: Pairs,
}

impl Extras {
    /// Refuses what AWS IoT Jobs would refuse of a job that is created at `now`.
    pub(crate) fn check(&self, continuous: bool, now: Timestamp) -> Result<(), Rejection> {
        if let Some(presigned) = &self.presigned_urls {
            presigned.check()?;
        }
        if let Some(schedule) = &self.schedule {
            schedule.check(continuous, now)?;
        }
        check_package_versions(&self.package_versions)?;
        check_tags(&self.tags)
    }

    /// Whether files may be read on behalf of a role, as presigned URLs need it.
    pub(crate) fn has_role(&self) -> bool {
        let urls = self.presigned_urls.as_ref();
        urls.is_some_and(|urls| urls.role_arn.is_some())
    }

    /// The same, or nothing if there is nothing in it: most jobs have none.
    pub(crate) fn boxed(&self) -> Option<Box<Self>> {
        (*self != Self::default()).then(|| Box::new(self.clone()))
    }
}

/// Refuses lists of package versions that AWS IoT Jobs would refuse.
pub(crate) fn check_package_versions(arns: &[Box<str>]) -> Result<(), Rejection> {
    const FIELD: &str = "destinationPackageVersions";
    if arns.len() > limits::PACKAGE_VERSIONS_MAX {
        return Err(Rejection::malformed(
            FIELD,
            format!("must have at most {} ARNs", limits::PACKAGE_VERSIONS_MAX),
        ));
    }
    let is_arn = |arn: &str| {
        let graphic = arn.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        arn.len() <= 1_600
            && graphic
            && arn
                .strip_prefix("arn:")
                .is_some_and(|rest| !rest.is_empty())
    };
    match arns.iter().find(|arn| !is_arn(arn)) {
        None => Ok(()),
        Some(arn) => Err(Rejection::malformed(
            FIELD,
            format!("{arn:.64} must be an ARN of at most 1,600 characters"),
        )),
    }
}

/// Refuses tags that AWS IoT would refuse: at most 50, keys of 1 to 128 characters, values of at most 256.
pub(crate) fn check_tags(tags: &Pairs) -> Result<(), Rejection> {
    check_tags_up_to(tags, limits::TAGS_MAX)
}

/// [`check_tags`] where there may be another number of them.
pub(crate) fn check_tags_up_to(tags: &Pairs, max: usize) -> Result<(), Rejection> {
    if tags.len() > max {
        return Err(Rejection::malformed(
            "tags",
            format!("must be at most {max}"),
        ));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        let allowed = |text: &str| {
            text.chars()
                .all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c))
        };
        if !(1..=128).contains(&key.chars().count()) || !allowed(key) {
            return Err(Rejection::malformed(
                "tags",
                "a Key must be 1 to 128 letters, digits, spaces or characters of _.:/=+-@",
            ));
        }
        if value.chars().count() > 256 {
            return Err(Rejection::malformed(
                "tags",
                format!("the Value of {key} must have at most 256 characters"),
            ));
        }
        if tags.iter().take(index).any(|(other, _)| other == key) {
            return Err(Rejection::malformed(
                "tags",
                format!("{key} is given twice"),
            ));
        }
    }
    Ok(())
}
