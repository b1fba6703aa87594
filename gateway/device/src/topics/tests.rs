use super::*;

#[test]
fn requests_are_told_apart_by_their_levels() {
    use JobReference::{Name, Next};
    use JobsOperation::{Describe, GetPending, Invalid, StartNext, Update};
    let rows = [
        ("get", GetPending),
        ("start-next", StartNext),
        (
            "$next/get",
            Describe {
                job: Next,
                namespace: None,
            },
        ),
        (
            "fw-1/get",
            Describe {
                job: Name("fw-1"),
                namespace: None,
            },
        ),
        (
            "get/get",
            Describe {
                job: Name("get"),
                namespace: None,
            },
        ),
        (
            "fw-1/update",
            Update {
                job: "fw-1",
                namespace: None,
            },
        ),
        (
            "$next/namespace-n1/get",
            Describe {
                job: Next,
                namespace: Some("n1"),
            },
        ),
        (
            "fw-1/namespace-n1/get",
            Describe {
                job: Name("fw-1"),
                namespace: Some("n1"),
            },
        ),
        (
            "fw-1/namespace-n1/update",
            Update {
                job: "fw-1",
                namespace: Some("n1"),
            },
        ),
        (
            "fw-1/namespace-/update",
            Update {
                job: "fw-1",
                namespace: Some(""),
            },
        ),
        ("$next/update", Invalid),
        ("$next/namespace-n1/update", Invalid),
        ("", Invalid),
        ("notify", Invalid),
        ("notify-next", Invalid),
        ("get/accepted", Invalid),
        ("fw-1/delete", Invalid),
        ("fw-1/n1/get", Invalid),
        ("fw-1/namespace-n1/get/accepted", Invalid),
        ("fw-1/namespace-n1/get/accepted/more", Invalid),
    ];
    for (path, operation) in rows {
        let topic = format!("$aws/things/T1/jobs/{path}");
        assert_eq!(
            request(&topic),
            Some(Request::Jobs {
                thing: "T1",
                operation
            }),
            "{topic}"
        );
    }
}

#[test]
fn stream_topics_name_an_operation_and_a_format() {
    let (json, cbor) = (Format::Json, Format::Cbor);
    let rows = [
        ("s/describe/json", "s", StreamOperation::Describe, json),
        ("s/describe/cbor", "s", StreamOperation::Describe, cbor),
        ("s/get/json", "s", StreamOperation::Get, json),
        ("s/get/cbor", "s", StreamOperation::Get, cbor),
        ("s/data/cbor", "s", StreamOperation::Invalid, cbor),
        ("s/get/xml", "s", StreamOperation::Invalid, json),
        ("s/get", "s", StreamOperation::Invalid, json),
        ("s/get/json/", "s", StreamOperation::Invalid, json),
        ("s/x/get/json", "s", StreamOperation::Invalid, json),
        ("s", "s", StreamOperation::Invalid, json),
        ("", "", StreamOperation::Invalid, json),
    ];
    for (path, stream, operation, format) in rows {
        let expected = Request::Stream {
            thing: "T1",
            stream,
            operation,
            format,
        };
        let topic = format!("$aws/things/T1/streams/{path}");
        assert_eq!(request(&topic), Some(expected), "{topic}");
    }
}

#[test]
fn other_topics_are_health_unknown_or_not_reserved() {
    assert_eq!(
        request("$aws/things/T1/greengrassv2/health/json"),
        Some(Request::Health { thing: "T1" })
    );
    for (last, operation) in [
        ("logs", ContainersOperation::Logs),
        ("metrics", ContainersOperation::Metrics),
    ] {
        let topic = format!("$aws/things/T1/container-services/web/{last}");
        let expected = Request::Containers {
            thing: "T1",
            service: "web",
            operation,
        };
        assert_eq!(request(&topic), Some(expected), "{topic}");
    }
    for topic in [
        "$aws/things/T1/container-services/logs",
        "$aws/things/T1/container-services//logs",
        "$aws/things/T1/container-services/web/logs/accepted",
        "$aws/things/T1/container-services/web/lines",
        "$aws/things/T1/greengrassv2/health",
        "$aws/things/T1/shadow",
        "$aws/things/T1/shadow/update/accepted",
        "$aws/things/T1/shadow/name/update",
        "$aws/things/T1/shadow/name/n/m/get",
        "$aws/things/T1/streams",
        "$aws/things/T1/jobs",
        "$aws/things/T1",
        "$aws/certificates/create",
        "$aws/certificates/create/xml",
        "$aws/certificates/create/json/accepted",
        "$aws/provisioning-templates//provision/json",
        "$aws/provisioning-templates/a/b/provision/json",
        "$aws/provisioning-templates/a/json",
        "$aws",
        "$SYS/broker",
        "$",
    ] {
        assert_eq!(request(topic), Some(Request::Unknown), "{topic}");
    }
    for topic in ["a", "aws/things/T1/jobs/get", "/$aws/things", "x/$next"] {
        assert_eq!(request(topic), None, "{topic}");
    }
}

#[test]
fn devices_that_provision_themselves_are_told_apart() {
    use ProvisioningOperation::{CreateFromCsr, CreateKeys, Provision};
    let rows = [
        ("certificates/create", CreateKeys),
        ("certificates/create-from-csr", CreateFromCsr),
        (
            "provisioning-templates/t/provision",
            Provision { template: "t" },
        ),
        (
            "provisioning-templates/provision/provision",
            Provision {
                template: "provision",
            },
        ),
    ];
    for (path, operation) in rows {
        for (last, format) in [("json", Format::Json), ("cbor", Format::Cbor)] {
            assert_eq!(
                request(&format!("$aws/{path}/{last}")),
                Some(Request::Provisioning { operation, format })
            );
        }
    }
}

#[test]
fn requests_on_shadows_are_told_apart() {
    let rows = [
        ("shadow/get", None, ShadowOperation::Get),
        ("shadow/update", None, ShadowOperation::Update),
        ("shadow/name/n/delete", Some("n"), ShadowOperation::Delete),
        ("shadow/name/name/get", Some("name"), ShadowOperation::Get),
    ];
    for (path, shadow, operation) in rows {
        let expected = Request::Shadow {
            thing: "T1",
            shadow,
            operation,
        };
        assert_eq!(request(&format!("$aws/things/T1/{path}")), Some(expected));
    }
}

#[test]
fn filters_are_valid_by_the_rules_of_mqtt() {
    for filter in [
        "a",
        "/",
        "+",
        "#",
        "a/+/b",
        "a/#",
        "+/+/#",
        "$share/g/a/#",
        "a//b",
        "$aws/things/T/jobs/$next/get/+",
    ] {
        assert!(filter_is_valid(filter), "{filter}");
    }
    let long = "a".repeat(limits::TOPIC_BYTES_MAX + 1);
    let deep = "/".repeat(limits::TOPIC_LEVELS_MAX);
    for filter in [
        "", "a+", "+a", "a/#/b", "#/a", "a#", "a/b#", "a/++", "a\0b", &long, &deep,
    ] {
        assert!(!filter_is_valid(filter), "{filter}");
    }
    assert!(filter_is_valid(&"a".repeat(limits::TOPIC_BYTES_MAX)));
    assert!(filter_is_valid(&"/".repeat(limits::TOPIC_LEVELS_MAX - 1)));
}

#[test]
fn topics_have_no_wildcards() {
    for topic in ["a", "/", "a//b", "$aws/things/T/jobs/get"] {
        assert!(topic_is_valid(topic), "{topic}");
    }
    let long = "a".repeat(limits::TOPIC_BYTES_MAX + 1);
    for topic in ["", "a/+", "#", "a\0", &long] {
        assert!(!topic_is_valid(topic), "{topic}");
    }
}

#[test]
fn wildcards_match_levels() {
    let rows = [
        ("a/b", "a/b", true),
        ("a/b", "a/c", false),
        ("a/+", "a/b", true),
        ("a/+", "a", false),
        ("a/+", "a/", true),
        ("a/+", "a/b/c", false),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("#", "a/b", true),
        ("+/b", "a/b", true),
        ("+", "/a", false),
        ("+/+", "/a", true),
        ("#", "$aws/things", false),
        ("+/things", "$aws/things", false),
        ("$aws/#", "$aws/things/T/jobs/notify", true),
        (
            "$aws/things/T/jobs/+/update/accepted",
            "$aws/things/T/jobs/j/update/accepted",
            true,
        ),
        (
            "$aws/things/T/jobs/get/+",
            "$aws/things/T/jobs/get/rejected",
            true,
        ),
        (
            "$aws/things/T/jobs/get/+",
            "$aws/things/T2/jobs/get/rejected",
            false,
        ),
        ("é/+", "é/x", true),
    ];
    for (filter, topic, expected) in rows {
        assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
    }
}

#[test]
fn filters_are_application_shared_reserved_or_refused() {
    let rows = [
        ("a/b", FilterKind::Application),
        ("#", FilterKind::Application),
        ("$aws/things/+/jobs/#", FilterKind::Reserved),
        (
            "$share/g/a/+",
            FilterKind::Shared {
                group: "g",
                filter: "a/+",
            },
        ),
        ("$share/g/$aws/things/T/jobs/notify", FilterKind::Refused),
        ("$share/g", FilterKind::Refused),
        ("$share//a", FilterKind::Refused),
        ("$share/g/", FilterKind::Refused),
        ("$SYS/#", FilterKind::Refused),
        ("$aws", FilterKind::Refused),
    ];
    for (filter, expected) in rows {
        assert_eq!(filter_kind(filter), expected, "{filter}");
    }
}

#[test]
fn a_filter_watches_the_notifications_it_can_match() {
    let thing = Watch::Thing("T");
    let rows = [
        ("$aws/things/T/jobs/notify", thing),
        ("$aws/things/T/jobs/notify-next", thing),
        (
            "$aws/things/T/jobs/notify-namespace-aws-gg-deployment",
            thing,
        ),
        ("$aws/things/T/jobs/notify-next-namespace-n", thing),
        ("$aws/things/T/jobs/j/notify-namespace-n", thing),
        ("$aws/things/T/jobs/+/notify-namespace-n", thing),
        ("$aws/things/T/jobs/+", thing),
        ("$aws/things/T/jobs/#", thing),
        ("$aws/things/T/#", thing),
        ("$aws/things/+/jobs/notify", Watch::EveryThing),
        ("$aws/things/#", Watch::EveryThing),
        ("$aws/#", Watch::EveryThing),
        ("$aws/+/+/jobs/#", Watch::EveryThing),
        ("$aws/things/T/jobs/get/+", Watch::Nothing),
        ("$aws/things/T/jobs/+/get/+", Watch::Nothing),
        ("$aws/things/T/jobs/+/update/accepted", Watch::Nothing),
        ("$aws/things/T/jobs/start-next/accepted", Watch::Nothing),
        ("$aws/things/T/shadow/#", thing),
        ("$aws/things/T/+/update/delta", thing),
        ("$aws/things/T/shadow/update/+", thing),
        ("$aws/things/T/shadow/update/documents/#", thing),
        ("$aws/things/T/shadow/name/n/delete/accepted", thing),
        ("$aws/things/T/shadow/name/+/+/accepted", thing),
        ("$aws/things/+/shadow/name/#", Watch::EveryThing),
        ("$aws/things/T/shadow/get/+", Watch::Nothing),
        ("$aws/things/T/shadow/update/rejected", Watch::Nothing),
        ("$aws/things/T/shadow/name/n/get/accepted", Watch::Nothing),
        (
            "$aws/things/T/shadow/name/n/update/delta/more",
            Watch::Nothing,
        ),
        ("$aws/things/T/shadow/name/n", Watch::Nothing),
        ("$aws/things/T", Watch::Nothing),
        ("$aws/events/#", Watch::Nothing),
    ];
    for (filter, expected) in rows {
        assert_eq!(watch(filter), expected, "{filter}");
    }
    assert_eq!(
        notified_namespace("$aws/things/T/jobs/notify-next-namespace-n"),
        Some("n")
    );
    assert_eq!(
        notified_namespace("$aws/things/T/jobs/j/notify-namespace-n"),
        Some("n")
    );
    assert_eq!(notified_namespace("$aws/things/T/jobs/notify-next"), None);
}
