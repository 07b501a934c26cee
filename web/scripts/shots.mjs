// Takes the pictures of the README: a few pages in both languages and themes, from a server with a life of its own.
//   DOOS_URL=http://127.0.0.1:8080 npm run shots [FOLDER]
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
  { name: 'dashboard', path: '/dashboard', waitMs: 6_000 },
  { name: 'dashboard-zh-dark', path: '/dashboard', isDark: true, isChinese: true, waitMs: 6_000 },
  { name: 'shop-phone', path: '/products', width: 390, height: 844 },
  ...(token ? [{ name: 'console-order', path: 'latest-admin', isDark: true }, { name: 'console-stock', path: '/admin/stock' }] : []),
];

async function place(quantity) {
  const items = [1, 9, 14].map((product, index) => ({ product_id: String(product + quantity - 1), quantity: index + 1 }));
  const response = await fetch(`${url}/v1/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ user_id: 'mei', items, address: '林小满\n西湖路 8 号' }),
  });
  if (!response.ok) throw new Error(`placing an order for the pictures: ${response.status} ${await response.text()}`);
  return (await response.json()).order_id;
}

let latest = '';
for (let quantity = 1; quantity <= 6; quantity += 1) latest = await place(quantity);
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
console.log(`${shots.length} pictures in ${folder}`);
