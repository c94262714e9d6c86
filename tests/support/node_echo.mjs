// A WebSocket echo backend on the `ws` package, an unmodified Node application behind the gateway.
// Prints its port as one line. SIGTERM ends it.
//   /                      echoes text and binary messages
//   /close/CODE[/REASON]   closes with that code as soon as the socket is open
//   /close-on-message/CODE closes with that code at the first message
//   /terminate             drops the TCP connection at the first message, without a Close frame
//   /ping                  sends a Ping, then its payload as text once the Pong is back
//   /reject/STATUS         answers the upgrade with that status
// A client that offers subprotocols gets the first one. Plain requests are answered with 426.

import { createServer, STATUS_CODES } from "node:http";
import { createRequire } from "node:module";

// The packages of the Node tests are kept in one place.
const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { WebSocketServer } = require("ws");

const MAX_PAYLOAD = 64 * 1024 * 1024;

const server = createServer((request, response) => {
  response.writeHead(426, { Connection: "Upgrade", Upgrade: "websocket", "Content-Length": 0 });
  response.end();
});

const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MAX_PAYLOAD,
  perMessageDeflate: { threshold: 0 },
});

function echo(socket) {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}

function pingFirst(socket) {
  socket.on("pong", (payload) => socket.send(payload.toString()));
  socket.ping("are you there");
}

sockets.on("connection", (socket, request) => {
  socket.on("error", () => socket.terminate());
  const [, action, code, reason] = request.url.split("?")[0].split("/");
  if (action === "close") {
    socket.close(Number(code), decodeURIComponent(reason ?? ""));
  } else if (action === "close-on-message") {
    socket.once("message", () => socket.close(Number(code)));
  } else if (action === "terminate") {
    socket.once("message", () => socket.terminate());
  } else if (action === "ping") {
    pingFirst(socket);
  } else {
    echo(socket);
  }
});

server.on("upgrade", (request, stream, head) => {
  const [, action, status] = request.url.split("/");
  if (action === "reject") {
    stream.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno`);
    return;
  }
  sockets.handleUpgrade(request, stream, head, (socket) => sockets.emit("connection", socket, request));
});

server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("SIGTERM", () => process.exit(0));
