use super::*;

#[test]
fn a_look_shows_what_was_stored() {
    let live = Live::default();
    assert_eq!(live.look(), Look::default());
    live.enter("rollout 1", 3);
    live.set_devices(3);
    live.status_changed(None, Status::Queued);
    live.status_changed(Some(Status::Queued), Status::InProgress);
    live.add_done(2);
    live.set_run_ms(61_000);
    let look = live.look();
    assert_eq!(
        (look.phase.as_str(), look.done, look.goal),
        ("rollout 1", 2, 3)
    );
    assert_eq!(look.statuses, [0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!((look.devices, look.run_ms), (3, 61_000));
    live.enter("checks", 0);
    assert_eq!((live.look().done, live.look().goal), (0, 0));
}
