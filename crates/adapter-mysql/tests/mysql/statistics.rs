//! Another beginning of the statistics beside those that are read, on real servers.

use doos_ports::projection::{Standing, Walk};

use crate::{on_set, scene};

#[test]
fn new_statistics_of_fewer_orders_are_counted_once_more_before_they_are_believed() {
    on_set(async |_, set| {
        let scene = scene(&set).await;
        let statistics = &scene.ports.statistics;
        let orders: Vec<_> = (1..=10).map(|user| scene.new_order(user, 0).order).collect();
        let first = statistics.standing().await.unwrap();
        statistics.apply(&orders, Standing { token: "10".to_owned(), ..first.clone() }).await.unwrap();
        let counted = async || statistics.totals().await.unwrap().states.values().sum::<i64>();
        assert_eq!(counted().await, 10);
        let walking = |epoch| Standing { epoch, token: "10".to_owned(), walk: Walk::Below(None) };
        let done = |epoch| Standing { walk: Walk::Done, ..walking(epoch) };
        statistics.begin_anew(walking(first.epoch + 1)).await.unwrap();
        statistics.apply(&orders[..6], done(first.epoch + 1)).await.expect_err("four orders are missing");
        assert_eq!((counted().await, statistics.order_count().await.unwrap()), (10, 10), "the old ones are read");
        assert_eq!(statistics.standing().await.unwrap(), walking(first.epoch + 2));
        let ids = [orders[0].id, orders[9].id];
        assert_eq!(statistics.versions(&ids).await.unwrap(), [Some(1), Some(1)]);
        statistics.apply(&orders[..6], done(first.epoch + 2)).await.expect("twice the same: so many there are");
        assert_eq!((counted().await, statistics.order_count().await.unwrap()), (6, 6));
        assert_eq!(statistics.versions(&ids).await.unwrap(), [Some(1), None]);
    });
}
