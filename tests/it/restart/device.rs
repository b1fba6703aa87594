//! Two hundred devices that survive their service: each takes its deployment through three reports, one at a time,
//! connects anew whenever it is cut off, and remembers what was acknowledged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::devices::GREENGRASS;

/// All devices.
pub(super) struct Crowd {
    runtime: Runtime,
    address: watch::Sender<Option<String>>,
    common: Arc<Common>,
}

struct Common {
    /// One for each report that may be sent.
    reports: Semaphore,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    acknowledged: Vec<String>,
    healthy: usize,
    finished: usize,
    /// What each device does at the moment.
    doing: BTreeMap<usize, String>,
}

impl Common {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    /// Starts the devices, which wait for an address.
    pub(super) fn start(names: &[&str]) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let (address, service) = watch::channel(None);
        let common = Arc::new(Common {
            reports: Semaphore::new(0),
            ledger: Mutex::default(),
        });
        for (number, name) in names.iter().enumerate() {
            let device = Device {
                name: (*name).to_owned(),
                number,
                sent: 0,
                connections: 0,
                job: None,
                service: service.clone(),
                common: Arc::clone(&common),
            };
            runtime.spawn(device.run());
        }
        Self {
            runtime,
            address,
            common,
        }
    }

    /// Where the service is now, if it is anywhere.
    pub(super) fn move_to(&self, address: Option<String>) {
        self.address.send_replace(address);
    }

    /// Lets the devices send so many more reports.
    pub(super) fn let_report(&self, more: usize) {
        self.common.reports.add_permits(more);
    }

    /// Marks of all acknowledged reports.
    pub(super) fn acknowledged(&self) -> Vec<String> {
        self.common.ledger().acknowledged.clone()
    }

    /// How many devices had their first health report acknowledged.
    pub(super) fn healthy(&self) -> usize {
        self.common.ledger().healthy
    }

    /// How many devices were told that their deployment succeeded.
    pub(super) fn finished(&self) -> usize {
        self.common.ledger().finished
    }

    /// What the devices do that are not done.
    pub(super) fn doing(&self) -> Vec<String> {
        self.common.ledger().doing.values().cloned().collect()
    }

    pub(super) fn stop(self) {
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

struct Device {
    name: String,
    number: usize,
    sent: usize,
    connections: usize,
    /// Its job, once it knows it. What is done is not pending any more, so it must be asked for by name.
    job: Option<String>,
    service: watch::Receiver<Option<String>>,
    common: Arc<Common>,
}

/// The connection broke.
struct Broken;

/// One connection of a device.
struct Line {
    client: AsyncClient,
    events: EventLoop,
}

impl Line {
    async fn open(name: &str, address: &str) -> Result<Self, Broken> {
        let (host, port) = address.rsplit_once(':').expect("an address has a port");
        let port = port.parse().expect("a port is a number");
        let mut options = MqttOptions::new(name, host, port);
        options.set_keep_alive(Duration::from_secs(60));
        let (client, events) = AsyncClient::new(options, 16);
        let mut line = Self { client, events };
        while !matches!(line.next().await?, Packet::ConnAck(_)) {}
        Ok(line)
    }

    async fn next(&mut self) -> Result<Packet, Broken> {
        loop {
            match self.events.poll().await {
                Ok(Event::Incoming(packet)) => return Ok(packet),
                Ok(Event::Outgoing(_)) => {}
                Err(_) => return Err(Broken),
            }
        }
    }

    fn send(&self, topic: &str, payload: &Value) -> Result<(), Broken> {
        let payload = payload.to_string();
        self.client
            .try_publish(topic, QoS::AtLeastOnce, false, payload)
            .map_err(|_| Broken)
    }

    /// Publishes and waits for the acknowledgment.
    async fn publish(&mut self, topic: &str, payload: &Value) -> Result<(), Broken> {
        self.send(topic, payload)?;
        while !matches!(self.next().await?, Packet::PubAck(_)) {}
        Ok(())
    }

    /// The reply to a request that was acknowledged.
    async fn reply(&mut self, topic: &str) -> Result<(bool, Value), Broken> {
        loop {
            if let Packet::Publish(reply) = self.next().await?
                && let Some(end) = reply.topic.strip_prefix(topic)
            {
                let value = serde_json::from_slice(&reply.payload).map_err(|_| Broken)?;
                return Ok((end == "/accepted", value));
            }
        }
    }
}

impl Device {
    async fn run(mut self) {
        loop {
            let address = match self.service.wait_for(Option::is_some).await {
                Ok(address) => address.clone().unwrap_or_default(),
                Err(_) => return,
            };
            if let Ok(()) = self.session(&address).await {
                let mut ledger = self.common.ledger();
                ledger.finished += 1;
                ledger.doing.remove(&self.number);
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn is(&self, doing: &str) {
        let what = format!("{} {doing}", self.name);
        self.common.ledger().doing.insert(self.number, what);
    }

    fn topic(&self, rest: &str) -> String {
        format!("$aws/things/{}/jobs/{rest}", self.name)
    }

    /// One connection, until the deployment is done or the connection breaks.
    async fn session(&mut self, address: &str) -> Result<(), Broken> {
        self.is("connects");
        let mut line = Line::open(&self.name, address).await?;
        self.connections += 1;
        self.is("reports its health");
        let health = json!({
            "ggcVersion": "2.12.0", "platform": "linux", "architecture": "amd64",
            "overallDeviceStatus": "HEALTHY", "sequenceNumber": self.connections, "timestamp": 1, "components": [],
        });
        line.publish(
            &format!("$aws/things/{}/greengrassv2/health/json", self.name),
            &health,
        )
        .await?;
        if self.connections == 1 {
            self.common.ledger().healthy += 1;
        }
        let notify = self.topic(&format!("notify-next-namespace-{GREENGRASS}"));
        line.client
            .try_subscribe(&notify, QoS::AtLeastOnce)
            .map_err(|_| Broken)?;
        self.is("asks for its next job");
        let job = self.job.as_deref().unwrap_or("$next");
        let mut run = self.ask(&mut line, job).await?;
        self.is("waits for a job");
        while run.is_null() {
            if let Packet::Publish(told) = line.next().await?
                && told.topic == notify
            {
                let mut told: Value = serde_json::from_slice(&told.payload).map_err(|_| Broken)?;
                run = told["execution"].take();
            }
        }
        let job = run["jobId"].as_str().unwrap_or_default().to_owned();
        self.job = Some(job.clone());
        while run["status"] != "SUCCEEDED" {
            if !self.report(&mut line, &run).await? {
                return Err(Broken);
            }
            self.is("asks for its job");
            run = self.ask(&mut line, &job).await?;
        }
        Ok(())
    }

    /// What the service says of a run; null if there is none.
    async fn ask(&self, line: &mut Line, job: &str) -> Result<Value, Broken> {
        let topic = self.topic(&format!("{job}/namespace-{GREENGRASS}/get"));
        line.send(&topic, &json!({ "includeJobDocument": false }))?;
        let (accepted, mut reply) = line.reply(&topic).await?;
        assert!(accepted, "{reply}");
        Ok(reply["execution"].take())
    }

    /// Sends the report that follows from the state of the run. `false`: the service would not have it.
    async fn report(&mut self, line: &mut Line, run: &Value) -> Result<bool, Broken> {
        let (step, status) = match run["statusDetails"]["step"].as_str() {
            None => ("downloaded", "IN_PROGRESS"),
            Some("downloaded") => ("installed", "IN_PROGRESS"),
            Some(_) => ("verified", "SUCCEEDED"),
        };
        self.is("waits before its report");
        let permit = self.common.reports.acquire().await.map_err(|_| Broken)?;
        permit.forget();
        self.sent += 1;
        self.is("reports");
        let mark = format!("{}-{}", self.number, self.sent);
        let mut details = json!({ "step": step, "mark": format!("mark-{mark}") });
        if status == "SUCCEEDED" {
            details["detailed-deployment-status"] = "SUCCESSFUL".into();
        }
        let job = run["jobId"].as_str().unwrap_or_default();
        let topic = self.topic(&format!("{job}/namespace-{GREENGRASS}/update"));
        let update = json!({ "status": status, "statusDetails": details, "expectedVersion": run["versionNumber"] });
        let published = line.publish(&topic, &update).await;
        if published.is_err() {
            // It may be sent another time.
            self.common.reports.add_permits(1);
        }
        published?;
        // The version was right and nobody else reports, so an acknowledgment means that it was recorded.
        self.common.ledger().acknowledged.push(mark);
        self.is("waits for the reply to its report");
        let (accepted, _) = line.reply(&topic).await?;
        Ok(accepted)
    }
}
