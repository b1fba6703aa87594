//! AWS IoT, data plane: shadows and messages over HTTP.

pub(crate) mod messages;
pub(crate) mod shadows;

use super::wire::{self, IotDataError};

type Answer = wire::Answer<IotDataError>;
