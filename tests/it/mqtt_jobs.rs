//! AWS IoT Jobs over MQTT: every request, every reply, every refusal.

use serde_json::{Map, Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::Http;
use shipslog_tests::mqtt::{Mqtt, Version};

/// The topic of a jobs request of a thing.
fn topic(thing: &str, operation: &str) -> String {
    format!("$aws/things/{thing}/jobs/{operation}")
}

/// The names of an object's members, in their order.
fn keys(object: &Value) -> Vec<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Whether a number is a time in seconds, as everything on the device plane is.
fn is_seconds(value: &Value) -> bool {
    value
        .as_u64()
        .is_some_and(|seconds| (1_700_000_000..10_000_000_000).contains(&seconds))
}

/// A thing with a client that was told of this many jobs, which are queued in order.
fn with_jobs(fleet: &TestFleet, thing: &str, version: Version, jobs: &[&str]) -> (Http, Mqtt) {
    let http = fleet.http();
    http.create_things([thing]);
    let client = fleet.mqtt(&format!("client-of-{thing}"), version);
    let notify = topic(thing, "notify");
    assert_eq!(client.subscribe(&notify, 1), 1);
    for job in jobs {
        http.create_job(job, &[thing], Value::Null).expect(200);
        client.take(&notify);
    }
    client.unsubscribe(&notify);
    (http, client)
}

#[test]
fn a_device_takes_a_job_through_every_request() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let thing = format!("pump-{version:?}");
        let (job, second) = (format!("one-{version:?}"), format!("two-{version:?}"));
        let (_, client) = with_jobs(&fleet, &thing, version, &[&job, &second]);
        look(&client, &thing, [&job, &second]);
        start(&client, &thing, &job);
        finish(&client, &thing, &job);
        let next = client.accepted(&topic(&thing, "$next/get"), &json!({}));
        assert_eq!(next["execution"]["jobId"], json!(second));
    }
}

/// Asks for two queued jobs in every way.
fn look(client: &Mqtt, thing: &str, jobs: [&str; 2]) {
    let listed = client.accepted(&topic(thing, "get"), &json!({ "clientToken": "c1" }));
    assert_eq!(
        keys(&listed),
        ["clientToken", "timestamp", "inProgressJobs", "queuedJobs"]
    );
    assert_eq!(
        (&listed["clientToken"], &listed["inProgressJobs"]),
        (&json!("c1"), &json!([]))
    );
    assert!(is_seconds(&listed["timestamp"]));
    let queued = listed["queuedJobs"].as_array().unwrap();
    let names: Vec<&str> = queued
        .iter()
        .map(|queued| queued["jobId"].as_str().unwrap())
        .collect();
    assert_eq!(names, jobs);
    let first = &queued[0];
    assert_eq!(
        keys(first),
        [
            "jobId",
            "queuedAt",
            "lastUpdatedAt",
            "executionNumber",
            "versionNumber"
        ]
    );
    assert!(is_seconds(&first["queuedAt"]) && first["versionNumber"] == 1);

    // Nothing at all stands for an empty object, and no token is made up.
    let (accepted, bare) = client.request_bytes(&topic(thing, "$next/get"), Vec::new());
    assert!(accepted);
    assert_eq!(keys(&bare), ["timestamp", "execution"]);
    let execution = &bare["execution"];
    assert_eq!(
        (&execution["jobId"], &execution["status"]),
        (&json!(jobs[0]), &json!("QUEUED"))
    );
    assert_eq!(
        (&execution["thingName"], &execution["startedAt"]),
        (&json!(thing), &Value::Null)
    );
    assert_eq!(
        execution["jobDocument"],
        json!({ "job": jobs[0] }),
        "the document is an object"
    );
    let without = json!({ "includeJobDocument": false });
    let without = client.accepted(&topic(thing, "$next/get"), &without);
    assert_eq!(without["execution"].get("jobDocument"), None);
}

/// Starts the first job, twice.
fn start(client: &Mqtt, thing: &str, job: &str) {
    let request = json!({ "statusDetails": { "step": "boot" }, "stepTimeoutInMinutes": 10, "clientToken": "c2" });
    let started = client.accepted(&topic(thing, "start-next"), &request);
    let execution = &started["execution"];
    assert_eq!(
        (&execution["jobId"], &execution["status"]),
        (&json!(job), &json!("IN_PROGRESS"))
    );
    assert_eq!(
        (&execution["versionNumber"], &execution["executionNumber"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(execution["statusDetails"], json!({ "step": "boot" }));
    let left = execution["approximateSecondsBeforeTimedOut"]
        .as_u64()
        .unwrap();
    assert!((540..=600).contains(&left), "{left}");
    assert!(is_seconds(&execution["startedAt"]));
    let request = json!({ "statusDetails": { "step": "again" } });
    let repeated = client.accepted(&topic(thing, "start-next"), &request);
    assert_eq!(
        repeated["execution"]["versionNumber"], 2,
        "what is in progress is not started again"
    );
    assert_eq!(
        repeated["execution"]["statusDetails"],
        json!({ "step": "boot" })
    );
}

/// Updates an execution that is in progress at version 2 until it has succeeded.
fn finish(client: &Mqtt, thing: &str, job: &str) {
    let update = topic(thing, &format!("{job}/update"));
    // AWSIoTPythonSDK sends numbers as text.
    let request = json!({ "status": "IN_PROGRESS", "expectedVersion": "2", "executionNumber": "1", "clientToken": "c3" });
    let minimal = client.accepted(&update, &request);
    assert_eq!(keys(&minimal), ["clientToken", "timestamp"]);
    let request = json!({
        "status": "IN_PROGRESS", "expectedVersion": 3, "statusDetails": { "progress": "50%" },
        "includeJobExecutionState": true, "includeJobDocument": true,
    });
    let whole = client.accepted(&update, &request);
    assert_eq!(keys(&whole), ["timestamp", "executionState", "jobDocument"]);
    assert_eq!(
        whole["executionState"],
        json!({ "status": "IN_PROGRESS", "statusDetails": { "progress": "50%" }, "versionNumber": 4 })
    );
    assert_eq!(whole["jobDocument"], json!({ "job": job }));
    client.accepted(&update, &json!({ "status": "SUCCEEDED" }));
    let described = client.accepted(
        &topic(thing, &format!("{job}/get")),
        &json!({ "executionNumber": 1 }),
    );
    assert_eq!(described["execution"]["status"], "SUCCEEDED");
    assert_eq!(
        described["execution"]["versionNumber"], 5,
        "every accepted change counts"
    );
    assert_eq!(
        described["execution"]["statusDetails"],
        json!({ "progress": "50%" }),
        "details stay where an update has none"
    );
}

#[test]
fn nothing_pending_is_an_answer_without_an_execution() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let thing = format!("idle-{version:?}");
        let (_, client) = with_jobs(&fleet, &thing, version, &[]);
        for operation in ["$next/get", "start-next", "$next/namespace-other/get"] {
            let reply = client.accepted(&topic(&thing, operation), &json!({ "clientToken": "t" }));
            assert_eq!(keys(&reply), ["clientToken", "timestamp"], "{operation}");
        }
        let listed = client.accepted(&topic(&thing, "get"), &json!({}));
        assert_eq!(
            (&listed["inProgressJobs"], &listed["queuedJobs"]),
            (&json!([]), &json!([]))
        );
    }
}

/// Operation, payload and the code that answers it, for a thing with this one job queued.
fn refused(job: &str) -> Vec<(String, Vec<u8>, &'static str)> {
    let raw =
        |operation: &str, payload: &[u8], code| (operation.to_owned(), payload.to_vec(), code);
    let ask = |operation: &str, payload: Value, code| {
        (operation.to_owned(), payload.to_string().into_bytes(), code)
    };
    let update = |member: &str, value: Value, code| {
        let mut payload = json!({ "status": "IN_PROGRESS", "clientToken": "t" });
        payload[member] = value;
        ask(&format!("{job}/update"), payload, code)
    };
    let report = json!({ "status": "IN_PROGRESS" });
    let pairs: Value = (0..11)
        .map(|pair| (format!("k{pair}"), json!("v")))
        .collect::<Map<_, _>>()
        .into();
    vec![
        raw("get", b"{", "InvalidJson"),
        raw("get", b"\xff\xfe", "InvalidJson"),
        raw("get", b"[]", "InvalidRequest"),
        ask(
            "get",
            json!({ "clientToken": "x".repeat(65) }),
            "InvalidRequest",
        ),
        ask(
            "start-next",
            json!({ "stepTimeoutInMinutes": 0 }),
            "InvalidRequest",
        ),
        ask("unknown/get", json!({}), "ResourceNotFound"),
        ask("unknown/update", report.clone(), "ResourceNotFound"),
        update("status", Value::Null, "InvalidRequest"),
        update("status", json!("FAILURE"), "InvalidRequest"),
        update("status", json!("TIMED_OUT"), "InvalidRequest"),
        update("status", json!("QUEUED"), "InvalidStateTransition"),
        update("statusDetails", json!({ "n": 1 }), "InvalidRequest"),
        update("statusDetails", pairs, "InvalidRequest"),
        update(
            "statusDetails",
            json!({ "k": "v".repeat(1_025) }),
            "InvalidRequest",
        ),
        update("stepTimeoutInMinutes", json!(10_081), "InvalidRequest"),
        update("executionNumber", json!(7), "ResourceNotFound"),
        update("expectedVersion", json!(9), "VersionMismatch"),
        ask("$next/update", report, "InvalidTopic"),
        raw("a/b/c/d", b"{}", "InvalidTopic"),
    ]
}

#[test]
fn every_refusal_has_its_code() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let thing = format!("pump-{version:?}");
        let job = format!("job-{version:?}");
        let (_, client) = with_jobs(&fleet, &thing, version, &[&job]);
        for (operation, payload, code) in refused(&job) {
            let shown = String::from_utf8_lossy(&payload).into_owned();
            let (accepted, reply) = client.request_bytes(&topic(&thing, &operation), payload);
            assert!(
                !accepted && reply["code"] == code,
                "{operation} {shown}: {reply}"
            );
            assert!(
                is_seconds(&reply["timestamp"]) && reply["message"].is_string(),
                "{reply}"
            );
            let has_state = matches!(code, "VersionMismatch" | "InvalidStateTransition");
            assert_eq!(
                reply.get("executionState").is_some(),
                has_state,
                "{operation} {shown}: {reply}"
            );
            if shown.contains("\"t\"") {
                assert_eq!(reply["clientToken"], "t", "{operation} {shown}");
            }
        }
        let reply = client.rejected(&topic("nobody", "get"), &json!({}));
        assert_eq!(reply["code"], "ResourceNotFound");
        assert_eq!(reply.get("clientToken"), None);
        // Nothing of all that changed the execution. What has ended cannot change at all.
        let update = topic(&thing, &format!("{job}/update"));
        client.accepted(
            &update,
            &json!({ "status": "FAILED", "expectedVersion": 1 }),
        );
        let reply = client.rejected(&update, &json!({ "status": "SUCCEEDED" }));
        assert_eq!(reply["code"], "InvalidStateTransition");
        assert_eq!(
            reply["executionState"],
            json!({ "status": "FAILED", "statusDetails": {}, "versionNumber": 2 })
        );
    }
}

#[test]
fn a_reply_comes_once_and_to_the_requester_alone() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let thing = format!("pump-{version:?}");
        let (http, client) = with_jobs(&fleet, &thing, version, &[]);
        let other = fleet.mqtt(&format!("other-{version:?}"), version);
        assert_eq!(other.subscribe(&topic(&thing, "#"), 1), 1);
        let ask = |from: u32, to: u32| {
            for token in from..to {
                let request = json!({ "clientToken": token.to_string() }).to_string();
                client.publish_unacknowledged(&topic(&thing, "get"), request);
            }
            let answers = (from..to).map(|_| client.next());
            let tokens = answers.map(|answer| {
                assert_eq!(answer.topic, topic(&thing, "get/accepted"));
                answer.json()["clientToken"]
                    .as_str()
                    .unwrap()
                    .parse::<u32>()
                    .unwrap()
            });
            tokens.collect::<Vec<u32>>()
        };
        // Without a subscription, in the order of the requests.
        assert_eq!(ask(0, 40), (0..40).collect::<Vec<_>>());
        // With one, and with two that overlap.
        client.subscribe(&topic(&thing, "get/+"), 1);
        assert_eq!(ask(40, 60), (40..60).collect::<Vec<_>>());
        client.subscribe(&topic(&thing, "#"), 0);
        assert_eq!(ask(60, 80), (60..80).collect::<Vec<_>>());
        // An unsubscription of what was never subscribed is answered as well.
        client.unsubscribe(&topic(&thing, "never/+"));
        client.unsubscribe(&topic(&thing, "#"));
        // The other client's first message is a notification, so it saw none of the replies.
        http.create_job(&format!("job-{version:?}"), &[&thing], Value::Null)
            .expect(200);
        assert_eq!(other.next().topic, topic(&thing, "notify"));
        assert_eq!(client.drain(), []);
    }
}

#[test]
fn what_is_in_progress_comes_first_and_then_the_oldest() {
    let fleet = TestFleet::start();
    let (_, client) = with_jobs(&fleet, "pump", Version::V5, &["one", "two", "three"]);
    client.accepted(
        &topic("pump", "three/update"),
        &json!({ "status": "IN_PROGRESS" }),
    );
    let listed = client.accepted(&topic("pump", "get"), &json!({}));
    let names = |list: &str| {
        let jobs = listed[list].as_array().unwrap().iter();
        jobs.map(|job| job["jobId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names("inProgressJobs"), ["three"]);
    assert_eq!(names("queuedJobs"), ["one", "two"]);
    for expected in ["three", "one", "two"] {
        let started = client.accepted(&topic("pump", "start-next"), &json!({}));
        assert_eq!(started["execution"]["jobId"], expected);
        assert_eq!(started["execution"]["versionNumber"], 2);
        client.accepted(
            &topic("pump", &format!("{expected}/update")),
            &json!({ "status": "SUCCEEDED" }),
        );
    }
    let (_, client) = with_jobs(&fleet, "valve", Version::V4, &["four"]);
    let skipped = client.accepted(
        &topic("valve", "four/update"),
        &json!({ "status": "SUCCEEDED", "includeJobExecutionState": true }),
    );
    assert_eq!(
        skipped["executionState"]["versionNumber"], 2,
        "a device may skip IN_PROGRESS"
    );
}

#[test]
fn a_namespaced_job_has_topics_of_its_own() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let thing = format!("core-{version:?}");
        let (http, client) = with_jobs(&fleet, &thing, version, &[]);
        let at = |operation: &str| topic(&thing, operation);
        let job = format!("job-{version:?}");
        for suffix in [
            "notify-namespace-line",
            "notify-next-namespace-line",
            "notify",
            "notify-next",
        ] {
            client.subscribe(&at(suffix), 1);
        }
        http.create_job(&job, &[&thing], json!({ "namespaceId": "line" }))
            .expect(200);
        let told = client.take(&at("notify-namespace-line")).json();
        assert_eq!(told["jobs"]["QUEUED"][0]["jobId"], json!(job));
        let told = client.take(&at("notify-next-namespace-line")).json();
        assert_eq!(told["execution"]["jobDocument"], json!({ "job": job }));

        // The plain topics do not know it, and neither does another namespace.
        assert_eq!(
            client.accepted(&at("get"), &json!({}))["queuedJobs"],
            json!([])
        );
        for none in ["$next/get", "start-next"] {
            let reply = client.accepted(&at(none), &json!({}));
            assert_eq!(reply.get("execution"), None, "{none}");
        }
        for wrong in [format!("{job}/get"), format!("{job}/namespace-other/get")] {
            assert_eq!(
                client.rejected(&at(&wrong), &json!({}))["code"],
                "ResourceNotFound",
                "{wrong}"
            );
        }
        let wrong = client.rejected(
            &at(&format!("{job}/update")),
            &json!({ "status": "IN_PROGRESS" }),
        );
        assert_eq!(wrong["code"], "ResourceNotFound");

        let next = client.accepted(
            &at("$next/namespace-line/get"),
            &json!({ "clientToken": "jobs-nucleus-lite" }),
        );
        assert_eq!(next["execution"]["jobId"], json!(job));
        let described = client.accepted(&at(&format!("{job}/namespace-line/get")), &json!({}));
        assert_eq!(described["execution"]["status"], "QUEUED");
        let update = at(&format!("{job}/namespace-line/update"));
        client.accepted(&update, &json!({ "status": "IN_PROGRESS" }));
        client.accepted(&update, &json!({ "status": "SUCCEEDED" }));
        let told = client.take(&at("notify-next-namespace-line")).json();
        assert_eq!(keys(&told), ["timestamp"], "the queue is empty");
        assert_eq!(
            client.take(&at("notify-namespace-line")).json()["jobs"],
            json!({})
        );
        assert_eq!(client.drain(), [], "nothing came on the plain topics");
    }
}

#[test]
fn an_acknowledged_publication_survives_a_kill() {
    let mut fleet = TestFleet::start();
    let (_, mut client) = with_jobs(&fleet, "pump", Version::V4, &["job"]);
    for round in 1..=4 {
        let request =
            json!({ "status": "IN_PROGRESS", "statusDetails": { "round": round.to_string() } });
        assert_eq!(
            client.publish(&topic("pump", "job/update"), request.to_string()),
            0
        );
        fleet.kill();
        client.wait_for_end();
        fleet.restart();
        client = fleet.mqtt(
            "client",
            if round % 2 == 0 {
                Version::V4
            } else {
                Version::V5
            },
        );
        let described = client.accepted(&topic("pump", "job/get"), &json!({}));
        assert_eq!(
            described["execution"]["statusDetails"],
            json!({ "round": round.to_string() })
        );
        assert_eq!(described["execution"]["versionNumber"], round + 1);
    }
}

#[test]
fn of_many_reports_with_the_same_expected_version_one_is_taken() {
    let fleet = TestFleet::start();
    let (http, _first) = with_jobs(&fleet, "pump", Version::V4, &["job"]);
    let clients: Vec<Mqtt> = (0..6)
        .map(|number| fleet.mqtt(&format!("rival-{number}"), Version::ALL[number % 2]))
        .collect();
    for version in 1..=10 {
        let report = json!({ "status": "IN_PROGRESS", "expectedVersion": version });
        let accepted: usize = std::thread::scope(|scope| {
            let report = &report;
            let rivals = clients.iter().map(|client| {
                scope.spawn(move || client.request(&topic("pump", "job/update"), report))
            });
            let rivals: Vec<_> = rivals.collect();
            let replies = rivals.into_iter().map(|rival| rival.join().unwrap());
            replies
                .filter(|(accepted, reply)| {
                    assert!(*accepted || reply["code"] == "VersionMismatch", "{reply}");
                    *accepted
                })
                .count()
        });
        assert_eq!(accepted, 1, "at version {version}");
    }
    assert_eq!(http.execution("job", "pump")["versionNumber"], 11);
}
