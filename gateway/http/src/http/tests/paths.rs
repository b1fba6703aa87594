//! The path that is routed is the path that was signed.

use super::bench::Bench;

/// Kind, method and path of requests whose path stands for another.
const REFUSED: [(&str, &str); 22] = [
    ("iot", "GET //things"),
    ("iot", "GET /things//pump"),
    ("iot", "GET /things/./pump"),
    ("iot", "GET /things/../jobs"),
    ("iot", "GET /jobs/x/../../things"),
    ("iot", "GET /things/.."),
    ("iot", "GET /things/."),
    ("iot", "GET /things/%2e%2e/jobs"),
    ("iot", "GET /things/%2E%2e"),
    ("iot", "GET /things/.%2e/jobs"),
    ("iot", "GET /things/%2e"),
    ("iot", "DELETE /policies/.."),
    ("iot-jobs-data", "GET /things/pump/jobs/../jobs"),
    ("iot-jobs-data", "GET /things//jobs"),
    ("cdf", "GET /cores/../templates"),
    ("cdf", "GET //cores"),
    ("cdf", "GET /cores//deployments"),
    ("json", "GET /graphql/../metrics"),
    ("json", "POST /admin/./clock"),
    ("json", "GET //admin/clock"),
    ("json", "GET //"),
    ("json", "GET /healthz/../metrics"),
];

#[tokio::test]
async fn a_path_that_is_not_canonical_is_refused_before_it_is_routed() {
    let bench = Bench::new();
    for (kind, line) in REFUSED {
        let answer = bench.ask(kind, line, Vec::new()).await;
        let text = answer.text();
        assert_eq!(answer.status.as_u16(), 400, "{kind} {line}: {text}");
        assert!(
            text.contains("path: must have no segment"),
            "{kind} {line}: {text}"
        );
        match kind {
            "iot" | "iot-jobs-data" => {
                assert_eq!(
                    answer.header("x-amzn-errortype"),
                    "InvalidRequestException",
                    "{line}"
                );
            }
            _ => assert!(text.contains("MALFORMED"), "{kind} {line}: {text}"),
        }
    }
}

#[tokio::test]
async fn a_slash_within_a_segment_stays_in_it() {
    let bench = Bench::new();
    // One segment: a name that breaks its rule, and not the path to something else.
    for line in [
        "GET /things/a%2F..%2Fb",
        "GET /things/%2F",
        "GET /things/..%2Fjobs",
    ] {
        let answer = bench.ask("iot", line, Vec::new()).await;
        assert_eq!(answer.status.as_u16(), 400, "{line}: {}", answer.text());
        assert!(
            answer.text().contains("thingName"),
            "{line}: {}",
            answer.text()
        );
    }
    // A dot is nothing special in the middle of a name.
    let answer = bench.ask("iot", "GET /policies/a..b", Vec::new()).await;
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "ResourceNotFoundException"
    );
    // One slash at the end belongs to the canonical form.
    let answer = bench.ask("iot", "GET /things/", Vec::new()).await;
    assert_eq!(
        answer.header("x-amzn-errortype"),
        "UnknownOperationException"
    );
}

#[tokio::test]
async fn a_stored_file_has_a_name_and_not_a_path() {
    let bench = Bench::new();
    for line in [
        "GET /artifacts/firmware/../x",
        "GET /artifacts/../x/y",
        "GET /artifacts/firmware//x",
    ] {
        let answer = bench.ask("json", line, Vec::new()).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 404),
            "{line}: {}",
            answer.text()
        );
    }
}
