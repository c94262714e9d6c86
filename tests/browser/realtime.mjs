// A page in Chromium that talks socket.io and GraphQL over WebSocket; prints what it saw as one line of JSON.
//   node realtime.mjs BASE_URL    where tests/support/socketio_server.mjs and, at /graphql, graphql_server.mjs are served
//   CHROMIUM                      the browser to start (default /usr/bin/chromium)

import { chromium } from "playwright-core";
import { FLAGS, TIMEOUT_MS } from "./chromium.mjs";

const { CHROMIUM = "/usr/bin/chromium" } = process.env;
const [baseUrl] = process.argv.slice(2);

// Runs in the page.
async function talkSocketIo() {
  const payload = { text: "\u00e4\u20ac", bytes: new Uint8Array(100_000).fill(7).buffer };
  const socket = io(); // by its default: long polling first
  const { engine } = socket.io;
  const upgraded = new Promise((resolve) => engine.once("upgrade", resolve));
  const first = await new Promise((resolve) => socket.io.once("open", () => resolve(engine.transport.name)));
  await upgraded;
  const echo = await socket.emitWithAck("echo", payload);
  const said = {
    first, client: engine.transport.name, server: await socket.emitWithAck("transport"), session: engine.id,
    echo: { text: echo.text, size: echo.bytes.byteLength, last: new Uint8Array(echo.bytes).at(-1) },
  };
  socket.disconnect();
  return said;
}

// Runs in the page.
async function talkGraphQl() {
  const { createClient } = await import("/graphql/client.mjs");
  const client = createClient({ url: new URL("/graphql", location.href.replace(/^http/, "ws")).href, retryAttempts: 0 });
  const subprotocol = new Promise((resolve) => client.on("connected", (socket) => resolve(socket.protocol)));
  const data = [];
  for await (const result of client.iterate({ query: "subscription { countdown(from: 2) }" })) data.push(result.data.countdown);
  return { data, subprotocol: await subprotocol };
}

const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS, timeout: TIMEOUT_MS });
try {
  const page = await (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const sockets = [], failures = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  page.on("pageerror", (error) => failures.push(error.message));
  page.on("console", (message) => message.type() === "error" && failures.push(message.text()));
  await page.goto(baseUrl);
  await page.addScriptTag({ url: "/socket.io/socket.io.js" });
  const said = { socketio: await page.evaluate(talkSocketIo), graphql: await page.evaluate(talkGraphQl) };
  console.log(JSON.stringify({ ...said, sockets, failures }));
} finally {
  await browser.close();
}
