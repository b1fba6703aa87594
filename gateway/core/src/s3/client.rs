//! Reads files from an S3 endpoint, by presigned GETs.

use std::ops::Range;
use std::time::Duration;

use shipslog_domain::job::files::S3Object;
use ureq::http::{HeaderMap, header};

use super::Endpoint;
use crate::clock::Clock;
use crate::http_client;

/// How long the URL is good for with which the endpoint is asked.
const URL_SECONDS: u32 = 60;

/// A client of one endpoint. Its calls wait: they are for threads that may.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Endpoint,
    agent: ureq::Agent,
}

/// What is asked of a file, and the most that is taken.
#[derive(Clone, Debug, Default)]
pub struct Get<'a> {
    /// Only these bytes.
    pub range: Option<Range<u64>>,
    /// Only if it still has this ETag, without its quotation marks.
    pub if_match: Option<&'a str>,
    /// Only if it has another ETag than this, without its quotation marks.
    pub if_none_match: Option<&'a str>,
    /// The longest body that is read.
    pub bytes_max: u64,
}

/// What the endpoint answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// ETag of the file, without its quotation marks.
    pub etag: Option<Box<str>>,
    /// How long the whole file is, in bytes.
    pub length: Option<u64>,
    /// The body; nothing if it is longer than what was to be taken.
    pub body: Option<Vec<u8>>,
}

impl Client {
    /// A client that gives each answer `patience`.
    #[must_use]
    pub fn new(endpoint: Endpoint, patience: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(patience))
            .http_status_as_error(false)
            .tls_config(http_client::tls(endpoint.address().starts_with("https:")));
        let agent = config.build().into();
        Self { endpoint, agent }
    }

    /// Address of the endpoint.
    #[must_use]
    pub fn address(&self) -> String {
        self.endpoint.address()
    }

    /// Asks for a file. An error is one of the way to the endpoint; whatever that says is an answer.
    pub fn get(&self, object: &S3Object, get: &Get<'_>) -> Result<Answer, ureq::Error> {
        let url = self.endpoint.url(object, URL_SECONDS, Clock::System.now());
        let mut request = self.agent.get(url);
        if let Some(Range { start, end }) = &get.range {
            let range = format!("bytes={start}-{}", end.saturating_sub(1));
            request = request.header(header::RANGE, range);
        }
        let conditions = [
            (header::IF_MATCH, get.if_match),
            (header::IF_NONE_MATCH, get.if_none_match),
        ];
        for (name, etag) in conditions {
            if let Some(etag) = etag {
                request = request.header(name, format!("\"{etag}\""));
            }
        }
        let mut response = request.call()?;
        let headers = response.headers();
        let etag = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok());
        let etag = etag.map(|tag| tag.trim_start_matches("W/").trim_matches('"').into());
        let length = length(headers);
        let status = response.status().as_u16();
        // A body that reaches the reader's limit counts as one that exceeds it.
        let limit = get.bytes_max.saturating_add(1);
        let body = response.body_mut().with_config().limit(limit);
        let body = match body.read_to_vec() {
            Ok(body) => Some(body),
            Err(ureq::Error::BodyExceedsLimit(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Answer {
            status,
            etag,
            length,
            body,
        })
    }
}

/// How long the whole file is: behind the slash of `content-range`, or else the length of the body.
fn length(headers: &HeaderMap) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok();
    match text(header::CONTENT_RANGE) {
        Some(range) => range.rsplit_once('/')?.1.parse().ok(),
        None => text(header::CONTENT_LENGTH)?.parse().ok(),
    }
}
