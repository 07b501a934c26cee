//! The inventory's own database: stock rows, decisions, movements, and locks on them.
//!
//! Locks are given whole and first come, first served: a group gets all it asked for at once, as soon as nobody holds
//! any of it and nobody who came earlier waits for any of it. So no two groups can wait for each other.

use async_trait::async_trait;
use doos_domain::answer::Answer;
use doos_domain::ids::{OrderId, ProductId};
use doos_domain::stock::{Changes, DecisionRow, Movement, MovementKind, StockRow};
use doos_ports::inbox::Progress;
use doos_ports::stock_ledger::{MovementPage, StockLedger, StockTransaction};
use doos_ports::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::durable::Durable;
use crate::faults::Part;
use crate::world::World;

#[derive(Default)]
pub struct StockRows {
    pub rows: BTreeMap<ProductId, StockRow>,
    pub decisions: BTreeMap<OrderId, DecisionRow>,
    pub movements: Vec<Movement>,
    movement_keys: BTreeSet<(String, ProductId, MovementKind)>,
    claims: BTreeMap<u64, Claim>,
    last_claim: u64,
}

#[derive(Clone)]
struct Claim {
    products: BTreeSet<ProductId>,
    orders: BTreeSet<OrderId>,
    granted: bool,
}

impl Claim {
    fn overlaps(&self, other: &Self) -> bool {
        !self.products.is_disjoint(&other.products) || !self.orders.is_disjoint(&other.orders)
    }
}

impl StockRows {
    fn claim(&mut self, products: Vec<ProductId>, orders: Vec<OrderId>) -> u64 {
        self.last_claim += 1;
        let products = products.into_iter().collect();
        let claim = Claim { products, orders: orders.into_iter().collect(), granted: false };
        self.claims.insert(self.last_claim, claim);
        self.last_claim
    }

    /// With the products of the lines that were deducted for the orders: those may be given back.
    fn widened(&self, claim: &Claim) -> Claim {
        let mut wide = claim.clone();
        let decisions = claim.orders.iter().filter_map(|order| self.decisions.get(order));
        wide.products.extend(decisions.flat_map(|decision| &decision.lines).map(|line| line.product_id));
        wide
    }

    fn try_grant(&mut self, number: u64) -> bool {
        let Some(claim) = self.claims.get(&number) else { return false };
        let wide = self.widened(claim);
        let in_the_way = |(other_number, other): (&u64, &Claim)| {
            *other_number != number && (other.granted || *other_number < number) && other.overlaps(&wide)
        };
        if self.claims.iter().any(in_the_way) {
            return false;
        }
        self.claims.insert(number, Claim { granted: true, ..wide });
        true
    }

    /// Stores a group of decisions, or finds what must never be and stores nothing.
    fn store(&mut self, number: u64, changes: Changes) -> Result<(), String> {
        let claim = self.claims.get(&number).ok_or("the locks are gone")?;
        for row in &changes.rows {
            let version = self.rows.get(&row.product_id).map_or(0, |stored| stored.version);
            if !claim.products.contains(&row.product_id) || row.version != version + 1 || !row.balances() {
                return Err(format!("version {version} of product {} cannot become {row:?}", row.product_id));
            }
        }
        for decision in &changes.decisions {
            let first = self.decisions.get(&decision.order_id);
            let stands = first.is_none_or(|first| first.decision == decision.decision);
            if !claim.orders.contains(&decision.order_id) || !stands {
                return Err(format!("the decision about order {} cannot become {decision:?}", decision.order_id));
            }
        }
        let key = |movement: &Movement| (movement.reference.clone(), movement.product_id, movement.kind);
        if let Some(twice) = changes.movements.iter().find(|movement| self.movement_keys.contains(&key(movement))) {
            return Err(format!("a movement was booked before: {twice:?}"));
        }
        self.movement_keys.extend(changes.movements.iter().map(key));
        self.movements.extend(changes.movements);
        self.rows.extend(changes.rows.into_iter().map(|row| (row.product_id, row)));
        self.decisions.extend(changes.decisions.into_iter().map(|row| (row.order_id, row)));
        Ok(())
    }
}

pub struct SimStockLedger {
    world: Arc<World>,
}

impl SimStockLedger {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    async fn read<T: Send>(&self, look: impl FnOnce(&StockRows) -> T + Send) -> Result<T> {
        self.world.read(Part::Inventory, |durable| look(&durable.stock)).await
    }
}

/// A place in the queue for locks, then the locks; given back when dropped, also by a node that dies.
struct Held {
    world: Arc<World>,
    number: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.world.apply(|durable| durable.stock.claims.remove(&self.number));
    }
}

#[async_trait]
impl StockLedger for SimStockLedger {
    async fn lock(&self, products: Vec<ProductId>, orders: Vec<OrderId>) -> Result<Box<dyn StockTransaction>> {
        self.world.arrive(Part::Inventory).await?;
        let number = self.world.durable().stock.claim(products, orders);
        let held = Held { world: Arc::clone(&self.world), number };
        self.world.until(|durable| durable.stock.try_grant(number), |_| None).await;
        let look = |durable: &Durable| -> (Vec<StockRow>, Vec<DecisionRow>) {
            let stock = &durable.stock;
            let claim = &stock.claims[&number];
            let rows = claim.products.iter().filter_map(|product| stock.rows.get(product)).cloned();
            let decisions = claim.orders.iter().filter_map(|order| stock.decisions.get(order)).cloned();
            (rows.collect(), decisions.collect())
        };
        let (rows, decisions) = self.world.read(Part::Inventory, look).await?;
        Ok(Box::new(SimStockTransaction { held, rows, decisions }))
    }

    async fn row(&self, product: ProductId) -> Result<Option<StockRow>> {
        self.read(|stock| stock.rows.get(&product).cloned()).await
    }

    async fn rows(&self) -> Result<Vec<StockRow>> {
        self.read(|stock| stock.rows.values().cloned().collect()).await
    }

    async fn decision(&self, order: OrderId) -> Result<Option<DecisionRow>> {
        self.read(|stock| stock.decisions.get(&order).cloned()).await
    }

    async fn movements_of(&self, reference: &str) -> Result<Vec<Movement>> {
        let look = |stock: &StockRows| {
            stock.movements.iter().filter(|movement| movement.reference == reference).cloned().collect()
        };
        self.read(look).await
    }

    async fn movements_on(&self, product: ProductId, before: Option<u64>, limit: usize) -> Result<MovementPage> {
        let look = |stock: &StockRows| {
            let earlier = stock
                .movements
                .iter()
                .enumerate()
                .filter(|(place, _)| before.is_none_or(|before| (*place as u64) < before));
            let of_product: Vec<_> = earlier.filter(|(_, movement)| movement.product_id == product).collect();
            let page = of_product.iter().rev().take(limit);
            let next = page.clone().next_back().filter(|_| of_product.len() > limit).map(|(place, _)| *place as u64);
            MovementPage { movements: page.map(|(_, movement)| (*movement).clone()).collect(), next }
        };
        self.read(look).await
    }
}

struct SimStockTransaction {
    held: Held,
    rows: Vec<StockRow>,
    decisions: Vec<DecisionRow>,
}

#[async_trait]
impl StockTransaction for SimStockTransaction {
    fn rows(&self) -> Vec<StockRow> {
        self.rows.clone()
    }

    fn decisions(&self) -> Vec<DecisionRow> {
        self.decisions.clone()
    }

    async fn commit(
        self: Box<Self>,
        changes: Changes,
        progress: Option<Progress>,
        answer: Option<Answer>,
    ) -> Result<()> {
        // Stays outside of the effect: giving locks back takes the same look at what is stored.
        let held = self.held;
        let effect = |durable: &mut Durable| {
            let broken = |cause| Error::Broken { engine: Part::Inventory.name(), cause };
            durable.stock.store(held.number, changes).map_err(broken)?;
            if let Some(progress) = progress {
                durable.settle(Part::Inventory, progress);
            }
            if let Some(answer) = answer {
                durable.answers.entry(answer.key.clone()).or_insert(answer);
            }
            // The locks go with the commit, not with the reply.
            durable.stock.claims.remove(&held.number);
            Ok(())
        };
        held.world.write(Part::Inventory, effect).await?
    }
}
