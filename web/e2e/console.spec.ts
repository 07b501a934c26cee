// The operators' console.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Server } from './server';
import { expect, Shop, test } from './test';

test('nobody enters without a token', async ({ shop, page }) => {
  await shop.open('/admin/orders');
  await expect(page.getByRole('heading', { name: 'For operators' })).toBeVisible();
  await page.getByLabel('Operator token').fill('nonsense');
  await page.getByRole('button', { name: 'Enter the console' }).click();
  await expect(page.getByRole('alert')).toContainText('The token is no longer valid');
  await page.getByLabel('Operator token').fill(shop.server.token('operator', 'olga'));
  await page.getByRole('button', { name: 'Enter the console' }).click();
  await expect(page.getByText('Operator olga')).toBeVisible();
});

test('an operator of the demonstration enters by a button, and leaves', async ({ shop, page }) => {
  await shop.open('/admin/system');
  await page.getByRole('button', { name: 'Enter as the demo operator' }).click();
  await expect(page.getByText('Operator demo')).toBeVisible();
  await page.reload();
  await expect(page.getByText('Operator demo')).toBeVisible();
  await page.getByRole('button', { name: 'Leave' }).click();
  await expect(page.getByRole('heading', { name: 'For operators' })).toBeVisible();
  await page.reload();
  await expect(page.getByRole('heading', { name: 'For operators' })).toBeVisible();
});

test('orders are found by state and user, and the search can be sent to somebody', async ({ shop, page, server }) => {
  await shop.asOperator();
  const { order_id } = await server.place('find_1', '1');
  await server.place('find_2', '1');
  await shop.open('/admin/orders');
  await page.getByLabel('User', { exact: true }).fill('find_1');
  await page.getByRole('button', { name: 'Search' }).click();
  await expect(page).toHaveURL(/user=find_1/);
  await expect(page.locator('tbody a.mono')).toHaveText([order_id]);
  await page.reload();
  await expect(page.locator('tbody a.mono')).toHaveText([order_id]);
  await page.getByRole('link', { name: order_id }).click();
  for (const chapter of ['move', 'message', 'ledger']) await expect(page.locator(`[data-chapter="${chapter}"]`).first()).toBeVisible();
  await expect(page.getByText(/Trace [0-9a-f]{32}/).first()).toBeVisible();
});

test('stock is received after a question and stands in the ledger', async ({ shop, page, server }) => {
  await shop.asOperator();
  const before = await server.free('24');
  await shop.open('/admin/stock?product=24');
  await page.getByRole('button', { name: 'Receive goods' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Quantity').fill('40');
  await dialog.getByLabel(/Delivery or loss/).fill('delivery 7');
  await expect(dialog).toContainText(`Free stock grows from ${before} to ${before + 40}`);
  await expect(dialog).toContainText('Recorded under your name, olga');
  await dialog.getByRole('button', { name: 'Receive goods' }).click();
  await expect(page.locator('tbody')).toContainText('delivery 7');
  await expect(page.locator('tbody')).toContainText('operator:olga');
  expect(await server.free('24')).toBe(before + 40);
  await expect(page.getByText('The books agree.')).toBeVisible();
});

test('a product is changed, and only what was changed', async ({ shop, page, server }) => {
  await shop.asOperator();
  await shop.open('/admin/products');
  await page.getByRole('button', { name: 'Camp lantern' }).click();
  const sent = page.waitForRequest((request) => request.method() === 'PATCH');
  await page.getByLabel('Price').fill('180.50');
  await page.getByRole('button', { name: 'Save' }).click();
  expect((await sent).postDataJSON()).toEqual({ price: { amount_minor: 18_050, currency: 'CNY' } });
  await expect(page.locator('tbody')).toContainText('¥180.50');
  expect((await server.call<{ name: string }>('GET', '/v1/products/23?lang=zh')).name).toBe('营地提灯');
});

test('the books are proved', async ({ shop, page }) => {
  await shop.asOperator();
  await shop.open('/admin/books');
  await page.getByRole('button', { name: 'Prove the books' }).click();
  await expect(page.getByText('The books agree')).toBeVisible();
});

// The provider's books are lost, so it refuses a refund that it must not refuse: a letter that only a person can settle.
test('a dead letter is read, replayed and discarded', async ({ page, forgive }) => {
  forgive(/status of 404/);
  test.setTimeout(90_000);
  const server = await Server.start({ life: false, env: { DOOS_LIMITS__RETRY_TRIES_MAX: '2' } });
  try {
    const shop = new Shop(page, server);
    const { order_id } = await server.place('42', '101');
    const status = async () => (await server.call<{ status: string }>('GET', `/v1/orders/${order_id}`)).status;
    await expect.poll(status).toBe('confirmed');
    await server.call('POST', `/v1/orders/${order_id}:pay`);
    await expect.poll(status).toBe('shipped');
    await server.halt();
    rmSync(join(server.dataDir, 'outside/provider.log'));
    await server.run();
    await server.call('POST', `/v1/orders/${order_id}:cancel`);
    await shop.asOperator();
    await shop.open('/admin/dead-letters');
    const row = page.locator('tbody tr', { hasText: order_id });
    await expect(row).toBeVisible({ timeout: 25_000 });
    await row.getByRole('button', { name: 'RefundPayment' }).click();
    await expect(page.getByRole('dialog')).toContainText(order_id);
    await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
    await expect(page.getByRole('dialog')).toContainText('Replay 1 messages?');
    await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
    await expect(page.getByText('1 done, 0 failed.')).toBeVisible();
    // The cause is still there: it comes back, and is discarded among those chosen.
    await expect(row).toBeVisible({ timeout: 25_000 });
    await row.getByRole('checkbox').check();
    await page.getByRole('button', { name: 'Discard 1' }).click();
    await expect(page.getByRole('dialog')).toContainText('They are never done');
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await expect(page.getByText('No dead letters')).toBeVisible();
  } finally {
    await page.close();
    await server.end();
  }
});
