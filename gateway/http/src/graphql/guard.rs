//! Stands in front of the schema: judges a document before the recursive parser and validator see it, bounds the
//! operations of a connection, and gives every error a code.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_graphql::futures_util::Stream;
use async_graphql::futures_util::stream::{BoxStream, StreamExt, once};
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Data, Executor, Name, Positioned, Request, Response, ServerError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::FleetSchema;
use super::errors::{Code, has_code};
use super::limits::{
    COMPLEXITY_MAX, DEPTH_MAX, FIELDS_MAX, NESTING_MAX, OPERATIONS_PER_SOCKET_MAX,
};

/// The schema behind its checks. One per connection, because it counts operations.
#[derive(Clone)]
pub(super) struct Guarded {
    schema: FleetSchema,
    operations: Arc<Semaphore>,
}

impl Guarded {
    pub(super) fn new(schema: FleetSchema) -> Self {
        Self {
            schema,
            operations: Arc::new(Semaphore::new(OPERATIONS_PER_SOCKET_MAX)),
        }
    }
}

impl Executor for Guarded {
    async fn execute(&self, mut request: Request) -> Response {
        if let Err(refused) = admit(&mut request) {
            return Response::from_errors(vec![refused]);
        }
        with_codes(self.schema.execute(request).await)
    }

    fn execute_stream(
        &self,
        mut request: Request,
        session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let Ok(permit) = Arc::clone(&self.operations).try_acquire_owned() else {
            let message =
                format!("at most {OPERATIONS_PER_SOCKET_MAX} operations run on one connection");
            return once(async { Code::TooManyOperations.response(message) }).boxed();
        };
        if let Err(refused) = admit(&mut request) {
            return once(async { Response::from_errors(vec![refused]) }).boxed();
        }
        let responses = Executor::execute_stream(&self.schema, request, session_data);
        Fair {
            stream: responses.map(with_codes).boxed(),
            rests: false,
            _permit: permit,
        }
        .boxed()
    }
}

/// A stream that rests after every item. A connection polls its operations in a fixed order and sends the first
/// item it finds; without the rest, one that always has an item would starve the others.
struct Fair {
    stream: BoxStream<'static, Response>,
    rests: bool,
    /// Given back when the operation ends.
    _permit: OwnedSemaphorePermit,
}

impl Stream for Fair {
    type Item = Response;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Response>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = self.stream.poll_next_unpin(context);
        self.rests = matches!(polled, Poll::Ready(Some(_)));
        polled
    }
}

/// Parses the document of a request, unless it would be dangerous to.
fn admit(request: &mut Request) -> Result<(), ServerError> {
    if nesting(&request.query) > NESTING_MAX {
        let message = format!("the document nests brackets deeper than {NESTING_MAX}");
        return Err(Code::TooDeep.request_error(message));
    }
    let document = parse_query(&request.query)
        .map_err(|error| Code::ParseFailed.mark(ServerError::from(error)))?;
    match spread_fields(&document) {
        Ok(fields) if fields <= FIELDS_MAX => {
            request.set_parsed_query(document);
            Ok(())
        }
        Ok(_) => Err(Code::TooComplex.request_error(format!(
            "the operation has more than {FIELDS_MAX} fields after its fragments are spread out"
        ))),
        Err(Endless::Cycle) => {
            Err(Code::ValidationFailed.request_error("a fragment contains itself"))
        }
        Err(Endless::Deep) => Err(Code::TooDeep.request_error(format!(
            "the operation nests fields and fragments deeper than {NESTING_MAX}"
        ))),
    }
}

/// The deepest nesting of brackets outside strings and comments.
fn nesting(document: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = document.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            b'#' => rest = skip_comment(rest),
            b'"' => rest = skip_string(rest),
            _ => {}
        }
    }
    deepest
}

/// What follows a comment whose `#` was read.
fn skip_comment(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    text.get(end.unwrap_or(text.len())..).unwrap_or_default()
}

/// What follows a string whose first quote was read. An unfinished string is the parser's to refuse.
fn skip_string(text: &[u8]) -> &[u8] {
    if let Some(mut block) = text.strip_prefix(b"\"\"") {
        while !block.is_empty() {
            if let Some(after) = block.strip_prefix(b"\\\"\"\"") {
                block = after;
            } else if let Some(after) = block.strip_prefix(b"\"\"\"") {
                return after;
            } else {
                block = &block[1..];
            }
        }
        return block;
    }
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' => rest = rest.get(1..).unwrap_or_default(),
            b'"' | b'\n' | b'\r' => break,
            _ => {}
        }
    }
    rest
}

/// Why the fields of an operation are not counted.
enum Endless {
    /// A fragment contains itself.
    Cycle,
    /// Fields and fragments nest beyond the limit.
    Deep,
}

/// Number of fields of the largest operation with all fragments spread out.
fn spread_fields(document: &ExecutableDocument) -> Result<usize, Endless> {
    let mut known = HashMap::new();
    let mut largest = 0;
    for (_, operation) in document.operations.iter() {
        let fields = count(document, &operation.node.selection_set, &mut known, 0)?;
        largest = largest.max(fields);
    }
    Ok(largest)
}

/// Fields below a selection set. `known` holds each fragment's count, or `None` while it is being counted.
fn count<'a>(
    document: &'a ExecutableDocument,
    set: &'a Positioned<SelectionSet>,
    known: &mut HashMap<&'a Name, Option<usize>>,
    depth: usize,
) -> Result<usize, Endless> {
    if depth > NESTING_MAX {
        return Err(Endless::Deep);
    }
    let mut total = 0_usize;
    for selection in &set.node.items {
        let part = match &selection.node {
            Selection::Field(field) => {
                count(document, &field.node.selection_set, known, depth + 1)?.saturating_add(1)
            }
            Selection::InlineFragment(inline) => {
                count(document, &inline.node.selection_set, known, depth + 1)?
            }
            Selection::FragmentSpread(spread) => {
                let name = &spread.node.fragment_name.node;
                match (known.get(name), document.fragments.get(name)) {
                    (Some(counted), _) => counted.ok_or(Endless::Cycle)?,
                    // The validator refuses an unknown fragment.
                    (None, None) => 0,
                    (None, Some(fragment)) => {
                        known.insert(name, None);
                        let fields =
                            count(document, &fragment.node.selection_set, known, depth + 1)?;
                        known.insert(name, Some(fields));
                        fields
                    }
                }
            }
        };
        total = total.saturating_add(part);
    }
    Ok(total)
}

/// The same answer with a code on every error.
fn with_codes(mut response: Response) -> Response {
    for error in &mut response.errors {
        if has_code(error) {
            continue;
        }
        let code = match error.message.as_str() {
            "Query is too complex." => {
                error.message = format!(
                    "the operation costs more than {COMPLEXITY_MAX} points; ask for smaller pages or fewer fields"
                );
                Code::TooComplex
            }
            "Query is nested too deep." => {
                error.message = format!("the operation nests fields deeper than {DEPTH_MAX}");
                Code::TooDeep
            }
            message if message.starts_with("The recursion depth of the query") => Code::TooDeep,
            _ if error.path.is_empty() => Code::ValidationFailed,
            // Arguments are judged by the validator; a value that only the scalar refuses arrives here.
            _ => Code::BadInput,
        };
        *error = code.mark(std::mem::replace(error, ServerError::new("", None)));
    }
    response
}

#[cfg(test)]
mod tests;
