"""docs/compatibility.md, given as an argument, asks for what botocore sends: every operation has the method and path of
its service model."""

import re
import sys

import botocore.session

SECTIONS = {
    "## AWS IoT, control plane": "iot",
    "## AWS IoT Jobs, device plane": "iot-jobs-data",
    "## AWS IoT, data plane": "iot-data",
    "## AWS IoT Greengrass V2": "greengrassv2",
}
ROW = re.compile(r"^\| (\w+) \| `([A-Z]+) ([^` ]+)` \| (works|partly|no) \|")


def main():
    session = botocore.session.get_session()
    model, rows = None, 0
    for line in open(sys.argv[1], encoding="utf-8"):
        if line.startswith("## "):
            names = [name for heading, name in SECTIONS.items() if line.startswith(heading)]
            model = session.get_service_model(names[0]) if names else None
        row = ROW.match(line)
        if model and row:
            operation, method, path, _ = row.groups()
            http = model.operation_model(operation).http
            found = method, re.sub(r"\{[^}]*\}", "{}", path)
            expected = http["method"], re.sub(r"\{[^}]*\}", "{}", http["requestUri"])
            assert found == expected, f"{operation}: {found}, and botocore sends {expected}"
            rows += 1
    assert rows > 190, f"only {rows} rows were found"


main()
