//! Health messages of Greengrass cores (AWS IoT Greengrass: fleet status service).

use std::borrow::Cow;

use serde::Deserialize;
use shipslog_domain::core::{Health, HealthReport, InstalledComponent};
use shipslog_domain::{Command, Rejection, ThingName};
use shipslog_gateway_core::{App, Failure};

use crate::admission::Admission;
use crate::limits;

/// A health message, understood.
#[derive(Debug)]
pub(super) struct Report {
    thing: ThingName,
    report: Box<HealthReport>,
}

impl Report {
    /// Records it. `false`: the state machine refused it, which the device is not told.
    pub(super) async fn answer(self, app: &App, admission: &Admission) -> Result<bool, Failure> {
        let _place = admission.enter().await?;
        let command = Command::ReportHealth {
            thing: self.thing,
            report: self.report,
        };
        let refused = app.submit(command).await?.err();
        if let Some(rejection) = &refused {
            tracing::warn!(%rejection, "a health message was refused");
        }
        Ok(refused.is_none())
    }
}

/// Why a health message cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{0}")]
    Name(#[from] Rejection),
    #[error("the message is not as documented")]
    Json(#[from] serde_json::Error),
    #[error("overallDeviceStatus must be HEALTHY or UNHEALTHY")]
    Status,
    #[error("messageType must be COMPLETE or PARTIAL")]
    MessageType,
    #[error("components must have at most {} entries", limits::COMPONENTS_MAX)]
    TooManyComponents,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    #[serde(borrow, default)]
    ggc_version: Cow<'a, str>,
    #[serde(borrow, default)]
    platform: Cow<'a, str>,
    #[serde(borrow, default)]
    architecture: Cow<'a, str>,
    #[serde(borrow)]
    overall_device_status: Cow<'a, str>,
    sequence_number: u64,
    #[serde(default)]
    timestamp: u64,
    /// Older nuclei send whole lists and do not say so.
    #[serde(borrow)]
    message_type: Option<Cow<'a, str>>,
    chunk_info: Option<ChunkInfo>,
    #[serde(borrow, default)]
    components: Vec<Component<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChunkInfo {
    chunk_id: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Component<'a> {
    #[serde(borrow)]
    component_name: Cow<'a, str>,
    #[serde(borrow, default)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(default)]
    is_root: bool,
}

/// Reads a health message. Fields that we do not know are ignored.
pub(super) fn parse(thing: &str, payload: &[u8]) -> Result<Report, Problem> {
    let thing = ThingName::parse(thing)?;
    let message: Message<'_> = serde_json::from_slice(payload)?;
    let health = match message.overall_device_status.as_ref() {
        "HEALTHY" => Health::Healthy,
        "UNHEALTHY" => Health::Unhealthy,
        _ => return Err(Problem::Status),
    };
    let whole = match message.message_type.as_deref() {
        None | Some("COMPLETE") => true,
        Some("PARTIAL") => false,
        Some(_) => return Err(Problem::MessageType),
    };
    if message.components.len() > limits::COMPONENTS_MAX {
        return Err(Problem::TooManyComponents);
    }
    let components = message
        .components
        .iter()
        .map(|component| InstalledComponent {
            name: component.component_name.as_ref().into(),
            version: component.version.as_ref().into(),
            state: component.status.as_ref().into(),
            is_root: component.is_root,
        });
    let report = HealthReport {
        nucleus_version: message.ggc_version.as_ref().into(),
        platform: message.platform.as_ref().into(),
        architecture: message.architecture.as_ref().into(),
        health,
        sequence_number: message.sequence_number,
        // A whole list may come in several messages; those after the first add to it.
        complete: whole && message.chunk_info.is_none_or(|chunk| chunk.chunk_id <= 1),
        components: components.collect(),
        device_time: message.timestamp,
    };
    Ok(Report {
        thing,
        report: Box::new(report),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(json: &str) -> Result<HealthReport, String> {
        parse("T1", json.as_bytes())
            .map(|report| *report.report)
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_documented_message_is_understood() {
        let json = r#"{"ggcVersion":"2.12.0","platform":"linux","architecture":"amd64","runtime":"aws_nucleus_lite",
            "thing":"T1","overallDeviceStatus":"HEALTHY","sequenceNumber":7,"timestamp":1700000000000,
            "messageType":"COMPLETE","trigger":"CADENCE",
            "components":[{"componentName":"com.example.A","version":"1.2.0",
              "fleetConfigArns":["arn:x"],"componentStatusDetails":{"statusCodes":["RUN_ERROR"]},
              "isRoot":true,"status":"RUNNING"}],
            "deploymentInformation":{"status":"SUCCEEDED"}}"#;
        let report = report(json).unwrap();
        assert_eq!(&*report.nucleus_version, "2.12.0");
        assert_eq!(
            (report.sequence_number, report.device_time, report.complete),
            (7, 1_700_000_000_000, true)
        );
        assert_eq!(report.health, Health::Healthy);
        let component = &report.components[0];
        assert_eq!(
            (&*component.name, &*component.version),
            ("com.example.A", "1.2.0")
        );
        assert_eq!((&*component.state, component.is_root), ("RUNNING", true));
    }

    #[test]
    fn partial_and_chunked_messages_add_to_the_list() {
        let message = |extra: &str| {
            report(&format!(
                r#"{{"overallDeviceStatus":"UNHEALTHY","sequenceNumber":1{extra}}}"#
            ))
            .unwrap()
        };
        assert!(message("").complete);
        assert!(!message(r#","messageType":"PARTIAL""#).complete);
        assert!(
            message(r#","messageType":"COMPLETE","chunkInfo":{"chunkId":1,"totalChunks":2}"#)
                .complete
        );
        assert!(
            !message(r#","messageType":"COMPLETE","chunkInfo":{"chunkId":2,"totalChunks":2}"#)
                .complete
        );
    }

    #[test]
    fn what_cannot_be_used_says_why() {
        let rows = [
            ("", "the message is not as documented"),
            ("{}", "the message is not as documented"),
            (
                r#"{"overallDeviceStatus":"HEALTHY","sequenceNumber":"x"}"#,
                "the message is not as documented",
            ),
            (
                r#"{"overallDeviceStatus":"FINE","sequenceNumber":1}"#,
                "overallDeviceStatus must be HEALTHY or UNHEALTHY",
            ),
            (
                r#"{"overallDeviceStatus":"HEALTHY","sequenceNumber":1,"messageType":"SOME"}"#,
                "messageType must be COMPLETE or PARTIAL",
            ),
        ];
        for (json, expected) in rows {
            assert_eq!(report(json).unwrap_err(), expected, "{json}");
        }
        assert!(parse("a thing", b"{}").is_err());
    }

    #[test]
    fn the_number_of_components_is_bounded() {
        let message = |count: usize| {
            let all = vec![r#"{"componentName":"c","status":"RUNNING"}"#; count].join(",");
            report(&format!(
                r#"{{"overallDeviceStatus":"HEALTHY","sequenceNumber":1,"components":[{all}]}}"#
            ))
        };
        assert!(message(limits::COMPONENTS_MAX).is_ok());
        assert!(message(limits::COMPONENTS_MAX + 1).is_err());
    }
}
