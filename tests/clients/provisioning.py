"""Devices that provision themselves over mutual TLS: AWS's device SDK in both versions of MQTT, its identity client in
both of its forms. From a claim to a job that was done with a certificate of the device's own.

Its environment is that of device.py, with device.csr and device.key in the directory instead of a certificate, and
SHIPSLOG_HOOK, the port of the hook `stock`, which this script serves.
"""

import http.server
import json
import os
import threading

from awscrt import mqtt, mqtt_request_response
from awsiot import iotidentity, iotjobs

from device import PATIENCE, end, path, speak_3_1_1, speak_5
from service import client, equal, refused, until

QOS = mqtt.QoS.AT_LEAST_ONCE
iot = client("iot")

POLICY = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"},
    {"Effect": "Allow", "Action": ["iot:Publish", "iot:Receive"],
     "Resource": "arn:aws:iot:*:*:topic/$aws/things/${iot:Connection.Thing.ThingName}/*"},
    {"Effect": "Allow", "Action": "iot:Subscribe",
     "Resource": "arn:aws:iot:*:*:topicfilter/$aws/things/${iot:Connection.Thing.ThingName}/*"},
]}
TEMPLATE = {
    "Parameters": {"SerialNumber": {"Type": "String"}, "Site": {"Type": "String", "Default": "unknown"},
                   "AWS::IoT::Certificate::Id": {"Type": "String"}},
    "DeviceConfiguration": {"site": {"Ref": "Site"}},
    "Resources": {
        "thing": {"Type": "AWS::IoT::Thing", "Properties": {
            "ThingName": {"Fn::Join": ["", ["pump-", {"Ref": "SerialNumber"}]]},
            "AttributePayload": {"site": {"Ref": "Site"}}}},
        "certificate": {"Type": "AWS::IoT::Certificate", "Properties": {
            "CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "ACTIVE"}},
        "policy": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "fleet"}},
    },
}
QUESTIONS = []


class Hook(http.server.BaseHTTPRequestHandler):
    """Knows its devices by their serial numbers, and where they are."""

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["content-length"])))
        QUESTIONS.append(question)
        known = question["parameters"].get("SerialNumber") != "stolen"
        answer = json.dumps({"allowProvisioning": known, "parameterOverrides": {"Site": "north"}}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def serve_hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["SHIPSLOG_HOOK"])), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def prepare():
    iot.create_policy(policyName="fleet", policyDocument=json.dumps(POLICY))
    iot.create_provisioning_template(
        templateName="pumps", templateBody=json.dumps(TEMPLATE), enabled=True,
        provisioningRoleArn="arn:aws:iam::000000000000:role/provisioning",
        preProvisioningHook={"targetArn": "arn:aws:lambda:us-east-1:000000000000:function:stock",
                             "payloadVersion": "2020-04-01"},
    )
    refused("InvalidRequestException", 400, iot.create_provisioning_template,
            templateName="addressed", templateBody=json.dumps(TEMPLATE),
            provisioningRoleArn="arn:aws:iam::000000000000:role/provisioning",
            preProvisioningHook={"targetArn": "https://stock.example/devices"})


def store(name, certificate, key):
    for kind, text in [("pem", certificate), ("key", key)]:
        with open(path(f"{name}.{kind}"), "w", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
            file.write(text)


def claim(name):
    made = iot.create_provisioning_claim(templateName="pumps")
    store(name, made["certificatePem"], made["keyPair"]["PrivateKey"])
    return made["certificateId"]


def read(name):
    with open(path(name)) as file:
        return file.read()


def asked(subscribe, publish, request, of_topic):
    """One request of the older client: the answer, or the error."""
    done, found = threading.Event(), []

    def on_answer(answer):
        found.append(answer)
        done.set()

    for what in subscribe:
        future, _ = what(of_topic, QOS, on_answer)
        future.result(PATIENCE)
    publish(request, QOS).result(PATIENCE)
    assert done.wait(PATIENCE), "no answer"
    return found[0]


def in_3_1_1_with_keys_of_the_service():
    claim_id = claim("claim-1")
    connection = speak_3_1_1("claim-1", "new-1")
    identity = iotidentity.IotIdentityClient(connection)
    handed = asked(
        [identity.subscribe_to_create_keys_and_certificate_accepted,
         identity.subscribe_to_create_keys_and_certificate_rejected],
        identity.publish_create_keys_and_certificate,
        iotidentity.CreateKeysAndCertificateRequest(),
        iotidentity.CreateKeysAndCertificateSubscriptionRequest())
    assert isinstance(handed, iotidentity.CreateKeysAndCertificateResponse), handed
    described = iot.describe_certificate(certificateId=handed.certificate_id)["certificateDescription"]
    equal(described["status"], "PENDING_ACTIVATION")

    def provision(token, serial):
        return asked(
            [identity.subscribe_to_register_thing_accepted, identity.subscribe_to_register_thing_rejected],
            identity.publish_register_thing,
            iotidentity.RegisterThingRequest(
                template_name="pumps", certificate_ownership_token=token, parameters={"SerialNumber": serial}),
            iotidentity.RegisterThingSubscriptionRequest(template_name="pumps"))

    denied = provision(handed.certificate_ownership_token, "stolen")
    assert isinstance(denied, iotidentity.ErrorResponse), denied
    equal((denied.status_code, denied.error_code), (403, "ACCESS_DENIED"))
    provisioned = provision(handed.certificate_ownership_token, "1")
    assert isinstance(provisioned, iotidentity.RegisterThingResponse), vars(provisioned)
    equal((provisioned.thing_name, provisioned.device_configuration), ("pump-1", {"site": "north"}))
    again = provision(handed.certificate_ownership_token, "1")
    equal((again.status_code, again.error_code), (400, "InvalidCertificateOwnershipToken"))
    connection.disconnect().result(PATIENCE)
    question = QUESTIONS[-1]
    equal((question["claimCertificateId"], question["certificateId"]), (claim_id, handed.certificate_id))
    equal((question["clientId"], question["parameters"]), ("new-1", {"SerialNumber": "1"}))
    equal(question["certificatePem"], handed.certificate_pem)
    assert question["templateArn"].endswith(":provisioningtemplate/pumps"), question
    store("pump-1", handed.certificate_pem, handed.private_key)
    connection = speak_3_1_1("pump-1", "pump-1")
    take(iotjobs.IotJobsClient(connection), "pump-1")
    connection.disconnect().result(PATIENCE)


def in_5_with_a_key_of_the_device():
    claim("claim-2")
    spoken, stop = speak_5("claim-2", "new-2")
    identity = iotidentity.IotIdentityClientV2(spoken, mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=4, max_streaming_subscriptions=2, operation_timeout_in_seconds=PATIENCE))
    handed = identity.create_certificate_from_csr(iotidentity.CreateCertificateFromCsrRequest(
        certificate_signing_request=read("device.csr"))).result(PATIENCE)

    def provision():
        return identity.register_thing(iotidentity.RegisterThingRequest(
            template_name="pumps", certificate_ownership_token=handed.certificate_ownership_token,
            parameters={"SerialNumber": "2"})).result(PATIENCE)

    provisioned = provision()
    equal((provisioned.thing_name, provisioned.device_configuration), ("pump-2", {"site": "north"}))
    try:
        provision()
        raise AssertionError("a token is for one device")
    except Exception as error:  # The client makes no class of its own for it.
        equal(error.modeled_error.error_code, "InvalidCertificateOwnershipToken")
    stop()
    store("pump-2", handed.certificate_pem, read("device.key"))
    spoken, stop = speak_5("pump-2", "pump-2")
    take(iotjobs.IotJobsClient(spoken), "pump-2")
    stop()


def take(jobs, thing):
    """A job that the operator makes for the new thing, done by the device."""
    target = iot.describe_thing(thingName=thing)
    equal(target["attributes"], {"site": "north"})
    iot.create_job(jobId=f"first-of-{thing}", targets=[target["thingArn"]], document=json.dumps({"operation": "hello"}))
    topic = iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name=thing)
    started = asked(
        [lambda *of: jobs.subscribe_to_start_next_pending_job_execution_accepted(*of),
         lambda *of: jobs.subscribe_to_start_next_pending_job_execution_rejected(*of)],
        jobs.publish_start_next_pending_job_execution,
        iotjobs.StartNextPendingJobExecutionRequest(thing_name=thing), topic)
    equal(started.execution.job_document, {"operation": "hello"})
    jobs.publish_update_job_execution(iotjobs.UpdateJobExecutionRequest(
        thing_name=thing, job_id=f"first-of-{thing}", status=iotjobs.JobStatus.SUCCEEDED), QOS).result(PATIENCE)
    until("the job is done", lambda: iot.describe_job(jobId=f"first-of-{thing}")["job"]["status"] == "COMPLETED")


serve_hook()
prepare()
in_3_1_1_with_keys_of_the_service()
in_5_with_a_key_of_the_device()
end()
