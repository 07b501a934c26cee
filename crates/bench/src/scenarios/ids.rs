//! Order ids: no server, the generator alone, with the clock read for each id as the shop does.

use anyhow::Result;

use crate::load::{Numbers, Tally};
use crate::report::{Goal, Row};
use crate::rounds::Rounds;
use crate::session::Session;
use crate::yardstick::{IdLoad, ids_per_s};

const SECONDS: f64 = 1.0;

pub fn ids(session: &mut Session<'_>) -> Result<()> {
    let threads = session.options.threads as usize;
    let all = IdLoad { threads, buckets: None, seconds: SECONDS };
    let one = IdLoad { threads: 1, buckets: Some(1), seconds: SECONDS };
    for (what, load, least) in [("order ids, all buckets", all, 20e6), ("order ids, one bucket", one, 60e3)] {
        let mut found = Rounds::default();
        for round in 1..=session.options.rounds {
            let per_s = ids_per_s(load);
            session.progress.say(&format!("ids: round {round}, {what}, {per_s:.0}/s"));
            found.per_s.push(per_s);
        }
        let per_s = found.median_per_s();
        let words =
            if least >= 1e6 { format!(">= {:.0} M/s", least / 1e6) } else { format!(">= {:.0} k/s", least / 1e3) };
        session.rows.push(Row {
            scenario: "ids",
            what: format!("{what}, {} threads", load.threads),
            rounds_per_s: found.per_s,
            numbers: Numbers { per_s, ..Tally::default().numbers() },
            against: None,
            goal: Some(Goal { words, met: per_s >= least }),
            remarks: Vec::new(),
        });
    }
    Ok(())
}
