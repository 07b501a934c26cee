//! The gRPC contract as Rust, generated: one module a package.
//!
//! Never edit these files: change `api/proto` and run `cargo run -p xtask -- gen-proto`.

#[expect(clippy::allow_attributes, reason = "tonic writes them")]
pub mod order_v1;

/// Every file of the contract, as server reflection serves it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("file_descriptor_set.bin");
