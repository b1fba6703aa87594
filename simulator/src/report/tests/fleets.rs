//! Recordings of runs that never were, made as real runs make them.

use std::time::Duration;

use shipslog_domain::execution::Status;
use shipslog_domain::job::{ExponentialRate, IncreaseAfter, Rollout};
use shipslog_domain::time::Timestamp;

use crate::recording::{Check, Ending, Facts, Measure, Recorder, Recording, Verdict};
use crate::seeds::Seeds;

const REASONS: [&str; 5] = [
    "artifact download failed: connection reset",
    "artifact digest does not match",
    "not enough free space on the disk",
    "component com.example.Agent did not start within 120 s",
    "<script>alert(\"a device's idea of a reason\")</script>",
];
const MINUTE: u64 = 60_000;

/// A million devices in virtual time, with an exponential ramp, failures, a service killed and started again.
pub(super) fn million() -> Recording {
    let mut recorder = Recorder::new(Timestamp(0));
    let rollout = Rollout {
        maximum_per_minute: Some(40_000),
        exponential: Some(ExponentialRate {
            base_per_minute: 2_000,
            increment_factor_tenths: 15,
            increase_after: IncreaseAfter::Notified(10_000),
        }),
    };
    let at = |minutes: u64| Timestamp(minutes * MINUTE);
    recorder.at(at(0)).action("provision 1,000,000 devices");
    recorder.at(at(5)).action("deploy version 1 to all of them");
    recorder.at(at(31)).fault("service killed");
    recorder.at(at(33)).fault("service started again");
    for second in 0..240 {
        let now = Timestamp(second * 1_000);
        for _ in 0..4_166 {
            recorder.at(now).connected();
        }
        recorder.at(now).events(8_332);
    }
    let job = recorder.job("deploy-1", rollout, 40_000, at(5));
    let seeds = Seeds::root(7);
    let (mut told, mut minute, mut rate) = (0_u32, 5, 2_000_u32);
    while told < 1_000_000 {
        if minute == 31 || minute == 32 {
            minute += 1;
            continue;
        }
        let wave = (1_000_000 - told).min(rate);
        play_wave(
            &mut recorder,
            job,
            at(minute),
            wave,
            seeds.child("wave", minute),
        );
        told += wave;
        let steps = (told / 10_000).min(10);
        rate = (2_000 * 3_u32.pow(steps) / 2_u32.pow(steps)).min(40_000);
        minute += 1;
    }
    recorder.at(at(minute)).milestone("all devices are told");
    for tenth in 0..230_u64 {
        let memory = 90_000_000 + 2_800_000 * tenth - 1_000 * tenth * tenth;
        let wall = Duration::from_millis(tenth * 100);
        let now = Timestamp(59 * MINUTE * tenth / 230);
        recorder.sample(
            wall,
            now,
            6_100_000 * tenth * (tenth + 100) / 230 / 330,
            memory,
        );
    }
    checks(&mut recorder, true);
    recorder.finish(
        facts("Exponential ramp", "model"),
        ending(59.0 * 60.0, 23.0),
    )
}

fn play_wave(
    recorder: &mut Recorder,
    job: crate::recording::JobIndex,
    now: Timestamp,
    wave: u32,
    seeds: Seeds,
) {
    recorder
        .at(now)
        .statuses_changed(job, None, Status::Queued, wave);
    recorder.at(now).messages(0, wave.into());
    let parts = 40;
    for part in 0..parts {
        let some = wave / parts + u32::from(part < wave % parts);
        let begin = Timestamp(
            now.0
                + seeds
                    .child("part", part.into())
                    .between("start", 500, 20_000),
        );
        let mut at = recorder.at(begin);
        at.statuses_changed(job, Some(Status::Queued), Status::InProgress, some);
        at.messages(some.into(), some.into());
        at.events(u64::from(some) * 2);
        let work = seeds
            .child("part", part.into())
            .between("work", 20_000, 300_000);
        let end = Timestamp(begin.0 + work);
        let mut at = recorder.at(end);
        let failing = some * 3 / 100;
        let late = some / 200;
        for (status, count) in [
            (Status::Failed, failing),
            (Status::TimedOut, late),
            (Status::Succeeded, some - failing - late),
        ] {
            at.statuses_changed(job, Some(Status::InProgress), status, count);
        }
        at.messages(some.into(), some.into());
        at.events(some.into());
        for index in 0..failing {
            let lot = seeds
                .child("reason", (part * 10_000 + index).into())
                .below("which", 15);
            let reason =
                [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4][usize::try_from(lot).unwrap()];
            at.failed(REASONS[reason]);
        }
        for _ in 0..some.min(50) {
            at.took(Measure::Execution, Duration::from_millis(work + 1_000));
        }
    }
}

/// Ten thousand devices over real time, with a reconnect storm, two jobs, and checks that failed.
pub(super) fn storm() -> Recording {
    let mut recorder = Recorder::new(Timestamp(0));
    let rollout = Rollout {
        maximum_per_minute: Some(60_000),
        exponential: None,
    };
    let seeds = Seeds::root(3);
    let first = recorder.job("firmware-1.1", rollout, 60_000, Timestamp(4_000));
    let second = recorder.job("firmware-1.2", rollout, 60_000, Timestamp(17_000));
    recorder
        .at(Timestamp(4_000))
        .action("create job firmware-1.1");
    recorder
        .at(Timestamp(12_000))
        .fault("network cut for half of the fleet");
    recorder.at(Timestamp(14_500)).fault("network mended");
    recorder
        .at(Timestamp(17_000))
        .action("create job firmware-1.2");
    for device in 0..10_000_u64 {
        let of = seeds.child("device", device);
        let came = of.between("connect", 0, 3_000);
        connect(&mut recorder, came, of);
        if device % 2 == 0 {
            recorder.at(Timestamp(12_000 + device % 50)).disconnected();
            connect(&mut recorder, 14_500 + of.between("again", 0, 2_000), of);
        }
        for (job, begin) in [(first, 4_000), (second, 17_000)] {
            let own = of.child("job", begin);
            let told = begin + own.between("told", 5, 900);
            let started = told + own.between("start", 2, 80);
            let ended = started + own.between("work", 300, 5_000);
            recorder
                .at(Timestamp(begin))
                .status_changed(job, None, Status::Queued);
            let mut at = recorder.at(Timestamp(started));
            at.status_changed(job, Some(Status::Queued), Status::InProgress);
            at.messages(2, 3);
            at.took(Measure::Notification, Duration::from_millis(told - begin));
            at.took(
                Measure::Update,
                Duration::from_micros(own.between("update", 300, 9_000)),
            );
            let mut at = recorder.at(Timestamp(ended));
            at.messages(1, 1);
            at.took(
                Measure::Update,
                Duration::from_micros(own.between("end", 300, 4_000)),
            );
            let status = match own.below("how", 100) {
                0..6 => Status::Failed,
                6..8 => Status::Rejected,
                _ => Status::Succeeded,
            };
            at.status_changed(job, Some(Status::InProgress), status);
            if status != Status::Succeeded {
                at.failed(REASONS[usize::try_from(own.below("reason", 4)).unwrap()]);
            }
        }
    }
    for look in 0..250_u64 {
        let wall = Duration::from_millis(look * 100);
        let now = Timestamp(look * 100);
        let memory = 60_000_000 + 30_000 * look.min(150) * 10;
        recorder.sample(wall, now, look * 350, memory);
        let took = Duration::from_micros(800 + seeds.between("query", 0, look * 20));
        recorder.at(now).took(Measure::FleetSummary, took);
    }
    checks(&mut recorder, false);
    recorder.finish(facts("Reconnect storm", "net"), ending(25.0, 25.0))
}

fn connect(recorder: &mut Recorder, at_ms: u64, seeds: Seeds) {
    let mut at = recorder.at(Timestamp(at_ms));
    at.connected();
    at.messages(2, 2);
    at.took(
        Measure::Connect,
        Duration::from_micros(seeds.between("connack", 400, 30_000)),
    );
}

fn checks(recorder: &mut Recorder, all_well: bool) {
    let share = if all_well {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    for (text, verdict, found) in [
        (
            "the play ends within 2 h",
            Verdict::Passed,
            "ended after 59 min",
        ),
        (
            "every execution of deploy has ended",
            Verdict::Passed,
            "0 open",
        ),
        (
            "executions of deploy that are SUCCEEDED: at least 95 %",
            share,
            "965560 of 1000000, allowed 950000 or more",
        ),
        (
            "p99 of fleet summary queries at most 10.000 ms",
            Verdict::Passed,
            "3.100 ms",
        ),
        (
            "bytes per session at most 6144",
            Verdict::Skipped,
            "not known in this mode",
        ),
    ] {
        recorder.check(Check {
            text: text.into(),
            verdict,
            found: found.into(),
        });
    }
}

fn facts(scenario: &str, mode: &str) -> Facts {
    Facts {
        scenario: scenario.into(),
        shows: "An exponential rollout rises by half with each ten thousand devices told, and a kill of the service \
                in the middle costs minutes, not executions."
            .into(),
        mode: mode.into(),
        seed: 7,
        devices: if mode == "model" { 1_000_000 } else { 10_000 },
        version: "0.1.0".into(),
        command: format!("shipslog simulate simulator/scenarios/ramp.toml --mode {mode} --seed 7 --report report"),
    }
}

fn ending(run_seconds: f64, wall_seconds: f64) -> Ending {
    Ending {
        wall_seconds,
        run_seconds,
        events: Some(6_100_402),
        log_digest: Some("5f2b8c1e9d0a4763b8e1f2a90c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d".into()),
        peak_rss_bytes: 730_000_000,
        stopped: None,
    }
}
