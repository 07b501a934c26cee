//! The people outside: buyers who retry under the same key, pay, change their minds and hang up; an operator; a reader;
//! the provider's callbacks, true and forged.
//!
//! What holds: everything a client is told goes to the oracle. A client that got no answer asks again under the same
//! key, for as long as it takes.

use doos_adapter_sim::provider::Callback as Told;
use doos_app::keys::Key;
use doos_app::order::{Moved, PlaceOrder, Placed, Steer, Verb};
use doos_app::payment::{Callback, CallbackEvent};
use doos_app::stock::{Adjusted, Adjustment};
use doos_app::{Error, Principal};
use doos_domain::actor::Actor;
use doos_domain::ids::{OrderId, ProductId, UserId};
use doos_domain::money::Money;
use doos_domain::order::Order;
use doos_domain::pricing::WantedLine;
use doos_ports::outside::AttemptAnswer;
use std::sync::Arc;

use crate::oracle::content;
use crate::site::Site;

/// The body of every stored answer: enough to tell two apart.
fn render(order: &Order) -> String {
    format!("{}|{}|{}", order.id, order.version, order.status)
}

fn named(body: &str) -> Option<OrderId> {
    body.split('|').next().and_then(|id| id.parse().ok())
}

pub struct Buyer {
    site: Arc<Site>,
    user: UserId,
    chance: fastrand::Rng,
}

/// One cart: which products, how many, under which key.
#[derive(Clone)]
struct Cart {
    key: Key,
    lines: Vec<WantedLine>,
    /// The order's address names the key, so that two orders of one key would show.
    address: String,
}

impl Buyer {
    pub fn new(site: &Arc<Site>, number: u64) -> Self {
        let user = UserId::new(number).expect("buyers are numbered from one");
        let chance = fastrand::Rng::with_seed(site.scenario.seed.rotate_left(17) ^ number);
        Self { site: Arc::clone(site), user, chance }
    }

    pub async fn shop(mut self) {
        for number in 0..self.site.scenario.orders_per_buyer {
            self.pause(self.site.scenario.faults_for_ms / self.site.scenario.orders_per_buyer.max(1)).await;
            let cart = self.fill_cart(number);
            if let Some(order) = self.place(&cart).await {
                self.live_with(order, &cart).await;
            }
        }
    }

    async fn pause(&mut self, most_ms: u64) {
        let pause_ms = self.chance.u64(0..=most_ms);
        self.site.executor.sleep(pause_ms).await;
    }

    fn fill_cart(&mut self, number: u64) -> Cart {
        let products = self.site.scenario.products.clone();
        let mut lines = Vec::new();
        for _ in 0..self.chance.u8(1..=3) {
            let (product, price_minor, _) = products[self.chance.usize(0..products.len())];
            let price = Money::new(price_minor, doos_domain::money::Currency::Cny).to_string();
            let seen_price = self.chance.bool().then_some(price);
            let product_id = ProductId::new(product).expect("products are numbered from one");
            lines.push(WantedLine { product_id, quantity: self.chance.u32(1..=3), seen_price });
        }
        let name = format!("buy-{}-{number}", self.user);
        let key = Key::try_new(format!("user:{}", self.user), &name, number).expect("a plain name is a key");
        Cart { key, lines, address: name }
    }

    /// Asks until there is an answer that is not "try again".
    async fn place(&mut self, cart: &Cart) -> Option<OrderId> {
        let hasty = self.chance.u8(0..3) == 0;
        loop {
            let patience_ms = if hasty { self.chance.u64(0..200) } else { 10_000 };
            let patience_ms = if self.site.is_calm() { 60_000 } else { patience_ms };
            let call = PlaceOrder {
                user_id: self.user,
                actor: Actor::Customer(self.user),
                lines: cart.lines.clone(),
                address: Some(cart.address.clone()),
                coupon: None,
                key: Some(cart.key.clone()),
                trace: None,
                render,
            };
            let answer = self.site.call(patience_ms, |app| Box::pin(async move { app.place(call).await })).await;
            let site = &self.site;
            match answer {
                Some(Ok(Placed::Now(order, _))) => {
                    site.executor.note(|| format!("{} placed as {}", cart.address, order.id));
                    site.oracle.acknowledged(order.id, content(&order));
                    site.shown(&order, 0);
                    site.oracle.answered(&cart.key.key, &render(&order));
                    return Some(order.id);
                }
                Some(Ok(Placed::Before(answer))) => {
                    site.executor.note(|| format!("{} had been placed: {}", cart.address, answer.body));
                    site.oracle.answered(&cart.key.key, &answer.body);
                    let id = named(&answer.body);
                    if let Some(id) = id.filter(|_| answer.status == 201) {
                        self.confirm(id).await;
                    }
                    return id;
                }
                Some(Err(Error::OutOfStock(lines))) => {
                    site.executor.note(|| format!("{} out of stock: {lines:?}", cart.address));
                    return None;
                }
                Some(Err(error)) if error.is_worth_a_retry() => {
                    site.executor.note(|| format!("{} told to try again: {error}", cart.address));
                }
                Some(Err(error)) => {
                    site.oracle.finding("told", format!("{} was refused with {}: {error}", cart.address, error.code()));
                    return None;
                }
                None => site.executor.note(|| format!("{} got no answer", cart.address)),
            }
            self.pause(1_500).await;
        }
    }

    /// Reads an order that a stored answer speaks of: it must be there.
    async fn confirm(&mut self, id: OrderId) {
        if let Some(order) = read(&self.site, id).await {
            self.site.oracle.acknowledged(id, content(&order));
        }
    }

    async fn live_with(&mut self, id: OrderId, cart: &Cart) {
        let customer = Principal::Customer(self.user);
        let operator = Principal::Operator("amy".to_owned());
        if self.site.scenario.fickle && self.chance.bool() {
            return self.steer(&customer, id, Verb::Cancel, cart, "regret").await;
        }
        self.pause(4_000).await;
        match self.chance.u8(0..16) {
            0..=5 => self.steer(&customer, id, Verb::Pay, cart, "pay").await,
            6 => self.steer(&customer, id, Verb::Cancel, cart, "cancel").await,
            7 => self.pay_and_cancel(&customer, id, cart).await,
            8 => {
                self.steer(&customer, id, Verb::Pay, cart, "pay").await;
                self.pause(20_000).await;
                self.steer(&operator, id, Verb::Cancel, cart, "call-back").await;
                self.pause(5_000).await;
                self.steer(&operator, id, Verb::Return, cart, "take-back").await;
            }
            9 => {
                self.steer(&customer, id, Verb::Pay, cart, "pay").await;
                self.pause(3_000).await;
                self.steer(&operator, id, Verb::Ship { tracking: None }, cart, "ship").await;
                self.steer(&operator, id, Verb::Deliver, cart, "deliver").await;
            }
            10 | 11 => {
                self.steer(&customer, id, Verb::Pay, cart, "pay").await;
                self.pause(60_000).await;
                self.steer(&customer, id, Verb::Return, cart, "return").await;
            }
            12 => {
                self.steer(&customer, id, Verb::Pay, cart, "pay").await;
                self.pause(8_000).await;
                self.steer(&customer, id, Verb::Cancel, cart, "cancel").await;
            }
            13 => {
                self.steer(&customer, id, Verb::Pay, cart, "pay").await;
                self.steer(&customer, id, Verb::Pay, cart, "pay-again").await;
            }
            // Pays at the very last moment, when the deadline's sweep comes too.
            14 => {
                self.site.executor.sleep(self.site.scenario.options.unpaid_deadline_ms.saturating_sub(2_000)).await;
                self.steer(&customer, id, Verb::Pay, cart, "pay").await;
            }
            // Forgets about it.
            _ => {}
        }
    }

    async fn pay_and_cancel(&mut self, customer: &Principal, id: OrderId, cart: &Cart) {
        let twin = Self { site: Arc::clone(&self.site), user: self.user, chance: self.chance.fork() };
        let (payer, own) = (customer.clone(), cart.clone());
        self.site.client(async move {
            let mut twin = twin;
            twin.steer(&payer, id, Verb::Pay, &own, "pay").await;
        });
        self.pause(2_000).await;
        self.steer(customer, id, Verb::Cancel, cart, "cancel").await;
    }

    /// Moves an order on, until it is told that it did or why it cannot.
    async fn steer(&mut self, principal: &Principal, id: OrderId, verb: Verb, cart: &Cart, name: &str) {
        let name = format!("{}-{name}", cart.address);
        let key = Key::try_new(principal.scope(), &name, 7).expect("a plain name is a key");
        // A provider that never decides must not keep a client for ever.
        for _ in 0..200 {
            let call = Steer {
                principal: principal.clone(),
                order_id: id,
                verb: verb.clone(),
                key: Some(key.clone()),
                trace: None,
                render,
            };
            let before = self.site.oracle.seen(id);
            let answer = self.site.call(15_000, |app| Box::pin(async move { app.steer(call).await })).await;
            let site = &self.site;
            match answer {
                Some(Ok(Moved::Now { order, settled })) => {
                    site.executor.note(|| format!("{name}: {} (settled {settled})", render(&order)));
                    site.shown(&order, before);
                    if settled {
                        site.oracle.answered(&key.key, &render(&order));
                        return;
                    }
                }
                Some(Ok(Moved::Before(answer))) => {
                    site.executor.note(|| format!("{name}: had been answered {}", answer.body));
                    site.oracle.answered(&key.key, &answer.body);
                    return;
                }
                Some(Err(Error::NotFound(_))) => {
                    site.oracle.finding("I3", format!("order {id} was acknowledged and is not found by {name}"));
                    return;
                }
                Some(Err(error)) if error.is_worth_a_retry() => {}
                Some(Err(Error::Broken { cause })) => {
                    site.oracle.finding("told", format!("{name} met a broken store: {cause}"));
                    return;
                }
                Some(Err(error)) => {
                    site.executor.note(|| format!("{name}: refused, {error}"));
                    return;
                }
                None => site.executor.note(|| format!("{name}: no answer")),
            }
            self.pause(2_000).await;
        }
    }
}

/// Reads one order until it is shown; an acknowledged order that is not found is a finding.
pub async fn read(site: &Arc<Site>, id: OrderId) -> Option<Arc<Order>> {
    loop {
        let before = site.oracle.seen(id);
        let operator = Principal::Operator("ben".to_owned());
        let answer = site.call(30_000, |app| Box::pin(async move { app.read_order(&operator, id).await })).await;
        match answer {
            Some(Ok(order)) => {
                site.shown(&order, before);
                return Some(order);
            }
            Some(Err(Error::NotFound(_))) => {
                site.oracle.finding("I3", format!("order {id} was acknowledged and is not found"));
                return None;
            }
            _ => site.executor.sleep(500).await,
        }
    }
}

/// Looks at random acknowledged orders for as long as there are faults.
pub async fn browse(site: Arc<Site>) {
    while !site.is_calm() {
        site.executor.sleep(700).await;
        let known: Vec<OrderId> = site.oracle.all_acknowledged().into_keys().collect();
        let Some(last) = known.len().checked_sub(1) else { continue };
        let id = known[site.executor.up_to(last as u64) as usize];
        read(&site, id).await;
    }
}

/// Receives goods now and then, under keys, and asks again until told that they are booked.
pub async fn restock(site: Arc<Site>, deliveries: u64) {
    let mut chance = fastrand::Rng::with_seed(site.scenario.seed ^ 0x0072_6573_746f_636b);
    for number in 0..deliveries {
        site.executor.sleep(chance.u64(0..8_000)).await;
        let (product, ..) = site.scenario.products[chance.usize(0..site.scenario.products.len())];
        receive(&site, product, chance.u32(1..6), &format!("delivery-{number}")).await;
    }
}

pub async fn receive(site: &Arc<Site>, product: u64, quantity: u32, name: &str) {
    let operator = Principal::Operator("amy".to_owned());
    let key = Key::try_new(operator.scope(), name, 3).expect("a plain name is a key");
    let product_id = ProductId::new(product).expect("products are numbered from one");
    loop {
        let (operator, own, reference) = (operator.clone(), key.clone(), name.to_owned());
        let adjustment = Adjustment::Receive { quantity };
        let answer = site
            .call(20_000, |app| {
                Box::pin(async move {
                    let render = |_, level: &doos_ports::stock_gate::Level| format!("received {}", level.received);
                    app.adjust_stock(&operator.into(), product_id, adjustment, Some(reference), Some(own), render).await
                })
            })
            .await;
        match answer {
            Some(Ok(Adjusted::Now(level))) => site.oracle.answered(&key.key, &format!("received {}", level.received)),
            Some(Ok(Adjusted::Before(answer))) => site.oracle.answered(&key.key, &answer.body),
            Some(Err(error)) if !error.is_worth_a_retry() => {
                site.oracle.finding("told", format!("{name} was refused with {}: {:?}", error.code(), error.cause()));
                return;
            }
            _ => {
                site.executor.sleep(1_000).await;
                continue;
            }
        }
        site.oracle.received(product, i64::from(quantity));
        return;
    }
}

/// Carries the provider's callbacks to some node, again and again until one takes it, as providers do.
pub async fn carry_callbacks(site: Arc<Site>) {
    loop {
        site.engines.provider.callback_ready().await;
        for told in site.engines.provider.callbacks_due() {
            let own = Arc::clone(&site);
            site.executor.spawn(crate::site::OUTSIDE, async move { deliver(own, told).await });
        }
    }
}

fn callback_of(told: &Told) -> Option<Callback> {
    let (event, provider_reference) = match &told.answer {
        AttemptAnswer::Captured { provider_reference } => (CallbackEvent::Captured, provider_reference.clone()),
        AttemptAnswer::Closed { .. } => (CallbackEvent::Closed, String::new()),
        AttemptAnswer::Open => return None,
    };
    let (order_id, attempt_id) = (told.order_id, told.attempt_id.clone());
    Some(Callback { order_id, attempt_id, amount: told.amount, event, provider_reference, trace: None })
}

async fn deliver(site: Arc<Site>, told: Told) {
    let Some(callback) = callback_of(&told) else { return };
    forge(&site, &callback).await;
    for try_number in 0..20_u64 {
        let own = callback.clone();
        let answer = site.call(5_000, |app| Box::pin(async move { app.payment_callback(own).await })).await;
        match answer {
            Some(Ok(news)) => {
                site.executor
                    .note(|| format!("callback {:?} of {} (news {news})", callback.event, callback.attempt_id));
                return;
            }
            Some(Err(Error::CallbackRejected(why))) => {
                panic!("a true callback of {} was refused: {why}", callback.attempt_id)
            }
            _ => site.executor.sleep(500 * (try_number + 1)).await,
        }
    }
}

/// The same callback with another amount, another attempt, another order: none may be believed.
async fn forge(site: &Arc<Site>, callback: &Callback) {
    let mut forged = callback.clone();
    match site.executor.up_to(3) {
        0 => forged.amount.amount_minor += 1,
        1 => forged.attempt_id = doos_domain::ids::AttemptId::nth(callback.order_id, 99),
        2 => forged.amount.currency = doos_domain::money::Currency::Usd,
        _ => return,
    }
    forged.event = CallbackEvent::Captured;
    let told = forged.clone();
    let answer = site.call(5_000, |app| Box::pin(async move { app.payment_callback(told).await })).await;
    if let Some(Ok(_)) = answer {
        site.oracle.finding("I8", format!("a forged callback was believed: {forged:?}"));
    }
}
