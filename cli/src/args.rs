//! Arguments of every subcommand, with their help.

mod bench;

use std::path::PathBuf;

use clap::{Args, Parser, ValueEnum};
use shipslog_gateway_core::access::Role;

pub(crate) use bench::{Bench, Deployments, Updates};

/// Event-sourced fleet state service with a simulator.
///
/// Every provisioning, deployment and job-execution event is appended to one log; the fleet summary, job progress and
/// OTA statistics are folds of it. Devices talk MQTT, operators REST and GraphQL.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Run the service.
    Serve(Serve),
    /// Watch a simulated fleet being provisioned and updated, on an empty machine.
    Demo(Demo),
    /// Play a fleet of devices.
    Simulate(Simulate),
    /// Look into a log, offline.
    #[command(subcommand)]
    Log(Log),
    /// Make, show and revoke the access keys of operators.
    #[command(subcommand)]
    Keys(Keys),
    /// Make certificates for devices.
    #[command(subcommand)]
    Ca(Ca),
    /// Measure this machine with this build.
    #[command(subcommand)]
    Bench(Bench),
    /// Play a part of a fleet for the process that started this one.
    #[command(hide = true)]
    SimulateWorker,
}

/// Options of `shipslog serve`. Every one can also stand in the configuration file (same name) or in a variable
/// `SHIPSLOG_…`; a flag wins over the variable, the variable over the file.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "Examples:
  shipslog serve
  shipslog serve --data-dir /var/lib/shipslog --http 127.0.0.1:9000
  shipslog serve --clock virtual        # time moves by POST /admin/clock only
  shipslog serve --connections-per-address 20 --publish-rate 10
  shipslog serve --http 0.0.0.0:8080    # every request needs a key of `shipslog keys create`
  shipslog serve --provisioning-hook stock=https://stock.example/devices \\
    --provisioning-hook-secret-file stock=/run/secrets/stock
  shipslog serve --s3-endpoint https://s3.eu-west-1.amazonaws.com --s3-region eu-west-1 \\
    --s3-access-key-id AKIA… --s3-secret-key-file /run/secrets/s3")]
pub(crate) struct Serve {
    /// TOML file with the same names as these options.
    #[arg(long, value_name = "FILE", env = "SHIPSLOG_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Where log, CA and artifacts live; created if missing [default: ./shipslog-data]
    #[arg(long, value_name = "DIR", env = "SHIPSLOG_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of CDF REST, AWS APIs, GraphQL, metrics and health [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", env = "SHIPSLOG_HTTP")]
    pub(crate) http: Option<String>,
    /// Address of plain MQTT, or off [default: 127.0.0.1:1883]
    #[arg(long, value_name = "ADDR|off", env = "SHIPSLOG_MQTT")]
    pub(crate) mqtt: Option<String>,
    /// Address of MQTT over TLS with client certificates, or off [default: 127.0.0.1:8883]
    #[arg(long, value_name = "ADDR|off", env = "SHIPSLOG_MQTTS")]
    pub(crate) mqtts: Option<String>,
    /// Address of the device plane over HTTPS with client certificates, or off [default: 127.0.0.1:8443]
    #[arg(long, value_name = "ADDR|off", env = "SHIPSLOG_DEVICE_HTTPS")]
    pub(crate) device_https: Option<String>,
    /// Accept plain MQTT on an address that is not loopback.
    #[arg(long, env = "SHIPSLOG_ALLOW_PLAIN_MQTT", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub(crate) allow_plain_mqtt: Option<bool>,
    /// The most sockets that devices may have open [default: as many as there are file descriptors for]
    #[arg(long, value_name = "N", env = "SHIPSLOG_CONNECTIONS")]
    pub(crate) connections: Option<u32>,
    /// The most of them from one address, this machine's included [default: 5000 from other machines]
    #[arg(long, value_name = "N|off", env = "SHIPSLOG_CONNECTIONS_PER_ADDRESS")]
    pub(crate) connections_per_address: Option<String>,
    /// Publications per second of one connection; what comes faster waits in its socket [default: 100 over TLS, any
    /// number over plain MQTT]
    #[arg(long, value_name = "N|off", env = "SHIPSLOG_PUBLISH_RATE")]
    pub(crate) publish_rate: Option<String>,
    /// Whether HTTP requests need credentials, SigV4 or a bearer token of `shipslog keys`; off is for loopback only
    /// [default: off when --http is loopback, else on]
    #[arg(long, value_name = "on|off", env = "SHIPSLOG_AUTH")]
    pub(crate) auth: Option<String>,
    /// system, or virtual: time stands still and moves only by POST /admin/clock [default: system]
    #[arg(long, value_name = "system|virtual", env = "SHIPSLOG_CLOCK")]
    pub(crate) clock: Option<String>,
    /// Whether the log keeps which things are connected, and how their connections ended [default: on]
    #[arg(long, value_name = "on|off", env = "SHIPSLOG_PRESENCE")]
    pub(crate) presence: Option<String>,
    /// Region in ARNs [default: us-east-1]
    #[arg(long, value_name = "NAME", env = "SHIPSLOG_REGION")]
    pub(crate) region: Option<String>,
    /// Account in ARNs [default: 000000000000]
    #[arg(long, value_name = "DIGITS", env = "SHIPSLOG_ACCOUNT")]
    pub(crate) account: Option<String>,
    /// The most devices per minute that any rollout reaches [default: 1000, as AWS IoT]
    #[arg(long, value_name = "N", env = "SHIPSLOG_ROLLOUT_CEILING_PER_MINUTE")]
    pub(crate) rollout_ceiling_per_minute: Option<u32>,
    /// An S3 endpoint, http or https://HOST:PORT: job documents that are no stored artifacts are read there, and the
    /// presigned URLs that devices get in job documents lead there [default: URLs lead to the stored artifacts]
    #[arg(long, value_name = "URL", env = "SHIPSLOG_S3_ENDPOINT")]
    pub(crate) s3_endpoint: Option<String>,
    /// Id of the access key for the S3 endpoint
    #[arg(long, value_name = "ID", env = "SHIPSLOG_S3_ACCESS_KEY_ID")]
    pub(crate) s3_access_key_id: Option<String>,
    /// File that holds the secret of that key: one line, readable for nobody else
    #[arg(long, value_name = "FILE", env = "SHIPSLOG_S3_SECRET_KEY_FILE")]
    pub(crate) s3_secret_key_file: Option<PathBuf>,
    /// File that holds the session token of that key, if it has one
    #[arg(long, value_name = "FILE", env = "SHIPSLOG_S3_SESSION_TOKEN_FILE")]
    pub(crate) s3_session_token_file: Option<PathBuf>,
    /// Region of the S3 endpoint [default: as --region]
    #[arg(long, value_name = "NAME", env = "SHIPSLOG_S3_REGION")]
    pub(crate) s3_region: Option<String>,
    /// Key of certificates that the service issues: ecdsa or rsa [default: ecdsa]
    #[arg(long, value_name = "ecdsa|rsa", env = "SHIPSLOG_DEVICE_KEY")]
    pub(crate) device_key: Option<String>,
    /// More names in the server's certificate, besides localhost.
    #[arg(
        long,
        value_name = "NAME",
        env = "SHIPSLOG_SERVER_NAME",
        value_delimiter = ','
    )]
    pub(crate) server_name: Vec<String>,
    /// Who is asked before a device is provisioned, where its template has a hook of this name: an address that begins
    /// with https://, or with http:// on this machine. Can be given several times
    #[arg(
        long,
        value_name = "NAME=URL",
        env = "SHIPSLOG_PROVISIONING_HOOK",
        value_delimiter = ','
    )]
    pub(crate) provisioning_hook: Vec<String>,
    /// File that holds the secret that the hook of this name is asked with, as a bearer token: one line, readable for
    /// nobody else
    #[arg(
        long,
        value_name = "NAME=FILE",
        env = "SHIPSLOG_PROVISIONING_HOOK_SECRET_FILE",
        value_delimiter = ','
    )]
    pub(crate) provisioning_hook_secret_file: Vec<String>,
    /// Form of the lines on standard error: text or json [default: text]
    #[arg(long, value_name = "text|json", env = "SHIPSLOG_LOG_FORMAT")]
    pub(crate) log_format: Option<String>,
    /// Stop when standard input closes: for services that belong to another process.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

/// Options of `shipslog demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  shipslog demo
  shipslog demo --devices 5000 --seed 7
  shipslog demo --keep                  # keeps serving; prints the addresses")]
pub(crate) struct Demo {
    /// How many core devices.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) devices: u32,
    /// Everything random follows from it.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Keep serving when done, until interrupted.
    #[arg(long)]
    pub(crate) keep: bool,
}

/// How a fleet is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// Virtual time: what devices say goes straight into the state machine. A million devices in seconds, and the
    /// same log on every machine.
    Model,
    /// Real MQTT bytes through pipes inside this process, into the real device edge.
    Wire,
    /// TCP sockets.
    Net,
}

/// Options of `shipslog simulate`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  shipslog simulate simulator/scenarios/honest-million.toml
  shipslog simulate --devices 100000 --seed 7
  shipslog simulate --data-dir ./played && shipslog simulate --replay ./played
  shipslog simulate SCENARIO.toml --from-log ./shipslog-data
  shipslog simulate --mode wire --devices 100000 --http 127.0.0.1:8080
  shipslog simulate --mode net --devices 10000
  shipslog simulate --mode net SCENARIO.toml --hurry 600 --report ./report
  shipslog simulate --mode net --devices 100000     # seven services, seven worker processes
  shipslog simulate --devices 500 --target mqtt://127.0.0.1:1883 --http http://127.0.0.1:8080
  shipslog simulate --devices 500 --target mqtts://iot.example:443 --ca ca.pem --cert-dir certs \\
      --http http://iot.example:8080 --token-file operator.token
  shipslog simulate --target mqtts://iot.example:443 --ca ca.pem --cert-dir certs --alpn x-amzn-mqtt-ca

In net mode without --target, a service of its own is started on free ports and a temporary directory.
The last line of standard output is one JSON object with the figures. The exit code is 1 if a check fails.")]
pub(crate) struct Simulate {
    /// What to play; without it, an honest fleet through one rollout.
    #[arg(value_name = "SCENARIO.toml")]
    pub(crate) scenario: Option<PathBuf>,
    /// How many devices [default: the scenario's, else 1000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000_000))]
    pub(crate) devices: Option<u32>,
    /// How the fleet is played [default: net with --target, else the scenario's, else model]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Everything random follows from it [default: the scenario's, else 1]
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Write a report there: one HTML page, and the same as JSON.
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Keep the log there, and the recording of a run in model mode; must be empty or absent.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Start from the fleet of an existing log, which stays as it is (model mode).
    #[arg(long, value_name = "DIR")]
    pub(crate) from_log: Option<PathBuf>,
    /// Play a recorded run again and compare every event; DIR is the --data-dir of the recording (model mode).
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scenario", "devices", "seed", "mode", "from_log", "data_dir", "target", "workers", "hurry", "patience", "rollouts", "failing_percent"])]
    pub(crate) replay: Option<PathBuf>,
    /// How many processes play the devices (net mode) [default: one for each 15000 devices]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) workers: Option<u32>,
    /// MQTT address of a running service, mqtt:// or mqtts://; give several to divide the fleet among them. Without
    /// it, as many as are needed are started (net mode).
    #[arg(long, value_name = "mqtt://HOST:PORT")]
    pub(crate) target: Vec<String>,
    /// HTTP address of the same service, where the fleet is provisioned and the deployment requested; one for each
    /// --target, in the same order. Without it, the devices take what somebody else deploys (net mode). In wire mode:
    /// serve HTTP and GraphQL there while the fleet plays, and measure queries and a subscriber over it.
    #[arg(long, value_name = "http://HOST:PORT")]
    pub(crate) http: Vec<String>,
    #[command(flatten)]
    pub(crate) token: Token,
    #[command(flatten)]
    pub(crate) tls: Tls,
    /// How many template versions are rolled out, one after the other, without a scenario [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub(crate) rollouts: Option<u32>,
    /// How many percent of the devices fail each rollout, without a scenario [default: 0]
    #[arg(long, value_name = "P", conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(0..=100))]
    pub(crate) failing_percent: Option<u32>,
    /// The time of a scenario runs so many times faster than real time (net mode, with a service of its own)
    /// [default: 60]
    #[arg(long, value_name = "N", conflicts_with = "target", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) hurry: Option<u32>,
    /// How long each step may take, in seconds (net mode) [default: 300]
    #[arg(long, value_name = "S")]
    pub(crate) patience: Option<u64>,
}

/// Where the bearer token is that the services at `--http` ask for. It never stands on the command line, which others
/// on the machine can read.
#[derive(Clone, Debug, Args)]
pub(crate) struct Token {
    /// File with the bearer token of a key with the role operator, for services that ask for one; see shipslog keys
    /// create.
    #[arg(
        long,
        value_name = "FILE",
        requires = "http",
        conflicts_with = "token_env"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// The same from the environment variable of this name.
    #[arg(long, value_name = "NAME", requires = "http")]
    pub(crate) token_env: Option<String>,
}

/// How simulated devices speak TLS, to a target that begins with mqtts://.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "TLS (net mode)")]
pub(crate) struct Tls {
    /// Certificates of those who may have issued the server's, PEM.
    #[arg(long, value_name = "FILE", requires = "target")]
    pub(crate) ca: Option<PathBuf>,
    /// Where each device has its certificate: THING.pem and THING.key.
    #[arg(long, value_name = "DIR", requires = "ca", conflicts_with_all = ["cert", "key"])]
    pub(crate) cert_dir: Option<PathBuf>,
    /// One certificate for all devices, PEM.
    #[arg(long, value_name = "FILE", requires = "ca", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// The protocol to ask for (ALPN), such as x-amzn-mqtt-ca on port 443 of AWS IoT.
    #[arg(long, value_name = "NAME", requires = "ca")]
    pub(crate) alpn: Option<String>,
    /// The name to ask for (SNI) and to expect in the server's certificate [default: the target's host]
    #[arg(long, value_name = "NAME", requires = "ca")]
    pub(crate) sni: Option<String>,
}

/// Where the log is.
#[derive(Clone, Debug, Args)]
pub(crate) struct DataDir {
    /// Data directory of the service.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "./shipslog-data",
        env = "SHIPSLOG_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
}

/// Subcommands of `shipslog log`.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Log {
    /// Check every block, the hash chain and the index.
    #[command(after_help = "Example:\n  shipslog log verify --data-dir ./shipslog-data")]
    Verify(DataDir),
    /// Say how large the log is.
    #[command(after_help = "Example:\n  shipslog log stat --data-dir ./shipslog-data")]
    Stat(DataDir),
    /// Print events as JSON lines.
    #[command(after_help = "Examples:
  shipslog log dump --data-dir ./shipslog-data --from 100 --to 200
  shipslog log dump --stream thing-17
  shipslog log dump --type ExecutionFailed")]
    Dump(Dump),
    /// Print the digest of all events, by which two logs are compared.
    #[command(after_help = "Example:\n  shipslog log digest --data-dir ./shipslog-data")]
    Digest(DataDir),
    /// Cut a corrupt log at the damage. Nothing is changed without --accept-loss.
    #[command(
        after_help = "Example:\n  shipslog log repair --data-dir ./shipslog-data --accept-loss"
    )]
    Repair(Repair),
}

/// Subcommands of `shipslog keys`. They work beside a running service, which takes up what changed within a second, and
/// without one.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Keys {
    /// Make an access key. Its secrets are printed this once, as JSON.
    #[command(after_help = "Examples:
  shipslog keys create --name alice --role admin
  shipslog keys create --name dashboards --role viewer --data-dir /var/lib/shipslog

The answer holds accessKeyId and secretAccessKey for AWS SDKs and the AWS CLI (SigV4), and bearerToken for everything
else: curl -H \"authorization: Bearer $TOKEN\" http://127.0.0.1:8080/fleet/summary")]
    Create(CreateKey),
    /// Print every key ever made, without secrets, as JSON lines.
    #[command(after_help = "Example:\n  shipslog keys list --data-dir ./shipslog-data")]
    List(DataDir),
    /// Revoke a key for ever.
    #[command(after_help = "Example:\n  shipslog keys revoke SLOGAAAAAAAAAAAAAAAA")]
    Revoke(RevokeKey),
}

/// Options of `shipslog keys create`.
#[derive(Clone, Debug, Args)]
pub(crate) struct CreateKey {
    /// Who or what the key is for: letters, digits, and any of . _ : @ -
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What it may do: a viewer reads; an operator also changes the fleet; an admin also sets policies and moves the
    /// virtual clock.
    #[arg(long, value_name = "admin|operator|viewer")]
    pub(crate) role: Role,
    #[command(flatten)]
    pub(crate) log: DataDir,
}

/// Options of `shipslog keys revoke`.
#[derive(Clone, Debug, Args)]
pub(crate) struct RevokeKey {
    /// The key's accessKeyId.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) log: DataDir,
}

/// Certificates of devices.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Ca {
    /// Make key and certificate of a device: registered, active, attached to its thing, which is made if it is missing.
    #[command(after_help = "Examples:
  shipslog ca issue --thing pump-1
  shipslog ca issue --thing pump-1 --data-dir /var/lib/shipslog --out ./certs
  mosquitto_pub --cafile ca.pem --cert pump-1.pem --key pump-1.key -i pump-1 -h localhost -p 8883 \\
    -q 1 -t '$aws/things/pump-1/jobs/get' -m '{}'

Writes NAME.pem, NAME.key (mode 0600) and ca.pem, and prints where as JSON. The device has the policy shipslog-device: it
connects as NAME or NAME#…, and uses the reserved topics of its own thing. With a service running on the data directory
the service does it; without one this command does.")]
    Issue(IssueDevice),
}

/// Options of `shipslog ca issue`.
#[derive(Clone, Debug, Args)]
pub(crate) struct IssueDevice {
    /// Thing that the device acts as.
    #[arg(long, value_name = "NAME")]
    pub(crate) thing: String,
    #[command(flatten)]
    pub(crate) log: DataDir,
    /// Where the files go.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) out: PathBuf,
    /// Region in ARNs, where no service runs.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "us-east-1",
        env = "SHIPSLOG_REGION"
    )]
    pub(crate) region: String,
    /// Account in ARNs, where no service runs.
    #[arg(
        long,
        value_name = "DIGITS",
        default_value = "000000000000",
        env = "SHIPSLOG_ACCOUNT"
    )]
    pub(crate) account: String,
}

/// Options of `shipslog log dump`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Dump {
    #[command(flatten)]
    pub(crate) log: DataDir,
    /// First position.
    #[arg(long, value_name = "POSITION", default_value_t = 1)]
    pub(crate) from: u64,
    /// Last position.
    #[arg(long, value_name = "POSITION")]
    pub(crate) to: Option<u64>,
    /// Only this stream, such as thing-17 or job-3.
    #[arg(long, value_name = "STREAM")]
    pub(crate) stream: Option<String>,
    /// Only these event types, such as ExecutionFailed.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub(crate) types: Vec<String>,
}

/// Options of `shipslog log repair`.
#[derive(Clone, Debug, Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    pub(crate) log: DataDir,
    /// Really cut, and lose what is after the damage.
    #[arg(long)]
    pub(crate) accept_loss: bool,
}
