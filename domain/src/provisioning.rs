//! Provisioning templates: how a request becomes a thing with groups, certificate and policies.

use minicbor::{Decode, Encode};

use crate::ids::ProvisioningTemplateName;

/// What happened to a provisioning template.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// The template was stored or replaced.
    #[n(0)]
    Stored {
        /// Its id, on the first event of the stream.
        #[n(0)]
        name: Option<ProvisioningTemplateName>,
        /// The document: JSON text.
        #[n(1)]
        body: Box<str>,
    },
    /// The template was deleted.
    #[n(1)]
    Removed,
}
