// Wires the page: four columns, four transports, one message field.

import { Column, formatBytes, now } from "./column.js";
import { EventStreamTransport, PollingTransport, socketUrl, WebSocketTransport } from "./transports.js";
import { answerHeadBytes, frameBytes, WireSizes } from "./wire.js";

const HISTORY = 10;
const TICK_MS = 1000;
const COLUMNS = [
  { key: "ws", title: "WebSocket", announce: true,
    how: "One handshake, then both sides speak whenever they like, with a few bytes around each message." },
  { key: "sse", title: "Server-sent events",
    how: "One answer that never ends. The server pushes; the page still needs a request for all it says." },
  { key: "longpoll", title: "Long polling",
    how: "Each question is held until there is news. A whole request and answer for every message." },
  { key: "poll", title: "Short polling",
    how: "Ask again and again. Mostly for nothing, and news waits for the next question." },
];

const byId = (id) => document.getElementById(id);
const clientId = `guest-${Math.random().toString(36).slice(2, 8)}`;

async function learn() {
  const response = await fetch("api/info", { cache: "no-store" });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  const info = await response.json();
  const sizes = new WireSizes(
    info.request_head_bytes, new URL(response.url).pathname, answerHeadBytes(response));
  return { info, sizes };
}

function makeColumns(history) {
  const columns = COLUMNS.map((about) => new Column({ ...about, clientId, history }));
  byId("columns").append(...columns.map((column) => column.root));
  return Object.fromEntries(columns.map((column) => [column.key, column]));
}

function makeTransports(columns, sizes, since) {
  const interval = () => Number(byId("interval").value);
  return {
    ws: new WebSocketTransport(columns.ws, sizes, clientId, since),
    sse: new EventStreamTransport(columns.sse, sizes, since),
    longpoll: new PollingTransport(columns.longpoll, sizes, since, "long-poll", () => 0),
    poll: new PollingTransport(columns.poll, sizes, since, "poll", interval),
  };
}

function showFacts(info, webSocketColumn) {
  byId("page-scheme").textContent = location.protocol.replace(":", "");
  byId("socket-scheme").textContent = socketUrl("ws/").protocol.replace(":", "");
  byId("gateway").textContent = info.via ? info.via.replace(/^[\d.]+ /, "") : "none, direct";
  const view = byId("connection-state");
  webSocketColumn.onState = (state) => {
    view.textContent = state;
    view.dataset.state = state;
  };
}

// A browser opens at most six HTTP/1.1 connections to a server, over all of its pages. Hidden pages give theirs back.
function pauseWhileHidden(transports) {
  const held = [transports.sse, transports.longpoll, transports.poll];
  if (!document.hidden) held.forEach((transport) => transport.start());
  document.addEventListener("visibilitychange", () => {
    held.forEach((transport) => (document.hidden ? transport.stop() : transport.start()));
  });
}

class Composer {
  constructor(socket, sizes) {
    Object.assign(this, { socket, sizes });
    this.ticks = 0;
    this.timer = 0;
    byId("author").value = `Guest ${clientId.slice(-3)}`;
    byId("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(byId("message").value);
      byId("message").value = "";
      byId("message").focus();
    });
    byId("ticker").addEventListener("click", () => this.toggleTicker());
  }

  async send(text) {
    const author = byId("author").value || clientId;
    const frame = JSON.stringify({ text, author, sent_at: now() });
    const body = JSON.stringify({ text, author, client_id: clientId, sent_at: now() });
    const byPost = document.querySelector("input[name=send-by]:checked").value === "post";
    if (!byPost && !this.socket.isOpen) {
      byId("send-cost").textContent = "The WebSocket is not open; send by POST or wait a moment.";
      return;
    }
    const cost = { frame: frameBytes(frame, true), post: this.sizes.post("messages", body) };
    const asFrame = `${formatBytes(cost.frame)} as a WebSocket frame`;
    const asPost = `about ${formatBytes(cost.post)} as a POST`;
    const [paid, spared] = byPost ? [asPost, asFrame] : [asFrame, asPost];
    byId("send-cost").textContent = `Sending that cost ${paid}; it is ${spared}.`;
    if (byPost) await this.post(body);
    else this.socket.send(frame);
  }

  async post(body) {
    try {
      const headers = { "Content-Type": "application/json" };
      const response = await fetch("messages", { method: "POST", headers, body });
      if (!response.ok) byId("send-cost").textContent = `The server answered ${response.status}.`;
    } catch {
      byId("send-cost").textContent = "The server could not be reached.";
    }
  }

  toggleTicker() {
    const running = this.timer !== 0;
    byId("ticker").setAttribute("aria-pressed", String(!running));
    if (running) {
      clearInterval(this.timer);
      this.timer = 0;
    } else {
      this.timer = setInterval(() => this.send(`Tick ${++this.ticks}`), TICK_MS);
    }
  }
}

class Summary {
  constructor(columns) {
    this.columns = Object.values(columns);
    this.started = now();
    byId("reset").addEventListener("click", () => {
      this.columns.forEach((column) => column.reset());
      this.started = now();
      this.update();
    });
    setInterval(() => this.update(), TICK_MS);
  }

  update() {
    const most = Math.max(...this.columns.map((column) => column.bytes));
    this.columns.forEach((column) => column.showShare(most));
    const [ws, ...others] = this.columns;
    const seconds = Math.round((now() - this.started) / 1000);
    const came = `${ws.messages} ${ws.messages === 1 ? "message" : "messages"}`;
    const costs = others.map((column) => `${column.title} ${this.ratio(column, ws)}`);
    byId("summary").textContent = `In ${seconds} s, ${came} came. Bytes against WebSocket: ${costs.join(", ")}.`;
  }

  ratio(column, reference) {
    if (!reference.bytes) return "–";
    const times = column.bytes / reference.bytes;
    return `${times.toFixed(times < 10 ? 1 : 0)}\u00a0×`;
  }
}

function enableUpload() {
  byId("uploader").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = byId("file").files;
    const result = byId("upload-result");
    result.textContent = `Sending ${file.name} …`;
    const began = now();
    try {
      const response = await fetch("upload", { method: "POST", body: file });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      const { bytes, sha256 } = await response.json();
      const seconds = ((now() - began) / 1000).toFixed(2);
      result.textContent = `${formatBytes(bytes)} arrived in ${seconds} s, SHA-256 ${sha256.slice(0, 16)}…`;
    } catch (error) {
      result.textContent = `The upload failed: ${error.message}.`;
    }
  });
}

async function main() {
  const { info, sizes } = await learn();
  const columns = makeColumns(info.last_id);
  const transports = makeTransports(columns, sizes, Math.max(0, info.last_id - HISTORY));
  showFacts(info, columns.ws);
  new Composer(transports.ws, sizes);
  new Summary(columns);
  enableUpload();
  transports.ws.start();
  pauseWhileHidden(transports);
}

main().catch((error) => {
  byId("connection-state").textContent = "closed";
  byId("connection-state").dataset.state = "closed";
  byId("summary").textContent = `The page could not start: ${error.message}. Reload it to try again.`;
});
