//! Watches the log for new core tasks.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use shipslog_domain::{Event, core_task};
use tokio::sync::watch;
use tracing::error;

use super::Signal;
use crate::app::App;
use crate::failure::with_causes;
use crate::tail::{Commit, Follower};

/// Wakes the workers for each new request, until somebody stops the provisioner or the service ends.
pub(super) async fn watch(app: &App, mut follower: Follower, signal: &watch::Sender<Signal>) {
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
                core_task::Event::CreateRequested { .. } | core_task::Event::CoresAdded { .. }
            )
        )
    })
}
