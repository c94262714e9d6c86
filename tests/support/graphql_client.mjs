// A graphql-ws client that does what clients do, and prints what came of it as one JSON object.
//   node graphql_client.mjs URL

import { createRequire } from "node:module";

const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { createClient } = require("graphql-ws");
const WebSocket = require("ws");

const [url] = process.argv.slice(2);
const client = createClient({ url, webSocketImpl: WebSocket, lazy: false, retryAttempts: 0 });
const subprotocol = new Promise((resolve) => client.on("connected", (socket) => resolve(socket.protocol)));

// Everything an operation yields, and how it ended.
async function results(query) {
  const found = { data: [], errors: [], end: "completed" };
  try {
    for await (const result of client.iterate({ query })) {
      if (result.data) found.data.push(result.data);
      for (const error of result.errors ?? []) found.errors.push(error.message);
    }
  } catch (errors) {
    found.end = "refused";
    found.errors.push(...errors.map((error) => error.message));
  }
  return found;
}

// Leaves a subscription that would never end, and waits until the server has noticed.
async function leave() {
  for await (const { data } of client.iterate({ query: "subscription { endless }" })) {
    if (data.endless === 3) break;
  }
  while ((await results("{ running }")).data[0].running !== 0);
  return "left";
}

const said = {
  subprotocol: await subprotocol,
  query: await results("{ hello }"),
  countdown: await results("subscription { countdown(from: 3) }"),
  together: await Promise.all([5, 6, 7].map((from) => results(`subscription { countdown(from: ${from}) }`))),
  failing: await results("subscription { failing }"),
  invalid: await results("{ nothing }"),
  endless: await leave(),
};
await client.dispose();
console.log(JSON.stringify(said));
