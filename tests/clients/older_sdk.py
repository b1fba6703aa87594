"""Jobs and shadows over mutual TLS with AWSIoTPythonSDK, AWS's SDK for devices of before: MQTT 3.1.1, numbers as text.

Besides what service.py reads: SHIPSLOG_MQTTS, the port of MQTT over TLS on localhost, and SHIPSLOG_CERTIFICATES, a
directory with ca.pem and, for the thing `pump`, pump.pem and pump.key.
"""

import json
import os
import queue

from AWSIoTPythonSDK.core.jobs.thingJobManager import (
    jobExecutionStatus,
    jobExecutionTopicReplyType,
    jobExecutionTopicType,
)
from AWSIoTPythonSDK.MQTTLib import AWSIoTMQTTShadowClient, AWSIoTMQTTThingJobsClient

from service import client, equal, until

PORT = int(os.environ["SHIPSLOG_MQTTS"])
FILES = os.environ["SHIPSLOG_CERTIFICATES"]
THING = "pump"
PATIENCE = 20
ACCEPTED = jobExecutionTopicReplyType.JOB_ACCEPTED_REPLY_TYPE
iot = client("iot")
data = client("iot-data")


def path(name):
    return os.path.join(FILES, name)


def connected(made):
    made.configureEndpoint("localhost", PORT)
    made.configureCredentials(path("ca.pem"), path("pump.key"), path("pump.pem"))
    made.configureConnectDisconnectTimeout(PATIENCE)
    made.configureMQTTOperationTimeout(PATIENCE)
    assert made.connect(), "not connected"
    return made


def topic(rest):
    return f"$aws/things/{THING}/jobs/{rest}"


def jobs():
    """The flow of its sample: notified of the next job, which it starts, looks at and reports."""
    heard = queue.Queue()
    device = connected(AWSIoTMQTTThingJobsClient(clientID=THING, thingName=THING, QoS=1))
    hear = lambda _client, _data, message: heard.put((message.topic, json.loads(message.payload)))
    next_job = jobExecutionTopicType.JOB_NOTIFY_NEXT_TOPIC
    assert device.createJobSubscription(hear, next_job)
    for kind in [jobExecutionTopicType.JOB_START_NEXT_TOPIC, jobExecutionTopicType.JOB_GET_PENDING_TOPIC]:
        assert device.createJobSubscription(hear, kind, ACCEPTED)
    for kind in [jobExecutionTopicType.JOB_UPDATE_TOPIC, jobExecutionTopicType.JOB_DESCRIBE_TOPIC]:
        assert device.createJobSubscription(hear, kind, ACCEPTED, "+")

    def expect(rest):
        name, message = heard.get(timeout=PATIENCE)
        equal(name, topic(rest))
        return message

    target = iot.describe_thing(thingName=THING)["thingArn"]
    iot.create_job(jobId="J", targets=[target], document=json.dumps({"operation": "reboot"}))
    equal(expect("notify-next")["execution"]["jobId"], "J")
    device.sendJobsQuery(jobExecutionTopicType.JOB_GET_PENDING_TOPIC)
    equal([queued["jobId"] for queued in expect("get/accepted")["queuedJobs"]], ["J"])
    device.sendJobsStartNext(statusDetails={"step": "1"}, stepTimeoutInMinutes=5)
    started = expect("start-next/accepted")
    execution = started["execution"]
    equal((execution["jobId"], execution["status"]), ("J", "IN_PROGRESS"))
    equal((execution["jobDocument"], started["clientToken"]), ({"operation": "reboot"}, THING))
    device.sendJobsDescribe("J", executionNumber=execution["executionNumber"])
    equal(expect("J/get/accepted")["execution"]["statusDetails"], {"step": "1"})
    # Version and number go out as text.
    device.sendJobsUpdate(
        "J",
        jobExecutionStatus.JOB_EXECUTION_SUCCEEDED,
        statusDetails={"step": "2"},
        expectedVersion=execution["versionNumber"],
        executionNumber=execution["executionNumber"],
        includeJobExecutionState=True,
    )
    messages = dict(heard.get(timeout=PATIENCE) for _ in range(2))
    equal(messages[topic("J/update/accepted")]["executionState"]["status"], "SUCCEEDED")
    assert "execution" not in messages[topic("notify-next")], messages
    until("J has ended", lambda: iot.describe_job(jobId="J")["job"]["status"] == "COMPLETED")
    assert device.disconnect()


def shadows():
    answers, deltas = queue.Queue(), queue.Queue()
    made = connected(AWSIoTMQTTShadowClient(THING))
    shadow = made.createShadowHandlerWithName(THING, True)

    def answer(payload, status, _token):
        answers.put((status, json.loads(payload)))

    def expect(status):
        found, message = answers.get(timeout=PATIENCE)
        equal(found, status)
        return message

    shadow.shadowRegisterDeltaCallback(lambda payload, _status, _token: deltas.put(json.loads(payload)))
    shadow.shadowGet(answer, PATIENCE)
    equal(expect("rejected")["code"], 404)
    shadow.shadowUpdate(json.dumps({"state": {"reported": {"color": "blue"}}}), answer, PATIENCE)
    equal(expect("accepted")["state"], {"reported": {"color": "blue"}})
    desired = {"state": {"desired": {"color": "red"}}}
    data.update_thing_shadow(thingName=THING, payload=json.dumps(desired))
    delta = deltas.get(timeout=PATIENCE)
    equal((delta["version"], delta["state"]), (2, {"color": "red"}))
    late = {"state": {"reported": {"color": "red"}}, "version": 1}
    shadow.shadowUpdate(json.dumps(late), answer, PATIENCE)
    equal(expect("rejected")["code"], 409)
    shadow.shadowGet(answer, PATIENCE)
    got = expect("accepted")
    equal((got["version"], got["state"]["delta"]), (2, {"color": "red"}))
    shadow.shadowDelete(answer, PATIENCE)
    equal(expect("accepted")["version"], 2)
    assert made.disconnect()


jobs()
shadows()
