// Buying, and watching the order live its life without a reload.
import { expect, test } from './test';

test.use({ life: true });

test('an order is bought and reaches delivered before the eyes', async ({ shop, page }) => {
  await shop.open('/products');
  await page.getByRole('button', { name: 'Buy now: Celadon gaiwan' }).click();
  await page.getByLabel('Name or number').fill('life_1');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('textbox', { name: 'Where to?' }).fill('1 Harbour Street');
  await page.getByRole('button', { name: 'Place the order · ¥99.99' }).click();
  await page.waitForURL(/\/orders\/\d+$/);
  const loadedAt = await page.evaluate(() => performance.timeOrigin);
  await expect(page.locator('article')).toHaveAttribute('data-status', 'delivered', { timeout: 20_000 });
  expect(await page.evaluate(() => performance.timeOrigin)).toBe(loadedAt);
  const moves = page.locator('.timeline-move');
  await expect(moves).toHaveCount(5);
  expect(await moves.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-to')))).toEqual(['pending', 'confirmed', 'paid', 'shipped', 'delivered']);
  await expect(page.getByText('1 Harbour Street')).toBeVisible();
});

test('an order placed elsewhere appears in the list and moves on there', async ({ shop, page, server }) => {
  await shop.as('life_2');
  await shop.open('/orders');
  await expect(page.locator('[data-live="live"]')).toBeVisible();
  await expect(page.getByText('No orders yet')).toBeVisible();
  const { order_id } = await server.place('life_2', '2');
  await expect(shop.order(order_id)).toBeVisible();
  await expect(shop.order(order_id)).toHaveAttribute('data-status', 'delivered', { timeout: 20_000 });
});

test('an order leaves the filter that it no longer fits', async ({ shop, page, server }) => {
  await shop.as('life_3');
  await shop.open('/orders?group=to_pay');
  await expect(page.locator('[data-live="live"]')).toBeVisible();
  const { order_id } = await server.place('life_3', '2');
  await expect(shop.order(order_id)).toHaveAttribute('data-status', 'confirmed');
  await expect(shop.order(order_id)).toHaveCount(0, { timeout: 20_000 });
  await page.getByRole('button', { name: 'Completed' }).click();
  await expect(shop.order(order_id)).toBeVisible({ timeout: 20_000 });
});

test('a delivered order is sent back, its goods are there again and its money is refunded', async ({ shop, page, server }) => {
  await shop.as('life_4');
  const before = await server.free('5');
  await shop.buy('Bamboo whisk and bowl');
  await expect(page.locator('article')).toHaveAttribute('data-status', 'delivered', { timeout: 20_000 });
  await page.getByRole('button', { name: 'Send it back' }).click();
  await expect(page.getByRole('dialog')).toContainText('¥58.00 is refunded');
  await page.getByRole('dialog').getByRole('button', { name: 'Send it back' }).click();
  await expect(page.locator('article')).toHaveAttribute('data-status', 'returned');
  await expect(page.locator('.timeline-move').last()).toHaveAttribute('data-to', 'returned');
  await expect(page.locator('dt', { hasText: 'Refunded' }).locator('+ dd')).toHaveText('¥58.00');
  await expect.poll(() => server.free('5')).toBe(before);
});

test('the dashboard counts a sale to the unit while it is looked at', async ({ shop, page, server }) => {
  interface Now {
    orders: number;
    sales: { amount_minor: number }[];
  }
  const now = () => server.call<Now>('GET', '/v1/stats/now');
  await shop.open('/dashboard');
  await expect(page.locator('[data-live="live"]')).toBeVisible();
  const before = await now();
  const { order_id } = await server.place('board_1', '2', 3);
  await expect(page.locator('.feed')).toContainText(order_id);
  const sold = (before.sales[0]?.amount_minor ?? 0) + 3 * 19_999;
  const words = new Intl.NumberFormat('en', { style: 'currency', currency: 'CNY', currencyDisplay: 'narrowSymbol' }).format(sold / 100);
  await expect(page.locator('.figure', { hasText: 'Total sales' })).toContainText(words, { timeout: 20_000 });
  await expect(page.locator('.bar-top', { hasText: 'Heron desk lamp' })).toBeVisible();
  await page.getByRole('button', { name: 'Show as table' }).click();
  await expect(page.locator('.plain-table tbody tr')).toHaveCount(60);
});
