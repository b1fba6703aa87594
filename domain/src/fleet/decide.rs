//! Which rules a command is for: one table over all commands, by what they are about.

use super::Fleet;
use crate::client_device::Release;
use crate::command::Command;
use crate::event::Fact;
use crate::rejection::Rejection;
use crate::time::Timestamp;

impl Fleet {
    /// Decides what `command` means at `now`.
    pub fn decide(&self, command: &Command, now: Timestamp) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::CreateThingType { .. }
            | Command::UpdateThingType { .. }
            | Command::DeprecateThingType { .. }
            | Command::DeleteThingType { .. }
            | Command::CreateThing { .. }
            | Command::UpdateThing { .. }
            | Command::DeleteThing { .. }
            | Command::CreateGroup { .. }
            | Command::CreateDynamicGroup { .. }
            | Command::UpdateGroup { .. }
            | Command::DeleteGroup { .. }
            | Command::ChangeTags { .. }
            | Command::AddThingToGroup { .. }
            | Command::RemoveThingFromGroup { .. }
            | Command::UpdateThingGroups { .. } => self.decide_registry_command(command, now),
            Command::RegisterCertificate { .. }
            | Command::SetCertificateStatus { .. }
            | Command::AttachCertificate { .. }
            | Command::DetachCertificate { .. }
            | Command::Certificate(_)
            | Command::CaCertificate(_)
            | Command::Policy(_)
            | Command::RoleAlias(_)
            | Command::Provisioning(_)
            | Command::PutProvisioningTemplate { .. }
            | Command::DeleteProvisioningTemplate { .. } => {
                self.decide_access_command(command, now)
            }
            Command::CreateTemplate { .. }
            | Command::UpdateTemplate { .. }
            | Command::DeleteTemplate { .. }
            | Command::CreateCoreTask { .. }
            | Command::CreateDeviceTask { .. }
            | Command::CreateRemovalTask { .. }
            | Command::DeleteDevice { .. }
            | Command::StartCoreTaskBatch { .. }
            | Command::FinishCoreTaskItem { .. }
            | Command::CreateDeploymentTask { .. }
            | Command::ReportHealth { .. }
            | Command::DeleteCoreDevice { .. }
            | Command::ClientDevices(_) => self.decide_core_command(command),
            Command::Shadow(command) => self.decide_shadow(command, now),
            Command::Presence(command) => self.decide_presence(command, now),
            Command::Component(command) => self.decide_component(command, now),
            Command::Stack(command) => self.decide_stack(command, now),
            Command::ContainerService(command) => self.decide_container_service(command, now),
            Command::Deployment(command) => self.decide_components_deployment(command, now),
            Command::CreateJob { .. }
            | Command::UpdateJob { .. }
            | Command::AssociateTargets { .. }
            | Command::CancelJob { .. }
            | Command::DeleteJob { .. }
            | Command::StartNextExecution { .. }
            | Command::UpdateExecution { .. }
            | Command::CancelExecution { .. }
            | Command::DeleteExecution { .. } => self.decide_job_command(command, now),
            Command::CreateJobTemplate { .. }
            | Command::DeleteJobTemplate { .. }
            | Command::CreateFileStream { .. }
            | Command::UpdateFileStream { .. }
            | Command::DeleteFileStream { .. }
            | Command::BillingGroup(_)
            | Command::OtaUpdate(_)
            | Command::ConfigureEvents { .. } => self.decide_account_command(command, now),
        }
    }

    /// Certificates, policies and provisioning templates: who may do what.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "decide names every command once"
    )]
    fn decide_access_command(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::RegisterCertificate { certificate } => {
                self.decide_register_certificate(certificate)
            }
            Command::SetCertificateStatus {
                fingerprint,
                status,
            } => self.decide_certificate_status(fingerprint, *status),
            Command::AttachCertificate { thing, fingerprint } => {
                self.decide_attach(thing, fingerprint, true)
            }
            Command::DetachCertificate { thing, fingerprint } => {
                self.decide_attach(thing, fingerprint, false)
            }
            Command::Certificate(command) => self.decide_certificate(command, now),
            Command::CaCertificate(command) => self.decide_ca_certificate(command),
            Command::Policy(command) => self.decide_policy(command),
            Command::RoleAlias(command) => self.decide_role_alias(command),
            Command::Provisioning(command) => self.decide_provisioning(command, now),
            Command::PutProvisioningTemplate { name, body } => {
                self.decide_put_provisioning_template(name, body)
            }
            Command::DeleteProvisioningTemplate { name } => {
                self.decide_delete_provisioning_template(name)
            }
            _ => unreachable!("decide hands over the commands above only"),
        }
    }

    /// Things, their types and their groups: the registry's part of [`Fleet::decide`].
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "decide names every command once"
    )]
    fn decide_registry_command(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::CreateThingType { name, properties } => {
                self.decide_create_thing_type(name, properties)
            }
            Command::UpdateThingType { name, properties } => {
                self.decide_update_thing_type(name, properties)
            }
            Command::DeprecateThingType { name, undo } => {
                self.decide_deprecate_thing_type(name, *undo)
            }
            Command::DeleteThingType { name } => self.decide_delete_thing_type(name, now),
            Command::CreateThing {
                name,
                thing_type,
                attributes,
                billing_group,
            } => self.decide_create_thing(
                name,
                thing_type.as_ref(),
                attributes,
                billing_group.as_ref(),
            ),
            Command::UpdateThing { update } => self.decide_update_thing(update),
            Command::DeleteThing {
                name,
                expected_version,
                detach_certificates,
            } => self.decide_delete_thing(name, *expected_version, *detach_certificates),
            Command::CreateGroup {
                name,
                parent,
                description,
                attributes,
            } => {
                self.decide_create_group(name, parent.as_ref(), description.as_deref(), attributes)
            }
            Command::CreateDynamicGroup {
                name,
                description,
                attributes,
                query,
            } => self.decide_create_dynamic_group(name, description.as_deref(), attributes, query),
            Command::UpdateGroup { update } => self.decide_update_group(update),
            Command::DeleteGroup {
                name,
                dynamic,
                expected_version,
            } => self.decide_delete_group(name, *dynamic, *expected_version),
            Command::ChangeTags { item, change } => self.decide_change_tags(item, change),
            Command::AddThingToGroup { group, thing } => self.decide_membership(group, thing, true),
            Command::RemoveThingFromGroup { group, thing } => {
                self.decide_membership(group, thing, false)
            }
            Command::UpdateThingGroups { update } => self.decide_update_groups(update),
            _ => unreachable!("decide hands over the commands above only"),
        }
    }

    /// Templates, tasks and cores: the CDF part of [`Fleet::decide`].
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "decide names every command once"
    )]
    fn decide_core_command(&self, command: &Command) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::CreateTemplate { name, content } => self.decide_create_template(name, content),
            Command::UpdateTemplate {
                name,
                content,
                expected_version,
            } => self.decide_update_template(name, content, *expected_version),
            Command::DeleteTemplate { name } => Ok(self.decide_delete_template(name)),
            Command::CreateCoreTask {
                key,
                core_version,
                cores,
            } => self.decide_create_core_task(*key, core_version, cores),
            Command::CreateDeviceTask { key, core, devices } => {
                self.decide_create_device_task(*key, core, devices)
            }
            Command::CreateRemovalTask {
                key,
                subject,
                core_version,
                options,
                names,
            } => self.decide_create_removal_task(
                *key,
                subject,
                core_version.as_deref(),
                *options,
                names,
            ),
            Command::DeleteDevice {
                device,
                deprovision,
                disassociate,
            } => {
                let release = Release {
                    deprovision: *deprovision,
                    disassociate: *disassociate,
                };
                self.decide_delete_device(device, release)
            }
            Command::StartCoreTaskBatch { key, first, count } => {
                self.decide_start_batch(*key, *first, *count)
            }
            Command::FinishCoreTaskItem { key, item, result } => {
                self.decide_finish_item(*key, *item, result)
            }
            Command::CreateDeploymentTask {
                key,
                template,
                version,
                targets,
                job_settings,
            } => self.decide_create_deployment_task(
                *key,
                template,
                *version,
                targets,
                job_settings.as_ref(),
            ),
            Command::ReportHealth { thing, report } => self.decide_report_health(thing, report),
            Command::DeleteCoreDevice { core } => self.decide_delete_core_device(core),
            Command::ClientDevices(command) => self.decide_client_devices(command),
            _ => unreachable!("decide hands over the commands above only"),
        }
    }

    /// Jobs and executions: the AWS IoT Jobs part of [`Fleet::decide`].
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "decide names every command once"
    )]
    fn decide_job_command(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::CreateJob { request } => self.decide_create_job(request, now),
            Command::UpdateJob {
                job,
                namespace,
                change,
            } => self.decide_update_job(job, namespace.as_ref(), change),
            Command::AssociateTargets {
                job,
                namespace,
                targets,
            } => self.decide_associate(job, namespace.as_ref(), targets),
            Command::CancelJob {
                job,
                force,
                reason_code,
                comment,
            } => self.decide_cancel_job(job, *force, reason_code.as_deref(), comment.as_deref()),
            Command::DeleteJob {
                job,
                namespace,
                force,
            } => self.decide_delete_job(job, namespace.as_ref(), *force),
            Command::StartNextExecution {
                thing,
                namespace,
                details,
                step_timer,
            } => self.decide_start_next(thing, namespace.as_ref(), details.as_ref(), *step_timer),
            Command::UpdateExecution { update } => self.decide_update_execution(update),
            Command::CancelExecution {
                job,
                thing,
                force,
                expected_version,
                details,
            } => self.decide_cancel_execution(
                job,
                thing,
                *force,
                *expected_version,
                details.as_ref(),
            ),
            Command::DeleteExecution {
                job,
                thing,
                namespace,
                number,
                force,
            } => self.decide_delete_execution(job, thing, namespace.as_ref(), (*number, *force)),
            _ => unreachable!("decide hands over the commands above only"),
        }
    }

    /// Job templates, file streams, OTA updates, billing groups, and what holds for the whole account.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "decide names every command once"
    )]
    fn decide_account_command(
        &self,
        command: &Command,
        now: Timestamp,
    ) -> Result<Vec<Fact>, Rejection> {
        match command {
            Command::CreateJobTemplate { definition } => {
                self.decide_create_job_template(definition, now)
            }
            Command::DeleteJobTemplate { name } => self.decide_delete_job_template(name),
            Command::CreateFileStream { name, content } => {
                self.decide_create_file_stream(name, content)
            }
            Command::UpdateFileStream { name, change } => {
                self.decide_update_file_stream(name, change)
            }
            Command::DeleteFileStream { name } => self.decide_delete_file_stream(name),
            Command::BillingGroup(command) => self.decide_billing_group(command),
            Command::OtaUpdate(command) => self.decide_ota_update(command, now),
            Command::ConfigureEvents { changes } => Ok(self.decide_configure_events(changes)),
            _ => unreachable!("decide hands over the commands above only"),
        }
    }
}
