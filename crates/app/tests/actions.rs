//! What the back office does is written down before it is done: with the log away nothing is done, and whatever happens
//! in between, the log says so.
#![cfg(test)]

use doos_adapter_sim::{Part, Pause, SimEngines, SimOptions, SimRuntime};
use doos_app::actions::Asked;
use doos_app::dead_letters::Settling;
use doos_app::keys::Key;
use doos_app::stock::{Adjusted, Adjustment};
use doos_app::{App, Options, Principal};
use doos_domain::action::{Action, Deed, Ending};
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::{EPOCH_MILLIS, MessageId, ProductId};
use doos_domain::money::{Currency, Money};
use doos_domain::time::Timestamp;
use doos_ports::stock_gate::Level;
use futures::FutureExt;
use futures::executor::block_on;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

/// Time stands still; every call yields once on its way.
#[derive(Default)]
struct StandingStill(AtomicU64);

impl SimRuntime for StandingStill {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(EPOCH_MILLIS + 86_400_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _duration: Duration) -> Pause {
        self.yield_now()
    }

    fn random(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
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
    app: Arc<App>,
}

const ONE: u64 = 1;

fn amy() -> Principal {
    Principal::Operator("amy".to_owned())
}

fn product() -> ProductId {
    ProductId::new(ONE).unwrap()
}

impl Shop {
    async fn open() -> Self {
        let engines = SimEngines::new(SimOptions::default(), Arc::new(StandingStill::default()));
        let ports = engines.ports(1, engines.clock(), engines.gate());
        let (app, _) = App::start(ports, Options::default()).await.unwrap();
        let kettle = Product {
            id: product(),
            version: 1,
            name: LocalText::plain("Kettle"),
            description: LocalText::default(),
            price: Money::new(500, Currency::Eur),
            category: String::new(),
            picture: None,
            on_sale: true,
            updated_at: app.ports.clock.now(),
        };
        app.seed_product(kettle).await.unwrap();
        Self { engines, app }
    }

    async fn adjust(&self, adjustment: Adjustment, key: Option<Key>) -> doos_app::Result<Adjusted> {
        let asked = Asked::from(amy()).traced(Some("00-trace".to_owned()));
        let render = |_, level: &Level| format!("{}", level.received);
        self.app.adjust_stock(&asked, product(), adjustment, Some("van 7".to_owned()), key, render).await
    }

    async fn log(&self) -> Vec<Action> {
        self.app.actions(&amy(), None, 100).await.unwrap()
    }

    fn received(&self) -> i64 {
        self.engines.look(|durable| durable.stock.rows.get(&product()).map_or(0, |row| row.received))
    }
}

#[test]
fn an_action_says_who_did_what_to_what_in_which_trace() {
    block_on(async {
        let shop = Shop::open().await;
        shop.adjust(Adjustment::Receive { quantity: 7 }, None).await.unwrap();
        let log = shop.log().await;
        let [action] = log.as_slice() else { panic!("{log:?}") };
        assert_eq!((action.actor.as_str(), action.deed), ("operator:amy", Deed::ReceiveStock));
        assert_eq!((action.subject.as_str(), action.trace.as_deref()), ("1", Some("00-trace")));
        assert_eq!((action.details["quantity"].as_str(), action.details["reference"].as_str()), ("7", "van 7"));
        assert_eq!((action.ending.clone(), action.at), (Some(Ending::Done), shop.app.ports.clock.now()));
    });
}

#[test]
fn what_was_refused_stands_in_the_log_with_its_code() {
    block_on(async {
        let shop = Shop::open().await;
        let refused = shop.adjust(Adjustment::WriteOff { quantity: 1 }, None).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), "not_enough_free");
        let endings: Vec<_> = shop.log().await.into_iter().map(|action| action.ending).collect();
        assert_eq!(endings, [Some(Ending::Refused { code: "not_enough_free".to_owned() })]);
    });
}

#[test]
fn with_the_log_away_nothing_is_done() {
    block_on(async {
        let shop = Shop::open().await;
        let later = shop.app.ports.clock.now().plus_millis(1);
        shop.engines.faults().set_rough();
        shop.engines.faults().set_away(Part::Catalog, later);
        let refused = shop.adjust(Adjustment::Receive { quantity: 7 }, None).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), "unavailable");
        assert_eq!(shop.received(), 0);
    });
}

/// Drops the call after each number of polls in turn: wherever it dies, stock has moved only under an entry, and an
/// entry says `done` only if it has.
#[test]
fn a_call_that_dies_anywhere_leaves_no_effect_without_its_entry() {
    let mut seen = Vec::new();
    for polls in 0.. {
        let finished = block_on(async {
            let shop = Shop::open().await;
            let mut call = pin!(shop.adjust(Adjustment::Receive { quantity: 7 }, None));
            let mut finished = false;
            for _ in 0..polls {
                if futures::poll!(call.as_mut()).is_ready() {
                    finished = true;
                    break;
                }
            }
            let log: Vec<Option<Ending>> =
                shop.engines.look(|durable| durable.actions.values().map(|action| action.ending.clone()).collect());
            let moved = shop.received() == 7;
            assert!(!moved || log.len() == 1, "after {polls} polls stock has moved and nobody wrote it down");
            assert!(moved || log != [Some(Ending::Done)], "after {polls} polls it says done and is not");
            seen.push((moved, log));
            finished
        });
        if finished {
            break;
        }
    }
    for expected in [(false, vec![]), (false, vec![None]), (true, vec![None]), (true, vec![Some(Ending::Done)])] {
        assert!(seen.contains(&expected), "{expected:?} was never met in {seen:?}");
    }
}

#[test]
fn a_call_answered_from_its_key_is_written_down_once() {
    block_on(async {
        let shop = Shop::open().await;
        let key = || Some(Key::try_new(amy().scope(), "key-1", 1).unwrap());
        assert!(matches!(shop.adjust(Adjustment::Receive { quantity: 7 }, key()).await.unwrap(), Adjusted::Now(_)));
        assert!(matches!(shop.adjust(Adjustment::Receive { quantity: 7 }, key()).await.unwrap(), Adjusted::Before(_)));
        assert_eq!((shop.received(), shop.log().await.len()), (7, 1));
    });
}

#[test]
fn the_log_is_for_operators() {
    block_on(async {
        let shop = Shop::open().await;
        for stranger in [Principal::Demo, Principal::Service("pos".to_owned())] {
            let refused = shop.app.actions(&stranger, None, 10).await.unwrap_err();
            assert_eq!(refused.code(), "forbidden");
        }
    });
}

#[test]
fn between_one_and_a_hundred_letters_are_settled_at_once() {
    block_on(async {
        let shop = Shop::open().await;
        let ids = |count: usize| (0..count).map(|number| MessageId::from_text(number.to_string())).collect::<Vec<_>>();
        let asked = Asked::from(amy());
        for count in [0, 101] {
            let refused = shop.app.settle_dead_letters(&asked, ids(count), Settling::Discard).await.unwrap_err();
            assert_eq!(refused.code(), "invalid_request", "{count}");
        }
        let settled = shop.app.settle_dead_letters(&asked, ids(100), Settling::Discard).now_or_never();
        assert!(settled.is_none(), "it asks the store");
        let twice = [ids(2), ids(2)].concat();
        let settled = shop.app.settle_dead_letters(&asked, twice, Settling::Replay).await.unwrap();
        let codes: Vec<_> =
            settled.iter().map(|(id, letter)| (id.as_str(), letter.as_ref().unwrap_err().code())).collect();
        assert_eq!(codes, [("0", "not_found"), ("1", "not_found")]);
        assert!(shop.log().await.is_empty(), "there was nothing to settle");
    });
}
