//! A shop's reads: few orders are asked for often, many seldom.

use doos_adapter_cache::Options;

use crate::bed::{Process, engines, runtime};

const ORDERS: usize = 10_000;
/// A tenth of the orders fits.
const KEPT: u64 = 1_000;
const READS: usize = 60_000;

/// Ranks by Zipf's law with exponent 1.1, from a seed.
struct Zipf {
    sums: Vec<f64>,
    state: u64,
}

impl Zipf {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let weight = |rank: usize| ((rank + 1) as f64).powf(-1.1);
        let sums = (0..count).map(|rank| {
            sum += weight(rank);
            sum
        });
        Self { sums: sums.collect(), state: 0x5eed }
    }

    fn next(&mut self) -> usize {
        // xorshift64*
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let drawn = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        let share = drawn as f64 / (1_u64 << 53) as f64 * self.sums[self.sums.len() - 1];
        self.sums.partition_point(|sum| *sum <= share).min(self.sums.len() - 1)
    }
}

#[test]
fn four_of_five_reads_are_answered_from_memory_with_room_for_a_tenth_of_the_orders() {
    runtime().block_on(async {
        let engines = engines();
        let process = Process::start(&engines, 1, Options { orders_max: KEPT, ..Options::default() }).await;
        let mut orders = Vec::with_capacity(ORDERS);
        for number in 0..ORDERS {
            orders.push(process.commit(0, process.new_order(number as u64 % 500 + 1)).await);
        }
        let mut ranks = Zipf::new(ORDERS);
        for _ in 0..READS {
            let order = &orders[ranks.next()];
            assert_eq!(process.read(order).await.as_ref(), Some(order));
        }
        let counts = process.cached.counts();
        let hits = counts.memory as f64 / counts.reads as f64;
        println!("{} of {} reads from memory: {:.1} %", counts.memory, counts.reads, hits * 100.0);
        assert!(hits > 0.8, "{counts:?}");
        assert!(counts.kept <= KEPT + KEPT / 10, "{counts:?}");
    });
}
