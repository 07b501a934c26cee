//! The OpenAPI document, as the binary prints it.
//!
//! What holds here: the checked-in document is the one a node serves at `/openapi.json`, byte for byte.

use std::path::Path;

use crate::drift::Output;
use crate::repository;

/// The name of this entry in the table of generated files.
pub const NAME: &str = "openapi";

const TARGET: &str = "api/openapi.json";

/// Asks the binary; paths are relative to the root.
pub fn generate(root: &Path) -> anyhow::Result<Vec<Output>> {
    let printed = repository::output(root, "cargo", &["run", "-q", "-p", "doos", "--", "openapi"])?;
    Ok(vec![Output { path: TARGET.to_owned(), bytes: printed.into_bytes() }])
}
