// The server goes away and comes back; the page finds it again and misses nothing.
import { expect, test } from './test';

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`after a restart (${signal}) the page is live again and shows what happened meanwhile`, async ({ shop, page, server, forgive }) => {
    // While the server is away every attempt to connect is a complaint of the browser's.
    forgive(/WebSocket|ERR_|status of 50\d/);
    const user = `restart_${signal.toLowerCase()}`;
    await shop.as(user);
    const first = await server.place(user, '1');
    await shop.open('/orders');
    await expect(shop.order(first.order_id)).toHaveAttribute('data-status', 'confirmed');
    await server.halt(signal);
    await expect(page.locator('[data-live="waiting"], [data-live="connecting"]')).toBeVisible();
    await server.run();
    // Placed before the page is back, most likely; it must appear either way.
    const meanwhile = await server.place(user, '2');
    await expect(page.locator('[data-live="live"]')).toBeVisible({ timeout: 25_000 });
    await expect(shop.order(meanwhile.order_id)).toHaveAttribute('data-status', 'confirmed');
    const after = await server.place(user, '101');
    await expect(shop.order(after.order_id)).toHaveAttribute('data-status', 'confirmed');
    await expect(page.locator('.order-row')).toHaveCount(3);
  });
}
