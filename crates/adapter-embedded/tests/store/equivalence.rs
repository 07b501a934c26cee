//! Whatever was done, in whatever order, and however far it is folded: what a reader sees through tail and database is
//! what a naive model says, also after a restart at any moment.

use crate::shop::{Shop, answer, at, cancelled, id, new_order, next, user};
use doos_adapter_embedded::{Archive, Options};
use doos_domain::actor::Cause;
use doos_domain::answer::Answer;
use doos_domain::ids::OrderId;
use doos_domain::message::Consumer;
use doos_domain::order::{Order, Status};
use doos_domain::stock::Decision;
use doos_journal::sim_disk::SimDisk;
use doos_ports::archive::{Ask, Fate, Which};
use doos_ports::inbox::Progress;
use doos_ports::order_store::{CommitError, Query, Voided};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    Place {
        number: u64,
        user: u64,
        key: Option<u8>,
    },
    Decide {
        number: u64,
        deducted: bool,
    },
    Cancel {
        number: u64,
    },
    Void {
        number: u64,
    },
    Remember {
        key: u8,
    },
    Fold {
        records: usize,
    },
    /// Everything is put away, closed or not: whatever follows must bring it back.
    PutAway,
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let number = 0..12_u64;
    prop_oneof![
        5 => (number.clone(), 1..4_u64, proptest::option::of(0..6_u8))
            .prop_map(|(number, user, key)| Step::Place { number, user, key }),
        4 => (number.clone(), any::<bool>()).prop_map(|(number, deducted)| Step::Decide { number, deducted }),
        3 => number.clone().prop_map(|number| Step::Cancel { number }),
        2 => number.prop_map(|number| Step::Void { number }),
        2 => (0..6_u8).prop_map(|key| Step::Remember { key }),
        4 => (1..8_usize).prop_map(|records| Step::Fold { records }),
        2 => Just(Step::PutAway),
        1 => Just(Step::Restart),
    ]
}

#[derive(Default)]
struct Model {
    orders: BTreeMap<OrderId, Arc<Order>>,
    messages: BTreeMap<OrderId, usize>,
    answers: BTreeMap<u8, Answer>,
    voids: BTreeSet<OrderId>,
    data_dir: PathBuf,
}

fn answer_of(key: u8, body: &str) -> Answer {
    answer(&format!("k{key}"), body)
}

impl Model {
    async fn take(&mut self, step: &Step, shop: &mut Shop) {
        match step {
            Step::Place { number, user, key } => self.place(*number, *user, *key, shop).await,
            Step::Decide { number, deducted } => {
                let Some(order) = self.orders.get(&id(*number)).cloned() else { return };
                if order.status == Status::Pending {
                    let decision = if *deducted { Decision::Deducted } else { Decision::Short };
                    let cause = Cause::system("test", at(5_000));
                    self.move_on(next(&order, order.stock_decided(decision, &cause).unwrap()), shop).await;
                }
            }
            Step::Cancel { number } => {
                let Some(order) = self.orders.get(&id(*number)).cloned() else { return };
                if order.status != Status::Cancelled {
                    self.move_on(cancelled(&order), shop).await;
                }
            }
            Step::Void { number } => {
                let orders = shop.store.orders();
                let voided = shop.run(orders.void(id(*number))).await.unwrap();
                if self.orders.contains_key(&id(*number)) {
                    assert_eq!(voided, Voided::Order);
                } else {
                    assert_eq!(voided, Voided::Void);
                    self.voids.insert(id(*number));
                }
            }
            Step::Remember { key } => {
                let orders = shop.store.orders();
                let told = shop.run(orders.remember(answer_of(*key, "remembered"))).await.unwrap();
                assert_eq!(*self.answers.entry(*key).or_insert_with(|| answer_of(*key, "remembered")), told);
            }
            Step::Fold { records } => drop(shop.folder.fold_once(*records).unwrap()),
            Step::PutAway => put_away(&self.data_dir, shop).await,
            Step::Restart => {}
        }
    }

    async fn place(&mut self, number: u64, user: u64, key: Option<u8>, shop: &mut Shop) {
        let mut change = new_order(number, user);
        change.answer = key.map(|key| answer_of(key, &format!("order {number}")));
        let order = Arc::clone(&change.order);
        let messages = change.messages.len();
        let result = shop.commit(change.clone()).await;
        let told = key.and_then(|key| self.answers.get(&key));
        match (&result, told) {
            (Err(CommitError::Answered(stored)), Some(told)) => assert_eq!(**stored, *told),
            (_, Some(told)) => panic!("{result:?} instead of {told:?}"),
            (Err(CommitError::Void), None) => assert!(self.voids.contains(&order.id)),
            (Err(CommitError::Conflict { expected: 0 }), None) => assert!(self.orders.contains_key(&order.id)),
            (Ok(()), None) => {
                assert!(!self.voids.contains(&order.id) && !self.orders.contains_key(&order.id));
                self.messages.insert(order.id, messages);
                self.orders.insert(order.id, order);
                self.answers.extend(key.map(|key| (key, change.answer.unwrap())));
            }
            (other, None) => panic!("{other:?}"),
        }
    }

    async fn move_on(&mut self, change: doos_ports::order_store::Change, shop: &mut Shop) {
        let order = Arc::clone(&change.order);
        *self.messages.get_mut(&order.id).unwrap() += change.messages.len();
        shop.commit(change.clone()).await.unwrap();
        self.orders.insert(order.id, order);
        let again = shop.commit(change).await;
        assert!(matches!(again, Err(CommitError::Conflict { .. })), "{again:?}");
    }

    fn newest(&self, wanted: impl Fn(&Order) -> bool) -> Vec<Arc<Order>> {
        self.orders.values().rev().filter(|order| wanted(order)).cloned().collect()
    }

    async fn compare(&self, shop: &Shop) {
        let orders = shop.store.orders();
        for number in 0..12 {
            assert_eq!(orders.load(id(number)).await.unwrap().as_ref(), self.orders.get(&id(number)));
            let written = orders.messages(id(number)).await.unwrap().len();
            assert_eq!(written, self.messages.get(&id(number)).copied().unwrap_or_default());
        }
        for key in 0..6 {
            let found = orders.find_answer(&answer_of(key, "").key).await.unwrap();
            assert_eq!(found.as_ref(), self.answers.get(&key));
        }
        for statuses in [vec![], vec![Status::Pending], vec![Status::Cancelled, Status::Confirmed]] {
            let fits = |order: &Order| statuses.is_empty() || statuses.contains(&order.status);
            for limit in [1, 3, 50] {
                let query = Query { statuses: statuses.clone(), limit, ..Query::default() };
                assert_eq!(list_all(shop, query.clone()).await, self.newest(fits), "{query:?}");
                let query = Query { user_id: Some(user(2)), ..query };
                let expected = self.newest(|order| fits(order) && order.user_id == user(2));
                assert_eq!(list_all(shop, query.clone()).await, expected, "{query:?}");
            }
            let mut oldest = self.newest(|order| statuses.contains(&order.status) && order.created_at < at(8));
            oldest.reverse();
            oldest.truncate(4);
            assert_eq!(orders.oldest(&statuses, at(8), None, 4).await.unwrap(), oldest);
        }
    }
}

/// Everybody hears of everything, it is folded, and all that is in use is put away.
async fn put_away(data_dir: &Path, shop: &mut Shop) {
    for consumer in Consumer::ALL {
        let (bus, inbox) = (shop.store.bus(), shop.store.inbox());
        let read = async move {
            let unread = bus.subscribe(consumer).await.unwrap().poll(1_000).await.unwrap();
            if let Some(last) = unread.last() {
                let progress = Progress { position: Some(last.position), ..Progress::new(consumer) };
                inbox.store(progress).await.unwrap();
            }
        };
        shop.run(read).await;
    }
    shop.fold_all();
    let ask = Ask { which: Which::Before("2100-01".parse().unwrap()), dry_run: false };
    let reports = Archive::open(data_dir).unwrap().run(ask, at(100 * 365 * 86_400_000), &|_| None, &|_| {}).unwrap();
    assert!(reports.iter().all(|report| report.fate == Fate::Archived), "{reports:?}");
}

async fn list_all(shop: &Shop, mut query: Query) -> Vec<Arc<Order>> {
    let mut listed = Vec::new();
    loop {
        let page = shop.store.orders().list(query.clone()).await.unwrap();
        listed.extend(page.orders);
        match page.next {
            Some(next) => query.before = Some(next),
            None => return listed,
        }
    }
}

async fn play(steps: Vec<Step>, cached: usize) {
    let journal = doos_journal::Options { segment_bytes: 8 << 10, group_bytes_max: 16 << 10 };
    let options = Options {
        journal,
        feed_kept_bytes: 0,
        orders_cached_max: cached,
        answers_remembered_max: cached,
        ..Options::default()
    };
    let (mut disk, dir) = (SimDisk::new(1), tempfile::tempdir().unwrap());
    let mut shop = Shop::open(disk.clone(), &dir.path().join("database"), options).unwrap();
    let mut model = Model { data_dir: dir.path().to_owned(), ..Model::default() };
    for step in &steps {
        if let Step::Restart = step {
            drop(shop);
            disk = disk.crash(9);
            shop = Shop::open(disk.clone(), &dir.path().join("database"), options).unwrap();
        }
        model.take(step, &mut shop).await;
        model.compare(&shop).await;
    }
    shop.fold_all();
    model.compare(&shop).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn reading_through_tail_and_database_is_reading_a_naive_model(
        steps in proptest::collection::vec(step(), 1..30),
        cached in prop_oneof![Just(0_usize), Just(2), Just(1_000)],
    ) {
        let executor = tokio::runtime::Builder::new_current_thread().build().unwrap();
        executor.block_on(play(steps, cached));
    }
}
