//! Arguments of the measurements.

use std::path::PathBuf;

/// Subcommands of `shipslog bench`. Each prints one JSON object on the last line of standard output.
#[derive(Clone, Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Durable appends, beside a bare loop of write and fdatasync over the same bytes.
    #[command(after_help = "Example:\n  shipslog bench log --events 2000000 --batch 1000")]
    Log {
        /// How many events of 120 to 160 incompressible bytes.
        #[arg(long, value_name = "N", default_value_t = 2_000_000)]
        events: u64,
        /// Events per commit.
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        batch: u64,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// One-event commands from concurrent callers, each durable before it is answered.
    #[command(after_help = "Example:\n  shipslog bench commands --callers 256 --seconds 5")]
    Commands {
        /// How many callers, each with one command in flight.
        #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=16_384))]
        callers: u32,
        /// How long.
        #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Replay into the fleet and all projections, and restart with and without saved states.
    #[command(after_help = "Example:\n  shipslog bench replay --things 1000000 --events 5000000")]
    Replay {
        /// How many things.
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
        things: u32,
        /// About how many events; five for each thing tell a whole job.
        #[arg(long, value_name = "N", default_value_t = 5_000_000)]
        events: u64,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Clients that connect all at once over pipes within the process, with and without a record of who comes; and the
    /// restart of the device edge with as many persistent sessions.
    #[command(after_help = "Example:\n  shipslog bench sessions --sessions 100000")]
    Sessions {
        /// How many, each with four filters and two waiting messages.
        #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        sessions: u32,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Devices that fetch a 1 MiB image in blocks, again and again, over pipes within the process.
    #[command(after_help = "Example:\n  shipslog bench streams --devices 1000 --seconds 10")]
    Streams {
        /// How many devices, each with one request in flight.
        #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        devices: u32,
        /// How long.
        #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Bytes of a block.
        #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(256..=131_072))]
        block_bytes: u32,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Devices that report the progress of a job at a steady pace over sockets: how long it takes until a report is durable
    /// and its accepted answer is there, and how many events share a commit.
    #[command(
        after_help = "Example:\n  shipslog bench updates --devices 1000 --updates-per-second 5000 --seconds 10"
    )]
    Updates(Updates),
    /// What policies cost for each message, with the default policy and with one of ten statements with variables.
    #[command(after_help = "Example:\n  shipslog bench policies --verdicts 2000000")]
    Policies {
        /// How many verdicts of each kind.
        #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
        verdicts: u32,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Answers, queries and subscribers while a job and a deployment are expanded to a whole fleet.
    #[command(after_help = "Example:\n  shipslog bench expansion --things 1000000")]
    Expansion {
        /// How many things, all in one group.
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
        things: u32,
        /// Who submits other commands meanwhile, each with one in flight.
        #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=64))]
        callers: u32,
        /// How many commands all callers submit together.
        #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=10_000))]
        commands_per_second: u32,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Greengrass over HTTP: candidates of components with 50 versions each that are resolved, a deployment for a whole
    /// fleet, and reads while it is expanded.
    #[command(
        after_help = "Example:\n  shipslog bench deployments --cores 1000000 --connections 32 --seconds 5"
    )]
    Deployments(Deployments),
    /// Requests over HTTP by clients on this machine: how many, with a signature (SigV4) and with a bearer token, and how
    /// long each operation takes while a job is rolled out to a whole fleet.
    #[command(
        after_help = "Example:\n  shipslog bench http --connections 32 --seconds 5 --things 1000000"
    )]
    Http {
        /// How many connections, each with one request in flight.
        #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100))]
        connections: u32,
        /// How long, for each kind of credentials and each rollout.
        #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// How many things the fleet has, all in one group.
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
        things: u32,
        /// Where to write; a folder of its own is made and removed there.
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
    },
    /// Memory per thing in the fleet and in all projections, with one finished execution each.
    #[command(after_help = "Example:\n  shipslog bench memory --things 1000000")]
    Memory {
        /// How many things.
        #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
        things: u32,
        /// Measure the fleet without projections; the command runs itself so.
        #[arg(long, hide = true)]
        fleet_only: bool,
    },
}

/// Options of `shipslog bench updates`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Updates {
    /// How many devices, each on a connection of its own.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=8_000))]
    pub(crate) devices: u32,
    /// How many updates all devices send together in a second.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) updates_per_second: u32,
    /// How long, after two seconds that are not counted.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Where to write; a folder of its own is made and removed there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
}

/// How deployments are measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Deployments {
    /// How many cores, all in one group.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    pub(crate) cores: u32,
    /// How many components.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub(crate) components: u32,
    /// How many connections ask for candidates, each with one request in flight.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) connections: u32,
    /// How long candidates are asked for, and how long reads at least.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Where to write; a folder of its own is made and removed there.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,
}
