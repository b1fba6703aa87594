// Jobs and shadows over mutual TLS with AWS's device SDK for Node, in MQTT 3.1.1 and 5, as the thing `pump`.
"use strict";

const assert = require("node:assert/strict");
const { iotjobs, iotshadow } = require("aws-iot-device-sdk-v2");
const { connect311, connect5, follow, operate, over, play, refused, until } = require("./service.cjs");

const thingName = "pump";

async function jobs(connection) {
  const client = over(connection, iotjobs.IotJobsClientv2);
  const changed = await follow(client.createJobExecutionsChangedStream({ thingName }));
  const next = await follow(client.createNextJobExecutionChangedStream({ thingName }));
  const jobId = `over-${connection.version}`;
  const { thingArn } = await operate("iot", "GET", `/things/${thingName}`);
  await operate("iot", "PUT", `/jobs/${jobId}`, {
    targets: [thingArn],
    document: JSON.stringify({ operation: jobId }),
  });
  assert.equal((await changed()).jobs.QUEUED[0].jobId, jobId);
  assert.equal((await next()).execution.jobId, jobId);
  const pending = await client.getPendingJobExecutions({ thingName });
  assert.deepEqual(pending.queuedJobs.map((job) => job.jobId), [jobId]);
  const { execution } = await client.startNextPendingJobExecution({ thingName });
  assert.deepEqual([execution.jobId, execution.status], [jobId, "IN_PROGRESS"]);
  assert.deepEqual(execution.jobDocument, { operation: jobId });
  const described = await client.describeJobExecution({ thingName, jobId });
  assert.equal(described.execution.versionNumber, execution.versionNumber);
  const stale = { thingName, jobId, status: "SUCCEEDED", expectedVersion: execution.versionNumber + 1 };
  assert.equal((await refused(client.updateJobExecution(stale))).code, "VersionMismatch");
  const report = { ...stale, expectedVersion: execution.versionNumber };
  await client.updateJobExecution(report);
  assert.deepEqual((await changed()).jobs, {});
  assert.equal((await next()).execution, undefined);
  await until(`${jobId} has ended`, async () => {
    const { job } = await operate("iot", "GET", `/jobs/${jobId}`);
    return job.status === "COMPLETED";
  });
  client.close();
}

async function shadows(connection) {
  const client = over(connection, iotshadow.IotShadowClientv2);
  const shadowName = `over-${connection.version}`;
  const which = { thingName, shadowName };
  const delta = await follow(client.createNamedShadowDeltaUpdatedStream(which));
  const updated = await follow(client.createNamedShadowUpdatedStream(which));
  assert.equal((await refused(client.getNamedShadow(which))).code, 404);
  const accepted = await client.updateNamedShadow({ ...which, state: { reported: { rate: 4 } } });
  assert.equal(accepted.version, 1);
  assert.deepEqual((await updated()).current.state.reported, { rate: 4 });
  const desire = `/things/${thingName}/shadow?name=${shadowName}`;
  await operate("iotdata", "POST", desire, { state: { desired: { rate: 5 } } });
  const different = await delta();
  assert.deepEqual([different.version, different.state], [2, { rate: 5 }]);
  assert.equal((await updated()).previous.version, 1);
  const late = client.updateNamedShadow({ ...which, state: { reported: { rate: 5 } }, version: 1 });
  assert.equal((await refused(late)).code, 409);
  const got = await client.getNamedShadow(which);
  assert.deepEqual([got.version, got.state.delta], [2, { rate: 5 }]);
  assert.equal((await client.deleteNamedShadow(which)).version, 2);
  client.close();
}

play(async () => {
  for (const connect of [connect311, connect5]) {
    const connection = await connect("pump", thingName);
    await jobs(connection);
    await shadows(connection);
    await connection.stop();
  }
});
