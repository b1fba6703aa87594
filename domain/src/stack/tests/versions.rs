use serde_json::Value;

use super::{APP, CommandName as N, Stacks};
use crate::command::ReportedStatus as R;
use crate::ids::InstanceId;

/// Runs a command that the only device does.
fn done(stacks: &mut Stacks, name: N) -> u32 {
    let deployment = stacks.deploy(name);
    stacks.answer(deployment, "pump-1", R::Succeeded, "0");
    deployment
}

/// The deployments that brought the versions that an instance has.
fn stored(stacks: &Stacks, id: InstanceId) -> Vec<u32> {
    let instance = stacks.run.fleet.instance(id).expect("an instance");
    let versions = instance.versions.get(&APP).cloned().unwrap_or_default();
    let number = |id: &str| id.rsplit('-').next().and_then(|last| last.parse().ok());
    versions
        .iter()
        .map(|id| number(id).expect("a number"))
        .collect()
}

#[test]
fn five_versions_are_kept_and_four_rolled_back() {
    let mut stacks = Stacks::new();
    let id = stacks.online("pump-1");
    for expected in [
        &[0][..],
        &[0, 1],
        &[0, 1, 2],
        &[0, 1, 2, 3],
        &[0, 1, 2, 3, 4],
    ] {
        done(&mut stacks, N::Deploy);
        assert_eq!(stored(&stacks, id), expected);
    }
    done(&mut stacks, N::Deploy);
    assert_eq!(stored(&stacks, id), [1, 2, 3, 4, 5]);
    for expected in [&[1, 2, 3, 4][..], &[1, 2, 3], &[1, 2], &[1]] {
        let rollback = stacks.deploy(N::Rollback);
        let to = stacks.document("pump-1")["RollbackTo"].clone();
        let last = *expected.last().expect("a version");
        assert_eq!(to, format!("00000000-0000-4000-8000-{last:012}"));
        stacks.answer(rollback, "pump-1", R::Succeeded, "0");
        assert_eq!(stored(&stacks, id), expected);
    }
    let past = stacks.deploy(N::Rollback);
    assert_eq!(stacks.run_word(past), "failed", "without asking the device");
    assert_eq!(stacks.command_word(past, id), "failed");
    assert_eq!(stored(&stacks, id), [1], "the oldest stays");
    done(&mut stacks, N::Undeploy);
    assert_eq!(stored(&stacks, id), [] as [u32; 0]);
    let past = stacks.deploy(N::Rollback);
    assert_eq!(stacks.run_word(past), "failed");
    stacks.check_replay();
}

#[test]
fn what_failed_changes_no_version() {
    let mut stacks = Stacks::new();
    let id = stacks.online("pump-1");
    done(&mut stacks, N::Deploy);
    done(&mut stacks, N::Deploy);
    for name in [N::Deploy, N::Rollback, N::Undeploy] {
        let deployment = stacks.deploy(name);
        stacks.answer(deployment, "pump-1", R::Failed, "1");
        assert_eq!(stored(&stacks, id), [0, 1], "{name:?}");
    }
    done(&mut stacks, N::Setup);
    assert_eq!(stored(&stacks, id), [0, 1]);
}

#[test]
fn a_rollback_behind_another_change_is_left_to_the_device() {
    let mut stacks = Stacks::new();
    let id = stacks.online("pump-1");
    let deploy = stacks.deploy(N::Deploy);
    let rollback = stacks.deploy(N::Rollback);
    assert_eq!(
        stacks.run_word(rollback),
        "running",
        "the device may have a version by then"
    );
    stacks.answer(deploy, "pump-1", R::Succeeded, "0");
    assert_eq!(stacks.document("pump-1")["RollbackTo"], Value::Null);
    stacks.answer(rollback, "pump-1", R::Succeeded, "0");
    assert_eq!(
        stored(&stacks, id),
        [0],
        "whatever the device says, the oldest stays"
    );
    stacks.check_replay();
}

#[test]
fn devices_that_differ_go_back_by_what_they_have_stored() {
    let mut stacks = Stacks::new();
    stacks.online("pump-1");
    done(&mut stacks, N::Deploy);
    let second = stacks.online("pump-2");
    for _ in 0..2 {
        let deployment = stacks.deploy(N::Deploy);
        stacks.answer(deployment, "pump-1", R::Succeeded, "0");
        stacks.answer(deployment, "pump-2", R::Succeeded, "0");
    }
    let both = stacks.deploy(N::Rollback);
    let version = "00000000-0000-4000-8000-000000000001";
    assert_eq!(stacks.document("pump-1")["RollbackTo"], version);
    stacks.answer(both, "pump-1", R::Succeeded, "0");
    stacks.answer(both, "pump-2", R::Succeeded, "0");
    let mixed = stacks.deploy(N::Rollback);
    assert_eq!(stacks.command_word(mixed, second), "failed");
    assert_eq!(
        stacks.document("pump-1")["RollbackTo"],
        "00000000-0000-4000-8000-000000000000"
    );
    stacks.answer(mixed, "pump-1", R::Succeeded, "0");
    assert_eq!(
        stacks.run_word(mixed),
        "failed",
        "one of two had nowhere to go"
    );
    let third = stacks.deploy(N::Deploy);
    stacks.answer(third, "pump-1", R::Succeeded, "0");
    stacks.answer(third, "pump-2", R::Succeeded, "0");
    stacks.deploy(N::Rollback);
    assert_eq!(
        stacks.document("pump-2")["RollbackTo"],
        Value::Null,
        "they differ"
    );
    stacks.check_replay();
}
