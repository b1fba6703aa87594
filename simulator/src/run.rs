//! A whole play: provision a fleet, connect it, roll versions of a template out to it, and compare every figure of the
//! service with what the devices did and with what the seed says they would do.
//!
//! [`simulate_net`] is all of it in one call, for `shipslog simulate`. `shipslog demo` takes the steps of [`Play`] one
//! by one, to show something between them. Calls block; counters for a display are in [`Progress`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thiserror::Error;

use crate::behavior::{Conduct, Expectation, device_seeds};
use crate::control::{self, Bearer, CoreRequest, Operator, Targets};
use crate::device::Script;
use crate::net::progress::{Phase, Progress, Snapshot};
use crate::net::{self, Swarm, thing_name};
use crate::run::figures::TaskView;
pub use crate::run::report::{Report, Rollout, peak_rss_bytes, resident_bytes};
pub use crate::run::shards::simulate_shards;
pub use crate::scenario::Provisioning;

pub mod figures;
pub mod processes;
mod report;
pub mod scene;
mod shards;

/// Cores in one core task.
const CORES_PER_TASK: usize = 250;
/// Names in one deployment task.
const TARGETS_PER_TASK: usize = 10_000;
/// How often figures are looked at that have not arrived where they should.
const LOOK: Duration = Duration::from_millis(50);
/// How long the service's figures may take to catch up with the devices: views follow the log within moments.
const CHECK_PATIENCE: Duration = Duration::from_secs(20);
/// Nucleus version of the fleet.
const CORE_VERSION: &str = "2.12.0";

/// What is played.
#[derive(Clone, Debug)]
pub struct Options {
    /// The fleet. The behaviors of its script are those of the rollouts, in order.
    pub net: net::Options,
    /// `http://HOST:PORT` of the service, for the operator. Without it the fleet connects and takes the jobs that
    /// somebody else deploys.
    pub http: Option<String>,
    /// What the operator's requests are admitted with; a service on loopback may ask for nothing.
    pub bearer: Option<Bearer>,
    /// How things come to be.
    pub provisioning: Provisioning,
    /// Name of the CDF template.
    pub template: String,
    /// `jobConfig` of every template version.
    pub job_config: Option<Value>,
    /// How many versions are deployed one after the other.
    pub rollouts: u32,
    /// How long each step may take.
    pub patience: Duration,
}

impl Options {
    /// One rollout to a fleet that is provisioned first.
    #[must_use]
    pub fn new(net: net::Options, http: Option<String>) -> Self {
        Self {
            template: format!("{}-fleet", net.prefix),
            net,
            http,
            bearer: None,
            provisioning: Provisioning::Things,
            job_config: None,
            rollouts: 1,
            patience: Duration::from_secs(300),
        }
    }
}

/// Why a play did not come to its end.
#[derive(Debug, Error)]
pub enum Failure {
    /// The devices' side.
    #[error(transparent)]
    Devices(#[from] net::Failure),
    /// The operator's side.
    #[error(transparent)]
    Operator(#[from] control::Failure),
    /// An answer of the service lacks something.
    #[error("{0}")]
    Service(String),
    /// The scenario cannot be played like this.
    #[error("{0}")]
    Scenario(String),
}

/// Plays all of it.
pub fn simulate_net(options: Options, progress: &Arc<Progress>) -> Result<Report, Failure> {
    let rollouts = options.rollouts;
    let mut play = Play::new(options, Arc::clone(progress))?;
    play.provision()?;
    play.connect()?;
    for _ in 0..rollouts {
        play.deploy()?;
    }
    play.finish()
}

/// A play between two steps.
#[derive(Debug)]
pub struct Play {
    options: Options,
    operator: Option<Operator>,
    progress: Arc<Progress>,
    names: Vec<String>,
    swarm: Option<Swarm>,
    begun: Instant,
    position: u64,
    rollouts: Vec<Rollout>,
}

impl Play {
    /// Nothing has happened yet, except that the service was asked for its position.
    pub fn new(options: Options, progress: Arc<Progress>) -> Result<Self, Failure> {
        let operator = options.http.as_deref().map(Operator::new);
        let operator = operator.map(|operator| operator.with_bearer(options.bearer.clone()));
        let position = match &operator {
            Some(operator) => operator.position()?,
            None => 0,
        };
        let (first, devices) = (options.net.first, options.net.devices);
        let names = (first..first.saturating_add(devices))
            .map(|index| thing_name(&options.net.prefix, index))
            .collect();
        Ok(Self {
            options,
            operator,
            progress,
            names,
            swarm: None,
            begun: Instant::now(),
            position,
            rollouts: Vec::new(),
        })
    }

    /// The operator, where there is one.
    #[must_use]
    pub fn operator(&self) -> Option<&Operator> {
        self.operator.as_ref()
    }

    /// What has been rolled out so far.
    #[must_use]
    pub fn rollouts(&self) -> &[Rollout] {
        &self.rollouts
    }

    /// Has the things provisioned, and waits until they are.
    pub fn provision(&mut self) -> Result<(), Failure> {
        let certificates = self.options.provisioning == Provisioning::Certificates;
        let Some(operator) = &self.operator else {
            return Ok(());
        };
        if self.options.provisioning == Provisioning::None {
            return Ok(());
        }
        self.progress.enter(Phase::Provisioning);
        let template = format!("{}-provisioning", self.options.net.prefix);
        operator.put_provisioning_template(&template, &provisioning_document(certificates))?;
        let mut tasks = Vec::new();
        for names in self.names.chunks(CORES_PER_TASK) {
            let cores: Vec<CoreRequest> = names
                .iter()
                .map(|name| core_request(name, &template, certificates))
                .collect();
            tasks.push((
                operator.create_core_task(CORE_VERSION, &cores)?,
                names.len(),
            ));
        }
        let deadline = Instant::now() + self.options.patience;
        for (task, cores) in tasks {
            operator.wait_for_core_task(&task, deadline)?;
            self.progress.count_provisioned(cores);
        }
        Ok(())
    }

    /// Connects all devices, and waits until the service knows every one of them to be healthy.
    pub fn connect(&mut self) -> Result<Snapshot, Failure> {
        self.progress.enter(Phase::Connecting);
        // An operator of our own has deployed nothing yet: what is pending is left from an earlier play.
        let mut net = self.options.net.clone();
        Arc::make_mut(&mut net.script).expects_leftovers = self.operator.is_some();
        let swarm = net::start(net, Arc::clone(&self.progress))?;
        let swarm = self.swarm.insert(swarm);
        let devices = u64::from(self.options.net.devices);
        let deadline = Instant::now() + self.options.patience;
        let joined = |now: &Snapshot| now.joined >= devices;
        Ok(swarm.wait_until("joining of all devices", deadline, joined)?)
    }

    /// Deploys the next version to all devices, waits until every one of them is done with it and until the service's
    /// figures say so, and compares them.
    pub fn deploy(&mut self) -> Result<&Rollout, Failure> {
        let begun = Instant::now();
        let deadline = begun + self.options.patience;
        let ordinal = u32::try_from(self.rollouts.len()).unwrap_or(u32::MAX - 1) + 1;
        self.progress.enter(Phase::Deploying);
        let mut rollout = Rollout {
            ordinal,
            expected: self.expectation(ordinal),
            ..Rollout::default()
        };
        if let Some(operator) = &self.operator {
            let template = &self.options.template;
            let body = template_body(template, ordinal, self.options.job_config.as_ref());
            rollout.version = operator.store_template(template, &body)?;
            for names in self.names.chunks(TARGETS_PER_TASK) {
                let targets = Targets::Things(names);
                let version = rollout.version;
                let task = operator.create_deployment_task(template, version, &targets)?;
                rollout.tasks.push(task);
            }
            for task in &rollout.tasks {
                wait_for_task(operator, task, deadline)?;
            }
        }
        let swarm = self
            .swarm
            .as_mut()
            .ok_or_else(|| Failure::Service("deploying comes after connecting".into()))?;
        let devices = u64::from(self.options.net.devices);
        let what = format!("the end of rollout {ordinal} on all devices");
        let settled = |now: &Snapshot| now.job(ordinal).settled() >= devices;
        rollout.did = swarm.wait_until(&what, deadline, settled)?.job(ordinal);
        rollout.seconds = begun.elapsed().as_secs_f64();
        self.progress.enter(Phase::Checking);
        self.check(&mut rollout)?;
        self.rollouts.push(rollout);
        Ok(&self.rollouts[self.rollouts.len() - 1])
    }

    /// Lets the devices say goodbye, and sums up.
    pub fn finish(mut self) -> Result<Report, Failure> {
        let played = self.begun.elapsed();
        let events = match &self.operator {
            Some(operator) => Some(operator.position()? - self.position),
            None => None,
        };
        let executions = self.executions()?;
        let snapshot = self.progress.snapshot();
        let measured = self.swarm.take().map(Swarm::stop).transpose()?;
        self.progress.enter(Phase::Over);
        let facts = report::Facts {
            played,
            events,
            executions,
            snapshot,
            measured,
        };
        Ok(Report::of(&self.options, self.rollouts, facts))
    }

    /// What the seed says of a rollout: for the part of the fleet that is played here.
    fn expectation(&self, ordinal: u32) -> Expectation {
        let net = &self.options.net;
        let behavior = net.script.behavior(ordinal);
        behavior.map_or_else(Expectation::default, |behavior| {
            Expectation::of(behavior, net.seed, net.first, net.devices, ordinal)
        })
    }

    /// Looks at the service's figures until they are as they should be, or have had time enough; the differences that
    /// are left stay in the rollout.
    fn check(&self, rollout: &mut Rollout) -> Result<(), Failure> {
        let deadline = Instant::now() + CHECK_PATIENCE;
        loop {
            rollout.disagreements = rollout.disagreements_of_devices();
            if let Some(operator) = &self.operator {
                let views = rollout
                    .tasks
                    .iter()
                    .map(|task| figures::task(operator, task));
                let views: Vec<TaskView> = views.collect::<Result<_, _>>()?;
                // The tasks of one version share one job.
                rollout.job = views.into_iter().next().and_then(|view| view.job);
                let summary = operator.fleet_summary()?;
                let differences = figures::disagreements(
                    rollout,
                    &summary,
                    &self.options.template,
                    &self.expected_reported(rollout),
                );
                rollout.disagreements.extend(differences);
                rollout.summary = summary.version(&self.options.template, rollout.version);
            }
            let late = Instant::now() >= deadline;
            if rollout.disagreements.is_empty() || late || self.progress.is_stopped() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// For each version of this play up to `rollout`: how many devices should report it, because it was the last
    /// that they managed.
    fn expected_reported(&self, rollout: &Rollout) -> Vec<(u32, u64)> {
        let net = &self.options.net;
        let mut rollouts: Vec<&Rollout> = self.rollouts.iter().chain([rollout]).collect();
        let mut counts: Vec<(u32, u64)> = rollouts.iter().map(|one| (one.version, 0)).collect();
        rollouts.reverse();
        for index in net.first..net.first.saturating_add(net.devices) {
            let managed = rollouts
                .iter()
                .find(|one| succeeds(&net.script, net.seed, index, one.ordinal));
            let version = managed.map(|one| one.version);
            for (counted, count) in &mut counts {
                *count += u64::from(Some(*counted) == version);
            }
        }
        counts
    }

    /// Executions per status over all rollouts, as they stand at the end.
    fn executions(&self) -> Result<figures::JobProgress, Failure> {
        let mut sum = figures::JobProgress::default();
        for rollout in &self.rollouts {
            let Some(operator) = &self.operator else {
                sum.add(&rollout.did.into());
                continue;
            };
            if let Some(task) = rollout.tasks.first() {
                let job = figures::task(operator, task)?.job;
                sum.add(&job.map(|job| job.progress).unwrap_or_default());
            }
        }
        Ok(sum)
    }
}

fn succeeds(script: &Script, seed: u64, index: u32, ordinal: u32) -> bool {
    script.behavior(ordinal).is_some_and(|behavior| {
        behavior.plan(device_seeds(seed, index), ordinal, 1).conduct == Conduct::Succeed
    })
}

/// Waits until every core of a deployment task was told what to run.
fn wait_for_task(operator: &Operator, id: &str, deadline: Instant) -> Result<(), Failure> {
    let begun = Instant::now();
    loop {
        let task = figures::task(operator, id)?;
        match task.status.as_str() {
            "SUCCESS" => return Ok(()),
            "FAILURE" => {
                // CDF says which core failed, and why.
                operator.wait_for_deployment_task(id, deadline)?;
                return Err(Failure::Service(format!(
                    "task {id} failed in one view only"
                )));
            }
            _ if Instant::now() >= deadline => {
                return Err(Failure::Operator(control::Failure::Deadline {
                    id: id.into(),
                    status: task.status,
                    waited: begun.elapsed(),
                }));
            }
            _ => std::thread::sleep(LOOK),
        }
    }
}

fn core_request(name: &str, template: &str, certificates: bool) -> CoreRequest {
    CoreRequest {
        name: name.into(),
        provisioning_template: template.into(),
        provisioning_parameters: [("ThingName".to_owned(), name.to_owned())].into(),
        cdf_provisioning_parameters: certificates
            .then(|| json!({"caId": "default", "certInfo": {"country": "US"}})),
        config_file_generator: certificates.then(|| "MANUAL_INSTALL".into()),
    }
}

/// A provisioning template that makes a thing, and on demand a certificate for it.
fn provisioning_document(certificates: bool) -> Value {
    let mut document = json!({
        "Parameters": {"ThingName": {"Type": "String"}},
        "Resources": {"thing": {
            "Type": "AWS::IoT::Thing",
            "Properties": {"ThingName": {"Ref": "ThingName"}},
        }},
    });
    if certificates {
        document["Parameters"]["CertificatePem"] = json!({"Type": "String"});
        document["Parameters"]["CaCertificatePem"] = json!({"Type": "String"});
        document["Resources"]["certificate"] = json!({
            "Type": "AWS::IoT::Certificate",
            "Properties": {
                "CACertificatePem": {"Ref": "CaCertificatePem"},
                "CertificatePem": {"Ref": "CertificatePem"},
                "Status": "ACTIVE",
            },
        });
        document["CDF"] = json!({"createDeviceCertificate": true});
    }
    document
}

/// The `ordinal`-th version of the template: one component, of a version of its own.
fn template_body(name: &str, ordinal: u32, job_config: Option<&Value>) -> Value {
    let mut body = json!({
        "name": name,
        "components": [{
            "key": "com.example.Agent",
            "version": format!("1.{ordinal}.0"),
            "configurationUpdate": {"merge": r#"{"intervalSeconds":10}"#},
        }],
        "deploymentPolicies": {"failureHandlingPolicy": "ROLLBACK"},
    });
    if let Some(config) = job_config {
        body["jobConfig"] = config.clone();
    }
    body
}

#[cfg(test)]
mod tests;
