//! Every surface over a real service on an in-memory disk, with virtual time.

mod access;
mod artifacts;
mod bench;
mod bounds;
mod constraints;
mod golden;
mod malformed;
mod messages;
mod paths;
mod server;
mod shadows;
mod tags;
