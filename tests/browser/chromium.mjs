// How the browser tests start Chromium.

export const TIMEOUT_MS = 20_000;
export const FLAGS = [
  "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
// Takes any certificate in the first connection, where ignoreHTTPSErrors takes it in a second one.
export const TRUSTING = "--ignore-certificate-errors";
