"""boto3's `iot-data`: shadows, messages and what is retained, as an application uses them."""

import json

from service import client, equal, refused

data = client("iot-data")
iot = client("iot")
THING = "pump"


def read(answer):
    return json.loads(answer["payload"].read())


def update(state, **more):
    name = more.pop("shadowName", None)
    which = {"shadowName": name} if name else {}
    payload = json.dumps({"state": state, **more})
    return read(data.update_thing_shadow(thingName=THING, payload=payload, **which))


def a_shadow_lives_and_goes():
    error = refused("ResourceNotFoundException", 404, data.get_thing_shadow, thingName=THING)
    equal(error["Error"]["Message"], "No shadow exists with name: 'pump'")
    updated = update({"desired": {"color": "red", "on": True}}, clientToken="t-1")
    equal((updated["version"], updated["clientToken"]), (1, "t-1"))
    update({"reported": {"color": "red", "on": False}})
    shown = read(data.get_thing_shadow(thingName=THING))
    equal(shown["state"]["delta"], {"on": True})
    equal(shown["version"], 2)
    equal(sorted(shown["metadata"]), ["desired", "reported"])
    conflict = {"thingName": THING, "payload": json.dumps({"state": {}, "version": 1})}
    refused("ConflictException", 409, data.update_thing_shadow, **conflict)
    large = {"thingName": THING, "payload": json.dumps({"state": {"desired": {"a": "x" * 9000}}})}
    refused("RequestEntityTooLargeException", 413, data.update_thing_shadow, **large)
    gone = read(data.delete_thing_shadow(thingName=THING))
    equal(gone["version"], 2)
    refused("ResourceNotFoundException", 404, data.delete_thing_shadow, thingName=THING)


def named_shadows_are_listed_and_go_with_the_thing():
    iot.create_thing(thingName=THING)
    for name in ["config", "a:1", "$state"]:
        update({"desired": {"name": name}}, shadowName=name)
    first = data.list_named_shadows_for_thing(thingName=THING, pageSize=2)
    equal(first["results"], ["$state", "a:1"])
    rest = data.list_named_shadows_for_thing(thingName=THING, nextToken=first["nextToken"])
    equal(rest["results"], ["config"])
    assert "nextToken" not in rest, rest
    iot.delete_thing(thingName=THING)
    iot.create_thing(thingName=THING)
    equal(data.list_named_shadows_for_thing(thingName=THING)["results"], [])
    wanted = {"thingName": THING, "shadowName": "config"}
    refused("ResourceNotFoundException", 404, data.get_thing_shadow, **wanted)


def messages_are_published_and_retained():
    data.publish(topic="site/1/alarm", qos=1, payload=b"fire")
    data.publish(
        topic="site/1/state",
        qos=1,
        retain=True,
        payload=b"on",
        contentType="text/plain",
        responseTopic="site/1/answers",
        messageExpiry=3600,
        payloadFormatIndicator="UTF8_DATA",
        userProperties=[{"from": "app"}],
    )
    data.publish(topic="site/2/state", qos=0, retain=True, payload=b"off")
    found = data.get_retained_message(topic="site/1/state")
    equal((found["payload"], found["qos"]), (b"on", 1))
    equal(json.loads(found["userProperties"]), [{"from": "app"}])
    assert found["lastModifiedTime"] > 1_600_000_000_000, found
    pages = data.get_paginator("list_retained_messages").paginate(PaginationConfig={"PageSize": 1})
    topics = [(one["topic"], one["payloadSize"]) for page in pages for one in page["retainedTopics"]]
    equal(topics, [("site/1/state", 2), ("site/2/state", 3)])
    refused("ResourceNotFoundException", 404, data.get_retained_message, topic="site/3/state")
    refused("InvalidRequestException", 400, data.publish, topic="site/+", payload=b"")
    # A request on a reserved topic is carried out.
    data.publish(topic=f"$aws/things/{THING}/shadow/update", payload=b'{"state":{"reported":{"x":1}}}')
    equal(read(data.get_thing_shadow(thingName=THING))["state"], {"reported": {"x": 1}})
    data.publish(topic="site/2/state", retain=True, payload=b"")
    refused("ResourceNotFoundException", 404, data.get_retained_message, topic="site/2/state")


a_shadow_lives_and_goes()
named_shadows_are_listed_and_go_with_the_thing()
messages_are_published_and_retained()
