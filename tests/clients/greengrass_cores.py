"""Greengrass core devices: a device reports its health over mutual TLS with paho, and boto3 reads what it is and runs.

Besides what service.py reads: SHIPSLOG_MQTTS, the port of MQTT over TLS on localhost, and SHIPSLOG_CERTIFICATES, a
directory with ca.pem and, for the thing `pump`, pump.pem and pump.key.
"""

import json
import os
import ssl

import paho.mqtt.client as paho

from service import client, equal, refused, until

PORT = int(os.environ["SHIPSLOG_MQTTS"])
FILES = os.environ["SHIPSLOG_CERTIFICATES"]
THING = "pump"

greengrass = client("greengrassv2")


def path(name):
    return os.path.join(FILES, name)


def reports():
    message = {
        "ggcVersion": "2.12.0",
        "platform": "linux",
        "architecture": "amd64",
        "thing": THING,
        "overallDeviceStatus": "UNHEALTHY",
        "sequenceNumber": 1,
        "timestamp": 1700000000000,
        "messageType": "COMPLETE",
        "trigger": "NUCLEUS_LAUNCH",
        "components": [
            {"componentName": "com.example.Hello", "version": "1.0.0", "isRoot": True, "status": "BROKEN"},
            {"componentName": "com.example.Base", "version": "2.0.0", "isRoot": False, "status": "RUNNING"},
        ],
    }
    device = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=THING, protocol=paho.MQTTv311)
    device.tls_set(path("ca.pem"), path("pump.pem"), path("pump.key"), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    device.connect("localhost", PORT, keepalive=30)
    device.loop_start()
    published = device.publish(f"$aws/things/{THING}/greengrassv2/health/json", json.dumps(message), qos=1)
    published.wait_for_publish(20)
    device.disconnect()
    device.loop_stop()


def reads():
    listed = until("the core device", lambda: greengrass.list_core_devices()["coreDevices"])
    equal([(one["coreDeviceThingName"], one["status"]) for one in listed], [(THING, "UNHEALTHY")])
    equal(greengrass.list_core_devices(status="HEALTHY")["coreDevices"], [])
    device = greengrass.get_core_device(coreDeviceThingName=THING)
    equal((device["coreVersion"], device["platform"], device["architecture"]), ("2.12.0", "linux", "amd64"))
    found = greengrass.list_installed_components(coreDeviceThingName=THING)["installedComponents"]
    equal([(one["componentName"], one["lifecycleState"]) for one in found], [("com.example.Hello", "BROKEN")])
    pages = greengrass.get_paginator("list_installed_components").paginate(
        coreDeviceThingName=THING, topologyFilter="ALL", PaginationConfig={"PageSize": 1}
    )
    names = [one["componentName"] for page in pages for one in page["installedComponents"]]
    equal(names, ["com.example.Base", "com.example.Hello"])
    equal(greengrass.list_effective_deployments(coreDeviceThingName=THING)["effectiveDeployments"], [])
    error = refused("ResourceNotFoundException", 404, greengrass.get_core_device, coreDeviceThingName="nobody")
    equal((error["resourceType"], error["resourceId"]), ("coreDevice", "nobody"))


refused("ResourceNotFoundException", 404, greengrass.get_core_device, coreDeviceThingName=THING)
reports()
reads()
