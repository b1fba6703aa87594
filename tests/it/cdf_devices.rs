//! The Connected Device Framework: client devices, taking cores out of service, targets of the asset library, and the
//! event feed.

use serde_json::{Value, json};
use shipslog_tests::fleet::TestFleet;
use shipslog_tests::http::{Http, core_task, provisioning_template};
use shipslog_tests::mqtt::Version;

use crate::devices::{Core, template};

/// A request for client devices by the template that [`Http::create_cores`] stores.
fn devices(names: &[&str]) -> Value {
    let mut request = core_task("gateways", names);
    let mut items = request["cores"].take();
    for item in items.as_array_mut().unwrap() {
        item.as_object_mut().unwrap().remove("configFileGenerator");
    }
    // The walkthrough spells it so.
    json!({ "types": "Create", "devices": items })
}

/// Asks for a task and gives it when it has ended.
fn ended(http: &Http, path: &str, request: &Value) -> Value {
    let reply = http.cdf("POST", path, request);
    assert_eq!(
        (reply.status, reply.body.len()),
        (202, 0),
        "{}",
        reply.text()
    );
    let location = reply.header("location").unwrap();
    let id = reply.header("x-taskid").unwrap();
    assert!(location.ends_with(&format!("/{id}")), "{location}");
    http.task_ended(location)
}

fn status(http: &Http, method: &str, path: &str) -> u16 {
    http.cdf(method, path, &Value::Null).status
}

/// `core-1`, whose device has reported, with two client devices.
fn furnished(fleet: &TestFleet) -> (Http, Core) {
    let http = fleet.http();
    http.create_cores("gateways", &["core-1", "core-2"]);
    let core = Core::connect(fleet, "core-1", Version::V4);
    let task = ended(
        &http,
        "/cores/core-1/deviceTasks",
        &devices(&["dev-1", "dev-2"]),
    );
    assert_eq!(task["taskStatus"], "Success", "{task}");
    assert_eq!(
        (&task["type"], &task["coreName"]),
        (&json!("Create"), &json!("core-1"))
    );
    assert_eq!(
        (&task["batchesTotal"], &task["batchesComplete"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(task["devices"][1]["name"], "dev-2");
    assert_eq!(task["devices"][1]["coreName"], "core-1");
    (http, core)
}

#[test]
fn a_client_device_is_made_and_deleted_as_its_caller_wants() {
    let fleet = TestFleet::start();
    let (http, _core) = furnished(&fleet);
    let device = http.cdf_get("/devices/dev-1");
    assert_eq!(
        (&device["name"], &device["coreName"], &device["associated"]),
        (&json!("dev-1"), &json!("core-1"), &json!(true))
    );
    let place = &device["artifacts"]["certs"];
    assert_eq!(place["key"], "greengrass2/artifacts/dev-1/dev-1/certs.zip");
    let path = format!(
        "/artifacts/{}/{}",
        place["bucket"].as_str().unwrap(),
        place["key"].as_str().unwrap()
    );
    assert_eq!(http.get(&path).status, 200);
    let listed = http.cdf_get("/cores/core-1/devices?count=1");
    assert_eq!(listed["devices"][0]["name"], "dev-1");
    assert_eq!(listed["pagination"]["lastEvaluated"]["thingName"], "dev-1");
    assert_eq!(
        http.cdf_get("/cores/core-1/deviceTasks")["tasks"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    // A word that is no switch deletes nothing.
    let odd = http.cdf("DELETE", "/devices/dev-1?deprovision=no", &Value::Null);
    assert_eq!(
        (odd.status, &odd.json()["field"]),
        (400, &json!("deprovision"))
    );
    assert_eq!(
        status(&http, "DELETE", "/devices/dev-1?deprovision=false"),
        204
    );
    assert_eq!(status(&http, "GET", "/devices/dev-1"), 404);
    assert_eq!(
        http.iot("GET", "/things/dev-1", &Value::Null).status,
        200,
        "its thing is kept"
    );
    let again = http.cdf("DELETE", "/devices/dev-1", &Value::Null);
    assert_eq!(
        (again.status, &again.json()["error"]),
        (404, &json!("Item not found"))
    );
    assert_eq!(status(&http, "DELETE", "/devices/dev-2"), 204);
    assert_eq!(
        http.iot("GET", "/things/dev-2", &Value::Null).status,
        404,
        "its thing is gone"
    );

    // A device task says for each device what became of it.
    ended(&http, "/cores/core-1/deviceTasks", &devices(&["dev-3"]));
    let request = json!({ "type": "Delete", "options": { "deprovisionClientDevices": true },
        "devices": [{ "name": "dev-3" }, { "name": "nobody", "provisioningTemplate": "UNKNOWN" }] });
    let task = ended(&http, "/cores/core-1/deviceTasks", &request);
    assert_eq!(
        (&task["taskStatus"], &task["options"]),
        (&json!("Failure"), &request["options"])
    );
    assert_eq!(task["devices"][0]["taskStatus"], "Success");
    let message = task["devices"][1]["statusMessage"].as_str().unwrap();
    assert!(message.starts_with("DEVICE_NOT_FOUND"), "{message}");
    assert_eq!(http.iot("GET", "/things/dev-3", &Value::Null).status, 404);
}

#[test]
fn a_core_goes_with_its_devices_and_files_and_its_events_are_told() {
    let fleet = TestFleet::start();
    let (http, _core) = furnished(&fleet);
    let place = http.cdf_get("/cores/core-1")["artifacts"]["config"].clone();
    let path = format!(
        "/artifacts/{}/{}",
        place["bucket"].as_str().unwrap(),
        place["key"].as_str().unwrap()
    );
    assert_eq!(http.get(&path).status, 200);
    let request = json!({ "type": "Delete", "coreVersion": "2.12.0",
        "options": { "deprovisionCores": true, "deprovisionClientDevices": true },
        "cores": [{ "name": "core-1", "provisioningTemplate": "UNKNOWN" }, { "name": "core-2" }, { "name": "ghost" }] });
    let task = ended(&http, "/coreTasks", &request);
    assert_eq!(
        (&task["type"], &task["taskStatus"]),
        (&json!("Delete"), &json!("Failure"))
    );
    let items = task["cores"].as_array().unwrap();
    let item = |name: &str| items.iter().find(|item| item["name"] == name).unwrap();
    for (name, said) in [
        (
            "core-1",
            "2 client devices deprovisioned; thing deleted, 1 certificate revoked; core deleted",
        ),
        (
            "core-2",
            "thing deleted, 1 certificate revoked; core deleted",
        ),
        ("ghost", "CORE_NOT_FOUND: there is no core of this name"),
    ] {
        assert_eq!(item(name)["statusMessage"], said);
    }
    for path in [
        "/cores/core-1",
        "/cores/core-2",
        "/devices/dev-1",
        "/devices/dev-2",
    ] {
        assert_eq!(status(&http, "GET", path), 404, "{path}");
    }
    let summary = http.cdf_get("/fleet/summary");
    assert_eq!(
        summary["templates"]["None"]["versions"]["0"]["desiredInUse"],
        0
    );
    shipslog_tests::wait::wait_for("the files go", shipslog_tests::wait::BOUND, || {
        (http.get(&path).status == 404).then_some(())
    });

    let mut told = Vec::new();
    let (mut after, mut before) = (0, 0);
    loop {
        let page = http
            .get(&format!("/events/cdf?after={after}&count=2"))
            .json();
        for event in page["events"].as_array().unwrap() {
            let sequence = event["sequence"].as_u64().unwrap();
            assert!(sequence >= before, "in order");
            before = sequence;
            assert_eq!(event["source"], "com.aws.cdf.greengrass2-provisioning");
            let detail = &event["detail"];
            let name = detail.get("coreName").or(detail.get("deviceName")).unwrap();
            told.push(
                format!("{} {name} {}", event["detail-type"], detail["status"]).replace('"', ""),
            );
        }
        after = page["after"].as_u64().unwrap();
        if page["hasMore"] == false {
            break;
        }
    }
    told.sort();
    assert_eq!(
        told,
        [
            "Core Created Event core-1 success",
            "Core Created Event core-2 success",
            "Core Deleted Event core-1 success",
            "Core Deleted Event core-2 success",
            "Core Deleted Event ghost failed",
            "Device Created Event dev-1 success",
            "Device Created Event dev-2 success",
            "Device Deleted Event dev-1 success",
            "Device Deleted Event dev-2 success",
        ]
    );
}

#[test]
fn targets_of_the_asset_library_are_looked_up_in_the_registry() {
    let fleet = TestFleet::start();
    let (http, _core) = furnished(&fleet);
    http.iot("POST", "/thing-groups/factory", &json!({}))
        .expect(200);
    http.iot(
        "POST",
        "/thing-groups/line4",
        &json!({ "parentGroupName": "factory" }),
    )
    .expect(200);
    let member = json!({ "thingGroupName": "line4", "thingName": "core-1" });
    http.iot("PUT", "/thing-groups/addThingToThingGroup", &member)
        .expect(200);
    http.cdf("POST", "/templates", &template("edge", "1.0.0"))
        .expect(201);
    for targets in [
        json!({ "assetLibraryDeviceIds": ["core-1"] }),
        json!({ "assetLibraryGroupPaths": ["/factory/line4"] }),
        json!({ "assetLibraryQuery": { "types": ["core"], "ancestorPath": "/factory" } }),
        json!({ "thingNames": [], "assetLibraryQuery": { "eq": [{ "field": "name", "value": "core-1" }] } }),
    ] {
        let request = json!({ "template": { "name": "edge" }, "targets": targets });
        let task = ended(&http, "/deploymentTasks", &request);
        assert_eq!(
            (&task["taskStatus"], &task["targets"]),
            (&json!("Success"), &targets),
            "{task}"
        );
        assert_eq!(task["deployments"].as_array().unwrap().len(), 1, "{task}");
        assert_eq!(task["deployments"][0]["coreName"], "core-1");
    }
}

/// Method, path, body, and the status and field that answer it.
type Row = (&'static str, &'static str, Value, u16, &'static str);

#[test]
fn what_breaks_a_rule_is_refused_by_its_field() {
    let fleet = TestFleet::start();
    let (http, _core) = furnished(&fleet);
    http.own(
        "PUT",
        "/provisioningTemplates/gateways",
        &provisioning_template(),
    )
    .expect(204);
    http.cdf("POST", "/templates", &template("edge", "1.0.0"))
        .expect(201);
    let delete = |members: Value| {
        let mut body = json!({ "type": "Delete", "cores": [{ "name": "core-1" }], "options": { "deprovisionCores": true } });
        body.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        ("POST", "/coreTasks", body)
    };
    let device = |members: Value| {
        let mut body = json!({ "type": "Create", "devices": [{ "name": "d", "provisioningTemplate": "gateways" }] });
        body.as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        ("POST", "/cores/core-1/deviceTasks", body)
    };
    let deploy = |targets: Value| {
        let body = json!({ "template": { "name": "edge" }, "targets": targets });
        ("POST", "/deploymentTasks", body)
    };
    let row = |(method, path, body), status, field| -> Row { (method, path, body, status, field) };
    let rows: Vec<Row> = vec![
        row(delete(json!({ "options": {} })), 400, "options"),
        row(delete(json!({ "options": null })), 400, "options"),
        row(
            delete(json!({ "options": { "deprovisionCores": "yes" } })),
            400,
            "options.deprovisionCores",
        ),
        row(delete(json!({ "cores": [] })), 400, "cores"),
        row(delete(json!({ "cores": [{}] })), 400, "cores[0].name"),
        row(
            delete(json!({ "cores": [{ "name": "a" }, { "name": "a" }] })),
            400,
            "cores",
        ),
        row(delete(json!({ "type": "Update" })), 400, "type"),
        row(device(json!({ "type": null })), 400, "type"),
        row(device(json!({ "devices": [] })), 400, "devices"),
        row(
            device(json!({ "devices": [{ "name": "d" }] })),
            400,
            "devices[0].provisioningTemplate",
        ),
        row(device(json!({ "type": "Delete" })), 400, "options"),
        (
            "POST",
            "/cores/core-2/deviceTasks",
            device(json!({})).2,
            400,
            "coreName",
        ),
        (
            "POST",
            "/cores/nobody/deviceTasks",
            device(json!({})).2,
            400,
            "coreName",
        ),
        ("GET", "/deviceTasks/aaaaaaaaa", Value::Null, 404, ""),
        ("GET", "/devices/nobody", Value::Null, 404, ""),
        ("GET", "/devices?count=0", Value::Null, 400, "count"),
        (
            "GET",
            "/deviceTasks?exclusiveStartTaskId=x",
            Value::Null,
            400,
            "exclusiveStartTaskId",
        ),
        (
            "DELETE",
            "/devices/dev-1?disassociateDeviceFromCore=0",
            Value::Null,
            400,
            "disassociateDeviceFromCore",
        ),
        row(
            deploy(json!({ "thingNames": [], "assetLibraryDeviceIds": [] })),
            400,
            "targets",
        ),
        row(deploy(json!({ "assetLibraryQuery": {} })), 400, "targets"),
        row(
            deploy(json!({ "assetLibraryQuery": { "eq": [{}] } })),
            400,
            "targets.assetLibraryQuery",
        ),
        row(
            deploy(json!({ "assetLibraryGroupPaths": ["/nowhere"] })),
            404,
            "targets.assetLibraryGroupPaths",
        ),
        ("GET", "/events/cdf?after=x", Value::Null, 400, "after"),
    ];
    for (method, path, body, status, field) in rows {
        let reply = http.cdf(method, path, &body);
        assert_eq!(
            reply.status,
            status,
            "{method} {path} {body}: {}",
            reply.text()
        );
        if !field.is_empty() {
            assert_eq!(reply.json()["field"], field, "{method} {path} {body}");
        }
    }
}
