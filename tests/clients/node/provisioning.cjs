// Devices that provision themselves over mutual TLS with AWS's device SDK for Node: from a claim to a connection with a
// certificate of their own, with keys of the service over MQTT 3.1.1, and with a key of the device over MQTT 5.
"use strict";

const assert = require("node:assert/strict");
const { iotidentity, iotjobs } = require("aws-iot-device-sdk-v2");
const { connect311, connect5, file, fs, operate, over, play, refused } = require("./service.cjs");

const templateName = "pumps";
const own = "${iot:Connection.Thing.ThingName}";
const policy = {
  Version: "2012-10-17",
  Statement: [
    { Effect: "Allow", Action: "iot:Connect", Resource: `arn:aws:iot:*:*:client/${own}` },
    { Effect: "Allow", Action: ["iot:Publish", "iot:Receive"], Resource: `arn:aws:iot:*:*:topic/$aws/things/${own}/*` },
    { Effect: "Allow", Action: "iot:Subscribe", Resource: `arn:aws:iot:*:*:topicfilter/$aws/things/${own}/*` },
  ],
};
const template = {
  Parameters: { SerialNumber: { Type: "String" }, "AWS::IoT::Certificate::Id": { Type: "String" } },
  DeviceConfiguration: { site: "north" },
  Resources: {
    thing: {
      Type: "AWS::IoT::Thing",
      Properties: { ThingName: { "Fn::Join": ["", ["pump-", { Ref: "SerialNumber" }]] } },
    },
    certificate: {
      Type: "AWS::IoT::Certificate",
      Properties: { CertificateId: { Ref: "AWS::IoT::Certificate::Id" }, Status: "ACTIVE" },
    },
    policy: { Type: "AWS::IoT::Policy", Properties: { PolicyName: "fleet" } },
  },
};

async function prepare() {
  await operate("iot", "POST", "/policies/fleet", { policyDocument: JSON.stringify(policy) });
  await operate("iot", "POST", "/provisioning-templates", {
    templateName,
    templateBody: JSON.stringify(template),
    enabled: true,
    provisioningRoleArn: "arn:aws:iam::000000000000:role/provisioning",
  });
}

function store(name, certificate, key) {
  fs.writeFileSync(file(`${name}.pem`), certificate);
  fs.writeFileSync(file(`${name}.key`), key, { mode: 0o600 });
}

async function provision(connect, serial, certify) {
  const made = await operate("iot", "POST", `/provisioning-templates/${templateName}/provisioning-claim`);
  store(`claim-${serial}`, made.certificatePem, made.keyPair.PrivateKey);
  let connection = await connect(`claim-${serial}`, `new-${serial}`);
  const identity = over(connection, iotidentity.IotIdentityClientv2);
  const handed = await certify(identity);
  const request = {
    templateName,
    certificateOwnershipToken: handed.certificateOwnershipToken,
    parameters: { SerialNumber: serial },
  };
  const wrong = { ...request, parameters: {} };
  assert.equal((await refused(identity.registerThing(wrong))).errorCode, "InvalidRequest");
  const provisioned = await identity.registerThing(request);
  const name = `pump-${serial}`;
  assert.deepEqual([provisioned.thingName, provisioned.deviceConfiguration], [name, { site: "north" }]);
  const again = await refused(identity.registerThing(request));
  assert.equal(again.errorCode, "InvalidCertificateOwnershipToken");
  identity.close();
  await connection.stop();
  store(name, handed.certificatePem, handed.privateKey ?? fs.readFileSync(file("device.key")));
  connection = await connect(name, name);
  const client = over(connection, iotjobs.IotJobsClientv2);
  assert.deepEqual((await client.getPendingJobExecutions({ thingName: name })).queuedJobs, []);
  client.close();
  await connection.stop();
}

play(async () => {
  await prepare();
  await provision(connect311, "1", (identity) => identity.createKeysAndCertificate({}));
  const certificateSigningRequest = fs.readFileSync(file("device.csr"), "utf8");
  await provision(connect5, "2", (identity) => identity.createCertificateFromCsr({ certificateSigningRequest }));
});
