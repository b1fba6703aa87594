"""What credentials do, with boto3 and the service's checks on: good keys work, and every other is refused as AWS does."""

import json
import os
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from service import ADDRESS, CONFIG, equal, refused, until

KEYS = json.loads(os.environ["SHIPSLOG_KEYS"])


def as_role(service, role, **other):
    """A client with the key of a role; `other` replaces a part of it."""
    key = {
        "aws_access_key_id": KEYS[role]["accessKeyId"],
        "aws_secret_access_key": KEYS[role]["secretAccessKey"],
        **other,
    }
    return boto3.client(service, endpoint_url=ADDRESS, config=CONFIG, **key)


def denied(code, call, /, **arguments):
    """Calls what must be refused for its credentials."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        equal(found, (code, 403))
        assert error.response["ResponseMetadata"]["RequestId"], error.response
        return
    raise AssertionError(f"not refused: {code}")


def roles_may_what_they_may():
    admin, operator, viewer = (as_role("iot", role) for role in ("admin", "operator", "viewer"))
    operator.create_thing(thingName="pump:1", attributePayload={"attributes": {"site": "a/b=c"}})
    equal(viewer.describe_thing(thingName="pump:1")["attributes"], {"site": "a/b=c"})
    denied("AccessDeniedException", viewer.create_thing, thingName="pump:2")
    denied("AccessDeniedException", viewer.delete_thing, thingName="pump:1")
    equal(viewer.list_jobs(maxResults=1, status="IN_PROGRESS")["jobs"], [])
    equal(as_role("iot-jobs-data", "viewer").get_pending_job_executions(thingName="pump:1")["queuedJobs"], [])
    admin.delete_thing(thingName="pump:1")


def wrong_credentials_are_refused():
    denied("UnrecognizedClientException", as_role("iot", "admin", aws_access_key_id="AKIDEXAMPLE").list_jobs)
    denied("InvalidSignatureException", as_role("iot", "admin", aws_secret_access_key="wrong").list_jobs)
    denied("InvalidSignatureException",
           as_role("iot-jobs-data", "admin", aws_secret_access_key="wrong").get_pending_job_executions, thingName="t")


def names_of_every_spelling_are_signed():
    iot = as_role("iot", "operator")
    for name in ["a:b", "a_b-c", "x" * 128]:
        iot.create_thing(thingName=name)
        equal(iot.describe_thing(thingName=name)["thingName"], name)
        iot.delete_thing(thingName=name)
    # What is no name is refused for that, and not for its signature.
    for name in ["a/b", "a b", "ü", "%2F", "a+b", "~"]:
        refused("InvalidRequestException", 400, iot.describe_thing, thingName=name)


def a_signed_url_is_good_for_what_it_says():
    iot = as_role("iot", "operator")
    iot.create_thing(thingName="signed")
    url = iot.generate_presigned_url("describe_thing", Params={"thingName": "signed"}, ExpiresIn=60)
    with urllib.request.urlopen(url) as answer:
        equal(json.load(answer)["thingName"], "signed")
    for broken in [url.replace("signed?", "other?"), url.replace("Expires=60", "Expires=61")]:
        try:
            urllib.request.urlopen(broken)
        except urllib.error.HTTPError as error:
            equal((error.code, error.headers["x-amzn-ErrorType"]), (403, "InvalidSignatureException"))
        else:
            raise AssertionError(broken)


def tokens_open_every_surface():
    for path, headers in [
        ("/cores", {"accept": "application/vnd.aws-cdf-v1.0+json"}),
        ("/metrics", {}),
        ("/provisioningTemplates", {}),
        ("/graphql/schema.graphql", {}),
        ("/jobs", {}),
    ]:
        request = urllib.request.Request(ADDRESS + path, headers=headers)
        try:
            urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            assert error.code in (401, 403), (path, error.code)
        else:
            raise AssertionError(f"{path} is open")
        request.add_header("authorization", "Bearer " + KEYS["viewer"]["bearerToken"])
        with urllib.request.urlopen(request) as answer:
            equal(answer.status, 200)


def artifacts_take_what_s3_signs():
    """The answers are not S3's, so only its signatures are used: in the header, and in a URL."""
    key = KEYS["operator"]
    credentials = Credentials(key["accessKeyId"], key["secretAccessKey"])
    address = ADDRESS + "/artifacts/images/v%201/a%2Bb%3Dc.bin"

    def send(method, body=b"", signer=S3SigV4Auth, **options):
        # A signed URL says nothing of the body.
        request = AWSRequest(method=method, url=address, data=None if options else body)
        signer(credentials, "s3", "us-east-1", **options).add_auth(request)
        plain = urllib.request.Request(request.url, data=body or None, headers=dict(request.headers), method=method)
        with urllib.request.urlopen(plain) as answer:
            return answer.read()

    send("PUT", b"content")
    equal(send("GET"), b"content")
    send("PUT", b"other", S3SigV4QueryAuth, expires=60)
    equal(send("GET", b"", S3SigV4QueryAuth, expires=60), b"other")


def keys_are_taken():
    """A running service looks for new keys; the newest is the last that it finds."""
    def is_taken():
        try:
            return as_role("iot", "viewer").list_jobs()
        except botocore.exceptions.ClientError:
            return None
    until("the service takes the keys", is_taken)


if __name__ == "__main__":
    keys_are_taken()
    roles_may_what_they_may()
    wrong_credentials_are_refused()
    names_of_every_spelling_are_signed()
    a_signed_url_is_good_for_what_it_says()
    tokens_open_every_surface()
    artifacts_take_what_s3_signs()
