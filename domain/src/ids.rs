//! Identifiers: dense numbers handed out by the state machine, and names that callers choose.
//!
//! A name that exists is valid: every name type is made by `parse`, which applies the rule of its source.

use std::fmt;

use minicbor::{Decode, Encode};

use crate::rejection::Rejection;

macro_rules! dense_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub u32);

        impl $name {
            /// This id as an index into a column.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+};
}

dense_id! {
    /// Number of a thing, from 0, never reused.
    ThingId,
    /// Number of a thing type.
    ThingTypeId,
    /// Number of a thing group.
    GroupId,
    /// Number of a certificate.
    CertificateId,
    /// Number of a registered CA certificate.
    CaCertificateId,
    /// Number of a policy's name.
    PolicyId,
    /// Number of a provisioning template.
    ProvisioningTemplateId,
    /// Number of a CDF template (all its versions).
    TemplateId,
    /// Number of a core task.
    CoreTaskId,
    /// Number of a deployment task.
    DeploymentTaskId,
    /// Number of a job.
    JobId,
    /// Number of a job template.
    JobTemplateId,
    /// Number of a file stream.
    FileStreamId,
    /// Number of a billing group.
    BillingGroupId,
    /// Number of an OTA update.
    OtaUpdateId,
    /// Number of a version of a component.
    ComponentVersionId,
    /// Number of a stack.
    StackId,
    /// Number of a layer of a stack.
    LayerId,
    /// Number of an app of a stack.
    AppId,
    /// Number of an instance of a stack.
    InstanceId,
    /// Number of a deployment.
    DeploymentId,
    /// Number of a container service.
    ContainerServiceId,
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident, $field:literal, $max:literal, $allowed:literal, $test:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] Box<str>);

        impl $name {
            /// The longest accepted name, in bytes.
            pub const LENGTH_MAX: usize = $max;

            /// Accepts a name by the rule of its source, or refuses it naming the field and the rule.
            pub fn parse(text: &str) -> Result<Self, Rejection> {
                let allowed: fn(u8) -> bool = $test;
                if text.is_empty() || text.len() > $max || !text.bytes().all(allowed) {
                    return Err(Rejection::malformed(
                        $field,
                        format!(
                            concat!("{:?} must be 1 to ", stringify!($max), " characters of ", $allowed),
                            shorten(text)
                        ),
                    ));
                }
                Ok(Self(text.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

/// A count as the next dense id.
///
/// # Panics
/// At 2^32, which is far beyond what one machine holds.
pub(crate) fn dense(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 of anything")
}

/// A stable UUID for a named item of a kind: what AWS calls `thingId` or `thingGroupId`.
#[must_use]
pub fn stable_uuid(kind: &str, name: &str) -> String {
    let hex = stable_hash(kind, name).to_hex();
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    // Version 8 is for values of one's own making; 8 to b as the first digit of the fourth group is the variant.
    format!(
        "{}-{}-8{}-8{}-{}",
        part(0..8),
        part(8..12),
        part(13..16),
        part(17..20),
        part(20..32)
    )
}

/// The first eight digits of a [`stable_uuid`] as a number.
#[must_use]
pub fn stable_uuid_start(kind: &str, name: &str) -> u32 {
    let [a, b, c, d, ..] = *stable_hash(kind, name).as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn stable_hash(kind: &str, name: &str) -> blake3::Hash {
    blake3::Hasher::new()
        .update(kind.as_bytes())
        .update(&[0])
        .update(name.as_bytes())
        .finalize()
}

/// The first characters of a refused name: enough to recognize it in a message.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

fn word_or_colon(byte: u8) -> bool {
    word(byte) || byte == b':'
}

name! {
    /// Name of a thing (AWS IoT: 1 to 128 of `[a-zA-Z0-9:_-]`).
    ThingName, "thingName", 128, "[a-zA-Z0-9:_-]", word_or_colon;
    /// Name of a thing type (AWS IoT: 1 to 128 of `[a-zA-Z0-9:_-]`).
    ThingTypeName, "thingTypeName", 128, "[a-zA-Z0-9:_-]", word_or_colon;
    /// Name of a thing group (AWS IoT: 1 to 128 of `[a-zA-Z0-9:_-]`).
    GroupName, "thingGroupName", 128, "[a-zA-Z0-9:_-]", word_or_colon;
    /// Name of a billing group (AWS IoT: 1 to 128 of `[a-zA-Z0-9:_-]`).
    BillingGroupName, "billingGroupName", 128, "[a-zA-Z0-9:_-]", word_or_colon;
    /// Name of a job, which AWS calls job id (1 to 64 of `[a-zA-Z0-9_-]`).
    JobName, "jobId", 64, "[a-zA-Z0-9_-]", word;
    /// Job namespace (AWS IoT: 1 to 64 of `[a-zA-Z0-9_-]`).
    Namespace, "namespaceId", 64, "[a-zA-Z0-9_-]", word;
    /// Name of a CDF template. It becomes part of a Greengrass group name
    /// (`cdf_ggv2_deploymentForTemplate_<name>_<version>`), so colons are refused and 85 characters are the limit.
    TemplateName, "name", 85, "[a-zA-Z0-9_-]", word;
    /// Id of a provisioning template (1 to 128 of `[a-zA-Z0-9_.-]`).
    ProvisioningTemplateName, "provisioningTemplate", 128, "[a-zA-Z0-9_.-]", |byte| word(byte) || byte == b'.';
    /// Name of a file stream, which AWS calls stream id (1 to 128 of `[a-zA-Z0-9_-]`).
    FileStreamName, "streamId", 128, "[a-zA-Z0-9_-]", word;
    /// Name of an OTA update, which AWS calls OTA update id (1 to 128 of `[a-zA-Z0-9_-]`).
    OtaUpdateName, "otaUpdateId", 128, "[a-zA-Z0-9_-]", word;
    /// Name of a component (Greengrass: 1 to 128 of `[a-zA-Z0-9_.-]`).
    ComponentName, "componentName", 128, "[a-zA-Z0-9_.-]", |byte| word(byte) || byte == b'.';
    /// Name of a named shadow (AWS IoT: 1 to 64 of `[$a-zA-Z0-9:_-]`).
    ShadowName, "shadowName", 64, "[$a-zA-Z0-9:_-]", |byte| word_or_colon(byte) || byte == b'$';
    /// Name of a policy (AWS IoT: 1 to 128 of `[a-zA-Z0-9_+=,.@-]`).
    PolicyName, "policyName", 128, "[a-zA-Z0-9_+=,.@-]", |byte| word(byte) || b"+=,.@".contains(&byte);
    /// Name of a role alias (AWS IoT: 1 to 128 of `[a-zA-Z0-9_=,@-]`).
    RoleAliasName, "roleAlias", 128, "[a-zA-Z0-9_=,@-]", |byte| word(byte) || b"=,@".contains(&byte);
}

/// Id of a CDF task as clients see it: nine characters of `[A-Za-z0-9_-]`, chosen by the gateway.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct TaskKey(#[cbor(n(0), with = "minicbor::bytes")] [u8; 9]);

impl TaskKey {
    /// The key for nine random bytes; each byte gives one character, all equally likely.
    #[must_use]
    pub fn from_random(random: [u8; 9]) -> Self {
        Self(random.map(|byte| match byte & 63 {
            letter @ 0..=25 => b'A' + letter,
            letter @ 26..=51 => b'a' + letter - 26,
            digit @ 52..=61 => b'0' + digit - 52,
            62 => b'_',
            _ => b'-',
        }))
    }

    /// Accepts a task id, or refuses it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        match <[u8; 9]>::try_from(text.as_bytes()) {
            Ok(bytes) if bytes.iter().all(|byte| word(*byte)) => Ok(Self(bytes)),
            _ => Err(Rejection::malformed(
                "taskId",
                "must be nine characters of [A-Za-z0-9_-]",
            )),
        }
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a task key is ASCII")
    }
}

impl fmt::Debug for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskKey({})", self.as_str())
    }
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// SHA-256 of a certificate in DER form. As 64 hex digits it is AWS IoT's certificate id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Fingerprint(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 32]);

impl Fingerprint {
    /// Accepts a certificate id of 64 hex digits, or refuses it.
    pub fn parse(text: &str) -> Result<Self, Rejection> {
        let refuse = || Rejection::malformed("certificateId", "must be 64 hexadecimal digits");
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refuse());
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let pair = text.get(2 * index..2 * index + 2).ok_or_else(refuse)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| refuse())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Idempotency key chosen by the caller, hashed to a fixed size by the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct CommandId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);
