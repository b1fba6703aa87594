use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_secs(10);

fn listed(ready: &Ready) -> Vec<u32> {
    let mut taken = Vec::new();
    ready.take(&mut taken);
    taken
}

fn new() -> (Arc<Ready>, DeviceEnd, ServiceEnd) {
    let ready = Arc::new(Ready::default());
    let (device, service) = pipe(&ready, 5);
    (ready, device, service)
}

#[tokio::test]
async fn bytes_go_both_ways_and_a_device_is_listed_once() {
    let (ready, device, mut service) = new();
    service.write_all(b"wel").await.expect("open");
    service.write_all(b"come").await.expect("open");
    assert_eq!(listed(&ready), [5]);
    let arrived = device.take();
    assert_eq!(
        (arrived.bytes.as_slice(), arrived.ended),
        (&b"welcome"[..], false)
    );
    device.put_back(b"me".to_vec());
    service.write_all(b"!").await.expect("open");
    assert_eq!(listed(&ready), [5]);
    assert_eq!(device.take().bytes, b"me!");

    let reading = tokio::spawn(async move {
        let mut small = [0; 4];
        let mut heard = Vec::new();
        loop {
            match service.read(&mut small).await.expect("open") {
                0 => return heard,
                count => heard.extend_from_slice(&small[..count]),
            }
        }
    });
    device.send(b"good").expect("room");
    tokio::task::yield_now().await;
    device.send(b" morning").expect("room");
    drop(device);
    let heard = timeout(SOON, reading)
        .await
        .expect("it ends")
        .expect("no panic");
    assert_eq!(heard, b"good morning");
}

#[tokio::test]
async fn an_end_is_told_to_the_other_side() {
    let (ready, device, mut service) = new();
    service.write_all(b"bye").await.expect("open");
    service.shutdown().await.expect("open");
    drop(service);
    assert_eq!(listed(&ready), [5]);
    let arrived = device.take();
    assert_eq!(
        (arrived.bytes.as_slice(), arrived.ended),
        (&b"bye"[..], true)
    );

    let (ready, device, mut service) = new();
    drop(device);
    assert!(listed(&ready).is_empty());
    let refused = service.write_all(b"anybody?").await;
    assert_eq!(
        refused.map_err(|error| error.kind()),
        Err(io::ErrorKind::BrokenPipe)
    );
}

#[tokio::test]
async fn what_is_not_read_is_bounded_both_ways() {
    let (_ready, device, mut service) = new();
    let writing = tokio::spawn(async move {
        let all = vec![1; PIPE_BYTES_MAX + 10];
        service.write_all(&all).await.expect("open");
        service
    });
    let mut came = 0;
    while came < PIPE_BYTES_MAX + 10 {
        let count = device.take().bytes.len();
        assert!(count <= PIPE_BYTES_MAX);
        came += count;
        tokio::task::yield_now().await;
    }
    let service = timeout(SOON, writing)
        .await
        .expect("room")
        .expect("no panic");

    device.send(&vec![1; PIPE_BYTES_MAX]).expect("room");
    assert_eq!(device.send(b"1"), Err(Unread));
    drop(service);
}

#[tokio::test]
async fn an_idle_pipe_holds_no_buffer() {
    let (_ready, device, mut service) = new();
    service.write_all(b"some").await.expect("open");
    device.send(b"some").expect("room");
    drop(device.take());
    let mut heard = [0; 4];
    service.read_exact(&mut heard).await.expect("open");
    let state = device.0.lock();
    assert_eq!(
        (state.to_device.capacity(), state.to_service.capacity()),
        (0, 0)
    );
}
