//! Every bound of the GraphQL endpoint, one named constant each. Refusal at the bound is tested.

use std::time::Duration;

/// Length of a request body and of a WebSocket message, in bytes.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Nesting of brackets in a query document, judged before it is parsed: the parser is recursive.
pub const NESTING_MAX: usize = 64;
/// Fields of an operation after its fragments are spread out, judged before it is validated: a chain of fragments
/// that each name the next one twice grows without bound.
pub const FIELDS_MAX: usize = 2_000;
/// Depth of fields in an operation. The introspection query of common tools has a depth of 14.
pub const DEPTH_MAX: usize = 20;
/// Points that an operation may cost: one per field, times the page size inside a list.
pub const COMPLEXITY_MAX: usize = 200_000;
/// Points that reading one event from the log costs beside its fields.
pub const LOG_READ_POINTS: usize = 5;
/// Points that a shadow costs beside its fields: its documents have up to some tens of kilobytes.
pub const SHADOW_POINTS: usize = 30;
/// Directives on one field.
pub const DIRECTIVES_MAX: usize = 8;
/// Items of a page where the query does not say.
pub const PAGE_DEFAULT: usize = 50;
/// Items of a page.
pub const PAGE_MAX: usize = 1_000;
/// Length of a cursor, in characters.
pub const CURSOR_CHARACTERS_MAX: usize = 1_024;
/// Things that one page of a filtered list may look at; a page that stops there is short and has a next page.
pub const THINGS_SCANNED_MAX: usize = 100_000;
/// Events that one page of filtered events may look at; a page that stops there is short and has a next page.
pub const EVENTS_SCANNED_MAX: usize = 100_000;
/// Events of one stream that are walked back over before a list of its events is read from the front instead.
pub const STREAM_WALK_MAX: usize = 10_000;
/// Attributes in a filter of things, and types in a filter of events.
pub const FILTER_VALUES_MAX: usize = 50;
/// Failure reasons of a job, most frequent first; the rest is counted together.
pub const FAILURE_REASONS_MAX: usize = 100;
/// Events that a subscription puts in words in one look at the views.
pub const EVENTS_TOLD_AT_ONCE: usize = 256;
/// Time between two states of a coalesced subscription: at most ten per second. A change has to be seen within
/// 250 ms of its commit, with views that lag a little.
pub const COALESCE_INTERVAL: Duration = Duration::from_millis(100);
/// Operations under way on one WebSocket.
pub const OPERATIONS_PER_SOCKET_MAX: usize = 32;
/// Time that an answer waits for the views to reach an event that was read from the log.
pub const CATCH_UP_TIME: Duration = Duration::from_secs(5);
/// Time for `connection_init` after a WebSocket was opened.
pub const SOCKET_INIT_TIME: Duration = Duration::from_secs(10);
/// Time between two pings on a WebSocket.
pub const SOCKET_PING_INTERVAL: Duration = Duration::from_secs(20);
/// Pings without any sign of life after which a WebSocket is given up.
pub const SOCKET_PINGS_UNANSWERED_MAX: u32 = 3;
/// Time that a client may take to accept one message before it is cut off.
pub const SOCKET_SEND_TIME: Duration = Duration::from_secs(60);
