"""What the scripts of devices share: where they connect and as whom, and how such a script ends.

Besides what service.py reads: SHIPSLOG_MQTTS, the port of MQTT over TLS on localhost, and SHIPSLOG_CERTIFICATES, a
directory with ca.pem and, for the thing `pump`, pump.pem and pump.key.
"""

import os
import ssl
import sys
import threading

import paho.mqtt.client as paho
from awsiot import mqtt5_client_builder, mqtt_connection_builder

PORT = int(os.environ["SHIPSLOG_MQTTS"])
THING = "pump"
PATIENCE = 30


def path(name):
    """A file of the directory with certificates."""
    return os.path.join(os.environ["SHIPSLOG_CERTIFICATES"], name)


def identity(name):
    """Whom AWS's device SDK connects to, with which certificate."""
    return {
        "endpoint": "localhost",
        "port": PORT,
        "ca_filepath": path("ca.pem"),
        "cert_filepath": path(f"{name}.pem"),
        "pri_key_filepath": path(f"{name}.key"),
    }


def speak_3_1_1(name=THING, client_id=THING):
    """A connection of AWS's device SDK in MQTT 3.1.1; whoever made it disconnects it."""
    connection = mqtt_connection_builder.mtls_from_path(
        **identity(name), client_id=client_id, clean_session=True, keep_alive_secs=30
    )
    connection.connect().result(PATIENCE)
    return connection


def speak_5(name=THING, client_id=THING):
    """A client of AWS's device SDK in MQTT 5, and what stops it."""
    connected, stopped, refusals = threading.Event(), threading.Event(), []
    made = mqtt5_client_builder.mtls_from_path(
        **identity(name),
        client_id=client_id,
        on_lifecycle_connection_success=lambda _: connected.set(),
        on_lifecycle_connection_failure=lambda data: refusals.append(data.connack_packet),
        on_lifecycle_stopped=lambda _: stopped.set(),
    )
    made.start()
    assert connected.wait(PATIENCE), f"not connected: {refusals}"

    def stop():
        made.stop()
        assert stopped.wait(PATIENCE)

    return made, stop


def speak_paho(protocol, on_message):
    """A connection of paho, which reads until somebody stops its loop."""
    device = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=THING, protocol=protocol)
    device.tls_set(path("ca.pem"), path(f"{THING}.pem"), path(f"{THING}.key"), tls_version=ssl.PROTOCOL_TLS_CLIENT)
    device.on_message = on_message
    device.connect("localhost", PORT, keepalive=30)
    device.loop_start()
    return device


def end():
    """Ends a script well. The SDK's native half is at times torn down in a wrong order when Python ends, and aborts."""
    sys.stdout.flush()
    os._exit(0)
