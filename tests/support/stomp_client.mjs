// A STOMP client over WebSocket that tells what happens to it, one JSON object per line.
//   node stomp_client.mjs URL talk SIZE            two connections: one subscribes, the other sends texts and bytes, in the end a
//                                                  message of SIZE bytes
//   node stomp_client.mjs URL quiet MILLISECONDS   connects and says nothing but STOMP's own heart-beats, so often, until it is ended

import assert from "node:assert/strict";
import { once, EventEmitter } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { Client } = require("@stomp/stompjs");
const { WebSocket } = require("ws");

const [url, scenario, number] = process.argv.slice(2);
const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));

async function connect(heartBeat) {
  const events = new EventEmitter();
  const client = new Client({
    webSocketFactory: () => new WebSocket(url, ["v12.stomp"]),
    heartbeatIncoming: heartBeat,
    heartbeatOutgoing: heartBeat,
    reconnectDelay: 0,
    debug: (text) => text === "<<< PONG" && say("heartbeat"),
    onConnect: () => events.emit("connect"),
    onStompError: ({ headers }) => say("error", headers),
    onWebSocketClose: ({ code }) => say("close", { code }),
  });
  client.activate();
  await once(events, "connect");
  return client;
}

async function talk() {
  const [reader, writer] = await Promise.all([connect(0), connect(0)]);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
  const sent = [Buffer.from("text"), Buffer.alloc(0), Buffer.from("\u00e4\u20ac"), bytes, Buffer.alloc(Number(number), "sluice ")];
  const received = [];
  const all = new Promise((resolve) => {
    reader.subscribe("/room", ({ binaryBody }) => received.push(Buffer.from(binaryBody)) === sent.length && resolve());
  });
  const subscribed = new Promise((resolve) => reader.watchForReceipt("subscribed", resolve));
  reader.publish({ destination: "/nobody", headers: { receipt: "subscribed" } });
  await subscribed;
  for (const body of sent) {
    const text = body !== bytes;
    writer.publish({ destination: "/room", ...(text ? { body: body.toString() } : { binaryBody: new Uint8Array(body) }) });
  }
  await all;
  assert.deepEqual(received, sent);
  say("talked", { messages: received.length });
  await Promise.all([reader.deactivate(), writer.deactivate()]);
}

await (scenario === "talk" ? talk() : connect(Number(number)));
