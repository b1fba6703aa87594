use serde_json::{Value, json};
use shipslog_domain::{Command, JobName};

use crate::limits;
use crate::testing::{Client, Received, TestEdge, connect_with};

const LIST: &str = "$aws/things/T/jobs/notify";
const NEXT: &str = "$aws/things/T/jobs/notify-next";

/// An edge with thing `T`, one client that watches, one that acts as the device.
struct Scene {
    edge: TestEdge,
    watcher: Client,
    device: Client,
}

impl Scene {
    async fn start(filters: &[(&str, u8)]) -> Self {
        let edge = TestEdge::start();
        edge.thing("T").await;
        let mut watcher = edge.connect("watcher").await;
        let granted = watcher.subscribe(filters).await;
        assert_eq!(
            granted,
            filters.iter().map(|(_, qos)| *qos).collect::<Vec<_>>()
        );
        let device = edge.connect("device").await;
        Self {
            edge,
            watcher,
            device,
        }
    }

    async fn update(&mut self, job: &str, status: &str) {
        let topic = format!("$aws/things/T/jobs/{job}/update");
        let reply = self
            .device
            .ask(&topic, &json!({"status": status}).to_string())
            .await;
        assert!(reply.topic.ends_with("/accepted"), "{}", reply.text());
    }

    /// The notifications of the last change: the list as statuses with job ids, the head as job id and status.
    async fn told(&mut self, list: Option<Value>, next: Option<Option<(&str, &str)>>) {
        self.edge.notified().await;
        let mut seen: Vec<Received> = Vec::new();
        self.watcher.send(&[0xC0, 0]).await;
        loop {
            let (first, body) = self.watcher.frame().await;
            if first == 0xD0 {
                break;
            }
            seen.push(self.watcher.publication(first, &body));
        }
        let found = seen
            .iter()
            .find(|message| message.topic == LIST)
            .map(|message| jobs(&message.json()));
        assert_eq!(found, list, "{seen:?}");
        let found = seen
            .iter()
            .find(|message| message.topic == NEXT)
            .map(|message| message.json());
        let found = found.map(|json| {
            let execution = json.get("execution").cloned();
            execution.map(|one| {
                (
                    one["jobId"].as_str().unwrap().to_owned(),
                    one["status"].as_str().unwrap().to_owned(),
                )
            })
        });
        let expected =
            next.map(|next| next.map(|(job, status)| (job.to_owned(), status.to_owned())));
        assert_eq!(found, expected, "{seen:?}");
        assert_eq!(
            seen.len(),
            usize::from(list.is_some()) + usize::from(next.is_some()),
            "each once: {seen:?}"
        );
    }
}

fn jobs(json: &Value) -> Value {
    let statuses = json["jobs"].as_object().unwrap();
    let ids = |all: &Value| {
        all.as_array()
            .unwrap()
            .iter()
            .map(|one| one["jobId"].clone())
            .collect::<Vec<_>>()
    };
    statuses
        .iter()
        .map(|(status, all)| (status.clone(), Value::from(ids(all))))
        .collect()
}

#[tokio::test]
async fn the_series_of_the_contract_row_by_row() {
    let mut scene = Scene::start(&[(LIST, 0), (NEXT, 0)]).await;
    scene.edge.job("J1", "T").await;
    scene
        .told(
            Some(json!({"QUEUED": ["J1"]})),
            Some(Some(("J1", "QUEUED"))),
        )
        .await;
    scene.edge.job("J2", "T").await;
    scene
        .told(Some(json!({"QUEUED": ["J1", "J2"]})), None)
        .await;
    scene.update("J1", "IN_PROGRESS").await;
    scene.told(None, None).await;
    scene.update("J1", "IN_PROGRESS").await;
    scene.told(None, None).await;
    scene.update("J1", "SUCCEEDED").await;
    scene
        .told(
            Some(json!({"QUEUED": ["J2"]})),
            Some(Some(("J2", "QUEUED"))),
        )
        .await;
    scene.edge.job("J3", "T").await;
    scene
        .told(Some(json!({"QUEUED": ["J2", "J3"]})), None)
        .await;
    scene.update("J3", "IN_PROGRESS").await;
    scene.told(None, Some(Some(("J3", "IN_PROGRESS")))).await;
    scene.update("J2", "REJECTED").await;
    scene.told(Some(json!({"IN_PROGRESS": ["J3"]})), None).await;
    let job = JobName::parse("J3").unwrap();
    scene
        .edge
        .submit(Command::DeleteJob {
            namespace: None,
            job,
            force: true,
        })
        .await;
    scene.told(Some(json!({})), Some(None)).await;
}

#[tokio::test]
async fn the_payloads_are_those_of_the_contract() {
    let mut scene = Scene::start(&[(LIST, 0)]).await;
    scene.watcher.subscribe(&[(NEXT, 1)]).await;
    scene.edge.job("J1", "T").await;
    let list = scene.watcher.message().await;
    assert_eq!(
        (list.topic.as_str(), list.qos, list.retain),
        (LIST, 0, false)
    );
    assert_eq!(
        list.text(),
        r#"{"timestamp":1704067200,"jobs":{"QUEUED":[{"jobId":"J1","queuedAt":1704067200,"lastUpdatedAt":1704067200,"executionNumber":1,"versionNumber":1}]}}"#
    );
    let next = scene.watcher.message().await;
    assert_eq!((next.topic.as_str(), next.qos), (NEXT, 1));
    assert_eq!(
        next.text(),
        r#"{"timestamp":1704067200,"execution":{"jobId":"J1","status":"QUEUED","queuedAt":1704067200,"lastUpdatedAt":1704067200,"versionNumber":1,"executionNumber":1,"jobDocument":{"do":"J1"}}}"#
    );
    scene.update("J1", "FAILED").await;
    assert_eq!(
        scene.watcher.message().await.text(),
        r#"{"timestamp":1704067200,"jobs":{}}"#
    );
    assert_eq!(
        scene.watcher.message().await.text(),
        r#"{"timestamp":1704067200}"#
    );
}

#[tokio::test]
async fn the_baseline_is_taken_at_the_subscription() {
    let mut scene = Scene::start(&[("$aws/things/T/jobs/get/+", 0)]).await;
    scene.edge.job("J1", "T").await;
    scene.watcher.subscribe(&[(LIST, 0), (NEXT, 0)]).await;
    scene.told(None, None).await;
    scene.edge.job("J2", "T").await;
    scene
        .told(Some(json!({"QUEUED": ["J1", "J2"]})), None)
        .await;
}

#[tokio::test]
async fn namespaces_do_not_see_each_other() {
    let named = "$aws/things/T/jobs/notify-namespace-n";
    let named_next = "$aws/things/T/jobs/notify-next-namespace-n";
    let documented = "$aws/things/T/jobs/J2/notify-namespace-n";
    let mut scene = Scene::start(&[(named, 0), (named_next, 0), (documented, 0)]).await;
    scene.edge.job("J1", "T").await;
    scene.edge.job_in("J2", "T", Some("n")).await;
    let list = scene.watcher.message().await;
    assert_eq!(
        (list.topic.as_str(), jobs(&list.json())),
        (named, json!({"QUEUED": ["J2"]}))
    );
    let list = scene.watcher.message().await;
    assert_eq!(
        (list.topic.as_str(), jobs(&list.json())),
        (documented, json!({"QUEUED": ["J2"]}))
    );
    let next = scene.watcher.message().await;
    assert_eq!(
        (next.topic.as_str(), &next.json()["execution"]["jobId"]),
        (named_next, &json!("J2"))
    );
    scene.edge.job_in("J3", "T", Some("n")).await;
    let list = scene.watcher.message().await;
    assert_eq!(
        (list.topic.as_str(), jobs(&list.json())),
        (named, json!({"QUEUED": ["J2", "J3"]}))
    );
    scene.edge.notified().await;
    scene.watcher.expect_nothing().await;
}

#[tokio::test]
async fn wildcards_of_levels_get_each_notification_once() {
    let mut scene = Scene::start(&[
        ("$aws/things/T/jobs/#", 0),
        ("$aws/things/T/jobs/+", 1),
        (NEXT, 0),
    ])
    .await;
    scene
        .edge
        .job_in("G1", "T", Some("aws-gg-deployment"))
        .await;
    scene.edge.job("J1", "T").await;
    let mut topics = Vec::new();
    for _ in 0..5 {
        let message = scene.watcher.message().await;
        topics.push((
            message.topic.replace("$aws/things/T/jobs/", ""),
            message.qos,
        ));
    }
    let expected = [
        ("notify-namespace-aws-gg-deployment", 1),
        ("G1/notify-namespace-aws-gg-deployment", 0),
        ("notify-next-namespace-aws-gg-deployment", 1),
        ("notify", 1),
        ("notify-next", 1),
    ];
    assert_eq!(topics, expected.map(|(topic, qos)| (topic.to_owned(), qos)));
    scene.edge.notified().await;
    scene.watcher.expect_nothing().await;
}

#[tokio::test]
async fn a_thing_that_comes_later_is_watched_from_its_beginning() {
    let edge = TestEdge::start();
    let mut watcher = edge.connect("watcher").await;
    watcher
        .subscribe(&[("$aws/things/later/jobs/notify-next", 0)])
        .await;
    edge.thing("other").await;
    edge.thing("later").await;
    edge.job("J1", "later").await;
    let next = watcher.message().await;
    assert_eq!(next.json()["execution"]["jobId"], "J1");
    edge.notified().await;
    watcher.expect_nothing().await;
}

#[tokio::test]
async fn every_thing_can_be_watched_and_only_by_so_many() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut watcher = edge.connect("watcher").await;
    assert_eq!(
        watcher
            .subscribe(&[
                ("$aws/things/+/jobs/notify", 0),
                ("$aws/+/+/jobs/notify-next", 0)
            ])
            .await,
        [0, 0]
    );
    edge.job("J1", "T").await;
    assert_eq!(watcher.message().await.topic, LIST);
    assert_eq!(watcher.message().await.topic, NEXT);
    edge.thing("U").await;
    edge.job("J2", "U").await;
    assert_eq!(watcher.message().await.topic, "$aws/things/U/jobs/notify");
    let mut others = Vec::new();
    for number in 0..limits::WILDCARD_WATCHERS_MAX - 2 {
        let mut other = edge.connect(&format!("c{number}")).await;
        assert_eq!(other.subscribe(&[("$aws/things/#", 0)]).await, [0]);
        others.push(other);
    }
    let mut last = edge.connect("last").await;
    let granted = last
        .subscribe(&[("$aws/things/+/jobs/notify", 0), (LIST, 1)])
        .await;
    assert_eq!(
        granted,
        [0x80, 1],
        "only the filter of one thing is granted"
    );
    drop(others);
    edge.wait_for("device_connections_ended_total", "closed", 60)
        .await;
    assert_eq!(
        last.subscribe(&[("$aws/things/+/jobs/notify", 0)]).await,
        [0]
    );
}

#[tokio::test]
async fn a_client_that_is_away_gets_qos_1_notifications_later() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let persistent = connect_with(4, "device", 0, 60, &[], b"");
    let mut device = edge.open();
    device.send(&persistent).await;
    assert_eq!(device.frame().await, (0x20, vec![0, 0]));
    device.subscribe(&[(LIST, 0), (NEXT, 1)]).await;
    drop(device);
    edge.wait_for("device_connections_ended_total", "closed", 1)
        .await;
    edge.job("J1", "T").await;
    edge.wait_for("device_notifications_total", "notify_next", 1)
        .await;
    let mut device = edge.open();
    device.send(&persistent).await;
    assert_eq!(
        device.frame().await,
        (0x20, vec![1, 0]),
        "the session is present"
    );
    let (first, body) = device.frame().await;
    let next = device.publication(first, &body);
    assert_eq!(
        (next.topic.as_str(), next.qos, next.duplicate),
        (NEXT, 1, false)
    );
    // Not acknowledged: it comes again, as a repetition.
    drop(device);
    edge.wait_for("device_connections_ended_total", "closed", 2)
        .await;
    let mut device = edge.open();
    device.send(&persistent).await;
    device.frame().await;
    let again = device.message().await;
    assert_eq!(
        (again.topic, again.payload, again.id, again.duplicate),
        (next.topic, next.payload, next.id, true)
    );
    // The watch outlived the connection.
    edge.job("J2", "T").await;
    assert_eq!(device.message().await.topic, LIST);
    edge.notified().await;
    device.expect_nothing().await;
}

#[tokio::test]
async fn nothing_is_kept_for_clients_that_are_gone() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut clients = Vec::new();
    for (number, filter) in [LIST, "$aws/things/later/jobs/#", "$aws/things/+/jobs/#"]
        .iter()
        .enumerate()
    {
        let mut client = edge.connect(&format!("c{number}")).await;
        client.subscribe(&[(filter, 0)]).await;
        clients.push(client);
    }
    let mut last = edge.connect("last").await;
    last.subscribe(&[(NEXT, 0)]).await;
    last.send(&crate::testing::unsubscribe(4, 3, &[NEXT, LIST]))
        .await;
    assert_eq!(last.frame().await, (0xB0, vec![0, 3]));
    edge.job("J1", "T").await;
    edge.notified().await;
    last.expect_nothing().await;
}

#[tokio::test]
async fn progress_changes_the_head_only_if_it_is_not_that_of_the_first() {
    let mut scene = Scene::start(&[(LIST, 0), (NEXT, 0)]).await;
    scene.edge.job("J1", "T").await;
    scene
        .told(
            Some(json!({"QUEUED": ["J1"]})),
            Some(Some(("J1", "QUEUED"))),
        )
        .await;
    scene.edge.job("J2", "T").await;
    scene
        .told(Some(json!({"QUEUED": ["J1", "J2"]})), None)
        .await;
    scene.edge.job("J3", "T").await;
    scene
        .told(Some(json!({"QUEUED": ["J1", "J2", "J3"]})), None)
        .await;
    scene.update("J1", "IN_PROGRESS").await;
    scene.told(None, None).await;
    // Another begins: it stays behind the first.
    scene.update("J2", "IN_PROGRESS").await;
    scene.told(None, None).await;
    scene.update("J1", "SUCCEEDED").await;
    scene
        .told(
            Some(json!({"IN_PROGRESS": ["J2"], "QUEUED": ["J3"]})),
            Some(Some(("J2", "IN_PROGRESS"))),
        )
        .await;
    scene.update("J3", "IN_PROGRESS").await;
    scene.told(None, None).await;
    scene.update("J2", "SUCCEEDED").await;
    scene
        .told(
            Some(json!({"IN_PROGRESS": ["J3"]})),
            Some(Some(("J3", "IN_PROGRESS"))),
        )
        .await;
}
