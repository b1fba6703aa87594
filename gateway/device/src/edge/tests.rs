//! Sessions over time: take-over, expiry, backpressure, shutdown.

use std::time::Duration;

use tokio::time::timeout;

use crate::testing::{Client, PATIENCE, TestEdge, connect, connect_with, packet, publish};
use crate::{Settings, limits};

#[tokio::test]
async fn a_second_connection_takes_the_session_over() {
    let edge = TestEdge::start();
    let mut first = edge.connect_v5("device").await;
    let mut second = edge.connect("device").await;
    first.expect_disconnect(0x8E).await;
    let mut third = edge.connect_v5("device").await;
    second.expect_end().await;
    third.expect_nothing().await;
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_connections_ended_total", "session_taken_over"),
        2
    );
    // A session that is kept goes from one connection to the other with its filters.
    let kept = connect_with(4, "kept", 0, 60, &[], b"");
    let mut first = edge.open();
    first.send(&kept).await;
    assert_eq!(first.frame().await, (0x20, vec![0, 0]));
    first.subscribe(&[("$aws/things/T/jobs/notify", 0)]).await;
    let mut second = edge.open();
    second.send(&kept).await;
    assert_eq!(second.frame().await, (0x20, vec![1, 0]));
    first.expect_end().await;
    edge.thing("T").await;
    edge.job("J", "T").await;
    assert_eq!(second.message().await.topic, "$aws/things/T/jobs/notify");
    // A clean start gives it up.
    let mut clean = edge.connect("kept").await;
    second.expect_end().await;
    edge.job("J2", "T").await;
    edge.notified().await;
    clean.expect_nothing().await;
}

#[tokio::test]
async fn ten_newcomers_at_once_leave_one_connection() {
    let edge = TestEdge::start();
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = edge.open();
        client
            .send(&connect_with(4, "device", 0, 60, &[], b""))
            .await;
        clients.push(client);
    }
    edge.wait_for("device_connections_ended_total", "session_taken_over", 9)
        .await;
    assert_eq!(edge.edge.metrics().value("device_connections", ""), 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_dropped_after_one_and_a_half_keep_alives() {
    let edge = TestEdge::start();
    let mut client = edge.open();
    client.version = 5;
    client.send(&connect_with(5, "c", 2, 10, &[], b"")).await;
    client.frame().await;
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(14)).await;
        client.expect_nothing().await;
    }
    tokio::time::advance(Duration::from_secs(16)).await;
    client.expect_disconnect(0x8D).await;
    let mut patient = edge.open();
    patient.send(&connect_with(4, "p", 2, 0, &[], b"")).await;
    patient.frame().await;
    tokio::time::advance(Duration::from_secs(100_000)).await;
    patient.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_are_kept_for_a_bounded_time() {
    let edge = TestEdge::start();
    let kept = |seconds: u8| connect_with(5, "c", 0, 60, &[17, 0, 0, 0, seconds], b"");
    for (away, present) in [(8, 1), (11, 0)] {
        let mut client = edge.open();
        client.send(&kept(10)).await;
        client.frame().await;
        drop(client);
        tokio::time::sleep(Duration::from_secs(away)).await;
        let mut client = edge.open();
        client.send(&kept(10)).await;
        assert_eq!(client.frame().await.1[0], present, "after {away} s");
        client.send(&[0xE0, 0]).await;
        client.expect_end().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    // A session of MQTT 5 ends with its connection unless the client asked otherwise.
    edge.connect_v5("d").await.send(&[0xE0, 0]).await;
    let mut again = edge.open();
    again.send(&connect_with(5, "d", 0, 60, &[], b"")).await;
    assert_eq!(again.frame().await.1[0], 0);
    // What is asked for is bounded, and the client is told.
    let mut greedy = edge.open();
    greedy
        .send(&connect_with(5, "g", 0, 60, &[17, 255, 255, 255, 255], b""))
        .await;
    let (_, body) = greedy.frame().await;
    let granted = u32::try_from(limits::SESSION_EXPIRY_MAX.as_secs())
        .unwrap()
        .to_be_bytes();
    assert!(
        body.windows(5)
            .any(|five| five[0] == 17 && five[1..] == granted)
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut slow = edge.open_pipe(256);
    slow.send(&connect("slow")).await;
    slow.frame().await;
    slow.subscribe(&[("$aws/things/T/jobs/notify", 0)]).await;
    let mut fast = edge.connect("fast").await;
    fast.subscribe(&[("$aws/things/T/jobs/notify", 0)]).await;
    let mut count = 0;
    while edge
        .edge
        .metrics()
        .value("device_connections_ended_total", "outbox_full")
        == 0
    {
        count += 1;
        assert!(count < 5_000, "the outbox is bounded");
        edge.job(
            &format!("a-job-with-a-rather-long-name-to-fill-the-list-{count}"),
            "T",
        )
        .await;
        assert_eq!(fast.message().await.topic, "$aws/things/T/jobs/notify");
    }
    assert!(count > 50, "a client may leave some unread: {count}");
    fast.expect_nothing().await;
}

#[tokio::test]
async fn a_client_that_does_not_acknowledge_is_cut_off() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut mute = edge.connect("mute").await;
    mute.subscribe(&[("$aws/things/T/jobs/notify", 1)]).await;
    let mut seen = 0;
    for count in 0..5_000 {
        edge.job(
            &format!("a-job-with-a-rather-long-name-to-fill-the-list-{count}"),
            "T",
        )
        .await;
        if seen < limits::UNACKNOWLEDGED_MAX {
            assert_eq!(mute.frame().await.0, 0x32);
            seen += 1;
        }
        if edge
            .edge
            .metrics()
            .value("device_connections_ended_total", "outbox_full")
            > 0
        {
            break;
        }
    }
    mute.expect_end().await;
    assert_eq!(seen, limits::UNACKNOWLEDGED_MAX);
}

#[tokio::test]
async fn the_window_of_the_client_is_kept() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut client = edge.open();
    client.version = 5;
    client
        .send(&connect_with(5, "c", 2, 60, &[33, 0, 2], b""))
        .await;
    client.frame().await;
    client.subscribe(&[("$aws/things/T/jobs/get/+", 1)]).await;
    for _ in 0..5 {
        client.publish("$aws/things/T/jobs/get", b"").await;
    }
    let (first, body) = client.frame().await;
    let one = client.publication(first, &body);
    client.frame().await;
    client.expect_nothing().await;
    client.send(&packet(0x40, &one.id.to_be_bytes())).await;
    let (first, _) = client.frame().await;
    assert_eq!(first, 0x32);
    client.expect_nothing().await;
}

#[tokio::test]
async fn packets_that_the_client_could_not_take_are_not_sent() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut client = edge.open();
    client.version = 5;
    client
        .send(&connect_with(5, "c", 2, 60, &[39, 0, 0, 0, 64], b""))
        .await;
    client.frame().await;
    client.publish("$aws/things/T/jobs/get", b"").await;
    client.expect_nothing().await;
}

#[tokio::test]
async fn shutdown_answers_what_is_in_hand_and_tells_every_client() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut new = edge.connect_v5("new").await;
    let mut old = edge.connect("old").await;
    let mut half = edge.open();
    half.send(&connect("half")[..4]).await;
    new.send(&publish(
        5,
        0x32,
        "$aws/things/T/jobs/start-next",
        7,
        &[],
        b"",
    ))
    .await;
    assert_eq!(new.frame().await, (0x40, vec![0, 7]));
    let (first, _) = new.frame().await;
    assert_eq!(first, 0x32);
    let began = tokio::time::Instant::now();
    timeout(PATIENCE, edge.edge.shutdown()).await.unwrap();
    assert!(
        began.elapsed() < limits::SHUTDOWN_TIME_MAX,
        "nobody had to be waited for"
    );
    new.expect_disconnect(0x8B).await;
    old.expect_end().await;
    half.expect_end().await;
    edge.open().expect_end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sessions_in_one_process() {
    const SESSIONS: usize = 10_000;
    let edge = TestEdge::start();
    let mut clients: Vec<Client> = Vec::with_capacity(SESSIONS);
    for number in 0..SESSIONS {
        let mut client = edge.open_pipe(512);
        client.send(&connect(&format!("dev{number}"))).await;
        clients.push(client);
    }
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.frame().await, (0x20, vec![0, 0]));
        let filters = [format!("$aws/things/dev{number}/jobs/notify-next")];
        assert_eq!(client.subscribe(&[(&filters[0], 1)]).await, [1]);
    }
    edge.thing("dev77").await;
    edge.job("J", "dev77").await;
    assert_eq!(
        clients[77].message().await.topic,
        "$aws/things/dev77/jobs/notify-next"
    );
    assert_eq!(
        edge.edge.metrics().value("device_connections", ""),
        SESSIONS as u64
    );
    for client in &mut clients {
        client.expect_nothing().await;
    }
    drop(clients);
    edge.wait_for("device_connections_ended_total", "closed", SESSIONS as u64)
        .await;
}

#[tokio::test]
async fn a_task_that_is_aborted_lets_its_session_go() {
    let edge = TestEdge::start();
    let kept = connect_with(4, "device", 0, 60, &[], b"");
    let (mut ours, theirs) = tokio::io::duplex(1_024);
    let serving = edge.edge.clone();
    let task = tokio::spawn(async move { serving.serve_stream(theirs).await });
    tokio::io::AsyncWriteExt::write_all(&mut ours, &kept)
        .await
        .unwrap();
    edge.wait_for("device_connects_total", "", 1).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let mut client = edge.open();
    client.send(&kept).await;
    assert_eq!(client.frame().await, (0x20, vec![1, 0]));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_nothing_is_not_read_and_ends_in_time() {
    let edge = TestEdge::start();
    let mut client = edge.open_pipe(1_024);
    client.send(&connect_with(4, "stuck", 2, 0, &[], b"")).await;
    client.frame().await;
    let pings = [0xC0, 0].repeat(256);
    let mut sent = 0;
    let writing = async {
        loop {
            tokio::io::AsyncWriteExt::write_all(&mut client.stream, &pings)
                .await
                .unwrap();
            sent += pings.len();
        }
    };
    assert!(
        timeout(Duration::from_secs(1), writing).await.is_err(),
        "the edge stops reading"
    );
    let most = limits::UNWRITTEN_BYTES_PAUSE + limits::READ_BYTES + 4 * 1_024;
    assert!(
        (limits::UNWRITTEN_BYTES_PAUSE..most).contains(&sent),
        "{sent}"
    );
    assert_eq!(edge.edge.metrics().value("device_connections", ""), 1);
    tokio::time::sleep(limits::WRITE_STALL_MAX).await;
    assert_eq!(
        edge.edge
            .metrics()
            .value("device_connections_ended_total", "write_stalled"),
        1
    );
}

#[tokio::test]
async fn a_flood_from_one_client_delays_nobody_beyond_its_share() {
    const FLOOD: usize = 5_000;
    let edge = TestEdge::start();
    edge.thing("T").await;
    let flooder = edge.connect("flooder").await;
    let mut other = edge.connect("other").await;
    let request = publish(4, 0x30, "$aws/things/T/jobs/get", 0, &[], b"");
    let flood = request.repeat(FLOOD);
    let flooding = tokio::spawn(async move {
        let (mut reads, mut writes) = tokio::io::split(flooder.stream);
        let writing = tokio::spawn(async move {
            tokio::io::AsyncWriteExt::write_all(&mut writes, &flood)
                .await
                .unwrap();
            writes
        });
        let mut drained = vec![0; 64 * 1_024];
        while !writing.is_finished() {
            tokio::io::AsyncReadExt::read(&mut reads, &mut drained)
                .await
                .unwrap();
        }
    });
    for _ in 0..20 {
        other.ask("$aws/things/T/jobs/get", "").await;
    }
    let answered = edge.edge.metrics().value("device_requests_total", "get");
    assert!(
        answered < FLOOD as u64,
        "the other client was served among {answered}"
    );
    timeout(PATIENCE, flooding).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_service_throttles() {
    let edge = TestEdge::start();
    edge.thing("T").await;
    let mut client = edge.connect("client").await;
    let held = hold_writer(&edge).await;
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..shipslog_gateway_core::limits::QUEUE_MAX {
        let app = edge.app.clone();
        waiting.spawn(async move { app.read(|_| ()).await });
    }
    let throttled = loop {
        // Answered at once as soon as the queue is full; what was asked before waits with the others.
        let mut probe = edge.connect("probe").await;
        probe
            .publish("$aws/things/T/jobs/get", br#"{"clientToken":"t"}"#)
            .await;
        match timeout(Duration::from_millis(100), probe.message()).await {
            Ok(reply) => break reply,
            Err(_) => continue,
        }
    };
    assert_eq!(throttled.topic, "$aws/things/T/jobs/get/rejected");
    let json = throttled.json();
    assert_eq!(
        (&json["code"], &json["clientToken"]),
        (&"RequestThrottled".into(), &"t".into())
    );
    drop(held);
    waiting.join_all().await;
    assert!(
        client
            .ask("$aws/things/T/jobs/get", "")
            .await
            .topic
            .ends_with("accepted")
    );
}

/// Keeps the writer busy until it is dropped.
struct Held {
    _release: std::sync::mpsc::Sender<()>,
}

async fn hold_writer(edge: &TestEdge) -> Held {
    let (began, begun) = tokio::sync::oneshot::channel();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let app = edge.app.clone();
    tokio::spawn(async move {
        app.read(move |_| {
            began.send(()).unwrap();
            released.recv().unwrap_err();
        })
        .await
    });
    begun.await.unwrap();
    Held { _release: release }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_for_which_the_writer_has_no_place_wait_in_line() {
    const CLIENTS: u64 = 50;
    const PIPELINED: usize = 20;
    let edge = TestEdge::with(Settings {
        requests_at_writer_max: 4,
        ..Settings::default()
    });
    edge.thing("T").await;
    let held = hold_writer(&edge).await;
    let request = publish(4, 0x30, "$aws/things/T/jobs/get", 0, &[], b"");
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = edge.connect(&format!("c{number}")).await;
        client.send(&request.repeat(PIPELINED)).await;
        clients.push(client);
    }
    // Of each client one request is in hand, and the rest unread.
    let metrics = edge.edge.metrics();
    edge.wait_for("device_requests_waiting", "", CLIENTS - 4)
        .await;
    assert_eq!(metrics.requests_in_hand(), CLIENTS);
    drop(held);
    for client in &mut clients {
        for _ in 0..PIPELINED {
            assert!(client.message().await.topic.ends_with("/get/accepted"));
        }
    }
    assert_eq!(metrics.value("device_requests_waiting", ""), 0);
    assert_eq!(metrics.value("device_requests_total", "throttled"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_line_that_does_not_move_throttles() {
    let edge = TestEdge::with(Settings {
        requests_at_writer_max: 1,
        ..Settings::default()
    });
    let held = hold_writer(&edge).await;
    let mut first = edge.connect("first").await;
    first.publish("$aws/things/T/jobs/get", b"{}").await;
    edge.wait_for("device_requests_in_hand", "", 1).await;
    let mut second = edge.connect("second").await;
    let began = tokio::time::Instant::now();
    second
        .publish("$aws/things/T/jobs/get", br#"{"clientToken":"t"}"#)
        .await;
    let reply = second.message().await;
    let waited = began.elapsed();
    assert!(waited >= limits::ADMISSION_TIME_MAX, "{waited:?}");
    assert_eq!(reply.topic, "$aws/things/T/jobs/get/rejected");
    assert_eq!(reply.json()["code"], "RequestThrottled");
    assert_eq!(
        edge.edge.metrics().value("device_requests_waiting", ""),
        0,
        "it left the line"
    );
    drop(held);
}
