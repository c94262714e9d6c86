// Four ways to receive the same conversation. Each has start() and stop(), remembers the last message it saw, and tells
// its column about state, requests, bytes and messages.

import { answerHeadBytes, byteLength, eventBytes, frameBytes } from "./wire.js";

const RETRY_MS = 1000;
const MAX_RETRY_MS = 8000;

export function socketUrl(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

export class WebSocketTransport {
  constructor(column, sizes, clientId, since) {
    Object.assign(this, { column, sizes, clientId, since });
    this.retry = RETRY_MS;
    this.socket = null;
  }

  start() {
    this.column.setState("connecting");
    const url = socketUrl(`ws/${this.clientId}?since=${this.since}`);
    this.socket = new WebSocket(url);
    this.socket.addEventListener("message", (event) => this.receive(event.data));
    this.socket.addEventListener("close", () => this.lost());
  }

  receive(frame) {
    const data = JSON.parse(frame);
    if (data.type === "welcome") {
      this.retry = RETRY_MS;
      this.column.setState("open");
      this.column.count(1, data.request_head_bytes + this.sizes.upgradeAnswer + frameBytes(frame, false));
      return;
    }
    this.since = data.id;
    this.column.count(0, frameBytes(frame, false));
    this.column.show(data);
  }

  lost() {
    this.column.setState("closed");
    setTimeout(() => this.start(), this.retry);
    this.retry = Math.min(this.retry * 2, MAX_RETRY_MS);
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(text) {
    this.socket.send(text);
  }
}

export class EventStreamTransport {
  constructor(column, sizes, since) {
    Object.assign(this, { column, sizes, since });
    this.source = null;
    this.retryTimer = 0;
  }

  start() {
    this.column.setState("connecting");
    const url = `sse?since=${this.since}`;
    const source = new EventSource(url);
    this.source = source;
    source.addEventListener("open", () => {
      this.column.setState("open");
      this.column.count(1, this.sizes.request(url) + this.sizes.answerHead);
    });
    source.addEventListener("heartbeat", (event) => this.column.count(0, eventBytes(event)));
    source.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      this.since = message.id;
      this.column.count(0, eventBytes(event));
      this.column.show(message);
    });
    source.addEventListener("error", () => this.lost(source));
  }

  // The browser reconnects by itself after a broken stream, but gives up after an answer that is not 200.
  lost(source) {
    this.column.setState(source.readyState === EventSource.CLOSED ? "closed" : "connecting");
    if (source.readyState === EventSource.CLOSED) this.retryTimer = setTimeout(() => this.start(), RETRY_MS);
  }

  stop() {
    clearTimeout(this.retryTimer);
    this.source?.close();
    this.column.setState("paused");
  }
}

// Long and short polling differ in the path and in the pause between two questions.
export class PollingTransport {
  constructor(column, sizes, since, path, pause) {
    Object.assign(this, { column, sizes, since, path, pause });
    this.abort = null;
  }

  start() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.column.setState("connecting");
    this.run(this.abort.signal);
  }

  stop() {
    this.abort?.abort();
    this.column.setState("paused");
  }

  async run(signal) {
    while (!signal.aborted) {
      let pause = this.pause();
      try {
        await this.ask(signal);
      } catch {
        if (signal.aborted) return;
        this.column.setState("closed");
        pause = Math.max(pause, RETRY_MS);
      }
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  async ask(signal) {
    const url = `${this.path}?since=${this.since}`;
    this.column.count(1, this.sizes.request(url));
    // A held question is an open connection; the state must not wait for its answer.
    if (this.pause() === 0) this.column.setState("open");
    const response = await fetch(url, { signal, cache: "no-store" });
    const body = await response.text();
    if (signal.aborted) return;
    this.column.count(0, answerHeadBytes(response) + byteLength(body));
    if (!response.ok) throw new Error(`${this.path} answered ${response.status}`);
    const answer = JSON.parse(body);
    this.column.setState("open");
    for (const message of answer.messages) this.column.show(message);
    this.since = answer.last_id;
  }
}
