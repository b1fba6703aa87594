use proptest::prelude::*;
use shipslog_domain::execution::Status;
use shipslog_domain::{Event, JobId, Recorded, ThingId};

use crate::jobs::{JobFilter, JobOrder};
use crate::registry::ThingFilter;
use crate::testing::{Step, Story, plausible, saved};
use crate::views::Views;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(any::<Step>(), 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_split_with_overlaps_gives_the_same_view(
        steps in steps(),
        cuts in proptest::collection::vec((any::<u16>(), any::<u16>()), 0..6),
    ) {
        let story = plausible(&steps, |_| {});
        let events = &story.events;
        let mut views = Views::default();
        for (back, on) in cuts {
            // A follower that reads again from an earlier position, any number of events.
            let seen = usize::try_from(views.position().0).expect("few");
            let first = seen - usize::from(back) % (seen + 1);
            let last = seen + usize::from(on) % (events.len() - seen + 1);
            views.apply_all(events.get(first..last).expect("in range"));
        }
        let seen = usize::try_from(views.position().0).expect("few");
        events.get(seen..).expect("in range").iter().for_each(|one| views.apply(one));
        prop_assert_eq!(saved(&views), story.saved());
    }

    #[test]
    fn a_view_that_was_saved_and_loaded_continues_as_if_it_had_not_been(
        steps in steps(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let story = plausible(&steps, |_| {});
        let cut = cut.index(story.events.len() + 1);
        let (before, after) = story.events.split_at(cut);
        let mut views = Views::default();
        before.iter().for_each(|one| views.apply(one));
        let bytes = saved(&views);
        let mut loaded = Views::load(&bytes).expect("what was saved");
        prop_assert_eq!(loaded.position(), views.position());
        prop_assert_eq!(&saved(&loaded), &bytes);
        after.iter().for_each(|one| loaded.apply(one));
        prop_assert_eq!(saved(&loaded), story.saved());
        check_queries(&loaded, &story.views);
    }

    #[test]
    fn invariants_hold_after_every_step(steps in steps()) {
        plausible(&steps, |story| {
            let cores = story.views.core_count();
            assert_eq!(story.views.fleet_summary().violation(cores), None);
            invariant_summary_is_the_cores(story);
            invariant_progress_is_the_executions(story);
        });
    }
}

/// What is looked up by hash after loading is what was there before.
fn check_queries(loaded: &Views, followed: &Views) {
    let everything = ThingFilter::default();
    let things = followed.things(&everything, None, 100);
    assert_eq!(loaded.things(&everything, None, 100), things);
    for thing in &things.items {
        assert_eq!(loaded.thing(thing.name).as_ref(), Some(thing));
        for fingerprint in &thing.certificates {
            assert_eq!(
                loaded.certificate(fingerprint),
                followed.certificate(fingerprint)
            );
        }
        assert_eq!(loaded.core(thing.name), followed.core(thing.name));
    }
    assert_eq!(loaded.fleet_summary(), followed.fleet_summary());
}

/// The counters, counted again from the core records.
fn invariant_summary_is_the_cores(story: &Story) {
    let views = &story.views;
    let cores = views.cores(&crate::cores::CoreFilter::default(), None, usize::MAX);
    for template in views.fleet_summary().templates {
        for version in template.versions {
            let here = |name: &str, number| name == template.name && number == version.version;
            let desired = cores
                .items
                .iter()
                .filter(|core| here(core.desired.name, core.desired.version));
            let counts = version.counts;
            assert_eq!(desired.clone().count(), counts.desired_in_use as usize);
            let failed = desired.filter(|core| core.failed);
            assert_eq!(failed.count(), counts.failed as usize);
            let reported = cores
                .items
                .iter()
                .filter(|core| here(core.reported.name, core.reported.version));
            assert_eq!(reported.count(), counts.reported_in_use as usize);
        }
    }
    let failed = crate::cores::CoreFilter {
        failed_only: true,
        ..Default::default()
    };
    let failed = views.cores(&failed, None, usize::MAX).items;
    assert_eq!(
        failed.len(),
        cores.items.iter().filter(|core| core.failed).count()
    );
}

/// The sets per status say the same as the executions.
fn invariant_progress_is_the_executions(story: &Story) {
    let views = &story.views;
    let jobs = views.jobs(&JobFilter::default(), JobOrder::Newest, None, usize::MAX);
    for job in &jobs.items {
        let all = views.job_executions(job.id, None, None, usize::MAX).items;
        assert!(job.progress.targets >= all.len() as u64);
        assert!(job.progress.targets <= all.len() as u64 + job.progress.not_queued);
        for status in Status::ALL {
            let listed = views
                .job_executions(job.id, Some(status), None, usize::MAX)
                .items;
            assert!(listed.iter().all(|execution| execution.status == status));
            assert_eq!(listed.len() as u64, job.progress.count(status));
        }
        assert_eq!(
            job.progress.per_status.iter().sum::<u64>(),
            all.len() as u64
        );
        for execution in all {
            let found = views.thing_executions(execution.thing, None, None, usize::MAX);
            assert!(found.items.contains(&execution));
        }
    }
}

#[test]
fn damaged_or_foreign_bytes_are_no_views() {
    let story = plausible(
        &[(0, 0, 0), (2, 0, 1), (3, 0, 0), (11, 0, 0), (12, 0, 0)],
        |_| {},
    );
    let bytes = story.saved();
    assert!(Views::load(&bytes).is_some());
    for length in 0..bytes.len() {
        let part = bytes.get(..length).expect("in range");
        assert!(Views::load(part).is_none(), "{length} bytes");
    }
    assert!(Views::load(b"something else").is_none());
}

#[test]
fn an_event_of_an_unknown_job_is_no_one() {
    let mut story = Story::default();
    story.things(1);
    story.queue(0, 9, 1, 0);
    story.progress(0, 9, None);
    assert_eq!(story.views.execution(JobId(9), ThingId(0)), None);
    assert!(matches!(
        story.events.last(),
        Some(Recorded {
            event: Event::Execution(_),
            ..
        })
    ));
}
