use axum::http::{Method, Uri};
use serde_json::{Map, Value, json};

use super::{Seal, Sealer};
use crate::query::Query;

fn seal(secret: u8, method: &Method, target: &str) -> Seal {
    let uri: Uri = target.parse().unwrap();
    Sealer::new(&[secret; 32]).of(method, uri.path(), &Query::of(&uri))
}

fn token(seal: &Seal, member: &str, cursor: &str) -> String {
    let mut answer = Map::from_iter([(member.to_owned(), Value::from(cursor))]);
    seal.close_answer(&mut answer);
    answer[member].as_str().unwrap().to_owned()
}

/// The cursor that a list at `target` gets to see, with the token appended.
fn seen(secret: u8, method: &Method, target: &str, parameter: &str, token: &str) -> Option<String> {
    let mut query = Query::default();
    query.push(parameter, token);
    let separator = if target.contains('?') { '&' } else { '?' };
    let target: Uri = format!("{target}{separator}{query}").parse().unwrap();
    let seal = Sealer::new(&[secret; 32]).of(method, target.path(), &Query::of(&target));
    let opened = seal.open_query(&target, &Query::of(&target)).ok()??;
    let query = Query::of(&opened);
    query.one(parameter).unwrap().map(str::to_owned)
}

#[test]
fn a_token_leads_on_in_its_own_list_and_nowhere_else() {
    let get = &Method::GET;
    let list = "/jobs?status=IN_PROGRESS&maxResults=2";
    let token = token(&seal(1, get, list), "nextToken", "job &=%2F é");
    let expected = Some("job &=%2F é".to_owned());
    let same = [
        list,
        "/jobs?status=IN_PROGRESS",
        "/jobs?maxResults=100&status=IN_PROGRESS",
    ];
    for target in same {
        assert_eq!(
            seen(1, get, target, "nextToken", &token),
            expected,
            "{target}"
        );
    }
    let other = [
        "/jobs",
        "/jobs?status=CANCELED",
        "/jobs?status=IN_PROGRESS&namespaceId=a",
        "/things?status=IN_PROGRESS",
    ];
    for target in other {
        assert_eq!(seen(1, get, target, "nextToken", &token), None, "{target}");
    }
    assert_eq!(seen(1, &Method::POST, list, "nextToken", &token), None);
    assert_eq!(seen(2, get, list, "nextToken", &token), None);
}

#[test]
fn a_token_that_was_touched_is_refused() {
    let get = &Method::GET;
    let good = token(&seal(1, get, "/policies"), "nextMarker", "7");
    assert_eq!(
        seen(1, get, "/policies", "marker", &good).as_deref(),
        Some("7")
    );
    let mut others = vec![
        String::new(),
        "7".to_owned(),
        "====".to_owned(),
        "A".repeat(4_000),
    ];
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        others.push(String::from_utf8(bytes).unwrap());
    }
    for other in others {
        assert_eq!(seen(1, get, "/policies", "marker", &other), None, "{other}");
    }
}

#[test]
fn what_a_body_asks_for_is_bound_as_well() {
    let post = &Method::POST;
    let ask = |mut body: Value| {
        let seal = seal(1, post, "/indices/search");
        seal.open_body(&mut body).map(|()| (seal, body))
    };
    let (first, _) = ask(json!({"queryString": "a:1", "maxResults": 1})).unwrap();
    let token = token(&first, "nextToken", "17");
    let (_, next) =
        ask(json!({"maxResults": 9, "nextToken": token, "queryString": "a:1"})).unwrap();
    assert_eq!(next["nextToken"], "17");
    assert!(ask(json!({"queryString": "a:2", "nextToken": token})).is_err());
    assert!(ask(json!({"queryString": "a:1", "nextToken": "17"})).is_err());
}
