"""Shadows over mutual TLS, with AWS's device SDK: its older client over MQTT 3.1.1, its newer one over both versions.

Its environment is that of device.py.
"""

import json
import queue
import threading

from awscrt import mqtt, mqtt_request_response
from awsiot import ServiceStreamOptions, V2ServiceException, iotshadow

from device import PATIENCE, THING, end, speak_3_1_1, speak_5
from service import client, equal

data = client("iot-data")


def desire(state):
    """An application changes the classic shadow."""
    data.update_thing_shadow(thingName=THING, payload=json.dumps({"state": {"desired": state}}))


def the_older_client():
    connection = speak_3_1_1()
    shadows = iotshadow.IotShadowClient(connection)
    once = mqtt.QoS.AT_LEAST_ONCE
    heard = {}

    def hear(name, subscribe, request):
        heard[name] = queue.Queue()
        future, _ = subscribe(request=request, qos=once, callback=heard[name].put)
        future.result(PATIENCE)

    whole = {"thing_name": THING}
    hear("updated", shadows.subscribe_to_update_shadow_accepted, iotshadow.UpdateShadowSubscriptionRequest(**whole))
    hear("not updated", shadows.subscribe_to_update_shadow_rejected, iotshadow.UpdateShadowSubscriptionRequest(**whole))
    hear("got", shadows.subscribe_to_get_shadow_accepted, iotshadow.GetShadowSubscriptionRequest(**whole))
    hear("not got", shadows.subscribe_to_get_shadow_rejected, iotshadow.GetShadowSubscriptionRequest(**whole))
    hear("deleted", shadows.subscribe_to_delete_shadow_accepted, iotshadow.DeleteShadowSubscriptionRequest(**whole))
    hear(
        "delta",
        shadows.subscribe_to_shadow_delta_updated_events,
        iotshadow.ShadowDeltaUpdatedSubscriptionRequest(**whole),
    )
    hear(
        "documents", shadows.subscribe_to_shadow_updated_events, iotshadow.ShadowUpdatedSubscriptionRequest(**whole)
    )

    shadows.publish_get_shadow(iotshadow.GetShadowRequest(**whole), once).result(PATIENCE)
    equal(heard["not got"].get(timeout=PATIENCE).code, 404)
    reported = iotshadow.ShadowState(reported={"color": "blue"})
    update = iotshadow.UpdateShadowRequest(state=reported, client_token="t-1", **whole)
    shadows.publish_update_shadow(update, once).result(PATIENCE)
    updated = heard["updated"].get(timeout=PATIENCE)
    equal((updated.version, updated.client_token, updated.state.reported), (1, "t-1", {"color": "blue"}))
    equal(heard["documents"].get(timeout=PATIENCE).current.state.reported, {"color": "blue"})

    desire({"color": "red"})
    delta = heard["delta"].get(timeout=PATIENCE)
    equal((delta.version, delta.state), (2, {"color": "red"}))
    equal(heard["updated"].get(timeout=PATIENCE).state.desired, {"color": "red"})
    documents = heard["documents"].get(timeout=PATIENCE)
    equal((documents.previous.version, documents.current.version), (1, 2))
    late = iotshadow.UpdateShadowRequest(state=reported, version=1, **whole)
    shadows.publish_update_shadow(late, once).result(PATIENCE)
    equal(heard["not updated"].get(timeout=PATIENCE).code, 409)

    shadows.publish_get_shadow(iotshadow.GetShadowRequest(**whole), once).result(PATIENCE)
    got = heard["got"].get(timeout=PATIENCE)
    equal((got.version, got.state.delta), (2, {"color": "red"}))
    shadows.publish_delete_shadow(iotshadow.DeleteShadowRequest(**whole), once).result(PATIENCE)
    equal(heard["deleted"].get(timeout=PATIENCE).version, 2)
    connection.disconnect().result(PATIENCE)


def the_newer_client(protocol, name):
    """A named shadow, so that each run begins without one."""
    options = mqtt_request_response.ClientOptions(
        max_request_response_subscriptions=4, max_streaming_subscriptions=2, operation_timeout_in_seconds=PATIENCE
    )
    shadows = iotshadow.IotShadowClientV2(protocol, options)
    which = {"thing_name": THING, "shadow_name": name}
    deltas, subscribed = queue.Queue(), threading.Event()
    stream = shadows.create_named_shadow_delta_updated_stream(
        iotshadow.NamedShadowDeltaUpdatedSubscriptionRequest(**which),
        ServiceStreamOptions(
            incoming_event_listener=deltas.put, subscription_status_listener=lambda _: subscribed.set()
        ),
    )
    stream.open()
    assert subscribed.wait(PATIENCE), "no subscription to deltas"
    try:
        shadows.get_named_shadow(iotshadow.GetNamedShadowRequest(**which)).result(PATIENCE)
        raise AssertionError("there is no shadow yet")
    except V2ServiceException as refused:
        equal(refused.modeled_error.code, 404)
    state = iotshadow.ShadowState(desired={"rate": 5}, reported={"rate": 4})
    update = iotshadow.UpdateNamedShadowRequest(state=state, **which)
    updated = shadows.update_named_shadow(update).result(PATIENCE)
    equal((updated.version, updated.state.desired), (1, {"rate": 5}))
    equal(deltas.get(timeout=PATIENCE).state, {"rate": 5})
    got = shadows.get_named_shadow(iotshadow.GetNamedShadowRequest(**which)).result(PATIENCE)
    equal((got.version, got.state.delta), (1, {"rate": 5}))
    equal(data.list_named_shadows_for_thing(thingName=THING)["results"], [name])
    deleted = shadows.delete_named_shadow(iotshadow.DeleteNamedShadowRequest(**which)).result(PATIENCE)
    equal(deleted.version, 1)


def the_newer_client_over_both_versions():
    connection = speak_3_1_1()
    the_newer_client(connection, "over-3-1-1")
    connection.disconnect().result(PATIENCE)
    made, stop = speak_5()
    the_newer_client(made, "over-5")
    stop()


the_older_client()
the_newer_client_over_both_versions()
end()
