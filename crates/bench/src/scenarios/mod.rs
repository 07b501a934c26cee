//! What each scenario does, one file for those that belong together.
//!
//! What holds: a scenario adds its rows to the report and everything it placed to the notes; it says what it compares
//! with, and measures both in the same rounds.

mod connections;
mod delivered;
mod full;
mod growth;
mod grpc;
mod ids;
mod life;
mod overload;
mod raw;
mod slow_disk;
mod stock;

use anyhow::Result;

use crate::scenario::Scenario;
use crate::session::Session;

pub fn run(session: &mut Session<'_>, scenario: Scenario) -> Result<()> {
    match scenario {
        Scenario::Read => full::read(session),
        Scenario::Connections => connections::connections(session),
        Scenario::Place => full::place(session),
        Scenario::Mixed => full::mixed(session),
        Scenario::Keys => full::keys(session),
        Scenario::Hot => stock::hot(session),
        Scenario::Soldout => stock::soldout(session),
        Scenario::Flash => stock::flash(session),
        Scenario::Grpc => grpc::unary(session),
        Scenario::GrpcBulk => grpc::bulk(session),
        Scenario::Life => life::life(session),
        Scenario::Delivered => delivered::delivered(session),
        Scenario::SlowDisk => slow_disk::slow_disk(session),
        Scenario::Ids => ids::ids(session),
        Scenario::Overload => overload::overload(session),
        Scenario::Growth => growth::growth(session),
    }
}
