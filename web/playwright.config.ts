// End to end, in a real browser against the real binary. The browser is the system's Chromium.
import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: 'e2e',
  testMatch: '*.spec.ts',
  // Each worker runs a server and a browser of its own; more of them only starve each other.
  workers: 1,
  timeout: 45_000,
  expect: { timeout: 12_000 },
  retries: 0,
  forbidOnly: true,
  reporter: [['list']],
  outputDir: 'node_modules/.e2e-results',
  use: {
    headless: true,
    locale: 'en-GB',
    timezoneId: 'Asia/Shanghai',
    viewport: { width: 1280, height: 860 },
    launchOptions: { executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
  },
});
