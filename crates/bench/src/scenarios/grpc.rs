//! The same orders over gRPC, next to bare tonic.

use anyhow::Result;
use std::net::SocketAddr;

use crate::grpc::Calls;
use crate::report::Goal;
use crate::rounds::Rounds;
use crate::session::Session;

const BULK_ORDERS: u64 = 200_000;
const STREAMS: usize = 16;
/// A burst ends with its count; this only bounds it.
const BULK_SECONDS_MAX: f64 = 120.0;

pub fn unary(session: &mut Session<'_>) -> Result<()> {
    let (target, bare) = (session.target, session.bare_grpc()?);
    let mut place = |session: &mut Session<'_>, seconds| {
        let (tally, notes) = calls(session, target, true, seconds).place()?;
        session.notes.merge(notes);
        session.settle()?;
        Ok(tally)
    };
    let mut bare_place = bare
        .map(|bare| move |session: &mut Session<'_>, seconds: f64| Ok(calls(session, bare, false, seconds).place()?.0));
    let (found, theirs) = session.compare("grpc", &mut place, bare_place.as_mut().map(|run| run as _))?;
    let theirs = theirs.as_ref().map(|bare| ("bare tonic unary", bare));
    session.report("grpc", "place over gRPC, unary", &found, theirs).expect_ratio(0.7);
    Ok(())
}

/// One burst each: what is folded and confirmed afterwards is waited for, and not part of the rate.
pub fn bulk(session: &mut Session<'_>) -> Result<()> {
    let count = session.options.count.unwrap_or(BULK_ORDERS);
    let burst = |session: &Session<'_>, target, notes_orders| Calls {
        at_once: STREAMS,
        count_max: Some(count),
        ..calls(session, target, notes_orders, BULK_SECONDS_MAX)
    };
    session.progress.say(&format!("grpc-bulk: {count} orders over {STREAMS} streams"));
    let (tally, notes) = burst(session, session.target, true).place_in_bulk()?;
    session.notes.merge(notes);
    session.progress.say(&format!("grpc-bulk: {:.0}/s; waiting until they are confirmed", tally.per_s()));
    let settled_s = session.settle()?;
    let (mut found, mut theirs) = (Rounds::default(), Rounds::default());
    found.add(&tally);
    if let Some(bare) = session.bare_grpc()? {
        theirs.add(&burst(session, bare, false).place_in_bulk()?.0);
    }
    let against = (!theirs.per_s.is_empty()).then_some(("bare tonic stream", &theirs));
    let row = session.report("grpc-bulk", &format!("{count} orders over gRPC streams"), &found, against);
    row.goal = Some(Goal { words: ">= 100 k/s".to_owned(), met: tally.per_s() >= 100_000.0 });
    row.remarks.push(format!("folded, confirmed and level {settled_s:.1} s after the last answer"));
    Ok(())
}

fn calls(session: &Session<'_>, target: SocketAddr, notes_orders: bool, seconds: f64) -> Calls {
    Calls {
        target,
        token: session.token().filter(|_| notes_orders).map(str::to_owned),
        at_once: session.options.connections as usize,
        threads: session.options.threads as usize,
        seconds,
        count_max: session.options.count,
        products: session.products.clone(),
        last_user: session.last_user.clone(),
        notes_orders,
    }
}
