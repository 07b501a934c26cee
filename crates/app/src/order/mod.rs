//! Orders as callers use them: place, move, read.

mod change;
mod place;
mod read;
mod steer;

pub use place::{PlaceOrder, Placed};
pub use read::OrderPage;
pub use steer::{Moved, Steer, Terms, Verb};
