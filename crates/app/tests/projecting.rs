//! The read models follow the feed whatever happens: left behind and filled again while orders go on, cut off between any
//! two steps, over engines that fail.
#![cfg(test)]

use doos_adapter_embedded::{ProjectionOptions, Projections};
use doos_adapter_sim::{Faults, Part, Pause, Rates, SimEngines, SimOptions, SimRuntime};
use doos_app::comparing::{Comparison, Sums as Compared};
use doos_app::projecting::Patience;
use doos_app::{App, Options, Principal};
use doos_domain::actor::Cause;
use doos_domain::ids::{AttemptId, EPOCH_MILLIS, Generator, ProductId, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::{Order, Outcome, Status};
use doos_domain::pricing::{Line, Quote};
use doos_domain::statistics::{Calendar, Contribution, Figures, Tally};
use doos_domain::stock::Decision;
use doos_domain::time::Timestamp;
use doos_ports::Ports;
use doos_ports::bus::Position;
use doos_ports::change_feed::{ChangeFeed, Changed};
use doos_ports::order_store::Change;
use doos_ports::projection::Standing;
use doos_ports::search::SearchQuery;
use futures::FutureExt;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Virtual time of one task: a sleep moves it on, and yields once.
#[derive(Default)]
struct OneTask {
    elapsed_ms: AtomicU64,
    drawn: AtomicU64,
}

impl SimRuntime for OneTask {
    fn now(&self) -> Timestamp {
        let elapsed_ms = self.elapsed_ms.load(Ordering::Relaxed);
        Timestamp::from_millis(EPOCH_MILLIS + 86_400_000).plus_millis(i64::try_from(elapsed_ms).unwrap())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.elapsed_ms.load(Ordering::Relaxed))
    }

    fn sleep(&self, duration: Duration) -> Pause {
        self.elapsed_ms.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::Relaxed);
        self.yield_now()
    }

    fn random(&self) -> u64 {
        self.drawn.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        let mut yielded = false;
        Box::pin(std::future::poll_fn(move |context| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        }))
    }
}

struct Shop {
    engines: SimEngines,
    ids: Generator,
    app: Arc<App>,
}

/// Sums over a store that may hold anything.
#[derive(Debug, PartialEq)]
struct Sums {
    all_time: BTreeMap<Currency, Figures>,
    states: BTreeMap<Status, i64>,
    found: usize,
}

impl Shop {
    async fn open(rates: Rates, with: impl FnOnce(&mut Ports)) -> Self {
        let options = SimOptions { shards: 2, seed: 11, latency_max_ms: 0, faults: Faults::new(rates) };
        let engines = SimEngines::new(options, Arc::new(OneTask::default()));
        engines.faults().set_calm();
        let mut ports = engines.ports(1, engines.clock(), engines.gate());
        with(&mut ports);
        let app_options = Options { feed_group_len_max: 4, ..Options::default() };
        let (app, _) = App::start(ports, app_options).await.unwrap();
        let now = app.ports.clock.now();
        Self { engines, ids: Generator::new(3, now, now.plus_millis(86_400_000)), app }
    }

    /// Another process over the same engines.
    async fn start_again(self, with: impl FnOnce(&mut Ports)) -> Self {
        let mut ports = self.engines.ports(2, self.engines.clock(), self.engines.gate());
        with(&mut ports);
        let app_options = Options { feed_group_len_max: 4, ..Options::default() };
        let (app, _) = App::start(ports, app_options).await.unwrap();
        Self { app, ..self }
    }

    async fn epochs(&self) -> [u64; 2] {
        let ports = &self.app.ports;
        [ports.statistics.standing().await.unwrap().epoch, ports.search.standing().await.unwrap().epoch]
    }

    fn cause(&self) -> Cause {
        Cause::system("test", self.app.ports.clock.now())
    }

    async fn commit(&self, before: u32, order: Order) -> Arc<Order> {
        let order = Arc::new(order);
        let change = Change {
            expected_version: before,
            order: Arc::clone(&order),
            messages: Vec::new(),
            answer: None,
            gate_epoch: None,
        };
        self.app.ports.orders.commit(vec![change]).await.remove(0).unwrap();
        order
    }

    async fn next(&self, order: &Order, verdict: doos_domain::order::Verdict) -> Arc<Order> {
        match verdict {
            Ok(Outcome::Changed(step)) => self.commit(order.version, step.order).await,
            other => panic!("{other:?}"),
        }
    }

    /// So many orders; each third is paid, each ninth cancelled again.
    async fn trade(&self, count: u64) {
        for number in 0..count {
            let user = UserId::new(number % 5 + 1).unwrap();
            let id = self.ids.next(user.bucket(), self.app.ports.clock.now()).unwrap();
            let unit_price = Money::new(250, Currency::Cny);
            let product_id = ProductId::new(number % 3 + 1).unwrap();
            let quote = Quote {
                lines: vec![Line { product_id, quantity: 2, unit_price }],
                total: Money::new(500, Currency::Cny),
            };
            let address = Some(format!("上海市静安区 {number}"));
            let placed = self.commit(0, Order::place(id, user, quote, address, &self.cause()).order).await;
            if number % 3 != 0 {
                continue;
            }
            let order = self.next(&placed, placed.stock_decided(Decision::Deducted, &self.cause())).await;
            let order = self.next(&order, order.pay(None, &self.cause())).await;
            let captured = order.payment_captured(&AttemptId::nth(id, 1), order.total, &self.cause());
            let order = self.next(&order, captured).await;
            if number % 9 == 0 {
                self.next(&order, order.cancel(&self.cause())).await;
            }
        }
    }

    async fn follow_until_level(&self) {
        for _ in 0..10_000 {
            let followed = self.app.follow_feed(self.app.ports.clock.now()).await;
            if followed.is_ok_and(|followed| !followed.is_behind) {
                return;
            }
        }
        panic!("the read models never came level");
    }

    async fn read(&self) -> Sums {
        let totals = self.app.ports.statistics.totals().await.unwrap();
        let everything = SearchQuery { limit: 10_000, ..SearchQuery::default() };
        Sums {
            all_time: totals.all_time,
            states: totals.states.into_iter().filter(|(_, count)| *count != 0).collect(),
            found: self.app.ports.search.search(&everything).await.unwrap().orders.len(),
        }
    }

    /// The same, from the orders themselves.
    fn counted(&self) -> Sums {
        self.engines.look(|durable| {
            let mut tally = Tally::new(Calendar::default());
            for order in durable.orders() {
                tally.add(&Contribution::of(order));
            }
            let ever = tally.series.into_iter().filter(|(key, _)| key.step.is_none());
            Sums {
                all_time: ever.map(|(key, figures)| (key.currency, figures)).collect(),
                states: tally.states,
                found: durable.orders().count(),
            }
        })
    }
}

fn block_on<T>(call: impl Future<Output = T>) -> T {
    futures::executor::block_on(call)
}

/// Over real files, as a node has them.
fn with_files(dir: &tempfile::TempDir) -> impl FnOnce(&mut Ports) {
    let projections = Projections::open(dir.path(), ProjectionOptions::default()).unwrap();
    move |ports| {
        ports.statistics = projections.statistics;
        ports.search = projections.search;
    }
}

/// A feed whose positions are its process's own, as one over many logs has them: only its tokens outlive it.
struct OwnPositions {
    feed: Arc<dyn ChangeFeed>,
    base: u64,
}

impl OwnPositions {
    fn mine(&self, theirs: Position) -> Position {
        if theirs.0 == 0 { theirs } else { Position(theirs.0 + self.base) }
    }

    fn theirs(&self, mine: Position) -> Position {
        Position(mine.0.saturating_sub(self.base))
    }
}

#[async_trait::async_trait]
impl ChangeFeed for OwnPositions {
    async fn end(&self) -> doos_ports::Result<Position> {
        Ok(self.mine(self.feed.end().await?))
    }

    async fn oldest(&self) -> doos_ports::Result<Position> {
        Ok(self.mine(self.feed.oldest().await?))
    }

    async fn read(&self, after: Position, limit: usize) -> doos_ports::Result<Vec<Changed>> {
        let changes = self.feed.read(self.theirs(after), limit).await?;
        Ok(changes.into_iter().map(|it| Changed { position: self.mine(it.position), ..it }).collect())
    }

    async fn ready(&self, after: Position) {
        self.feed.ready(self.theirs(after)).await;
    }

    fn token(&self, position: Position) -> String {
        format!("own-{}", self.theirs(position).0)
    }

    async fn resume(&self, token: &str) -> doos_ports::Result<Option<Position>> {
        let Some(number) = token.strip_prefix("own-") else { return Ok(None) };
        Ok(self.feed.resume(number).await?.map(|theirs| self.mine(theirs)))
    }
}

fn with_own_positions(base: u64) -> impl FnOnce(&mut Ports) {
    move |ports| ports.feed = Arc::new(OwnPositions { feed: Arc::clone(&ports.feed), base })
}

#[test]
fn where_a_read_model_stands_outlives_the_process_that_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    let open = |base: u64| {
        let with_files = with_files(&dir);
        move |ports: &mut Ports| {
            with_files(ports);
            with_own_positions(base)(ports);
        }
    };
    block_on(async {
        let mut shop = Shop::open(Rates::none(), open(1_000)).await;
        shop.trade(20).await;
        shop.follow_until_level().await;
        let epochs = shop.epochs().await;
        // What one process calls a place lies behind the end for the next one, and before everything for the third.
        for base in [3, 1_000_000, 40] {
            shop = shop.start_again(open(base)).await;
            shop.trade(7).await;
            assert!(shop.app.feed_lags().await.unwrap().iter().all(|lag| !lag.is_walking && !lag.is_away));
            shop.follow_until_level().await;
            assert_eq!(shop.read().await, shop.counted(), "base {base}");
            assert_eq!(shop.epochs().await, epochs, "nothing began anew with base {base}");
        }
        shop = shop.start_again(open(9)).await;
        shop.trade(9).await;
        shop.engines.feed.forget_all_but(2);
        assert!(shop.app.feed_lags().await.unwrap().iter().all(|lag| lag.is_walking), "what it stands at is gone");
        shop.follow_until_level().await;
        assert_eq!(shop.read().await, shop.counted());
        assert_eq!(shop.epochs().await, epochs.map(|epoch| epoch + 1));
    });
}

#[test]
fn a_read_model_that_cannot_be_asked_is_behind_from_where_it_was_last_seen() {
    block_on(async {
        let shop = Shop::open(Rates::none(), |_| {}).await;
        shop.trade(8).await;
        shop.follow_until_level().await;
        let back = shop.app.ports.clock.now().plus_millis(60_000);
        shop.engines.faults().set_rough();
        shop.engines.faults().set_away(Part::Search, back);
        shop.trade(1).await;
        shop.app.ports.clock.sleep(Duration::from_secs(7)).await;
        // Five changes are more than one group: the one that is there goes on at once, and then the trouble is told.
        assert!(shop.app.follow_feed(shop.app.ports.clock.now()).await.unwrap().is_behind);
        shop.app.follow_feed(shop.app.ports.clock.now()).await.unwrap_err();
        let lags = shop.app.feed_lags().await.unwrap();
        let told: Vec<_> = lags.iter().map(|lag| (lag.name, lag.lag_ms >= 7_000, lag.is_away)).collect();
        assert_eq!(told, [("statistics", false, false), ("search", true, true)]);
        shop.engines.faults().set_calm();
        shop.follow_until_level().await;
        assert!(shop.app.feed_lags().await.unwrap().iter().all(|lag| lag.lag_ms == 0 && !lag.is_away));
    });
}

#[test]
fn everything_committed_is_counted_and_found() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let shop = Shop::open(Rates::none(), with_files(&dir)).await;
        for _ in 0..3 {
            shop.trade(20).await;
            shop.follow_until_level().await;
            assert_eq!(shop.read().await, shop.counted());
        }
        assert!(shop.app.feed_lags().await.unwrap().iter().all(|lag| lag.lag_ms == 0 && !lag.is_walking));
    });
}

#[test]
fn a_read_model_that_was_left_behind_is_filled_again_while_orders_go_on() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let shop = Shop::open(Rates::none(), with_files(&dir)).await;
        shop.trade(10).await;
        shop.follow_until_level().await;
        shop.trade(30).await;
        shop.engines.feed.forget_all_but(3);
        // Between any two steps of the filling there are new orders and changes.
        for _ in 0..12 {
            shop.app.follow_feed(shop.app.ports.clock.now()).await.unwrap();
            shop.trade(2).await;
        }
        assert!(shop.app.feed_lags().await.unwrap().iter().any(|lag| lag.is_walking), "it is still being filled");
        shop.follow_until_level().await;
        assert_eq!(shop.read().await, shop.counted());
    });
}

#[test]
fn a_rebuild_comes_to_the_same_as_what_it_replaces() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let shop = Shop::open(Rates::none(), with_files(&dir)).await;
        shop.trade(40).await;
        shop.follow_until_level().await;
        let before = shop.read().await;
        let amy = Principal::Operator("amy".to_owned());
        shop.app.rebuild_projections(&Principal::Demo.into()).await.unwrap_err();
        assert!(shop.app.until_begun_anew().now_or_never().is_none());
        shop.app.rebuild_projections(&amy.into()).await.unwrap();
        assert!(shop.app.until_begun_anew().now_or_never().is_some(), "whoever waits for a change is woken");
        assert_eq!(shop.read().await.found, 0);
        shop.follow_until_level().await;
        assert_eq!(shop.read().await, before);
        assert_eq!(before, shop.counted());
    });
}

#[test]
fn a_store_that_knows_less_than_a_read_model_makes_it_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let shop = Shop::open(Rates::none(), with_files(&dir)).await;
        shop.trade(30).await;
        shop.follow_until_level().await;
        drop(shop);
        // Another store under the same files, with fewer changes than they stand at.
        let other = Shop::open(Rates::none(), with_files(&dir)).await;
        other.trade(4).await;
        other.follow_until_level().await;
        assert_eq!(other.read().await, other.counted());
    });
}

#[test]
fn cut_off_between_any_two_steps_and_failing_it_ends_right() {
    for seed in 0..20_u64 {
        block_on(async {
            let shop = Shop::open(Rates::rough(), |_| {}).await;
            let mut cut_after = seed;
            for round in 0..15 {
                shop.trade(3).await;
                if round == 7 {
                    shop.engines.feed.forget_all_but(2);
                }
                shop.engines.faults().set_rough();
                for _ in 0..4 {
                    // Polled so often, then dropped, wherever it is.
                    cut_after = (cut_after * 7 + 3) % 23;
                    let mut round = pin!(shop.app.follow_feed(shop.app.ports.clock.now()));
                    for _ in 0..cut_after {
                        if (&mut round).now_or_never().is_some() {
                            break;
                        }
                    }
                }
                shop.engines.faults().set_calm();
            }
            shop.follow_until_level().await;
            assert_eq!(shop.read().await, shop.counted(), "seed {seed}");
        });
    }
}

#[test]
fn read_models_that_are_level_are_equal_to_the_orders() {
    let dir = tempfile::tempdir().unwrap();
    block_on(async {
        let shop = Shop::open(Rates::none(), with_files(&dir)).await;
        let amy = Principal::Operator("amy".to_owned());
        shop.app.compare_projections(&Principal::Demo).await.unwrap_err();
        shop.trade(30).await;
        shop.follow_until_level().await;
        let told = shop.app.compare_projections(&amy).await.unwrap();
        assert!(told.iter().all(Comparison::is_equal), "{told:?}");
        let counts: Vec<_> = told.iter().map(|it| (it.name, it.orders, it.held)).collect();
        assert_eq!(counts, [("statistics", 30, 30), ("search", 30, 30)]);
        assert!(matches!(told[0].sums, Compared::Equal(count) if count > 3), "{told:?}");
        assert_eq!(told[1].sums, Compared::None);
    });
}

#[test]
fn a_change_under_way_is_no_difference() {
    block_on(async {
        let shop = Shop::open(Rates::none(), |_| {}).await;
        let amy = Principal::Operator("amy".to_owned());
        shop.trade(12).await;
        shop.follow_until_level().await;
        // What comes now is carried only while the comparison waits for it.
        shop.trade(6).await;
        let comparing = shop.app.compare_projections(&amy);
        let carrying = async {
            for _ in 0..100 {
                shop.app.ports.clock.sleep(Duration::from_millis(1)).await;
            }
            shop.follow_until_level().await;
        };
        let (told, ()) = futures::future::join(comparing, carrying).await;
        let told = told.unwrap();
        assert!(told.iter().all(Comparison::is_equal), "{told:?}");
    });
}

#[test]
fn what_is_missing_old_or_too_much_is_told() {
    block_on(async {
        let shop = Shop::open(Rates::none(), |_| {}).await;
        let amy = Principal::Operator("amy".to_owned());
        shop.trade(3).await;
        shop.follow_until_level().await;
        let ports = &shop.app.ports;
        // Somebody has moved the standings past what was never applied.
        shop.trade(2).await;
        let token = ports.feed.token(ports.feed.end().await.unwrap());
        for projection in [ports.statistics.standing().await.unwrap(), ports.search.standing().await.unwrap()] {
            assert_ne!(projection.token, token);
        }
        let standing = ports.statistics.standing().await.unwrap();
        ports.statistics.apply(&[], Standing { token: token.clone(), ..standing }).await.unwrap();
        let standing = ports.search.standing().await.unwrap();
        let stranger = {
            let user = UserId::new(9).unwrap();
            let id = shop.ids.next(user.bucket(), ports.clock.now()).unwrap();
            let quote = Quote { lines: Vec::new(), total: Money::new(0, Currency::Cny) };
            Arc::new(Order::place(id, user, quote, None, &shop.cause()).order)
        };
        let page = ports.orders.list(doos_ports::order_store::Query { limit: 10, ..Default::default() }).await.unwrap();
        let ids: Vec<_> = page.orders.iter().map(|order| order.id).collect();
        let versions = ports.search.versions(&ids).await.unwrap();
        let (known, unknown): (Vec<_>, Vec<_>) =
            page.orders.iter().zip(versions).partition(|(_, version)| version.is_some());
        let mut ahead = Order::clone(known[0].0);
        ahead.version += 5;
        let mut tampered = vec![stranger, Arc::new(ahead)];
        tampered.extend(unknown.iter().map(|(order, _)| Arc::clone(order)));
        ports.search.apply(&tampered, Standing { token, ..standing }).await.unwrap();
        let told = shop.app.compare_projections(&amy).await.unwrap();
        let counts = |it: &Comparison| (it.missing, it.behind, it.ahead, it.surplus);
        assert_eq!(counts(&told[0]), (2, 0, 0, 0), "{told:?}");
        assert_eq!(counts(&told[1]), (0, 0, 1, 1), "{told:?}");
        assert!(!told[0].is_equal() && !told[1].is_equal());
        let Compared::Different(_, different, words) = &told[0].sums else { panic!("{told:?}") };
        assert!(*different > 0 && !words.is_empty());
    });
}

#[test]
fn a_read_model_is_left_alone_when_it_is_told_so() {
    block_on(async {
        let shop = Shop::open(Rates::none(), |_| {}).await;
        shop.trade(3).await;
        let only_search = |name: &str| if name == "search" { Patience::None } else { Patience::Full };
        let mut rounds = 0;
        while {
            let round = shop.app.follow_feed_with(shop.app.ports.clock.now(), only_search).await;
            assert!(round.failed.is_empty() && round.brought_on == ["statistics"]);
            round.followed.unwrap().is_behind
        } {
            rounds += 1;
            assert!(rounds < 100);
        }
        let lags = shop.app.feed_lags().await.unwrap();
        assert_eq!(shop.app.ports.statistics.order_count().await.unwrap(), 3);
        assert_eq!(shop.app.ports.search.order_count().await.unwrap(), 0, "{lags:?}");
        let nobody = shop.app.follow_feed_with(shop.app.ports.clock.now(), |_| Patience::None).await;
        assert!(nobody.followed.is_none() && nobody.failed.is_empty());
    });
}
