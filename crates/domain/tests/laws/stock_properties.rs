//! The stock book against a model that keeps nothing but a list of what happened and counts anew each time.
//!
//! Groups are drawn over few products and few orders, so that repeats, reorders and a late deduct after a release are
//! the rule. Between two groups everything goes through what the book says must be stored, as an engine would do.

use doos_domain::ids::{OrderId, ProductId, ReturnId};
use doos_domain::message::Demand;
use doos_domain::stock::{Book, Command, Decision, DecisionRow, Movement, MovementKind, Outcome, StockRow};
use doos_domain::time::Timestamp;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn product(number: u64) -> ProductId {
    ProductId::new(number).expect("numbers here start at one")
}

fn order(number: u64) -> OrderId {
    OrderId::new(number).expect("numbers here start at one")
}

/// What an order wants follows from its number: repeats ask for the same, as messages do.
fn lines_of(number: u64) -> Vec<Demand> {
    let line = |product_number: u64, qty: u64| Demand { product_id: product(product_number), qty: qty as u32 };
    match number % 4 {
        0 => vec![line(1, 1 + number % 3)],
        1 => vec![line(2, 2), line(1, 1)],
        2 => vec![line(3, 1), line(3, 2)],
        _ => vec![line(1, 1), line(2, 1), line(3, 1)],
    }
}

/// The naive truth: who has been decided how, and how many pieces lie where.
#[derive(Default)]
struct Model {
    free: BTreeMap<u64, i64>,
    sold: BTreeMap<u64, i64>,
    decided: BTreeMap<u64, Decision>,
    back: BTreeSet<u64>,
}

impl Model {
    fn decide(&mut self, command: &Asked) -> Outcome {
        match *command {
            Asked::Deduct(number) => Outcome::Decided(self.deduct(number)),
            Asked::Release(number) => match self.decided.get(&number) {
                None => {
                    self.decided.insert(number, Decision::Void);
                    Outcome::Decided(Decision::Void)
                }
                Some(_) => Outcome::GivenBack(self.give_back(number)),
            },
            Asked::Return(number) => Outcome::GivenBack(self.give_back(number)),
            Asked::Receive(product_number, qty) => {
                *self.free.entry(product_number).or_default() += i64::from(qty);
                Outcome::Booked
            }
            Asked::WriteOff(product_number, qty) => {
                let Some(free) = self.free.get_mut(&product_number).filter(|free| **free >= i64::from(qty)) else {
                    return Outcome::NotFree;
                };
                *free -= i64::from(qty);
                Outcome::Booked
            }
        }
    }

    fn deduct(&mut self, number: u64) -> Decision {
        if let Some(first) = self.decided.get(&number) {
            return *first;
        }
        let mut left = self.free.clone();
        for line in lines_of(number) {
            *left.entry(line.product_id.get()).or_default() -= i64::from(line.qty);
        }
        let decision = if left.values().all(|free| *free >= 0) { Decision::Deducted } else { Decision::Short };
        if decision == Decision::Deducted {
            self.free = left;
            for line in lines_of(number) {
                *self.sold.entry(line.product_id.get()).or_default() += i64::from(line.qty);
            }
        }
        self.decided.insert(number, decision);
        decision
    }

    fn give_back(&mut self, number: u64) -> bool {
        let ours = self.decided.get(&number) == Some(&Decision::Deducted) && self.back.insert(number);
        if ours {
            for line in lines_of(number) {
                *self.sold.entry(line.product_id.get()).or_default() -= i64::from(line.qty);
                *self.free.entry(line.product_id.get()).or_default() += i64::from(line.qty);
            }
        }
        ours
    }
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Deduct(u64),
    Release(u64),
    Return(u64),
    Receive(u64, u32),
    WriteOff(u64, u32),
}

impl Asked {
    fn command(self, reference: usize) -> Command {
        match self {
            Self::Deduct(number) => Command::Deduct { order_id: order(number), lines: lines_of(number) },
            Self::Release(number) => Command::Release { order_id: order(number) },
            Self::Return(number) => Command::Return { return_id: ReturnId::of(order(number)), order_id: order(number) },
            Self::Receive(number, qty) => {
                Command::Receive { reference: format!("in-{reference}"), product_id: product(number), qty }
            }
            Self::WriteOff(number, qty) => {
                Command::WriteOff { reference: format!("out-{reference}"), product_id: product(number), qty }
            }
        }
    }
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let orders = || 1..12_u64;
    prop_oneof![
        5 => orders().prop_map(Asked::Deduct),
        3 => orders().prop_map(Asked::Release),
        2 => orders().prop_map(Asked::Return),
        2 => (1..4_u64, 0..6_u32).prop_map(|(product, qty)| Asked::Receive(product, qty)),
        1 => (1..4_u64, 1..4_u32).prop_map(|(product, qty)| Asked::WriteOff(product, qty)),
    ]
}

/// The engine: stores what a book says, row by row.
#[derive(Default)]
struct Stored {
    rows: BTreeMap<ProductId, StockRow>,
    decisions: BTreeMap<OrderId, DecisionRow>,
    movements: Vec<Movement>,
}

impl Stored {
    fn run(&mut self, group: &[Asked], references: &mut usize) -> Vec<Outcome> {
        let rows = self.rows.values().cloned().collect();
        let mut book = Book::new(rows, self.decisions.values().cloned().collect());
        let mut outcomes = Vec::new();
        for asked in group {
            *references += 1;
            outcomes.push(book.decide(&asked.command(*references), "system:test", Timestamp::from_millis(5)));
        }
        let changes = book.into_changes();
        for row in changes.rows {
            assert!(row.balances(), "{row:?}");
            let before = self.rows.get(&row.product_id).map_or(0, |row| row.version);
            assert_eq!(row.version, before + 1, "a row's version grows by one a group");
            self.rows.insert(row.product_id, row);
        }
        for decision in changes.decisions {
            if let Some(first) = self.decisions.get(&decision.order_id) {
                assert_eq!(first.decision, decision.decision, "the first decision stands");
                assert!(!first.given_back, "what went back stays back");
            }
            self.decisions.insert(decision.order_id, decision);
        }
        self.movements.extend(changes.movements);
        outcomes
    }

    /// The rows again, from nothing but the movements.
    fn recount(&self) -> BTreeMap<ProductId, (i64, i64, i64, i64)> {
        let mut counts: BTreeMap<ProductId, (i64, i64, i64, i64)> = BTreeMap::new();
        for movement in &self.movements {
            let (received, written_off, free, sold) = counts.entry(movement.product_id).or_default();
            match movement.kind {
                MovementKind::Receive => (*received, *free) = (*received + movement.qty, *free + movement.qty),
                MovementKind::WriteOff => (*written_off, *free) = (*written_off + movement.qty, *free - movement.qty),
                MovementKind::Deduct => (*free, *sold) = (*free - movement.qty, *sold + movement.qty),
                MovementKind::Release | MovementKind::Return => {
                    (*free, *sold) = (*free + movement.qty, *sold - movement.qty);
                }
                MovementKind::Repair => panic!("nobody repaired anything"),
            }
        }
        counts
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn groups_in_any_order_with_repeats_decide_as_the_naive_model_and_the_books_balance(
        groups in prop::collection::vec(prop::collection::vec(any_asked(), 1..8), 1..12),
    ) {
        let (mut stored, mut model, mut references) = (Stored::default(), Model::default(), 0);
        for group in &groups {
            let outcomes = stored.run(group, &mut references);
            for (asked, outcome) in group.iter().zip(outcomes) {
                prop_assert_eq!(outcome, model.decide(asked), "{:?}", asked);
            }
            for (id, row) in &stored.rows {
                let number = id.get();
                prop_assert_eq!(row.free, model.free.get(&number).copied().unwrap_or(0));
                prop_assert_eq!(row.sold, model.sold.get(&number).copied().unwrap_or(0));
            }
            let recount = stored.recount();
            for (id, row) in &stored.rows {
                let counted = recount.get(id).copied().unwrap_or_default();
                prop_assert_eq!(counted, (row.received, row.written_off, row.free, row.sold));
            }
            let keys: BTreeSet<_> =
                stored.movements.iter().map(|entry| (&entry.reference, entry.product_id, entry.kind)).collect();
            prop_assert_eq!(keys.len(), stored.movements.len(), "a movement was booked twice");
        }
    }

    #[test]
    fn one_big_group_decides_as_its_commands_one_by_one(group in prop::collection::vec(any_asked(), 1..40)) {
        let (mut together, mut alone) = (Stored::default(), Stored::default());
        let outcomes = together.run(&group, &mut 0);
        let mut references = 0;
        let one_by_one: Vec<_> = group.iter().flat_map(|asked| alone.run(&[*asked], &mut references)).collect();
        prop_assert_eq!(outcomes, one_by_one);
        prop_assert_eq!(together.movements, alone.movements);
        prop_assert_eq!(together.decisions, alone.decisions);
    }
}

#[test]
fn a_late_deduct_after_a_void_takes_nothing() {
    let (mut stored, mut references) = (Stored::default(), 0);
    stored.run(&[Asked::Receive(1, 10)], &mut references);
    let outcomes = stored.run(&[Asked::Release(4), Asked::Deduct(4), Asked::Release(4)], &mut references);
    let void = Outcome::Decided(Decision::Void);
    assert_eq!(outcomes, [void, void, Outcome::GivenBack(false)]);
    assert_eq!(stored.rows[&product(1)].free, 10);
}

#[test]
fn all_lines_are_taken_or_none() {
    let (mut stored, mut references) = (Stored::default(), 0);
    stored.run(&[Asked::Receive(1, 5), Asked::Receive(2, 1)], &mut references);
    let outcomes = stored.run(&[Asked::Deduct(1)], &mut references);
    assert_eq!(outcomes, [Outcome::Decided(Decision::Short)]);
    assert_eq!((stored.rows[&product(1)].free, stored.rows[&product(2)].free), (5, 1));
}

#[test]
fn the_lines_of_one_product_are_counted_together() {
    let (mut stored, mut references) = (Stored::default(), 0);
    // Order 2 wants 1 + 2 of product 3: two lines that would each fit alone.
    stored.run(&[Asked::Receive(3, 2)], &mut references);
    assert_eq!(stored.run(&[Asked::Deduct(2)], &mut references), [Outcome::Decided(Decision::Short)]);
    stored.run(&[Asked::Receive(3, 1)], &mut references);
    assert_eq!(stored.run(&[Asked::Deduct(6)], &mut references), [Outcome::Decided(Decision::Deducted)]);
    assert_eq!(stored.rows[&product(3)].free, 0);
}
