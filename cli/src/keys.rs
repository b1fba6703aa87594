//! `shipslog keys`: the access keys of operators.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use shipslog_gateway_core::Clock;
use shipslog_gateway_core::access::{self, Listed};

use crate::args::Keys;
use crate::output;

pub(crate) fn run(command: &Keys) -> Result<ExitCode> {
    // Keys are of the world outside of the fleet: their times are the machine's, whatever clock the service has.
    let now = Clock::System.now();
    match command {
        Keys::Create(options) => {
            let data_dir = &options.log.data_dir;
            let created = access::create(data_dir, &options.name, options.role, now)?;
            output::line(
                &json!({
                    "accessKeyId": created.key.id,
                    "secretAccessKey": created.key.secret.reveal(),
                    "bearerToken": created.token.reveal(),
                    "name": created.key.name,
                    "role": created.key.role.as_str(),
                })
                .to_string(),
            );
        }
        Keys::List(log) => {
            for key in access::list(&log.data_dir)? {
                output::line(&shown(&key).to_string());
            }
        }
        Keys::Revoke(options) => {
            let revoked = access::revoke(&options.log.data_dir, &options.id, now)?;
            output::line(&shown(&revoked).to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(key: &Listed) -> Value {
    json!({
        "accessKeyId": key.id,
        "name": key.name,
        "role": key.role.as_str(),
        "status": if key.revoked_at.is_some() { "revoked" } else { "active" },
        "createdAt": key.created_at,
        "revokedAt": key.revoked_at,
    })
}
