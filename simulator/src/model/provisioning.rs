//! Things come to be before their devices connect: as core tasks whose items are finished in the provisioner's
//! batches.

use shipslog_domain::command::{CoreRequest, Provisioned};
use shipslog_domain::log::EventLog;
use shipslog_domain::{Command, ProvisioningTemplateName, TaskKey, limits};

use super::operator::{everyone, task_key};
use super::{Ended, World, thing_name};

/// The provisioning template that makes a thing without a certificate.
const THING_TEMPLATE: &str = r#"{"Parameters":{"ThingName":{"Type":"String"}},"Resources":{"thing":{"Type":"AWS::IoT::Thing","Properties":{"ThingName":{"Ref":"ThingName"}}}}}"#;

impl<L: EventLog + Send + 'static> World<L> {
    /// Provisions the whole fleet at this moment.
    pub(super) fn provision(&mut self) -> Result<(), Ended> {
        let template = ProvisioningTemplateName::parse(&format!("{}-thing", self.setup.prefix))
            .map_err(|rejection| refused("naming the provisioning template", rejection))?;
        self.order(
            &Command::PutProvisioningTemplate {
                name: template.clone(),
                body: THING_TEMPLATE.into(),
            },
            "storing the provisioning template",
        )?;
        let group = everyone(&self.setup);
        self.order(
            &Command::CreateGroup {
                name: group.clone(),
                parent: None,
                description: None,
                attributes: Vec::new(),
            },
            "creating the group of all devices",
        )?;
        let whole = u32::try_from(limits::CORE_TASK_CORES_MAX).unwrap_or(u32::MAX);
        for (number, first) in (0..).zip((0..self.setup.devices).step_by(whole as usize)) {
            let count = whole.min(self.setup.devices - first);
            let key = task_key(self.setup.seed, number);
            self.create_task(key, first, count, &template)?;
            for batch in (0..count).step_by(limits::CORE_BATCH as usize) {
                self.finish_batch(key, batch, limits::CORE_BATCH.min(count - batch))?;
            }
            for index in first..first + count {
                let thing = thing_name(&self.setup, index)
                    .map_err(|rejection| refused("naming a thing", rejection))?;
                let group = group.clone();
                let join = Command::AddThingToGroup { group, thing };
                self.order(&join, "making a device a member of its group")?;
            }
        }
        self.commit()
    }

    fn create_task(
        &mut self,
        key: TaskKey,
        first: u32,
        count: u32,
        template: &ProvisioningTemplateName,
    ) -> Result<(), Ended> {
        let cores = (first..first + count).map(|index| {
            let name = thing_name(&self.setup, index)?;
            Ok(CoreRequest {
                parameters: vec![("ThingName".into(), name.as_str().into())],
                name,
                provisioning_template: template.clone(),
                cdf_parameters: None,
                generator: None,
            })
        });
        let cores: Result<Vec<CoreRequest>, _> = cores.collect();
        let create = Command::CreateCoreTask {
            key,
            core_version: "2.12.0".into(),
            cores: cores.map_err(|rejection| refused("naming a core", rejection))?,
        };
        self.order(&create, "creating a core task")
    }

    fn finish_batch(&mut self, key: TaskKey, first: u32, count: u32) -> Result<(), Ended> {
        let start = Command::StartCoreTaskBatch { key, first, count };
        self.order(&start, "starting a batch of a core task")?;
        for item in first..first + count {
            let finish = Command::FinishCoreTaskItem {
                key,
                item,
                result: Ok(Provisioned::default()),
            };
            self.order(&finish, "finishing an item of a core task")?;
        }
        Ok(())
    }

    /// A command that has to be accepted; committed with those around it.
    fn order(&mut self, command: &Command, doing: &str) -> Result<(), Ended> {
        self.service
            .submit(command, self.now)
            .map_err(|rejection| refused(doing, rejection))?;
        if self.service.facts.len() >= super::service::TURN_EVENTS_MAX {
            self.commit()?;
        }
        Ok(())
    }
}

fn refused(doing: &str, rejection: shipslog_domain::Rejection) -> Ended {
    Ended::Refused {
        doing: doing.into(),
        rejection,
    }
}
