//! Buckets that move between shards while they are used: under load, with the mover killed anywhere, and back again.

mod bed;
mod crashes;
mod load;
mod rest;
