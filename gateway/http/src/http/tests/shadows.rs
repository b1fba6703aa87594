//! Shadows as clients of `iot-data` see them.

use serde_json::{Value, json};

use super::bench::{Answer, Bench};

const CLASSIC: &str = "/things/pump/shadow";

async fn ask(bench: &Bench, line: &str, body: impl Into<Vec<u8>>) -> Answer {
    bench.ask("iotdata", line, body).await
}

async fn ok(bench: &Bench, line: &str, body: &str) -> Value {
    let answer = ask(bench, line, body).await;
    assert_eq!(answer.status, 200, "{line}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn a_shadow_is_updated_read_and_deleted() {
    let bench = Bench::new();
    let update = r#"{"state":{"desired":{"on":true}},"clientToken":"c"}"#;
    let updated = ok(&bench, &format!("POST {CLASSIC}"), update).await;
    let at = json!({"timestamp": updated["timestamp"]});
    assert_eq!(updated["state"], json!({"desired": {"on": true}}));
    assert_eq!(updated["metadata"], json!({"desired": {"on": at}}));
    assert_eq!(
        (&updated["version"], &updated["clientToken"]),
        (&json!(1), &json!("c"))
    );
    let shown = ok(&bench, &format!("GET {CLASSIC}"), "").await;
    assert_eq!(
        shown["state"],
        json!({"desired": {"on": true}, "delta": {"on": true}})
    );
    let deleted = ok(&bench, &format!("DELETE {CLASSIC}"), "").await;
    assert_eq!(deleted["version"], 1);
    let gone = ask(&bench, &format!("GET {CLASSIC}"), "").await;
    assert_eq!(gone.status, 404);
    assert_eq!(
        gone.text(),
        r#"{"__type":"ResourceNotFoundException","message":"No shadow exists with name: 'pump'"}"#
    );
}

#[tokio::test]
async fn named_shadows_are_listed_in_pages() {
    let bench = Bench::new();
    let body = r#"{"state":{"reported":{"a":1}}}"#;
    for name in ["", "?name=b", "?name=a", "?name=c%3A1"] {
        ok(&bench, &format!("POST {CLASSIC}{name}"), body).await;
    }
    let list = "GET /api/things/shadow/ListNamedShadowsForThing";
    let all = ok(&bench, &format!("{list}/pump"), "").await;
    assert_eq!(all["results"], json!(["a", "b", "c:1"]));
    assert_eq!(all["nextToken"], Value::Null);
    let first = ok(&bench, &format!("{list}/pump?pageSize=2"), "").await;
    assert_eq!(first["results"], json!(["a", "b"]));
    let token = first["nextToken"].as_str().unwrap();
    let token: String = form_urlencoded(token);
    let rest = ok(
        &bench,
        &format!("{list}/pump?pageSize=2&nextToken={token}"),
        "",
    )
    .await;
    assert_eq!(rest["results"], json!(["c:1"]));
    assert_eq!(
        ok(&bench, &format!("{list}/nobody"), "").await["results"],
        json!([])
    );
    let answer = ask(&bench, &format!("{list}/pump?nextToken=x"), "").await;
    assert_eq!(answer.status, 400);
}

/// What may not stand in a query as it is.
fn form_urlencoded(token: &str) -> String {
    token
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

#[tokio::test]
async fn refusals_have_the_codes_of_the_data_plane() {
    let bench = Bench::new();
    ok(&bench, &format!("POST {CLASSIC}"), r#"{"state":{}}"#).await;
    let long = format!(
        r#"{{"state":{{"desired":{{"a":"{}"}}}}}}"#,
        "x".repeat(9_000)
    );
    let rows: [(&str, &[u8], u16, &str); 8] = [
        (
            "POST /things/pump/shadow",
            b"{",
            400,
            "InvalidRequestException",
        ),
        (
            "POST /things/pump/shadow",
            b"{}",
            400,
            "InvalidRequestException",
        ),
        (
            "POST /things/pump/shadow",
            b"\"\xff",
            415,
            "UnsupportedDocumentEncodingException",
        ),
        (
            "POST /things/pump/shadow",
            br#"{"state":{},"version":7}"#,
            409,
            "ConflictException",
        ),
        (
            "POST /things/pump/shadow",
            long.as_bytes(),
            413,
            "RequestEntityTooLargeException",
        ),
        (
            "GET /things/pump/shadow?name=none",
            b"",
            404,
            "ResourceNotFoundException",
        ),
        (
            "DELETE /things/other/shadow",
            b"",
            404,
            "ResourceNotFoundException",
        ),
        (
            "GET /things/pump/shadow?name=a%20b",
            b"",
            400,
            "InvalidRequestException",
        ),
    ];
    for (line, body, status, code) in rows {
        let answer = ask(&bench, line, body).await;
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        assert_eq!(answer.header("x-amzn-errortype"), code, "{line}");
    }
}
