// A socket.io client that tells what happens to it, one JSON object per line.
//   node socketio_client.mjs URL TRANSPORTS talk        connects, sends payloads of all kinds, disconnects
//   node socketio_client.mjs URL TRANSPORTS survive     loses its server, waits for it to come back, talks again
// TRANSPORTS as socket.io has them: "polling,websocket", "polling" or "websocket".

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";

const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { io } = require("socket.io-client");

const ANSWER_MS = 10_000;
const [url, transportList, scenario] = process.argv.slice(2);
const transports = transportList.split(",");
const PAYLOADS = [
  "text: \u00e4\u20ac\u{1f600}", "", Buffer.from([0, 255, 1]), { deep: [Buffer.alloc(70_000, 7), "beside"] },
  Buffer.alloc(1024 * 1024, "sluice "),
];

const say = (event, fields = {}) => console.log(JSON.stringify({ event, ...fields }));
const socket = io(url, { transports, autoConnect: false, reconnectionDelay: 50, reconnectionDelayMax: 200 });
socket.on("disconnect", (reason) => say("disconnect", { reason }));
socket.io.on("reconnect_error", (error) => say("reconnect_error", { message: error.message }));

const ask = (...message) => socket.timeout(ANSWER_MS).emitWithAck(...message);

// The upgrade may be over before socket.io says "connect", so it is waited for from the beginning.
let upgrade;
socket.io.on("open", () => {
  const { engine } = socket.io;
  const first = engine.transport.name;
  upgrade = { first, done: first === "polling" && transports.includes("websocket") ? once(engine, "upgrade") : null };
});

// Resolves when there is a session and its last transport carries it.
async function connected() {
  await once(socket, "connect");
  await upgrade.done;
  const { engine } = socket.io;
  say("connect", { first: upgrade.first, session: engine.id, client: engine.transport.name, server: await ask("transport") });
}

async function talk() {
  for (const payload of PAYLOADS) assert.deepEqual(await ask("echo", payload), payload);
  say("talked");
}

socket.connect();
await connected();
await talk();
if (scenario === "survive") {
  await connected();
  await talk();
}
socket.disconnect();
