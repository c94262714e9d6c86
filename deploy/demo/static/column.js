// One transport's column: its counters, its state and its view of the conversation.

const MAX_SHOWN = 100;
const MAX_DELAYS = 200;

export function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

export function formatDelay(milliseconds) {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return `${(milliseconds / 1000).toFixed(2)} s`;
}

// Milliseconds since 1970 with the fraction that Date.now() lacks.
export function now() {
  return performance.timeOrigin + performance.now();
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

export class Column {
  // `history` is the last message that was there before this page: it has no delay of interest.
  constructor({ key, title, how, clientId, history, announce }) {
    Object.assign(this, { key, title, clientId, history });
    this.root = document.getElementById("column-template").content.firstElementChild.cloneNode(true);
    this.root.dataset.transport = key;
    this.root.dataset.testid = `${key}-column`;
    this.root.setAttribute("aria-labelledby", `${key}-title`);
    const heading = this.root.querySelector("h2");
    heading.id = `${key}-title`;
    heading.textContent = title;
    this.root.querySelector(".how").textContent = how;
    this.log = this.part(".log", `${key}-log`);
    this.log.setAttribute("aria-label", `Messages by ${title}`);
    // Four live regions would say everything four times.
    this.log.setAttribute("aria-live", announce ? "polite" : "off");
    this.list = this.log.querySelector("ol");
    this.state = this.part(".state", `${key}-state`);
    this.bytesView = this.part(".bytes", `${key}-bytes`);
    this.requestsView = this.part(".requests", `${key}-requests`);
    this.lastView = this.part(".last-delay", `${key}-last-delay`);
    this.medianView = this.part(".median-delay", `${key}-median-delay`);
    this.bar = this.root.querySelector(".bar span");
    this.onState = null;
    this.reset();
    this.setState("connecting");
  }

  part(selector, testId) {
    const found = this.root.querySelector(selector);
    found.dataset.testid = testId;
    found.id = testId;
    return found;
  }

  reset() {
    this.bytes = 0;
    this.requests = 0;
    this.messages = 0;
    this.delays = [];
    this.lastView.textContent = "–";
    this.medianView.textContent = "–";
    this.showCounters();
  }

  setState(state) {
    if (this.state.dataset.state === state) return;
    this.state.dataset.state = state;
    this.state.textContent = state;
    this.onState?.(state);
  }

  count(requests, bytes) {
    this.requests += requests;
    this.bytes += bytes;
    this.showCounters();
  }

  showCounters() {
    this.bytesView.textContent = formatBytes(this.bytes);
    this.bytesView.dataset.value = this.bytes;
    this.requestsView.textContent = this.requests.toLocaleString("en");
    this.requestsView.dataset.value = this.requests;
  }

  // How full the bar is against the most expensive column.
  showShare(mostBytes) {
    this.bar.style.width = mostBytes ? `${Math.max(1, (100 * this.bytes) / mostBytes)}%` : "0";
  }

  show(message) {
    const isNew = message.id > this.history;
    const delay = isNew && message.sent_at !== null ? now() - message.sent_at : null;
    if (isNew) this.messages += 1;
    if (delay !== null && message.client_id === this.clientId) this.record(delay);

    const wasAtEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    this.list.append(this.entry(message, delay));
    while (this.list.children.length > MAX_SHOWN) this.list.firstElementChild.remove();
    if (wasAtEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  entry(message, delay) {
    const item = document.createElement("li");
    item.dataset.id = message.id;
    const meta = element("div", "", "meta");
    const shown = delay === null ? "" : `+${formatDelay(Math.max(0, delay))}`;
    meta.append(element("b", message.author), element("span", shown, "delay"));
    item.append(meta, element("div", message.text, "text"));
    return item;
  }

  record(delay) {
    this.delays.push(delay);
    if (this.delays.length > MAX_DELAYS) this.delays.shift();
    this.lastView.textContent = formatDelay(delay);
    this.lastView.dataset.value = delay;
    this.medianView.textContent = formatDelay(median(this.delays));
  }
}
