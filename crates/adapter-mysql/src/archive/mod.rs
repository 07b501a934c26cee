//! Orders of months that are over go from `t_order` to `t_order_archive`, packed, while the shard is used.
//!
//! A month goes through these steps; each can be begun again by whoever comes after a crash, and nothing has to be
//! remembered for that but the rows themselves:
//!
//! 1. *looking*: every order of the month is read and judged. One that is not closed, a message that is not done with, or a
//!    bucket on its way, and the month is refused, with numbers.
//! 2. *putting away*: in one transaction some orders are locked as a group locks them, judged again, written packed, read
//!    back, compared, and taken out of `t_order`. So an order is at one place in every instant that anybody can see.
//! 3. *giving back*: under a lock of the table it is looked whether the month's partition is empty; only then it is
//!    dropped.
//!
//! What holds: readers of one order look into `t_order`, and if it is not there, into both tables by one statement; lists
//! always into both, by one statement. A change of an order that is put away brings it back, in the change's own
//! transaction (`orders/group.rs`). Answers to keys and void ids lie in tables of their own, and stay.
//!
//! What must never happen: a partition dropped with a row in it; a row taken out of `t_order` whose copy was not compared;
//! work on a bucket that a mover copies.

mod archivist;
mod month;
mod space;

pub use archivist::Archivist;
