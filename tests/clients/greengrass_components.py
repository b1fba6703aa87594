"""Greengrass components: boto3 creates versions by recipes in YAML and JSON, reads, tags, resolves and deletes them, and
fetches an artifact at the address that it is given.

It reads what service.py reads.
"""

import base64
import hashlib
import json
import os
import urllib.request

from service import client, equal, refused

HTTP = os.environ["SHIPSLOG_HTTP"]
NAME = "com.example.Hello"
SCRIPT = b"print('hello')\n"

greengrass = client("greengrassv2")


def recipe(version, **members):
    return json.dumps(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": NAME,
            "ComponentVersion": version,
            "Manifests": [
                {
                    "Platform": {"os": "linux", "runtime": "*"},
                    "Lifecycle": {"run": "python3 {artifacts:path}/hello.py"},
                    "Artifacts": [{"Uri": "s3://software/hello.py", "Permission": {"Read": "ALL"}}],
                }
            ],
        }
        | members
    ).encode()


YAML = b"""
RecipeFormatVersion: 2020-01-25
ComponentName: com.example.Hello
ComponentVersion: '1.1.0'
ComponentPublisher: Example
ComponentDescription: says hello
Manifests:
  - Name: Linux
    Platform:
      os: linux
    Lifecycle:
      run: |
        python3 {artifacts:path}/hello.py
    Artifacts:
      - Uri: greengrass:software/hello.py
"""


def stores():
    request = urllib.request.Request(f"{HTTP}/artifacts/software/hello.py", data=SCRIPT, method="PUT")
    urllib.request.urlopen(request).close()


def creates():
    created = greengrass.create_component_version(inlineRecipe=recipe("1.0.0"), tags={"team": "edge"}, clientToken="t-1")
    equal(created["ResponseMetadata"]["HTTPStatusCode"], 201)
    equal((created["componentName"], created["componentVersion"]), (NAME, "1.0.0"))
    equal(created["status"]["componentState"], "DEPLOYABLE")
    again = greengrass.create_component_version(inlineRecipe=recipe("1.0.0"), tags={"team": "edge"}, clientToken="t-1")
    equal((again["arn"], again["creationTimestamp"]), (created["arn"], created["creationTimestamp"]))
    error = refused(
        "ConflictException",
        409,
        greengrass.create_component_version,
        inlineRecipe=recipe("9.0.0"),
        clientToken="t-1",
    )
    assert "clientToken" in error["Error"]["Message"], error
    error = refused("ConflictException", 409, greengrass.create_component_version, inlineRecipe=recipe("1.0.0"))
    equal((error["resourceType"], error["resourceId"]), ("component", created["arn"]))
    error = refused(
        "ValidationException", 400, greengrass.create_component_version, inlineRecipe=recipe("9.0.0", Manifest=[])
    )
    equal((error["reason"], error["fields"][0]["name"]), ("FIELD_VALIDATION_FAILED", "inlineRecipe"))
    assert "Manifest: is no key of a recipe here" in error["Error"]["Message"], error
    greengrass.create_component_version(inlineRecipe=YAML)
    missing = recipe("2.0.0").replace(b"hello.py\", \"Perm", b"none.py\", \"Perm")
    failed = greengrass.create_component_version(inlineRecipe=missing)
    equal(failed["status"]["componentState"], "FAILED")
    equal(failed["status"]["errors"], {"s3://software/none.py": "the file does not exist"})
    return created["arn"]


def reads(arn):
    described = greengrass.describe_component(arn=arn.replace("1.0.0", "1.1.0"))
    equal((described["publisher"], described["description"]), ("Example", "says hello"))
    equal(described["platforms"], [{"name": "Linux", "attributes": {"os": "linux"}}])
    got = greengrass.get_component(arn=arn)
    equal((got["recipeOutputFormat"], got["tags"]), ("JSON", {"team": "edge"}))
    artifact = json.loads(got["recipe"])["Manifests"][0]["Artifacts"][0]
    equal(artifact["Digest"], base64.b64encode(hashlib.sha256(SCRIPT).digest()).decode())
    equal((artifact["Algorithm"], artifact["Uri"]), ("SHA-256", "s3://software/hello.py"))
    got = greengrass.get_component(arn=arn.replace("1.0.0", "1.1.0"))
    equal(got["recipeOutputFormat"], "YAML")
    assert b"ComponentName: com.example.Hello" in got["recipe"], got
    pages = greengrass.get_paginator("list_component_versions").paginate(
        arn=arn.split(":versions")[0], PaginationConfig={"PageSize": 2}
    )
    versions = [one["componentVersion"] for page in pages for one in page["componentVersions"]]
    equal(versions, ["2.0.0", "1.1.0", "1.0.0"])
    listed = greengrass.list_components()["components"]
    equal([(one["componentName"], one["latestVersion"]["componentVersion"]) for one in listed], [(NAME, "2.0.0")])
    equal(greengrass.list_components(scope="PUBLIC")["components"], [])
    greengrass.tag_resource(resourceArn=arn, tags={"site": "north"})
    greengrass.untag_resource(resourceArn=arn, tagKeys=["team"])
    equal(greengrass.list_tags_for_resource(resourceArn=arn)["tags"], {"site": "north"})


def resolves(arn):
    def resolve(attributes, requirement, **more):
        candidate = {"componentName": NAME, "versionRequirements": {"fleet": requirement}} | more
        return greengrass.resolve_component_candidates(
            platform={"attributes": attributes}, componentCandidates=[candidate]
        )["resolvedComponentVersions"]

    linux = {"os": "linux", "architecture": "amd64"}
    lite = linux | {"runtime": "aws_nucleus_lite"}
    equal([one["componentVersion"] for one in resolve(linux, "^1.0.0")], ["1.1.0"])
    equal([one["componentVersion"] for one in resolve(linux, "^1.0.0", componentVersion="1.0.0")], ["1.0.0"])
    (found,) = resolve(lite, "^1.0.0")
    equal((found["arn"], found["componentVersion"]), (arn, "1.0.0"))
    address = json.loads(found["recipe"])["Manifests"][0]["Artifacts"][0]["Uri"]
    equal(address, "greengrass:software/hello.py")
    error = refused("ResourceNotFoundException", 404, resolve, attributes={"os": "windows"}, requirement="*")
    assert "doesn't claim platform windows compatibility" in error["Error"]["Message"], error
    error = refused("ResourceNotFoundException", 404, resolve, attributes=linux, requirement="^7.0.0")
    assert "has no usable version satisfying requirements" in error["Error"]["Message"], error
    name = address.removeprefix("greengrass:")
    url = greengrass.get_component_version_artifact(arn=arn, artifactName=name)["preSignedUrl"]
    with urllib.request.urlopen(url) as answer:
        equal(answer.read(), SCRIPT)
    refused(
        "ResourceNotFoundException", 404, greengrass.get_component_version_artifact, arn=arn, artifactName="software/x"
    )


def deletes(arn):
    greengrass.delete_component(arn=arn)
    error = refused("ResourceNotFoundException", 404, greengrass.describe_component, arn=arn)
    equal((error["resourceType"], error["resourceId"]), ("component", arn))
    public = arn.replace("000000000000", "aws")
    refused("AccessDeniedException", 403, greengrass.delete_component, arn=public)


stores()
ARN = creates()
reads(ARN)
resolves(ARN)
deletes(ARN)
