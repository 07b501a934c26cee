//! Generated files that are checked in must be what their generator writes today.
//!
//! One table, [`GENERATED`], lists the generators; each returns its files as bytes, relative to the root. `check`
//! compares them with the tree and writes nothing; `write` puts them there. A generator may own a directory: a file in
//! it that it no longer writes is stale, and refused as well.

use std::path::Path;

use anyhow::{Context, bail};

use crate::{openapi, proto};

/// One generated file.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub bytes: Vec<u8>,
}

struct Generated {
    name: &'static str,
    /// What a person runs when the files have drifted.
    remedy: &'static str,
    generate: fn(&Path) -> anyhow::Result<Vec<Output>>,
    /// A directory in which nothing else may stand.
    owned: Option<&'static str>,
}

/// Every generator.
const GENERATED: &[Generated] = &[
    Generated {
        name: proto::NAME,
        remedy: "cargo run -p xtask -- gen-proto",
        generate: proto::generate,
        owned: Some(proto::TARGET),
    },
    Generated {
        name: proto::NAME_INTERNAL,
        remedy: "cargo run -p xtask -- gen-proto",
        generate: proto::generate_internal,
        owned: Some(proto::TARGET_INTERNAL),
    },
    Generated {
        name: openapi::NAME,
        remedy: "cargo run -p xtask -- gen-openapi",
        generate: openapi::generate,
        owned: None,
    },
];

/// Fails with one line per file that differs from what its generator writes.
pub fn check(root: &Path) -> anyhow::Result<()> {
    let mut drifted = 0;
    let mut compared = 0;
    for entry in GENERATED {
        let outputs = (entry.generate)(root).with_context(|| format!("generating {}", entry.name))?;
        compared += outputs.len();
        for difference in differences(root, &outputs, entry.owned)? {
            eprintln!("{difference}: run `{}`", entry.remedy);
            drifted += 1;
        }
    }
    if drifted > 0 {
        bail!("drift: {drifted} generated files are not what their generator writes");
    }
    println!("drift: {compared} generated files are what their generators write");
    Ok(())
}

/// Writes the files of one generator, and removes what it no longer writes.
pub fn write(root: &Path, name: &str) -> anyhow::Result<()> {
    let entry = GENERATED.iter().find(|entry| entry.name == name).with_context(|| format!("no generator {name}"))?;
    let outputs = (entry.generate)(root)?;
    for output in &outputs {
        let path = root.join(&output.path);
        std::fs::create_dir_all(path.parent().context("a generated file without a directory")?)?;
        std::fs::write(&path, &output.bytes).with_context(|| format!("writing {}", output.path))?;
        println!("wrote {}", output.path);
    }
    for stale in stale(root, &outputs, entry.owned)? {
        std::fs::remove_file(root.join(&stale)).with_context(|| format!("removing {stale}"))?;
        println!("removed {stale}");
    }
    Ok(())
}

fn differences(root: &Path, outputs: &[Output], owned: Option<&str>) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for output in outputs {
        match std::fs::read(root.join(&output.path)) {
            Ok(bytes) if bytes == output.bytes => {}
            Ok(_) => found.push(format!("{} differs", output.path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                found.push(format!("{} is missing", output.path));
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", output.path)),
        }
    }
    found.extend(stale(root, outputs, owned)?.into_iter().map(|path| format!("{path} is stale")));
    Ok(found)
}

fn stale(root: &Path, outputs: &[Output], owned: Option<&str>) -> anyhow::Result<Vec<String>> {
    let Some(owned) = owned.filter(|owned| root.join(owned).is_dir()) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join(owned))? {
        let path = format!("{owned}/{}", entry?.file_name().to_string_lossy());
        if !outputs.iter().any(|output| output.path == path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(path: &str, text: &str) -> Output {
        Output { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn tree_with(path: &str, text: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("gen")).unwrap();
        std::fs::write(root.path().join(path), text).unwrap();
        root
    }

    #[test]
    fn a_file_as_its_generator_writes_it_passes() {
        let root = tree_with("gen/a.rs", "same");
        assert_eq!(differences(root.path(), &[output("gen/a.rs", "same")], Some("gen")).unwrap(), [""; 0]);
    }

    #[test]
    fn a_changed_a_missing_and_a_stale_file_are_each_named() {
        let root = tree_with("gen/a.rs", "edited by hand");
        let outputs = [output("gen/a.rs", "same"), output("gen/b.rs", "new")];
        assert_eq!(
            differences(root.path(), &outputs, Some("gen")).unwrap(),
            ["gen/a.rs differs", "gen/b.rs is missing"]
        );
        assert_eq!(
            differences(root.path(), &outputs[1..], Some("gen")).unwrap(),
            ["gen/b.rs is missing", "gen/a.rs is stale"]
        );
    }
}
