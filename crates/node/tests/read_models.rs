//! A search engine that hangs holds up nobody but searches: statistics go on beside it, and search catches up by itself.
#![cfg(test)]

use doos_adapter_opensearch::{OpenSearchIndex, Options};
use doos_adapter_sim::{Pause, SimEngines, SimOptions, SimRuntime};
use doos_app::App;
use doos_domain::actor::Cause;
use doos_domain::ids::{Generator, UserId};
use doos_domain::money::{Currency, Money};
use doos_domain::order::Order;
use doos_domain::pricing::Quote;
use doos_domain::time::Timestamp;
use doos_ports::order_store::Change;
use doos_ports::projection::Projection;
use doos_roles::{Cdc, drive};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

struct RealTime(Instant, AtomicU64);

impl SimRuntime for RealTime {
    #[expect(clippy::disallowed_methods, reason = "the engine behind the proxy is a real one")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
    }

    #[expect(clippy::disallowed_methods, reason = "the engine behind the proxy is a real one")]
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> Pause {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        self.1.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }

    fn yield_now(&self) -> Pause {
        Box::pin(tokio::task::yield_now())
    }
}

/// Passes everything on to the engine, or while it hangs takes what comes and says nothing.
#[expect(clippy::disallowed_methods, reason = "the test stands in for the node, which owns its tasks")]
async fn proxy(listener: TcpListener, engine: String, hangs: watch::Receiver<bool>) {
    loop {
        let Ok((mut client, _)) = listener.accept().await else { return };
        let (engine, mut hangs) = (engine.clone(), hangs.clone());
        tokio::task::spawn(async move {
            if *hangs.borrow() {
                let mut swallowed = [0; 4096];
                while client.read(&mut swallowed).await.is_ok_and(|len| len > 0) {}
                return;
            }
            let Ok(mut server) = TcpStream::connect(engine).await else { return };
            let is_over = tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => true,
                hanging = async { hangs.wait_for(|hangs| *hangs).await.map(drop) } => hanging.is_err(),
            };
            // A stopped process keeps its connections and says nothing more on them.
            if !is_over {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        });
    }
}

struct Shop {
    app: Arc<App>,
    ids: Generator,
}

impl Shop {
    async fn place(&self) {
        let now = self.app.ports.clock.now();
        let user = UserId::new(7).unwrap();
        let id = self.ids.next(user.bucket(), now).unwrap();
        let quote = Quote { lines: Vec::new(), total: Money::new(100, Currency::Cny) };
        let order = Arc::new(Order::place(id, user, quote, None, &Cause::system("test", now)).order);
        let change = Change { expected_version: 0, order, messages: Vec::new(), answer: None, gate_epoch: None };
        self.app.ports.orders.commit(vec![change]).await.remove(0).unwrap();
    }

    async fn until(&self, projection: &dyn Projection, count: u64, within: Duration) -> Duration {
        let clock = &self.app.ports.clock;
        let begun = clock.monotonic();
        loop {
            if projection.order_count().await.is_ok_and(|held| held >= count) {
                return clock.monotonic().saturating_sub(begun);
            }
            let waited = clock.monotonic().saturating_sub(begun);
            assert!(waited < within, "{} has not {count} orders after {waited:?}", projection.name());
            clock.sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The engine's host and port; none where there is no engine, which a developer's machine may say and CI may not.
fn engine() -> Option<String> {
    let address = std::env::var("DOOS_TEST_OPENSEARCH").ok();
    if address.is_none() {
        println!("NOT RUN: no OpenSearch; set DOOS_TEST_OPENSEARCH or see scripts/services.sh");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "CI must have a search engine");
    }
    Some(address?.trim_start_matches("http://").trim_end_matches('/').to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the test stands in for the node, which owns its tasks")]
#[tokio::test]
async fn statistics_go_on_while_the_search_engine_hangs_and_search_catches_up() {
    let Some(engine) = engine() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = format!("http://{}", listener.local_addr().unwrap());
    let (hang, hangs) = watch::channel(false);
    let proxied = tokio::spawn(proxy(listener, engine, hangs));
    let runtime = Arc::new(RealTime(Instant::now(), AtomicU64::new(1)));
    let engines = SimEngines::new(SimOptions::default(), runtime);
    let mut ports = engines.ports(1, engines.clock(), engines.gate());
    let prefix = format!("t-node-{}-{}", std::process::id(), ports.clock.now().as_millis());
    let options = Options { nodes: vec![node], prefix, request_timeout_ms: 3_000, ..Options::default() };
    let index = Arc::new(OpenSearchIndex::new(options, Arc::clone(&ports.clock)).unwrap());
    ports.search = Arc::clone(&index) as _;
    let (app, _) = App::start(ports, doos_app::Options::default()).await.unwrap();
    let now = app.ports.clock.now();
    let shop = Shop { app: Arc::clone(&app), ids: Generator::new(3, now, now.plus_millis(86_400_000)) };
    let cdc =
        tokio::spawn(drive(Box::new(Cdc::new(Arc::clone(&app))), Arc::clone(&app.ports.clock), std::future::pending()));
    let patience = Duration::from_secs(60);
    shop.place().await;
    shop.until(&*app.ports.search, 1, patience).await;
    hang.send(true).unwrap();
    // The first one meets the engine unprepared, and the next waits for as long as a request may take.
    for count in 2..4 {
        shop.place().await;
        shop.until(&*engines.statistics, count, patience).await;
    }
    for count in 4..7 {
        shop.place().await;
        let took = shop.until(&*engines.statistics, count, patience).await;
        assert!(took < Duration::from_millis(2_500), "order {count} was counted after {took:?}");
    }
    let lags = app.feed_lags().await.unwrap();
    assert!(lags.iter().any(|lag| lag.name == "search" && lag.is_away), "{lags:?}");
    hang.send(false).unwrap();
    shop.until(&*app.ports.search, 6, patience).await;
    let amy = doos_app::Principal::Operator("amy".to_owned());
    let told = app.compare_projections(&amy).await.unwrap();
    assert!(told.iter().all(doos_app::comparing::Comparison::is_equal), "{told:?}");
    cdc.abort();
    index.forget().await.unwrap();
    proxied.abort();
}
