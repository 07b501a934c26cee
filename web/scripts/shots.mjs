// Takes the pictures of the README: a few pages in both languages and themes, from a server that was started with
// `--demo-life`. The script buys as a few customers would, for WARM_S seconds before and as long as it takes pictures.
//   DOOS_URL=http://127.0.0.1:8080 DOOS_TOKEN=… WARM_S=300 npm run shots [FOLDER]
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { chromium } from '@playwright/test';

const url = process.env.DOOS_URL ?? 'http://127.0.0.1:8080';
const folder = process.argv[2] ?? fileURLToPath(new URL('../../docs/pictures', import.meta.url));
const token = process.env.DOOS_TOKEN;
mkdirSync(folder, { recursive: true });

const shots = [
  { name: 'shop', path: '/products' },
  { name: 'shop-zh-dark', path: '/products', isDark: true, isChinese: true },
  { name: 'orders', path: '/orders' },
  { name: 'order-zh', path: 'latest', isChinese: true },
  { name: 'dashboard', path: '/dashboard', height: 1060, waitMs: 6_000 },
  { name: 'dashboard-zh-dark', path: '/dashboard', isDark: true, isChinese: true, height: 1060, waitMs: 6_000 },
  { name: 'shop-phone', path: '/products', width: 390, height: 844 },
  ...(token ? [{ name: 'console-order', path: 'latest-admin', isDark: true }, { name: 'console-stock', path: '/admin/stock' }] : []),
];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const TRIES_MAX = 30;

/** As customers do: who is told that the shop is busy comes again with the same key. */
async function call(method, path, body) {
  const headers = { 'content-type': 'application/json', 'idempotency-key': crypto.randomUUID() };
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
    if (response.ok) return response.json();
    const isBusy = response.status === 429 || response.status === 503;
    if (!isBusy || tries === TRIES_MAX) throw new Error(`${method} ${path} for the pictures: ${response.status} ${await response.text()}`);
    await pause(1_000 * Number(response.headers.get('retry-after') ?? 1));
  }
}

async function place(user, products, address) {
  const items = products.map((product, index) => ({ product_id: String(product), quantity: (index % 3) + 1 }));
  return (await call('POST', '/v1/orders', { user_id: user, items, address })).order_id;
}

const plenty = [1, 2, 3, 4, 6, 7, 8, 10, 11, 15, 16, 19, 22, 101];
let isOpen = true;

/** Customers who come in waves, want some things more than others and change their minds now and then. */
async function customers() {
  for (let number = 1; isOpen; number += 1) {
    const pick = (step) => plenty[Math.floor(plenty.length * ((number * step) % 1) ** 2)];
    const id = await place(`guest_${number % 9}`, [...new Set([pick(0.618), pick(0.414)])]);
    if (number % 11 === 0) await call('POST', `/v1/orders/${id}:cancel`).catch(() => undefined);
    await pause(260 + 200 * Math.sin(number / 23));
  }
}

const traffic = customers();
await pause(Number(process.env.WARM_S ?? 60) * 1_000);
let latest = '';
for (const products of [[9, 14], [2], [17, 4], [13, 6, 8], [1], [3, 19]]) latest = await place('mei', products, '林小满\n西湖路 8 号');
const pathOf = (path) => ({ latest: `/orders/${latest}`, 'latest-admin': `/admin/orders/${latest}` })[path] ?? path;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
for (const { name, path, isDark, isChinese, width = 1280, height = 800, waitMs = 1_200 } of shots) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: isDark ? 'dark' : 'light',
    locale: isChinese ? 'zh-CN' : 'en-GB',
    timezoneId: 'Asia/Shanghai',
    reducedMotion: 'reduce',
  });
  await context.addInitScript((text) => {
    localStorage.setItem('doos.customer', JSON.stringify({ state: { user: 'mei', known: ['mei'] }, version: 0 }));
    if (text) sessionStorage.setItem('doos.token', text);
  }, token);
  const page = await context.newPage();
  await page.goto(url + pathOf(path));
  await page.waitForSelector('h1');
  await page.waitForTimeout(waitMs);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  await context.close();
}
await browser.close();
isOpen = false;
await traffic;
console.log(`${shots.length} pictures in ${folder}`);
