//! Every bound of the HTTP edge, one named constant each. What the fleet itself bounds stands in the domain.

use std::time::Duration;

/// Largest JSON body of CDF and of the AWS-compatible APIs. A deployment task may name 100,000 targets.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest artifact (S3: 5 GB in one request).
pub(crate) const ARTIFACT_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// Largest artifact whose signature can be checked only with all of it in memory.
pub(crate) const ARTIFACT_BYTES_HELD_MAX: usize = 128 * 1024 * 1024;
/// What is gathered of an artifact in memory before it is written to the disk.
pub(crate) const ARTIFACT_PART_BYTES: usize = 512 * 1024;
/// Artifacts that are being received at the same time; one more is answered 503.
pub(crate) const UPLOADS_MAX: usize = 64;
/// What is read and thrown away of a body that is too large, so that the sender gets to read the refusal.
pub(crate) const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// All JSON bodies held at the same time.
pub(crate) const BODY_BYTES_HELD_MAX: usize = 256 * 1024 * 1024;
/// A body up to this size is not counted against [`BODY_BYTES_HELD_MAX`].
pub(crate) const BODY_BYTES_UNCOUNTED: usize = 64 * 1024;
/// Request line and headers together.
pub(crate) const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Number of headers.
pub(crate) const HEADERS_MAX: usize = 100;
/// Nesting of a JSON body.
pub(crate) const JSON_DEPTH_MAX: usize = shipslog_domain::limits::JSON_DEPTH_MAX;
/// Length of an idempotency key.
pub(crate) const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;

/// Prepared signing keys; each is for one access key, day, region and service.
pub(crate) const SIGNING_KEYS_MAX: usize = 1_024;
/// How often the service looks for access keys that were made or revoked.
pub(crate) const KEYS_REFRESH: Duration = Duration::from_millis(500);

/// Connections at the same time; more wait in the kernel's queue.
pub(crate) const CONNECTIONS_MAX: usize = 4_096;
/// Requests at work at the same time; one more is answered 503.
pub(crate) const REQUESTS_MAX: usize = 1_024;
/// A client has this long to send a request's head.
pub(crate) const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// A client has this long to send a JSON body.
pub(crate) const BODY_PATIENCE: Duration = Duration::from_secs(20);
/// A client has this long to send an artifact.
pub(crate) const ARTIFACT_PATIENCE: Duration = Duration::from_secs(600);
/// A handler has this long to answer.
pub(crate) const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// A read with `x-shipslog-min-position` waits this long for the views.
pub(crate) const POSITION_PATIENCE: Duration = Duration::from_secs(5);
/// Any other read waits this long for the views to show what was acknowledged before it, then takes what is there.
pub(crate) const FRESHNESS_PATIENCE: Duration = Duration::from_secs(1);
/// After the signal to stop, requests in hand have this long.
pub(crate) const STOP_PATIENCE: Duration = Duration::from_secs(8);
/// What `retry-after` says.
pub(crate) const RETRY_AFTER_SECONDS: u32 = 1;

/// Items of a CDF list where the request names no count.
pub(crate) const PAGE_ITEMS_DEFAULT: usize = 2_500;
/// Items of a CDF list, whatever the request says.
pub(crate) const PAGE_ITEMS_MAX: usize = 10_000;
/// Events of the feed in one answer where the request names no count.
pub(crate) const EVENTS_DEFAULT: usize = 100;
/// Events of the feed in one answer, whatever the request says.
pub(crate) const EVENTS_MAX: usize = 1_000;
/// Events of the log that are looked at for one answer of the feed.
pub(crate) const EVENTS_SCANNED_MAX: usize = 100_000;
/// Items of an AWS list where the request names no number.
pub(crate) const AWS_PAGE_ITEMS_DEFAULT: usize = 100;
/// Items of an AWS list (AWS IoT: `maxResults` is at most 250).
pub(crate) const AWS_PAGE_ITEMS_MAX: u32 = 250;
/// Items of a list of Greengrass where the request names no number (Greengrass: 50).
pub(crate) const GREENGRASS_PAGE_ITEMS_DEFAULT: usize = 50;
/// Cores that are looked at for one page of core devices.
pub(crate) const CORE_DEVICES_SCANNED_MAX: usize = 10_000;
/// Components that one request may ask to resolve.
pub(crate) const CANDIDATES_MAX: usize = 100;
/// Attributes of a platform.
pub(crate) const PLATFORM_ATTRIBUTES_MAX: usize = 50;
/// Requirements of one component's versions.
pub(crate) const VERSION_REQUIREMENTS_MAX: usize = 500;
/// All artifacts of a recipe have this long to be read when the recipe comes.
pub(crate) const ARTIFACTS_PATIENCE: Duration = Duration::from_secs(20);
/// How long a device may use the address of an artifact.
pub(crate) const ARTIFACT_URL_SECONDS: u32 = 3_600;
/// Things or groups on one page of a search (AWS IoT: 500).
pub(crate) const SEARCH_PAGE_ITEMS_MAX: u32 = 500;
/// Ids in one list of a request to OpsWorks.
pub(crate) const OPSWORKS_IDS_MAX: usize = 10_000;
/// Variables of an app's environment; their bytes are bounded further.
pub(crate) const OPSWORKS_VARIABLES_MAX: usize = 1_000;
/// Ids of deployments and of their instances in one answer: older deployments are found by their ids.
pub(crate) const OPSWORKS_LISTED_IDS_MAX: usize = 100_000;
/// How far the virtual clock moves in one request: a year.
pub(crate) const CLOCK_ADVANCE_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
/// Payload of a message, in bytes (AWS IoT: 128 KB).
pub(crate) const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Retained messages in one page (AWS IoT: 200).
pub(crate) const RETAINED_PAGE_MAX: usize = 200;
/// Names in one page of a thing's named shadows (AWS IoT: 100).
pub(crate) const SHADOW_NAMES_PAGE_MAX: usize = 100;
/// Lines in one page of a container's log.
pub(crate) const CONTAINER_LOG_PAGE_LINES: usize = 100;
/// Periods of one answer with metrics of a container service (CloudWatch: 1,440).
pub(crate) const CONTAINER_METRIC_POINTS_MAX: u64 = 1_440;
/// Length of a pattern that filters lines (CloudWatch Logs: 1,024).
pub(crate) const FILTER_PATTERN_CHARS_MAX: usize = 1_024;
/// Terms of such a pattern.
pub(crate) const FILTER_TERMS_MAX: usize = 64;
