use shipslog_domain::execution::Status;

use super::*;
use crate::checks::Invariant;

fn node(position: u32, stream: &str, kind: &str, data: &Value) -> Value {
    json!({
        "at": format!("2026-01-01T00:00:00.{position:03}Z"),
        "streamId": stream,
        "type": kind,
        "data": data,
    })
}

/// What a service tells of a job with one execution.
fn told() -> Vec<Value> {
    let settings = json!({
        "rollout": {"maximumPerMinute": 5, "exponentialRate": null},
        "abort": [{"failureType": "FAILED", "thresholdHundredths": 5_000, "minNumberOfExecutedThings": 1}],
        "timeoutMinutes": null,
        "retries": [],
    });
    let definition = json!({"name": "update", "settings": settings, "rateCeilingPerMinute": 1_000});
    let run = |extra: Value| {
        let mut data = json!({"job": "update", "thing": "pump-7", "details": null});
        if let (Some(data), Value::Object(extra)) = (data.as_object_mut(), extra) {
            data.extend(extra);
        }
        data
    };
    vec![
        node(1, "job-3", "JobCreated", &definition),
        node(2, "job-3", "JobWaveStarted", &json!({"allowance": 5})),
        node(
            3,
            "thing-7",
            "ExecutionQueued",
            &run(json!({"number": 1, "retry": 0})),
        ),
        node(4, "thing-7", "ExecutionProgressed", &run(json!({}))),
        node(
            5,
            "thing-7",
            "ExecutionFailed",
            &run(json!({"retried": false})),
        ),
        node(
            6,
            "job-3",
            "JobCanceled",
            &json!({"by": "ABORT_CRITERION", "forced": false}),
        ),
    ]
}

fn followed(nodes: &[Value]) -> Option<Audit> {
    let mut reader = Reader {
        audit: Audit::new(0),
        jobs: BTreeMap::new(),
    };
    for node in nodes {
        reader.follow(node)?;
    }
    Some(reader.audit)
}

#[test]
fn what_a_service_tells_is_audited() {
    let audit = followed(&told()).expect("every event is understood");
    let job = audit.job(JobId(3)).expect("it was created");
    assert_eq!(job.count(Status::Failed), 1);
    for (invariant, held) in audit.invariants() {
        assert_eq!(held, Ok(()), "{invariant:?}");
    }
}

#[test]
fn what_a_service_should_not_tell_breaks_a_promise() {
    let mut nodes = told();
    nodes.remove(4);
    let audit = followed(&nodes).expect("every event is understood");
    let held = &audit.invariants()[&Invariant::Abort];
    assert!(held.is_err(), "aborted without a failure");
    let mut nodes = told();
    nodes[1]["data"]["allowance"] = json!(6);
    let audit = followed(&nodes).expect("every event is understood");
    assert!(audit.invariants()[&Invariant::Rate].is_err());
}

#[test]
fn an_event_of_another_form_is_refused() {
    let mut nodes = told();
    nodes[2]["data"]["number"] = json!("one");
    assert!(followed(&nodes).is_none());
    let stranger = node(
        9,
        "thing-7",
        "ExecutionQueued",
        &json!({"job": "older", "number": 1, "retry": 0}),
    );
    assert!(
        followed(&[stranger]).is_some(),
        "jobs from before are skipped"
    );
}
