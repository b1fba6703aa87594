use super::*;
use shipslog_simulator::scenario::Mode;

/// Plays a shipped scenario at this size.
fn played(name: &str, devices: u32) -> Concluded {
    let path = format!(
        "{}/../simulator/scenarios/{name}.toml",
        env!("CARGO_MANIFEST_DIR")
    );
    let scenario = Scenario::load(Path::new(&path)).expect("a valid scenario");
    scenario.check_mode(Mode::Wire).expect("fit for wire mode");
    let scenario = Arc::new(scenario.with_devices(devices));
    let directory = tempfile::tempdir().expect("a directory");
    let progress = Arc::new(Progress::default());
    let time = Arc::new(AtomicU64::new(0));
    let played = play(&scenario, directory.path(), &progress, time).expect("it plays");
    Concluded::of(&scenario, directory.path(), &progress, played).expect("the log can be read")
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
    assert_eq!(concluded.played.measured.updates.len(), 2_000);
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

#[test]
fn without_a_file_sessions_are_played() {
    let scenario = sessions().expect("the scenario is part of this program");
    assert_eq!(scenario.fleet.devices, crate::simulate::DEVICES);
    assert_eq!(scenario.mode, Some(Mode::Wire));
}
