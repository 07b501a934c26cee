//! Many buyers, one product.

use anyhow::Result;
use std::sync::Arc;

use super::full::place_on_bare;
use crate::load::{Load, Pace};
use crate::rounds::Rounds;
use crate::session::Session;
use crate::work::{Expected, Products};

const FLASH_UNITS: i64 = 1_000;
const FLASH_BUYERS: u64 = 50_000;

/// One product next to many, both on the measured server.
pub fn hot(session: &mut Session<'_>) -> Result<()> {
    let target = session.target;
    let one = Arc::new(Products::one(session.products.ids()[0]));
    let hot = session.buyers(&one, Expected::Sold);
    let spread = session.buyers(&session.products, Expected::Sold);
    let mut place_hot = |session: &mut Session<'_>, seconds| {
        let load = session.load(target, seconds);
        session.place(&load, &hot)
    };
    let mut place_spread = |session: &mut Session<'_>, seconds| {
        let load = session.load(target, seconds);
        session.place(&load, &spread)
    };
    let theirs = session.measures_yardsticks();
    let (found, spread) = session.compare("hot", &mut place_hot, theirs.then_some(&mut place_spread as _))?;
    let row =
        session.report("hot", "place on one product", &found, spread.as_ref().map(|spread| ("many products", spread)));
    row.expect_ratio(0.9);
    Ok(())
}

pub fn soldout(session: &mut Session<'_>) -> Result<()> {
    let target = session.target;
    let empty = Arc::new(Products::one(session.new_product(0)?));
    let buyers = session.buyers(&empty, Expected::SoldOut);
    let bare = session.bare()?;
    let mut ask = |session: &mut Session<'_>, seconds| {
        let load = session.load(target, seconds);
        session.place(&load, &buyers)
    };
    let mut bare_place = bare.map(place_on_bare);
    let (found, bare) = session.compare("soldout", &mut ask, bare_place.as_mut().map(|run| run as _))?;
    let row = session.report(
        "soldout",
        "ask for what is sold out",
        &found,
        bare.as_ref().map(|bare| ("bare axum POST", bare)),
    );
    row.expect_ratio(0.9);
    Ok(())
}

/// Each round is a sale of its own, on a new product, and ends when every buyer has an answer.
pub fn flash(session: &mut Session<'_>) -> Result<()> {
    let buyers_count = session.options.count.unwrap_or(FLASH_BUYERS);
    let mut found = Rounds::default();
    let mut sold = Vec::new();
    for round in 1..=session.options.rounds {
        let product = session.new_product(FLASH_UNITS)?;
        let buyers = session.buyers(&Arc::new(Products::one(product)), Expected::Either);
        let before = session.notes.acknowledged.len();
        let pace = Pace::Closed;
        let load = Load { pace, count_max: Some(buyers_count), ..session.load(session.target, 120.0) };
        let tally = session.place(&load, &buyers)?;
        let bought = session.notes.acknowledged.len() - before;
        session
            .progress
            .say(&format!("flash: round {round}, {bought} of {buyers_count} bought, {:.0}/s", tally.per_s()));
        // Units whose buyer was told to come later, or got no answer, are still there; otherwise all are gone.
        let all_answered = tally.latency.count() == buyers_count;
        let units = buyers_count.min(FLASH_UNITS.unsigned_abs());
        if all_answered && bought as u64 != units {
            session
                .notes
                .faults
                .add(|| format!("{bought} of {units} units of product {product} were sold, and nobody else was left"));
        }
        sold.push(bought);
        found.add(&tally);
    }
    let what = format!("flash sale, {buyers_count} buyers for {FLASH_UNITS}");
    let row = session.report("flash", &what, &found, None);
    row.remarks.push(format!("sold, round by round: {sold:?}"));
    Ok(())
}
