//! Events of jobs and executions.

use shipslog_domain::execution::{self, Details, StepTimer};
use shipslog_domain::job::schedule::Cron;
use shipslog_domain::job::{
    self, AbortCriterion, CanceledBy, Change, Definition, DeploymentLink, EndBehavior,
    ExponentialRate, Extras, FailureType, IncreaseAfter, PresignedUrls, RetryCriterion, Rollout,
    Schedule, Settings, Target, TargetSelection, Window,
};
use shipslog_domain::{Event, GroupId, JobId, Namespace, ThingId, Timestamp};

use super::{Example, version};
use crate::lower::job_name;

/// Settings with every member and every kind of failure.
pub(super) fn settings() -> Settings {
    let abort = |failure, threshold_hundredths| AbortCriterion {
        failure,
        threshold_hundredths,
        executed_things_min: 20,
    };
    let retry = |failure, retries| RetryCriterion { failure, retries };
    Settings {
        rollout: Some(Rollout {
            maximum_per_minute: Some(500),
            exponential: Some(ExponentialRate {
                base_per_minute: 50,
                increment_factor_tenths: 15,
                increase_after: IncreaseAfter::Notified(100),
            }),
        }),
        abort: vec![
            abort(FailureType::Failed, 1_050),
            abort(FailureType::Rejected, 10_000),
            abort(FailureType::TimedOut, 1),
            abort(FailureType::All, 5_000),
        ],
        timeout_minutes: Some(10_080),
        retries: vec![
            retry(FailureType::Failed, 3),
            retry(FailureType::TimedOut, 7),
        ],
    }
}

fn created(deployment: Option<DeploymentLink>) -> Event {
    let succeeded = Rollout {
        maximum_per_minute: None,
        exponential: Some(ExponentialRate {
            base_per_minute: 1,
            increment_factor_tenths: 50,
            increase_after: IncreaseAfter::Succeeded(9),
        }),
    };
    let definition = Definition {
        name: job_name("update-2024"),
        namespace: Namespace::parse("aws-gg-deployment").ok(),
        document: "{\"operation\":\"install\"}".into(),
        description: Some("the spring update".into()),
        targets: vec![Target::Thing(ThingId(1)), Target::Group(GroupId(256))],
        target_selection: match deployment {
            Some(_) => TargetSelection::Continuous,
            None => TargetSelection::Snapshot,
        },
        settings: match deployment {
            Some(_) => settings(),
            None => Settings {
                rollout: Some(succeeded),
                ..Settings::default()
            },
        },
        rate_ceiling_per_minute: 1_000,
        deployment,
        extras: None,
    };
    let definition = Box::new(definition);
    Event::Job(job::Event::Created { definition })
}

pub(super) fn window() -> Window {
    Window {
        start: Cron::parse("cron(0 2 ? * SUN-TUE *)").expect("an expression"),
        duration_minutes: 1_430,
    }
}

pub(super) fn presigned_urls() -> PresignedUrls {
    PresignedUrls {
        role_arn: Some("arn:aws:iam::000000000000:role/reads-firmware".into()),
        expires_in_seconds: Some(3_600),
    }
}

fn scheduled() -> Event {
    let schedule = Schedule {
        start_at: Some(Timestamp(1_800_000_000_000)),
        end_at: Some(Timestamp(1_850_000_000_000)),
        end_behavior: Some(EndBehavior::ForceCancel),
        windows: vec![window()],
    };
    let extras = Extras {
        document_source: Some("https://s3.amazonaws.com/firmware/job.json".into()),
        template_arn: Some("arn:aws:iot:us-east-1:000000000000:jobtemplate/reboot".into()),
        parameters: vec![("path".into(), "/opt/handlers".into())],
        unsubstituted: Some("{\"path\":\"${aws:iot:parameter:path}\"}".into()),
        presigned_urls: Some(presigned_urls()),
        schedule: Some(schedule),
        package_versions: vec!["arn:aws:iot:us-east-1:000000000000:package/p/version/1".into()],
        tags: vec![("team".into(), "edge".into())],
    };
    let Event::Job(job::Event::Created { mut definition }) = created(None) else {
        unreachable!("created makes that event")
    };
    definition.extras = Some(Box::new(extras));
    Event::Job(job::Event::Created { definition })
}

fn change() -> Change {
    let settings = settings();
    Change {
        description: Some("the summer update".into()),
        rollout: settings.rollout,
        abort: Some(settings.abort),
        timeout_minutes: settings.timeout_minutes,
        ends_retries: true,
        presigned_urls: Some(presigned_urls()),
    }
}

fn changed(change: Change) -> Event {
    let change = Box::new(change);
    Event::Job(job::Event::Changed { change })
}

pub(super) fn jobs() -> Vec<Example> {
    let link = DeploymentLink {
        deployment_id: "6f1e0a52-0000-4000-8000-000000000001".into(),
        brings: version(),
        revision: 3,
    };
    let canceled = |by, forced| {
        Event::Job(job::Event::Canceled {
            by,
            forced,
            reason_code: Some("ABORT_CRITERIA_MET".into()),
            comment: Some("enough".into()),
        })
    };
    let targets = vec![Target::Group(GroupId(9))];
    let until = Some(Timestamp(1_800_000_000_000));
    vec![
        ("", created(None)),
        ("deployment", created(Some(link))),
        ("", Event::Job(job::Event::WaveStarted { allowance: 1_000 })),
        ("", canceled(CanceledBy::User, true)),
        ("abort", canceled(CanceledBy::AbortCriterion, false)),
        ("superseded", canceled(CanceledBy::Superseded, false)),
        ("", Event::Job(job::Event::Completed)),
        ("", Event::Job(job::Event::DeletionStarted)),
        ("", Event::Job(job::Event::Deleted)),
        ("", Event::Job(job::Event::TargetsAdded { targets })),
        ("scheduled", scheduled()),
        ("end-time", canceled(CanceledBy::EndTime, true)),
        ("", changed(change())),
        ("little", changed(Change::default())),
        ("", Event::Job(job::Event::Opened { until })),
        ("for-ever", Event::Job(job::Event::Opened { until: None })),
        ("", Event::Job(job::Event::Closed { until })),
        ("", Event::Job(job::Event::RolloutEnded)),
    ]
}

pub(super) fn executions() -> Vec<Example> {
    let job = JobId(7);
    let details: Details = vec![
        ("downloadTime".into(), "1234".into()),
        ("step".into(), "install".into()),
    ];
    let with = || Some(details.clone());
    let progressed = |step_timer, details| execution::Event::Progressed {
        job,
        details,
        step_timer,
    };
    let events = vec![
        (
            "",
            execution::Event::Queued {
                job,
                number: 1,
                retry: 0,
            },
        ),
        (
            "retry",
            execution::Event::Queued {
                job,
                number: 12,
                retry: 10,
            },
        ),
        ("", progressed(Some(StepTimer::Minutes(10_080)), with())),
        (
            "stopped",
            progressed(Some(StepTimer::Stopped), Some(Vec::new())),
        ),
        ("plain", progressed(None, None)),
        (
            "",
            execution::Event::Succeeded {
                job,
                details: with(),
            },
        ),
        ("plain", execution::Event::Succeeded { job, details: None }),
        (
            "",
            execution::Event::Failed {
                job,
                details: with(),
                retried: false,
            },
        ),
        (
            "retried",
            execution::Event::Failed {
                job,
                details: None,
                retried: true,
            },
        ),
        (
            "",
            execution::Event::Rejected {
                job,
                details: with(),
            },
        ),
        (
            "",
            execution::Event::TimedOut {
                job,
                retried: false,
            },
        ),
        ("retried", execution::Event::TimedOut { job, retried: true }),
        (
            "",
            execution::Event::Canceled {
                job,
                forced: true,
                details: with(),
            },
        ),
        ("", execution::Event::Removed { job }),
        ("", execution::Event::Deleted { job }),
    ];
    let events = events.into_iter();
    events
        .map(|(label, event)| (label, Event::Execution(event)))
        .collect()
}
