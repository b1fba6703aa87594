use std::time::Duration;

use shipslog_domain::job::{ExponentialRate, IncreaseAfter, Rollout};
use shipslog_domain::time::Timestamp;

use super::*;

const BEGIN: Timestamp = Timestamp(1_700_000_000_000);

fn after(ms: u64) -> Timestamp {
    Timestamp(BEGIN.0 + ms)
}

fn constant(per_minute: u32) -> Rollout {
    Rollout {
        maximum_per_minute: Some(per_minute),
        exponential: None,
    }
}

/// A recorder with one job of 10 per minute and `devices` devices, each of which takes a while longer.
fn played(devices: u64, minutes_each: u64, only: fn(u64) -> bool) -> Recorder {
    let mut recorder = Recorder::new(BEGIN);
    let job = recorder.job("upgrade", constant(10), 1_000, BEGIN);
    for device in (0..devices).filter(|device| only(*device)) {
        let told = device / 10 * 60_000;
        let mut at = recorder.at(after(told));
        at.connected();
        at.status_changed(job, None, Status::Queued);
        let mut at = recorder.at(after(told + 1_000));
        at.status_changed(job, Some(Status::Queued), Status::InProgress);
        at.messages(2, 1);
        at.events(3);
        let mut at = recorder.at(after(told + minutes_each * 60_000));
        if device.is_multiple_of(7) {
            at.status_changed(job, Some(Status::InProgress), Status::Failed);
            at.failed(&format!("reason {}", device % 3));
        } else {
            at.status_changed(job, Some(Status::InProgress), Status::Succeeded);
        }
        at.took(Measure::Update, Duration::from_micros(100 * (device + 1)));
        at.disconnected();
    }
    recorder
}

fn finish(recorder: Recorder) -> Recording {
    recorder.finish(Facts::default(), Ending::default())
}

fn count(recording: &Recording, status: &str) -> u64 {
    let mut all = recording.executions.iter();
    all.find(|one| one.status == status)
        .expect("every status is there")
        .count
}

#[test]
fn counts_add_up_at_every_moment_however_long_the_run() {
    for minutes_each in [1, 60, 10_000, 1_000_000] {
        let recording = finish(played(200, minutes_each, |_| true));
        assert_eq!(count(&recording, "FAILED"), 29, "{minutes_each}");
        assert_eq!(count(&recording, "SUCCEEDED"), 171, "{minutes_each}");
        assert_eq!(count(&recording, "IN_PROGRESS"), 0, "{minutes_each}");
        let job = &recording.jobs[0];
        assert!(job.queued.len() <= 720, "{} slices", job.queued.len());
        assert_eq!(job.queued.last(), Some(&200));
        for (slice, queued) in job.queued.iter().enumerate() {
            let in_all: u64 = job.statuses.iter().map(|one| one.counts[slice]).sum();
            assert_eq!(in_all, *queued, "in slice {slice}");
        }
        assert_eq!(recording.traffic.messages_in.iter().sum::<u64>(), 400);
        assert_eq!(recording.traffic.events.iter().sum::<u64>(), 600);
        assert_eq!(recording.traffic.connected.last(), Some(&0));
        let reasons = &recording.failure_reasons;
        assert_eq!(reasons.iter().map(|one| one.count).sum::<u64>(), 29);
        assert!(reasons.is_sorted_by(|a, b| a.count >= b.count));
    }
}

#[test]
fn slices_stay_useful_when_they_get_longer() {
    let recording = finish(played(2_000, 3, |_| true));
    // 203 minutes in slices of a round length, of which there are still many.
    assert_eq!(recording.traffic.slice_ms, 30_000);
    assert_eq!(recording.traffic.events.len(), 405);
}

#[test]
fn what_the_rate_allows_is_what_a_rollout_at_that_rate_does() {
    let recording = finish(played(200, 1, |_| true));
    let job = &recording.jobs[0];
    assert_eq!(job.rate, "10 per minute");
    for (queued, allowed) in job.queued.iter().zip(&job.allowed) {
        assert!(queued <= allowed);
        assert!(*queued == 200 || queued == allowed, "{queued} of {allowed}");
    }
}

#[test]
fn an_exponential_rate_rises_with_what_is_told() {
    let mut recorder = Recorder::new(BEGIN);
    let rollout = Rollout {
        maximum_per_minute: Some(40),
        exponential: Some(ExponentialRate {
            base_per_minute: 10,
            increment_factor_tenths: 20,
            increase_after: IncreaseAfter::Notified(10),
        }),
    };
    let job = recorder.job("ramp", rollout, 1_000, after(60_000));
    for (minute, wave) in [(1, 10), (2, 20), (3, 40), (4, 40)] {
        let mut at = recorder.at(after(minute * 60_000));
        at.statuses_changed(job, None, Status::Queued, wave);
    }
    // The end of the run is far away, so that slices are of a minute.
    recorder.at(after(60_000 * 400)).events(1);
    let recording = finish(recorder);
    let job = &recording.jobs[0];
    assert_eq!(job.slice_ms, 60_000);
    assert_eq!(job.allowed[..5], [0, 10, 30, 70, 110]);
    assert_eq!(
        job.rate,
        "from 10 per minute, times 2.0 each step, at most 40 per minute"
    );
}

#[test]
fn merged_recorders_are_the_recorder_of_all() {
    let whole = finish(played(300, 90, |_| true));
    let mut merged = played(300, 90, |device| device < 20);
    let worker = played(300, 90, |device| device >= 20);
    // A worker process hands its part over as JSON.
    let text = serde_json::to_string(&worker).expect("a recorder serializes");
    merged.merge(serde_json::from_str(&text).expect("and comes back"));
    assert!(finish(merged) == whole, "nothing is lost or moved");
}

#[test]
fn percentiles_are_of_the_right_values() {
    let recording = finish(played(1_000, 1, |_| true));
    let [latency] = &recording.latencies[..] else {
        panic!("one measure");
    };
    assert_eq!(latency.measure, Measure::Update);
    assert_eq!(latency.whole.count, 1_000);
    for (found, exact) in [
        (latency.whole.p50_ms, 50.0),
        (latency.whole.p90_ms, 90.0),
        (latency.whole.p99_ms, 99.0),
        (latency.whole.max_ms, 100.0),
    ] {
        assert!((found - exact).abs() <= exact / 100.0, "{found} of {exact}");
    }
    let over_time: u64 = latency.over_time.iter().map(|one| one.count).sum();
    assert_eq!(over_time, 1_000);
}

#[test]
fn everything_is_bounded() {
    let mut recorder = Recorder::new(BEGIN);
    for index in 0..5_000_u32 {
        let now = after(u64::from(index) * 3_600_000);
        let job = recorder.job(&format!("job {index}"), Rollout::default(), 1_000, now);
        let mut at = recorder.at(now);
        at.status_changed(job, None, Status::Queued);
        at.failed(&format!("reason {index}"));
        at.action(format!("action {index}"));
        at.took(Measure::Command, Duration::from_millis(1));
        recorder.sample(Duration::from_secs(index.into()), now, index.into(), 1);
    }
    let recording = finish(recorder);
    assert_eq!(recording.jobs.len(), recorder::JOBS_MAX);
    assert_eq!(count(&recording, "QUEUED"), 5_000);
    assert_eq!(recording.failure_reasons.len(), 20);
    let reasons = recording.failure_reasons.iter();
    assert_eq!(reasons.map(|one| one.count).sum::<u64>(), 5_000);
    assert_eq!(recording.markers.len(), 1_000);
    assert!((360..=720).contains(&recording.samples.len()));
    let seconds: Vec<f64> = recording
        .samples
        .iter()
        .map(|sample| sample.wall_seconds)
        .collect();
    let gaps: Vec<f64> = seconds.windows(2).map(|two| two[1] - two[0]).collect();
    let longest = gaps.iter().copied().fold(0.0, f64::max);
    assert!(longest <= 8.0, "samples are evenly spread: {longest}");
    assert!(recording.latencies[0].over_time.len() <= 120);
}

#[test]
fn a_recording_survives_its_json() {
    let mut recorder = played(50, 1, |_| true);
    recorder.check(Check {
        text: "every execution has ended".into(),
        verdict: Verdict::Passed,
        found: "50 of 50".into(),
    });
    recorder.at(after(30_000)).fault("service killed");
    recorder.sample(Duration::from_millis(1_500), after(7), 3, 4_096);
    let recording = finish(recorder);
    assert!(recording.is_good());
    let text = serde_json::to_string(&recording).expect("a recording serializes");
    assert!(text.contains("\"failureReasons\""));
    let back: Recording = serde_json::from_str(&text).expect("and comes back");
    assert!(back == recording, "{text}");
}
