// Node's own HTTP/2 server: `node http2_server.mjs [CERTIFICATE KEY]`, without them for clients that know of it beforehand. Prints its
// port, then a line for each connection. /hello, /upload, /download/SIZE as the FastAPI app has them; /echo sends the body back as it
// comes, and its hash as a trailer; /hints has a 103; /reset resets. WebSockets (RFC 8441) are echoes on the `ws` package; /terminate
// drops one at its first message, /reject/STATUS refuses it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http2 from "node:http2";
import { createRequire } from "node:module";

// The packages of the Node tests are kept in one place.
const { WebSocket } = createRequire(new URL("../browser/package.json", import.meta.url))("ws");

const [certificate, key] = process.argv.slice(2);
// By default it resets streams when 10 MB lie in a connection.
const options = { maxSessionMemory: 200, settings: { enableConnectProtocol: true } };
const server = certificate
  ? http2.createSecureServer({ ...options, cert: readFileSync(certificate), key: readFileSync(key), allowHTTP1: true })
  : http2.createServer(options);

async function hash(stream) {
  const sum = createHash("sha256");
  let size = 0;
  for await (const piece of stream) {
    sum.update(piece);
    size += piece.length;
  }
  return { size, sha256: sum.digest("hex") };
}

function echo(stream, headers) {
  const sum = createHash("sha256");
  stream.respond({ ":status": 200, "x-te": headers.te ?? "" }, { waitForTrailers: true });
  stream.on("data", (piece) => { sum.update(piece); });
  stream.on("trailers", (fields) => { stream.sent = fields; });
  stream.on("wantTrailers", () => stream.sendTrailers({ "x-sha256": sum.digest("hex"), "x-sent": stream.sent?.["x-note"] ?? "" }));
  stream.pipe(stream);
}

function openSocket(stream, name, status) {
  if (name === "reject") {
    stream.respond({ ":status": Number(status) });
    return stream.end("no");
  }
  stream.respond({ ":status": 200 });
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 });
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 64 * 1024 * 1024, skipUTF8Validation: false });
  socket.on("error", () => socket.terminate());
  socket.on("message", (data, isBinary) => {
    if (name === "terminate") return stream.close(http2.constants.NGHTTP2_CANCEL);
    socket.send(data, { binary: isBinary });
  });
}

server.on("session", (session) => {
  session.on("error", () => {});
  console.log("connection");
});
server.on("stream", async (stream, headers) => {
  stream.on("error", () => {});
  const [, name, size] = headers[":path"].split("/");
  if (headers[":method"] === "CONNECT") return openSocket(stream, name, size);
  if (name === "echo") return echo(stream, headers);
  if (name === "reset") return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  if (name === "hints") stream.additionalHeaders({ ":status": 103, link: "</style.css>" });
  if (headers[":method"] === "HEAD") return stream.respond({ ":status": 200 }, { endStream: true });
  if (name === "upload") {
    const said = await hash(stream);
    stream.respond({ ":status": 200 });
    return stream.end(JSON.stringify(said));
  }
  stream.respond({ ":status": 200 });
  stream.end(name === "download" ? Buffer.alloc(Number(size), "download ") : JSON.stringify({ hello: "world" }));
});
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
