// The browser tests, in Debian's Chromium. Against a running Footfall when FOOTFALL_HTTP (and
// FOOTFALL_MQTT_ADDR) say where it is, else against the mock of dev/, which serves the built files.
import { defineConfig } from '@playwright/test';

const MOCK_HTTP_PORT = 8795;
const MOCK_MQTT_PORT = 8796;

const http = process.env.FOOTFALL_HTTP;
process.env.FOOTFALL_MQTT_ADDR ??= http === undefined ? `127.0.0.1:${MOCK_MQTT_PORT}` : '127.0.0.1:1883';

export default defineConfig({
  testDir: 'e2e',
  outputDir: 'test-results',
  // two cores, shared with the servers under test
  workers: 1,
  // machines that run this are shared: a layout measured while another build starves the browser is measured again
  retries: process.env.CI === undefined ? 0 : 2,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [['list']],
  use: {
    baseURL: http ?? `http://127.0.0.1:${MOCK_HTTP_PORT}`,
    locale: 'en-GB',
    timezoneId: 'Europe/London',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  ...(http === undefined
    ? {
        webServer: {
          command: `node dev/run.mjs --port ${MOCK_HTTP_PORT} --mqtt ${MOCK_MQTT_PORT} --now 2026-11-24T11:20:16Z`,
          url: `http://127.0.0.1:${MOCK_HTTP_PORT}/api/v1/site`,
          reuseExistingServer: false,
        },
      }
    : {}),
});
