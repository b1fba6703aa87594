//! Things come to be: cores by core tasks, whose items are finished in the provisioner's batches, other things as
//! such.
//!
//! The real provisioner makes a key and a certificate for each core. Keys are made by chance, so that no two runs
//! would be the same; a core that has one gets a stand-in here: a fingerprint from its seeds, and a text of the form of
//! a certificate that nobody could use.

use shipslog_domain::certificate::{Certificate, Status};
use shipslog_domain::command::{CoreRequest, Provisioned};
use shipslog_domain::log::EventLog;
use shipslog_domain::{Command, Fingerprint, ProvisioningTemplateName, Rejection, TaskKey, limits};

use super::service::TURN_EVENTS_MAX;
use super::{Ended, Failure, World};
use crate::scenario::Provisioning;

/// The provisioning template of played fleets: a thing.
const TEMPLATE: &str = r#"{"Parameters":{"ThingName":{"Type":"String"}},"Resources":{"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"ThingName"}}}}}"#;

impl<L: EventLog + Send + 'static> World<L> {
    /// What has to be there before anything is provisioned.
    pub(super) fn prepare(&mut self) -> Result<(), Ended<L::Failure>> {
        let name = self.template()?;
        let put = Command::PutProvisioningTemplate {
            name,
            body: TEMPLATE.into(),
        };
        self.require(&put, "storing the provisioning template")?;
        for group in 0..self.scenario.fleet.groups.len() {
            let name = named("naming a group", self.group(group))?;
            let create = Command::CreateGroup {
                name,
                parent: None,
                description: None,
                attributes: Vec::new(),
            };
            if self
                .service
                .fleet
                .group(&named("naming a group", self.group(group))?)
                .is_none()
            {
                self.require(&create, "creating a group")?;
            }
        }
        self.commit()
    }

    /// Provisions members of a group, or everybody, who are not yet there. They connect when their time has come.
    pub(super) fn provision(&mut self, group: Option<usize>) -> Result<(), Ended<L::Failure>> {
        let devices = 0..self.scenario.fleet.devices;
        let missing: Vec<u32> = devices
            .filter(|index| group.is_none_or(|group| self.scenario.is_in_group(*index, group)))
            .filter(|index| !self.crew[*index as usize].is_provisioned)
            .collect();
        self.ledger.live.enter("provisioning", missing.len() as u64);
        if self.scenario.fleet.provisioning != Provisioning::None {
            for part in missing.chunks(limits::CORE_TASK_CORES_MAX) {
                self.provision_part(part)?;
                self.ledger.live.add_done(part.len() as u64);
            }
        }
        self.commit()?;
        for index in missing {
            self.launch(index);
        }
        self.ledger.live.enter("playing", self.executions_to_come());
        Ok(())
    }

    /// Executions that the jobs of the timeline will have, where all of them are for everybody; else 0, as nobody
    /// knows.
    fn executions_to_come(&self) -> u64 {
        let steps = self.scenario.timeline.iter();
        let targets = steps.filter_map(|step| step.action.creates_job());
        let targets = targets.map(|(_, _, targets)| targets);
        let targets: Vec<_> = targets.collect();
        if targets.iter().any(|targets| !targets.is_all()) {
            return 0;
        }
        u64::from(self.scenario.fleet.devices) * targets.len() as u64
    }

    fn provision_part(&mut self, part: &[u32]) -> Result<(), Ended<L::Failure>> {
        let is_core = |index: &u32| self.scenario.kind_of(*index).is_core();
        let (cores, others): (Vec<u32>, Vec<u32>) = part.iter().copied().partition(is_core);
        if !cores.is_empty() {
            self.provision_cores(&cores)?;
        }
        for index in others {
            let create = Command::CreateThing {
                name: named("naming a thing", self.thing_name(index))?,
                thing_type: None,
                attributes: Vec::new(),
                billing_group: None,
            };
            self.require(&create, "creating a thing")?;
        }
        for group in 0..self.scenario.fleet.groups.len() {
            if self.scenario.fleet.groups[group].later {
                continue;
            }
            for index in part {
                if !self.scenario.is_in_group(*index, group) {
                    continue;
                }
                let join = Command::AddThingToGroup {
                    group: named("naming a group", self.group(group))?,
                    thing: named("naming a thing", self.thing_name(*index))?,
                };
                self.require(&join, "making a device a member of its group")?;
            }
        }
        Ok(())
    }

    fn template(&self) -> Result<ProvisioningTemplateName, Ended<L::Failure>> {
        let name = format!("{}-thing", self.scenario.fleet.prefix);
        named(
            "naming the provisioning template",
            ProvisioningTemplateName::parse(&name),
        )
    }

    fn provision_cores(&mut self, cores: &[u32]) -> Result<(), Ended<L::Failure>> {
        let key = self.operator.next_key(self.scenario.seed);
        let template = self.template()?;
        let requests: Result<Vec<CoreRequest>, Rejection> = cores
            .iter()
            .map(|index| {
                let name = self.thing_name(*index)?;
                Ok(CoreRequest {
                    parameters: vec![("ThingName".into(), name.as_str().into())],
                    name,
                    provisioning_template: template.clone(),
                    cdf_parameters: None,
                    generator: None,
                })
            })
            .collect();
        let create = Command::CreateCoreTask {
            key,
            core_version: "2.12.0".into(),
            cores: named("naming a core", requests)?,
        };
        self.require(&create, "creating a core task")?;
        let batch = limits::CORE_BATCH as usize;
        for (first, cores) in (0..).step_by(batch).zip(cores.chunks(batch)) {
            self.finish_batch(key, first, cores)?;
        }
        Ok(())
    }

    fn finish_batch(
        &mut self,
        key: TaskKey,
        first: u32,
        cores: &[u32],
    ) -> Result<(), Ended<L::Failure>> {
        let count = limits::CORE_BATCH;
        let start = Command::StartCoreTaskBatch { key, first, count };
        self.require(&start, "starting a batch of a core task")?;
        let has_certificates = self.scenario.fleet.provisioning == Provisioning::Certificates;
        for (item, index) in (first..).zip(cores) {
            let mut provisioned = Provisioned::default();
            if has_certificates {
                provisioned.certificate = Some(self.stand_in(*index));
                let name = named("naming a core", self.thing_name(*index))?;
                provisioned.certs = Some(format!("certs/{name}.zip").into());
            }
            let finish = Command::FinishCoreTaskItem {
                key,
                item,
                result: Ok(provisioned),
            };
            self.require(&finish, "finishing an item of a core task")?;
        }
        Ok(())
    }

    /// What stands for the certificate of a device.
    fn stand_in(&self, index: u32) -> Certificate {
        let seeds = self.scenario.seeds_of(index).child("certificate", 0);
        let mut fingerprint = [0; 32];
        let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
        for (part, name) in fingerprint.chunks_mut(8).zip(["a", "b", "c", "d"]) {
            let drawn = seeds.draw(name);
            part.copy_from_slice(&drawn.to_be_bytes());
            text.push_str(&format!("{drawn:016x}"));
        }
        text.push_str("\n-----END CERTIFICATE-----\n");
        Certificate {
            fingerprint: Fingerprint(fingerprint),
            pem: text.into(),
            status: Status::Active,
        }
    }

    /// A command that has to be accepted; committed with those around it.
    fn require(&mut self, command: &Command, doing: &'static str) -> Result<(), Ended<L::Failure>> {
        named(doing, self.service.submit(command, self.now))?;
        if self.service.facts.len() >= TURN_EVENTS_MAX {
            self.commit()?;
        }
        Ok(())
    }
}

/// A refusal of what has to be accepted ends the play.
fn named<T, E>(doing: &'static str, result: Result<T, Rejection>) -> Result<T, Ended<E>>
where
    E: std::error::Error + 'static,
{
    result.map_err(|rejection| Failure::Refused { doing, rejection }.into())
}
