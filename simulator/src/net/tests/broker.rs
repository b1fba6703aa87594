//! A broker for tests: the jobs service of the contract for one namespace and the plain topics, in memory, with
//! faults on demand. It knows nothing of the device model; it reads and writes packets only.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::mqtt::{self, Packet};

const NS: &str = "namespace-aws-gg-deployment";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    LoseEveryThirdAnswer,
    CutAtEverySeventhUpdate,
    SmallPieces,
    RefuseWelcome,
}

struct Run {
    job: String,
    status: String,
    version: u64,
    details: Value,
}

#[derive(Default)]
struct Thing {
    runs: Vec<Run>,
    filters: Vec<String>,
    connection: Option<mpsc::UnboundedSender<Option<Vec<u8>>>>,
}

#[derive(Default)]
struct State {
    things: BTreeMap<String, Thing>,
    answers: u64,
    updates: u64,
    goodbyes: u64,
}

pub(crate) struct Broker {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    goodbye: Arc<Condvar>,
    fault: Fault,
    runtime: tokio::runtime::Runtime,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state
        .lock()
        .expect("no task panics while it holds the state")
}

impl Broker {
    pub(crate) fn start(fault: Fault) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(Mutex::new(State::default()));
        let goodbye = Arc::new(Condvar::new());
        let (shared, said) = (Arc::clone(&state), Arc::clone(&goodbye));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&shared), Arc::clone(&said), fault));
            }
        });
        Self {
            address,
            state,
            goodbye,
            fault,
            runtime,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves a stream that is no socket.
    pub(crate) fn serve(&self, stream: impl AsyncRead + AsyncWrite + Send + 'static) {
        let (state, goodbye) = (Arc::clone(&self.state), Arc::clone(&self.goodbye));
        self.runtime
            .spawn(serve(stream, state, goodbye, self.fault));
    }

    /// Queues a job for every thing and tells those that are connected.
    pub(crate) fn deploy(&self, job: &str) {
        let mut state = lock(&self.state);
        for (name, thing) in &mut state.things {
            thing.runs.push(Run {
                job: job.into(),
                status: "QUEUED".into(),
                version: 1,
                details: Value::Null,
            });
            notify(name, thing);
        }
    }

    pub(crate) fn statuses(&self, job: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for run in lock(&self.state)
            .things
            .values()
            .flat_map(|thing| &thing.runs)
        {
            if run.job == job {
                *counts.entry(run.status.clone()).or_default() += 1;
            }
        }
        counts
    }

    fn details(&self, key: &str) -> Vec<String> {
        let state = lock(&self.state);
        let runs = state.things.values().flat_map(|thing| &thing.runs);
        runs.filter_map(|run| run.details.get(key)?.as_str().map(String::from))
            .collect()
    }

    pub(crate) fn reasons(&self) -> BTreeMap<Box<str>, u64> {
        let mut counts = BTreeMap::new();
        for reason in self.details("deployment-failure-cause") {
            *counts.entry(reason.into()).or_default() += 1;
        }
        counts
    }

    pub(crate) fn download_times(&self) -> Vec<u64> {
        let mut times: Vec<u64> = self
            .details("downloadTime")
            .iter()
            .map(|time| time.parse().expect("milliseconds"))
            .collect();
        times.sort_unstable();
        times
    }

    /// Waits until this many devices have said goodbye.
    pub(crate) fn wait_for_goodbyes(&self, count: u64) {
        let state = lock(&self.state);
        let (state, waited) = self
            .goodbye
            .wait_timeout_while(state, Duration::from_secs(10), |state| {
                state.goodbyes < count
            })
            .expect("no task panics while it holds the state");
        assert!(
            !waited.timed_out(),
            "{} of {count} said goodbye",
            state.goodbyes
        );
    }
}

fn pending(thing: &Thing) -> impl Iterator<Item = &Run> {
    thing
        .runs
        .iter()
        .filter(|run| ["QUEUED", "IN_PROGRESS"].contains(&run.status.as_str()))
}

fn execution(name: &str, run: &Run) -> Value {
    json!({"jobId": run.job, "thingName": name, "status": run.status, "queuedAt": 1, "lastUpdatedAt": 1,
        "versionNumber": run.version, "executionNumber": 1,
        "jobDocument": {"deploymentId": run.job, "components": {"com.example.Agent": {"version": "1.0.0"}}}})
}

fn publish(topic: &str, payload: &Value, id: Option<u16>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let payload = payload.to_string();
    let packet = Packet::Publish {
        topic,
        payload: payload.as_bytes(),
        id,
        dup: false,
    };
    mqtt::encode(&packet, &mut bytes);
    bytes
}

fn notify(name: &str, thing: &Thing) {
    let Some(connection) = &thing.connection else {
        return;
    };
    let head = pending(thing).next();
    let mut next = json!({"timestamp": 1});
    let mut list = json!({"timestamp": 1, "jobs": {}});
    if let Some(run) = head {
        next["execution"] = execution(name, run);
        list["jobs"][&run.status] = json!([{"jobId": run.job}]);
    }
    for filter in &thing.filters {
        let payload = if filter.contains("notify-next") {
            &next
        } else {
            &list
        };
        drop(connection.send(Some(publish(filter, payload, Some(77)))));
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    state: Arc<Mutex<State>>,
    goodbye: Arc<Condvar>,
    fault: Fault,
) {
    let (mut read, mut write) = tokio::io::split(stream);
    let (sender, mut outbox) = mpsc::unbounded_channel::<Option<Vec<u8>>>();
    tokio::spawn(async move {
        while let Some(Some(bytes)) = outbox.recv().await {
            let piece = if fault == Fault::SmallPieces {
                97
            } else {
                usize::MAX
            };
            for part in bytes.chunks(piece) {
                if write.write_all(part).await.is_err() {
                    return;
                }
                if fault == Fault::SmallPieces {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    let mut name = String::new();
    let mut bytes = Vec::new();
    loop {
        let mut used = 0;
        while let Some((packet, length)) = mqtt::decode(&bytes[used..]).expect("devices speak MQTT")
        {
            used += length;
            if !handle(&packet, &mut name, &sender, &mut lock(&state), fault) {
                goodbye.notify_all();
                drop(sender.send(None));
                return;
            }
        }
        bytes.drain(..used);
        if matches!(read.read_buf(&mut bytes).await, Ok(0) | Err(_)) {
            return;
        }
    }
}

/// Handles one packet; `false`: the connection ends here.
fn handle(
    packet: &Packet<'_>,
    name: &mut String,
    sender: &mpsc::UnboundedSender<Option<Vec<u8>>>,
    state: &mut State,
    fault: Fault,
) -> bool {
    let send = |packet: &Packet<'_>| {
        let mut bytes = Vec::new();
        mqtt::encode(packet, &mut bytes);
        drop(sender.send(Some(bytes)));
    };
    match packet {
        Packet::Connect { client_id, .. } => {
            let code = if fault == Fault::RefuseWelcome { 5 } else { 0 };
            send(&Packet::Connack {
                session_present: false,
                code,
            });
            *name = (*client_id).into();
            let thing = state.things.entry(name.clone()).or_default();
            thing.filters.clear();
            thing.connection = Some(sender.clone());
            code == 0
        }
        Packet::Subscribe { id, filters } => {
            let thing = state.things.get_mut(name).expect("connected first");
            thing.filters = filters
                .iter()
                .map(|(filter, _)| String::from(*filter))
                .collect();
            let codes = vec![1; filters.len()];
            send(&Packet::Suback {
                id: *id,
                codes: &codes,
            });
            true
        }
        Packet::Publish {
            topic, payload, id, ..
        } => {
            if let Some(id) = id {
                send(&Packet::Puback { id: *id });
            }
            requested(name, topic, payload, sender, state, fault)
        }
        Packet::Pingreq => {
            send(&Packet::Pingresp);
            true
        }
        Packet::Puback { .. } => true,
        Packet::Disconnect => {
            state.goodbyes += 1;
            false
        }
        Packet::Connack { .. } | Packet::Suback { .. } | Packet::Pingresp => {
            panic!("{name} sent {packet:?}")
        }
    }
}

/// A request of a device; `false`: the connection ends here.
fn requested(
    name: &str,
    topic: &str,
    payload: &[u8],
    sender: &mpsc::UnboundedSender<Option<Vec<u8>>>,
    state: &mut State,
    fault: Fault,
) -> bool {
    let body: Value = serde_json::from_slice(payload).expect("devices send JSON");
    let own = format!("$aws/things/{name}/");
    let request = topic
        .strip_prefix(&own)
        .expect("devices speak of themselves");
    if request.ends_with("/update") {
        state.updates += 1;
        if fault == Fault::CutAtEverySeventhUpdate && state.updates.is_multiple_of(7) {
            // Half of the cuts come before the update has an effect, half after it.
            if state.updates.is_multiple_of(2) {
                let _lost = answer(name, request, &body, state);
            }
            return false;
        }
    }
    let Some((outcome, mut reply)) = answer(name, request, &body, state) else {
        return true;
    };
    reply["clientToken"] = body["clientToken"].clone();
    reply["timestamp"] = json!(1);
    state.answers += 1;
    if fault != Fault::LoseEveryThirdAnswer || !state.answers.is_multiple_of(3) {
        let bytes = publish(&format!("{topic}/{outcome}"), &reply, None);
        drop(sender.send(Some(bytes)));
    }
    true
}

/// The jobs service: the answer to a request, after its effect. `None` where there is none.
fn answer(
    name: &str,
    request: &str,
    body: &Value,
    state: &mut State,
) -> Option<(&'static str, Value)> {
    let thing = state.things.get_mut(name)?;
    if request == "greengrassv2/health/json" {
        assert_eq!(body["overallDeviceStatus"], "HEALTHY");
        return None;
    }
    if request == format!("jobs/$next/{NS}/get") {
        let found = pending(thing).next().map(|run| execution(name, run));
        return Some((
            "accepted",
            found.map_or(json!({}), |run| json!({"execution": run})),
        ));
    }
    let job = request.strip_prefix("jobs/")?.split('/').next()?;
    let Some(run) = thing.runs.iter_mut().find(|run| run.job == job) else {
        return Some(("rejected", json!({"code": "ResourceNotFound"})));
    };
    if request.ends_with("/get") {
        return Some(("accepted", json!({"execution": execution(name, run)})));
    }
    let refuse = |code: &str, run: &Run| {
        let state = json!({"status": run.status, "versionNumber": run.version});
        Some(("rejected", json!({"code": code, "executionState": state})))
    };
    if !["QUEUED", "IN_PROGRESS"].contains(&run.status.as_str()) {
        return refuse("InvalidStateTransition", run);
    }
    if body["expectedVersion"]
        .as_u64()
        .is_some_and(|version| version != run.version)
    {
        return refuse("VersionMismatch", run);
    }
    let was_pending = run.status.clone();
    run.status = body["status"].as_str()?.into();
    run.version += 1;
    run.details = body["statusDetails"].clone();
    if run.status != "IN_PROGRESS" && was_pending != run.status {
        notify(name, thing);
    }
    Some(("accepted", json!({})))
}
