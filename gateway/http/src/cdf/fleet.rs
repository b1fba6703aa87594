//! The fleet summary (F1).

use axum::extract::State;
use serde_json::{Map, Value, json};

use super::{Answer, json};
use crate::http::Http;

pub(crate) async fn summary(State(http): State<Http>) -> Answer {
    http.view(|views| {
        let summary = views.fleet_summary();
        let templates = summary.templates.iter().map(|template| {
            let versions = template.versions.iter().map(|version| {
                let counts = &version.counts;
                let counts = json!({
                    "desiredInUse": counts.desired_in_use,
                    "reportedInUse": counts.reported_in_use,
                    "lastDeploymentSuccess": counts.success,
                    "lastDeploymentFailed": counts.failed,
                    "lastDeploymentInProgress": counts.in_progress,
                });
                (version.version.to_string(), counts)
            });
            let versions: Map<String, Value> = versions.collect();
            let template_body = json!({
                "latestVersion": template.latest_version,
                "versions": versions,
            });
            (template.name.to_owned(), template_body)
        });
        let templates: Map<String, Value> = templates.collect();
        Ok(json(Map::from_iter([(
            "templates".to_owned(),
            Value::Object(templates),
        )])))
    })
}
