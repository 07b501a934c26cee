//! World two: the real embedded store, journal and database, on a machine whose power fails.
//!
//! What holds: one process with everything in it. Its writer and its folder are tasks, driven step by step; a sync
//! takes virtual time during which others place, read and die. The process is killed between any two polls, the power
//! fails between any two calls to the disk, a sync fails now and then. After each the process starts again from what
//! the machine kept.
//!
//! Where to read next: `machine.rs` for what a power cut takes, `audit.rs` for how the store is looked at.

mod audit;
mod machine;

use doos_adapter_embedded::{Folder, MemoryGate, Store, Writer};
use doos_adapter_sim::{Faults, Rates, SimEngines, SimOptions};
use doos_app::App;
use doos_domain::ids::ProductId;
use doos_domain::order::Order;
use doos_journal::sim_disk::Call;
use doos_ports::Ports;
use doos_ports::bus::Position;
use doos_ports::stock_gate::StockGate;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::check::{self, StockHistory, View, Watch};
use crate::clients::{self, Buyer};
use crate::cluster::{QuickCarrier, WatchedGate, product};
use crate::executor::{Executor, NodeId, Step};
use crate::planted::Planted;
use crate::scenario::{CALM_MS_MAX, Scenario};
use crate::site::{OUTSIDE, Site};
use crate::verdict::Verdict;
use machine::Machine;

const NODE: NodeId = 1;
const GATE_LOOKS_MAX: u64 = 60;

struct Shop {
    site: Arc<Site>,
    history: Arc<StockHistory>,
    planted: Planted,
    machine: Mutex<Machine>,
    /// The process that is up: its store and its gate.
    up: Mutex<Option<(Store, Arc<dyn StockGate>)>>,
    /// The next death of the process is a power cut.
    power_fails: AtomicBool,
    /// The next process is about to start; two deaths at once make one.
    starts_soon: AtomicBool,
    seen: Mutex<Seen>,
}

/// What the feed has shown so far; it outlives the process.
#[derive(Default)]
struct Seen {
    position: Position,
    versions: Vec<Arc<Order>>,
    handed_on: usize,
    rests: bool,
    view: Option<View>,
}

/// Runs one seed to its end and judges it.
pub fn run(seed: u64, planted: &Planted, verbose: bool) -> Verdict {
    let mut scenario = Scenario::draw(seed);
    // One process: nothing gets lost between it and its own store.
    scenario.rates = Rates { calls_failed: 0, replies_lost: 0, calls_slow: 0, outages: 0, ..scenario.rates };
    scenario.shards = 1;
    scenario.spread = false;
    // The journal is the bus: no stranger can put a message on it.
    scenario.poison = false;
    run_scenario(scenario, planted, verbose)
}

pub fn run_scenario(scenario: Scenario, planted: &Planted, verbose: bool) -> Verdict {
    let executor = Executor::new(scenario.seed);
    if !verbose {
        executor.trace.silence();
    }
    executor.note(|| format!("{scenario:?}"));
    let options = SimOptions {
        shards: 1,
        seed: scenario.seed ^ 0x6661_756c_7473,
        latency_max_ms: scenario.latency_max_ms,
        faults: Faults::new(scenario.rates.clone()),
    };
    let engines = SimEngines::new(options, executor.runtime());
    let machine = Machine::new(scenario.seed).expect("a directory for the database can be made");
    let site = Site::new(executor, engines, scenario, false);
    let history = Arc::new(StockHistory::new(Arc::clone(&site.executor)));
    let shop = Arc::new(Shop {
        site,
        history,
        planted: planted.clone(),
        machine: Mutex::new(machine),
        up: Mutex::default(),
        power_fails: AtomicBool::new(false),
        starts_soon: AtomicBool::new(false),
        seen: Mutex::default(),
    });
    let verdict = shop.live();
    shop.put_down();
    shop.site.end();
    verdict
}

impl Shop {
    fn live(self: &Arc<Self>) -> Verdict {
        let mut watch = Watch::new(Arc::clone(&self.site), Arc::clone(&self.history));
        self.open_shop(&mut watch);
        let faults_until = self.site.executor.elapsed_ms() + self.site.scenario.faults_for_ms;
        self.start_clients();
        self.start_chaos();
        self.go(faults_until, &mut watch, |_| false);
        self.site.set_calm();
        self.cut_power_once_more();
        let own = Arc::clone(self);
        self.site.executor.spawn(OUTSIDE, async move { own.wait_for_rest().await });
        let rests = self.go(faults_until + CALM_MS_MAX, &mut watch, |_| lock(&self.seen).rests);
        let caught = self.planted.is_any() && !self.site.oracle.is_clean();
        let view = lock(&self.seen).view.take().unwrap_or_default();
        if !caught {
            check::at_rest(&view, &self.site, rests);
        }
        Verdict::of(&self.site, view.orders.len())
    }

    fn go(self: &Arc<Self>, until_ms: u64, watch: &mut Watch, mut done: impl FnMut(Step) -> bool) -> bool {
        self.site.executor.run(until_ms, |step| {
            self.hand_on(watch);
            let stopped = self.store().is_some_and(|store| store.stopped().is_some());
            if stopped {
                self.site.executor.note(|| "the store has stopped, the process ends".to_owned());
                self.site.executor.crash(NODE);
                self.bury();
            }
            if !self.site.executor.take_crashed().is_empty() {
                self.bury();
            }
            done(step) || (!self.site.oracle.is_clean() && self.planted.is_any())
        })
    }

    /// Gives what the feed has shown to the watch.
    fn hand_on(&self, watch: &mut Watch) {
        let mut seen = lock(&self.seen);
        while let Some(order) = seen.versions.get(seen.handed_on).cloned() {
            seen.handed_on += 1;
            watch.version(&order);
        }
    }

    fn store(&self) -> Option<Store> {
        lock(&self.up).as_ref().map(|(store, _)| store.clone())
    }

    fn put_down(&self) {
        self.site.close_desk(NODE);
        let gone = lock(&self.up).take();
        drop(gone);
    }

    /// The process is gone. The machine keeps what it keeps, and starts it again.
    fn bury(self: &Arc<Self>) {
        let oldest = self.store().map(|store| store.depths().journal_oldest);
        self.put_down();
        if self.power_fails.swap(false, Ordering::Relaxed) {
            // Without a store nobody knows how far back the journal reaches.
            let back = self.site.executor.up_to(1) == 0 && oldest.is_some();
            self.site.executor.note(|| format!("power cut (database falls back: {back})"));
            let seed = self.site.executor.up_to(u64::MAX - 1);
            let kept = lock(&self.machine).lose_power(seed, back, oldest.unwrap_or_default());
            kept.expect("the simulated machine's directory can be written");
        }
        if self.starts_soon.swap(true, Ordering::Relaxed) {
            return;
        }
        let shop = Arc::clone(self);
        self.site.executor.spawn(OUTSIDE, async move {
            let pause_ms = shop.site.executor.up_to(1_000);
            shop.site.executor.sleep(pause_ms).await;
            shop.boot();
        });
    }

    /// One last power cut: it also calls off the failures that were planned and did not strike yet.
    fn cut_power_once_more(self: &Arc<Self>) {
        self.power_fails.store(true, Ordering::Relaxed);
        self.site.executor.crash(NODE);
        self.bury();
    }

    fn boot(self: &Arc<Self>) {
        self.starts_soon.store(false, Ordering::Relaxed);
        let opened = lock(&self.machine).open(&self.planted);
        let parts = match opened {
            Ok(parts) => parts,
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                // A disk that fails while the store opens ends that process too; the next one tries again.
                if self.site.is_calm() || !self.disk_is_failing() {
                    self.site.oracle.finding("I3", format!("the store does not open: {error}: {cause}"));
                    return;
                }
                self.power_fails.store(true, Ordering::Relaxed);
                self.bury();
                return;
            }
        };
        let gate = self.planted.gate(Arc::new(MemoryGate::default()), &self.site.executor);
        let gate: Arc<dyn StockGate> = Arc::new(WatchedGate::new(gate, &self.site, Arc::clone(&self.history)));
        *lock(&self.up) = Some((parts.store.clone(), Arc::clone(&gate)));
        let cut = parts.recovery.cut.is_some();
        self.site.executor.note(|| format!("the process starts (last group cut: {cut})"));
        let (shop, store) = (Arc::clone(self), parts.store.clone());
        self.site.executor.spawn(NODE, async move { shop.write(parts.writer, store).await });
        let (shop, store) = (Arc::clone(self), parts.store.clone());
        self.site.executor.spawn(NODE, async move { shop.fold(parts.folder, store).await });
        let (shop, store) = (Arc::clone(self), parts.store.clone());
        self.site.executor.spawn(NODE, async move { shop.follow(store).await });
        let shop = Arc::clone(self);
        self.site.executor.spawn(NODE, async move { shop.serve(parts.store, gate).await });
    }

    fn disk_is_failing(&self) -> bool {
        self.power_fails.load(Ordering::Relaxed)
    }

    /// The writer: a group, and the time its sync takes.
    async fn write(self: Arc<Self>, mut writer: Writer, store: Store) {
        while let Some(group) = writer.next_group().await {
            let sync_ms = self.site.executor.up_to(self.site.scenario.latency_max_ms.max(1));
            self.site.executor.sleep(sync_ms).await;
            if !writer.write_group(group) {
                return;
            }
            for row in store.ledger().rows().await.unwrap_or_default() {
                self.history.note(&row);
                if !row.balances() {
                    self.site.oracle.finding("I1", format!("the books do not balance: {row:?}"));
                }
            }
            self.site.executor.sleep(0).await;
        }
    }

    async fn fold(self: Arc<Self>, mut folder: Folder, store: Store) {
        loop {
            let pause_ms = self.site.executor.up_to(400);
            self.site.executor.sleep(pause_ms).await;
            let records_max = 1 + self.site.executor.up_to(40) as usize;
            let Ok(folded) = folder.fold_once(records_max) else {
                // As the folder's own thread does: nothing more is folded, and the process ends.
                if store.stopped().is_none() && !self.disk_is_failing() {
                    self.site.oracle.finding("I3", "the journal could not be folded".to_owned());
                }
                return;
            };
            if folded.records > 0 && self.site.executor.up_to(3) == 0 {
                let kept = lock(&self.machine).keep_state(folded.position);
                kept.expect("the simulated machine's directory can be written");
            }
        }
    }

    /// Reads the feed as a projection does, from where it stood.
    async fn follow(self: Arc<Self>, store: Store) {
        loop {
            let after = lock(&self.seen).position;
            if let Ok((position, versions)) = audit::versions_after(&store, after).await {
                let mut seen = lock(&self.seen);
                seen.position = position;
                seen.versions.extend(versions);
            }
            let position = lock(&self.seen).position;
            let look_again = self.site.executor.sleep(500);
            futures::future::select(store.feed().ready(position), look_again).await;
        }
    }

    async fn serve(self: Arc<Self>, store: Store, gate: Arc<dyn StockGate>) {
        let ports = self.planted.wrap(self.ports(&store, gate), &self.site.executor, NODE);
        let options = doos_app::Options { worker: 1, ..self.site.scenario.options.clone() };
        let Ok((app, loops)) = App::start(ports, options).await else { return };
        for work in loops {
            self.site.executor.spawn(NODE, work.run);
        }
        if app.rebuild_gate().await.is_err() {
            return;
        }
        for name in doos_roles::ALL {
            let role = doos_roles::build(name, &app).expect("every listed role can be built");
            let clock = Arc::clone(&app.ports.clock);
            self.site.executor.spawn(NODE, doos_roles::drive(role, clock, std::future::pending()));
        }
        self.site.open_desk(NODE, app);
        self.site.executor.note(|| "the process serves".to_owned());
    }

    fn ports(&self, store: &Store, gate: Arc<dyn StockGate>) -> Ports {
        let engines = &self.site.engines;
        Ports {
            clock: self.site.clock(NODE),
            id_marks: store.id_marks(),
            orders: store.orders(),
            outbox: store.outbox(),
            ledger: store.ledger(),
            gate,
            bus: store.bus(),
            inbox: store.inbox(),
            feed: store.feed(),
            actions: store.actions(),
            catalog: store.catalog(),
            identities: store.identities(),
            payments: store.payments(),
            shipments: store.shipments(),
            statistics: engines.statistics.clone(),
            search: engines.search.clone(),
            provider: engines.provider.clone(),
            carrier: Arc::new(QuickCarrier { engines: engines.clone(), executor: Arc::clone(&self.site.executor) }),
        }
    }

    fn open_shop(self: &Arc<Self>, watch: &mut Watch) {
        self.site.engines.faults().set_calm();
        self.boot();
        let shop = Arc::clone(self);
        self.site.client(async move { shop.fill_shelves().await });
        let site = Arc::clone(&self.site);
        let opened = self.go(600_000, watch, |_| site.clients_busy() == 0);
        assert!(opened || self.planted.is_any(), "the shop opens while nothing fails");
        self.site.engines.faults().set_rough();
    }

    async fn fill_shelves(&self) {
        let app = loop {
            match self.site.any_desk() {
                Some((_, app)) => break app,
                None => self.site.executor.sleep(10).await,
            }
        };
        for (number, price, stock) in &self.site.scenario.products {
            let seeded = app.seed_product(product(*number, *price, &self.site)).await;
            assert!(seeded.is_ok(), "nothing fails while the shop opens");
            if *stock > 0 {
                clients::receive(&self.site, *number, *stock, &format!("first-{number}")).await;
            }
        }
    }

    fn start_clients(&self) {
        let site = &self.site;
        for number in 1..=site.scenario.buyers {
            site.client(Buyer::new(site, number).shop());
        }
        site.executor.spawn(OUTSIDE, clients::browse(Arc::clone(site)));
        site.executor.spawn(OUTSIDE, clients::carry_callbacks(Arc::clone(site)));
        site.client(clients::restock(Arc::clone(site), 3));
    }

    fn start_chaos(self: &Arc<Self>) {
        let every_ms = self.site.scenario.chaos_every_ms;
        if every_ms == 0 {
            return;
        }
        let shop = Arc::clone(self);
        self.site.executor.spawn(OUTSIDE, async move {
            let executor = &shop.site.executor;
            loop {
                let pause_ms = executor.up_to(2 * every_ms);
                executor.sleep(pause_ms).await;
                if shop.site.is_calm() {
                    return;
                }
                shop.strike();
            }
        });
    }

    fn strike(&self) {
        let executor = &self.site.executor;
        let disk = lock(&self.machine).disk();
        match executor.up_to(9) {
            0..=3 => executor.arm(NODE, executor.up_to(200)),
            4 | 5 => {
                self.power_fails.store(true, Ordering::Relaxed);
                executor.arm(NODE, executor.up_to(200));
            }
            // The power fails in the middle of what the store asks of its disk.
            6 | 7 => {
                self.power_fails.store(true, Ordering::Relaxed);
                disk.power_off_after(executor.up_to(8));
            }
            8 => {
                self.power_fails.store(true, Ordering::Relaxed);
                disk.fail_nth(Call::Sync, 1 + executor.up_to(5), std::io::ErrorKind::Other);
            }
            _ => {
                let by_ms = executor.up_to(30_000).cast_signed() - 15_000;
                self.site.clock(NODE).step(by_ms);
                executor.note(|| format!("the clock steps by {by_ms} ms"));
            }
        }
    }

    /// Looks once a second whether all work is done, then takes the last view.
    async fn wait_for_rest(self: Arc<Self>) {
        loop {
            self.site.executor.sleep(1_000).await;
            let up = lock(&self.up).clone();
            let Some((store, gate)) = up.filter(|_| self.site.clients_busy() == 0) else { continue };
            let poisoned = false;
            if !matches!(audit::is_at_rest(&store, poisoned).await, Ok(true)) {
                self.look(&store).await;
                continue;
            }
            self.settle_gate(&store, &gate).await;
            self.look(&store).await;
            lock(&self.seen).rests = true;
            return;
        }
    }

    async fn look(&self, store: &Store) {
        let versions = lock(&self.seen).versions.clone();
        if let Ok(view) = audit::view(store, &self.site, &self.history, versions).await {
            lock(&self.seen).view = Some(view);
        }
    }

    async fn settle_gate(&self, store: &Store, gate: &Arc<dyn StockGate>) {
        for _ in 0..GATE_LOOKS_MAX {
            let mut settled = true;
            for (number, ..) in &self.site.scenario.products {
                let product = ProductId::new(*number).expect("products are numbered from one");
                let level = gate.level(product).await.ok().flatten();
                let free = store.ledger().row(product).await.ok().flatten().map(|row| row.free);
                settled &= level.as_ref().map(|level| level.free) == free;
                self.history.shown(product, level);
            }
            if settled {
                return;
            }
            self.site.executor.sleep(1_000).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
