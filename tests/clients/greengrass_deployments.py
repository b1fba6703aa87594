"""Greengrass deployments: boto3 deploys to a group and to a thing, a device plays the nucleus over mutual TLS with
paho, and boto3 reads how it went.

Besides what service.py reads: SHIPSLOG_MQTTS, the port of MQTT over TLS on localhost, and SHIPSLOG_CERTIFICATES, a
directory with ca.pem and, for the thing `pump`, pump.pem and pump.key.
"""

import base64
import hashlib
import json
import os
import ssl
import urllib.request

import paho.mqtt.client as paho

from service import ADDRESS, client, equal, refused, until

PORT = int(os.environ["SHIPSLOG_MQTTS"])
FILES = os.environ["SHIPSLOG_CERTIFICATES"]
THING = "pump"
JOBS = f"$aws/things/{THING}/jobs"
NAMESPACE = "namespace-aws-gg-deployment"
SHADOW = f"$aws/things/{THING}/shadow/name/AWSManagedGreengrassV2Deployment"
HELLO = {"com.example.Hello": {"componentVersion": "1.0.0"}}

iot = client("iot")
greengrass = client("greengrassv2")


def arn(kind, name):
    return f"arn:aws:iot:us-east-1:000000000000:{kind}/{name}"


class Nucleus:
    """A device that reads its deployments as the classic nucleus does."""

    def __init__(self):
        self.heard = []
        self.device = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=THING, protocol=paho.MQTTv311)
        files = [os.path.join(FILES, name) for name in ("ca.pem", "pump.pem", "pump.key")]
        self.device.tls_set(*files, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.device.on_message = lambda _c, _u, message: self.heard.append(
            (message.topic, json.loads(message.payload or b"{}"))
        )
        granted = []
        self.device.on_subscribe = lambda _c, _u, _m, codes, _p: granted.extend(codes)
        self.device.connect("localhost", PORT, keepalive=30)
        self.device.loop_start()
        topics = [
            f"{JOBS}/notify-{NAMESPACE}",
            f"{JOBS}/$next/{NAMESPACE}/get/accepted",
            f"{SHADOW}/update/accepted",
            f"{SHADOW}/get/accepted",
        ]
        for topic in topics:
            self.device.subscribe(topic, 1)
        until("the subscriptions", lambda: len(granted) == len(topics))
        assert all(code.value < 128 for code in granted), granted

    def tell(self, topic, payload):
        self.device.publish(topic, json.dumps(payload), qos=1).wait_for_publish(20)

    def hear(self, ending, wanted=lambda _: True):
        """The first message of a topic with this ending that fits, which is then forgotten."""

        def look():
            for place, (topic, payload) in enumerate(self.heard):
                if topic.endswith(ending) and wanted(payload):
                    del self.heard[place]
                    return payload
            return None

        return until(ending, look)

    def next(self):
        self.tell(f"{JOBS}/$next/{NAMESPACE}/get", {})
        return self.hear("/get/accepted", lambda payload: "execution" in payload)["execution"]

    def update(self, job, status, **details):
        self.tell(f"{JOBS}/{job}/{NAMESPACE}/update", {"status": status, "statusDetails": details})

    def report(self, configuration, status, **details):
        reported = {"fleetConfigurationArnForStatus": configuration, "status": status, "statusDetails": details}
        self.tell(f"{SHADOW}/update", {"state": {"reported": reported}})

    def stop(self):
        self.device.disconnect()
        self.device.loop_stop()


def prepares(nucleus):
    recipe = {"RecipeFormatVersion": "2020-01-25", "ComponentName": "com.example.Hello", "ComponentVersion": "1.0.0"}
    greengrass.create_component_version(inlineRecipe=json.dumps(recipe).encode())
    for group in ("pumps", "spares"):
        iot.create_thing_group(thingGroupName=group)
    health = {
        "ggcVersion": "2.12.0", "platform": "linux", "architecture": "amd64", "thing": THING,
        "overallDeviceStatus": "HEALTHY", "sequenceNumber": 1, "timestamp": 1700000000000,
        "messageType": "COMPLETE", "trigger": "NUCLEUS_LAUNCH", "components": [],
    }  # fmt: skip
    nucleus.tell(f"$aws/things/{THING}/greengrassv2/health/json", health)
    until("the core device", lambda: greengrass.list_core_devices()["coreDevices"])
    iot.add_thing_to_thing_group(thingGroupName="pumps", thingName=THING)


def effective():
    return greengrass.list_effective_deployments(coreDeviceThingName=THING)["effectiveDeployments"]


def deploys_to_a_group(nucleus):
    target = arn("thinggroup", "pumps")
    request = {
        "targetArn": target,
        "deploymentName": "first",
        "components": {
            "com.example.Hello": {
                "componentVersion": "1.0.0",
                "configurationUpdate": {"merge": '{"interval": 10}', "reset": ["/message"]},
                "runWith": {"posixUser": "hello:hello", "systemResourceLimits": {"memory": 65536, "cpus": 0.5}},
            }
        },
        "iotJobConfiguration": {"timeoutConfig": {"inProgressTimeoutInMinutes": 60}},
        "deploymentPolicies": {"failureHandlingPolicy": "DO_NOTHING"},
        "tags": {"team": "edge"},
        "clientToken": "once",
    }
    made = greengrass.create_deployment(**request)
    equal(greengrass.create_deployment(**request)["deploymentId"], made["deploymentId"])
    refused("ConflictException", 409, greengrass.create_deployment, **request | {"deploymentName": "other"})
    found = greengrass.get_deployment(deploymentId=made["deploymentId"])
    equal(
        {name: found[name] for name in ("targetArn", "revisionId", "deploymentStatus", "isLatestForTarget", "tags")},
        {
            "targetArn": target,
            "revisionId": "1",
            "deploymentStatus": "ACTIVE",
            "isLatestForTarget": True,
            "tags": {"team": "edge"},
        },
    )
    equal((found["iotJobId"], found["iotJobArn"]), (made["iotJobId"], made["iotJobArn"]))
    equal((found["components"], found["iotJobConfiguration"]), (request["components"], request["iotJobConfiguration"]))
    equal(
        found["deploymentPolicies"],
        {
            "failureHandlingPolicy": "DO_NOTHING",
            "componentUpdatePolicy": {"timeoutInSeconds": 60, "action": "NOTIFY_COMPONENTS"},
            "configurationValidationPolicy": {"timeoutInSeconds": 30},
        },
    )
    nucleus.hear(f"/notify-{NAMESPACE}", lambda payload: payload.get("jobs"))
    run = nucleus.next()
    document = run["jobDocument"]
    equal((run["jobId"], document["deploymentId"]), (made["iotJobId"], made["deploymentId"]))
    equal(document["configurationArn"].rsplit(":", 2)[1:], ["thinggroup/pumps", "1"])
    equal(document["components"]["com.example.Hello"]["configurationUpdate"]["merge"], {"interval": 10})
    equal([one["coreDeviceExecutionStatus"] for one in effective()], ["QUEUED"])
    refused("ConflictException", 409, greengrass.delete_core_device, coreDeviceThingName=THING)
    nucleus.update(made["iotJobId"], "IN_PROGRESS")
    nucleus.update(
        made["iotJobId"],
        "FAILED",
        **{
            "detailed-deployment-status": "FAILED_NO_STATE_CHANGE",
            "deployment-failure-cause": "no room",
            "deployment-error-stack": "[DEPLOYMENT_FAILURE, DISK_SPACE_CRITICAL]",
            "deployment-error-types": "[DEVICE_ERROR]",
        },
    )
    until("the failure", lambda: [one["coreDeviceExecutionStatus"] for one in effective()] == ["FAILED"])
    failed = effective()[0]
    equal((failed["reason"], failed["deploymentName"]), ("FAILED_NO_STATE_CHANGE: no room", "first"))
    equal(
        failed["statusDetails"],
        {"errorStack": ["DEPLOYMENT_FAILURE", "DISK_SPACE_CRITICAL"], "errorTypes": ["DEVICE_ERROR"]},
    )
    equal(greengrass.list_core_devices(thingGroupArn=target)["coreDevices"], [])
    equal(greengrass.get_deployment(deploymentId=made["deploymentId"])["deploymentStatus"], "ACTIVE")
    return made["deploymentId"]


def deploys_again(nucleus, first):
    target = arn("thinggroup", "pumps")
    made = greengrass.create_deployment(targetArn=target, components=HELLO)
    run = nucleus.next()
    equal(run["jobId"], made["iotJobId"])
    nucleus.update(made["iotJobId"], "SUCCEEDED", **{"detailed-deployment-status": "SUCCESSFUL"})
    until("the success", lambda: greengrass.list_core_devices(thingGroupArn=target)["coreDevices"])
    equal([one["coreDeviceExecutionStatus"] for one in effective()], ["SUCCEEDED"])
    equal(greengrass.list_core_devices(thingGroupArn=arn("thinggroup", "spares"))["coreDevices"], [])
    before = greengrass.get_deployment(deploymentId=first)
    equal((before["deploymentStatus"], before["isLatestForTarget"]), ("INACTIVE", False))
    listed = greengrass.list_deployments(targetArn=target)["deployments"]
    equal([(one["deploymentId"], one["revisionId"]) for one in listed], [(made["deploymentId"], "2")])
    pages = greengrass.get_paginator("list_deployments").paginate(
        targetArn=target, historyFilter="ALL", PaginationConfig={"PageSize": 1}
    )
    equal([one["revisionId"] for page in pages for one in page["deployments"]], ["2", "1"])
    # What ended is deleted; what is active is canceled first.
    greengrass.delete_deployment(deploymentId=first)
    refused("ResourceNotFoundException", 404, greengrass.get_deployment, deploymentId=first)
    refused("ConflictException", 409, greengrass.delete_deployment, deploymentId=made["deploymentId"])
    greengrass.cancel_deployment(deploymentId=made["deploymentId"])
    refused("ConflictException", 409, greengrass.cancel_deployment, deploymentId=made["deploymentId"])
    equal(greengrass.get_deployment(deploymentId=made["deploymentId"])["deploymentStatus"], "CANCELED")
    resource = f"arn:aws:greengrass:us-east-1:000000000000:deployments:{made['deploymentId']}"
    greengrass.tag_resource(resourceArn=resource, tags={"stage": "test"})
    equal(greengrass.list_tags_for_resource(resourceArn=resource)["tags"], {"stage": "test"})


def deploys_to_a_thing(nucleus):
    target = arn("thing", THING)
    made = greengrass.create_deployment(targetArn=target, components=HELLO)
    told = nucleus.hear(f"{SHADOW}/update/accepted", lambda payload: "desired" in payload["state"])
    desired = told["state"]["desired"]
    configuration = json.loads(desired["fleetConfig"])["configurationArn"]
    equal((desired["desiredStatus"], configuration.rsplit(":", 2)[1:]), ("SUCCEEDED", [f"thing/{THING}", "1"]))
    nucleus.tell(f"{SHADOW}/get", {})
    known = nucleus.hear(f"{SHADOW}/get/accepted", lambda payload: "state" in payload)
    equal(known["state"]["desired"], desired)
    nucleus.report(configuration, "IN_PROGRESS")
    nucleus.report(configuration, "SUCCEEDED", detailedStatus="SUCCESSFUL")
    until(
        "the report",
        lambda: greengrass.get_deployment(deploymentId=made["deploymentId"])["deploymentStatus"] == "COMPLETED",
    )
    by_target = {one["targetArn"]: one["coreDeviceExecutionStatus"] for one in effective()}
    equal(by_target, {target: "COMPLETED", arn("thinggroup", "pumps"): "SUCCEEDED"})
    again = greengrass.create_deployment(targetArn=target, components=HELLO)
    refused("ConflictException", 409, greengrass.delete_core_device, coreDeviceThingName=THING)
    greengrass.cancel_deployment(deploymentId=again["deploymentId"])
    told = nucleus.hear(
        f"{SHADOW}/update/accepted", lambda payload: payload["state"].get("desired") == {"desiredStatus": "CANCELED"}
    )
    assert told["version"] > known["version"], told


def deploys_below(nucleus):
    parent, target = arn("thinggroup", "pumps"), arn("thinggroup", "spares")
    greengrass.create_deployment(targetArn=parent, components=HELLO)
    made = greengrass.create_deployment(targetArn=target, parentTargetArn=parent, components=HELLO)
    listed = greengrass.list_deployments(parentTargetArn=parent)["deployments"]
    equal([one["deploymentId"] for one in listed], [made["deploymentId"]])
    equal(listed[0]["parentTargetArn"], parent)
    refused("ConflictException", 409, greengrass.create_deployment, targetArn=target, components=HELLO)
    last = greengrass.create_deployment(targetArn=parent, components=HELLO)
    equal(greengrass.get_deployment(deploymentId=made["deploymentId"])["deploymentStatus"], "INACTIVE")
    run = nucleus.next()
    equal(run["jobId"], last["iotJobId"])
    nucleus.update(last["iotJobId"], "SUCCEEDED")


def deploys_much(nucleus):
    merge = json.dumps({"text": "x" * 1_000_000})
    much = {"com.example.Hello": {"componentVersion": "1.0.0", "configurationUpdate": {"merge": merge}}}
    made = greengrass.create_deployment(targetArn=arn("thinggroup", "pumps"), components=much)
    equal(greengrass.get_deployment(deploymentId=made["deploymentId"])["components"], much)
    document = nucleus.next()["jobDocument"]
    equal(document["requiredCapabilities"], ["LARGE_CONFIGURATION"])
    path = f"/greengrass/v2/coreDevices/{THING}/deployments/{made['deploymentId']}/configuration"
    scope = "Credential=AKIDEXAMPLE/20260101/us-east-1/greengrass/aws4_request"
    asked = urllib.request.Request(
        ADDRESS + path, headers={"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0"}
    )
    offered = json.load(urllib.request.urlopen(asked))
    whole = urllib.request.urlopen(offered["preSignedUrl"]).read()
    equal(
        offered["integrityCheck"],
        {"algorithm": "SHA-256", "digest": base64.b64encode(hashlib.sha256(whole).digest()).decode()},
    )
    whole = json.loads(whole)
    equal(whole["components"]["com.example.Hello"]["configurationUpdate"]["merge"], json.loads(merge))
    for name in ("deploymentId", "configurationArn", "creationTimestamp"):
        equal(whole[name], document[name])
    greengrass.cancel_deployment(deploymentId=made["deploymentId"])
    greengrass.delete_deployment(deploymentId=made["deploymentId"])


def refuses():
    target = arn("thinggroup", "pumps")
    equal(
        refused("ResourceNotFoundException", 404, greengrass.create_deployment, targetArn=arn("thing", "nobody"))[
            "resourceType"
        ],
        "target",
    )

    def field(**component):
        components = {"com.example.Hello": {"componentVersion": "1.0.0"} | component}
        error = refused(
            "ValidationException", 400, greengrass.create_deployment, targetArn=target, components=components
        )
        return error["fields"][0]["name"] if "fields" in error else error["Error"]["Message"]

    at = "components.com.example.Hello"
    equal(field(configurationUpdate={"merge": "[]"}), f"{at}.configurationUpdate.merge")
    equal(field(configurationUpdate={"merge": "{"}), f"{at}.configurationUpdate.merge")
    equal(field(configurationUpdate={"reset": ["/a", "b"]}), f"{at}.configurationUpdate.reset[1]")
    equal(field(componentVersion="one"), f"{at}.componentVersion")
    error = refused(
        "ResourceNotFoundException",
        404,
        greengrass.create_deployment,
        targetArn=target,
        components={"com.example.Hello": {"componentVersion": "9.9.9"}},
    )
    equal(error["resourceType"], "component")
    refused("ResourceNotFoundException", 404, greengrass.cancel_deployment, deploymentId="nobody")
    refused("ResourceNotFoundException", 404, greengrass.delete_deployment, deploymentId="nobody")


def keeps_client_devices():
    iot.create_thing(thingName="sensor")
    entries = [{"thingName": "sensor"}, {"thingName": "nobody"}]
    answer = greengrass.batch_associate_client_device_with_core_device(coreDeviceThingName=THING, entries=entries)
    errors = [(one["thingName"], one["code"]) for one in answer["errorEntries"]]
    equal(errors, [("nobody", "ResourceNotFoundException")])
    listed = greengrass.list_client_devices_associated_with_core_device(coreDeviceThingName=THING)
    equal([one["thingName"] for one in listed["associatedClientDevices"]], ["sensor"])
    assert listed["associatedClientDevices"][0]["associationTimestamp"]
    greengrass.batch_disassociate_client_device_from_core_device(coreDeviceThingName=THING, entries=entries[:1])
    listed = greengrass.list_client_devices_associated_with_core_device(coreDeviceThingName=THING)
    equal(listed.get("associatedClientDevices", []), [])
    refused(
        "ResourceNotFoundException",
        404,
        greengrass.batch_associate_client_device_with_core_device,
        coreDeviceThingName="nobody",
        entries=entries,
    )


def ends():
    greengrass.delete_core_device(coreDeviceThingName=THING)
    until(
        "the end of the core device",
        lambda: not greengrass.list_core_devices()["coreDevices"],
    )
    refused("ResourceNotFoundException", 404, greengrass.delete_core_device, coreDeviceThingName=THING)
    equal(iot.describe_thing(thingName=THING)["thingName"], THING)


nucleus = Nucleus()
prepares(nucleus)
deploys_again(nucleus, deploys_to_a_group(nucleus))
deploys_to_a_thing(nucleus)
deploys_below(nucleus)
deploys_much(nucleus)
refuses()
keeps_client_devices()
nucleus.stop()
ends()
