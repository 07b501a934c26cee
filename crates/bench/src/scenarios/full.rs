//! Reading and placing as fast as they are answered, next to bare axum doing the same without a shop behind it.

use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::sync::Arc;

use super::connections::Idle;
use super::raw;
use crate::api::Api;
use crate::load::{Load, Pace, Tally};
use crate::session::Session;
use crate::work::{Both, Buyer, Buyers, Expected, Reader, requests};

/// Orders that are read; all of them fit into the caches that a server has.
const READ_ORDERS: u64 = 10_000;

pub fn read(session: &mut Session<'_>) -> Result<()> {
    let connections = session.options.connections as usize;
    let idle = session.options.idle as usize;
    let what = match idle {
        0 => "read an order".to_owned(),
        idle => format!("read an order, {idle} idle connections beside"),
    };
    read_with(session, Reading { scenario: "read", what, connections, idle, ratio_least: 0.8 })
}

/// A comparison of reading.
pub struct Reading {
    pub scenario: &'static str,
    pub what: String,
    pub connections: usize,
    /// Further connections to the measured server alone, so that the bare one is not held up by them.
    pub idle: usize,
    pub ratio_least: f64,
}

pub fn read_with(session: &mut Session<'_>, reading: Reading) -> Result<()> {
    let (orders, answer) = orders_to_read(session)?;
    let target = session.target;
    let ours = requests(&orders, &session.headers());
    let bare = session.bare_answering(&answer)?;
    let (connections, idle) = (reading.connections, reading.idle);
    let mut read = |session: &mut Session<'_>, seconds| {
        // Anew in each round: a server closes what is idle for long.
        let idle = Idle::open(target, idle)?;
        let tally = read_from(session, target, &ours, connections, seconds)?;
        idle.expect_open()?;
        Ok(tally)
    };
    let theirs = bare.map(|bare| (bare, requests(&orders, &crate::api::headers(bare, None))));
    let mut read_bare = theirs.map(|(bare, theirs)| {
        move |session: &mut Session<'_>, seconds: f64| read_from(session, bare, &theirs, connections, seconds)
    });
    let (found, bare) = session.compare(reading.scenario, &mut read, read_bare.as_mut().map(|run| run as _))?;
    let against = bare.as_ref().map(|bare| ("bare axum GET", bare));
    session.report(reading.scenario, &reading.what, &found, against).expect_ratio(reading.ratio_least);
    Ok(())
}

fn read_from(
    session: &mut Session<'_>,
    target: SocketAddr,
    what: &Arc<Vec<Vec<u8>>>,
    connections: usize,
    seconds: f64,
) -> Result<Tally> {
    let load = Load { connections, ..session.load(target, seconds) };
    session.run(&load, |connection| Reader::new(Arc::clone(what), connection as u64))
}

/// Places orders to read, and returns them with the bytes of one answer.
fn orders_to_read(session: &mut Session<'_>) -> Result<(Vec<u64>, Vec<u8>)> {
    let before = session.notes.acknowledged.len();
    let buyers = session.buyers(&session.products, Expected::Sold);
    let count_max = session.options.count.map_or(READ_ORDERS, |count| count.min(READ_ORDERS));
    let load = Load { pace: Pace::Closed, count_max: Some(count_max), ..session.load(session.target, 60.0) };
    session.place(&load, &buyers)?;
    let placed: Vec<u64> = session.notes.acknowledged[before..].iter().map(|order| order.order_id).collect();
    ensure!(!placed.is_empty(), "no order could be placed to be read");
    let reply = Api::new(session.target, session.token()).call("GET", &format!("/v1/orders/{}", placed[0]), None)?;
    ensure!(reply.status == 200, "order {} answered {}", placed[0], reply.status);
    Ok((placed, reply.body))
}

pub fn place(session: &mut Session<'_>) -> Result<()> {
    let target = session.target;
    let buyers = session.buyers(&session.products, Expected::Sold);
    let bare = session.bare()?;
    let mut place = |session: &mut Session<'_>, seconds| {
        let load = session.load(target, seconds);
        session.place(&load, &buyers)
    };
    let mut bare_place = bare.map(place_on_bare);
    let (found, theirs) = session.compare("place", &mut place, bare_place.as_mut().map(|run| run as _))?;
    let what = format!("place, {} connections", session.options.connections);
    let row = session.report("place", &what, &found, theirs.as_ref().map(|bare| ("bare axum POST", bare)));
    row.expect_ratio(0.5);
    if session.options.rate_per_s.is_none() && session.options.count.is_none() {
        at_half_load(session, &buyers, found.median_per_s() / 2.0)?;
    }
    if session.measures_yardsticks() {
        raw::stores(session)?;
    }
    Ok(())
}

/// Arrivals at half of what was served: what a customer feels when the shop is busy and not full.
fn at_half_load(session: &mut Session<'_>, buyers: &Buyers, rate_per_s: f64) -> Result<()> {
    let mut half = |session: &mut Session<'_>, seconds| {
        let pace = Pace::Open { rate_per_s };
        let load = Load { pace, ..session.load(session.target, seconds) };
        session.place(&load, buyers)
    };
    let (found, _) = session.compare("place at half load", &mut half, None)?;
    session.report("place", "place, arrivals at half load", &found, None).expect_p99(10.0);
    Ok(())
}

pub fn place_on_bare<'a>(bare: SocketAddr) -> impl FnMut(&mut Session<'a>, f64) -> Result<Tally> {
    move |session, seconds| {
        let (buyers, load) = (session.bare_buyers(bare), session.load(bare, seconds));
        session.run(&load, |connection| Buyer::new(buyers.clone(), connection as u64))
    }
}

pub fn keys(session: &mut Session<'_>) -> Result<()> {
    let target = session.target;
    let buyers = Buyers { repeats_per_mille: Some(50), ..session.buyers(&session.products, Expected::Sold) };
    let bare = session.bare()?;
    let mut place = |session: &mut Session<'_>, seconds| {
        let load = session.load(target, seconds);
        session.place(&load, &buyers)
    };
    let mut bare_place = bare.map(place_on_bare);
    let (found, theirs) = session.compare("keys", &mut place, bare_place.as_mut().map(|run| run as _))?;
    let theirs = theirs.as_ref().map(|bare| ("bare axum POST", bare));
    session.report("keys", "place with keys, 5 % repeated", &found, theirs);
    Ok(())
}

pub fn mixed(session: &mut Session<'_>) -> Result<()> {
    let target = session.target;
    let (orders, answer) = orders_to_read(session)?;
    let bare = session.bare_answering(&answer)?;
    let buyers = session.buyers(&session.products, Expected::Sold);
    let ours = requests(&orders, &session.headers());
    let mut mix = |session: &mut Session<'_>, seconds| {
        let tally = mix_on(session, target, &ours, &buyers, seconds)?;
        session.settle()?;
        Ok(tally)
    };
    let theirs =
        bare.map(|bare| (bare, requests(&orders, &crate::api::headers(bare, None)), session.bare_buyers(bare)));
    let mut mix_bare = theirs.map(|(bare, reads, buyers)| {
        move |session: &mut Session<'_>, seconds: f64| mix_on(session, bare, &reads, &buyers, seconds)
    });
    let (found, theirs) = session.compare("mixed", &mut mix, mix_bare.as_mut().map(|run| run as _))?;
    let theirs = theirs.as_ref().map(|bare| ("bare axum, the same mix", bare));
    session.report("mixed", "80 % read, 20 % place", &found, theirs);
    Ok(())
}

fn mix_on(
    session: &mut Session<'_>,
    target: SocketAddr,
    reads: &Arc<Vec<Vec<u8>>>,
    buyers: &Buyers,
    seconds: f64,
) -> Result<Tally> {
    let load = session.load(target, seconds);
    session.run(&load, |connection| {
        let seed = connection as u64;
        Both::new(Reader::new(Arc::clone(reads), seed), Buyer::new(buyers.clone(), seed + 1), seed + 2)
    })
}
