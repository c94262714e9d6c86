// A STOMP 1.2 backend on the `ws` package: as much of a broker as clients need. Prints its port as one line. SIGTERM ends it.
//   every path   STOMP over WebSocket, subprotocol v12.stomp: what is sent to a destination goes to all who have subscribed to it
// It sends heart-beats as often as the client asks for.

import { createServer } from "node:http";
import { createRequire } from "node:module";

const require = createRequire(new URL("../browser/package.json", import.meta.url));
const { WebSocketServer } = require("ws");

const END_OF_HEAD = Buffer.from("\n\n");
const subscriptions = new Map(); // of a destination: {socket, id}
let messages = 0;

function parse(data) {
  const end = data.indexOf(END_OF_HEAD);
  const [command, ...lines] = data.subarray(0, end).toString().split("\n");
  const headers = Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]));
  const rest = data.subarray(end + END_OF_HEAD.length);
  return { command, headers, body: rest.subarray(0, Number(headers["content-length"] ?? rest.indexOf(0))) };
}

function send(socket, command, headers, body = Buffer.alloc(0), binary = false) {
  const head = [command, ...Object.entries(headers).map(([name, value]) => `${name}:${value}`)].join("\n");
  socket.send(Buffer.concat([Buffer.from(head), END_OF_HEAD, body, Buffer.from([0])]), { binary });
}

const answers = {
  CONNECT(socket, { headers }) {
    const [, wanted] = headers["heart-beat"].split(",").map(Number);
    send(socket, "CONNECTED", { version: "1.2", "heart-beat": `${wanted},${wanted}` });
    if (wanted > 0) socket.heartBeats = setInterval(() => socket.send("\n"), wanted / 2);
  },
  SUBSCRIBE(socket, { headers }) {
    const others = subscriptions.get(headers.destination) ?? [];
    subscriptions.set(headers.destination, [...others, { socket, id: headers.id }]);
  },
  SEND(_, { headers: { destination, "content-type": type = "text/plain" }, body }, binary) {
    for (const { socket, id } of subscriptions.get(destination) ?? []) {
      const headers = { destination, subscription: id, "message-id": ++messages, "content-type": type, "content-length": body.length };
      send(socket, "MESSAGE", headers, body, binary);
    }
  },
  DISCONNECT() {},
};

const server = createServer((_, response) => response.writeHead(426).end());
const sockets = new WebSocketServer({ server, handleProtocols: (offered) => offered.has("v12.stomp") && "v12.stomp" });
sockets.on("connection", (socket) => {
  socket.on("message", (data, binary) => {
    if (data.length === 1) return; // a heart-beat
    const frame = parse(data);
    answers[frame.command](socket, frame, binary);
    if (frame.headers.receipt) send(socket, "RECEIPT", { "receipt-id": frame.headers.receipt });
  });
  socket.on("close", () => {
    clearInterval(socket.heartBeats);
    for (const [name, some] of subscriptions) subscriptions.set(name, some.filter((one) => one.socket !== socket));
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("SIGTERM", () => process.exit(0));
