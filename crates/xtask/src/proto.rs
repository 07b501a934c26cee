//! Generates the Rust code of the gRPC contracts from `api/proto`, without a `protoc` on the machine: what clients call
//! goes to the gateway, what processes ask of each other to the peer adapter.
//!
//! What holds here: the same contract gives the same bytes, so that `drift` may compare them; the output is formatted
//! as rustfmt formats it and opens with a header like every other file. Client and server are both generated: tests and
//! the load generator call what the gateway serves.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use prost::Message;

use crate::drift::Output;
use crate::repository;

/// The names of these entries in the table of generated files.
pub const NAME: &str = "grpc";
pub const NAME_INTERNAL: &str = "grpc-internal";

/// Where the generated files stand: the contract with clients, and the one between processes.
pub const TARGET: &str = "crates/gateway/src/proto";
pub const TARGET_INTERNAL: &str = "crates/adapter-peer/src/proto";

const CONTRACTS: &str = "api/proto";

/// Inner attributes of the generated code are prost's and tonic's own; this is put above them.
const HEADER: &str = "//! The gRPC messages and services of one package, generated from `api/proto`.
//!
//! Never edit this file: change the contract and run `cargo run -p xtask -- gen-proto`.

";

const DESCRIPTOR: &str = "file_descriptor_set.bin";

/// The contract with clients, with the descriptors that server reflection serves.
pub fn generate(root: &Path) -> anyhow::Result<Vec<Output>> {
    let (descriptors, mut outputs) = generate_from(root, "v1", TARGET)?;
    outputs.push(Output { path: format!("{TARGET}/{DESCRIPTOR}"), bytes: descriptors });
    let module = outputs.iter_mut().find(|output| output.path.ends_with("/mod.rs")).context("no module")?;
    module.bytes.extend_from_slice(
        format!("\n/// Every file of the contract, as server reflection serves it.\npub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(\"{DESCRIPTOR}\");\n").as_bytes(),
    );
    outputs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(outputs)
}

/// The contract between processes.
pub fn generate_internal(root: &Path) -> anyhow::Result<Vec<Output>> {
    Ok(generate_from(root, "internal/v1", TARGET_INTERNAL)?.1)
}

/// Compiles every contract of a directory; paths are relative to the root. Returns its descriptors too.
fn generate_from(root: &Path, directory: &str, target: &str) -> anyhow::Result<(Vec<u8>, Vec<Output>)> {
    let contracts = root.join(CONTRACTS);
    let sources = sources(&contracts.join(directory))?;
    let descriptors = protox::compile(&sources, [&contracts]).context("compiling the contracts")?;
    let scratch = tempfile::tempdir()?;
    let descriptor_bytes = descriptors.encode_to_vec();
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .out_dir(scratch.path())
        .compile_fds(descriptors)
        .context("generating Rust from the contracts")?;
    let mut outputs = Vec::new();
    let mut modules = Vec::new();
    for entry in std::fs::read_dir(scratch.path())? {
        let file = entry?.path();
        let module = module_name(&file)?;
        let bytes = formatted(root, &file)?;
        outputs.push(Output { path: format!("{target}/{module}.rs"), bytes });
        modules.push(module);
    }
    modules.sort_unstable();
    outputs.push(Output { path: format!("{target}/mod.rs"), bytes: declarations(&modules).into_bytes() });
    outputs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((descriptor_bytes, outputs))
}

fn sources(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))?;
    let mut sources = Vec::new();
    for entry in listing {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            sources.push(path);
        }
    }
    ensure!(!sources.is_empty(), "no contract in {}", directory.display());
    sources.sort();
    Ok(sources)
}

/// `order.v1.rs` holds the package `order.v1`, which becomes the module `order_v1`.
fn module_name(file: &Path) -> anyhow::Result<String> {
    let package = file.file_stem().and_then(|stem| stem.to_str()).context("a generated file without a name")?;
    Ok(package.replace('.', "_"))
}

fn formatted(root: &Path, file: &Path) -> anyhow::Result<Vec<u8>> {
    let generated = std::fs::read_to_string(file)?;
    std::fs::write(file, format!("{HEADER}{generated}"))?;
    // Through its standard input rustfmt takes the configuration of the directory it runs in, as `cargo fmt` does.
    let mut rustfmt = Command::new("rustfmt");
    rustfmt.args(["--edition", "2024"]).current_dir(root).stdin(File::open(file)?);
    Ok(repository::output_of(rustfmt)?.into_bytes())
}

fn declarations(modules: &[String]) -> String {
    let mut text = String::from(
        "//! The gRPC contract as Rust, generated: one module a package.
//!
//! Never edit these files: change `api/proto` and run `cargo run -p xtask -- gen-proto`.

",
    );
    for module in modules {
        text.push_str(&format!(
            "#[expect(clippy::allow_attributes, reason = \"tonic writes them\")]\npub mod {module};\n"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_compiles_and_generating_twice_gives_the_same_bytes() {
        let root = repository::root().unwrap();
        let first = generate(&root).unwrap();
        assert_eq!(first, generate(&root).unwrap());
        let names: Vec<&str> = first.iter().filter_map(|output| output.path.rsplit('/').next()).collect();
        assert_eq!(names, [DESCRIPTOR, "mod.rs", "order_v1.rs"]);
    }

    #[test]
    fn generated_code_opens_with_a_header_and_has_both_sides_of_the_service() {
        let outputs = generate(&repository::root().unwrap()).unwrap();
        let order = outputs.iter().find(|output| output.path.ends_with("order_v1.rs")).unwrap();
        let text = std::str::from_utf8(&order.bytes).unwrap();
        assert!(text.starts_with("//! "));
        assert!(text.contains("pub mod order_service_server"));
        assert!(text.contains("pub mod order_service_client"));
    }

    /// The numbers of the first published contract: a client compiled against it must be understood for ever.
    #[test]
    fn the_first_contract_keeps_its_field_numbers_and_types() {
        use prost_types_of_contract::*;
        let fields = fields();
        for (message, field, number, kind) in [
            ("CreateOrderRequest", "user_id", 1, Type::Int64),
            ("CreateOrderRequest", "items", 2, Type::Message),
            ("CreateOrderRequest", "address", 3, Type::String),
            ("OrderItem", "product_id", 1, Type::Int64),
            ("OrderItem", "count", 2, Type::Int32),
            ("CreateOrderResponse", "order_id", 1, Type::Int64),
            ("CreateOrderResponse", "status", 2, Type::String),
        ] {
            let expected = (message.to_owned(), field.to_owned(), number, kind);
            assert!(fields.contains(&expected), "{message}.{field} is not field {number} of {kind:?}");
        }
    }

    mod prost_types_of_contract {
        use super::super::{CONTRACTS, repository, sources};
        pub use prost_types::field_descriptor_proto::Type;

        /// Message, field, number and type of each field in the contract.
        pub fn fields() -> Vec<(String, String, i32, Type)> {
            let contracts = repository::root().unwrap().join(CONTRACTS);
            let set = protox::compile(sources(&contracts.join("v1")).unwrap(), [&contracts]).unwrap();
            let messages = set.file.into_iter().flat_map(|file| file.message_type);
            messages
                .flat_map(|message| {
                    let name = message.name().to_owned();
                    message
                        .field
                        .into_iter()
                        .map(move |field| (name.clone(), field.name().to_owned(), field.number(), field.r#type()))
                })
                .collect()
        }
    }
}
