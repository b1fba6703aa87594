//! Pre-provisioning hooks and their secrets. Secrets come from files only: a command line is there for everybody to
//! read.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use shipslog_gateway_core::fleet_provisioning::hooks::Endpoint;

use super::s3::read_secret;

/// Reads `NAME=URL` and, for those of them that are asked with a secret, `NAME=FILE`.
pub(super) fn resolve(hooks: &[String], secrets: &[String]) -> Result<Vec<Endpoint>> {
    let mut endpoints: Vec<Endpoint> = Vec::with_capacity(hooks.len());
    for hook in hooks {
        let endpoint =
            Endpoint::parse(hook).map_err(|rule| anyhow!("provisioning-hook: {rule}"))?;
        ensure!(
            endpoints
                .iter()
                .all(|other| other.name() != endpoint.name()),
            "provisioning-hook: {} is given twice",
            endpoint.name()
        );
        endpoints.push(endpoint);
    }
    for secret in secrets {
        const NAME: &str = "provisioning-hook-secret-file";
        let (name, file) = secret
            .split_once('=')
            .with_context(|| format!("{NAME}: must be NAME=FILE, not {secret:?}"))?;
        let endpoint = endpoints.iter_mut().find(|one| one.name() == name);
        let endpoint = endpoint.with_context(|| {
            format!("{NAME}: there is no hook {name:?}; add --provisioning-hook {name}=URL")
        })?;
        *endpoint = endpoint
            .clone()
            .with_secret(read_secret(NAME, Path::new(file))?);
    }
    Ok(endpoints)
}
