use std::collections::BTreeMap;

use super::*;
use clap::Parser as _;
use shipslog_domain::codec::kind_name;
use shipslog_domain::execution::Status;
use shipslog_domain::log::Position;
use shipslog_gateway_core::log::tools;
use shipslog_gateway_core::log::{Log, LogOptions};
use shipslog_gateway_core::storage::memory::{Faults, MemoryDisk};
use shipslog_simulator::behavior::Conduct;
use shipslog_simulator::distribution::Distribution;
use shipslog_simulator::scenario::Mode;

use crate::args::{Arguments, Subcommand};

fn options() -> Simulate {
    let arguments = ["shipslog", "simulate", "--mode", "wire"];
    match Arguments::try_parse_from(arguments).map(|arguments| arguments.command) {
        Ok(Subcommand::Simulate(options)) => options,
        other => panic!("{other:?}"),
    }
}

/// Plays a shipped scenario at this size.
fn played(name: &str, devices: u32) -> Concluded {
    let path = format!(
        "{}/../simulator/scenarios/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let scenario = Scenario::load(Path::new(&path)).expect("a valid scenario");
    scenario.check_mode(Mode::Wire).expect("fit for wire mode");
    conclude(scenario.with_devices(devices))
}

fn conclude(scenario: Scenario) -> Concluded {
    let directory = tempfile::tempdir().expect("a directory");
    conclude_in(directory.path(), scenario)
}

/// The same with its log here.
fn conclude_in(directory: &Path, scenario: Scenario) -> Concluded {
    let scenario = Arc::new(scenario);
    let progress = Arc::new(Progress::default());
    let time = Arc::new(AtomicU64::new(0));
    let service = Embedded::new(directory, scenario.rollout_ceiling_per_minute());
    let played = play(&scenario, service, &progress, time).expect("it plays");
    Concluded::of(&scenario, directory, &progress, played).expect("the log can be read")
}

fn hold(concluded: &Concluded) {
    let failed: Vec<String> = concluded
        .checked
        .iter()
        .filter(|check| check.is_failed())
        .map(ToString::to_string)
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn two_thousand_sessions_take_one_job() {
    let concluded = played("million-sessions", 2_000);
    hold(&concluded);
    assert_eq!(concluded.snapshot.welcomed, 2_000);
    assert_eq!(concluded.snapshot.reconnects, 0);
    // IN_PROGRESS and SUCCEEDED.
    assert_eq!(concluded.played.measured.updates.len(), 4_000);
    // Registered, in a group, queued, started, succeeded; the group, the template and the job.
    assert!(concluded.events >= 10_003, "{} events", concluded.events);
}

#[test]
fn a_rollout_with_retries_goes_as_in_virtual_time() {
    hold(&played("honest-million", 500));
}

#[test]
fn a_service_that_is_killed_loses_nothing() {
    let concluded = played("kill-and-restart", 300);
    hold(&concluded);
    assert!(concluded.snapshot.reconnects > 0);
}

/// A plan is a pure function of seed, device and job, and every mode has to come to it.
#[test]
fn every_device_ends_as_its_seeds_say() {
    let mut scenario = Scenario::honest(300, 7);
    scenario.checks.clear();
    for class in &mut scenario.classes {
        for behavior in &mut Arc::make_mut(&mut class.script).behaviors {
            behavior.failing = 2_500;
            behavior.rejecting = 1_000;
            behavior.repeating = 2_000;
        }
    }
    let concluded = conclude(scenario.clone());
    hold(&concluded);
    let ends = concluded.played.ending.outcome.ends.expect("a small fleet");
    assert_eq!(ends.len(), 300);
    for end in ends {
        let script = scenario.script_of(end.index);
        let behavior = script.behavior(1).expect("one behavior");
        let plan = behavior.plan(scenario.seeds_of(end.index), 1, 1);
        let status = match plan.conduct {
            Conduct::Fail(_) => Status::Failed,
            Conduct::Reject => Status::Rejected,
            Conduct::Succeed | Conduct::Silent | Conduct::Stall => Status::Succeeded,
        };
        assert_eq!(
            end.executions,
            [("deployment".into(), 1, status)],
            "device {}",
            end.index
        );
        let runs_it = end.reported.is_some();
        assert_eq!(runs_it, status == Status::Succeeded, "device {}", end.index);
    }
}

#[test]
fn without_a_file_sessions_are_played() {
    let scenario = sessions(&options()).expect("the scenario is part of this program");
    assert_eq!(scenario.fleet.devices, crate::simulate::DEVICES);
    assert_eq!(scenario.mode, Some(Mode::Wire));
}

/// The disk is full in the middle of the rollout.
#[test]
fn a_full_disk_ends_the_play_with_what_was_reached() {
    let disk = MemoryDisk::default();
    let faults = Faults {
        capacity: Some(300_000),
        ..Faults::default()
    };
    disk.set_faults(faults);
    let open = move || {
        let options = LogOptions {
            segment_bytes: 131_072,
            index: None,
            background: false,
            ..LogOptions::for_directory(Path::new("."))
        };
        Ok(Log::open_with(Arc::new(disk.clone()), options)?)
    };
    let scenario = Arc::new(Scenario::honest(3_000, 5));
    let progress = Arc::new(Progress::default());
    let service = Embedded::with_log(Arc::new(open), scenario.rollout_ceiling_per_minute());
    let played = play(&scenario, service, &progress, Arc::default());
    let error = played.expect_err("no room");
    let why = format!("{error:#}");
    assert!(why.contains("the disk is full"), "{why}");
    let line = reached(&scenario, &progress, &error);
    assert!(
        line["stopped"].as_str().is_some_and(|told| told == why),
        "{line}"
    );
    assert!(line["connects"].as_u64() > Some(0), "{line}");
}

/// Notified, IN_PROGRESS, its answer, SUCCEEDED: four times on the way, each as long as drawn and hardly longer.
#[test]
fn messages_take_the_time_that_the_network_takes() {
    let mut scenario = Scenario::honest(40, 5);
    scenario.network.latency = Distribution::Constant(300);
    for class in &mut scenario.classes {
        for behavior in &mut Arc::make_mut(&mut class.script).behaviors {
            behavior.download = Distribution::Constant(0);
            behavior.install = Distribution::Constant(0);
        }
    }
    let directory = tempfile::tempdir().expect("a directory");
    hold(&conclude_in(directory.path(), scenario));
    let mut took: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let reader = tools::open_reader(directory.path()).expect("a log");
    let read = reader.read(Position::START, &mut |record| {
        let times = took.entry(record.stream.number).or_default();
        match kind_name(record.kind) {
            Some("ExecutionQueued") => times.0 = record.at.0,
            Some("ExecutionSucceeded") => times.1 = record.at.0,
            _ => (),
        }
        std::ops::ControlFlow::Continue(())
    });
    read.expect("a sound log");
    let took: Vec<u64> = took
        .values()
        .filter(|(_, ended)| *ended > 0)
        .map(|(queued, ended)| ended - queued)
        .collect();
    assert_eq!(took.len(), 40);
    let (shortest, longest) = (took.iter().min(), took.iter().max());
    assert!(shortest >= Some(&1_200), "{took:?}");
    assert!(longest <= Some(&1_300), "{took:?}");
}

#[test]
fn a_partition_and_latency_lose_nothing() {
    let concluded = played("partition", 100);
    hold(&concluded);
    assert!(concluded.snapshot.reconnects > 0);
}

/// Over HTTP: with deployments, killed and started again in the middle; with plain jobs, which change no fleet summary.
#[test]
fn queries_and_a_subscriber_are_measured_over_graphql() {
    for (name, devices, queries, told) in [
        ("kill-and-restart", 200, 5, 5),
        ("million-sessions", 2_000, 1, 0),
    ] {
        let path = format!(
            "{}/../simulator/scenarios/{name}.toml",
            env!("CARGO_MANIFEST_DIR")
        );
        let scenario = Scenario::load(Path::new(&path)).expect("a valid scenario");
        let scenario = Arc::new(scenario.with_devices(devices));
        let directory = tempfile::tempdir().expect("a directory");
        let (data, files) = (
            directory.path().join("data"),
            directory.path().join("files"),
        );
        let service = Embedded::new(&data, scenario.rollout_ceiling_per_minute());
        let address = "127.0.0.1:0".parse().expect("an address");
        let service = service.serving(address, &files).expect("a directory");
        let progress = Arc::new(Progress::default());
        let played = play(&scenario, service, &progress, Arc::default()).expect("it plays");
        let asked = &played.asked;
        for (what, least, times) in [
            ("fleet summary", queries, &asked.fleet_summary),
            ("job statistics", queries, &asked.job_statistics),
            ("subscription", told, &asked.subscription),
        ] {
            assert!(times.len() > least, "{name}, {what}: {}", times.len());
            assert!(times.max() < 10_000_000, "{name}, {what}: {}", times.max());
        }
        hold(&Concluded::of(&scenario, &data, &progress, played).expect("a log"));
    }
}
