"""Lightsail container services: boto3 makes, changes and deletes them, deploys versions of which one fails, and reads the
logs and the metrics that two nodes send, which paho plays.

It reads what service.py reads, and SHIPSLOG_MQTT: the port of plain MQTT on localhost.
"""

import json
import os
import queue
import time
from datetime import datetime, timedelta, timezone

import paho.mqtt.client as paho

from service import client, equal, refused, until

lightsail = client("lightsail")
iot = client("iot")
SERVICE = "web"
GROUP = f"container-nodes-{SERVICE}"
DIGEST = "sha256:" + "9f86d081884c7d65" * 4


class Node:
    """A thing that runs what it is told, or says that it cannot."""

    def __init__(self, name):
        self.name, self.told, self.replies = name, [], queue.Queue()
        self.fails = False
        iot.create_thing(thingName=name)
        self.mqtt = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
        self.mqtt.on_message = self.heard
        self.mqtt.connect("localhost", int(os.environ["SHIPSLOG_MQTT"]))
        self.mqtt.subscribe(self.topic("jobs/notify-next-namespace-container-service"), 1)
        self.mqtt.loop_start()

    def topic(self, rest):
        return f"$aws/things/{self.name}/{rest}"

    def publish(self, rest, message):
        self.mqtt.publish(self.topic(rest), json.dumps(message), 1)

    def heard(self, _mqtt, _data, message):
        said = json.loads(message.payload)
        topic = message.topic.removeprefix(self.topic(""))
        if topic.startswith("container-services/"):
            self.replies.put((topic, said))
        if not topic.startswith("jobs/notify-next"):
            return
        execution = said.get("execution")
        if not execution or execution["status"] != "QUEUED":
            return
        document = execution["jobDocument"]
        self.told.append(document)
        update = f"jobs/{execution['jobId']}/namespace-container-service/update"
        details = {"stage": "EVALUATING_HEALTH_CHECK"}
        self.publish(update, {"status": "IN_PROGRESS", "statusDetails": details})
        if self.fails and document["operation"] == "RUN" and "broken" in json.dumps(document["containers"]):
            self.lines("app", ["ERROR: cannot open the disk"])
            self.publish(update, {"status": "FAILED", "statusDetails": {"cause": "app exited with 1"}})
        else:
            self.publish(update, {"status": "SUCCEEDED", "statusDetails": {"health": "HEALTHY"}})

    def lines(self, container, messages, at=None):
        at = at or int(time.time() * 1000)
        lines = [{"timestamp": at + number, "message": message} for number, message in enumerate(messages)]
        self.publish(f"container-services/{SERVICE}/logs", {"containerName": container, "lines": lines})

    def samples(self, samples):
        self.publish(f"container-services/{SERVICE}/metrics", {"samples": samples})

    def reply(self):
        return self.replies.get(timeout=20)


def service():
    (found,) = lightsail.get_container_services(serviceName=SERVICE)["containerServices"]
    return found


def in_state(state):
    return until(f"{SERVICE} is {state}", lambda: (found := service())["state"] == state and found)


def public(image):
    return {
        "containers": {"app": {"image": image, "ports": {"80": "HTTP"}, "environment": {"MODE": "fast"}}},
        "publicEndpoint": {"containerName": "app", "containerPort": 80},
    }


def creates():
    made = lightsail.create_container_service(
        serviceName=SERVICE,
        power="micro",
        scale=2,
        tags=[{"key": "team", "value": "edge"}],
        publicDomainNames={"main": ["www.example.com"]},
        privateRegistryAccess={"ecrImagePullerRole": {"isActive": True}},
    )["containerService"]
    equal((made["containerServiceName"], made["power"], made["powerId"]), (SERVICE, "micro", "micro-1"))
    assert made["arn"].startswith("arn:aws:lightsail:us-east-1:000000000000:ContainerService/"), made
    assert made["url"].startswith("https://web.") and made["url"].endswith(".us-east-1.cs.amazonlightsail.com/")
    equal(made["privateDomainName"], "web.service.local")
    equal(made["resourceType"], "ContainerService")
    equal(made["location"], {"availabilityZone": "us-east-1a", "regionName": "us-east-1"})
    equal(made["publicDomainNames"], {"main": ["www.example.com"]})
    equal(made["tags"], [{"key": "team", "value": "edge"}])
    assert made["privateRegistryAccess"]["ecrImagePullerRole"]["isActive"]
    ready = in_state("READY")
    assert "stateDetail" not in ready and "currentDeployment" not in ready, ready
    equal([found["containerServiceName"] for found in lightsail.get_container_services()["containerServices"]], [SERVICE])
    create = lightsail.create_container_service
    refused("InvalidInputException", 400, create, serviceName=SERVICE, power="nano", scale=1)
    error = refused("InvalidInputException", 400, create, serviceName="other", power="nano", scale=21)
    assert error["code"] == "InvalidInputException" and error["docs"] and error["tip"], error
    refused("InvalidInputException", 400, create, serviceName="Other", power="nano", scale=1)
    five = {"main": [f"{name}.example.com" for name in "abcde"]}
    refused("InvalidInputException", 400, create, serviceName="other", power="nano", scale=1, publicDomainNames=five)
    refused("NotFoundException", 400, lightsail.get_container_services, serviceName="nobody")


def registers_images():
    register = lightsail.register_container_image
    image = register(serviceName=SERVICE, label="app", digest=DIGEST)["containerImage"]
    equal((image["image"], image["digest"]), (":web.app.1", DIGEST))
    equal(register(serviceName=SERVICE, label="app", digest=DIGEST)["containerImage"]["image"], ":web.app.2")
    images = lightsail.get_container_images(serviceName=SERVICE)["containerImages"]
    equal([image["image"] for image in images], [":web.app.2", ":web.app.1"])
    lightsail.delete_container_image(serviceName=SERVICE, image=":web.app.1")
    delete = lightsail.delete_container_image
    refused("NotFoundException", 400, delete, serviceName=SERVICE, image=":web.app.1")
    refused("InvalidInputException", 400, register, serviceName=SERVICE, label="app", digest="9f86")


def deploys(nodes):
    deploy = lightsail.create_container_service_deployment
    refused("NotFoundException", 400, deploy, serviceName="nobody", **public("nginx"))
    refused("InvalidInputException", 400, deploy, serviceName=SERVICE, containers={})
    refused("InvalidInputException", 400, deploy, serviceName=SERVICE, **public(":web.none.latest"))
    wrong = public("nginx") | {"publicEndpoint": {"containerName": "app", "containerPort": 81}}
    refused("InvalidInputException", 400, deploy, serviceName=SERVICE, **wrong)
    started = deploy(serviceName=SERVICE, **public(":web.app.latest"))["containerService"]
    equal((started["state"], started["nextDeployment"]["state"]), ("DEPLOYING", "ACTIVATING"))
    equal(started["nextDeployment"]["version"], 1)
    equal(started["stateDetail"]["code"], "CREATING_SYSTEM_RESOURCES")
    refused("InvalidInputException", 400, deploy, serviceName=SERVICE, **public("nginx"))
    for node in nodes:
        iot.add_thing_to_thing_group(thingGroupName=GROUP, thingName=node.name)
    running = in_state("RUNNING")
    current = running["currentDeployment"]
    equal((current["version"], current["state"]), (1, "ACTIVE"))
    assert "nextDeployment" not in running, running
    equal(current["containers"]["app"]["image"], ":web.app.2")
    check = current["publicEndpoint"]["healthCheck"]
    equal((check["healthyThreshold"], check["intervalSeconds"], check["successCodes"]), (2, 5, "200-499"))
    document = nodes[0].told[0]
    equal((document["operation"], document["version"]), ("RUN", 1))
    equal(document["containers"]["app"]["imageDigest"], DIGEST)
    delete = lightsail.delete_container_image
    refused("InvalidInputException", 400, delete, serviceName=SERVICE, image=":web.app.2")


def survives_a_failure(nodes):
    nodes[1].fails = True
    before = [len(node.told) for node in nodes]
    lightsail.create_container_service_deployment(serviceName=SERVICE, **public("nginx:broken"))
    running = in_state("RUNNING")
    equal(running["currentDeployment"]["version"], 1)
    versions = lightsail.get_container_service_deployments(serviceName=SERVICE)["deployments"]
    equal([(one["version"], one["state"]) for one in versions], [(2, "FAILED"), (1, "ACTIVE")])
    for node, count in zip(nodes, before):
        until(f"{node.name} went back", lambda: len(node.told) > count and node.told[-1]["version"] == 1)
    nodes[1].fails = False


def changes(nodes):
    update = lightsail.update_container_service
    refused("InvalidInputException", 400, update, serviceName=SERVICE, scale=21)
    updating = update(serviceName=SERVICE, power="large")["containerService"]
    equal((updating["state"], updating["power"]), ("UPDATING", "large"))
    in_state("RUNNING")
    until("the node hears of it", lambda: nodes[0].told[-1]["power"]["name"] == "large")
    update(serviceName=SERVICE, scale=1)
    in_state("RUNNING")
    until("a node stops", lambda: any(node.told[-1]["operation"] == "STOP" for node in nodes))
    equal(update(serviceName=SERVICE, isDisabled=True)["containerService"]["state"], "DISABLED")
    deploy = lightsail.create_container_service_deployment
    refused("InvalidInputException", 400, deploy, serviceName=SERVICE, **public("nginx"))
    update(serviceName=SERVICE, isDisabled=False)
    in_state("RUNNING")


def tells_logs(node):
    get = lightsail.get_container_log

    def messages(**more):
        events = get(serviceName=SERVICE, containerName="app", **more)["logEvents"]
        return [event["message"] for event in events]

    equal(node.reply()[1]["accepted"], 1)
    equal(messages(), ["ERROR: cannot open the disk"])
    at = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
    start = int(at.timestamp() * 1000)
    node.lines("app", ["INFO: up", "WARN: slow disk", "ERROR: disk full", "INFO: down"], start)
    topic, reply = node.reply()
    equal((topic, reply["accepted"], reply["dropped"]), (f"container-services/{SERVICE}/logs/accepted", 4, 0))
    day = {"startTime": at, "endTime": at + timedelta(minutes=1)}
    equal(len(messages(**day)), 4)
    equal(messages(filterPattern="ERROR", **day), ["ERROR: disk full"])
    equal(messages(filterPattern="-INFO", **day), ["WARN: slow disk", "ERROR: disk full"])
    equal(messages(filterPattern="disk full", **day), ["ERROR: disk full"])
    equal(messages(filterPattern="?up ?down", **day), ["INFO: up", "INFO: down"])
    equal(messages(filterPattern='"slow disk"', **day), ["WARN: slow disk"])
    equal(messages(startTime=at, endTime=at), ["INFO: up"])
    refused("InvalidInputException", 400, get, serviceName=SERVICE, containerName="app", filterPattern='"')
    refused("NotFoundException", 400, get, serviceName="nobody", containerName="app")
    node.lines("many", [f"line {number}" for number in range(250)], start)
    equal(node.reply()[1]["accepted"], 250)
    found, token = [], {}
    while True:
        page = get(serviceName=SERVICE, containerName="many", **token)
        found += [event["message"] for event in page["logEvents"]]
        if "nextPageToken" not in page:
            break
        token = {"pageToken": page["nextPageToken"]}
    equal(found, [f"line {number}" for number in range(250)])
    refused("InvalidInputException", 400, get, serviceName=SERVICE, containerName="app", **token)


def tells_metrics(node):
    at = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
    start = int(at.timestamp() * 1000)
    rows = [(0, 10.0, 40), (30_000, 20.5, 50), (60_000, 30.0, 60)]
    node.samples([{"timestamp": start + ms, "cpuUtilization": cpu, "memoryUtilization": memory} for ms, cpu, memory in rows])
    equal(node.reply()[1]["accepted"], 3)
    get = lightsail.get_container_service_metric_data
    asked = {"serviceName": SERVICE, "startTime": at, "endTime": at + timedelta(minutes=5), "period": 60}
    every = ["Minimum", "Maximum", "Sum", "Average", "SampleCount"]
    answer = get(metricName="CPUUtilization", statistics=every, **asked)
    first, second = answer["metricData"]
    equal(answer["metricName"], "CPUUtilization")
    equal((first["minimum"], first["maximum"], first["sum"]), (10.0, 20.5, 30.5))
    equal((first["average"], first["sampleCount"], first["unit"]), (15.25, 2.0, "Percent"))
    equal((first["timestamp"], second["timestamp"]), (at, at + timedelta(minutes=1)))
    (memory, _) = get(metricName="MemoryUtilization", statistics=["Average"], **asked)["metricData"]
    equal((memory["average"], "sum" in memory), (45.0, False))
    asked["period"] = 90
    refused("InvalidInputException", 400, get, metricName="CPUUtilization", statistics=every, **asked)


def knows_strangers():
    stranger = Node("stranger")
    stranger.lines("app", ["hello"])
    topic, reply = stranger.reply()
    equal((topic, reply["code"]), (f"container-services/{SERVICE}/logs/rejected", "ResourceNotFound"))
    assert GROUP in reply["message"], reply
    stranger.mqtt.loop_stop()


def answers_what_is_always_the_same():
    powers = lightsail.get_container_service_powers()["powers"]
    equal([power["name"] for power in powers], ["nano", "micro", "small", "medium", "large", "xlarge"])
    equal((powers[0]["price"], powers[0]["cpuCount"], powers[0]["ramSizeInGb"]), (7.0, 0.25, 0.5))
    login = lightsail.create_container_service_registry_login()["registryLogin"]
    left = login["expiresAt"] - datetime.now(timezone.utc)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12), login
    assert login["username"] and login["password"] and login["registry"], login
    assert lightsail.get_container_api_metadata()["metadata"]


def tags():
    (operation,) = lightsail.tag_resource(resourceName=SERVICE, tags=[{"key": "cost", "value": "7"}])["operations"]
    equal((operation["operationType"], operation["status"]), ("TagResource", "Succeeded"))
    equal((operation["resourceName"], operation["isTerminal"]), (SERVICE, True))
    equal(service()["tags"], [{"key": "cost", "value": "7"}, {"key": "team", "value": "edge"}])
    arn = service()["arn"]
    lightsail.untag_resource(resourceName=SERVICE, resourceArn=arn, tagKeys=["cost", "none"])
    equal(service()["tags"], [{"key": "team", "value": "edge"}])
    refused("NotFoundException", 400, lightsail.tag_resource, resourceName="nobody", tags=[{"key": "a"}])
    wrong = arn[:-1] + ("0" if arn[-1] != "0" else "1")
    untag = lightsail.untag_resource
    refused("InvalidInputException", 400, untag, resourceName=SERVICE, resourceArn=wrong, tagKeys=["team"])


def deletes(nodes):
    equal(set(lightsail.delete_container_service(serviceName=SERVICE)), {"ResponseMetadata"})
    until("the service is gone", lambda: not lightsail.get_container_services()["containerServices"])
    assert any(node.told[-1]["operation"] == "STOP" for node in nodes)
    refused("NotFoundException", 400, lightsail.delete_container_service, serviceName=SERVICE)


creates()
nodes = [Node("n1"), Node("n2")]
registers_images()
deploys(nodes)
survives_a_failure(nodes)
tells_logs(nodes[1])
tells_metrics(nodes[1])
knows_strangers()
changes(nodes)
answers_what_is_always_the_same()
tags()
deletes(nodes)
for node in nodes:
    node.mqtt.disconnect()
    node.mqtt.loop_stop()
