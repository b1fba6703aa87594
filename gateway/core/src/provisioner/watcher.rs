//! Watches the log for new tasks, and for records whose files have to go with them.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use shipslog_domain::{Event, Fleet, ThingId, client_device, core, core_task};
use tokio::sync::watch;
use tracing::{error, warn};

use super::{Signal, insist};
use crate::app::App;
use crate::artifacts::{self, DEFAULT_BUCKET, Name, Store};
use crate::failure::with_causes;
use crate::tail::{Commit, Follower};

/// Wakes the workers for each new request, until somebody stops the provisioner or the service ends.
pub(super) async fn watch(
    app: &App,
    mut follower: Follower,
    store: &Store,
    signal: &watch::Sender<Signal>,
) {
    let mut stop = signal.subscribe();
    let mut ended = pin!(async {
        let stopped = stop.wait_for(|signal| signal.stopping);
        let mut stopped = pin!(stopped);
        let mut service = pin!(app.ended());
        poll_fn(|context| {
            if stopped.as_mut().poll(context).is_ready()
                || service.as_mut().poll(context).is_ready()
            {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    });
    loop {
        let next = {
            let mut next = pin!(follower.next());
            poll_fn(|context| {
                if ended.as_mut().poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                next.as_mut().poll(context)
            })
            .await
        };
        match next {
            Some(Ok(commit)) => {
                if asks(&commit) {
                    signal.send_modify(|signal| signal.requests += 1);
                }
                remove_files(app, store, gone(&commit)).await;
            }
            Some(Err(failure)) => {
                error!(error = %with_causes(&failure), "the provisioner cannot follow the log; it goes on from its head");
                follower = app.follow(app.head());
                signal.send_modify(|signal| signal.requests += 1);
            }
            None => break,
        }
    }
    signal.send_modify(|signal| signal.stopping = true);
}

fn asks(commit: &Commit) -> bool {
    commit.events.iter().any(|recorded| {
        matches!(
            recorded.event,
            Event::CoreTask(
                core_task::Event::CreateRequested { .. }
                    | core_task::Event::DevicesRequested { .. }
                    | core_task::Event::CoresAdded { .. }
            )
        )
    })
}

/// Things whose record as a core or client device was deleted.
fn gone(commit: &Commit) -> Vec<ThingId> {
    let removed = commit.events.iter().filter(|recorded| {
        matches!(
            recorded.event,
            Event::Core(core::Event::Removed)
                | Event::ClientDevice(client_device::Event::Removed { .. })
        )
    });
    removed
        .map(|recorded| ThingId(recorded.stream.number))
        .collect()
}

/// Removes the files of records that are gone: nobody is to find a key of a core or device that is no more. A record
/// that was made again meanwhile keeps what was made for it.
async fn remove_files(app: &App, store: &Store, gone: Vec<ThingId>) {
    if gone.is_empty() {
        return;
    }
    let has_record = |fleet: &Fleet, id: ThingId| {
        let is_core = fleet.thing(id).is_some_and(|thing| thing.core.is_some());
        let device = fleet.client_device(id);
        is_core || device.is_some_and(|device| device.has_record)
    };
    let names = insist(|| {
        let gone = gone.clone();
        app.read(move |fleet| {
            let gone = gone.into_iter().filter(|id| !has_record(fleet, *id));
            gone.map(|id| fleet.thing_name(id).to_owned())
                .collect::<Vec<_>>()
        })
    });
    // An error says that the service has stopped.
    for name in names.await.unwrap_or_default() {
        for key in [
            artifacts::core_certificates_key(&name),
            artifacts::core_config_key(&name),
        ] {
            let removed = Name::parse(DEFAULT_BUCKET, &key)
                .map_err(|error| error.to_string())
                .and_then(|name| store.remove(&name).map_err(|error| with_causes(&error)));
            if let Err(error) = removed {
                warn!(artifact = %key, %error, "a file of a deleted core or device stays");
            }
        }
    }
}
