//! The projections, kept up with the log by a thread of their own.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use shipslog_domain::Position;
use shipslog_projections::Views;
use tokio::sync::watch;
use tracing::error;

use crate::log::LogReader;
use crate::tail::{Commit, Follower, Tail};

/// The views did not reach a position in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("views reflect position {reached} and not yet {wanted}; ask again")]
pub struct Lagging {
    /// The position asked for.
    pub wanted: Position,
    /// The position that the views reflect.
    pub reached: Position,
}

/// Read access to all projections.
#[derive(Clone, Debug)]
pub struct SharedViews {
    views: Arc<RwLock<Views>>,
    position: watch::Receiver<Position>,
}

impl SharedViews {
    /// Starts to follow the log from where `views` stand. Ends with the service.
    pub(crate) fn follow(views: Views, tail: Arc<Tail>, log: LogReader) -> Self {
        let start = views.position();
        let views = Arc::new(RwLock::new(views));
        let (sender, position) = watch::channel(start);
        let folded = Arc::clone(&views);
        let mut follower = Follower::new(tail, log, start);
        std::thread::Builder::new()
            .name("views".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                let Ok(runtime) = runtime else {
                    error!("cannot start the thread that keeps the views");
                    return;
                };
                runtime.block_on(async move {
                    while let Some(next) = follower.next().await {
                        match next {
                            Ok(commit) => fold(&folded, &commit, &sender),
                            Err(failure) => {
                                error!(error = %failure, "views cannot follow the log and stand still");
                                return;
                            }
                        }
                    }
                });
            })
            .expect("the operating system gives a thread at start");
        Self { views, position }
    }

    /// Looks at the projections. They stand still meanwhile, so look and leave: never wait inside.
    pub fn read<T>(&self, look: impl FnOnce(&Views) -> T) -> T {
        look(&self.views.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Position that the projections reflect.
    #[must_use]
    pub fn position(&self) -> Position {
        *self.position.borrow()
    }

    /// Waits until the projections reflect `wanted`.
    pub async fn wait_for(&self, wanted: Position, bound: Duration) -> Result<(), Lagging> {
        let mut position = self.position.clone();
        let reached = position.wait_for(|position| *position >= wanted);
        match tokio::time::timeout(bound, reached).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Lagging {
                wanted,
                reached: self.position(),
            }),
        }
    }

    /// [`SharedViews::wait_for`] for threads that may wait.
    pub(crate) fn wait_for_blocking(
        &self,
        wanted: Position,
        bound: Duration,
    ) -> Result<(), Lagging> {
        let lagging = |_| Lagging {
            wanted,
            reached: self.position(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(lagging)?;
        runtime.block_on(self.wait_for(wanted, bound))
    }

    /// Word of every change of the position that the projections reflect.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Position> {
        self.position.clone()
    }
}

fn fold(views: &RwLock<Views>, commit: &Commit, position: &watch::Sender<Position>) {
    {
        let mut views = views.write().unwrap_or_else(PoisonError::into_inner);
        views.apply_all(&commit.events);
    }
    position.send_replace(commit.last());
}
