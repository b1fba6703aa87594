"""Devices over mutual TLS: AWS's device SDK in both versions of MQTT, and paho. Each takes a job to its end.

Its environment is that of device.py.
"""

import json
import threading
import uuid

import paho.mqtt.client as paho
from awscrt import mqtt, mqtt5
from awsiot import iotjobs

from device import PATIENCE, THING, end, speak_3_1_1, speak_5, speak_paho
from service import client, equal, until

iot = client("iot")
target = iot.describe_thing(thingName=THING)["thingArn"]


def create(job):
    iot.create_job(jobId=job, targets=[target], document=json.dumps({"operation": job}))


def ended(job):
    execution = iot.describe_job_execution(jobId=job, thingName=THING)["execution"]
    equal(execution["status"], "SUCCEEDED")


def take(jobs, job):
    """The flow of AWS's samples: what is pending, the next one, its report."""
    create(job)
    version = {"qos": mqtt.QoS.AT_LEAST_ONCE}
    started = threading.Event()
    found = {}

    def on_started(response):
        found["execution"] = response.execution
        started.set()

    def on_refused(error):
        found["error"] = error
        started.set()

    topic = {"request": iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name=THING)}
    for subscribe, callback in [
        (jobs.subscribe_to_start_next_pending_job_execution_accepted, on_started),
        (jobs.subscribe_to_start_next_pending_job_execution_rejected, on_refused),
    ]:
        future, _ = subscribe(callback=callback, **topic, **version)
        future.result(PATIENCE)
    jobs.publish_start_next_pending_job_execution(
        iotjobs.StartNextPendingJobExecutionRequest(thing_name=THING), mqtt.QoS.AT_LEAST_ONCE
    ).result(PATIENCE)
    assert started.wait(PATIENCE), "no answer to start-next"
    assert "error" not in found, found
    execution = found["execution"]
    equal((execution.job_id, execution.job_document), (job, {"operation": job}))
    jobs.publish_update_job_execution(
        iotjobs.UpdateJobExecutionRequest(
            thing_name=THING,
            job_id=job,
            status=iotjobs.JobStatus.SUCCEEDED,
            expected_version=execution.version_number,
        ),
        mqtt.QoS.AT_LEAST_ONCE,
    ).result(PATIENCE)
    until(f"{job} has ended", lambda: iot.describe_job(jobId=job)["job"]["status"] == "COMPLETED")
    ended(job)


def the_sdk_speaks_3_1_1():
    connection = speak_3_1_1()
    take(iotjobs.IotJobsClient(connection), "from-3-1-1")
    connection.disconnect().result(PATIENCE)


def the_sdk_speaks_5():
    made, stop = speak_5(client_id=f"{THING}#{uuid.uuid4().hex[:8]}")
    take(iotjobs.IotJobsClient(made), "from-5")
    elsewhere = mqtt5.PublishPacket(
        topic="$aws/things/valve/jobs/get", payload=b"{}", qos=mqtt5.QoS.AT_LEAST_ONCE
    )
    answer = made.publish(elsewhere).result(PATIENCE).puback
    equal(answer.reason_code, mqtt5.PubackReasonCode.NOT_AUTHORIZED)
    stop()


def paho_asks_and_is_answered():
    answers = {}
    seen = threading.Condition()

    def on_message(_client, _data, message):
        with seen:
            answers[message.topic] = json.loads(message.payload)
            seen.notify_all()

    device = speak_paho(paho.MQTTv5, on_message)
    base = f"$aws/things/{THING}/jobs"

    def ask(operation, payload):
        """Answers come to who asks, subscribed or not."""
        device.publish(f"{base}/{operation}", json.dumps(payload), qos=1).wait_for_publish(PATIENCE)
        topic = f"{base}/{operation}/accepted"
        with seen:
            assert seen.wait_for(lambda: topic in answers, PATIENCE), f"no answer: {answers}"
            return answers.pop(topic)

    create("from-paho")
    equal(ask("start-next", {})["execution"]["jobId"], "from-paho")
    ask("from-paho/update", {"status": "SUCCEEDED"})
    ended("from-paho")
    device.disconnect()
    device.loop_stop()


the_sdk_speaks_3_1_1()
the_sdk_speaks_5()
paho_asks_and_is_answered()
end()
