//! What the orders add up to: by minute, hour and day, by product and day, by state.
//!
//! What holds: an order counts by its newest version alone. [`Contribution::of`] says what a version adds, a [`Tally`]
//! gathers what is added and taken back, and a read model that adds the new and subtracts its own last version is
//! right to the unit, in whatever groups and however often the changes come.
//!
//! What counts as a sale: an order whose captured money has not been asked back, whatever its state. It counts in the
//! minute in which it was paid, with what is left of its money; given back in full it leaves that minute again. What was
//! given back is told apart, in the minute of the refund, and is already taken out of the sales.
//!
//! What must never happen: a sum that depends on the order in which changes arrive.

mod calendar;
mod contribution;
mod stored;
mod tally;

pub use calendar::{Calendar, InvalidOffset, Step};
pub use contribution::{Contribution, Refunded, Sale, SoldLine};
pub use stored::{contribution_from_bytes, contribution_to_bytes};
pub use tally::{Figures, ProductFigures, ProductKey, SeriesKey, Tally};
