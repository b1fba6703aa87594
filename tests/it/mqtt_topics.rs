//! Ordinary topics: wildcards, qualities, retained messages, wills, sessions; 3.1.1 and 5 together.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::mqtt::{Connect, Message, Mqtt, Version};

/// A message in short: topic, payload, quality, retained.
fn short(message: &Message) -> (String, String, u8, bool) {
    (
        message.topic.clone(),
        message.text(),
        message.qos,
        message.retain,
    )
}

fn expected(topic: &str, payload: &str, qos: u8, retain: bool) -> (String, String, u8, bool) {
    (topic.to_owned(), payload.to_owned(), qos, retain)
}

/// Both orders of who publishes and who subscribes, over both versions.
fn pairs() -> impl Iterator<Item = (Version, Version)> {
    Version::ALL
        .into_iter()
        .flat_map(|from| Version::ALL.map(|to| (from, to)))
}

#[test]
fn messages_reach_whoever_subscribed_with_the_lower_quality_of_both() {
    let fleet = TestFleet::start();
    for (from, to) in pairs() {
        let publisher = fleet.mqtt("publisher", from);
        let subscriber = fleet.mqtt("subscriber", to);
        let root = format!("plant-{from:?}-{to:?}");
        assert_eq!(subscriber.subscribe(&format!("{root}/+/temperature"), 1), 1);
        assert_eq!(subscriber.subscribe(&format!("{root}/alarms/#"), 0), 0);
        publisher.publish(&format!("{root}/pump/temperature"), "21");
        publisher.publish(&format!("{root}/pump/pressure"), "nobody asked");
        publisher.publish(
            &format!("{root}/pump/motor/temperature"),
            "one level too deep",
        );
        publisher.publish_fast(&format!("{root}/valve/temperature"), "22");
        publisher.publish(
            &format!("{root}/alarms"),
            "the parent of a wildcard belongs to it",
        );
        publisher.publish(&format!("{root}/alarms/pump/high"), "hot");
        let told: Vec<_> = (0..4).map(|_| subscriber.next()).collect();
        let of = |part: &str| {
            let told = told.iter().filter(|message| message.topic.contains(part));
            told.map(short).collect::<Vec<_>>()
        };
        assert_eq!(
            of("temperature"),
            [
                expected(&format!("{root}/pump/temperature"), "21", 1, false),
                expected(&format!("{root}/valve/temperature"), "22", 0, false),
            ]
        );
        assert_eq!(
            of("alarms"),
            [
                expected(
                    &format!("{root}/alarms"),
                    "the parent of a wildcard belongs to it",
                    0,
                    false
                ),
                expected(&format!("{root}/alarms/pump/high"), "hot", 0, false),
            ]
        );
        subscriber.unsubscribe(&format!("{root}/alarms/#"));
        publisher.publish(&format!("{root}/alarms/pump/high"), "nobody listens");
        publisher.publish(&format!("{root}/end/temperature"), "end");
        assert_eq!(subscriber.next().text(), "end");
    }
}

#[test]
fn many_messages_come_in_order_and_once() {
    let fleet = TestFleet::start();
    let publisher = fleet.mqtt("publisher", Version::V5);
    let subscribers =
        Version::ALL.map(|version| fleet.mqtt(&format!("subscriber-{version:?}"), version));
    for subscriber in &subscribers {
        subscriber.subscribe("line/#", 1);
    }
    for number in 0..200_u32 {
        publisher.publish_unacknowledged("line/counter", number.to_string());
    }
    for subscriber in &subscribers {
        let told: Vec<u32> = (0..200)
            .map(|_| subscriber.next().text().parse().unwrap())
            .collect();
        assert_eq!(told, (0..200).collect::<Vec<_>>());
    }
}

#[test]
fn a_wildcard_does_not_reach_reserved_topics() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    for version in Version::ALL {
        let nosy = fleet.mqtt("nosy", version);
        nosy.subscribe("#", 1);
        nosy.subscribe("+/things/#", 1);
        let device = fleet.mqtt("device", version);
        device.subscribe("$aws/things/pump/jobs/notify", 1);
        http.create_job(&format!("job-{version:?}"), &["pump"], Value::Null)
            .expect(200);
        device.take("$aws/things/pump/jobs/notify");
        device.accepted("$aws/things/pump/jobs/get", &json!({}));
        device.publish("ordinary", "end");
        assert_eq!(nosy.next().topic, "ordinary");
    }
}

#[test]
fn filters_and_topics_that_cannot_be_are_refused() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let client = fleet.mqtt("client", version);
        for filter in ["$SYS/#", "$other/topic", &"a/".repeat(300), &"/".repeat(40)] {
            assert_eq!(client.subscribe(filter, 1), 0x80, "{version:?} {filter}");
        }
        let code = client.publish("$aws/things/pump/unheard/of", "x");
        assert_eq!(code, if version == Version::V5 { 0x80 } else { 0 });
        // A connection that was refused something goes on.
        assert_eq!(client.subscribe("fine", 1), 1);
        client.publish("fine", "still here");
        assert_eq!(client.take("fine").text(), "still here");
    }
}

#[test]
fn a_retained_message_waits_for_subscribers() {
    let fleet = TestFleet::start();
    for (from, to) in pairs() {
        let topic = format!("state/{from:?}/{to:?}");
        let publisher = fleet.mqtt("publisher", from);
        publisher.publish_retained(&topic, "off", true);
        publisher.publish_retained(&topic, "on", true);
        let subscriber = fleet.mqtt("subscriber", to);
        subscriber.subscribe(&topic, 1);
        assert_eq!(short(&subscriber.next()), expected(&topic, "on", 1, true));
        publisher.publish_retained(&topic, "off", true);
        assert_eq!(
            short(&subscriber.next()),
            expected(&topic, "off", 1, false),
            "whoever is there already gets it as an ordinary message"
        );
        publisher.publish_retained(&topic, "", true);
        assert_eq!(subscriber.next().text(), "");
        let late = fleet.mqtt("late", to);
        late.subscribe("state/#", 1);
        publisher.publish(&topic, "end");
        assert_eq!(
            late.next().text(),
            "end",
            "an empty message takes the retained one away"
        );
    }
}

#[test]
fn a_will_is_published_when_its_client_vanishes_and_only_then() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let root = format!("wills-{version:?}");
        let [lost_topic, polite_topic, twin_topic] =
            ["lost", "polite", "twin"].map(|name| format!("{root}/{name}"));
        let watcher = fleet.mqtt("watcher", Version::V4);
        watcher.subscribe(&format!("{root}/#"), 1);
        let polite =
            fleet.connect(Connect::new("polite", version).will(&polite_topic, "gone", false));
        polite.disconnect();
        let lost = fleet.connect(Connect::new("lost", version).will(&lost_topic, "gone", true));
        drop(lost);
        assert_eq!(
            short(&watcher.next()),
            expected(&lost_topic, "gone", 1, false)
        );
        let late = fleet.mqtt("late", version);
        late.subscribe(&lost_topic, 1);
        assert_eq!(
            short(&late.next()),
            expected(&lost_topic, "gone", 1, true),
            "it can be retained"
        );
        // A client that is pushed aside by its own name vanishes as well.
        let _first = fleet.connect(Connect::new("twin", version).will(&twin_topic, "gone", false));
        let _second = fleet.mqtt("twin", version);
        assert_eq!(watcher.next().topic, twin_topic);
    }
}

#[test]
fn a_session_outlives_its_connection() {
    let fleet = TestFleet::start();
    for version in Version::ALL {
        let publisher = fleet.mqtt("publisher", Version::V5);
        let name = format!("sleeper-{version:?}");
        let connect = || fleet.connect(Connect::new(&name, version).persistent());
        let sleeper = connect();
        assert!(!sleeper.session_present());
        sleeper.subscribe("letters/#", 1);
        publisher.publish("letters/a", "awake");
        assert_eq!(sleeper.next().text(), "awake");
        drop(sleeper);
        let sleeper = connect();
        assert!(sleeper.session_present());
        sleeper.disconnect();
        for number in 0..20 {
            publisher.publish("letters/b", number.to_string());
        }
        let sleeper = connect();
        assert!(sleeper.session_present());
        let told: Vec<String> = (0..20).map(|_| sleeper.next().text()).collect();
        assert_eq!(
            told,
            (0..20)
                .map(|number: u32| number.to_string())
                .collect::<Vec<_>>()
        );
        publisher.publish("letters/c", "awake again");
        assert_eq!(sleeper.next().text(), "awake again");
        sleeper.disconnect();
        let fresh = fleet.mqtt(&name, version);
        assert!(!fresh.session_present(), "a clean session begins anew");
    }
}

#[test]
fn a_notification_waits_for_a_device_that_is_away() {
    let fleet = TestFleet::start();
    let http = fleet.http();
    http.create_things(["pump"]);
    let notify = "$aws/things/pump/jobs/notify-next";
    for version in Version::ALL {
        let job = format!("job-{version:?}");
        let name = format!("device-{version:?}");
        let connect = || fleet.connect(Connect::new(&name, version).persistent());
        let device = connect();
        device.subscribe(notify, 1);
        drop(device);
        let witness = fleet.mqtt("witness", version);
        witness.subscribe(notify, 1);
        http.create_job(&job, &["pump"], Value::Null).expect(200);
        witness.take(notify);
        let device = connect();
        assert!(device.session_present());
        assert_eq!(device.take(notify).json()["execution"]["jobId"], json!(job));
        device.accepted(
            &format!("$aws/things/pump/jobs/{job}/update"),
            &json!({ "status": "SUCCEEDED" }),
        );
        device.disconnect();
    }
}

#[test]
fn a_shared_subscription_gives_each_message_to_one_of_the_group() {
    let fleet = TestFleet::start();
    let publisher = fleet.mqtt("publisher", Version::V4);
    let workers: Vec<Mqtt> = (0..3)
        .map(|number| fleet.mqtt(&format!("worker-{number}"), Version::V5))
        .collect();
    for worker in &workers {
        assert_eq!(worker.subscribe("$share/crew/tasks/+", 1), 1);
        assert_eq!(worker.subscribe("end", 1), 1);
    }
    for number in 0..30 {
        publisher.publish(&format!("tasks/{}", number % 3), number.to_string());
    }
    let mut seen: Vec<u32> = Vec::new();
    shipslog_tests::wait::wait_for("thirty tasks", shipslog_tests::wait::BOUND, || {
        let told = workers.iter().flat_map(Mqtt::drain);
        seen.extend(told.map(|message| message.text().parse::<u32>().unwrap()));
        (seen.len() >= 30).then_some(())
    });
    publisher.publish("end", "0");
    for worker in &workers {
        assert_eq!(worker.next().topic, "end", "nothing came twice");
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..30).collect::<Vec<_>>());
}
