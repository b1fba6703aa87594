//! The policy of devices that nobody wrote one for.

use serde_json::json;

use crate::fleet::Settings;

/// Its name.
pub const NAME: &str = "shipslog-device";

/// Its document: a device connects under the name of its own thing, or under names that begin with it and a `#`, as
/// devices use that need several connections, and has the reserved topics, job executions and shadows of that thing,
/// and whatever components there are. No thing's
/// name contains a `#`, so that no device can pass for another one.
#[must_use]
pub fn document(settings: &Settings) -> String {
    const THING: &str = "${iot:Connection.Thing.ThingName}";
    let arn = |resource: &str| settings.arn(&format!("{resource}{THING}"));
    let own = |kind: &str| format!("{}/*", arn(&format!("{kind}/$aws/things/")));
    let core = settings.greengrass_arn(&format!("coreDevices:{THING}"));
    let components = settings.greengrass_arn("components:*");
    let statement = |actions: &[&str], resources: &[String]| json!({"Effect": "Allow", "Action": actions, "Resource": resources});
    json!({"Version": "2012-10-17", "Statement": [
        statement(&["iot:Connect"], &[arn("client/"), format!("{}#*", arn("client/"))]),
        statement(&["iot:Publish", "iot:Receive"], &[own("topic")]),
        statement(&["iot:Subscribe"], &[own("topicfilter")]),
        statement(&["iotjobsdata:*"], &[arn("thing/")]),
        statement(
            &[
                "iot:GetThingShadow",
                "iot:UpdateThingShadow",
                "iot:DeleteThingShadow",
            ],
            &[arn("thing/"), format!("{}/*", arn("thing/"))],
        ),
        statement(&["greengrass:*"], &[core]),
        statement(
            &["greengrass:ResolveComponentCandidates", "greengrass:GetComponentVersionArtifact"],
            &[components],
        ),
    ]})
    .to_string()
}
