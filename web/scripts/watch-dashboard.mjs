// Watches the dashboard in a browser while orders come in by the thousand: how often it draws, how long its frames and
// its longest tasks take, and whether its numbers are right in the end.
//
// Usage: DOOS_BINARY=../target/fast/doos npm run watch [ORDERS_PER_S] [SECONDS]
// Needs wrk, and web/dist. A binary without these pages gets a preview server in front, as in the end-to-end tests. It
// prints what it measures and fails only on what must hold on any machine: at most ten drawings in each second, no
// complaint of the browser, and the numbers of the page equal to the statistics and to what was placed. A busy machine may
// refuse orders; they are counted.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from '@playwright/test';

const root = fileURLToPath(new URL('../..', import.meta.url));
const binary = process.env.DOOS_BINARY ?? join(root, 'target/debug/doos');
const rateWanted = Number(process.argv[2] ?? 5_000);
const seconds = Number(process.argv[3] ?? 20);
const PRODUCTS = 11;
const CONNECTIONS = 32;
const DRAWS_PER_S_MAX = 10;
const READY_MS = 60_000;

const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DOOS_')));
const dataDir = mkdtempSync(join(tmpdir(), 'doos-watch-'));
const failures = [];
const expect = (holds, words) => holds || failures.push(words);

async function until(what, isSo) {
  const end = Date.now() + READY_MS;
  while (!(await isSo().catch(() => false))) {
    if (Date.now() > end) throw new Error(`${what} did not happen within ${READY_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Counts from inside the page. A drawing is an animation frame in which the page changed or a chart was painted. */
function watch() {
  const seen = { frames: [], longTasks: [], draws: [] };
  window.seen = seen;
  let isChanged = false;
  let before = performance.now();
  const note = () => {
    isChanged = true;
  };
  const clear = CanvasRenderingContext2D.prototype.clearRect;
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    note();
    return clear.apply(this, area);
  };
  const frame = (now) => {
    seen.frames.push(now - before);
    before = now;
    if (isChanged) seen.draws.push(now);
    isChanged = false;
    requestAnimationFrame(frame);
  };
  addEventListener('DOMContentLoaded', () => {
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
    requestAnimationFrame(frame);
  });
  new PerformanceObserver((list) => seen.longTasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ entryTypes: ['longtask'] });
}

const percentile = (values, percent) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
};
const ms = (value) => `${value.toFixed(1)} ms`;

/** The most drawings in any second. */
function drawsInASecond(draws) {
  let most = 0;
  for (let first = 0, last = 0; last < draws.length; last += 1) {
    while (draws[last] - draws[first] >= 1_000) first += 1;
    most = Math.max(most, last - first + 1);
  }
  return most;
}

/** Where the pages are: the server's own, else a preview of web/dist that hands the interface through. */
async function pagesOf(api) {
  const served = await (await fetch(`${api}/dashboard`, { headers: { accept: 'text/html' } })).text();
  if (served === readFileSync(join(root, 'web/dist/index.html'), 'utf8')) return api;
  const port = new URL(api).port === '4173' ? 4174 : 4173;
  preview = spawn(join(root, 'web/node_modules/.bin/vite'), ['preview', '--port', String(port), '--strictPort'], {
    cwd: join(root, 'web'),
    stdio: 'ignore',
    env: { ...process.env, DOOS_URL: api },
  });
  await until('the start of the preview', async () => (await fetch(`http://127.0.0.1:${port}`)).ok);
  return `http://127.0.0.1:${port}`;
}

let preview;
const server = spawn(binary, ['serve', '--data-dir', dataDir, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'pipe'], env: environment });
let complaint = '';
server.stderr.on('data', (text) => (complaint = (complaint + String(text)).slice(-2_000)));
let browser;
try {
  const url = await new Promise((resolve, reject) => {
    let said = '';
    server.stdout.on('data', (text) => {
      said += String(text);
      const found = /listening on (http:\/\/\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    server.once('exit', () => reject(new Error(`the server ended at once: ${said}${complaint}`)));
  });
  const read = async (path, options) => {
    const response = await fetch(url + path, options);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  await until('the start of the server', async () => (await fetch(`${url}/readyz`)).ok);
  const token = execFileSync(binary, ['token', '--operator', 'watch', '--data-dir', dataDir], { encoding: 'utf8', env: environment }).trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  for (let product = 1; product <= PRODUCTS; product += 1) {
    await read(`/v1/stock/${product}:receive`, { method: 'POST', headers, body: '{"quantity":100000000}' });
  }

  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, locale: 'en-GB' });
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.addInitScript(watch);
  await page.goto(`${await pagesOf(url)}/dashboard`);
  await page.getByRole('heading', { name: 'Dashboard' }).waitFor();
  await page.waitForTimeout(2_000);

  const script = ['-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '-s', 'scripts/wrk/steady.lua', url, '--', PRODUCTS, rateWanted, CONNECTIONS];
  await page.evaluate(() => {
    for (const list of Object.values(window.seen)) list.length = 0;
  });
  const told = await new Promise((resolve, reject) => {
    const wrk = spawn('wrk', script.map(String), { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    let words = '';
    wrk.stdout.on('data', (text) => (words += String(text)));
    wrk.once('error', reject);
    wrk.once('exit', () => resolve(words));
  });
  const seen = await page.evaluate(() => structuredClone(window.seen));
  const busiest = drawsInASecond(seen.draws);
  const reached = Number(/Requests\/sec:\s+([\d.]+)/.exec(told)?.[1] ?? 0);
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(told)?.[1] ?? 0);

  // Everything has been counted when the read models are level and the orders stand still.
  let before = -1;
  await until('the statistics come level', async () => {
    const now = await read('/v1/stats/now');
    const isLevel = now.orders === before && now.projections.every(({ lag_ms: lag }) => lag === 0);
    before = now.orders;
    return isLevel;
  });
  const summary = await read('/v1/stats/summary');
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const placed = Number(/^app_order_placed_total (\d+)/m.exec(metrics)?.[1] ?? -1);
  await page.waitForTimeout(2_500);
  const figure = (name) => page.locator('.figure', { has: page.getByText(name, { exact: true }) }).locator('dd').first().innerText();
  const shown = Number((await figure('Orders')).replace(/\D/g, ''));

  console.log(`orders:      ${reached.toFixed(0)}/s over ${seconds} s (asked for ${rateWanted}/s), ${summary.orders} in all, ${refused} refused`);
  console.log(`drawings:    ${(seen.draws.length / seconds).toFixed(1)}/s, at most ${busiest} in a second`);
  console.log(`frames:      ${(seen.frames.length / seconds).toFixed(0)}/s, p50 ${ms(percentile(seen.frames, 50))}, p95 ${ms(percentile(seen.frames, 95))}, p99 ${ms(percentile(seen.frames, 99))}, longest ${ms(Math.max(0, ...seen.frames))}`);
  console.log(`long tasks:  ${seen.longTasks.length}, longest ${ms(Math.max(0, ...seen.longTasks))}, together ${ms(seen.longTasks.reduce((sum, each) => sum + each, 0))}`);
  console.log(`the page:    ${shown} orders; statistics: ${summary.orders}; placed: ${placed}`);

  expect(busiest <= DRAWS_PER_S_MAX, `${busiest} drawings in a second, at most ${DRAWS_PER_S_MAX} are meant to be`);
  expect(seen.draws.length > 0, 'the page drew nothing at all');
  expect(complaints.length === 0, `the browser complained: ${complaints.slice(0, 3).join(' | ')}`);
  expect(summary.orders === placed && shown === placed, 'the numbers differ');
} finally {
  await browser?.close();
  preview?.kill('SIGTERM');
  server.kill('SIGTERM');
  await new Promise((resolve) => (server.exitCode === null ? server.once('exit', resolve) : resolve()));
  rmSync(dataDir, { recursive: true, force: true });
}
for (const words of failures) console.error(`failed: ${words}`);
process.exitCode = failures.length > 0 ? 1 : 0;
