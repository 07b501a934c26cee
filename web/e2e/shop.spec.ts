// The shop and a customer's orders on a server where nothing happens by itself.
import { expect, test } from './test';

test('paying and cancelling move the order, and the goods come back', async ({ shop, page, server }) => {
  await shop.as('shop_1');
  const before = await server.free('3');
  const id = await shop.buy('Side-handle clay teapot');
  await expect(page.locator('article')).toHaveAttribute('data-status', 'confirmed');
  expect(await server.free('3')).toBe(before - 1);
  await page.getByRole('button', { name: 'Cancel the order' }).click();
  await expect(page.getByRole('dialog')).toContainText('This cannot be undone');
  await page.getByRole('dialog').getByRole('button', { name: 'Cancel the order' }).click();
  await expect(page.locator('article')).toHaveAttribute('data-status', 'cancelled');
  await expect.poll(() => server.free('3')).toBe(before);
  await shop.open('/orders');
  await expect(shop.order(id)).toHaveAttribute('data-status', 'cancelled');
});

test('an order is paid with its button', async ({ shop, page }) => {
  await shop.as('shop_2');
  await shop.buy('Celadon gaiwan');
  await page.getByRole('button', { name: /^Pay ¥99.99/ }).click();
  await expect(page.locator('article')).toHaveAttribute('data-status', /paid|shipped/);
  await expect(page.getByText('The money is there')).toBeVisible();
});

test('the cart survives a reload and belongs to its user', async ({ shop, page }) => {
  await shop.as('cart_1');
  await shop.open('/products');
  await page.getByRole('button', { name: 'Add to cart: Celadon gaiwan' }).click();
  await page.getByRole('button', { name: 'Add to cart: Leaf tin' }).click();
  await page.getByRole('button', { name: 'Add to cart: Leaf tin' }).click();
  await expect(page.getByRole('link', { name: 'Cart, 3 pieces' })).toBeVisible();
  await page.reload();
  await page.getByRole('link', { name: 'Cart, 3 pieces' }).click();
  await expect(page.locator('.cart-row')).toHaveCount(2);
  await expect(page.locator('.summary-total')).toContainText('¥189.99');
  await page.getByRole('button', { name: /Switch user/ }).click();
  await page.getByLabel('Name or number').fill('cart_2');
  await page.getByRole('button', { name: 'Continue' }).click();
  await expect(page.getByText('Your cart is empty')).toBeVisible();
  await page.getByRole('button', { name: /Switch user/ }).click();
  await page.getByRole('button', { name: 'cart_1' }).click();
  await page.getByRole('button', { name: 'To checkout' }).click();
  await page.getByRole('button', { name: 'Place the order · ¥189.99' }).click();
  await page.waitForURL(/\/orders\/\d+$/);
  await expect(page.getByRole('link', { name: 'Cart, 0 pieces' })).toBeVisible();
});

test('sold out under competition is told with what is left, and what is left can be taken', async ({ shop, page, server, forgive }) => {
  forgive(/status of 409/);
  await shop.as('rival_1');
  const free = await server.free('20');
  await shop.open(`/checkout?product=20&quantity=${free}`);
  await expect(page.getByRole('button', { name: /Place the order/ })).toBeEnabled();
  await server.place('rival_2', '20', free - 2);
  await page.getByRole('button', { name: /Place the order/ }).click();
  await expect(page.getByRole('alert')).toContainText('Not enough in stock');
  await expect(page.getByRole('alert')).toContainText(`Two-person ridge tent: ${free} wanted, 2 free`);
  await expect(page.getByRole('alert')).toContainText('Code out_of_stock');
  await expect(page.getByRole('alert')).toContainText(/Trace [0-9a-f]{32}/);
  await page.getByRole('button', { name: 'Take what is there' }).click();
  await page.getByRole('button', { name: 'Place the order · ¥1,798.00' }).click();
  await page.waitForURL(/\/orders\/\d+$/);
  await shop.open('/products/20');
  await expect(page.getByText('Sold out')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Buy now' })).toBeDisabled();
});

test('a changed price is told before anything is bought', async ({ shop, page, server, forgive }) => {
  forgive(/status of 409/);
  await shop.as('price_1');
  await shop.open('/checkout?product=22&quantity=1');
  await expect(page.getByRole('button', { name: 'Place the order · ¥159.00' })).toBeVisible();
  await server.call('PATCH', '/v1/products/22', { price: { amount_minor: 17_500, currency: 'CNY' } });
  await page.getByRole('button', { name: /Place the order/ }).click();
  await expect(page.getByRole('alert')).toContainText('A price has changed');
  await page.getByRole('button', { name: 'Go on with the new prices' }).click();
  await page.getByRole('button', { name: 'Place the order · ¥175.00' }).click();
  await page.waitForURL(/\/orders\/\d+$/);
});

test('an unknown coupon is told and can be left out', async ({ shop, page, forgive }) => {
  forgive(/status of 422/);
  await shop.as('coupon_1');
  await shop.open('/checkout?product=1&quantity=1');
  await page.getByRole('textbox', { name: 'Coupon' }).fill('SUMMER');
  await page.getByRole('button', { name: /Place the order/ }).click();
  await expect(page.getByRole('alert')).toContainText('This coupon does not exist');
  await page.getByRole('button', { name: 'Go on without the coupon' }).click();
  await page.getByRole('button', { name: /Place the order/ }).click();
  await page.waitForURL(/\/orders\/\d+$/);
});

test('a lost answer is asked for again under the same key, and nothing is ordered twice', async ({ shop, page, server, forgive }) => {
  forgive(/net::ERR_FAILED/);
  await shop.as('lost_1');
  const keys: (string | undefined)[] = [];
  await page.route('**/v1/orders', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback();
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > 1) return route.fallback();
    // The server does it, but its answer never arrives.
    await route.fetch();
    return route.abort('failed');
  });
  await shop.buy('Celadon gaiwan');
  expect(keys.length).toBe(2);
  expect(keys[0]).toBeTruthy();
  expect(keys[1]).toBe(keys[0]);
  const { orders } = await server.call<{ orders: unknown[] }>('GET', '/v1/orders?user_id=lost_1');
  expect(orders).toHaveLength(1);
});

test('too many requests and a busy shop say how long to wait', async ({ shop, page, forgive }) => {
  forgive(/status of (429|503)/);
  await shop.as('busy_1');
  const refusals = [
    { status: 429, code: 'rate_limited', words: 'Too many requests' },
    { status: 503, code: 'overloaded', words: 'The shop is very busy' },
  ];
  let next = 0;
  await page.route('**/v1/orders', async (route) => {
    const refusal = refusals[next];
    if (route.request().method() !== 'POST' || !refusal) return route.fallback();
    next += 1;
    return route.fulfill({
      status: refusal.status,
      contentType: 'application/problem+json',
      headers: { 'retry-after': '1' },
      body: JSON.stringify({ type: '', title: 'x', status: refusal.status, code: refusal.code, detail: 'x', instance: '', trace_id: 'ab'.repeat(16) }),
    });
  });
  await shop.open('/checkout?product=1&quantity=1');
  for (const { words } of refusals) {
    await page.getByRole('button', { name: /Place the order/ }).click();
    await expect(page.getByRole('alert')).toContainText(words);
    await expect(page.getByRole('button', { name: /Possible again in/ })).toBeDisabled();
  }
  await page.getByRole('button', { name: /Place the order/ }).click();
  await page.waitForURL(/\/orders\/\d+$/);
});

test('the search, the categories and the sorting stand in the address', async ({ shop, page }) => {
  await shop.open('/products');
  await expect(page.locator('.card[data-product]')).toHaveCount(25);
  await page.getByRole('searchbox', { name: 'Search the shop' }).fill('lamp');
  await expect(page).toHaveURL(/q=lamp/);
  await expect(page.locator('.card[data-product="2"]')).toBeVisible();
  await expect(page.locator('.card[data-product="1"]')).toHaveCount(0);
  await page.getByRole('searchbox', { name: 'Search the shop' }).fill('');
  await page.getByRole('button', { name: 'Tea', exact: true }).click();
  await page.getByLabel('Order by').selectOption('cheap');
  await expect(page).toHaveURL(/category=tea.*sort=cheap|sort=cheap.*category=tea/);
  await page.reload();
  await expect(page.locator('.card[data-product]').first()).toContainText('¥39.00');
});

test('the list of orders has pages, and what is new comes onto the first', async ({ shop, page, server }) => {
  await shop.as('pages_1');
  const ids: string[] = [];
  for (let number = 1; number <= 12; number += 1) ids.push((await server.place('pages_1', '1')).order_id);
  await shop.open('/orders');
  await expect(page.locator('.order-row')).toHaveCount(10);
  await page.getByRole('button', { name: 'Next page' }).click();
  await expect(page.locator('.order-row')).toHaveCount(2);
  await expect(shop.order(ids[0] ?? '')).toBeVisible();
  const { order_id } = await server.place('pages_1', '2');
  await page.getByRole('button', { name: 'Previous page' }).click();
  await expect(page.locator('.order-row').first()).toHaveAttribute('data-order', order_id);
});

test('what is not mine is absent', async ({ shop, page, forgive }) => {
  forgive(/status of 404/);
  await shop.as('nobody_1');
  await shop.open('/orders/12345');
  await expect(page.getByText('No such order of yours')).toBeVisible();
  await shop.open('/admin/nowhere');
  await expect(page.getByRole('heading', { name: 'There is nothing at this address' })).toBeVisible();
});
