use super::*;
use crate::codec::{Connect, Version};
use crate::session::Directory;

async fn session(directory: &Directory, name: &str) -> Arc<Session> {
    let connect = Connect {
        version: Version::V4,
        client_id: name.into(),
        clean: true,
        keep_alive_seconds: 0,
        session_expiry: None,
        receive_maximum: 1,
        packet_max: u32::MAX,
        will: None,
    };
    directory.claim(name, &connect, None).await.unwrap().session
}

fn filter(path: &str) -> Vec<WatchFilter> {
    vec![WatchFilter::new(path, Qos::AtMostOnce, None)]
}

#[tokio::test]
async fn nothing_is_left_of_sessions_that_ended() {
    let directory = Directory::default();
    let mut registry = Registry::default();
    let one = session(&directory, "one").await;
    let two = session(&directory, "two").await;
    let notify = filter("$aws/things/T/jobs/notify");
    registry.watch(
        &one,
        "T",
        Some(ThingId(7)),
        notify.clone(),
        (Vec::new(), None),
    );
    registry.watch(
        &two,
        "T",
        Some(ThingId(7)),
        notify.clone(),
        (Vec::new(), None),
    );
    registry.watch(&one, "later", None, notify.clone(), (Vec::new(), None));
    registry.watch(&two, "later", None, notify.clone(), (Vec::new(), None));
    registry.watch(&two, "never", None, notify.clone(), (Vec::new(), None));
    assert!(registry.watch_all(&two, filter("$aws/things/+/jobs/notify")));
    assert_eq!(registry.sessions(ThingId(7)).count(), 2);
    registry.resolve("later", ThingId(0));
    assert_eq!(registry.sessions(ThingId(0)).count(), 2);
    // Replacing filters adds nothing; removing them leaves.
    registry.watch(&one, "T", Some(ThingId(7)), notify, (Vec::new(), None));
    registry.watch(&one, "T", Some(ThingId(7)), Vec::new(), (Vec::new(), None));
    assert_eq!(registry.sessions(ThingId(7)).count(), 1);
    registry.forget(one.number);
    assert!(registry.is_watched(ThingId(0)) && registry.has_wildcards());
    registry.forget(two.number);
    assert!(registry.is_empty(), "{registry:?}");
}

#[tokio::test]
async fn a_name_that_got_its_thing_before_its_event_was_seen_is_one_watch() {
    let directory = Directory::default();
    let mut registry = Registry::default();
    let one = session(&directory, "one").await;
    let two = session(&directory, "two").await;
    let notify = filter("$aws/things/T/jobs/notify");
    registry.watch(&one, "T", None, notify.clone(), (Vec::new(), None));
    registry.watch(&two, "T", Some(ThingId(3)), notify, (Vec::new(), None));
    registry.resolve("T", ThingId(3));
    assert_eq!(registry.sessions(ThingId(3)).count(), 2);
}

#[tokio::test]
async fn the_head_is_not_at_stake_when_its_own_execution_makes_progress() {
    let directory = Directory::default();
    let mut registry = Registry::default();
    let one = session(&directory, "one").await;
    let notify = filter("$aws/things/T/jobs/notify");
    registry.watch(
        &one,
        "T",
        Some(ThingId(7)),
        notify,
        (vec![Known::led_by(JobId(1))], None),
    );
    assert!(!registry.is_head_at_stake(ThingId(7), JobId(1)));
    assert!(registry.is_head_at_stake(ThingId(7), JobId(2)));
    assert!(
        !registry.is_head_at_stake(ThingId(8), JobId(2)),
        "nobody watches"
    );
}

#[test]
fn a_filter_says_what_it_can_match() {
    let rows = [
        ("$aws/things/T/jobs/notify", true, false, Namespaces::Plain),
        (
            "$aws/things/T/jobs/notify-next",
            false,
            true,
            Namespaces::Plain,
        ),
        (
            "$aws/things/T/jobs/notify-namespace-n",
            true,
            false,
            Namespaces::Named("n"),
        ),
        (
            "$aws/things/T/jobs/notify-next-namespace-n",
            false,
            true,
            Namespaces::Named("n"),
        ),
        (
            "$aws/things/T/jobs/J/notify-namespace-n",
            true,
            false,
            Namespaces::Named("n"),
        ),
        ("$aws/things/T/jobs/+", true, true, Namespaces::All),
        ("$aws/things/T/#", true, true, Namespaces::All),
    ];
    for (path, list, head, namespace) in rows {
        let filter = WatchFilter::new(path, Qos::AtMostOnce, None);
        assert_eq!(filter.which(), Which { list, head }, "{path}");
        assert_eq!(filter.namespace(), namespace, "{path}");
    }
}
