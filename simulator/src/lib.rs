//! Plays fleets of devices.
//!
//! Reading order: [`scenario`] says what is played and [`checks`] what must hold at the end; [`seeds`],
//! [`distribution`] and [`behavior`] say what a fleet will do, and [`network`] what becomes of its messages, as pure
//! functions of one seed; [`device`] is one device as a state machine without clock, randomness or sockets; [`wire`]
//! and [`mqtt`] give its messages their form on the network; [`net`] connects many devices from one process,
//! and [`pipes`] a million of them within it; [`control`] is the operator, over public HTTP; [`run`] puts them together
//! for `shipslog simulate` and `shipslog demo`; [`recording`] is what is kept of a run, [`report`] how a person gets to see it, and [`live`] what
//! can be seen while it goes on, [`moments`] when it was. [`model`] plays without a network, in virtual time.
//!
//! **Invariant:** of the service, this crate sees public protocols only, but for [`model`], which owns a state machine
//! and asks it what it is asked in the gateway. It has no rule of the service in it, and no crate of the gateway among
//! its dependencies.

pub mod behavior;
pub mod checks;
pub mod control;
pub mod deployments;
pub mod device;
pub mod distribution;
pub mod live;
pub mod model;
pub mod moments;
pub mod mqtt;
pub mod net;
pub mod network;
pub mod pipes;
pub mod recording;
pub mod report;
pub mod run;
pub mod scenario;
pub mod seeds;
pub mod wire;
