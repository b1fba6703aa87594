"""What the scripts beside this one share: clients of the service under test, and what a refusal must look like.

The service's addresses come in the environment: SHIPSLOG_HTTP (http://HOST:PORT), and AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY and AWS_DEFAULT_REGION, as any AWS client reads them.
"""

import os
import time

import boto3
import botocore.config
import botocore.exceptions

ADDRESS = os.environ["SHIPSLOG_HTTP"]

# A refusal is looked at, not tried again.
CONFIG = botocore.config.Config(retries={"max_attempts": 1}, connect_timeout=5, read_timeout=30)


def client(service):
    """A client of boto3, as anybody makes it."""
    return boto3.client(service, endpoint_url=ADDRESS, config=CONFIG)


def refused(code, status, call, /, **arguments):
    """Calls what must be refused, and gives the error. Its code is one that the operation lists, or boto3 would not
    make a class of its own for it."""
    try:
        answer = call(**arguments)
    except botocore.exceptions.ClientError as error:
        found = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert found == (code, status), f"{call.__name__}: {error.response}"
        assert error.response["Error"]["Message"], f"{call.__name__}: a refusal says why"
        assert type(error) is not botocore.exceptions.ClientError, f"{call.__name__}: {code} is not modeled"
        return error.response
    raise AssertionError(f"{call.__name__} was not refused: {answer}")


def until(what, look, bound=20.0):
    """Looks again and again until something is there, and gives it."""
    end = time.monotonic() + bound
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < end, f"not within {bound} s: {what}"
        time.sleep(0.02)


def equal(found, expected):
    """Fails with both where two values differ."""
    assert found == expected, f"\n   found {found!r}\nexpected {expected!r}"
