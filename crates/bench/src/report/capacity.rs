//! What larger loads need, computed from what one order and one read have cost in this run.
//!
//! What holds: demand is rate times measured cost; a part's limit is what was measured of it here, alone. Whatever uses
//! the largest share of its limit saturates first. Nothing is computed from a run that has not measured all of it.
//!
//! What must never happen: a number that looks measured and is not; the page says how each was come by.

use super::{Report, Row, YardstickKind, rate};

const SECONDS_A_DAY: f64 = 86_400.0;

/// A load that somebody asked about.
struct Wanted {
    what: &'static str,
    orders_per_s: f64,
    reads_per_s: f64,
    /// Orders are followed to delivery, not only until they are confirmed.
    to_delivered: bool,
}

/// 2 M orders a day come at three times the mean in the busiest hours, each read ten times.
const PEAK: f64 = 3.0;
const READS_AN_ORDER: f64 = 10.0;
const MEAN: f64 = 2_000_000.0 / SECONDS_A_DAY;

const LOADS: [Wanted; 4] = [
    Wanted {
        what: "2 M orders a day, mean",
        orders_per_s: MEAN,
        reads_per_s: MEAN * READS_AN_ORDER,
        to_delivered: true,
    },
    Wanted {
        what: "2 M orders a day, three times the mean",
        orders_per_s: MEAN * PEAK,
        reads_per_s: MEAN * PEAK * READS_AN_ORDER,
        to_delivered: true,
    },
    Wanted { what: "10 k orders/s until confirmed", orders_per_s: 10_000.0, reads_per_s: 0.0, to_delivered: false },
    Wanted {
        what: "100 k requests/s, a fifth of them orders",
        orders_per_s: 20_000.0,
        reads_per_s: 80_000.0,
        to_delivered: false,
    },
];

/// What things cost and how much of them there is, as measured in this run.
struct Costs {
    cores: f64,
    order_us: f64,
    life_us: f64,
    read_us: f64,
    order_bytes: f64,
    journal_orders_per_s: f64,
    database_orders_per_s: f64,
    stored_bytes: Option<f64>,
}

/// None unless the run has measured reading, placing, the full life and the raw stores.
pub fn markdown(report: &Report) -> Option<String> {
    let costs = Costs::of(report)?;
    let mut page = format!(
        "Measured on {} cores, {} ({}): an order until it is confirmed, folded and in the read models takes {:.0} µs of \
         processor time, its full life to delivery {:.0} µs, a read {:.0} µs, and the order {:.0} bytes of journal. The \
         journal alone takes {}/s such orders, one SQLite database alone {}/s.\n\n",
        report.machine.cores,
        report.machine.processor,
        report.commit,
        costs.order_us,
        costs.life_us,
        costs.read_us,
        costs.order_bytes,
        rate(costs.journal_orders_per_s),
        rate(costs.database_orders_per_s),
    );
    page.push_str("| load | orders/s | reads/s | cores busy | of this machine | journal MB/s | of the journal | of one database | kept a day GB | saturates first |\n");
    page.push_str("|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n");
    LOADS.iter().for_each(|load| page.push_str(&costs.line(load)));
    Some(page)
}

impl Costs {
    fn of(report: &Report) -> Option<Self> {
        let server_us = |found: fn(&&Row) -> bool| report.rows.iter().find(found)?.numbers.server_us;
        let yardstick = |kind| report.yardsticks.iter().find(|yardstick| yardstick.kind == kind);
        let journal = yardstick(YardstickKind::RawJournal)?;
        let last = report.growth.last().filter(|step| step.orders >= 100_000);
        Some(Self {
            cores: report.machine.cores as f64,
            order_us: server_us(|row| row.scenario == "life")?,
            // Of each order that was delivered, though it takes more than one call.
            life_us: server_us(|row| row.scenario == "delivered")?,
            read_us: server_us(|row| row.scenario == "read")?,
            order_bytes: journal.order_bytes? as f64,
            journal_orders_per_s: journal.per_s?,
            database_orders_per_s: yardstick(YardstickKind::RawSqlite)?.per_s?,
            stored_bytes: last.map(|step| step.disk_mb as f64 * 1_048_576.0 / step.orders as f64),
        })
    }

    fn line(&self, load: &Wanted) -> String {
        let order_us = if load.to_delivered { self.life_us } else { self.order_us };
        let cores = (load.orders_per_s * order_us + load.reads_per_s * self.read_us) / 1e6;
        let shares = [
            ("processor", cores / self.cores),
            ("journal", load.orders_per_s / self.journal_orders_per_s),
            ("database", load.orders_per_s / self.database_orders_per_s),
        ];
        let first = shares.iter().fold(shares[0], |most, part| if part.1 > most.1 { *part } else { most });
        let kept = self.stored_bytes.map_or_else(
            || "not measured".to_owned(),
            |bytes| format!("{:.1}", load.orders_per_s * SECONDS_A_DAY * bytes / 1e9),
        );
        format!(
            "| {} | {} | {} | {cores:.2} | {} | {:.1} | {} | {} | {kept} | {}, at {} orders/s |\n",
            load.what,
            rate(load.orders_per_s),
            rate(load.reads_per_s),
            per_cent(shares[0].1),
            load.orders_per_s * self.order_bytes / 1e6,
            per_cent(shares[1].1),
            per_cent(shares[2].1),
            first.0,
            rate(load.orders_per_s / first.1),
        )
    }
}

fn per_cent(share: f64) -> String {
    if share < 0.1 { format!("{:.1} %", share * 100.0) } else { format!("{:.0} %", share * 100.0) }
}
