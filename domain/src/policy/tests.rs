//! What documents are accepted, what they say of requests, and which changes of policies are accepted.

mod documents;
mod rules;
mod texts;

use super::{PolicyDocument, Request, Verdict};

/// What a document says of an action on a resource, in a context of some keys.
fn evaluate(document: &str, action: &str, resource: &str, context: &[(&str, &str)]) -> Verdict {
    let document = PolicyDocument::parse(document).expect("a valid document");
    let known = |key: &str| {
        let found = context.iter().find(|(name, _)| *name == key)?;
        Some(found.1)
    };
    document.evaluate(&Request {
        action,
        resource: resource.into(),
        context: &known,
    })
}
