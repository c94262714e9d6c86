// A gRPC client on @grpc/grpc-js: `node grpc_client.mjs PORT KIND`. Calls one method of grpc_service.mjs, and says
// {"event": "done", ...} with what came of it.
import { createRequire } from "node:module";

import { service } from "./grpc_service.mjs";

const grpc = createRequire(new URL("../browser/", import.meta.url))("@grpc/grpc-js");

const [port, kind] = process.argv.slice(2);
const Client = grpc.makeGenericClientConstructor(service, "Bytes");
const client = new Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure());

const unary = (text, options = {}) => new Promise((resolve) => {
  const said = {};
  const call = client.unary(Buffer.from(text), options, (error, answer) => {
    said.code = error ? error.code : grpc.status.OK;
    said.details = error?.details ?? "";
    said.answer = answer?.toString();
  });
  call.on("status", (status) => resolve({ ...said, code: status.code, note: status.metadata.get("x-note")[0] }));
});

const ended = (call, said) => new Promise((resolve) => {
  call.on("error", (error) => { said.details = error.details; });
  call.on("status", (status) => resolve({ ...said, code: status.code }));
});

const kinds = {
  unary: () => unary("hello"),
  missing: () => unary("missing"),
  never: () => unary("never", { deadline: Date.now() + 500 }),
  patient: () => unary("never", { deadline: Date.now() + 30_000 }),
  many: async () => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => unary(`call ${n}`)));
    return { right: answers.filter((one, n) => one.code === 0 && one.answer === `call ${n}!`).length };
  },
  download: () => {
    const said = { messages: 0, size: 0 };
    const call = client.download(Buffer.from("100 10000"));
    call.on("data", (piece) => { ++said.messages; said.size += piece.length; });
    return ended(call, said).then((status) => ({ ...status, ...said }));
  },
  upload: () => new Promise((resolve) => {
    const call = client.upload((error, answer) => resolve({ code: error ? error.code : 0, answer: answer?.toString() }));
    for (let n = 0; n < 100; ++n) call.write(Buffer.alloc(10_000, "u"));
    call.end();
  }),
  // Each message is sent when the answer to the one before it has come.
  talk: () => {
    const said = { messages: [] };
    const call = client.talk();
    call.on("data", (piece) => {
      said.messages.push(piece.toString());
      said.messages.length < 5 ? call.write(Buffer.from(`m${said.messages.length}`)) : call.end();
    });
    call.write(Buffer.from("m0"));
    return ended(call, said).then((status) => ({ ...status, ...said }));
  },
};

console.log(JSON.stringify({ event: "done", ...(await kinds[kind]()) }));
client.close();
