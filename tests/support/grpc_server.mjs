// A gRPC server on @grpc/grpc-js, with messages that are plain bytes: `node grpc_server.mjs`. Prints its port.
// It says that it is healthy, until a call of Unary says what else it shall say: "serving N", N being a ServingStatus.
import { createRequire } from "node:module";

import { health, service } from "./grpc_service.mjs";

const grpc = createRequire(new URL("../browser/", import.meta.url))("@grpc/grpc-js");

let serving = 1;
const server = new grpc.Server();
server.addService(health, {
  check(call, done) {
    console.log(`checked ${call.request.toString("hex")}`);
    done(null, Buffer.from([8, serving]));
  },
});
server.addService(service, {
  unary(call, done) {
    const trailers = new grpc.Metadata();
    trailers.set("x-note", "behind");
    const text = call.request.toString();
    if (text === "missing") return done({ code: grpc.status.NOT_FOUND, details: "no such thing" }, null, trailers);
    if (text.startsWith("serving ")) serving = Number(text.slice(8));
    if (text === "never") return call.on("cancelled", () => console.log("cancelled"));
    done(null, Buffer.from(`${text}!`), trailers);
  },
  download(call) {
    const [count, size] = call.request.toString().split(" ").map(Number);
    for (let n = 0; n < count; ++n) call.write(Buffer.alloc(size, String(n % 10)));
    call.end();
  },
  upload(call, done) {
    let size = 0;
    call.on("data", (piece) => { size += piece.length; });
    call.on("end", () => done(null, Buffer.from(String(size))));
  },
  talk(call) {
    call.on("data", (piece) => call.write(Buffer.from(`${piece}?`)));
    call.on("end", () => call.end());
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
