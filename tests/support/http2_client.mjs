// Node's own HTTP/2 client: `node http2_client.mjs URL PARALLEL TIMES`. On one connection, PARALLEL requests are always under way, until each of
// the kinds below was asked TIMES times. Says {"event": "done", ...} with what was wrong.
import { createHash } from "node:crypto";
import http2 from "node:http2";

const [url, parallel, times] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
// By default it gives streams up when 10 MB lie in it.
const session = http2.connect(url, { maxSessionMemory: 200 });
const upload = Buffer.alloc(300_000, "upload ");
const sha256 = createHash("sha256").update(upload).digest("hex");

function ask(headers, body) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers);
    const pieces = [];
    let status = 0;
    stream.on("response", (fields) => { status = fields[":status"]; });
    stream.on("data", (piece) => pieces.push(piece));
    stream.on("end", () => resolve({ status, body: Buffer.concat(pieces) }));
    stream.on("error", reject);
    stream.end(body);
  });
}

const kinds = {
  async hello() {
    const answer = await ask({ ":path": "/hello" });
    return answer.status === 200 && JSON.parse(answer.body).hello === "world";
  },
  async upload() {
    const answer = await ask({ ":path": "/upload", ":method": "POST" }, upload);
    const said = JSON.parse(answer.body);
    return said.size === upload.length && said.sha256 === sha256;
  },
  async download() {
    const answer = await ask({ ":path": "/download/400000" });
    return answer.status === 200 && answer.body.length === 400_000;
  },
  async head() {
    const answer = await ask({ ":path": "/hello", ":method": "HEAD" });
    return answer.status < 500 && answer.body.length === 0;
  },
};

const left = Object.keys(kinds).flatMap((kind) => Array(times).fill(kind));
const wrong = [];
let right = 0;
async function work() {
  while (left.length > 0) {
    const kind = left.shift();
    try {
      await kinds[kind]() ? ++right : wrong.push(kind);
    } catch (error) {
      wrong.push(`${kind}: ${error}`);
    }
  }
}
await Promise.all(Array.from({ length: parallel }, work));
console.log(JSON.stringify({ event: "done", right, wrong: wrong.slice(0, 5) }));
session.close();
