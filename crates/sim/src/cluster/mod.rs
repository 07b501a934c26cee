//! World one: the real use cases and roles over simulated engines, in one process or spread over five.
//!
//! What holds: a node's machine keeps its clock when the process dies; a process that starts again takes its worker
//! number anew, and the gate's owner rebuilds the gate before it serves anybody. Other nodes reach the gate over a link
//! that fails. Faults strike for a while, then everything is calm and must come to an end.
//!
//! Where to read next: `gate_watch.rs` for what is checked about the gate, `crate::check` for everything else.

mod carrier;
mod gate_link;
mod gate_watch;

use doos_adapter_embedded::MemoryGate;
use doos_adapter_sim::{Faults, SimEngines, SimOptions};
use doos_app::App;
use doos_domain::catalog::{LocalText, Product};
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::message::{Body, Consumer, Message};
use doos_domain::money::{Currency, Money};
use doos_ports::Ports;
use doos_ports::bus::EventBus;
use doos_ports::catalog_store::CatalogStore;
use doos_ports::stock_gate::StockGate;
use std::sync::Arc;

use crate::check::{self, StockHistory, View, Watch};
use crate::clients::{self, Buyer};
use crate::executor::{Executor, NodeId, Step};
use crate::planted::Planted;
use crate::scenario::{CALM_MS_MAX, Scenario};
use crate::site::{OUTSIDE, Site};
use crate::verdict::Verdict;
pub(crate) use carrier::QuickCarrier;
use gate_link::{GateLink, Owner};
pub(crate) use gate_watch::WatchedGate;

/// The node that owns the gate, serves callers and runs what watches the clock.
const FRONT: NodeId = 1;
/// A lost notice is made good within 30 s, a hold is asked after at its deadline; clocks may be off by some more.
const GATE_LOOKS_MAX: u64 = 150;

struct Node {
    id: NodeId,
    serves: bool,
    roles: &'static [&'static str],
}

const ALONE: &[Node] = &[Node { id: FRONT, serves: true, roles: &doos_roles::ALL }];
const SPREAD: &[Node] = &[
    Node { id: FRONT, serves: true, roles: &["timeouts", "deliveries", "id-keeper", "relay"] },
    Node { id: 2, serves: true, roles: &["id-keeper", "relay"] },
    Node { id: 3, serves: false, roles: &["inventory"] },
    Node { id: 4, serves: false, roles: &["order"] },
    Node { id: 5, serves: false, roles: &["payment", "shipping"] },
];

struct Cluster {
    site: Arc<Site>,
    owner: Owner,
    history: Arc<StockHistory>,
    planted: Planted,
}

/// Runs one seed to its end and judges it.
pub fn run(seed: u64, planted: &Planted, verbose: bool) -> Verdict {
    run_scenario(Scenario::draw(seed), planted, verbose)
}

pub fn run_scenario(scenario: Scenario, planted: &Planted, verbose: bool) -> Verdict {
    let executor = Executor::new(scenario.seed);
    if !verbose {
        executor.trace.silence();
    }
    let options = SimOptions {
        shards: scenario.shards,
        seed: scenario.seed ^ 0x6661_756c_7473,
        latency_max_ms: scenario.latency_max_ms,
        faults: Faults::new(scenario.rates.clone()),
    };
    executor.note(|| format!("{scenario:?}"));
    let engines = SimEngines::new(options, executor.runtime());
    let site = Site::new(executor, engines, scenario, true);
    let history = Arc::new(StockHistory::new(Arc::clone(&site.executor)));
    let cluster = Arc::new(Cluster { site, owner: Owner::default(), history, planted: planted.clone() });
    let verdict = cluster.live();
    cluster.owner.set(None);
    cluster.site.end();
    verdict
}

impl Cluster {
    fn nodes(&self) -> &'static [Node] {
        if self.site.scenario.spread { SPREAD } else { ALONE }
    }

    fn live(self: &Arc<Self>) -> Verdict {
        let mut watch = Watch::new(Arc::clone(&self.site), Arc::clone(&self.history));
        self.open_shop(&mut watch);
        let faults_until = self.site.executor.elapsed_ms() + self.site.scenario.faults_for_ms;
        self.start_clients();
        self.start_chaos();
        self.go(faults_until, &mut watch, |_| false);
        self.site.set_calm();
        let mut next_look_ms = 0;
        let rests = self.go(faults_until + CALM_MS_MAX, &mut watch, |step| {
            // Whether all is at rest is looked at when time passes, once a second.
            let now_ms = self.site.executor.elapsed_ms();
            if step != Step::TimePassed || now_ms < next_look_ms || self.site.clients_busy() > 0 {
                return false;
            }
            next_look_ms = now_ms + 1_000;
            self.site.engines.look(|durable| check::is_at_rest(durable, &self.site.scenario))
                && self.owner.get().is_some()
        });
        let caught = self.planted.is_any() && !self.site.oracle.is_clean();
        if !caught {
            self.settle_gate(&mut watch);
        }
        let view = self.view();
        if !caught {
            check::at_rest(&view, &self.site, rests);
        }
        Verdict::of(&self.site, view.orders.len())
    }

    /// Steps, watching what becomes durable and starting again whoever died.
    fn go(self: &Arc<Self>, until_ms: u64, watch: &mut Watch, mut done: impl FnMut(Step) -> bool) -> bool {
        self.site.executor.run(until_ms, |step| {
            self.site.engines.look(|durable| watch.look(durable));
            for node in self.site.executor.take_crashed() {
                self.bury(node);
            }
            done(step) || (!self.site.oracle.is_clean() && self.planted.is_any())
        })
    }

    /// A process is gone: nobody is served there, and after a while it comes back.
    fn bury(self: &Arc<Self>, node: NodeId) {
        self.site.close_desk(node);
        if node == FRONT {
            self.owner.set(None);
        }
        let cluster = Arc::clone(self);
        self.site.executor.spawn(OUTSIDE, async move {
            let pause_ms = cluster.site.executor.up_to(3_000);
            cluster.site.executor.sleep(pause_ms).await;
            cluster.boot(node);
        });
    }

    fn boot(self: &Arc<Self>, node: NodeId) {
        let cluster = Arc::clone(self);
        let node = self.nodes().iter().find(|known| known.id == node).expect("only nodes of this world are started");
        self.site.executor.spawn(node.id, async move { cluster.start_node(node).await });
    }

    async fn start_node(self: Arc<Self>, node: &'static Node) {
        let gate = self.gate_of(node.id);
        let ports = self.ports(node.id, Arc::clone(&gate));
        let options = doos_app::Options { worker: node.id as u8, ..self.site.scenario.options.clone() };
        let (app, loops) = loop {
            match App::start(ports.clone(), options.clone()).await {
                Ok(started) => break started,
                Err(_) => self.site.executor.sleep(300).await,
            }
        };
        for work in loops {
            self.site.executor.spawn(node.id, work.run);
        }
        if node.id == FRONT {
            while app.rebuild_gate().await.is_err() {
                self.site.executor.sleep(300).await;
            }
            self.owner.set(Some(gate));
        }
        for role in node.roles {
            let role = doos_roles::build(role, &app).expect("the nodes name roles that exist");
            let clock = Arc::clone(&app.ports.clock);
            self.site.executor.spawn(node.id, doos_roles::drive(role, clock, std::future::pending()));
        }
        if node.serves {
            self.site.open_desk(node.id, app);
        }
        self.site.executor.note(|| format!("node {} is up", node.id));
    }

    fn gate_of(&self, node: NodeId) -> Arc<dyn StockGate> {
        let site = &self.site;
        if node == FRONT {
            let inner = self.planted.gate(Arc::new(MemoryGate::default()), &site.executor);
            return Arc::new(WatchedGate::new(inner, site, Arc::clone(&self.history)));
        }
        let (executor, faults) = (Arc::clone(&site.executor), site.engines.faults().clone());
        Arc::new(GateLink::new(self.owner.clone(), executor, site.scenario.latency_max_ms, faults))
    }

    fn ports(&self, node: NodeId, gate: Arc<dyn StockGate>) -> Ports {
        let site = &self.site;
        let mut ports = site.engines.ports(node, site.clock(node), gate);
        ports.carrier = Arc::new(QuickCarrier { engines: site.engines.clone(), executor: Arc::clone(&site.executor) });
        self.planted.wrap(ports, &self.site.executor, node)
    }

    /// Products, first stock, and the first start of every node, before any fault.
    fn open_shop(self: &Arc<Self>, watch: &mut Watch) {
        self.site.engines.faults().set_calm();
        let cluster = Arc::clone(self);
        self.site.client(async move { cluster.fill_shelves().await });
        let site = Arc::clone(&self.site);
        let opened = self.go(600_000, watch, |_| site.clients_busy() == 0);
        assert!(opened, "the shop opens while nothing fails");
        self.site.engines.faults().set_rough();
    }

    /// Applications read the catalogue when they start, so products come first.
    async fn fill_shelves(self: &Arc<Self>) {
        for (number, price, _) in &self.site.scenario.products {
            let put = self.site.engines.catalog.put(0, product(*number, *price, &self.site), None).await;
            assert!(put.is_ok(), "nothing fails while the shop opens");
        }
        for node in self.nodes() {
            self.boot(node.id);
        }
        for (number, _, stock) in &self.site.scenario.products {
            if *stock > 0 {
                clients::receive(&self.site, *number, *stock, &format!("first-{number}")).await;
            }
        }
    }

    fn start_clients(&self) {
        let site = &self.site;
        for number in 1..=site.scenario.buyers {
            let buyer = Buyer::new(site, number);
            site.client(buyer.shop());
        }
        site.executor.spawn(OUTSIDE, clients::browse(Arc::clone(site)));
        site.executor.spawn(OUTSIDE, clients::carry_callbacks(Arc::clone(site)));
        site.client(clients::restock(Arc::clone(site), 3));
        if site.scenario.poison {
            let bus = site.engines.bus(OUTSIDE);
            site.client(async move { while bus.publish(vec![poison()]).await.is_err() {} });
        }
    }

    /// Crashes and clock steps at drawn moments, for as long as there are faults.
    fn start_chaos(self: &Arc<Self>) {
        let every_ms = self.site.scenario.chaos_every_ms;
        if every_ms == 0 {
            return;
        }
        let cluster = Arc::clone(self);
        self.site.executor.spawn(OUTSIDE, async move {
            let site = &cluster.site;
            while !site.is_calm() {
                let pause_ms = site.executor.up_to(2 * every_ms);
                site.executor.sleep(pause_ms).await;
                if site.is_calm() {
                    return;
                }
                let nodes = cluster.nodes();
                let node = nodes[site.executor.up_to(nodes.len() as u64 - 1) as usize].id;
                match site.executor.up_to(9) {
                    0..=7 => {
                        let polls = site.executor.up_to(120);
                        site.executor.arm(node, polls);
                    }
                    8 => {
                        let by_ms = site.executor.up_to(30_000).cast_signed() - 15_000;
                        site.clock(node).step(by_ms);
                        site.executor.note(|| format!("the clock of node {node} steps by {by_ms} ms"));
                    }
                    // A leap that nobody may believe.
                    _ => {
                        site.clock(node).step(90_000);
                        site.executor.note(|| format!("the clock of node {node} leaps"));
                    }
                }
            }
        });
    }

    /// Asks the gate for its levels, as a caller would, until nothing is held and it knows what the ledger knows, or
    /// until a lost notice should long have been made good. What it shows last is judged.
    fn settle_gate(self: &Arc<Self>, watch: &mut Watch) {
        let cluster = Arc::clone(self);
        self.site.client(async move {
            for _ in 0..GATE_LOOKS_MAX {
                let Some(gate) = cluster.owner.get() else { return };
                let mut settled = true;
                for (number, ..) in &cluster.site.scenario.products {
                    let product = ProductId::new(*number).expect("products are numbered from one");
                    let level = gate.level(product).await.ok().flatten();
                    let free =
                        cluster.site.engines.look(|durable| durable.stock.rows.get(&product).map(|row| row.free));
                    settled &= level.as_ref().map(|level| level.free) == free;
                    cluster.history.shown(product, level);
                }
                if settled {
                    return;
                }
                cluster.site.executor.sleep(1_000).await;
            }
        });
        let site = Arc::clone(&self.site);
        let until_ms = self.site.executor.elapsed_ms() + 1_000 * (GATE_LOOKS_MAX + 10);
        self.go(until_ms, watch, |_| site.clients_busy() == 0);
    }

    fn view(&self) -> View {
        self.site.engines.look(|durable| View::of(durable, &self.history))
    }
}

/// A message that no order belongs to: it must be parked, and stand in nobody's way.
pub fn poison() -> Message {
    let order_id = OrderId::new(4_711).expect("a small number is an id");
    let user_id = UserId::new(9).expect("a small number is an id");
    Message {
        id: doos_domain::ids::MessageId::from_text(POISON),
        to: Consumer::Order,
        order_id,
        user_id,
        order_version: 1,
        at: doos_domain::time::Timestamp::from_millis(0),
        trace: None,
        body: Body::ShipmentDelivered {},
    }
}

pub const POISON: &str = "poison";

pub(crate) fn product(number: u64, price_minor: i64, site: &Site) -> Product {
    Product {
        id: ProductId::new(number).expect("products are numbered from one"),
        version: 1,
        name: LocalText::plain(format!("product {number}")),
        description: LocalText::default(),
        price: Money::new(price_minor, Currency::Cny),
        category: String::new(),
        picture: None,
        on_sale: true,
        updated_at: site.executor.runtime().now(),
    }
}
