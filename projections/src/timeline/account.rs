//! Events of job templates, file streams and the account.

use shipslog_domain::account::Tagged;
use shipslog_domain::{account, file_stream, job_template};

use super::values::{self, list, map, pairs};
use super::{Told, Value};

pub(super) fn job_template(event: &job_template::Event) -> Told {
    match event {
        job_template::Event::Created { definition } => {
            let name = definition.name.as_str();
            let fields = vec![
                ("name", name.into()),
                ("description", (&definition.description).into()),
                ("document", (&definition.document).into()),
                ("documentSource", definition.document_source.as_ref().into()),
                ("settings", values::settings(&definition.settings)),
                (
                    "presignedUrlConfig",
                    definition
                        .presigned_urls
                        .as_ref()
                        .map(values::presigned)
                        .into(),
                ),
                (
                    "maintenanceWindows",
                    list(&definition.windows, values::window),
                ),
                (
                    "destinationPackageVersions",
                    list(&definition.package_versions, Into::into),
                ),
                ("tags", pairs(&definition.tags)),
            ];
            let summary = format!("job template {name} was created");
            Told::new("JobTemplateCreated", summary, fields).named(name)
        }
        job_template::Event::Removed => {
            Told::new("JobTemplateRemoved", "the job template was deleted", vec![])
        }
    }
}

pub(super) fn file_stream(event: &file_stream::Event) -> Told {
    match event {
        file_stream::Event::Created { name, content } => {
            let fields = vec![
                ("name", name.as_str().into()),
                ("description", content.description.as_ref().into()),
                ("roleArn", (&content.role_arn).into()),
                ("files", list(&content.files, file)),
                ("tags", pairs(&content.tags)),
            ];
            let summary = format!("stream {name} was created");
            Told::new("FileStreamCreated", summary, fields).named(name.as_str())
        }
        file_stream::Event::Changed { change } => {
            let files = change.files.as_ref().map(|files| list(files, file));
            let fields = vec![
                ("description", change.description.as_ref().into()),
                ("roleArn", change.role_arn.as_ref().into()),
                ("files", files.into()),
            ];
            Told::new("FileStreamChanged", "the stream was changed", fields)
        }
        file_stream::Event::Removed => {
            Told::new("FileStreamRemoved", "the stream was deleted", vec![])
        }
    }
}

fn file(file: &file_stream::File) -> Value {
    map([
        ("fileId", file.id.into()),
        ("bucket", (&file.bucket).into()),
        ("key", (&file.key).into()),
        ("version", file.object_version.as_ref().into()),
        ("etag", file.etag.as_ref().into()),
    ])
}

pub(super) fn account(event: &account::Event) -> Told {
    match event {
        account::Event::EventsConfigured { changes } => {
            let changed = changes.iter();
            let fields = changed.map(|(kind, sent)| (kind.as_str(), (*sent).into()));
            let summary = format!("{} kinds of messages were switched", changes.len());
            Told::new("AccountEventsConfigured", summary, fields.collect())
        }
        account::Event::TagsChanged { item, tags } => {
            let (kind, number) = tagged(item);
            let summary = format!("tags of a {kind} were changed");
            let fields = vec![
                ("kind", kind.into()),
                ("item", number),
                ("tags", pairs(tags)),
            ];
            Told::new("AccountTagsChanged", summary, fields)
        }
        account::Event::RoleAliasSet {
            name,
            role_arn,
            credential_seconds,
        } => {
            let fields = vec![
                ("name", name.as_str().into()),
                ("roleArn", role_arn.into()),
                ("credentialDurationSeconds", (*credential_seconds).into()),
            ];
            let summary = format!("role alias {name} stands for {role_arn}");
            Told::new("AccountRoleAliasSet", summary, fields)
        }
        account::Event::RoleAliasRemoved { name } => {
            let fields = vec![("name", name.as_str().into())];
            let summary = format!("role alias {name} was deleted");
            Told::new("AccountRoleAliasRemoved", summary, fields)
        }
    }
}

/// What tags belong to: its kind, and its number or name.
fn tagged(item: &Tagged) -> (&'static str, Value) {
    match item {
        Tagged::Job(id) => ("job", id.0.into()),
        Tagged::JobTemplate(id) => ("job template", id.0.into()),
        Tagged::FileStream(id) => ("stream", id.0.into()),
        Tagged::Policy(id) => ("policy", id.0.into()),
        Tagged::CaCertificate(id) => ("CA certificate", id.0.into()),
        Tagged::ProvisioningTemplate(id) => ("provisioning template", id.0.into()),
        Tagged::RoleAlias(name) => ("role alias", name.as_str().into()),
        Tagged::BillingGroup(id) => ("billing group", id.0.into()),
        Tagged::OtaUpdate(id) => ("OTA update", id.0.into()),
        Tagged::ComponentVersion(id) => ("component version", id.0.into()),
        Tagged::Stack(id) => ("stack", id.0.into()),
        Tagged::Layer(id) => ("layer", id.0.into()),
        Tagged::ContainerService(id) => ("container service", id.0.into()),
        Tagged::Deployment(id) => ("deployment", id.0.into()),
    }
}
