// The operators' console.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Server } from './server';
import { expect, expectAccessible, Shop, test } from './test';

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

test('what operators did stands in the log with its outcome', async ({ shop, page, server }) => {
  await shop.asOperator();
  const { order_id } = await server.place('log_1', '1');
  await shop.open(`/admin/orders/${order_id}`);
  await expect(page.locator('[data-status="confirmed"]').first()).toBeVisible();
  await page.getByRole('button', { name: 'Cancel the order' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the order' }).click();
  await expect(page.locator('article[data-status="cancelled"]')).toBeVisible();
  await shop.open('/admin/stock?product=22');
  await page.getByRole('button', { name: 'Receive goods' }).click();
  await page.getByRole('dialog').getByLabel('Quantity').fill('3');
  await page.getByRole('dialog').getByLabel(/Delivery or loss/).fill('van 9');
  await page.getByRole('dialog').getByRole('button', { name: 'Receive goods' }).click();
  await expect(page.locator('tbody')).toContainText('van 9');
  await page.getByRole('link', { name: 'Actions' }).click();
  const received = page.locator('tbody tr', { hasText: 'van 9' });
  await expect(received).toContainText('operator:olga');
  await expect(received).toContainText('Received goods');
  await expect(received).toContainText('quantity: 3');
  await expect(received.locator('.outcome-done')).toBeVisible();
  const cancelled = page.locator('tbody tr', { hasText: order_id });
  await expect(cancelled).toContainText('Cancelled an order');
  await expectAccessible(page);
  await cancelled.getByRole('link', { name: order_id }).click();
  await expect(page).toHaveURL(new RegExp(order_id));
});

test('a long ledger has pages', async ({ shop, page, server }) => {
  await shop.asOperator();
  for (let number = 1; number <= 51; number += 1) await server.call('POST', '/v1/stock/21:receive', { quantity: number });
  await shop.open('/admin/stock?product=21');
  await expect(page.locator('tbody tr').first()).toContainText('51');
  await page.getByRole('button', { name: 'Next page' }).click();
  await expect(page.getByText('Page 2', { exact: true })).toBeVisible();
  await expect(page.locator('tbody')).toContainText('seed-21');
  await page.getByRole('button', { name: 'Previous page' }).click();
  await expect(page.locator('tbody tr').first()).toContainText('51');
});

test('the system page tells how the roles do and how fast the disk is', async ({ shop, page, server }) => {
  await shop.asOperator();
  await server.place('sys_1', '1');
  await shop.open('/admin/system');
  const relay = page.locator('tbody tr', { hasText: 'relay' }).first();
  await expect(relay).toContainText('works');
  await expect(relay).toContainText('since');
  const disk = page.getByRole('region', { name: 'Time to disk' });
  await expect(disk).toContainText('p99');
  await expect(disk).toContainText(/\d+\.\d ms/);
});

test('the books are proved', async ({ shop, page }) => {
  await shop.asOperator();
  await shop.open('/admin/books');
  await page.getByRole('button', { name: 'Prove the books' }).click();
  await expect(page.getByText('The books agree')).toBeVisible();
});

// The books of a healthy shop agree, so the server's words are put into its mouth; that a repair is right is proved where
// the server is tested.
test('a repair shows what it would do before it does it', async ({ shop, page }) => {
  await shop.asOperator();
  const report = (differences: object[]) => ({ cut: 9, products: 24, orders: 3, messages_in_flight: 0, differences_found: differences.length, differences });
  const broken = report([{ subject: 'product 7', rule: 'stock_row_equals_movements', found: 'one piece is missing' }]);
  const sent: unknown[] = [];
  await page.route('**/v1/admin/audit', (route) => route.fulfill({ json: broken }));
  await page.route('**/v1/admin/audit:repair', (route) => {
    const { confirm } = route.request().postDataJSON() as { confirm: boolean };
    sent.push(confirm);
    const step = { subject: 'product 7', outcome: confirm ? 'done' : 'planned', told: 'its row becomes what its movements make it' };
    return route.fulfill({ json: { confirmed: confirm, steps: [step], report: confirm ? report([]) : broken } });
  });
  await shop.open('/admin/books');
  await page.getByRole('button', { name: 'Prove the books' }).click();
  await expect(page.getByText('1 difference', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'What would a repair do?' }).click();
  const dialog = page.getByRole('dialog');
  await expect(dialog).toContainText('planned: its row becomes what its movements make it');
  await expect(dialog).toContainText('Recorded under your name, olga');
  expect(sent).toEqual([false]);
  await expectAccessible(page);
  await dialog.getByRole('button', { name: 'Repair' }).click();
  await expect(page.getByText('The books agree')).toBeVisible();
  await expect(page.getByText('1 repaired, 0 skipped.')).toBeVisible();
  expect(sent).toEqual([false, true]);
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
    await expect(page.getByRole('dialog')).toContainText('Replay 1 message?');
    await page.getByRole('dialog').getByRole('button', { name: 'Replay' }).click();
    await expect(page.getByText('1 done, 0 failed.')).toBeVisible();
    // The cause is still there: it comes back, and is discarded among those chosen.
    await expect(row).toBeVisible({ timeout: 25_000 });
    await row.getByRole('checkbox').check();
    await expectAccessible(page);
    await page.getByRole('button', { name: 'Discard 1' }).click();
    await expect(page.getByRole('dialog')).toContainText('They are never done');
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await expect(page.getByText('No dead letters')).toBeVisible();
  } finally {
    await page.close();
    await server.end();
  }
});
