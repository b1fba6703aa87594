"""Many devices that provision themselves at once over TLS, with one claim, and connect with what they got.

Arguments: how many, and `keys` or `csr`. Prints one JSON object with the figures. The environment is that of
provisioning.py, without the hook. It speaks MQTT itself, so that the client costs little beside the service.
"""

import asyncio
import json
import os
import ssl
import sys
import time

from service import client

PORT = int(os.environ["SHIPSLOG_MQTTS"])
FILES = os.environ["SHIPSLOG_CERTIFICATES"]
COUNT, WAY = int(sys.argv[1]), sys.argv[2]
# Handshakes that this process does at once: it has one core.
SHAKING = asyncio.Semaphore(32)
THROTTLED = []
iot = client("iot")


def text(words):
    words = words.encode()
    return len(words).to_bytes(2, "big") + words


def packet(first, body):
    length, head = len(body), bytearray([first])
    while True:
        head.append(length & 0x7F | (0x80 if length > 0x7F else 0))
        length >>= 7
        if not length:
            return bytes(head) + body


def path(name):
    return os.path.join(FILES, name)


def context(certificate, key):
    made = ssl.create_default_context(cafile=path("ca.pem"))
    made.load_cert_chain(certificate, key)
    return made


async def connect(trust, client_id):
    async with SHAKING:
        reader, writer = await asyncio.open_connection("localhost", PORT, ssl=trust)
        writer.write(packet(0x10, text("MQTT") + bytes([4, 2, 0, 0]) + text(client_id)))
        answer = await reader.readexactly(4)
    assert answer == b"\x20\x02\x00\x00", answer
    return reader, writer


async def ask(reader, writer, topic, message):
    """A request at QoS 0, and its answer, which needs no subscription. One that finds the service busy is tried again."""
    while True:
        answered, answer = await ask_once(reader, writer, topic, message)
        if answered == f"{topic}/accepted":
            return answer
        assert answer["errorCode"] == "Throttling", answer
        THROTTLED.append(topic)
        await asyncio.sleep(1)


async def ask_once(reader, writer, topic, message):
    writer.write(packet(0x30, text(topic) + json.dumps(message).encode()))
    first, length, shift = (await reader.readexactly(1))[0], 0, 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    body = await reader.readexactly(length)
    end = 2 + int.from_bytes(body[:2], "big")
    assert first == 0x30, first
    return body[2:end].decode(), json.loads(body[end:])


async def device(number, trust, csr):
    begun = time.monotonic()
    reader, writer = await connect(trust, f"new-{number}")
    if WAY == "keys":
        handed = await ask(reader, writer, "$aws/certificates/create/json", {})
        key = handed["privateKey"]
    else:
        handed = await ask(reader, writer, "$aws/certificates/create-from-csr/json", {"certificateSigningRequest": csr})
        key = None
    provisioned = await ask(reader, writer, "$aws/provisioning-templates/bulk/provision/json", {
        "certificateOwnershipToken": handed["certificateOwnershipToken"], "parameters": {"SerialNumber": str(number)}})
    assert provisioned["thingName"] == f"bulk-{number}", provisioned
    took = time.monotonic() - begun
    writer.close()
    return took, handed["certificatePem"], key


async def comes_back(number, certificate, key):
    """Connects with the certificate of its own, and asks for its jobs."""
    name = path(f"bulk-{number}.pem")
    with open(name, "w", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        file.write(certificate + (key or open(path("device.key")).read()))
    reader, writer = await connect(context(name, name), f"bulk-{number}")
    answer = await ask(reader, writer, f"$aws/things/bulk-{number}/jobs/get", {})
    assert answer["queuedJobs"] == [], answer
    writer.close()


async def main():
    iot.create_policy(policyName="bulk", policyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}}))
    iot.create_provisioning_template(
        templateName="bulk", enabled=True, provisioningRoleArn="arn:aws:iam::000000000000:role/provisioning",
        templateBody=json.dumps({"Parameters": {"SerialNumber": {"Type": "String"}}, "Resources": {
            "t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": {"Fn::Sub": "bulk-${SerialNumber}"}}},
            "c": {"Type": "AWS::IoT::Certificate", "Properties": {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}}},
            "p": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "bulk"}}}}))
    made = iot.create_provisioning_claim(templateName="bulk")
    with open(path("bulk-claim.pem"), "w", opener=lambda file, flags: os.open(file, flags, 0o600)) as file:
        file.write(made["certificatePem"] + made["keyPair"]["PrivateKey"])
    trust = context(path("bulk-claim.pem"), path("bulk-claim.pem"))
    csr = open(path("device.csr")).read()
    begun = time.monotonic()
    results = await asyncio.gather(*(device(number, trust, csr) for number in range(COUNT)))
    seconds = time.monotonic() - begun
    times = sorted(took for took, _, _ in results)
    await asyncio.gather(*(comes_back(number, pem, key) for number, (_, pem, key) in enumerate(results[:20])))
    print(json.dumps({
        "devices": COUNT, "way": WAY, "seconds": round(seconds, 2), "devicesPerSecond": round(COUNT / seconds, 1),
        "throttled": len(THROTTLED), "p50Seconds": round(times[len(times) // 2], 2), "p99Seconds": round(times[len(times) * 99 // 100], 2)}))


asyncio.run(main())
