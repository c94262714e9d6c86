// The demo in Chromium, until a message has come by WebSocket and by server-sent events; prints {"event": "seen"} then.
//   node demo_visit.mjs BASE_URL
//   CHROMIUM    the browser to start (default /usr/bin/chromium)

import { chromium } from "playwright-core";
import { FLAGS, TIMEOUT_MS, TRUSTING } from "./chromium.mjs";

const { CHROMIUM = "/usr/bin/chromium" } = process.env;
const [baseUrl] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: [...FLAGS, TRUSTING], timeout: TIMEOUT_MS });
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  await page.goto(baseUrl);
  for (const key of ["ws", "sse"]) await page.locator(`[data-testid=${key}-state][data-state=open]`).waitFor();
  await page.getByTestId("message-input").fill("hello");
  await page.getByTestId("send-button").click();
  for (const key of ["ws", "sse"]) await page.getByTestId(`${key}-log`).getByText("hello", { exact: true }).first().waitFor();
  console.log(JSON.stringify({ event: "seen" }));
} finally {
  await browser.close();
}
