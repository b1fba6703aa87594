"""The AWS CLI with text output, as scripts that grep and cut read it."""

import json
import os
import subprocess
import sys

from service import ADDRESS, equal, until

AWS = os.path.join(os.path.dirname(sys.executable), "aws")


def aws(*arguments, expect=0):
    """What the command printed: fields are separated by tabs, lines by newlines."""
    command = [AWS, *arguments, "--endpoint-url", ADDRESS, "--output", "text"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == expect, f"{command}: exit code {ended.returncode}\n{ended.stdout}{ended.stderr}"
    return (ended.stderr if expect else ended.stdout).strip()


name, arn, identifier = aws("iot", "create-thing", "--thing-name", "heater",
                            "--query", "[thingName,thingArn,thingId]").split("\t")
equal((name, arn.rsplit(":", 1)[1], len(identifier)), ("heater", "thing/heater", 36))
described = aws("iot", "describe-thing", "--thing-name", "heater", "--query", "[thingName,version]")
equal(described, "heater\t1")

said = aws("iot", "describe-job", "--job-id", "fota", expect=255)
assert "ResourceNotFoundException" in said, said
aws("iot", "create-job", "--job-id", "fota", "--targets", arn, "--document", json.dumps({"command": "fota"}),
    "--description", "example job test", "--target-selection", "SNAPSHOT")


def details():
    """The line of counters: scripts count its columns, so that all eight must be there, sorted by name."""
    lines = aws("iot", "describe-job", "--job-id", "fota").splitlines()
    return next(line.split("\t")[1:] for line in lines if line.startswith("JOBPROCESSDETAILS"))


until("queued", lambda: details() == ["0", "0", "0", "1", "0", "0", "0", "0"])
equal(aws("iot", "list-jobs", "--query", "jobs[].[jobId,status]"), "fota\tIN_PROGRESS")
begun = aws("iot-jobs-data", "start-next-pending-job-execution", "--thing-name", "heater",
            "--query", "execution.[jobId,status]")
equal(begun, "fota\tIN_PROGRESS")
aws("iot-jobs-data", "update-job-execution", "--thing-name", "heater", "--job-id", "fota", "--status", "SUCCEEDED")
until("completed", lambda: "COMPLETED" in aws("iot", "describe-job", "--job-id", "fota"))
# Column 8 of the whole line, as `awk '{print $8}'` counts, is the number of things that succeeded.
equal(details()[6], "1")
aws("iot", "delete-job", "--job-id", "fota")
