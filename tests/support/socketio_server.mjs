// A socket.io backend, an unmodified Node application behind the gateway.
//   node socketio_server.mjs [PATH]    listens at that unix socket, else at any port of 127.0.0.1
// Prints its port (or path) as one line. SIGTERM ends it.
//   GET /         an empty page for browsers; the client's script is at /socket.io/socket.io.js
//   "echo"        acknowledges with what came
//   "transport"   acknowledges with the transport that this session has now, as the server sees it

import { rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";

// The packages of the Node tests are kept in one place.
const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { Server } = require("socket.io");

const MAX_PAYLOAD = 4 * 1024 * 1024;
const [path] = process.argv.slice(2);

const server = createServer((request, response) => {
  response.writeHead(200, { "Content-Type": "text/html" });
  response.end('<!doctype html><title>realtime</title><link rel="icon" href="data:,">');
});

new Server(server, { maxHttpBufferSize: MAX_PAYLOAD }).on("connection", (socket) => {
  socket.on("echo", (payload, acknowledge) => acknowledge(payload));
  socket.on("transport", (acknowledge) => acknowledge(socket.conn.transport.name));
});

if (path) {
  rmSync(path, { force: true }); // a killed predecessor leaves it behind
  server.listen(path, () => console.log(path));
} else {
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));
}
process.on("SIGTERM", () => process.exit(0));
