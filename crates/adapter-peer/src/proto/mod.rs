//! The gRPC contract as Rust, generated: one module a package.
//!
//! Never edit these files: change `api/proto` and run `cargo run -p xtask -- gen-proto`.

#[expect(clippy::allow_attributes, reason = "tonic writes them")]
pub mod doos_internal_v1;
