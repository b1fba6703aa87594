//! Role aliases: names under which devices ask for the credentials of a role. The credentials are lent elsewhere, or not
//! at all; what is kept here is what the names stand for.

use std::ops::Bound;

use minicbor::{Decode, Encode};

use super::Event;
use crate::event::Fact;
use crate::ids::RoleAliasName;
use crate::job::extras::check_role_arn;
use crate::rejection::Rejection;
use crate::time::Timestamp;
use crate::{Fleet, limits};

/// What a role alias stands for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RoleAlias {
    /// The role.
    #[n(0)]
    pub role_arn: Box<str>,
    /// How long credentials are good for, in seconds.
    #[n(1)]
    pub credential_seconds: u32,
    /// When it was created.
    #[n(2)]
    pub created_at: Timestamp,
    /// When it last changed.
    #[n(3)]
    pub changed_at: Timestamp,
}

/// A request to change role aliases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Creates one; its name must be free.
    Create {
        /// Its name.
        name: RoleAliasName,
        /// The role.
        role_arn: Box<str>,
        /// How long credentials are good for; 3,600 seconds if nothing is said.
        credential_seconds: Option<u32>,
    },
    /// Changes what is given.
    Update {
        /// Its name.
        name: RoleAliasName,
        /// The role.
        role_arn: Option<Box<str>>,
        /// How long credentials are good for, in seconds.
        credential_seconds: Option<u32>,
    },
    /// Deletes one.
    Delete {
        /// Its name.
        name: RoleAliasName,
    },
}

fn not_found(name: &RoleAliasName) -> Rejection {
    Rejection::not_found("roleAlias", format!("role alias {name}"))
}

/// The fact that a name stands for a role, if the role and the time are as they must be.
fn set(
    name: &RoleAliasName,
    role_arn: &str,
    credential_seconds: u32,
) -> Result<Vec<Fact>, Rejection> {
    check_role_arn("roleArn", role_arn)?;
    let allowed = limits::CREDENTIAL_SECONDS_MIN..=limits::CREDENTIAL_SECONDS_MAX;
    if !allowed.contains(&credential_seconds) {
        let rule = format!("must be {} to {}", allowed.start(), allowed.end());
        return Err(Rejection::malformed("credentialDurationSeconds", rule));
    }
    Ok(vec![super::fact(Event::RoleAliasSet {
        name: name.clone(),
        role_arn: role_arn.into(),
        credential_seconds,
    })])
}

impl Fleet {
    /// The role alias with this name.
    #[must_use]
    pub fn role_alias(&self, name: &RoleAliasName) -> Option<&RoleAlias> {
        self.account.role_aliases.get(name)
    }

    /// Role aliases by name, those after `from`, or in the reverse order those before it.
    pub fn role_aliases(
        &self,
        from: Bound<RoleAliasName>,
        reverse: bool,
    ) -> Box<dyn Iterator<Item = (&RoleAliasName, &RoleAlias)> + '_> {
        let all = &self.account.role_aliases;
        if reverse {
            Box::new(all.range((Bound::Unbounded, from)).rev())
        } else {
            Box::new(all.range((from, Bound::Unbounded)))
        }
    }

    pub(crate) fn decide_role_alias(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        let aliases = &self.account.role_aliases;
        match command {
            Command::Create {
                name,
                role_arn,
                credential_seconds,
            } => {
                if aliases.contains_key(name) {
                    let known = format!("role alias {name}");
                    return Err(Rejection::already_exists("roleAlias", known));
                }
                if aliases.len() >= limits::ROLE_ALIASES_MAX {
                    let rule = format!(
                        "at most {} role aliases are kept; delete one first",
                        limits::ROLE_ALIASES_MAX
                    );
                    return Err(Rejection::too_many("roleAlias", rule));
                }
                let seconds = credential_seconds.unwrap_or(limits::CREDENTIAL_SECONDS_DEFAULT);
                set(name, role_arn, seconds)
            }
            Command::Update {
                name,
                role_arn,
                credential_seconds,
            } => {
                let known = aliases.get(name).ok_or_else(|| not_found(name))?;
                let role_arn = role_arn.as_deref().unwrap_or(&known.role_arn);
                let seconds = credential_seconds.unwrap_or(known.credential_seconds);
                let facts = set(name, role_arn, seconds)?;
                let is_same = (role_arn, seconds) == (&known.role_arn, known.credential_seconds);
                Ok(if is_same { Vec::new() } else { facts })
            }
            Command::Delete { name } => {
                aliases.get(name).ok_or_else(|| not_found(name))?;
                let name = name.clone();
                Ok(vec![super::fact(Event::RoleAliasRemoved { name })])
            }
        }
    }
}
