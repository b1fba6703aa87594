//! Replay and saved states give the same fleet.

use super::*;

fn saved(fleet: &Fleet) -> Vec<u8> {
    let mut bytes = Vec::new();
    fleet.save(&mut bytes);
    bytes
}

fn busy_run() -> Run {
    let mut run = Run::new();
    run.group_of("g", 20);
    let mut wanted = JobRequest {
        target_selection: TargetSelection::Continuous,
        ..request("j", &["group/g"])
    };
    wanted.settings.timeout_minutes = Some(5);
    wanted.settings.rollout = Some(job::Rollout {
        maximum_per_minute: Some(6),
        exponential: None,
    });
    run.ok(create_job(wanted));
    run.ok(start_next("t0"));
    run.pass(Span::MINUTE);
    run.ok(update(report("j", "t1", ReportedStatus::Succeeded)));
    run.ok(leave("g", "t2"));
    run.ok(create_job(request("k", &["t0", "t3"])));
    run.ok(Command::DeleteJob {
        namespace: None,
        job: job_name("k"),
        force: true,
    });
    run
}

#[test]
fn a_replayed_fleet_is_the_live_one() {
    let run = busy_run();
    let mut replayed = Fleet::new(Settings::default());
    for (at, fact) in &run.log {
        replayed.evolve(*at, fact);
    }
    assert!(saved(&replayed) == saved(&run.fleet), "replay differs");
}

#[test]
fn a_loaded_fleet_goes_on_like_the_saved_one() {
    let mut run = busy_run();
    let bytes = saved(&run.fleet);
    let loaded = Fleet::load(Settings::default(), &bytes).expect("what was saved can be loaded");
    assert!(saved(&loaded) == bytes, "a saved state loads to itself");
    let mut other = Run {
        fleet: loaded,
        now: run.now,
        log: Vec::new(),
    };
    let follow = |run: &mut Run| {
        let mut events = run.pass(Span::minutes(10));
        events.extend(run.ok(update(report("j", "t4", ReportedStatus::Failed))));
        events.extend(run.ok(join("g", "t2")));
        events
    };
    assert_eq!(follow(&mut run), follow(&mut other));
    assert!(Fleet::load(Settings::default(), &bytes[..bytes.len() / 2]).is_none());
    assert!(Fleet::load(Settings::default(), b"").is_none());
}
