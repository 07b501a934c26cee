// Every page: usable by everybody, in both languages and themes, on a phone and on a wide screen.
import { expect, expectAccessible, test } from './test';

const shopPages = ['/products', '/products/1', '/products/24', '/cart', '/checkout?product=1&quantity=2', '/orders', '/dashboard', '/admin', '/admin/nowhere'];
const consolePages = ['/admin/orders', '/admin/stock', '/admin/stock?product=1', '/admin/dead-letters', '/admin/products', '/admin/books', '/admin/actions', '/admin/system'];

for (const [name, scheme, locale, width] of [
  ['light, English, wide', 'light', 'en-GB', 1280],
  ['dark, Chinese, phone', 'dark', 'zh-CN', 390],
] as const) {
  test.describe(name, () => {
    test.use({ colorScheme: scheme, locale, viewport: { width, height: 860 } });

    test('the shop, the orders and the dashboard are accessible and fit', async ({ shop, page, server, forgive }) => {
      forgive(/status of 404/);
      test.setTimeout(120_000);
      await shop.as('axe_1');
      await server.place('axe_1', '1');
      const { order_id } = await server.place('axe_1', '2');
      for (const path of [...shopPages, `/orders/${order_id}`]) {
        await shop.open(path);
        await page.waitForLoadState('networkidle');
        await expect(page.locator('h1')).toBeVisible();
        await expect(page.locator('html')).toHaveAttribute('lang', locale === 'zh-CN' ? 'zh-CN' : 'en');
        await expect(page.locator('html')).toHaveAttribute('data-theme', scheme);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(overflow, `${path} is wider than the screen`).toBeLessThanOrEqual(0);
        await expectAccessible(page);
      }
    });

    test('the console is accessible and fits', async ({ shop, page, server }) => {
      test.setTimeout(120_000);
      await shop.asOperator();
      const { order_id } = await server.place('axe_2', '1');
      for (const path of [...consolePages, `/admin/orders/${order_id}`]) {
        await shop.open(path);
        await expect(page.locator('h1')).toBeVisible();
        await page.waitForLoadState('networkidle');
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        expect(overflow, `${path} is wider than the screen`).toBeLessThanOrEqual(0);
        await expectAccessible(page);
      }
    });
  });
}

test('language and theme are switched and kept', async ({ shop, page }) => {
  await shop.open('/products');
  await page.getByRole('button', { name: '切换到中文' }).click();
  await expect(page.getByRole('link', { name: '青瓷盖碗' })).toBeVisible();
  await expect(page.getByRole('navigation', { name: '主导航' })).toContainText('我的订单');
  await page.getByRole('button', { name: '深色主题' }).click();
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(page.getByRole('link', { name: '青瓷盖碗' })).toBeVisible();
});

test('an order can be placed with the keyboard alone', async ({ shop, page }) => {
  await shop.as('keys_1');
  await shop.open('/products/1');
  const buy = page.getByRole('button', { name: 'Buy now' });
  await expect(buy).toBeEnabled();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the content' })).toBeFocused();
  for (let presses = 0; presses < 40 && !(await buy.evaluate((element) => element === document.activeElement)); presses += 1) await page.keyboard.press('Tab');
  await expect(buy).toBeFocused();
  const outline = await buy.evaluate((element) => getComputedStyle(element).outlineStyle);
  expect(outline).not.toBe('none');
  await page.keyboard.press('Enter');
  const place = page.getByRole('button', { name: /Place the order/ });
  await expect(place).toBeEnabled();
  await page.getByRole('textbox', { name: 'Where to?' }).focus();
  for (let presses = 0; presses < 10 && !(await place.evaluate((element) => element === document.activeElement)); presses += 1) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/orders\/\d+$/);
});

test('questions keep the focus, and Escape answers no', async ({ shop, page, server }) => {
  await shop.as('keys_2');
  const { order_id } = await server.place('keys_2', '1');
  await shop.open(`/orders/${order_id}`);
  const cancel = page.getByRole('button', { name: 'Cancel the order' });
  await cancel.focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('dialog')).toBeVisible();
  await expect(page.getByRole('dialog').getByRole('button', { name: 'Cancel the order' })).not.toBeFocused();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog')).toBeHidden();
  await expect(cancel).toBeFocused();
  await expect(page.locator('article')).toHaveAttribute('data-status', 'confirmed');
});
