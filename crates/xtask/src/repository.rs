//! What xtask reads: the repository's root, its files, its crates.
//!
//! A file counts when git tracks it or would track it with the next `git add`, so that a rule bites before the commit
//! and never looks into build output.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};

/// A file of the repository as the rules see it.
pub struct TrackedFile {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub size_bytes: u64,
    /// None when it is not UTF-8, or so large that the size rule refuses it anyway.
    pub text: Option<String>,
}

/// Larger files are refused by a rule; they are not read for the others.
pub const FILE_SIZE_MAX_BYTES: u64 = 1024 * 1024;

/// The directory of the workspace's Cargo.toml, wherever the command was started.
pub fn root() -> anyhow::Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().nth(2).context("xtask is not at crates/xtask")?;
    ensure!(root.join("Cargo.toml").is_file(), "no workspace at {}", root.display());
    Ok(root.to_path_buf())
}

/// Every file that is tracked or about to be, sorted by path.
pub fn files(root: &Path) -> anyhow::Result<Vec<TrackedFile>> {
    let listing = output(root, "git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    let mut paths: Vec<&str> = listing.split('\0').filter(|path| !path.is_empty()).collect();
    paths.sort_unstable();
    paths.dedup();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let full = root.join(path);
        // Deleted in the working tree, still in the index.
        let Ok(metadata) = std::fs::symlink_metadata(&full) else {
            continue;
        };
        if !metadata.is_file() {
            continue;
        }
        let text = if metadata.len() > FILE_SIZE_MAX_BYTES {
            None
        } else {
            String::from_utf8(std::fs::read(&full).with_context(|| format!("reading {path}"))?).ok()
        };
        files.push(TrackedFile { path: path.to_owned(), size_bytes: metadata.len(), text });
    }
    ensure!(!files.is_empty(), "git lists no files under {}", root.display());
    Ok(files)
}

/// `cargo metadata` of our own crates.
pub fn cargo_metadata(root: &Path) -> anyhow::Result<serde_json::Value> {
    let text = output(root, "cargo", &["metadata", "--no-deps", "--format-version", "1"])?;
    serde_json::from_str(&text).context("parsing cargo metadata")
}

/// The standard output of a command that must succeed, run at the root.
pub fn output(root: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root);
    output_of(command)
}

/// The standard output of a prepared command that must succeed.
pub fn output_of(mut command: Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} answered with non-UTF-8"))
}
