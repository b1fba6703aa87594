use shipslog_domain::core::Outcome;
use shipslog_domain::{core, template};

use super::{Counts, FleetSummary};
use crate::testing::{Story, version_of};

/// `(template, version, [desired, reported, success, failed, in progress])` of every row.
fn rows<'a>(summary: &FleetSummary<'a>) -> Vec<(&'a str, u32, [u32; 5])> {
    let templates = summary.templates.iter();
    let rows = templates.flat_map(|template| {
        template.versions.iter().map(|row| {
            let counts = row.counts;
            let figures = [
                counts.desired_in_use,
                counts.reported_in_use,
                counts.success,
                counts.failed,
                counts.in_progress,
            ];
            (template.name, row.version, figures)
        })
    });
    rows.collect()
}

fn check(story: &Story, expected: &[(&str, u32, [u32; 5])]) {
    let summary = story.views.fleet_summary();
    assert_eq!(rows(&summary), expected);
    assert_eq!(summary.violation(story.views.core_count()), None);
    assert_eq!(summary.position, story.views.position());
}

#[test]
fn figures_follow_requests_and_results() {
    let mut story = Story::default();
    story.template(0, "edge", 2);
    for thing in 0..3 {
        story.core(thing);
    }
    let zero = [0; 5];
    check(
        &story,
        &[
            ("None", 0, [3, 3, 3, 0, 0]),
            ("edge", 1, zero),
            ("edge", 2, zero),
        ],
    );

    let (one, two) = (version_of(0, 1), version_of(0, 2));
    story.request(0, one, None);
    story.request(1, one, Some("not registered"));
    let started = [
        ("None", 0, [1, 3, 1, 0, 0]),
        ("edge", 1, [2, 0, 0, 1, 1]),
        ("edge", 2, zero),
    ];
    check(&story, &started);

    story.result(0, one, Outcome::Successful);
    story.request(0, two, None);
    // A late result of version 1 says nothing about version 2.
    story.result(0, one, Outcome::FailedRollbackComplete);
    let moved = [
        ("None", 0, [1, 2, 1, 0, 0]),
        ("edge", 1, [1, 1, 0, 1, 0]),
        ("edge", 2, [1, 0, 0, 0, 1]),
    ];
    check(&story, &moved);

    story.result(0, two, Outcome::FailedRollbackComplete);
    story.core_event(2, core::Event::Removed);
    let failed = [
        ("None", 0, [0, 1, 0, 0, 0]),
        ("edge", 1, [1, 1, 0, 1, 0]),
        ("edge", 2, [1, 0, 0, 1, 0]),
    ];
    check(&story, &failed);
}

#[test]
fn a_removed_template_is_listed_while_it_is_in_use() {
    let mut story = Story::default();
    story.template(0, "edge", 2);
    story.core(0);
    story.request(0, version_of(0, 2), None);
    story.template_event(0, template::Event::Removed);
    check(
        &story,
        &[("None", 0, [0, 1, 0, 0, 0]), ("edge", 2, [1, 0, 0, 0, 1])],
    );
    let summary = story.views.fleet_summary();
    let edge = summary.templates.get(1).expect("in use");
    assert_eq!(edge.latest_version, 0);

    // A new template of the same name shares the row of its name.
    story.template(1, "edge", 1);
    let both = [
        ("None", 0, [0, 1, 0, 0, 0]),
        ("edge", 1, [0; 5]),
        ("edge", 2, [1, 0, 0, 0, 1]),
    ];
    check(&story, &both);
    story.core_event(0, core::Event::Removed);
    check(&story, &[("None", 0, [0; 5]), ("edge", 1, [0; 5])]);
}

#[test]
fn the_change_counter_tells_whether_figures_may_differ() {
    let mut story = Story::default();
    story.template(0, "edge", 1);
    story.core(0);
    let changes = |story: &Story| story.views.fleet_summary_changes();
    let before = changes(&story);
    let stored = core::Event::ArtifactsStored {
        certs: Some("k".into()),
        config: None,
    };
    story.core_event(0, stored);
    story.things(1);
    assert_eq!(changes(&story), before);
    story.request(0, version_of(0, 1), None);
    assert!(changes(&story) > before);
    let before = changes(&story);
    story.template_event(0, template::Event::Removed);
    assert!(changes(&story) > before);
}

#[test]
fn wrong_figures_are_told() {
    let mut story = Story::default();
    story.core(0);
    assert!(story.views.fleet_summary().violation(2).is_some());
    let mut summary = story.views.fleet_summary();
    let row = summary
        .templates
        .first_mut()
        .and_then(|one| one.versions.first_mut());
    row.expect("None is always there").counts = Counts {
        desired_in_use: 1,
        reported_in_use: 1,
        ..Counts::default()
    };
    assert!(summary.violation(1).is_some());
}
