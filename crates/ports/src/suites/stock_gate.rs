//! What every stock gate must do: all lines or none, once an order, and never more than the ledger has.

use doos_domain::ids::OrderId;
use doos_domain::stock::StockRow;
use futures::future::join_all;

use super::scene::{Scene, answer_key, demand, product, user};
use super::suite;
use crate::Ports;
use crate::stock_gate::{Hold, HoldError, Level, ShortLine};

suite!($ stock_gate stock_gate_suite {
    a_hold_takes_from_what_is_free,
    all_lines_are_held_or_none,
    every_short_line_is_named,
    lines_of_one_product_are_summed,
    what_was_never_received_is_short,
    the_last_piece_is_given,
    holding_twice_for_one_order_holds_once,
    a_key_in_progress_is_told_under_which_order,
    a_key_is_free_again_when_its_hold_has_gone,
    calls_without_a_key_are_never_the_same,
    of_many_holds_at_once_no_more_are_given_than_there_is,
    a_release_gives_back_once,
    a_decided_order_s_hold_goes_whatever_was_decided,
    a_notice_that_comes_late_changes_nothing_newer,
    a_notice_that_comes_twice_counts_once,
    notices_out_of_order_end_at_the_newest_row,
    a_decision_may_overtake_its_row,
    a_level_adds_up,
    a_level_is_never_below_nothing_when_held_pieces_are_written_off,
    levels_come_in_the_order_asked_for,
    holds_past_their_deadline_come_oldest_first,
    a_postponed_hold_is_asked_after_later,
    a_rebuild_replaces_everything,
});

fn row(number: u64, version: u64, received: i64, sold: i64) -> StockRow {
    let product_id = product(number);
    StockRow { product_id, version, received, written_off: 0, free: received - sold, held: 0, sold }
}

struct Gate {
    scene: Scene,
}

impl Gate {
    /// A gate with ten of product 1, five of product 2, and one of product 3.
    async fn stocked(ports: Ports) -> Self {
        let gate = Self { scene: Scene::new(ports) };
        gate.told(&[row(1, 1, 10, 0), row(2, 1, 5, 0), row(3, 1, 1, 0)], &[]).await;
        gate
    }

    fn order(&self, number: i64) -> OrderId {
        self.scene.new_id(user(1), number)
    }

    fn request(&self, order_id: OrderId, lines: &[(u64, u32)]) -> Hold {
        let lines = lines.iter().map(|(number, qty)| demand(*number, *qty)).collect();
        Hold { order_id, lines, key: None, deadline: self.scene.at(30_000) }
    }

    async fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.scene.ports.gate.hold(hold).await
    }

    async fn held(&self, lines: &[(u64, u32)]) -> OrderId {
        let order = self.order(0);
        self.hold(self.request(order, lines)).await.expect("there is enough");
        order
    }

    async fn release(&self, order: OrderId) {
        self.scene.ports.gate.release(order).await.expect("a hold can be given back");
    }

    async fn told(&self, rows: &[StockRow], orders: &[OrderId]) {
        self.scene.ports.gate.decided(rows.to_vec(), orders.to_vec()).await.expect("a gate takes notice");
    }

    async fn level(&self, number: u64) -> Option<Level> {
        self.scene.ports.gate.level(product(number)).await.expect("levels can be read")
    }

    async fn free(&self, number: u64) -> i64 {
        self.level(number).await.expect("the product is known").free
    }

    async fn count(&self) -> usize {
        self.scene.ports.gate.hold_count().await.expect("holds can be counted")
    }

    async fn overdue(&self, at_ms: i64, limit: usize) -> Vec<OrderId> {
        let overdue = self.scene.ports.gate.overdue(self.scene.at(at_ms), limit).await;
        overdue.expect("holds can be listed").iter().map(|hold| hold.order_id).collect()
    }
}

fn short(result: Result<(), HoldError>) -> Vec<ShortLine> {
    match result {
        Err(HoldError::Short(mut lines)) => {
            lines.sort_by_key(|line| line.product_id);
            lines
        }
        other => panic!("there is not enough, and the gate says {other:?}"),
    }
}

fn short_line(number: u64, wanted: i64, free: i64) -> ShortLine {
    ShortLine { product_id: product(number), wanted, free }
}

pub async fn a_hold_takes_from_what_is_free(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.held(&[(1, 4), (2, 5)]).await;
    assert_eq!((gate.free(1).await, gate.free(2).await, gate.free(3).await), (6, 0, 1));
    assert_eq!(gate.count().await, 1);
}

pub async fn all_lines_are_held_or_none(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    for lines in [[(1, 4), (3, 2)], [(3, 2), (1, 4)]] {
        assert_eq!(short(gate.hold(gate.request(gate.order(1), &lines)).await), [short_line(3, 2, 1)]);
        assert_eq!((gate.free(1).await, gate.count().await), (10, 0));
    }
}

pub async fn every_short_line_is_named(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.held(&[(2, 3)]).await;
    let refused = gate.hold(gate.request(gate.order(1), &[(3, 2), (1, 10), (2, 3)])).await;
    assert_eq!(short(refused), [short_line(2, 3, 2), short_line(3, 2, 1)]);
}

pub async fn lines_of_one_product_are_summed(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let refused = gate.hold(gate.request(gate.order(1), &[(1, 6), (2, 1), (1, 5)])).await;
    assert_eq!(short(refused), [short_line(1, 11, 10)]);
    gate.held(&[(1, 6), (1, 4)]).await;
    assert_eq!(gate.free(1).await, 0);
}

pub async fn what_was_never_received_is_short(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    assert_eq!(short(gate.hold(gate.request(gate.order(1), &[(9, 1)])).await), [short_line(9, 1, 0)]);
    assert_eq!(gate.level(9).await, None);
}

pub async fn the_last_piece_is_given(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.held(&[(3, 1)]).await;
    assert_eq!(short(gate.hold(gate.request(gate.order(1), &[(3, 1)])).await), [short_line(3, 1, 0)]);
    gate.held(&[(1, 10)]).await;
    assert_eq!(gate.free(1).await, 0);
}

pub async fn holding_twice_for_one_order_holds_once(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let mut request = gate.request(gate.order(1), &[(1, 6)]);
    request.key = Some(answer_key("customer:1", "k"));
    for _ in 0..3 {
        gate.hold(request.clone()).await.expect("a repeat is no other hold");
    }
    assert_eq!((gate.free(1).await, gate.count().await), (4, 1));
}

pub async fn a_key_in_progress_is_told_under_which_order(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let keyed = |order, lines: &[(u64, u32)], scope| {
        let key = Some(answer_key(scope, "k"));
        Hold { key, ..gate.request(order, lines) }
    };
    let first = gate.order(1);
    gate.hold(keyed(first, &[(3, 1)], "customer:1")).await.expect("there is enough");
    // Never a refusal for stock: the repeat's pieces are those that it holds itself.
    for lines in [[(3, 1)], [(1, 1)]] {
        let repeat = gate.hold(keyed(gate.order(2), &lines, "customer:1")).await;
        assert!(matches!(repeat, Err(HoldError::InProgress(order)) if order == first), "{repeat:?}");
    }
    assert_eq!((gate.free(1).await, gate.count().await), (10, 1));
    gate.hold(keyed(gate.order(3), &[(1, 1)], "customer:2")).await.expect("another scope's key is another key");
}

pub async fn a_key_is_free_again_when_its_hold_has_gone(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let keyed = |order| Hold { key: Some(answer_key("customer:1", "k")), ..gate.request(order, &[(1, 1)]) };
    let (first, second, third) = (gate.order(1), gate.order(2), gate.order(3));
    gate.hold(keyed(first)).await.expect("there is enough");
    gate.release(first).await;
    gate.hold(keyed(second)).await.expect("the released hold took its key along");
    gate.told(&[row(1, 2, 10, 1)], &[second]).await;
    gate.hold(keyed(third)).await.expect("the decided hold took its key along");
}

pub async fn calls_without_a_key_are_never_the_same(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.held(&[(1, 1)]).await;
    gate.held(&[(1, 1)]).await;
    assert_eq!((gate.free(1).await, gate.count().await), (8, 2));
}

pub async fn of_many_holds_at_once_no_more_are_given_than_there_is(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let holds = (0..30).map(|number| gate.hold(gate.request(gate.order(number), &[(2, 1), (1, 2)])));
    let given = join_all(holds).await.iter().filter(|result| result.is_ok()).count();
    assert_eq!(given, 5, "exactly as many as there is stock for");
    assert_eq!((gate.free(1).await, gate.free(2).await, gate.count().await), (0, 0, 5));
}

pub async fn a_release_gives_back_once(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let (order, _other) = (gate.held(&[(1, 4), (1, 1)]).await, gate.held(&[(1, 2)]).await);
    for _ in 0..3 {
        gate.release(order).await;
        assert_eq!((gate.free(1).await, gate.count().await), (8, 1));
    }
    gate.release(gate.order(5)).await;
    assert_eq!((gate.free(1).await, gate.count().await), (8, 1));
}

pub async fn a_decided_order_s_hold_goes_whatever_was_decided(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let (deducted, short, stays) = (gate.held(&[(1, 4)]).await, gate.held(&[(1, 2)]).await, gate.held(&[(1, 1)]).await);
    gate.told(&[row(1, 2, 10, 4)], &[deducted, short]).await;
    assert_eq!((gate.free(1).await, gate.count().await), (5, 1));
    gate.release(stays).await;
    assert_eq!(gate.free(1).await, 6);
}

pub async fn a_notice_that_comes_late_changes_nothing_newer(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.told(&[row(1, 5, 10, 6)], &[]).await;
    for late in [row(1, 4, 10, 2), row(1, 1, 10, 0), row(1, 5, 10, 0)] {
        gate.told(&[late], &[]).await;
        assert_eq!(gate.free(1).await, 4);
    }
    gate.told(&[row(1, 6, 12, 6)], &[]).await;
    assert_eq!(gate.free(1).await, 6);
}

pub async fn a_notice_that_comes_twice_counts_once(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let (order, _other) = (gate.held(&[(1, 4)]).await, gate.held(&[(1, 1)]).await);
    for _ in 0..3 {
        gate.told(&[row(1, 2, 10, 4)], &[order]).await;
        assert_eq!((gate.free(1).await, gate.count().await), (5, 1));
    }
}

pub async fn notices_out_of_order_end_at_the_newest_row(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let orders = [gate.held(&[(1, 2)]).await, gate.held(&[(1, 3)]).await, gate.held(&[(2, 1)]).await];
    let notices = [(row(1, 3, 10, 5), orders[1]), (row(2, 2, 5, 1), orders[2]), (row(1, 2, 10, 2), orders[0])];
    for (row, order) in notices {
        gate.told(&[row], &[order]).await;
        // While a notice is missing the gate may refuse too early, and never gives what the ledger has not.
        assert!(gate.free(1).await <= 5 && gate.free(1).await >= 0);
    }
    assert_eq!((gate.free(1).await, gate.free(2).await, gate.count().await), (5, 4, 0));
}

pub async fn a_decision_may_overtake_its_row(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.told(&[row(4, 3, 7, 2)], &[]).await;
    assert_eq!(gate.free(4).await, 5, "a product may be first heard of at any version");
    gate.held(&[(4, 5)]).await;
    assert_eq!(short(gate.hold(gate.request(gate.order(1), &[(4, 1)])).await), [short_line(4, 1, 0)]);
}

pub async fn a_level_adds_up(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let stocked = StockRow { written_off: 2, free: 5, ..row(1, 2, 10, 3) };
    gate.told(&[stocked], &[]).await;
    gate.held(&[(1, 4)]).await;
    let level = Level { received: 10, written_off: 2, free: 1, held: 4, sold: 3 };
    assert_eq!(gate.level(1).await, Some(level.clone()));
    assert_eq!((level.on_hand(), level.received - level.written_off), (5, level.free + level.held + level.sold));
}

pub async fn a_level_is_never_below_nothing_when_held_pieces_are_written_off(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.told(&[row(1, 2, 10, 0)], &[]).await;
    gate.held(&[(1, 8)]).await;
    gate.told(&[StockRow { written_off: 7, free: 3, ..row(1, 3, 10, 0) }], &[]).await;
    let level = Level { received: 10, written_off: 7, free: 0, held: 3, sold: 0 };
    assert_eq!(gate.level(1).await, Some(level), "what is not there is neither free nor held");
    assert_eq!(short(gate.hold(gate.request(gate.order(1), &[(1, 1)])).await), [short_line(1, 1, 0)]);
}

pub async fn levels_come_in_the_order_asked_for(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    gate.held(&[(2, 1)]).await;
    let wanted = [product(3), product(9), product(2), product(3)];
    let levels = gate.scene.ports.gate.levels(&wanted).await.expect("levels can be read");
    let free: Vec<Option<i64>> = levels.iter().map(|level| level.as_ref().map(|level| level.free)).collect();
    assert_eq!(free, [Some(1), None, Some(4), Some(1)]);
}

pub async fn holds_past_their_deadline_come_oldest_first(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let mut orders = Vec::new();
    for (number, deadline_ms) in [(1, 3_000), (2, 1_000), (3, 2_000), (4, 9_000)] {
        let request = gate.request(gate.order(number), &[(1, 1)]);
        orders.push(request.order_id);
        gate.hold(Hold { deadline: gate.scene.at(deadline_ms), ..request }).await.expect("there is enough");
    }
    assert!(gate.overdue(500, 10).await.is_empty());
    assert_eq!(gate.overdue(2_500, 10).await, [orders[1], orders[2]]);
    assert_eq!(gate.overdue(5_000, 2).await, [orders[1], orders[2]]);
    assert_eq!(gate.overdue(5_000, 10).await, [orders[1], orders[2], orders[0]]);
    // To be overdue ends nothing; only an answer does.
    assert_eq!((gate.free(1).await, gate.count().await), (6, 4));
    gate.release(orders[1]).await;
    assert_eq!(gate.overdue(2_500, 10).await, [orders[2]]);
}

pub async fn a_postponed_hold_is_asked_after_later(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let order = gate.held(&[(1, 1)]).await;
    assert_eq!(gate.overdue(31_000, 10).await, [order]);
    gate.scene.ports.gate.postpone(order, gate.scene.at(60_000)).await.expect("a hold can be postponed");
    assert!(gate.overdue(31_000, 10).await.is_empty());
    assert_eq!(gate.overdue(61_000, 10).await, [order]);
    assert_eq!((gate.free(1).await, gate.count().await), (9, 1));
    let unknown = gate.scene.ports.gate.postpone(gate.order(5), gate.scene.at(60_000)).await;
    unknown.expect("an unknown hold is no error");
    assert_eq!(gate.count().await, 1);
}

pub async fn a_rebuild_replaces_everything(ports: Ports) {
    let gate = Gate::stocked(ports).await;
    let gone = gate.held(&[(1, 4)]).await;
    gate.told(&[row(2, 9, 50, 0)], &[]).await;
    let kept = Hold { key: Some(answer_key("customer:1", "k")), ..gate.request(gate.order(1), &[(1, 3), (1, 1)]) };
    // The ledger is right even where its versions are lower than what the gate has seen.
    let rows = vec![row(1, 7, 20, 0), row(2, 2, 5, 1)];
    gate.scene.ports.gate.rebuild(rows, vec![kept.clone()]).await.expect("a gate can be rebuilt");
    assert_eq!((gate.free(1).await, gate.free(2).await, gate.count().await), (16, 4, 1));
    assert_eq!(gate.level(3).await, None);
    gate.release(gone).await;
    assert_eq!(gate.free(1).await, 16);
    let repeat = gate.hold(Hold { order_id: gate.order(2), ..kept.clone() }).await;
    assert!(matches!(repeat, Err(HoldError::InProgress(order)) if order == kept.order_id), "{repeat:?}");
    assert_eq!(gate.overdue(31_000, 10).await, [kept.order_id]);
    gate.told(&[row(1, 8, 20, 4)], &[kept.order_id]).await;
    assert_eq!((gate.free(1).await, gate.count().await), (16, 0));
}
