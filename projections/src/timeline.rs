//! One event in words and as named values, with names instead of dense ids.
//!
//! Used for a thing's timeline, for events over GraphQL and Kafka, and to dump a log. Names are those that the views
//! know; an id that they do not know yet prints as its stream, `thing-17`.

mod access;
mod account;
mod containers;
mod greengrass;
mod jobs;
mod ota_updates;
mod presence;
mod registry;
mod shadows;
mod stacks;
mod tasks;
mod templates;
mod values;

use shipslog_domain::{
    BillingGroupId, CaCertificateId, CertificateId, CoreTaskId, DeploymentTaskId, Event, GroupId,
    InstanceId, JobId, PolicyId, ProvisioningTemplateId, Recorded, StackId, StreamId, StreamKind,
    TemplateId, ThingId, ThingTypeId, core::TemplateVersion,
};

use crate::views::Views;

/// One event, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Which event it is, such as `ThingRegistered`.
    pub kind: &'static str,
    /// Whom it is about: kind of stream and name, such as `thing/pump-7`.
    pub stream: String,
    /// What happened, in one sentence.
    pub summary: String,
    /// What it says, by name.
    pub fields: Fields,
}

/// Named values.
pub type Fields = Vec<(&'static str, Value)>;

/// A value of a field, shaped like JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Number(u64),
    /// Text.
    Text(String),
    /// Values in order.
    List(Vec<Value>),
    /// Values by name, in order.
    Map(Vec<(String, Value)>),
}

/// Tells an event.
#[must_use]
pub fn describe(recorded: &Recorded, views: &Views) -> Described {
    let names = Names { views };
    let number = recorded.stream.number;
    let told = match &recorded.event {
        Event::ThingType(event) => registry::thing_type(event),
        Event::Thing(event) => registry::thing(ThingId(number), event, names),
        Event::Group(event) => registry::group(GroupId(number), event, names),
        Event::Certificate(event) => registry::certificate(event, names),
        Event::ProvisioningTemplate(event) => {
            registry::provisioning(ProvisioningTemplateId(number), event, names)
        }
        Event::Template(event) => templates::template(TemplateId(number), event, names),
        Event::CoreTask(event) => tasks::core_task(event, names),
        Event::DeploymentTask(event) => templates::deployment_task(event, names),
        Event::Core(event) => templates::core(ThingId(number), event, names),
        Event::ClientDevice(event) => tasks::client_device(ThingId(number), event, names),
        Event::Shadow(event) => shadows::shadow(event),
        Event::Presence(event) => presence::presence(event),
        Event::Job(event) => jobs::job(JobId(number), event, names),
        Event::Execution(event) => jobs::execution(ThingId(number), event, names),
        Event::JobTemplate(event) => account::job_template(event),
        Event::FileStream(event) => account::file_stream(event),
        Event::OtaUpdate(event) => ota_updates::ota_update(event),
        Event::BillingGroup(event) => registry::billing_group(event),
        Event::Component(event) => greengrass::component(event),
        Event::Stack(event) => stacks::stack(event),
        Event::Instance(event) => stacks::instance(event),
        Event::ContainerService(event) => containers::service(event),
        Event::Deployment(event) => greengrass::deployment(event),
        Event::Account(event) => account::account(event),
        Event::Policy(event) => access::policy(PolicyId(number), event, names),
        Event::CaCertificate(event) => {
            access::ca_certificate(CaCertificateId(number), event, names)
        }
    };
    let name = told.name.unwrap_or_else(|| names.stream(recorded.stream));
    Described {
        kind: told.kind,
        stream: format!("{}/{name}", recorded.stream.kind.prefix()),
        summary: told.summary,
        fields: told.fields,
    }
}

/// What the description of one aggregate's event says.
struct Told {
    kind: &'static str,
    /// The name of the aggregate, where the event brings it.
    name: Option<String>,
    summary: String,
    fields: Fields,
}

impl Told {
    fn new(kind: &'static str, summary: impl Into<String>, fields: Fields) -> Self {
        Self {
            kind,
            name: None,
            summary: summary.into(),
            fields,
        }
    }

    /// The same, of an aggregate that the event names.
    fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// Names of everything that an event may refer to.
#[derive(Clone, Copy)]
struct Names<'a> {
    views: &'a Views,
}

impl Names<'_> {
    fn thing(self, id: ThingId) -> String {
        self.stream(StreamId::new(StreamKind::Thing, id.0))
    }

    fn thing_type(self, id: ThingTypeId) -> String {
        self.stream(StreamId::new(StreamKind::ThingType, id.0))
    }

    fn billing_group(self, id: BillingGroupId) -> String {
        self.stream(StreamId::new(StreamKind::BillingGroup, id.0))
    }

    fn group(self, id: GroupId) -> String {
        self.stream(StreamId::new(StreamKind::Group, id.0))
    }

    fn certificate(self, id: CertificateId) -> String {
        self.stream(StreamId::new(StreamKind::Certificate, id.0))
    }

    fn template(self, id: TemplateId) -> String {
        self.stream(StreamId::new(StreamKind::Template, id.0))
    }

    fn core_task(self, id: CoreTaskId) -> String {
        self.stream(StreamId::new(StreamKind::CoreTask, id.0))
    }

    fn deployment_task(self, id: DeploymentTaskId) -> String {
        self.stream(StreamId::new(StreamKind::DeploymentTask, id.0))
    }

    fn job(self, id: JobId) -> String {
        self.stream(StreamId::new(StreamKind::Job, id.0))
    }

    /// `name version`.
    fn version(self, version: TemplateVersion) -> String {
        format!("{} {}", self.template(version.template), version.version)
    }

    fn version_value(self, version: TemplateVersion) -> Value {
        values::map([
            ("name", Value::Text(self.template(version.template))),
            ("version", version.version.into()),
        ])
    }

    /// The name of an aggregate; its stream as it prints where the name is not known.
    fn stream(self, stream: StreamId) -> String {
        let (views, id) = (self.views, stream.number);
        let name = match stream.kind {
            StreamKind::Thing => views.thing_name(ThingId(id)).map(Into::into),
            StreamKind::ThingType => views.thing_type_name(ThingTypeId(id)).map(Into::into),
            StreamKind::Group => views.group_name(GroupId(id)).map(Into::into),
            StreamKind::Certificate => views
                .certificate_by_id(CertificateId(id))
                .map(|certificate| certificate.fingerprint.to_string()),
            StreamKind::ProvisioningTemplate => views
                .provisioning_template_name(ProvisioningTemplateId(id))
                .map(Into::into),
            StreamKind::Template => views.template_name(TemplateId(id)).map(Into::into),
            StreamKind::CoreTask => views
                .core_task_key(CoreTaskId(id))
                .map(|key| key.to_string()),
            StreamKind::DeploymentTask => views
                .deployment_task_key(DeploymentTaskId(id))
                .map(|key| key.to_string()),
            StreamKind::Job => views.job_name(JobId(id)).map(Into::into),
            // Known by number only.
            StreamKind::JobTemplate
            | StreamKind::FileStream
            | StreamKind::OtaUpdate
            | StreamKind::Account
            | StreamKind::ComponentVersion
            | StreamKind::ContainerService
            | StreamKind::Deployment => None,
            StreamKind::BillingGroup => {
                views.billing_group_name(BillingGroupId(id)).map(Into::into)
            }
            StreamKind::Stack => Some(StackId(id).to_uuid()),
            StreamKind::Instance => Some(InstanceId(id).to_uuid()),
            StreamKind::Policy => views.policy_name(PolicyId(id)).map(Into::into),
            StreamKind::CaCertificate => views
                .ca_certificate_by_id(CaCertificateId(id))
                .map(|ca| ca.fingerprint.to_string()),
        };
        name.unwrap_or_else(|| stream.to_string())
    }
}

#[cfg(test)]
mod tests;
