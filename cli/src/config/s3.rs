//! The S3 endpoint and its credentials. Secrets come from files only: a command line is there for everybody to read.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use shipslog_gateway_core::access::Secret;
use shipslog_gateway_core::s3::{Credentials, Endpoint};

/// What was configured.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) endpoint: Option<String>,
    pub(super) access_key_id: Option<String>,
    pub(super) secret_key_file: Option<PathBuf>,
    pub(super) session_token_file: Option<PathBuf>,
    pub(super) region: Option<String>,
}

impl Given {
    /// The endpoint, if one was configured; in `region`, unless another was.
    pub(super) fn resolve(self, region: &str) -> Result<Option<Endpoint>> {
        let Some(address) = &self.endpoint else {
            let more = [
                ("s3-access-key-id", self.access_key_id.is_some()),
                ("s3-secret-key-file", self.secret_key_file.is_some()),
                ("s3-session-token-file", self.session_token_file.is_some()),
                ("s3-region", self.region.is_some()),
            ];
            match more.into_iter().find(|(_, is_given)| *is_given) {
                None => return Ok(None),
                Some((name, _)) => bail!("{name}: is of no use without s3-endpoint; add it"),
            }
        };
        let credentials = self.credentials()?;
        let region = self.region.as_deref().unwrap_or(region);
        let host = address.split_once("://").map_or("", |(_, rest)| rest);
        let has_path = host.trim_end_matches('/').contains('/');
        let endpoint = Endpoint::parse(address, region, credentials).filter(|_| !has_path);
        let endpoint = endpoint.with_context(|| {
            format!(
                "s3-endpoint: must be http://HOST[:PORT] or https://HOST[:PORT], not {address:?}"
            )
        });
        endpoint.map(Some)
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        let (key_id, file) = match (&self.access_key_id, &self.secret_key_file) {
            (Some(key_id), Some(file)) => (key_id, file),
            (None, None) => {
                ensure!(
                    self.session_token_file.is_none(),
                    "s3-session-token-file: is of no use without s3-access-key-id; add it"
                );
                return Ok(None);
            }
            (Some(_), None) => bail!("s3-secret-key-file: is missing beside s3-access-key-id"),
            (None, Some(_)) => bail!("s3-access-key-id: is missing beside s3-secret-key-file"),
        };
        let is_graphic = !key_id.is_empty() && key_id.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            is_graphic,
            "s3-access-key-id: must be letters and digits, not {key_id:?}"
        );
        let token = self.session_token_file.as_deref();
        let token = token.map(|file| read_secret("s3-session-token-file", file));
        Ok(Some(Credentials {
            key_id: key_id.as_str().into(),
            secret: read_secret("s3-secret-key-file", file)?,
            session_token: token.transpose()?,
        }))
    }
}

pub(super) fn read_secret(name: &str, file: &Path) -> Result<Secret> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{name}: cannot read {}", file.display()))?;
    let text = text.trim();
    ensure!(
        !text.is_empty() && !text.contains(char::is_whitespace),
        "{name}: {} must hold one line",
        file.display()
    );
    Ok(Secret::new(text))
}
