"""OTA updates of FreeRTOS: an operator makes them with boto3; a device finds them in its jobs with AWS's device SDK and
fetches the file, in blocks of the stream that was made for it and by its URL; then they go with their jobs and streams.

Its environment is that of device.py.
"""

import base64
import json
import queue
import random
import urllib.request

from awscrt import mqtt
from awsiot import iotjobs

from device import PATIENCE, THING, end, speak_3_1_1
from service import ADDRESS, client, equal, refused, until

BLOCK = 4096
ONCE = mqtt.QoS.AT_LEAST_ONCE
ROLE = "arn:aws:iam::000000000000:role/reads-firmware"
SIGNATURE = b"not much of a signature"
iot = client("iot")
target = iot.describe_thing(thingName=THING)["thingArn"]
image = random.Random(7).randbytes(30_000)


def upload():
    request = urllib.request.Request(f"{ADDRESS}/artifacts/firmware/ota 2.bin", data=image, method="PUT")
    request.full_url = request.full_url.replace(" ", "%20")
    urllib.request.urlopen(request).close()


def file(**location):
    return {
        "fileName": "/device/updates",
        "fileType": 202,
        "fileVersion": "2.1",
        "fileLocation": location or {"s3Location": {"bucket": "firmware", "key": "ota 2.bin"}},
        "codeSigning": {
            "customCodeSigning": {
                "signature": {"inlineDocument": SIGNATURE},
                "certificateChain": {"certificateName": "/certificate.pem"},
                "hashAlgorithm": "SHA256",
                "signatureAlgorithm": "ECDSA",
            }
        },
        "attributes": {"unseen": "by devices"},
    }


def create(update, files=None, **more):
    return iot.create_ota_update(
        otaUpdateId=update, targets=[target], files=files or [file()], roleArn=ROLE, **more
    )


def status(update):
    return iot.get_ota_update(otaUpdateId=update)["otaUpdateInfo"]["otaUpdateStatus"]


def is_gone(update):
    return update not in [one["otaUpdateId"] for one in iot.list_ota_updates()["otaUpdates"]]


class Device:
    """Takes its jobs one by one."""

    def __init__(self):
        self.connection = speak_3_1_1()
        self.jobs = iotjobs.IotJobsClient(self.connection)
        self.started = queue.Queue()
        future, _ = self.jobs.subscribe_to_start_next_pending_job_execution_accepted(
            request=iotjobs.StartNextPendingJobExecutionSubscriptionRequest(thing_name=THING),
            qos=ONCE,
            callback=self.started.put,
        )
        future.result(PATIENCE)

    def next(self, update):
        request = iotjobs.StartNextPendingJobExecutionRequest(thing_name=THING)
        self.jobs.publish_start_next_pending_job_execution(request, ONCE).result(PATIENCE)
        execution = self.started.get(timeout=PATIENCE).execution
        equal(execution.job_id, f"AFR_OTA-{update}")
        return execution.job_document["afr_ota"]

    def succeed(self, update):
        job = f"AFR_OTA-{update}"
        request = iotjobs.UpdateJobExecutionRequest(
            thing_name=THING, job_id=job, status=iotjobs.JobStatus.SUCCEEDED
        )
        self.jobs.publish_update_job_execution(request, ONCE).result(PATIENCE)
        until(f"{job} has ended", lambda: iot.describe_job(jobId=job)["job"]["status"] == "COMPLETED")

    def fetch(self, document):
        """All blocks of the file, which one request has room for."""
        answers = queue.Queue()
        base = f"$aws/things/{THING}/streams/{document['streamname']}"
        future, _ = self.connection.subscribe(
            f"{base}/data/json", ONCE, callback=lambda topic, payload, **_: answers.put(json.loads(payload))
        )
        future.result(PATIENCE)
        (told,) = document["files"]
        blocks = -(-told["filesize"] // BLOCK)
        request = {"s": 1, "f": told["fileid"], "l": BLOCK, "o": 0, "n": blocks}
        future, _ = self.connection.publish(f"{base}/get/json", json.dumps(request), ONCE)
        future.result(PATIENCE)
        got = [answers.get(timeout=PATIENCE) for _ in range(blocks)]
        return b"".join(base64.b64decode(data["p"]) for data in got)


def over_mqtt(device):
    made = create("pumps", description="pumps, version 2", additionalParameters={"ticket": "7"},
                  awsJobExecutionsRolloutConfig={"maximumPerMinute": 50},
                  awsJobAbortConfig={"abortCriteriaList": [{"failureType": "FAILED", "action": "CANCEL",
                                                            "thresholdPercentage": 20, "minNumberOfExecutedThings": 1}]},
                  awsJobTimeoutConfig={"inProgressTimeoutInMinutes": 30}, tags=[{"Key": "team", "Value": "edge"}])
    equal((made["otaUpdateStatus"], made["awsIotJobId"]), ("CREATE_COMPLETE", "AFR_OTA-pumps"))
    tags = iot.list_tags_for_resource(resourceArn=made["otaUpdateArn"])["tags"]
    equal(tags, [{"Key": "team", "Value": "edge"}])
    job = iot.describe_job(jobId="AFR_OTA-pumps")["job"]
    equal((job["description"], job["timeoutConfig"]["inProgressTimeoutInMinutes"]), ("pumps, version 2", 30))
    equal(job["abortConfig"]["criteriaList"][0]["thresholdPercentage"], 20)
    info = iot.get_ota_update(otaUpdateId="pumps")["otaUpdateInfo"]
    equal((info["targets"], info["protocols"], info["awsIotJobArn"]), ([target], ["MQTT"], job["jobArn"]))
    equal(info["awsJobExecutionsRolloutConfig"], {"maximumPerMinute": 50})
    equal(info["additionalParameters"], {"ticket": "7"})
    (found,) = info["otaUpdateFiles"]
    stream = found["fileLocation"].pop("stream")
    equal(found, file())
    equal(iot.describe_stream(streamId=stream["streamId"])["streamInfo"]["files"][0]["fileId"], stream["fileId"])
    refused("ResourceAlreadyExistsException", 409, create, update="pumps")
    document = device.next("pumps")
    equal(document, {
        "protocols": ["MQTT"],
        "streamname": stream["streamId"],
        "files": [{
            "filepath": "/device/updates", "filesize": len(image), "fileid": 0, "certfile": "/certificate.pem",
            "fileType": 202, "sig-sha256-ecdsa": base64.b64encode(SIGNATURE).decode(),
        }],
    })
    equal(device.fetch(document), image)
    refused("DeleteConflictException", 409, iot.delete_stream, streamId=stream["streamId"])
    refused("InvalidRequestException", 400, iot.delete_ota_update, otaUpdateId="pumps", deleteStream=True)
    device.succeed("pumps")
    iot.delete_ota_update(otaUpdateId="pumps", deleteStream=True)
    until("the update is gone", lambda: is_gone("pumps"))
    refused("ResourceNotFoundException", 404, iot.get_ota_update, otaUpdateId="pumps")
    refused("ResourceNotFoundException", 404, iot.describe_job, jobId="AFR_OTA-pumps")
    refused("ResourceNotFoundException", 404, iot.describe_stream, streamId=stream["streamId"])


def over_http(device):
    create("pumps", protocols=["MQTT", "HTTP"], awsJobPresignedUrlConfig={"expiresInSec": 90})
    (told,) = device.next("pumps")["files"]
    equal((told["filesize"], told["auth_scheme"]), (len(image), "aws.s3.presigned"))
    with urllib.request.urlopen(told["update_data_url"]) as answer:
        equal(answer.read(), image)
    iot.delete_ota_update(otaUpdateId="pumps", deleteStream=True, forceDeleteAWSJob=True)
    until("the update is gone", lambda: is_gone("pumps"))


def of_a_stream_of_the_owner(device):
    iot.create_stream(streamId="mine", roleArn=ROLE,
                      files=[{"fileId": 35, "s3Location": {"bucket": "firmware", "key": "ota 2.bin"}}])
    create("mine", files=[file(stream={"streamId": "mine", "fileId": 35})])
    document = device.next("mine")
    equal((document["streamname"], document["files"][0]["fileid"]), ("mine", 35))
    equal(device.fetch(document), image)
    device.succeed("mine")
    iot.delete_ota_update(otaUpdateId="mine", deleteStream=True)
    until("the update is gone", lambda: is_gone("mine"))
    iot.delete_stream(streamId="mine")


def what_cannot_be():
    made = create("lost", files=[file(s3Location={"bucket": "firmware", "key": "no-such"})])
    equal(made["otaUpdateStatus"], "CREATE_FAILED")
    assert "awsIotJobId" not in made, made
    error = iot.get_ota_update(otaUpdateId="lost")["otaUpdateInfo"]["errorInfo"]
    equal(error["code"], "ResourceNotFoundException")
    assert "no-such" in error["message"], error
    failed = iot.list_ota_updates(otaUpdateStatus="CREATE_FAILED")["otaUpdates"]
    equal([one["otaUpdateId"] for one in failed], ["lost"])
    equal(iot.list_ota_updates(otaUpdateStatus="CREATE_COMPLETE")["otaUpdates"], [])
    iot.delete_ota_update(otaUpdateId="lost")
    equal(is_gone("lost"), True)
    signed_by_aws = file() | {"codeSigning": {"awsSignerJobId": "7"}}
    refused("InvalidRequestException", 400, create, update="x", files=[signed_by_aws])
    refused("ResourceNotFoundException", 404, create, update="x", files=[file(stream={"streamId": "none", "fileId": 0})])
    refused("InvalidRequestException", 400, create, update="x" * 57)
    refused("ResourceNotFoundException", 404, iot.delete_ota_update, otaUpdateId="x")


upload()
device = Device()
over_mqtt(device)
over_http(device)
of_a_stream_of_the_owner(device)
what_cannot_be()
device.connection.disconnect().result(PATIENCE)
end()
