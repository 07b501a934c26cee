//! What one seed is about: sizes, limits, rates of faults. Every seed draws its own mix, so that rare combinations meet.
//!
//! Deadlines are shorter than in production by one constant factor or so: virtual time is cheap, but idle seconds are
//! not free.

use doos_adapter_sim::Rates;
use doos_app::Options;

#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    pub shards: usize,
    /// Number, price in minor units, and stock at the start.
    pub products: Vec<(u64, i64, u32)>,
    pub buyers: u64,
    pub orders_per_buyer: u64,
    /// Everything in one process, or roles spread over five.
    pub spread: bool,
    pub latency_max_ms: u64,
    pub rates: Rates,
    /// Mean pause between two faults of whole nodes, parts and clocks; 0: none.
    pub chaos_every_ms: u64,
    pub faults_for_ms: u64,
    pub poison: bool,
    /// Half of the buyers change their mind the moment they are told that they have bought.
    pub fickle: bool,
    pub options: Options,
}

/// How long everything may take to end once nothing fails any more.
pub const CALM_MS_MAX: u64 = 1_200_000;
/// From the carrier's door to the customer's.
pub const DELIVERY_MS: i64 = 8_000;

impl Scenario {
    pub fn draw(seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5343_454e);
        let mut products = Vec::new();
        for number in 1..=chance.u64(1..=4) {
            // Few pieces for most products: sold out is where things go wrong.
            let stock = if chance.u8(0..4) == 0 { chance.u32(50..200) } else { chance.u32(0..12) };
            products.push((number, chance.i64(1..50_000), stock));
        }
        let mut scenario = Self {
            seed,
            shards: chance.usize(1..=4),
            products,
            buyers: chance.u64(2..=8),
            orders_per_buyer: chance.u64(1..=4),
            spread: chance.u8(0..3) > 0,
            latency_max_ms: [0, 2, 20, 150][chance.usize(0..4)],
            rates: rates(&mut chance),
            chaos_every_ms: [0, 400, 1_500, 6_000][chance.usize(0..4)],
            faults_for_ms: chance.u64(5_000..40_000),
            poison: chance.u8(0..4) == 0,
            options: options(&mut chance),
            fickle: chance.u8(0..4) == 0,
        };
        if scenario.fickle {
            // A cancel that overtakes its order needs two relays and a message that dawdles.
            scenario.spread = true;
            scenario.rates.messages_delayed = scenario.rates.messages_delayed.max(250);
            scenario.rates.message_delay_max_ms = 6_000;
        }
        scenario
    }
}

fn rates(chance: &mut fastrand::Rng) -> Rates {
    if chance.u8(0..8) == 0 {
        return Rates::none();
    }
    // Each kind is off in a part of the seeds, so that the others are seen alone.
    let mut some = |most: u32| if chance.u8(0..3) == 0 { 0 } else { chance.u32(0..=most) };
    Rates {
        calls_failed: some(80),
        replies_lost: some(80),
        calls_slow: some(60),
        slow_max_ms: 4_000,
        outages: some(4),
        outage_max_ms: 8_000,
        consumes_torn: 0,
        marks_lost: some(200),
        messages_repeated: some(300),
        messages_delayed: some(400),
        message_delay_max_ms: 6_000,
        reordered_within_order: 0,
        redeliveries: some(800),
        clock_steps: some(10),
        clock_step_max_ms: 20_000,
        captures_declined: some(300),
        captures_late: some(400),
        capture_delay_max_ms: 20_000,
        callbacks_lost: some(400),
        callbacks_repeated: some(500),
        callback_delay_max_ms: 20_000,
        outside_unclear_before: some(150),
        outside_unclear_after: some(150),
        parcels_refused: some(300),
    }
}

fn options(chance: &mut fastrand::Rng) -> Options {
    Options {
        order_queue_len_max: if chance.u8(0..4) == 0 { 2 } else { 4_096 },
        order_group_len_max: [1, 4, 256][chance.usize(0..3)],
        hold_deadline_ms: 5_000,
        unpaid_deadline_ms: chance.u64(15_000..40_000),
        payment_closing_ms: 20_000,
        pay_wait_ms: [0, 1_000][chance.usize(0..2)],
        outside_deadline_ms: 3_000,
        message_pull_len_max: [1, 3, 200][chance.usize(0..3)],
        retry_most_ms: 5_000,
        ..Options::default()
    }
}
