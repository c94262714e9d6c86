// A GraphQL backend on the `graphql-ws` package and `ws`, an unmodified Node application behind the gateway.
// Prints its port as one line. SIGTERM ends it.
//   /graphql            GraphQL over WebSocket, subprotocol graphql-transport-ws
//   /graphql/NAME.mjs   the package's own modules, for browsers
// A connection whose parameters say {"token": "wrong"} is refused, which is close code 4403.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { buildSchema } = require("graphql");
const { useServer } = require("graphql-ws/lib/use/ws");
const { WebSocketServer } = require("ws");

const MODULES = new URL("../browser/node_modules/graphql-ws/lib/", import.meta.url);
const STEP_MS = 5;
const pause = () => new Promise((resolve) => setTimeout(resolve, STEP_MS));
let running = 0;

const schema = buildSchema(`
  type Query { hello: String!, running: Int! }
  type Subscription { countdown(from: Int!): Int!, endless: Int!, failing: Int! }
`);

const roots = {
  query: { hello: "world", running: () => running },
  subscription: {
    async *countdown({ from }) {
      for (let left = from; left >= 0; left--) {
        yield { countdown: left };
        await pause();
      }
    },
    async *endless() {
      running++;
      try {
        for (let count = 0; ; count++) {
          yield { endless: count };
          await pause();
        }
      } finally {
        running--;
      }
    },
    async *failing() {
      yield { failing: () => { throw new Error("out of order"); } };
    },
  },
};

const server = createServer(async (request, response) => {
  const [, name] = /^\/graphql\/(\w+\.mjs)$/.exec(request.url) ?? [];
  const text = name && await readFile(new URL(name, MODULES)).catch(() => undefined);
  response.writeHead(text ? 200 : 404, { "Content-Type": "text/javascript" });
  response.end(text);
});

const onConnect = ({ connectionParams }) => connectionParams?.token !== "wrong";
useServer({ schema, roots, onConnect }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("SIGTERM", () => process.exit(0));
