//! The device edge: MQTT sessions and the reserved topics of AWS IoT.
//!
//! Reading order: [`limits`] bounds everything; `topics` tells topics apart; `codec` reads and writes packets;
//! `session` is what a client has with us; `connection` serves one stream, as long as `keep_alive` hears from its
//! client; `reserved` answers requests of devices, whom `admission` lets at the writer one after the other; `notify`
//! tells devices of new work, from committed events; `app_topics` is everything else, from client to client;
//! [`listener`] accepts sockets, of which `crowd` counts those of an address and which [`tls`] decrypts; `pace` says how
//! much a client may send, `doorway` how much may be unfinished; `guard` knows what clients with a certificate may do; [`edge`] ties them together and is the surface of this crate.
//!
//! **Invariant:** nothing is sent to a device that could still be lost: replies and acknowledgments of requests come
//! after their events are durable, notifications come from committed events.
//!
//! **Invariant:** an idle connection holds no buffer, no channel and no timer. What waits for a client is bounded in bytes.

mod admission;
mod app_topics;
mod codec;
mod connection;
mod crowd;
mod doorway;
pub mod edge;
mod events;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod guard;
mod keep_alive;
pub mod limits;
pub mod listener;
mod metrics;
mod notify;
mod pace;
mod reserved;
mod session;
#[cfg(test)]
mod testing;
pub mod tls;
mod topics;

pub use crowd::PerAddress;
pub use edge::{Edge, Settings};
pub use listener::Listener;
pub use metrics::{DeviceMetrics, Sample};
pub use pace::PublishRate;
pub use session::journal::SavedSessions;
pub use tls::{ServerKey, Tls};
