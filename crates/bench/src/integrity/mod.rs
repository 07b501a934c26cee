//! After the load: is every promise kept? A run whose books are wrong has measured nothing.
//!
//! What holds: the check is a pure function of what was promised (the notes of the loads) and what a reader sees
//! afterwards; reading and judging are apart, so that each planted fault has a test.

mod check;
mod seen;

pub use check::{Verdict, check};
pub use seen::{Scope, read};
