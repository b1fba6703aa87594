//! Health messages of Greengrass core devices.

use serde_json::{Value, json};

use super::put;
use crate::device::Nucleus;
use crate::device::message::{COMPONENT, component_version};

/// Appends a health message: of what a nucleus has installed, or of the one component that the `installed`-th job
/// brought. The latter is written without a detour: a process plays a million of them.
pub(super) fn write(
    body: &mut Vec<u8>,
    thing: &str,
    sequence: u32,
    device_time: u64,
    installed: u32,
    nucleus: Option<&Nucleus>,
) {
    let (health, kind, trigger) = match nucleus {
        Some(nucleus) => (
            if nucleus.is_healthy() {
                "HEALTHY"
            } else {
                "UNHEALTHY"
            },
            if nucleus.tells_changes() {
                "PARTIAL"
            } else {
                "COMPLETE"
            },
            if nucleus.tells_changes() {
                "THING_GROUP_DEPLOYMENT"
            } else {
                "NUCLEUS_LAUNCH"
            },
        ),
        None => ("HEALTHY", "COMPLETE", "NUCLEUS_LAUNCH"),
    };
    put(
        body,
        format_args!(
            concat!(
                r#"{{"ggcVersion":"2.12.0","platform":"linux","architecture":"amd64","thing":"{}","#,
                r#""overallDeviceStatus":"{}","sequenceNumber":{},"timestamp":{},"#,
                r#""messageType":"{}","trigger":"{}","components":"#
            ),
            thing, health, sequence, device_time, kind, trigger
        ),
    );
    match nucleus {
        Some(nucleus) => put(body, format_args!("{}", components(nucleus))),
        None if installed > 0 => put(
            body,
            format_args!(
                r#"[{{"componentName":"{COMPONENT}","version":"{}","status":"RUNNING","isRoot":true}}]"#,
                component_version(installed)
            ),
        ),
        None => body.extend_from_slice(b"[]"),
    }
    body.push(b'}');
}

fn components(nucleus: &Nucleus) -> Value {
    let components = nucleus.reported().map(|one| {
        json!({"componentName": one.name, "version": one.version, "status": one.state, "isRoot": true})
    });
    components.collect()
}
