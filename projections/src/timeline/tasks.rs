//! Events of core tasks, device tasks and client devices.

use shipslog_domain::core_task::{RemovalOptions, Subject};
use shipslog_domain::{ThingId, client_device, core_task};

use super::templates::because;
use super::values::{list, map};
use super::{Names, Told, Value, values};

pub(super) fn core_task(event: &core_task::Event, names: Names<'_>) -> Told {
    match event {
        core_task::Event::CreateRequested { .. }
        | core_task::Event::CoresAdded { .. }
        | core_task::Event::DevicesRequested { .. } => creation(event, names),
        core_task::Event::RemovalRequested { .. } | core_task::Event::RemovalsAdded { .. } => {
            removal(event, names)
        }
        core_task::Event::BatchStarted { first, count } => Told::new(
            "CoreTaskBatchStarted",
            format!("work on {count} items began"),
            vec![("first", (*first).into()), ("count", (*count).into())],
        ),
        core_task::Event::ItemFinished {
            item,
            outcome,
            message,
        } => {
            let outcome = values::outcome(*outcome);
            let message = message.as_deref();
            let summary = format!("item {item} ended: {outcome}{}", because(message));
            let fields = vec![
                ("item", (*item).into()),
                ("outcome", outcome.into()),
                ("message", message.into()),
            ];
            Told::new("CoreTaskItemFinished", summary, fields)
        }
        core_task::Event::Finished { outcome } => {
            let outcome = values::outcome(*outcome);
            let summary = format!("the task ended: {outcome}");
            Told::new(
                "CoreTaskFinished",
                summary,
                vec![("outcome", outcome.into())],
            )
        }
    }
}

/// Requests to provision.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "core_task names every event once"
)]
fn creation(event: &core_task::Event, names: Names<'_>) -> Told {
    match event {
        core_task::Event::CreateRequested {
            key,
            core_version,
            items,
        } => {
            let summary = format!("{} cores are to be provisioned", items.len());
            let fields = vec![
                ("taskId", key.as_str().into()),
                ("coreVersion", core_version.into()),
                ("cores", list(items, |item| values::item(item, names))),
            ];
            Told::new("CoreTaskCreateRequested", summary, fields).named(key.as_str())
        }
        core_task::Event::DevicesRequested { key, core, items } => {
            let core = names.thing(*core);
            let summary = format!("{} devices of {core} are to be provisioned", items.len());
            let fields = vec![
                ("taskId", key.as_str().into()),
                ("core", core.into()),
                ("devices", list(items, |item| values::item(item, names))),
            ];
            Told::new("CoreTaskDevicesRequested", summary, fields).named(key.as_str())
        }
        core_task::Event::CoresAdded { items } => Told::new(
            "CoreTaskCoresAdded",
            format!("{} more are to be provisioned", items.len()),
            vec![("cores", list(items, |item| values::item(item, names)))],
        ),
        _ => unreachable!("core_task hands over the requests above only"),
    }
}

/// Requests to delete.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "core_task names every event once"
)]
fn removal(event: &core_task::Event, names: Names<'_>) -> Told {
    match event {
        core_task::Event::RemovalRequested {
            key,
            subject,
            core_version,
            options,
            things,
            unknown,
        } => {
            let core = match subject {
                Subject::Cores => None,
                Subject::Devices { core } => Some(names.thing(*core)),
            };
            let what = core
                .as_ref()
                .map_or_else(|| "cores".to_owned(), |core| format!("devices of {core}"));
            let summary = format!("{} {what} are to be deleted", things.len());
            let fields = vec![
                ("taskId", key.as_str().into()),
                ("core", core.into()),
                ("coreVersion", core_version.as_deref().into()),
                ("options", self::options(*options)),
                ("things", list(things, |thing| names.thing(*thing).into())),
                ("unknown", list(unknown, Into::into)),
            ];
            Told::new("CoreTaskRemovalRequested", summary, fields).named(key.as_str())
        }
        core_task::Event::RemovalsAdded { things, unknown } => Told::new(
            "CoreTaskRemovalsAdded",
            format!("{} more are to be deleted", things.len()),
            vec![
                ("things", list(things, |thing| names.thing(*thing).into())),
                ("unknown", list(unknown, Into::into)),
            ],
        ),
        _ => unreachable!("core_task hands over the requests above only"),
    }
}

fn options(options: RemovalOptions) -> Value {
    map([
        ("deprovisionCores", options.deprovision_cores.into()),
        (
            "deprovisionClientDevices",
            options.deprovision_client_devices.into(),
        ),
    ])
}

pub(super) fn client_device(id: ThingId, event: &client_device::Event, names: Names<'_>) -> Told {
    match event {
        client_device::Event::Created { name, core } => {
            let known = name.as_ref().map(|name| name.as_str().to_owned());
            let name = known.unwrap_or_else(|| names.thing(id));
            let core = names.thing(*core);
            let summary = format!("client device {name} of {core} was created");
            let fields = vec![("name", name.as_str().into()), ("core", core.into())];
            Told::new("ClientDeviceCreated", summary, fields).named(name)
        }
        client_device::Event::CertificatesStored { certs } => Told::new(
            "ClientDeviceCertificatesStored",
            "its certificates were stored",
            vec![("certs", certs.into())],
        ),
        client_device::Event::Associated { core } => {
            let core = names.thing(*core);
            let summary = format!("may connect through core {core}");
            Told::new(
                "ClientDeviceAssociated",
                summary,
                vec![("core", core.into())],
            )
        }
        client_device::Event::Disassociated => Told::new(
            "ClientDeviceDisassociated",
            "may no longer connect through its core",
            vec![],
        ),
        client_device::Event::Removed { task } => Told::new(
            "ClientDeviceRemoved",
            "its client device record was deleted",
            vec![("task", task.map(|task| names.core_task(task)).into())],
        ),
    }
}
