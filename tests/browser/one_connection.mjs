// A page in Chromium that opens many WebSockets and makes many requests to where it came from; prints what it saw as one line of JSON.
//   node one_connection.mjs BASE_URL SOCKETS REQUESTS    where /echo echoes WebSockets, and everything else answers
//   CHROMIUM                                             the browser to start (default /usr/bin/chromium)

import { chromium } from "playwright-core";
import { FLAGS, TIMEOUT_MS, TRUSTING } from "./chromium.mjs";

const { CHROMIUM = "/usr/bin/chromium" } = process.env;
const [baseUrl, sockets, requests] = process.argv.slice(2);

// Runs in the page: all at once, and each socket says something while the requests are under way and once more when they are over.
async function talk([sockets, requests]) {
  const opened = await Promise.all(Array.from({ length: sockets }, (_, at) => new Promise((resolve, reject) => {
    const socket = new WebSocket(new URL(`/echo?${at}`, location.href.replace(/^http/, "ws")));
    socket.onopen = () => resolve(socket);
    socket.onerror = () => reject(new Error(`socket ${at} does not open`));
  })));
  const echo = (socket, text) => new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve(data === text);
    socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
    socket.send(text);
  });
  const ask = async (at) => {
    const response = await fetch(`/page?${at}`);
    return response.status === 200 && await response.text() === `/page?${at}`;
  };
  const first = opened.map((socket, at) => echo(socket, `first ${at}`));
  const answers = await Promise.all(Array.from({ length: requests }, (_, at) => ask(at)));
  const echoes = [...await Promise.all(first), ...await Promise.all(opened.map((socket, at) => echo(socket, `again ${at}`)))];
  const codes = await Promise.all(opened.map((socket) => new Promise((resolve) => {
    socket.onclose = ({ code, wasClean }) => resolve(wasClean ? code : `${code}, not clean`);
    socket.close(1000);
  })));
  const protocols = performance.getEntriesByType("resource").map((entry) => entry.nextHopProtocol).filter(Boolean);
  const right = (list) => list.filter(Boolean).length;
  return { answers: right(answers), echoes: right(echoes), codes: [...new Set(codes)], protocols: [...new Set(protocols)] };
}

const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, TRUSTING], timeout: TIMEOUT_MS });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  const failures = [];
  page.on("pageerror", (error) => failures.push(error.message));
  page.on("console", (message) => message.type() === "error" && failures.push(message.text()));
  await page.goto(baseUrl);
  console.log(JSON.stringify({ ...await page.evaluate(talk, [Number(sockets), Number(requests)]), failures }));
} finally {
  await browser.close();
}
