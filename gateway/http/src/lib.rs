//! Translates HTTP: CDF REST, the AWS-compatible APIs, GraphQL, artifacts, health and metrics, behind one listener.
//!
//! Reading order: `routes` is the table of contents of every surface; `http` is what happens around every request;
//! `surface` decides which one a request belongs to and `auth` whether its sender may ask; `position` holds what all
//! share (reading one's own writes, writing once); `cdf` and `aws` translate; `error` is how a refusal is said on each
//! surface. [`device_plane`] is what devices ask with their certificates, behind a listener of its own.
//!
//! **Invariant:** a handler parses the wire into one command or one query and renders the answer. No rule about the
//! fleet stands here, and no request makes the service answer 5xx but for want of room or time.

mod admin;
mod arn;
mod artifacts;
pub mod auth;
mod aws;
mod body;
mod cdf;
pub mod device_plane;
mod error;
mod events;
pub mod graphql;
mod health;
mod http;
mod json;
mod landing;
mod limits;
mod metrics;
mod position;
mod provisioning_templates;
mod query;
mod routes;
mod server;
mod settings;
mod surface;

use std::fmt;
use std::sync::Arc;

pub use device_plane::DevicePlane;
pub use metrics::{MetricsSource, Sample, SampleKind};
pub use server::serve;
use shipslog_gateway_core::access::{AccessKey, Keys};
use shipslog_gateway_core::artifacts::Store;
use shipslog_gateway_core::messages::Messages;
use shipslog_gateway_core::objects::Objects;
use shipslog_gateway_core::pki::Authority;
use shipslog_gateway_core::random;
use shipslog_gateway_core::s3::Endpoint;

/// How the HTTP edge is set up.
#[derive(Clone)]
pub struct Options {
    /// Region in ARNs.
    pub region: String,
    /// Account in ARNs.
    pub account: String,
    /// The stored files.
    pub artifacts: Arc<Store>,
    /// The files that streams are made of.
    pub objects: Objects,
    /// Where job documents are read that are no stored artifacts.
    pub s3_endpoint: Option<Endpoint>,
    /// Signs URLs of artifacts in job documents, where no S3 endpoint does: who has such a URL may read that artifact.
    pub artifact_key: Option<Arc<AccessKey>>,
    /// Who issues and signs certificates; without one, operations that need one are not available.
    pub authority: Option<Arc<Authority>>,
    /// `access-control-allow-origin` of CDF; `None` sends none.
    pub cors_origin: Option<String>,
    /// The access keys that requests are checked against; `None` asks nobody for credentials.
    pub keys: Option<Arc<Keys>>,
    /// What page tokens are sealed with: the same after a restart, so that a client goes on with its list.
    pub page_secret: [u8; 32],
    /// Who takes messages to those who subscribed; `None` where no device can connect.
    pub messages: Option<Arc<dyn Messages>>,
    /// Figures of other parts of the service, for `/metrics`.
    pub metrics_sources: Vec<Arc<dyn MetricsSource>>,
}

impl Options {
    /// The defaults around a store of artifacts: without credentials, and with page tokens that do not outlive the
    /// process.
    #[must_use]
    pub fn new(artifacts: Arc<Store>) -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            artifacts,
            objects: Objects::default(),
            s3_endpoint: None,
            artifact_key: None,
            authority: None,
            cors_origin: Some("*".to_owned()),
            keys: None,
            page_secret: random::bytes(),
            messages: None,
            metrics_sources: Vec::new(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("region", &self.region)
            .field("account", &self.account)
            .field(
                "s3_endpoint",
                &self.s3_endpoint.as_ref().map(Endpoint::address),
            )
            .field("cors_origin", &self.cors_origin)
            .field("checks_credentials", &self.keys.is_some())
            .field("takes_messages", &self.messages.is_some())
            .field("metrics_sources", &self.metrics_sources.len())
            .finish()
    }
}
