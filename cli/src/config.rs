//! Configuration of the service: flags over variables over file over defaults, validated once.

mod devices;
mod hooks;
mod s3;

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use shipslog_domain::limits::ROLLOUT_CEILING_PER_MINUTE_DEFAULT;
use shipslog_gateway_core::fleet_provisioning::hooks::Endpoint as HookEndpoint;
use shipslog_gateway_core::pki::KeyKind;
use shipslog_gateway_core::s3::Endpoint;
use shipslog_gateway_device::Settings as DeviceSettings;

use crate::args::Serve;

/// The configuration file: the same names as the flags. An unknown key is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    data_dir: Option<PathBuf>,
    http: Option<String>,
    mqtt: Option<String>,
    mqtts: Option<String>,
    device_https: Option<String>,
    allow_plain_mqtt: Option<bool>,
    connections: Option<u32>,
    connections_per_address: Option<devices::Bound>,
    publish_rate: Option<devices::Bound>,
    auth: Option<String>,
    clock: Option<String>,
    presence: Option<String>,
    region: Option<String>,
    account: Option<String>,
    rollout_ceiling_per_minute: Option<u32>,
    s3_endpoint: Option<String>,
    s3_access_key_id: Option<String>,
    s3_secret_key_file: Option<PathBuf>,
    s3_session_token_file: Option<PathBuf>,
    s3_region: Option<String>,
    device_key: Option<String>,
    #[serde(default)]
    server_name: Vec<String>,
    #[serde(default)]
    provisioning_hook: Vec<String>,
    #[serde(default)]
    provisioning_hook_secret_file: Vec<String>,
    log_format: Option<String>,
}

/// Everything the service needs to know, valid.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data_dir: PathBuf,
    pub(crate) http: SocketAddr,
    pub(crate) mqtt: Option<SocketAddr>,
    pub(crate) mqtts: Option<SocketAddr>,
    pub(crate) device_https: Option<SocketAddr>,
    /// How many devices may connect, how much they may send, and whether it is recorded who comes and goes.
    pub(crate) devices: DeviceSettings,
    /// Whether HTTP requests need credentials.
    pub(crate) auth: bool,
    pub(crate) virtual_clock: bool,
    pub(crate) region: String,
    pub(crate) account: String,
    pub(crate) rollout_ceiling_per_minute: u32,
    /// Where job documents are read that are no stored artifacts, and where devices read files.
    pub(crate) s3_endpoint: Option<Endpoint>,
    pub(crate) device_key: KeyKind,
    pub(crate) server_names: Vec<String>,
    /// Who may be asked before a device is provisioned.
    pub(crate) provisioning_hooks: Vec<HookEndpoint>,
    pub(crate) json_log: bool,
}

impl Config {
    /// Puts flags, variables (which are in `flags` already) and the file together.
    pub(crate) fn resolve(flags: &Serve) -> Result<Self> {
        let file = match &flags.config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                toml::from_str(&text).with_context(|| format!("in {}", path.display()))?
            }
            None => File::default(),
        };
        let text = |flag: &Option<String>, file: Option<String>, default: &str| {
            flag.clone().or(file).unwrap_or_else(|| default.to_owned())
        };
        let http = address("http", &text(&flags.http, file.http, "127.0.0.1:8080"))?;
        let mqtt = listener("mqtt", &text(&flags.mqtt, file.mqtt, "127.0.0.1:1883"))?;
        let mqtts = listener("mqtts", &text(&flags.mqtts, file.mqtts, "127.0.0.1:8883"))?;
        let https = text(&flags.device_https, file.device_https, "127.0.0.1:8443");
        let device_https = listener("device-https", &https)?;
        let allow_plain = flags
            .allow_plain_mqtt
            .or(file.allow_plain_mqtt)
            .unwrap_or(false);
        if let Some(mqtt) = mqtt {
            ensure!(
                mqtt.ip().is_loopback() || allow_plain,
                "mqtt: {mqtt} is not loopback and plain MQTT trusts everyone; add --allow-plain-mqtt if that is what you want"
            );
        }
        let devices = devices::Given {
            connections: flags.connections.or(file.connections),
            connections_per_address: given(
                &flags.connections_per_address,
                file.connections_per_address,
            ),
            publish_rate: given(&flags.publish_rate, file.publish_rate),
            presence: text(&flags.presence, file.presence, "on"),
        };
        let default = if http.ip().is_loopback() { "off" } else { "on" };
        let auth = check_auth(&text(&flags.auth, file.auth, default), http)?;
        let account = text(&flags.account, file.account, "000000000000");
        ensure!(
            account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()),
            "account: must be twelve digits, not {account:?}"
        );
        let region = text(&flags.region, file.region, "us-east-1");
        ensure!(
            !region.is_empty()
                && region.len() <= 32
                && region
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'),
            "region: must be a name such as us-east-1, not {region:?}"
        );
        let s3_endpoint = s3::Given {
            endpoint: flags.s3_endpoint.clone().or(file.s3_endpoint),
            access_key_id: flags.s3_access_key_id.clone().or(file.s3_access_key_id),
            secret_key_file: flags.s3_secret_key_file.clone().or(file.s3_secret_key_file),
            session_token_file: flags
                .s3_session_token_file
                .clone()
                .or(file.s3_session_token_file),
            region: flags.s3_region.clone().or(file.s3_region),
        };
        let s3_endpoint = s3_endpoint.resolve(&region)?;
        let ceiling = flags
            .rollout_ceiling_per_minute
            .or(file.rollout_ceiling_per_minute)
            .unwrap_or(ROLLOUT_CEILING_PER_MINUTE_DEFAULT);
        ensure!(
            ceiling > 0,
            "rollout-ceiling-per-minute: must be at least 1"
        );
        let list = |flags: &Vec<String>, file: Vec<String>| match flags.is_empty() {
            true => file,
            false => flags.clone(),
        };
        let provisioning_hooks = hooks::resolve(
            &list(&flags.provisioning_hook, file.provisioning_hook),
            &list(
                &flags.provisioning_hook_secret_file,
                file.provisioning_hook_secret_file,
            ),
        )?;
        Ok(Self {
            data_dir: flags
                .data_dir
                .clone()
                .or(file.data_dir)
                .unwrap_or_else(|| "./shipslog-data".into()),
            http,
            mqtt,
            mqtts,
            device_https,
            devices: devices.resolve()?,
            auth,
            virtual_clock: choice(
                "clock",
                &text(&flags.clock, file.clock, "system"),
                ["system", "virtual"],
            )? == 1,
            region,
            account,
            rollout_ceiling_per_minute: ceiling,
            s3_endpoint,
            device_key: match choice(
                "device-key",
                &text(&flags.device_key, file.device_key, "ecdsa"),
                ["ecdsa", "rsa"],
            )? {
                0 => KeyKind::EcdsaP256,
                _ => KeyKind::Rsa2048,
            },
            server_names: list(&flags.server_name, file.server_name),
            provisioning_hooks,
            json_log: choice(
                "log-format",
                &text(&flags.log_format, file.log_format, "text"),
                ["text", "json"],
            )? == 1,
        })
    }
}

/// A bound of the command line, or else of the file.
fn given(flag: &Option<String>, file: Option<devices::Bound>) -> Option<devices::Bound> {
    flag.as_ref().map(devices::Bound::from).or(file)
}

/// Whether credentials are checked. Nobody but this machine reaches a service that asks for none.
fn check_auth(auth: &str, http: SocketAddr) -> Result<bool> {
    let is_on = choice("auth", auth, ["off", "on"])? == 1;
    ensure!(
        is_on || http.ip().is_loopback(),
        "auth: off is refused on {http}, which is not loopback; leave it on and make access keys with `shipslog keys create`"
    );
    Ok(is_on)
}

fn choice(name: &str, value: &str, allowed: [&str; 2]) -> Result<usize> {
    let [first, second] = allowed;
    allowed
        .iter()
        .position(|one| *one == value)
        .with_context(|| format!("{name}: must be {first} or {second}, not {value:?}"))
}

/// The address of a listener that can be off.
fn listener(name: &str, text: &str) -> Result<Option<SocketAddr>> {
    match text {
        "off" => Ok(None),
        other => address(name, other).map(Some),
    }
}

fn address(name: &str, text: &str) -> Result<SocketAddr> {
    text.to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .with_context(|| format!("{name}: must be HOST:PORT, such as 127.0.0.1:8080, not {text:?}"))
}

#[cfg(test)]
mod tests;
