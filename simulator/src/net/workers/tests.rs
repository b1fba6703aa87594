use super::*;
use crate::net::Target;

#[test]
fn parts_are_even_and_leave_nobody_out() {
    for (devices, count) in [(10, 3), (3, 7), (1, 1), (100_000, 7), (15_000, 1)] {
        let parts = parts(500, devices, count);
        assert_eq!(
            parts.len(),
            usize::try_from(count.min(devices)).expect("few")
        );
        let mut next = 500;
        for (first, part) in &parts {
            assert_eq!(*first, next);
            assert!(part.abs_diff(devices / count.min(devices)) <= 1);
            next += part;
        }
        assert_eq!(next, 500 + devices);
    }
}

/// A shell in the place of a worker.
fn played_by(script: &str) -> Failure {
    let target = Target::parse("127.0.0.1:1", None).expect("an address");
    let mut options = Options::new(target, 20, 1);
    options.first = 100;
    let workers = Workers {
        count: 2,
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
    };
    let progress = Arc::new(Progress::default());
    let mut crew = Crew::start(&options, &workers, &progress).expect("it starts");
    loop {
        if let Err(failure) = crew.wait(Duration::from_secs(20)) {
            return failure;
        }
    }
}

#[test]
fn a_worker_that_dies_is_named_with_its_devices() {
    let failure = played_by("read order; kill -9 $$").to_string();
    assert!(failure.contains("signal: 9"), "{failure}");
    assert!(
        failure.contains("devices 100 to 109") || failure.contains("devices 110 to 119"),
        "{failure}"
    );
    let failure = played_by("read order; exit 3").to_string();
    assert!(failure.contains("exit status: 3"), "{failure}");
}

#[test]
fn a_worker_that_says_why_is_quoted() {
    let failure = played_by(r#"read order; echo '{"failed":"no descriptors"}'; read more"#);
    assert!(failure.to_string().contains("no descriptors"), "{failure}");
    let failure = played_by("read order; echo 'Hello!'; read more");
    assert!(
        failure.to_string().contains("nobody understands"),
        "{failure}"
    );
}
