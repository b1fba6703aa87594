// What the scripts beside this one share: operators' requests, devices of AWS's SDK for Node, and waiting.
//
// In the environment: SHIPSLOG_HTTP (http://HOST:PORT), SHIPSLOG_MQTTS, the port of MQTT over TLS on localhost, and
// SHIPSLOG_CERTIFICATES, a directory with ca.pem and the certificates and keys of devices.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const { iot, mqtt, mqtt5 } = require("aws-iot-device-sdk-v2");

const PATIENCE_SECONDS = 20;
const PORT = Number(process.env.SHIPSLOG_MQTTS);

function file(name) {
  return path.join(process.env.SHIPSLOG_CERTIFICATES, name);
}

/// An operator's request to an AWS-compatible API. The service does not check the signature; it tells the API by it.
async function operate(service, method, where, body) {
  const credential = `Credential=AKIDEXAMPLE/20260101/us-east-1/${service}/aws4_request`;
  const answer = await fetch(process.env.SHIPSLOG_HTTP + where, {
    method,
    headers: { authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=host, Signature=0` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${where}: ${answer.status} ${text}`);
  return text === "" ? {} : JSON.parse(text);
}

/// What an event is about, if it comes in time.
function once(emitter, event) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${event}`)), PATIENCE_SECONDS * 1000);
    emitter.once(event, (told) => {
      clearTimeout(late);
      resolve(told);
    });
  });
}

/// Looks again and again until it holds.
async function until(what, look) {
  for (const end = Date.now() + PATIENCE_SECONDS * 1000; !(await look()); ) {
    assert.ok(Date.now() < end, `not in time: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/// Connects the holder of a certificate in MQTT 3.1.1.
async function connect311(certificate, clientId) {
  const builder = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder_from_path(
    file(`${certificate}.pem`),
    file(`${certificate}.key`),
  );
  const config = builder
    .with_certificate_authority_from_path(undefined, file("ca.pem"))
    .with_endpoint("localhost")
    .with_port(PORT)
    .with_client_id(clientId)
    .with_clean_session(true)
    .build();
  const connection = new mqtt.MqttClient().new_connection(config);
  await connection.connect();
  return { spoken: connection, version: "Mqtt311", stop: () => connection.disconnect() };
}

/// Connects the holder of a certificate in MQTT 5.
async function connect5(certificate, clientId) {
  const builder = iot.AwsIotMqtt5ClientConfigBuilder.newDirectMqttBuilderWithMtlsFromPath(
    "localhost",
    file(`${certificate}.pem`),
    file(`${certificate}.key`),
  );
  const config = builder
    .withCertificateAuthorityFromPath(undefined, file("ca.pem"))
    .withPort(PORT)
    .withConnectProperties({ keepAliveIntervalSeconds: 30, clientId })
    .build();
  const client = new mqtt5.Mqtt5Client(config);
  client.on("error", (error) => assert.fail(error));
  const connected = once(client, "connectionSuccess");
  client.start();
  await connected;
  const stop = async () => {
    const stopped = once(client, "stopped");
    client.stop();
    await stopped;
    client.close();
  };
  return { spoken: client, version: "Mqtt5", stop };
}

/// One of the SDK's clients for a service, over a connection of either version.
function over(connection, Client) {
  return Client[`newFrom${connection.version}`](connection.spoken, {
    maxRequestResponseSubscriptions: 6,
    maxStreamingSubscriptions: 4,
    operationTimeoutInSeconds: PATIENCE_SECONDS,
  });
}

/// The messages of one of the SDK's streams, once it is subscribed: each call gives the next one.
async function follow(stream) {
  const heard = [];
  stream.on("incomingPublish", (event) => heard.push(event.message));
  const subscribed = once(stream, "subscriptionStatus");
  stream.open();
  await subscribed;
  return async () => {
    await until("a message", () => heard.length > 0);
    return heard.shift();
  };
}

/// The error that the service answers a request with.
async function refused(request) {
  try {
    await request;
  } catch (error) {
    assert.ok(error.modeledError, `${error}`);
    return error.modeledError;
  }
  return assert.fail("it was not refused");
}

/// Runs a script to its end.
function play(script) {
  script().then(
    // The SDK's native half keeps the process alive for a while.
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { connect311, connect5, file, follow, fs, operate, over, play, refused, until };
