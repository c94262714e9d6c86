// The demo in Chromium: two people, one message, four transports.
//   BASE_URL    where the demo is served, e.g. https://127.0.0.1:8443 (required)
//   CHROMIUM    the browser to start (default /usr/bin/chromium)
//   SCREENSHOT  where to save a picture of the first person's page; absent: none

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { FLAGS, TIMEOUT_MS } from "./chromium.mjs";

const { BASE_URL, CHROMIUM = "/usr/bin/chromium", SCREENSHOT } = process.env;
const COLUMNS = ["ws", "sse", "longpoll", "poll"];

let browser;

before(async () => {
  assert.ok(BASE_URL, "BASE_URL names the demo, e.g. https://127.0.0.1:8443");
  // launch() makes a temporary user data directory and removes it.
  browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: FLAGS, timeout: TIMEOUT_MS });
});

after(async () => {
  await browser?.close();
});

// A context of its own is a person of their own: separate cookies and connections.
async function openPage(options = {}) {
  const context = await browser.newContext({
    ignoreHTTPSErrors: true, viewport: { width: 1440, height: 1000 }, ...options,
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  page.socketUrls = [];
  page.failures = [];
  page.on("websocket", (socket) => page.socketUrls.push(socket.url()));
  page.on("pageerror", (error) => page.failures.push(error.message));
  page.on("console", (message) => message.type() === "error" && page.failures.push(message.text()));
  await page.goto(new URL("/", BASE_URL).href);
  for (const key of COLUMNS) await page.locator(`[data-testid=${key}-state][data-state=open]`).waitFor();
  return page;
}

async function send(page, text) {
  await page.getByTestId("message-input").fill(text);
  await page.getByTestId("send-button").click();
}

async function assertArrivesEverywhere(page, text) {
  for (const key of COLUMNS) {
    const entries = page.getByTestId(`${key}-log`).getByText(text, { exact: true });
    await entries.first().waitFor();
    assert.equal(await entries.count(), 1, `${key} shows the message once`);
  }
}

async function shownNumber(page, testId) {
  return Number(await page.getByTestId(testId).getAttribute("data-value"));
}

test("a message reaches both people through every transport", async () => {
  const [alice, bob] = await Promise.all([openPage(), openPage()]);
  const unique = Date.now();

  await send(alice, `hello by WebSocket ${unique}`);
  await Promise.all([alice, bob].map((page) => assertArrivesEverywhere(page, `hello by WebSocket ${unique}`)));

  await bob.getByTestId("send-by-post").check();
  await send(bob, `hello by POST ${unique}`);
  await Promise.all([alice, bob].map((page) => assertArrivesEverywhere(page, `hello by POST ${unique}`)));

  const secure = new URL(BASE_URL).protocol === "https:";
  for (const page of [alice, bob]) {
    assert.equal(page.socketUrls.length, 1, "one WebSocket for the whole visit");
    assert.ok(page.socketUrls[0].startsWith(secure ? "wss://" : "ws://"), page.socketUrls[0]);
    assert.equal(await page.getByTestId("socket-scheme").textContent(), secure ? "wss" : "ws");
    assert.equal(await page.getByTestId("connection-state").textContent(), "open");
    assert.deepEqual(page.failures, []);
  }

  assert.equal(await shownNumber(alice, "ws-requests"), 1);
  assert.ok(await shownNumber(alice, "longpoll-requests") >= 3, "long polling asks again after each message");
  assert.ok(await shownNumber(alice, "ws-bytes") < await shownNumber(alice, "longpoll-bytes"));
  assert.ok(await shownNumber(alice, "ws-last-delay") >= 0);

  if (SCREENSHOT) await alice.screenshot({ path: SCREENSHOT, fullPage: true });
  await Promise.all([alice.context().close(), bob.context().close()]);
});

test("files go up and come down whole", async () => {
  const page = await openPage();
  const buffer = Buffer.alloc(3_000_000, "sluice ");
  const file = { name: "three.bin", mimeType: "application/octet-stream", buffer };
  await page.getByTestId("file-input").setInputFiles(file);
  await page.getByTestId("upload-button").click();
  await page.getByTestId("upload-result").getByText("3.00 MB arrived").waitFor();

  const [download] = await Promise.all([page.waitForEvent("download"), page.getByTestId("download-1m").click()]);
  let size = 0;
  for await (const block of await download.createReadStream()) size += block.length;
  assert.equal(size, 1 << 20);
  assert.deepEqual(page.failures, []);
  await page.context().close();
});
