//! The shipped scenarios in model mode: their checks hold, and each set of checks fails once its scenario is broken.

use shipslog_domain::job::TargetSelection;
use shipslog_domain::log::memory::MemoryLog;

use super::*;
use crate::behavior::Behavior;
use crate::checks::{Checked, Verdict, evaluate};
use crate::model::{self, Play};
use crate::network::Network;
use crate::scenario::tests::shipped::each;

fn play(scenario: Scenario) -> Vec<Checked> {
    let scenario = Arc::new(scenario);
    let name = &scenario.name;
    let played = model::play(Play::new(Arc::clone(&scenario), MemoryLog::default()))
        .unwrap_or_else(|failure| panic!("{name}: {failure:?}"));
    assert!(played.failure.is_none(), "{name}: {:?}", played.failure);
    assert_eq!(played.refused, [""; 0], "{name}");
    let broken = played.outcome.invariants.values();
    let broken: Vec<_> = broken.filter_map(|held| held.as_ref().err()).collect();
    assert!(broken.is_empty(), "{name}: {broken:?}");
    evaluate(&scenario, &played.outcome)
}

#[test]
fn checks_hold_at_two_thousand_devices() {
    let mut failed = Vec::new();
    each(|name, _, scenario| {
        let checked = play(scenario.with_devices(2_000));
        let held = checked
            .iter()
            .filter(|one| matches!(one.verdict, Verdict::Passed(_)));
        assert!(held.count() >= 3, "{name}: {checked:?}");
        let bad = checked.iter().filter(|one| one.is_failed());
        failed.extend(bad.map(|one| format!("{name}: {one}")));
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn checks_hold_for_a_handful_of_devices() {
    let mut failed = Vec::new();
    each(|name, _, scenario| {
        for seed in [1, 2, 3] {
            let checked = play(scenario.clone().with_devices(50).with_seed(seed));
            let bad = checked.iter().filter(|one| one.is_failed());
            failed.extend(bad.map(|one| format!("{name} with seed {seed}: {one}")));
        }
    });
    assert!(failed.is_empty(), "{failed:#?}");
}

fn every_behavior(scenario: &mut Scenario, change: impl Fn(&mut Behavior)) {
    every_script(scenario, |script| {
        script.behaviors.iter_mut().for_each(&change)
    });
}

fn every_script(scenario: &mut Scenario, change: impl Fn(&mut Script)) {
    for class in &mut scenario.classes {
        change(Arc::make_mut(&mut class.script));
    }
}

fn every_setting(scenario: &mut Scenario, change: impl Fn(&mut JobSettings)) {
    for step in &mut scenario.timeline {
        if let Action::CreateTemplateVersion { settings, .. } = &mut step.action {
            change(settings);
        }
    }
}

/// Takes from a scenario what it is about. The check that must fail then.
fn sabotage(scenario: &mut Scenario) -> &'static str {
    match &*scenario.name {
        "honest-million" => {
            every_setting(scenario, |settings| settings.retries.clear());
            "executions of deployment that are SUCCEEDED"
        }
        "flaky-rollout-abort" => {
            every_behavior(scenario, |behavior| behavior.failing = 500);
            "job rollout is CANCELED"
        }
        "exponential-ramp" => {
            every_setting(scenario, |settings| settings.rollout = None);
            "the rate of rollout grows"
        }
        "constant-rate" | "exponential-rate" => {
            // A minute that comes late is no exact one.
            let at = FaultAt::Time(Span(10 * Span::MINUTE.0 + 1_000));
            let down = Span(2 * Span::MINUTE.0);
            scenario.faults.push(Fault { at, down });
            "every minute of rollout queues exactly what is due"
        }
        "abort-threshold" => {
            every_behavior(scenario, |behavior| behavior.failing = 1_000);
            "job rollout is CANCELED"
        }
        "reconnect-storm" => {
            scenario.faults.clear();
            "connects: at least 200%"
        }
        "slow-downloads" => {
            every_setting(scenario, |settings| settings.retries.clear());
            "executions of rollout that are TIMED_OUT"
        }
        "lying-devices" => {
            every_behavior(scenario, |behavior| behavior.lying = 0);
            "liars"
        }
        "continuous-joiners" => {
            for step in &mut scenario.timeline {
                if let Action::CreateJob { selection, .. } = &mut step.action {
                    *selection = TargetSelection::Snapshot;
                }
            }
            "devices that inventory reached"
        }
        "half-never-connects" => {
            every_script(scenario, |script| script.never_connects = false);
            "connected-devices"
        }
        "kill-and-restart" => {
            scenario.faults.pop();
            "restarts"
        }
        "template-upgrade-rollback" => {
            every_behavior(scenario, |behavior| behavior.failing = 0);
            "job upgrade was canceled by"
        }
        "container-rollback" => {
            every_behavior(scenario, |behavior| behavior.failing = 0);
            "version 2 of the containers is FAILED"
        }
        "command-runners" => {
            every_behavior(scenario, |behavior| behavior.failing = 0);
            "executions of deploy-7 that are FAILED"
        }
        "component-rollback" => {
            every_behavior(scenario, |behavior| behavior.failing = 0);
            "executions of upgrade that are FAILED"
        }
        "partition" | "lossy-network" => {
            scenario.network = Network::default();
            if &*scenario.name == "partition" {
                "connects: at least 130%"
            } else {
                "lost-messages"
            }
        }
        "power-loss" => {
            every_behavior(scenario, |behavior| behavior.dying = 0);
            "connects: 130%"
        }
        "flapping-links" => {
            every_script(scenario, |script| script.online = None);
            "connects: at least 300%"
        }
        "twice-and-late" => {
            every_behavior(scenario, |behavior| behavior.late = 0);
            "executions of rollout that are TIMED_OUT"
        }
        "operator-cancels" => {
            let is_cancel = |step: &Step| matches!(step.action, Action::CancelJob { .. });
            scenario.timeline.retain(|step| !is_cancel(step));
            "job wrong was canceled by"
        }
        "maintenance-windows" => {
            for step in &mut scenario.timeline {
                if let Action::CreateJob {
                    schedule: Some(schedule),
                    ..
                } = &mut step.action
                {
                    // As if the hours had been taken for UTC.
                    schedule.zone = Zone::default();
                }
            }
            "executions of tokyo are queued"
        }
        "million-sessions" => {
            every_script(scenario, |script| script.never_connects = true);
            "executions of update that are SUCCEEDED"
        }
        other => panic!("{other}: say how to break it"),
    }
}

#[test]
fn checks_fail_once_a_scenario_is_broken() {
    each(|name, _, scenario| {
        let mut scenario = scenario.with_devices(1_000);
        let expected = sabotage(&mut scenario);
        let checked = play(scenario);
        let hit = checked.iter().find(|one| one.text.starts_with(expected));
        let hit = hit.unwrap_or_else(|| panic!("{name}: no check {expected:?} in {checked:#?}"));
        assert!(hit.is_failed(), "{name}: {hit}");
    });
}
