//! The whole system in one thread, on virtual time, from a seed: real use cases and roles over simulated engines, and
//! over the real embedded store on a simulated disk.
//!
//! What holds: one seed twice gives the same run, poll by poll. Faults come first, calm after; what clients were told is
//! kept apart and compared. Bugs planted here (wrappers round ports, mutated decisions) must all be caught, which is
//! how the checks are checked.
//!
//! What must never happen: a switch for any of this in production code.
//!
//! Where to read next: `executor` for time and chance, `scenario` for what a seed draws, `cluster` for the first world,
//! `check` for the laws, `planted` for the bugs.

pub mod check;
pub mod clients;
pub mod cluster;
pub mod embedded;
pub mod executor;
pub mod oracle;
pub mod planted;
pub mod scenario;
pub mod site;
pub mod trace;
pub mod verdict;

pub use verdict::Verdict;
