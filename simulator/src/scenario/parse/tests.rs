use super::*;
use crate::checks::Check;
use crate::scenario::{Action, Bounds, Targets};

/// Parses what comes after the two lines that every scenario has.
fn parse(rest: &str) -> Result<Scenario, Invalid> {
    Scenario::parse(
        &format!("name = \"x\"\nshows = \"A row of a test.\"\n{rest}"),
        "x.toml",
    )
}

/// Every row: what follows, and the whole message.
fn refused(rows: &[(&str, &str)]) {
    for (rest, expected) in rows {
        let found = match parse(rest) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, *expected, "{rest}");
    }
}

#[test]
fn what_a_file_needs_and_what_it_may_not_have() {
    let rows = [
        (
            "",
            "x.toml:1:1: has no \"name\", which it needs; add name = …",
        ),
        (
            "name = \"x\"",
            "x.toml:1:1: has no \"shows\", which it needs; add shows = …",
        ),
        (
            "name = \"a b\"",
            "x.toml:1:8: name: must be 1 to 64 letters, digits, dashes and underscores, not \"a b\"",
        ),
        (
            "name = \"x",
            "x.toml:1:10: no TOML: invalid basic string, expected `\"`",
        ),
    ];
    for (text, expected) in rows {
        let error = Scenario::parse(text, "x.toml").expect_err("no scenario");
        assert_eq!(error.to_string(), expected);
    }
    refused(&[
        (
            "sede = 7",
            "x.toml:3:1: sede: is no known key; did you mean \"seed\"?",
        ),
        (
            "[weather]\nrain = true",
            "x.toml:3:2: weather: is no known key; known here: check, class, fault, fleet, horizon, mode, name, \
             network, seed, service, shows, timeline",
        ),
        (
            "mode = \"modell\"",
            "x.toml:3:8: mode: must be one of model, wire, net, not \"modell\"; did you mean \"model\"?",
        ),
        (
            "mode = 3",
            "x.toml:3:8: mode: must be text in quotes, not a whole number",
        ),
        (
            "seed = -1",
            "x.toml:3:8: seed: must be 0 to 18446744073709551615, not -1",
        ),
        (
            "horizon = 60",
            "x.toml:3:11: horizon: must be a length of time in quotes, such as \"250ms\", \"90s\", \"15m\" or \
             \"8h\", not a whole number",
        ),
        (
            "horizon = \"0s\"",
            "x.toml:3:11: horizon: must be 1ms to 1year 18h, not \"0s\"",
        ),
        (
            "check = 1",
            "x.toml:3:9: check: must be a list of tables; write [[check]]",
        ),
    ]);
}

#[test]
fn fleets_and_groups() {
    refused(&[
        (
            "[fleet]\ndevices = 0",
            "x.toml:4:11: fleet.devices: must be 1 to 20000000, not 0",
        ),
        (
            "[fleet]\ndevices = \"1000\"",
            "x.toml:4:11: fleet.devices: must be a whole number, not text",
        ),
        (
            "[fleet]\nsoftware = \"client\"",
            "x.toml:4:12: fleet.software: must be one of core, core-by-list, nucleus, node, jobs, runner, not \"client\"",
        ),
        (
            "[[fleet.group]]\nname = \"a\"",
            "x.toml:3:1: fleet.group[1]: has no \"share\", which it needs; add share = …",
        ),
        (
            "[[fleet.group]]\nname = \"a\"\nshare = \"60%\"\n[[fleet.group]]\nname = \"b\"\nshare = \"50%\"",
            "x.toml:8:9: fleet.group[2].share: shares add up to more than the whole: 40% is left for this one",
        ),
        (
            "[[fleet.group]]\nname = \"all\"\nshare = \"1%\"",
            "x.toml:4:8: fleet.group[1].name: \"all\" is taken (\"all\" is the whole fleet); choose another name",
        ),
        (
            "[[fleet.group]]\nname = \"a\"\nshare = \"0%\"",
            "x.toml:5:9: fleet.group[1].share: must be above 0%",
        ),
    ]);
}

#[test]
fn classes_and_their_behavior() {
    let class = |rest: &str| format!("[[class]]\nname = \"a\"\n{rest}");
    let rows = [
        (
            "share = \"120%\"",
            "x.toml:5:9: class[1].share: must be a share from 0% to 100% with at most two decimals, such as \
             \"12.5%\", not \"120%\"",
        ),
        (
            "share = 0.5",
            "x.toml:5:9: class[1].share: must be a share in quotes, such as \"12.5%\", not a number with a point",
        ),
        (
            "share = \"95%\"",
            "x.toml:1:1: class: shares add up to 95%; leave share out of one class, which then has the rest",
        ),
        (
            "[[class]]\nname = \"a\"",
            "x.toml:6:8: class[2].name: \"a\" is taken; choose another name",
        ),
        (
            "[[class]]\nname = \"b\"",
            "x.toml:5:1: class[2]: has no share, as another class before it; only one class can have what is left",
        ),
        (
            "[[class.job]]\nfails = \"60%\"\nsilent = \"50%\"",
            "x.toml:7:10: class[1].job[1].silent: fails, rejects, silent and stalls add up to more than the whole: \
             40% is left",
        ),
        (
            "[[class.job]]\nreasons = []",
            "x.toml:6:11: class[1].job[1].reasons: must have at least one reason",
        ),
        (
            "[[class.job]]\ndownloads = \"1s\"",
            "x.toml:6:1: class[1].job[1].downloads: is no known key; did you mean \"download\"?",
        ),
        (
            "online = { on = \"0s\", off = \"1m\" }",
            "x.toml:5:17: class[1].online.on: must be above 0",
        ),
        (
            "reconnect = \"1s\"\nbackoff = { first = \"1s\", longest = \"1m\" }",
            "x.toml:6:11: class[1].backoff: does nothing beside reconnect; remove one of them",
        ),
        (
            "hurry = 0",
            "x.toml:5:9: class[1].hurry: must be 1 to 1000000, not 0",
        ),
    ];
    for (rest, expected) in rows {
        refused(&[(&class(rest), expected)]);
    }
}

#[test]
fn distributions() {
    let rows = [
        (
            "5",
            "a length of time, such as \"30s\", or a distribution, such as { uniform = [\"10s\", \"1m\"] }, not a whole \
             number",
        ),
        (
            "\"-5s\"",
            "a length of time in quotes, such as \"250ms\", \"90s\", \"15m\" or \"8h\", not \"-5s\": expected number at 0",
        ),
    ];
    for (value, expected) in rows {
        refused(&[(
            &format!("[network]\nlatency = {value}"),
            &format!("x.toml:4:11: network.latency: must be {expected}"),
        )]);
    }
    let rows = [
        (
            "{}",
            "11: network.latency: must have exactly one of uniform, exponential, log-normal and empirical",
        ),
        (
            "{ uniform = [\"2s\", \"1s\"] }",
            "30: network.latency.uniform[2]: must not be shorter than the first; swap them",
        ),
        (
            "{ uniform = [\"2s\"] }",
            "23: network.latency.uniform: must be [shortest, longest], such as [\"10s\", \"1m\"]",
        ),
        (
            "{ exponential = { mean = \"2m\", max = \"1m\" } }",
            "48: network.latency.exponential.max: must not be shorter than the mean or the 90th percentile",
        ),
        (
            "{ log-normal = { median = \"2m\", p90 = \"1m\" } }",
            "49: network.latency.log-normal.p90: must be longer than the median",
        ),
        (
            "{ log-normal = { p90 = \"1m\" } }",
            "26: network.latency.log-normal: has no \"median\", which it needs; add median = …",
        ),
        (
            "{ empirical = [] }",
            "25: network.latency.empirical: must have at least one length; write [\"10s\", \"30s\"], or with weights \
             [[\"10s\", 3], [\"30s\", 1]]",
        ),
        (
            "{ empirical = [[\"10s\", 0]] }",
            "34: network.latency.empirical[1][2]: must be 1 to 4294967295, not 0",
        ),
        (
            "{ zipf = 3 }",
            "13: network.latency.zipf: is no known key; known here: empirical, exponential, log-normal, uniform",
        ),
    ];
    for (value, expected) in rows {
        refused(&[(
            &format!("[network]\nlatency = {value}"),
            &format!("x.toml:4:{expected}"),
        )]);
    }
}

#[test]
fn network_and_faults() {
    refused(&[
        (
            "[network]\ndelayed = \"1%\"",
            "x.toml:3:1: network: delayed needs a delay: how much longer those messages take",
        ),
        (
            "[[network.partition]]\nfrom = \"10m\"\nuntil = \"5m\"",
            "x.toml:5:9: network.partition[1].until: must be later than from",
        ),
        (
            "[[fault]]\ndown = \"5m\"",
            "x.toml:3:1: fault[1]: must have exactly one of at (a time, such as \"10m\") and after-events (a count, or \
             a share of an event per device, such as \"250%\")",
        ),
        (
            "[service]\nrollout-ceiling-per-minute = 0",
            "x.toml:4:30: service.rollout-ceiling-per-minute: must be above 0",
        ),
    ]);
}

const TEMPLATE: &str =
    "[[timeline]]\nat = \"0s\"\ndo = \"create-template-version\"\ntemplate = \"t\"\n";

#[test]
fn timelines() {
    let rows = [
        (
            "do = \"reboot\"",
            "x.toml:9:6: timeline[2].do: must be one of provision, create-template-version, deploy, \
             deploy-components, create-job, run-command, deploy-containers, cancel-job, delete-job, join, leave, not \"reboot\"",
        ),
        (
            "do = \"run-command\"\njob = \"j\"\ncommand = \"deploy\"",
            "x.toml:9:6: timeline[2].do: a command is only seen by devices with software = \"runner\", and this fleet has \
             none; give it to a class, or use create-job",
        ),
        (
            "do = \"deploy\"\ntemplate = \"s\"",
            "x.toml:10:12: timeline[2].template: names no template that exists by then: \"s\"; did you mean \"t\"?",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\nversion = 2",
            "x.toml:11:11: timeline[2].version: must be 1 to 1, the versions that template \"t\" has by then",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"",
            "x.toml:7:1: timeline[2]: has no \"job\", which it needs; add job = …",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\ntargets = \"south\"",
            "x.toml:12:11: timeline[2].targets: names no group that exists by then: \"south\"; there is all (of \
             [[fleet.group]])",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\ntargets = \"all\"\nshare = \"5%\"",
            "x.toml:7:1: timeline[2]: must have one of targets and share, not both; remove one",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\nshare = [\"5%\", \"5%\"]",
            "x.toml:12:16: timeline[2].share[2]: must be above the first share",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\nabort = [{ failure = \"FAILED\", threshold = \"0%\", \
             executed-min = 1 }]",
            "x.toml:12:44: timeline[2].abort[1].threshold: must be above 0%",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\nretries = [{ failure = \"TIMED_OUT\", times = 1 }]",
            "x.toml:12:24: timeline[2].retries[1].failure: needs a timeout beside retries, such as timeout = \"30m\"",
        ),
        (
            "do = \"deploy-components\"\njob = \"j\"\ncomponents = [\"a 1.0\"]",
            "x.toml:11:15: timeline[2].components[1]: must be a component and its version, such as \
             \"com.example.Agent 1.2.0\": componentVersion: \"1.0\" must be a semantic version such as 1.0.0, of at \
             most 64 characters and with numbers of at most 6 digits",
        ),
        (
            "do = \"deploy-components\"\njob = \"j\"\ncomponents = [\"a 1.0.0\", \"a 2.0.0\"]",
            "x.toml:11:14: timeline[2].components: a is named twice",
        ),
        (
            "do = \"deploy-components\"\njob = \"j\"\ncomponents = []\ntargets = [\"all\", \"all\"]",
            "x.toml:7:1: timeline[2]: targets must be one group: a deployment of components has one target",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\ntimeout = \"90s\"",
            "x.toml:12:11: timeline[2].timeout: must be a whole number of minutes, such as \"30m\"",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\nrollout = { per-minute = 10, base-per-minute = 5 }",
            "x.toml:12:11: timeline[2].rollout: an exponential rate needs base-per-minute, factor and after; a \
             constant one only per-minute",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\nrollout = { base-per-minute = 5, factor = 1.05, after = 1 }",
            "x.toml:12:43: timeline[2].rollout.factor: must be 1.1 to 5 with at most 1 decimals, not 1.05",
        ),
        (
            "do = \"cancel-job\"\njob = \"j\"",
            "x.toml:10:7: timeline[2].job: names no job that exists by then: \"j\"; there is none; deploy or \
             create-job makes one",
        ),
        (
            "do = \"create-job\"\njob = \"j\"",
            "x.toml:9:6: timeline[2].do: a plain job is only seen by devices with software = \"jobs\", and this \
             fleet has none; give it to a class, or deploy a template",
        ),
        (
            "do = \"deploy\"\ntemplate = \"t\"\njob = \"j\"\nrollout = { per-minute = 2000 }",
            "x.toml:12:26: timeline[2].rollout.per-minute: is 2000 at 1000 devices, above the service's ceiling of \
             1000; raise rollout-ceiling-per-minute in [service]",
        ),
        (
            "do = \"join\"\nfrom = \"all\"",
            "x.toml:10:8: timeline[2].from: must be a group whose members join later; give that group later = true",
        ),
        (
            "do = \"leave\"\ngroup = \"all\"",
            "x.toml:10:9: timeline[2].group: must not be \"all\": name a group of the fleet",
        ),
    ];
    for (rest, expected) in rows {
        let rest = format!("{TEMPLATE}[[timeline]]\nat = \"1m\"\n{rest}");
        refused(&[(&rest, expected)]);
    }
}

#[test]
fn a_deployment_needs_core_devices() {
    refused(&[(
        &format!(
            "{TEMPLATE}[[timeline]]\nat = \"1m\"\ndo = \"deploy\"\n[fleet]\nsoftware = \"jobs\""
        ),
        "x.toml:9:6: timeline[2].do: a deployment is only seen by core devices, and this fleet has none; give \
         software = \"core\" to a class, or use create-job",
    )]);
}

#[test]
fn checks_of_unknown_things() {
    refused(&[
        (
            "[[check]]\nthat = \"all-good\"",
            "x.toml:4:8: check[1].that: must be one of executions, all-terminal, reached, job-status, \
             canceled-by, rate-per-minute, rate-grows, rate-exact, queued-within, reasons, retries, summary, counted, percentile, ends-before, holds, \
             container-version, not \
             \"all-good\"",
        ),
        (
            "[[check]]\nthat = \"all-terminal\"\njob = \"j\"",
            "x.toml:5:7: check[1].job: names no job that exists by then: \"j\"; there is none; deploy or create-job \
             makes one",
        ),
        (
            "[[check]]\nthat = \"counted\"\ncount = \"restarts\"",
            "x.toml:3:1: check[1]: must have either exactly, or min, max or both; such as exactly = \"100%\" or max = 3",
        ),
        (
            "[[check]]\nthat = \"counted\"\ncount = \"restarts\"\nmin = 3\nmax = 2",
            "x.toml:7:7: check[1].max: must not be less than min",
        ),
        (
            "[[check]]\nthat = \"percentile\"\nof = \"update\"\npercent = 101\nmax = \"1s\"",
            "x.toml:6:11: check[1].percent: must be 0.01 to 100 with at most 2 decimals, not 101",
        ),
    ]);
}

/// A schedule beside a job, and what is said of it.
#[test]
fn schedules_are_checked_where_they_stand() {
    let with = |schedule: &str| {
        parse(&format!(
            "[fleet]\nsoftware = \"jobs\"\n[[timeline]]\nat = \"1m\"\ndo = \"create-job\"\njob = \"j\"\nschedule = {schedule}"
        ))
    };
    let scheduled = with("{ start = \"1h\" }").expect("valid");
    scheduled.check_mode(Mode::Model).expect("virtual time");
    for mode in [Mode::Wire, Mode::Net] {
        let error = scheduled.check_mode(mode).expect_err("hours");
        assert!(error.to_string().contains("schedule: the hours"), "{error}");
    }
    let window = |hours: &str| format!("{{ windows = [{{ {hours} }}] }}");
    let rows = [
        ("{}".to_owned(), "must have a start, an end or windows"),
        (
            "{ offset = \"+01:00\" }".to_owned(),
            "must have a start, an end or windows",
        ),
        (
            "{ start = \"1h\", at-end = \"CANCEL\" }".to_owned(),
            "at-end: needs an end beside it",
        ),
        (
            "{ end = \"1h\", at-end = \"STOP\" }".to_owned(),
            "must be one of STOP_ROLLOUT",
        ),
        (
            "{ end = \"1h\", offset = \"09:00\" }".to_owned(),
            "must be an offset from UTC",
        ),
        (
            "{ end = \"1h\", offset = \"+14:01\" }".to_owned(),
            "must be an offset from UTC",
        ),
        (
            "{ end = \"1h\", offset = \"-12:01\" }".to_owned(),
            "must be an offset from UTC",
        ),
        (
            "{ end = \"1h\", offset = \"+9:00\" }".to_owned(),
            "must be an offset from UTC",
        ),
        (
            window("from = \"2:00\", until = \"03:00\""),
            "must be a time of day",
        ),
        (
            window("from = \"24:00\", until = \"03:00\""),
            "must be a time of day",
        ),
        (
            window("from = \"02:60\", until = \"03:00\""),
            "must be a time of day",
        ),
        (window("from = \"02:00\""), "has no \"until\""),
        (
            window("from = \"02:00\", until = \"02:00\""),
            "until: must be 1 minute to",
        ),
        (
            window("from = \"02:00\", until = \"01:51\""),
            "until: must be 1 minute to",
        ),
        (
            window("from = \"02:00\", until = \"03:00\", day = 1"),
            "day: is no known key",
        ),
    ];
    for (schedule, says) in rows {
        let error = with(&schedule).expect_err(&schedule).to_string();
        assert!(error.contains(says), "{schedule}: {error}");
    }
    with(&window("from = \"02:00\", until = \"01:50\"")).expect("1,430 minutes");
}

#[test]
fn a_network_that_is_real_has_no_faults_to_order() {
    let fault = parse("[[fault]]\nat = \"1m\"").expect("valid");
    fault.check_mode(Mode::Wire).expect("its own service");
    let error = fault.check_mode(Mode::Net).expect_err("somebody else's");
    assert_eq!(
        error.to_string(),
        "scenario x: fault: a service behind a network cannot be killed from here; play it in model or wire mode, or \
         remove [[fault]]"
    );
    let loss = parse("[network]\nloss = \"1%\"").expect("valid");
    loss.check_mode(Mode::Net)
        .expect("a lost message takes its connection with it");
    for what in ["duplicated = \"1%\"", "reorders = true"] {
        let network = parse(&format!("[network]\n{what}")).expect("valid");
        for mode in [Mode::Wire, Mode::Net] {
            let error = network.check_mode(mode).expect_err("TCP does not");
            assert!(error.to_string().contains("network: a connection over TCP"));
        }
        network.check_mode(Mode::Model).expect("no TCP there");
    }
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let text = include_str!("everything.toml");
    let scenario = Scenario::parse(text, "everything.toml").expect("valid");
    assert_eq!(scenario.mode, Some(Mode::Model));
    assert_eq!(scenario.fleet.devices, 10_000);
    let names: Vec<_> = scenario.fleet.groups.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["all", "early", "late", "part-0-100"]);
    assert_eq!(scenario.classes.len(), 2);
    let Some(Action::Deploy {
        brings, targets, ..
    }) = scenario
        .timeline
        .iter()
        .map(|step| &step.action)
        .find(|action| matches!(action, Action::Deploy { job, .. } if &**job == "canary"))
    else {
        panic!("{:?}", scenario.timeline);
    };
    assert_eq!(brings.version, 1);
    assert_eq!(targets, &Targets { groups: vec![3] });
    let canaries = (0..10_000).filter(|index| scenario.is_targeted(*index, targets));
    assert!((97..=103).contains(&canaries.count()));
    assert!(scenario.checks.contains(&Check::Counted {
        counter: crate::checks::Counter::Restarts,
        count: Bounds::exactly(Amount::Count(2)),
    }));
    let script = &scenario.classes[0].script;
    assert_eq!(script.behaviors.len(), 2);
    assert_eq!(
        script.behavior(1).map(|behavior| behavior.failing),
        Some(550)
    );
    assert!(matches!(
        script.behavior(1).map(|behavior| &behavior.download),
        Some(Distribution::LogNormal { median: 30_000, .. })
    ));
}
