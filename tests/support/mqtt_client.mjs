// An MQTT client over WebSocket that tells what happens to it, one JSON object per line.
//   node mqtt_client.mjs URL talk SIZE         two connections: one subscribes, the other publishes at every QoS, in the
//                                              end a message of SIZE bytes
//   node mqtt_client.mjs URL quiet KEEPALIVE   connects and says nothing but MQTT's own pings, until it is ended

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(new URL("../browser/package.json", import.meta.url));
const mqtt = require("mqtt");

const SMALL = [Buffer.alloc(0), Buffer.from("text")];
const [url, scenario, number] = process.argv.slice(2);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

async function connect(clientId, keepalive = 60) {
  const client = mqtt.connect(url, { clientId, keepalive, reconnectPeriod: 0 });
  client.on("packetreceive", ({ cmd }) => cmd === "pingresp" && say("pong"));
  client.on("close", () => say("close", { clientId }));
  await once(client, "connect");
  say("connect", { clientId });
  return client;
}

async function talk() {
  const [reader, writer] = await Promise.all([connect("reader"), connect("writer")]);
  const sent = [0, 1, 2].flatMap((qos) => SMALL.map((payload) => ({ topic: `room/${qos}`, payload, qos })));
  sent.push({ topic: "room/big", payload: Buffer.alloc(Number(number), "sluice "), qos: 2 });
  const received = [];
  reader.on("message", (topic, payload, { qos }) => {
    received.push({ topic, payload, qos });
    if (received.length === sent.length) reader.emit("all");
  });
  const all = once(reader, "all");
  await reader.subscribeAsync("room/#", { qos: 2 });
  for (const { topic, payload, qos } of sent) await writer.publishAsync(topic, payload, { qos });
  await all;
  assert.deepEqual(received, sent);
  say("talked", { messages: received.length });
  await Promise.all([reader.endAsync(), writer.endAsync()]);
}

await (scenario === "talk" ? talk() : connect("quiet", Number(number)));
