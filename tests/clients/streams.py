"""Files over MQTT streams: paho fetches an image over mutual TLS as AWS's download agent does, block by block and what
was lost again by bitmap, and AWS's device SDK as its file streams library does, in JSON.

Its environment is that of device.py.
"""

import base64
import hashlib
import json
import queue
import random
import urllib.request

import paho.mqtt.client as paho
from awscrt import mqtt

from device import PATIENCE, THING, end, speak_3_1_1, speak_paho
from service import ADDRESS, client, equal

STREAM = "firmware-2"
BASE = f"$aws/things/{THING}/streams/{STREAM}"
BLOCK = 8192

image = random.Random(35).randbytes(382_432)
md5 = hashlib.md5(image).hexdigest()
blocks = -(-len(image) // BLOCK)
equal(blocks, 47)


def upload():
    request = urllib.request.Request(f"{ADDRESS}/artifacts/firmware/2.bin", data=image, method="PUT")
    with urllib.request.urlopen(request) as answer:
        equal(json.load(answer)["sha256"], hashlib.sha256(image).hexdigest())
    client("iot").create_stream(
        streamId=STREAM,
        description="one image",
        files=[{"fileId": 35, "s3Location": {"bucket": "firmware", "key": "2.bin"}}],
        roleArn="arn:aws:iam::000000000000:role/reads-firmware",
    )


def cbor(value):
    """Just enough CBOR to ask: a map of text to numbers, text and bytes."""

    def head(kind, number):
        for code, size in [(24, 1), (25, 2), (26, 4)]:
            if number < 24:
                return bytes([kind << 5 | number])
            if number < 1 << (8 * size):
                return bytes([kind << 5 | code]) + number.to_bytes(size, "big")
        raise ValueError(number)

    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value)) + value.encode()
    return head(0, value)


def read_cbor(data):
    def item(at):
        kind, number = data[at] >> 5, data[at] & 31
        at += 1
        if number >= 24:
            size = 1 << (number - 24)
            number = int.from_bytes(data[at : at + size], "big")
            at += size
        if kind == 5:
            found = {}
            for _ in range(number):
                key, at = item(at)
                found[key], at = item(at)
            return found, at
        if kind in (2, 3):
            raw = data[at : at + number]
            return (raw if kind == 2 else raw.decode()), at + number
        equal(kind, 0)
        return number, at

    value, end = item(0)
    equal(end, len(data))
    return value


def bitmap(wanted):
    bits = bytearray(-(-blocks // 8))
    for block in wanted:
        bits[block // 8] |= 1 << block % 8
    return bytes(bits)


def fetch(ask, answers, read):
    """Asks until every block has come; every seventh one is lost on its first way."""
    got, lost, rounds = {}, set(), 0
    while len(got) < blocks:
        missing = [block for block in range(blocks) if block not in got]
        expected = missing[: 131072 // BLOCK]
        ask(bitmap(missing))
        rounds += 1
        for block in expected:
            data = read(answers.get(timeout=PATIENCE))
            equal((data["c"], data["f"], data["i"]), ("rdy", 35, block))
            equal(data["l"], len(data["p"]))
            if block % 7 == 3 and block not in lost:
                lost.add(block)
                continue
            got[block] = data["p"]
    assert rounds > 3, rounds
    equal(hashlib.md5(b"".join(got[block] for block in range(blocks))).hexdigest(), md5)


def paho_fetches_in_cbor():
    answers = queue.Queue()
    device = speak_paho(paho.MQTTv311, lambda _client, _data, message: answers.put((message.topic, message.payload)))
    device.publish(f"{BASE}/describe/cbor", cbor({"c": "d"}))
    topic, payload = answers.get(timeout=PATIENCE)
    equal(topic, f"{BASE}/description/cbor")
    # The list of files is no part of this reader of CBOR.
    assert payload.startswith(b"\xa4\x61c\x61d\x61s\x01\x61d\x69one image\x61r\x81\xa2\x61f\x18\x23\x61z\x1a"), payload
    device.subscribe(f"{BASE}/data/cbor")

    def ask(wanted):
        request = {"c": "rdy", "f": 35, "l": BLOCK, "o": 0, "b": wanted}
        device.publish(f"{BASE}/get/cbor", cbor(request))

    def read(message):
        equal(message[0], f"{BASE}/data/cbor")
        return read_cbor(message[1])

    fetch(ask, answers, read)
    device.publish(f"{BASE}/get/cbor", cbor({"c": "rdy", "s": 2, "f": 35, "l": BLOCK}))
    topic, payload = answers.get(timeout=PATIENCE)
    equal((topic, read_cbor(payload)["o"]), (f"{BASE}/rejected/cbor", "VersionMismatch"))
    device.disconnect()
    device.loop_stop()


def the_sdk_fetches_in_json():
    answers = queue.Queue()
    connection = speak_3_1_1()
    subscribed, _ = connection.subscribe(
        f"{BASE}/data/json",
        mqtt.QoS.AT_LEAST_ONCE,
        callback=lambda topic, payload, **_: answers.put(payload),
    )
    subscribed.result(PATIENCE)

    def ask(wanted):
        request = {"c": "rdy", "s": 1, "f": 35, "l": BLOCK, "o": 0, "n": blocks, "b": "0x" + wanted.hex()}
        published, _ = connection.publish(f"{BASE}/get/json", json.dumps(request), mqtt.QoS.AT_LEAST_ONCE)
        published.result(PATIENCE)

    def read(payload):
        data = json.loads(payload)
        return data | {"p": base64.b64decode(data["p"])}

    fetch(ask, answers, read)
    connection.disconnect().result(PATIENCE)


upload()
paho_fetches_in_cbor()
the_sdk_fetches_in_json()
end()
