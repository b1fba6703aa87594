use std::collections::BTreeMap;

use super::*;
use crate::behavior::{Behavior, Distribution};
use crate::control::{FleetSummary, TemplateUse, VersionUse};
use crate::net::Target;
use crate::net::tests::broker::{Broker, Fault};
use crate::run::figures::{DownloadTime, FailureReason, JobProgress, JobStatistics, JobView};

fn behaviors() -> Vec<Behavior> {
    let quick = Behavior {
        download: Distribution::Uniform { low: 1, high: 30 },
        install: Distribution::Constant(1),
        ..Behavior::default()
    };
    let flawed = Behavior {
        failing: 2_000,
        rejecting: 500,
        silent: 300,
        stalling: 200,
        ..quick.clone()
    };
    vec![quick, flawed]
}

fn options(address: &str, devices: u32) -> Options {
    let script = Script {
        behaviors: behaviors(),
        ..Script::default()
    };
    let target = Target::parse(address, None).expect("an address");
    let net = net::Options {
        script: Arc::new(script),
        ..net::Options::new(target, devices, 7)
    };
    Options {
        rollouts: 2,
        ..Options::new(net, None)
    }
}

#[test]
fn a_play_without_operator_takes_the_jobs_of_others() {
    let broker = Broker::start(Fault::None);
    let progress = Arc::new(Progress::default());
    let mut play = Play::new(
        options(&broker.address().to_string(), 50),
        Arc::clone(&progress),
    )
    .expect("it begins");
    play.provision().expect("nothing to do");
    assert_eq!(play.connect().expect("all join").joined, 50);
    let expected: Vec<_> = (1..=2).map(|ordinal| play.expectation(ordinal)).collect();
    for (job, expected) in ["job-1", "job-2"].into_iter().zip(&expected) {
        broker.deploy(job);
        let rollout = play.deploy().expect("all settle");
        assert_eq!(rollout.disagreements, [""; 0]);
        assert_eq!(rollout.did.succeeded, expected.succeeded);
    }
    let report = play.finish().expect("it ends");
    assert_eq!(progress.phase(), Phase::Over);
    assert_eq!(report.disagreements().count(), 0);
    let succeeded = expected.iter().map(|one| one.succeeded).sum::<u64>();
    assert_eq!(report.executions["SUCCEEDED"], succeeded);
    assert_eq!(report.executions["QUEUED"], expected[1].silent);
    assert!(report.peak_rss_bytes > 0 && report.update_p99_ms >= report.update_p50_ms);
    let json = serde_json::to_value(&report).expect("a report has a JSON form");
    for field in [
        "devices",
        "mode",
        "seed",
        "jobs",
        "executions",
        "events",
        "logDigest",
        "wallSeconds",
        "virtualSeconds",
        "peakRssBytes",
        "connectsPerSecond",
        "updateP50Ms",
        "updateP99Ms",
    ] {
        assert!(json.get(field).is_some(), "{field}");
    }
}

#[test]
fn nobody_to_connect_to_ends_in_time_with_the_reason() {
    let mut options = options("127.0.0.1:9", 3);
    options.patience = Duration::from_millis(100);
    let failure = simulate_net(options, &Arc::new(Progress::default())).expect_err("nobody");
    let text = failure.to_string();
    assert!(
        text.contains("joining of all devices did not happen in time"),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
}

#[test]
fn reported_versions_are_the_last_that_devices_managed() {
    let play = Play::new(options("127.0.0.1:9", 1_000), Arc::default()).expect("it begins");
    let mut first = rollout(&play, 1, 4);
    assert_eq!(play.expected_reported(&first), [(4, 1_000)]);
    first.version = 4;
    let play = Play {
        rollouts: vec![first],
        ..play
    };
    let second = rollout(&play, 2, 5);
    let managed = second.expected.succeeded;
    assert!((650..750).contains(&managed), "{managed}");
    assert_eq!(
        play.expected_reported(&second),
        [(4, 1_000 - managed), (5, managed)]
    );
}

/// A rollout of which the service says exactly what the seed says.
fn rollout(play: &Play, ordinal: u32, version: u32) -> Rollout {
    let expected = play.expectation(ordinal);
    let percentile = |percent| expected.download_percentile(percent).unwrap_or(0);
    let reasons = expected.reasons.iter();
    let statistics = JobStatistics {
        success_rate_percent: None,
        failure_reasons: reasons
            .map(|(reason, count)| FailureReason {
                reason: reason.to_string(),
                count: *count,
            })
            .collect(),
        other_failures: 0,
        retries: 0,
        download_time: Some(DownloadTime {
            samples: expected.download_ms.len() as u64,
            p50_ms: percentile(50),
            p90_ms: percentile(90),
            p99_ms: percentile(99),
            max_ms: percentile(100),
        }),
    };
    let progress = JobProgress {
        queued: expected.silent,
        in_progress: expected.stalled,
        succeeded: expected.succeeded,
        failed: expected.failed,
        rejected: expected.rejected,
        ..JobProgress::default()
    };
    Rollout {
        ordinal,
        version,
        job: Some(JobView {
            progress,
            statistics: Some(statistics),
            ..JobView::default()
        }),
        expected,
        ..Rollout::default()
    }
}

#[test]
fn every_wrong_figure_is_named() {
    let play = Play::new(options("127.0.0.1:9", 1_000), Arc::default()).expect("it begins");
    let rollout = rollout(&play, 2, 1);
    let expected = &rollout.expected;
    let right = VersionUse {
        desired_in_use: 1_000,
        reported_in_use: expected.succeeded,
        last_deployment_success: expected.succeeded,
        last_deployment_failed: expected.failed + expected.rejected,
        last_deployment_in_progress: expected.silent + expected.stalled,
    };
    let summary = |version: VersionUse| FleetSummary {
        templates: BTreeMap::from([(
            "t".to_owned(),
            TemplateUse {
                latest_version: 1,
                versions: BTreeMap::from([("1".to_owned(), version)]),
            },
        )]),
    };
    let reported = [(1, expected.succeeded)];
    let look = |rollout: &Rollout, version| {
        figures::disagreements(rollout, &summary(version), "t", &reported)
    };
    assert_eq!(look(&rollout, right), [""; 0]);
    let wrong = VersionUse {
        reported_in_use: 0,
        ..right
    };
    assert!(look(&rollout, wrong)[0].starts_with("fleet summary of version 1: "));

    type Damage = fn(&mut JobView);
    let cases: [(Damage, &str); 7] = [
        (|job| job.progress.succeeded += 1, "executions SUCCEEDED: "),
        (
            |job| job.progress.not_queued = 1,
            "executions not queued: 1, expected 0",
        ),
        (|job| job.statistics = None, "the job has no statistics"),
        (
            |job| statistics(job).other_failures = 1,
            "failure reasons: ",
        ),
        (
            |job| statistics(job).failure_reasons[0].count += 1,
            "failure reasons: ",
        ),
        (
            |job| statistics(job).download_time = None,
            "download times reported: 0, expected ",
        ),
        (
            |job| statistics(job).success_rate_percent = Some(1.0),
            "success rate: 1 %, expected ",
        ),
    ];
    for (damage, said) in cases {
        let mut damaged = rollout.clone();
        damage(damaged.job.as_mut().expect("a job"));
        let list = look(&damaged, right);
        assert!(list[0].starts_with(said), "{list:?}");
    }
    let lost = Rollout {
        job: None,
        ..rollout.clone()
    };
    assert_eq!(look(&lost, right), ["the deployment task has no job"]);
}

fn statistics(job: &mut JobView) -> &mut JobStatistics {
    job.statistics.as_mut().expect("statistics")
}

#[test]
fn provisioning_documents_declare_what_they_use() {
    let plain = provisioning_document(false).to_string();
    assert!(!plain.contains("ertificate"), "{plain}");
    let issued = provisioning_document(true);
    assert_eq!(issued["CDF"]["createDeviceCertificate"], true);
    for parameter in ["ThingName", "CertificatePem", "CaCertificatePem"] {
        assert_eq!(issued["Parameters"][parameter]["Type"], "String");
    }
}
