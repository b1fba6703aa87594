"""OpsWorks: a stack with a layer and an app, one device that runs commands over mutual TLS with paho, and one that never
comes. boto3 waits with its own waiters.

Besides what service.py reads: SHIPSLOG_MQTTS, the port of MQTT over TLS on localhost, and SHIPSLOG_CERTIFICATES, a
directory with ca.pem and, for the thing `pump`, pump.pem and pump.key.
"""

import json
import os
import ssl

import botocore
import botocore.exceptions
import paho.mqtt.client as paho

from service import client, equal, refused, until

PORT = int(os.environ["SHIPSLOG_MQTTS"])
FILES = os.environ["SHIPSLOG_CERTIFICATES"]
THING = "pump"
JOBS = f"$aws/things/{THING}/jobs"
NAMESPACE = "namespace-stack-command"
# Waiters ask every 15 seconds otherwise.
SOON = {"Delay": 1, "MaxAttempts": 30}

equal(botocore.__version__, "1.40.18")
opsworks = client("opsworks")


class Device:
    """Runs one command after the other, and keeps five versions of each app."""

    def __init__(self):
        self.commands = []
        self.versions = {}
        self.fails = False
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=THING, protocol=paho.MQTTv311)
        files = [os.path.join(FILES, name) for name in ("ca.pem", "pump.pem", "pump.key")]
        self.client.tls_set(*files, tls_version=ssl.PROTOCOL_TLS_CLIENT)
        self.client.on_message = self.on_message
        self.client.connect("localhost", PORT, keepalive=30)
        self.client.loop_start()
        subscribed = self.client.subscribe(f"{JOBS}/notify-next-{NAMESPACE}", qos=1)
        equal(subscribed[0], paho.MQTT_ERR_SUCCESS)
        self.client.publish(f"{JOBS}/$next/{NAMESPACE}/get", "{}", qos=1)

    def on_message(self, _client, _data, message):
        execution = json.loads(message.payload).get("execution")
        if not execution or "jobDocument" not in execution or execution["status"] != "QUEUED":
            return
        job, document = execution["jobId"], execution["jobDocument"]
        self.commands.append(document)
        self.report(job, "IN_PROGRESS", {})
        if self.fails:
            self.report(job, "FAILED", {"exitCode": "7", "logUrl": "https://example.com/log"})
        else:
            self.run(document)
            self.report(job, "SUCCEEDED", {"exitCode": "0"})

    def run(self, document):
        name = document["Command"]["Name"]
        if not document["App"]:
            return
        versions = self.versions.setdefault(document["App"]["Shortname"], [])
        if name == "deploy":
            versions.append(document["DeploymentId"])
            del versions[:-5]
        elif name == "rollback":
            versions.pop()
            assert document["RollbackTo"] in (None, versions[-1]), document
        elif name == "undeploy":
            versions.clear()

    def report(self, job, status, details):
        update = {"status": status, "statusDetails": details}
        self.client.publish(f"{JOBS}/{job}/{NAMESPACE}/update", json.dumps(update), qos=1)

    def stop(self):
        self.client.disconnect()
        self.client.loop_stop()


def sets_up():
    role = "arn:aws:iam::000000000000:role/opsworks"
    profile = "arn:aws:iam::000000000000:instance-profile/opsworks"
    stack = opsworks.create_stack(
        Name="fleet",
        Region="us-east-1",
        ServiceRoleArn=role,
        DefaultInstanceProfileArn=profile,
        CustomJson=json.dumps({"log": {"level": "info", "days": 3}}),
        Attributes={"Color": "rgb(45, 114, 184)"},
    )["StackId"]
    layer = opsworks.create_layer(StackId=stack, Type="custom", Name="Edge", Shortname="edge")["LayerId"]
    app = opsworks.create_app(
        StackId=stack,
        Name="Shop",
        Type="other",
        AppSource={"Type": "archive", "Url": "https://example.com/shop.tar.gz", "Password": "secret"},
        Environment=[{"Key": "MODE", "Value": "live"}, {"Key": "TOKEN", "Value": "secret", "Secure": True}],
    )["AppId"]
    opsworks.get_waiter("app_exists").wait(AppIds=[app], WaiterConfig=SOON)
    found = opsworks.describe_apps(StackId=stack)["Apps"]
    equal([(one["Shortname"], one["AppSource"]["Password"]) for one in found], [("shop", "*****FILTERED*****")])
    equal(found[0]["Environment"][1], {"Key": "TOKEN", "Value": "*****FILTERED*****", "Secure": True})
    error = refused("ValidationException", 400, opsworks.update_app, AppId=app, Environment=large_environment())
    equal(error["Error"]["Message"], "Environment: is too large (maximum is 20 KB)")
    return stack, layer, app


def large_environment():
    return [{"Key": f"KEY{number}", "Value": "x" * 4000} for number in range(6)]


def joins(stack, layer):
    pump = opsworks.register_instance(StackId=stack, Hostname=THING)["InstanceId"]
    equal(status(pump), "registering")
    device = Device()
    opsworks.get_waiter("instance_registered").wait(InstanceIds=[pump], WaiterConfig=SOON)
    opsworks.assign_instance(InstanceId=pump, LayerIds=[layer])
    opsworks.get_waiter("instance_online").wait(InstanceIds=[pump], WaiterConfig=SOON)
    cloud = opsworks.create_instance(StackId=stack, LayerIds=[layer], InstanceType="c5.large")["InstanceId"]
    equal(status(cloud), "stopped")
    opsworks.start_instance(InstanceId=cloud)
    equal(status(cloud), "requested")
    return pump, cloud, device


def status(instance):
    return opsworks.describe_instances(InstanceIds=[instance])["Instances"][0]["Status"]


def deploys(stack, app, name, **more):
    made = opsworks.create_deployment(StackId=stack, AppId=app, Command={"Name": name}, **more)["DeploymentId"]
    opsworks.get_waiter("deployment_successful").wait(DeploymentIds=[made], WaiterConfig=SOON)
    return made


def runs(stack, layer, app, pump, cloud, device):
    custom = json.dumps({"log": {"level": "debug"}})
    first = deploys(stack, app, "deploy", CustomJson=custom, LayerIds=[layer], Comment="the first")
    found = opsworks.describe_deployments(DeploymentIds=[first])["Deployments"][0]
    equal((found["Status"], found["Comment"], found["AppId"]), ("successful", "the first", app))
    equal(found["IamUserArn"], "arn:aws:iam::000000000000:root")
    equal(sorted(found["InstanceIds"]), sorted([pump, cloud]))
    assert found["Duration"] >= 0 and found["CompletedAt"] >= found["CreatedAt"], found
    equal(device.commands[-1]["CustomJson"], {"log": {"level": "debug", "days": 3}})
    equal(device.commands[-1]["App"]["AppSource"]["Password"], "secret")
    commands = opsworks.describe_commands(DeploymentId=first)["Commands"]
    equal({one["InstanceId"]: one["Status"] for one in commands}, {pump: "successful", cloud: "skipped"})
    of_pump = next(one for one in commands if one["InstanceId"] == pump)
    equal((of_pump["Type"], of_pump["ExitCode"]), ("deploy", 0))
    assert of_pump["CreatedAt"] <= of_pump["AcknowledgedAt"] <= of_pump["CompletedAt"], of_pump
    equal(opsworks.describe_commands(CommandIds=[of_pump["CommandId"]])["Commands"], [of_pump])
    return first


def fails(stack, app, device):
    device.fails = True
    made = opsworks.create_deployment(StackId=stack, Command={"Name": "execute_recipes", "Args": {"recipes": ["a::b"]}})
    try:
        opsworks.get_waiter("deployment_successful").wait(DeploymentIds=[made["DeploymentId"]], WaiterConfig=SOON)
        raise AssertionError("the waiter has seen no failure")
    except botocore.exceptions.WaiterError as error:
        equal(error.last_response["Deployments"][0]["Status"], "failed")
    command = opsworks.describe_commands(DeploymentId=made["DeploymentId"])["Commands"][0]
    equal((command["Status"], command["ExitCode"], command["LogUrl"]), ("failed", 7, "https://example.com/log"))
    device.fails = False


def rolls_back(stack, app, device, first):
    versions = [first] + [deploys(stack, app, "deploy") for _ in range(5)]
    equal(device.versions["shop"], versions[1:])
    for oldest in (4, 3, 2, 1):
        deploys(stack, app, "rollback")
        equal(device.versions["shop"][-1], versions[oldest])
    asked = len(device.commands)
    past = opsworks.create_deployment(StackId=stack, AppId=app, Command={"Name": "rollback"})["DeploymentId"]
    equal(opsworks.describe_deployments(DeploymentIds=[past])["Deployments"][0]["Status"], "failed")
    equal((len(device.commands), device.versions["shop"]), (asked, [versions[1]]))
    deploys(stack, app, "undeploy")
    equal(device.versions["shop"], [])


def refuses(stack, app, pump):
    def create(**arguments):
        return refused("ValidationException", 400, opsworks.create_deployment, StackId=stack, **arguments)

    create(Command={"Name": "deploy"})
    create(Command={"Name": "execute_recipes"})
    create(AppId=app, Command={"Name": "deploy", "Args": {"speed": ["high"]}})
    create(Command={"Name": "update_dependencies", "Args": {"upgrade_os_to": ["Amazon Linux 2"]}})
    create(Command={"Name": "setup"}, CustomJson="[]")
    missing = dict(StackId=stack, InstanceIds=["3b9f1b0e-0000-4000-8000-000000000000"], Command={"Name": "setup"})
    refused("ResourceNotFoundException", 400, opsworks.create_deployment, **missing)
    refused("ValidationException", 400, opsworks.describe_commands, InstanceId=pump, CommandIds=["x"])
    refused("ValidationException", 400, opsworks.describe_deployments)
    refused("ValidationException", 400, opsworks.delete_stack, StackId=stack)


def takes_down(stack, layer, app, pump, cloud, device):
    device.stop()
    until("connection_lost", lambda: status(pump) == "connection_lost", 90)
    opsworks.stop_instance(InstanceId=cloud)
    opsworks.get_waiter("instance_stopped").wait(InstanceIds=[cloud], WaiterConfig=SOON)
    opsworks.delete_instance(InstanceId=cloud)
    opsworks.get_waiter("instance_terminated").wait(InstanceIds=[cloud], WaiterConfig=SOON)
    opsworks.deregister_instance(InstanceId=pump)
    opsworks.delete_layer(LayerId=layer)
    opsworks.delete_app(AppId=app)
    opsworks.delete_stack(StackId=stack)
    refused("ResourceNotFoundException", 400, opsworks.describe_stacks, StackIds=[stack])
    equal(opsworks.describe_stacks()["Stacks"], [])


fleet, edge, shop = sets_up()
here, elsewhere, runner = joins(fleet, edge)
refuses(fleet, shop, here)
oldest = runs(fleet, edge, shop, here, elsewhere, runner)
fails(fleet, shop, runner)
rolls_back(fleet, shop, runner, oldest)
takes_down(fleet, edge, shop, here, elsewhere, runner)
