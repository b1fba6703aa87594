use super::{State, Status};
use crate::presence::{Reason, State as Presence};
use crate::time::Timestamp;

const SINCE: Timestamp = Timestamp(1_000);

fn connected(at: u64) -> Option<Presence> {
    Some(Presence::Connected {
        since: Timestamp(at),
    })
}

fn gone(at: u64) -> Option<Presence> {
    Some(Presence::Disconnected {
        at: Timestamp(at),
        reason: Reason::ConnectionLost,
    })
}

#[test]
fn a_status_is_read_from_what_is_wanted_and_from_presence() {
    let rows = [
        (State::Registered, None, Status::Registering),
        (State::Registered, connected(500), Status::Registered),
        (State::Registered, gone(1_500), Status::Registered),
        (State::Assigned, None, Status::Assigning),
        (State::Assigned, connected(500), Status::Online),
        (State::Assigned, connected(1_500), Status::Online),
        (State::Assigned, gone(500), Status::ConnectionLost),
        (State::Assigned, gone(1_500), Status::ConnectionLost),
        (State::Stopped, None, Status::Stopped),
        (State::Stopped, connected(1_500), Status::Stopped),
        (State::Started, None, Status::Requested),
        (State::Started, connected(500), Status::Online),
        (State::Started, connected(1_500), Status::Online),
        (State::Started, gone(500), Status::Requested),
        (State::Started, gone(1_500), Status::ConnectionLost),
        (State::Rebooting, None, Status::Rebooting),
        (State::Rebooting, connected(500), Status::Rebooting),
        (State::Rebooting, connected(1_000), Status::Rebooting),
        (State::Rebooting, gone(1_500), Status::Rebooting),
        (State::Rebooting, connected(1_500), Status::Online),
        (State::Stopping, None, Status::Stopped),
        (State::Stopping, connected(500), Status::Stopping),
        (State::Stopping, gone(1_500), Status::Stopped),
    ];
    for (state, presence, expected) in rows {
        let status = Status::of(state, SINCE, presence);
        assert_eq!(status, expected, "{state:?} with {presence:?}");
    }
}
