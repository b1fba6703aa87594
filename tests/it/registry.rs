//! AWS IoT's registry over REST: one row per accepted and per refused request.

mod groups;
mod things;

use serde_json::{Value, json};
use shipslog_tests::http::{Http, Reply, in_query};

/// Status and code of a refusal.
type Code = (u16, &'static str);

const INVALID: Code = (400, "InvalidRequestException");
const QUERY: Code = (400, "InvalidQueryException");
const ABSENT: Code = (404, "ResourceNotFoundException");
const TAKEN: Code = (409, "ResourceAlreadyExistsException");
const VERSION: Code = (409, "VersionConflictException");
const LIMIT: Code = (410, "LimitExceededException");

fn refused(reply: &Reply) -> (u16, String) {
    let code = reply.header("x-amzn-errortype").unwrap_or_default();
    (reply.status, code.to_owned())
}

/// Asks for each of some requests, all of which are refused.
fn all_refused(http: &Http, rows: &[(&str, &str, Value, Code)]) {
    for (method, path, body, (status, code)) in rows {
        let reply = http.iot(method, path, body);
        let expected = (*status, (*code).to_owned());
        assert_eq!(
            refused(&reply),
            expected,
            "{method} {path} {body}: {}",
            reply.text()
        );
    }
}

fn ok(http: &Http, method: &str, path: &str, body: Value) -> Value {
    let reply = http.iot(method, path, &body);
    assert_eq!(
        reply.status,
        200,
        "{method} {path} {body}: {}",
        reply.text()
    );
    reply.json()
}

fn attributes(pairs: Value) -> Value {
    json!({ "attributes": pairs })
}

/// Names in a list of objects or of names.
fn names(list: &Value, member: &str) -> Vec<String> {
    let items = list.as_array().unwrap().iter();
    let names = items.map(|item| {
        item.get(member)
            .unwrap_or(item)
            .as_str()
            .unwrap()
            .to_owned()
    });
    names.collect()
}

/// All pages of a list.
fn pages(http: &Http, path: &str, items: &str, member: &str) -> Vec<String> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let reply = http
            .iot("GET", &format!("{path}{token}"), &Value::Null)
            .expect(200);
        all.extend(names(&reply[items], member));
        match reply["nextToken"].as_str() {
            Some(next) => token = format!("&nextToken={}", in_query(next)),
            None => return all,
        }
    }
}
