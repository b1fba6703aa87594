//! What is refused, with the field and the rule.

use super::*;

fn refused_content(content: Containers) -> String {
    let mut run = ready(1, 1);
    run.refused(deploy(1, content), RejectionKind::Malformed)
}

fn with(change: impl FnOnce(&mut Container)) -> Containers {
    let mut container = container("nginx");
    change(&mut container);
    Containers {
        containers: vec![(label("app"), container)],
        public_endpoint: None,
    }
}

#[test]
fn containers_are_checked() {
    let many = |count: usize| Containers {
        containers: (0..count)
            .map(|number| (label(&format!("c{number}")), container("nginx")))
            .collect(),
        public_endpoint: None,
    };
    let ports = (1..=101).map(|port| (port, Protocol::Tcp)).collect();
    let long = "x".repeat(limits::CONTAINER_IMAGE_NAME_BYTES_MAX + 1);
    let rows = [
        (Containers::default(), "containers: must be 1 to 10, not 0"),
        (
            many(limits::CONTAINERS_MAX + 1),
            "containers: must be 1 to 10, not 11",
        ),
        (with(|one| one.image = "".into()), "image is required"),
        (with(|one| one.image = "two words".into()), "no blanks"),
        (
            with(|one| one.image = long.into()),
            "at most 2048 characters",
        ),
        (
            with(|one| one.ports = vec![(0, Protocol::Http)]),
            "1 to 65535",
        ),
        (with(|one| one.ports = ports), "ports must be at most 100"),
        (
            with(|one| one.environment = vec![("A=B".into(), "".into())]),
            "without = in it",
        ),
        (
            with(|one| one.command = vec!["x".into(); limits::CONTAINER_ENTRIES_MAX + 1]),
            "at most 500 entries",
        ),
        (
            with(|one| one.command = vec!["x".repeat(30_000).into()]),
            "and may have 28672",
        ),
    ];
    for (content, part) in rows {
        let no = refused_content(content);
        assert!(no.contains(part), "{no} has not {part}");
    }
    let mut run = ready(1, 1);
    run.ok(deploy(1, many(limits::CONTAINERS_MAX)));
}

#[test]
fn public_endpoints_are_checked() {
    let endpoint = |container: &str, port: u16| Containers {
        public_endpoint: Some(PublicEndpoint {
            container: label(container),
            port,
            health_check: HealthCheck::default(),
        }),
        ..with(|one| one.ports.push((9_000, Protocol::Udp)))
    };
    let check = |change: &dyn Fn(&mut HealthCheck)| {
        let mut content = public("nginx");
        if let Some(endpoint) = &mut content.public_endpoint {
            change(&mut endpoint.health_check);
        }
        content
    };
    let rows = [
        (endpoint("other", 80), "publicEndpoint.containerName"),
        (endpoint("app", 81), "does not open port 81"),
        (endpoint("app", 9_000), "must speak HTTP or HTTPS"),
        (
            check(&|check| check.healthy_threshold = 0),
            "healthyThreshold",
        ),
        (
            check(&|check| check.unhealthy_threshold = 11),
            "unhealthyThreshold",
        ),
        (
            check(&|check| check.timeout_seconds = 1),
            "timeoutSeconds: must be 2 to 60",
        ),
        (
            check(&|check| check.timeout_seconds = 61),
            "timeoutSeconds: must be 2 to 60",
        ),
        (
            check(&|check| check.interval_seconds = 4),
            "intervalSeconds: must be 5 to 300",
        ),
        (
            check(&|check| check.interval_seconds = 301),
            "intervalSeconds: must be 5 to 300",
        ),
        (
            check(&|check| check.timeout_seconds = 5),
            "less than intervalSeconds",
        ),
        (
            check(&|check| check.path = "health".into()),
            "must begin with /",
        ),
        (check(&|check| check.path = "/a b".into()), "without blanks"),
    ];
    for (content, part) in rows {
        let no = refused_content(content);
        assert!(no.contains(part), "{no} has not {part}");
    }
}

#[test]
fn success_codes_are_codes_and_ranges() {
    let deploys = |codes: &str| {
        let run = ready(1, 1);
        let mut content = public("nginx");
        if let Some(endpoint) = &mut content.public_endpoint {
            endpoint.health_check.success_codes = codes.into();
        }
        let command = deploy(1, content);
        run.fleet.decide(&command, run.now).is_ok()
    };
    for codes in [
        "200",
        "200-499",
        "200,202",
        "200-299,301",
        "499",
        "200, 404",
    ] {
        assert!(deploys(codes), "{codes}");
    }
    for codes in [
        "", "199", "500", "299-200", "200-", "2xx", "200,,201", "0200", "-200",
    ] {
        assert!(!deploys(codes), "{codes}");
    }
}

#[test]
fn services_are_checked() {
    let rows = [
        (definition(0), "scale: must be 1 to 20, not 0"),
        (definition(21), "scale: must be 1 to 20, not 21"),
        (
            Definition {
                public_domain_names: vec![(
                    "main".into(),
                    (0..5)
                        .map(|number| format!("n{number}.example.com").into())
                        .collect(),
                )],
                ..definition(1)
            },
            "publicDomainNames: must be at most 4 names, not 5",
        ),
        (
            Definition {
                public_domain_names: vec![("main".into(), vec!["localhost".into()])],
                ..definition(1)
            },
            "must be a domain name",
        ),
        (
            Definition {
                public_domain_names: vec![("main".into(), vec!["a.example.com".into(); 2])],
                ..definition(1)
            },
            "no domain twice",
        ),
    ];
    for (definition, part) in rows {
        let mut run = fleet(0);
        let no = run.refused(create(definition), RejectionKind::Malformed);
        assert!(no.contains(part), "{no} has not {part}");
    }
    let mut run = ready(1, 0);
    run.refused(create(definition(1)), RejectionKind::AlreadyExists);
    for text in ["", "-a", "a-", "A", "a_b", "a.b", &"a".repeat(64)] {
        assert!(ContainerServiceName::parse(text).is_err(), "{text}");
    }
    for text in ["a", "9", "a-b", &"a".repeat(63)] {
        assert!(ContainerServiceName::parse(text).is_ok(), "{text}");
    }
    assert!(ContainerName::parse(&"a".repeat(54)).is_err());
}

#[test]
fn images_count_by_label_and_are_resolved() {
    const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let mut run = ready(1, 1);
    let register = |label: &str, digest: &str| {
        command(Command::RegisterImage {
            name: service_name("web"),
            label: self::label(label),
            digest: digest.into(),
        })
    };
    let forget = |image: &str| {
        command(Command::DeleteImage {
            name: service_name("web"),
            image: image.into(),
        })
    };
    run.refused(register("app", "9f86"), RejectionKind::Malformed);
    run.ok(register("app", DIGEST));
    run.ok(register("app", DIGEST));
    run.ok(register("db", DIGEST));
    let names: Vec<String> = service(&run)
        .images
        .iter()
        .map(|image| service(&run).image_name(image))
        .collect();
    assert_eq!(names, [":web.app.1", ":web.app.2", ":web.db.1"]);
    run.ok(deploy(1, containers(":web.app.latest")));
    let id = run.fleet.container_service_id("web").unwrap();
    let (_, content) = run.fleet.container_version(id, 1).unwrap();
    let app = content.get("app").unwrap();
    assert_eq!(
        (&*app.image, app.digest.as_deref()),
        (":web.app.2", Some(DIGEST))
    );
    run.refused(forget(":web.app.2"), RejectionKind::WrongState);
    succeed(&mut run, "n0");
    run.refused(forget(":web.app.2"), RejectionKind::WrongState);
    run.ok(forget(":web.app.1"));
    run.refused(forget(":web.app.1"), RejectionKind::NotFound);
    run.refused(forget(":web.app.latest"), RejectionKind::Malformed);
    run.refused(forget(":other.app.1"), RejectionKind::Malformed);
    run.refused(forget("nginx"), RejectionKind::Malformed);
    // A number is not given again.
    run.ok(deploy(2, containers("nginx")));
    succeed(&mut run, "n0");
    run.ok(forget(":web.app.2"));
    run.ok(register("app", DIGEST));
    assert_eq!(service(&run).image(&label("app"), None).unwrap().number, 3);
    for image in [
        ":web.app.9",
        ":web.none.latest",
        ":other.app.1",
        ":web.app",
        ":web.app.0",
    ] {
        let no = run.refused(deploy(3, containers(image)), RejectionKind::Malformed);
        assert!(no.contains("image"), "{no}");
    }
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut run = fleet(0);
    let commands = [
        deploy(1, containers("nginx")),
        update(Change::default()),
        delete(),
        command(Command::RegisterImage {
            name: service_name("web"),
            label: label("app"),
            digest: "sha256:9f86d081884c7d659a2feaa0c55ad015".into(),
        }),
        command(Command::DeleteImage {
            name: service_name("web"),
            image: ":web.app.1".into(),
        }),
    ];
    for command in commands {
        let no = run.refused(command, RejectionKind::NotFound);
        assert_eq!(no, "serviceName: container service web does not exist");
    }
}

/// What nodes get, to the byte: nodes in the field read it.
#[test]
fn documents_are_as_documented() {
    const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015";
    let mut run = fleet(1);
    run.ok(create(Definition {
        power: Power::Micro,
        public_domain_names: vec![("main".into(), vec!["www.example.com".into()])],
        ..definition(1)
    }));
    join(&mut run, "n0");
    run.ok(command(Command::RegisterImage {
        name: service_name("web"),
        label: label("app"),
        digest: DIGEST.into(),
    }));
    let mut content = public(":web.app.latest");
    if let Some((_, app)) = content.containers.first_mut() {
        app.command = vec!["serve".into(), "--verbose".into()];
        app.environment = vec![("MODE".into(), "fast".into())];
        app.ports.push((9_000, Protocol::Udp));
    }
    run.ok(deploy(1, content));
    let document = |run: &Run| {
        let next = run.fleet.next_pending(run.thing("n0"), Some(NAMESPACE));
        next.expect("the node was told").document.to_owned()
    };
    assert_eq!(document(&run), include_str!("golden/run.json").trim_end());
    succeed(&mut run, "n0");
    run.ok(delete());
    assert_eq!(document(&run), include_str!("golden/stop.json").trim_end());
}
