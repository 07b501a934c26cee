//! Orders that nobody pays end by themselves and give their stock back.

use crate::support::server::Setup;
use crate::support::shop::{self, ask, await_status, await_stock};

#[tokio::test]
async fn an_unpaid_order_is_cancelled_at_its_deadline_and_its_stock_is_free_again() {
    let server = Setup::new().setting("LIMITS__UNPAID_DEADLINE_MS", 2_000).start().await;
    let client = server.client();
    let product = shop::new_product(&server.operator().await, 1_000, 10).await;
    let unpaid = shop::place(&client, "42", &product, 4).await;
    let paid = shop::place(&client, "42", &product, 1).await;
    ask(&client, &paid, "pay").await;
    let cancelled = await_status(&client, &unpaid, "cancelled").await;
    assert_eq!(cancelled["cancel_reason"], "timeout");
    await_stock(&client, &product, (9, 0, 1)).await;
    // The paid one was placed later, so its deadline comes after the other's; a third shows that it has passed.
    let third = shop::place(&client, "42", &product, 1).await;
    await_status(&client, &third, "cancelled").await;
    assert_ne!(shop::read(&client, &paid).await["status"], "cancelled");
    server.run(&["audit"]).await.expect(0);
}

#[tokio::test]
async fn a_deadline_that_passes_while_the_process_is_down_is_kept_after_the_start() {
    let mut server = Setup::new().setting("LIMITS__UNPAID_DEADLINE_MS", 1_000).start().await;
    let product = shop::new_product(&server.operator().await, 1_000, 10).await;
    let order = shop::place(&server.client(), "42", &product, 4).await;
    server.kill().await;
    server.start().await;
    let cancelled = await_status(&server.client(), &order, "cancelled").await;
    assert_eq!(cancelled["cancel_reason"], "timeout");
    await_stock(&server.client(), &product, (10, 0, 0)).await;
}
