//! Any walk through a stock gate must give the answers of the reference gate, step by step.
//!
//! Not a case of the suite: an engine's test makes up the steps (any numbers will do, so that a property test can shorten
//! them) and hands in a fresh gate of each kind. Order ids that have ended are not used again, as nobody does.

use doos_domain::ids::OrderId;
use doos_domain::message::Demand;
use doos_domain::stock::StockRow;
use doos_domain::time::Timestamp;

use super::scene::{Scene, answer_key, demand, product, user};
use crate::Ports;
use crate::stock_gate::{Hold, HoldError, StockGate};

const SLOTS: usize = 5;
const PRODUCTS: u64 = 3;

struct Walk<'a> {
    scene: Scene,
    subject: &'a dyn StockGate,
    reference: &'a dyn StockGate,
    /// The order that each slot is about; another one as soon as it has ended.
    orders: Vec<OrderId>,
}

/// A few bits of a step's number at a time.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        let thrown = self.0 % sides;
        self.0 /= sides;
        thrown
    }
}

/// # Panics
/// At the first step whose answers differ.
pub async fn answers_like_the_reference(
    ports: Ports,
    subject: &dyn StockGate,
    reference: &dyn StockGate,
    steps: &[u64],
) {
    let scene = Scene::new(ports);
    let orders = (0..SLOTS).map(|_| scene.new_id(user(1), 0)).collect();
    let mut walk = Walk { scene, subject, reference, orders };
    for (number, step) in steps.iter().enumerate() {
        let what = walk.step(&mut Dice(*step)).await;
        walk.compare(&format!("after step {number} ({what})")).await;
    }
}

impl Walk<'_> {
    fn lines(dice: &mut Dice) -> Vec<Demand> {
        let count = 1 + dice.throw(3);
        (0..count).map(|_| demand(1 + dice.throw(PRODUCTS), 1 + dice.throw(3) as u32)).collect()
    }

    fn at(&self, dice: &mut Dice) -> Timestamp {
        self.scene.at(dice.throw(5) as i64 * 1_000)
    }

    fn hold(&self, slot: usize, dice: &mut Dice) -> Hold {
        let key = match dice.throw(4) {
            number @ 0..2 => Some(answer_key("customer:1", &number.to_string())),
            _ => None,
        };
        Hold { order_id: self.orders[slot], lines: Self::lines(dice), key, deadline: self.at(dice) }
    }

    /// A product's row is told by its version.
    fn row(dice: &mut Dice) -> StockRow {
        let (number, version) = (1 + dice.throw(PRODUCTS), 1 + dice.throw(6));
        let (received, sold) = (4 + 2 * version as i64, (version as i64 * 5) % 9);
        let (written_off, held) = ((version as i64) % 2, (version as i64) % 3 % 2);
        let free = (received - sold - written_off - held).max(0);
        let received = free + sold + written_off + held;
        StockRow { product_id: product(number), version, received, written_off, free, held, sold }
    }

    fn end(&mut self, slot: usize) {
        self.orders[slot] = self.scene.new_id(user(1), 0);
    }

    async fn step(&mut self, dice: &mut Dice) -> String {
        let (kind, slot) = (dice.throw(16), dice.throw(SLOTS as u64) as usize);
        match kind {
            0..=6 => {
                let hold = self.hold(slot, dice);
                let answers = (self.subject.hold(hold.clone()).await, self.reference.hold(hold.clone()).await);
                assert_eq!(told(answers.0), told(answers.1), "{hold:?}");
                format!("{hold:?}")
            }
            7 | 8 => {
                let order = self.orders[slot];
                self.subject.release(order).await.expect("a hold can be given back");
                self.reference.release(order).await.expect("a hold can be given back");
                self.end(slot);
                format!("release {order}")
            }
            9..=12 => {
                let rows: Vec<_> = (0..=dice.throw(2)).map(|_| Self::row(dice)).collect();
                let orders = if dice.throw(2) == 0 { Vec::new() } else { vec![self.orders[slot]] };
                self.subject.decided(rows.clone(), orders.clone()).await.expect("a gate takes notice");
                self.reference.decided(rows.clone(), orders.clone()).await.expect("a gate takes notice");
                if !orders.is_empty() {
                    self.end(slot);
                }
                format!("decided {rows:?} {orders:?}")
            }
            13 | 14 => {
                let (order, deadline) = (self.orders[slot], self.at(dice));
                self.subject.postpone(order, deadline).await.expect("a hold can be postponed");
                self.reference.postpone(order, deadline).await.expect("a hold can be postponed");
                format!("postpone {order} to {deadline:?}")
            }
            _ => {
                let mut rows: Vec<_> = (0..dice.throw(4)).map(|_| Self::row(dice)).collect();
                rows.sort_by_key(|row| row.product_id);
                rows.dedup_by_key(|row| row.product_id);
                let held = (0..dice.throw(3) as usize).map(|slot| Hold { key: None, ..self.hold(slot, dice) });
                let holds: Vec<_> = held.collect();
                self.subject.rebuild(rows.clone(), holds.clone()).await.expect("a gate can be rebuilt");
                self.reference.rebuild(rows.clone(), holds.clone()).await.expect("a gate can be rebuilt");
                format!("rebuild {rows:?} {holds:?}")
            }
        }
    }

    async fn compare(&self, when: &str) {
        let products: Vec<_> = (1..=PRODUCTS + 1).map(product).collect();
        let levels = self.subject.levels(&products).await.expect("levels can be read");
        assert_eq!(levels, self.reference.levels(&products).await.expect("levels can be read"), "{when}");
        let count = self.subject.hold_count().await.expect("holds can be counted");
        assert_eq!(count, self.reference.hold_count().await.expect("holds can be counted"), "{when}");
        for (at_ms, limit) in [(2_000, 100), (9_000, 2)] {
            let at = self.scene.at(at_ms);
            let overdue = self.subject.overdue(at, limit).await.expect("holds can be listed");
            assert_eq!(overdue, self.reference.overdue(at, limit).await.expect("holds can be listed"), "{when}");
        }
    }
}

fn told(answer: Result<(), HoldError>) -> String {
    match answer {
        Err(HoldError::Short(mut lines)) => {
            lines.sort_by_key(|line| line.product_id);
            format!("{lines:?}")
        }
        other => format!("{other:?}"),
    }
}
