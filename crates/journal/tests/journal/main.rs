//! The journal tested to the last byte, on a disk that lies exactly as much as real ones do.

mod append_and_read;
mod common;
mod crash;
mod damage;
mod failing_calls;
mod inspection;
mod model;
mod real_disk;
mod stale_bytes;
