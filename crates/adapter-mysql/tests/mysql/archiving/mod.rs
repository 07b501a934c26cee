//! Months of orders that are put away: what is refused, what is read afterwards, what comes back, and who may be at work
//! beside it; with the archivist killed anywhere.

mod bed;
mod beside;
mod crashes;
mod months;
