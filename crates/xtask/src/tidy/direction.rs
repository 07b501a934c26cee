//! Dependencies point one way: `domain ← ports ← app ← {gateway, roles} ← node ← doos`.
//!
//! The table says for each crate which of ours it may name; an edge that is not in the table is a violation, and so is
//! a crate without a row. Adapters know ports and domain, never each other and never the use cases (but for the change
//! feed, which reads what the SQL order store writes); node alone builds them. Tests may go further than code: use cases are tested over real engines, so development dependencies may name
//! adapters too, and an adapter may be tested beside the simulated engines. The load generator measures engines side by
//! side, so it may name them; only the binary names it. Nothing names the simulator or this crate, not even in tests.

use anyhow::Context;
use serde_json::Value;

use super::Violation;

/// What the pure core may take from outside: serialisation and the error derive, and the model checker for its tests.
const DOMAIN_EXTERNAL: &[&str] = &["itoa", "serde", "serde_json", "thiserror"];
const DOMAIN_EXTERNAL_IN_TESTS: &[&str] = &["proptest"];

/// Crates that may name anything of ours, and that nobody may name.
const OUTERMOST: &[&str] = &["doos-sim", "xtask"];

/// Every other crate and what it may name. `doos-adapter-*` stands for each adapter.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("doos-domain", &[]),
    ("doos-batcher", &[]),
    ("doos-journal", &[]),
    ("doos-ports", &["doos-domain"]),
    ("doos-app", &["doos-domain", "doos-ports", "doos-batcher"]),
    ("doos-adapter-*", &["doos-domain", "doos-ports", "doos-batcher"]),
    ("doos-adapter-embedded", &["doos-domain", "doos-ports", "doos-batcher", "doos-journal"]),
    // It reads the rows that the order store writes, and decodes them with the store's own function.
    ("doos-adapter-binlog", &["doos-domain", "doos-ports", "doos-batcher", "doos-adapter-mysql"]),
    ("doos-gateway", &["doos-domain", "doos-ports", "doos-app", "doos-batcher"]),
    ("doos-roles", &["doos-domain", "doos-ports", "doos-app", "doos-batcher"]),
    (
        "doos-node",
        &[
            "doos-domain",
            "doos-ports",
            "doos-app",
            "doos-batcher",
            "doos-journal",
            "doos-gateway",
            "doos-roles",
            "doos-adapter-*",
        ],
    ),
    ("doos-bench", &["doos-domain", "doos-ports", "doos-journal", "doos-gateway", "doos-adapter-*"]),
    ("doos", &["doos-domain", "doos-ports", "doos-app", "doos-gateway", "doos-roles", "doos-node", "doos-bench"]),
];

/// Crates whose tests may run over real engines.
const TESTED_OVER_ADAPTERS: &[&str] = &["doos-app", "doos-gateway", "doos-roles", "doos-node", "doos"];

/// Where an adapter's tests may take the ports from that it does not serve itself.
const SIMULATED: &str = "doos-adapter-sim";

/// A crate of the workspace and what its manifest names.
pub struct Package {
    name: String,
    manifest: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    in_tests_only: bool,
}

/// Reads the crates out of `cargo metadata --no-deps`.
pub fn packages(metadata: &Value) -> anyhow::Result<Vec<Package>> {
    let root = metadata["workspace_root"].as_str().context("metadata without workspace_root")?;
    let listed = metadata["packages"].as_array().context("metadata without packages")?;
    listed.iter().map(|package| read_package(package, root)).collect()
}

fn read_package(package: &Value, root: &str) -> anyhow::Result<Package> {
    let manifest = package["manifest_path"].as_str().context("package without manifest_path")?;
    let listed = package["dependencies"].as_array().context("package without dependencies")?;
    let dependencies = listed.iter().map(|dependency| {
        Ok(Dependency {
            name: dependency["name"].as_str().context("dependency without name")?.to_owned(),
            in_tests_only: dependency["kind"].as_str() == Some("dev"),
        })
    });
    Ok(Package {
        name: package["name"].as_str().context("package without name")?.to_owned(),
        manifest: manifest.trim_start_matches(root).trim_start_matches('/').to_owned(),
        dependencies: dependencies.collect::<anyhow::Result<_>>()?,
    })
}

/// Every edge that the table does not have.
pub fn check(packages: &[Package]) -> Vec<Violation> {
    packages.iter().flat_map(|package| check_package(package, packages)).collect()
}

fn check_package(package: &Package, packages: &[Package]) -> Vec<Violation> {
    let refuse = |message: String| Violation::new(&package.manifest, 0, message);
    let is_outermost = OUTERMOST.contains(&package.name.as_str());
    let nothing: &[&str] = &[];
    let Some(may_name) = (if is_outermost { Some(nothing) } else { row(&package.name) }) else {
        return vec![refuse(format!("{} has no row in the table of xtask's direction.rs", package.name))];
    };
    let mut violations = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        if !packages.iter().any(|package| package.name == name) {
            if package.name == "doos-domain" && !domain_may_take(dependency) {
                violations.push(refuse(format!("domain must not depend on {name}: it is pure")));
            }
            continue;
        }
        let over_adapters = dependency.in_tests_only
            && (is_adapter(name) && TESTED_OVER_ADAPTERS.contains(&package.name.as_str())
                || name == SIMULATED && is_adapter(&package.name));
        let allowed = is_outermost || over_adapters || may_name.iter().any(|pattern| matches(pattern, name));
        if OUTERMOST.contains(&name) || !allowed {
            violations
                .push(refuse(format!("{} must not depend on {name}: the arrow points the wrong way", package.name)));
        }
    }
    violations
}

fn domain_may_take(dependency: &Dependency) -> bool {
    let name = dependency.name.as_str();
    DOMAIN_EXTERNAL.contains(&name) || dependency.in_tests_only && DOMAIN_EXTERNAL_IN_TESTS.contains(&name)
}

fn row(name: &str) -> Option<&'static [&'static str]> {
    let exact = MAY_NAME.iter().find(|(pattern, _)| *pattern == name);
    exact.or_else(|| MAY_NAME.iter().find(|(pattern, _)| matches(pattern, name))).map(|(_, may_name)| *may_name)
}

fn is_adapter(name: &str) -> bool {
    matches("doos-adapter-*", name)
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of every crate in the table, in which `from` alone names something.
    fn workspace(from: &str, to: &str, kind: Option<&str>) -> Vec<Package> {
        let names = ["doos-adapter-sim", "doos-adapter-mysql", from]
            .into_iter()
            .chain(OUTERMOST.iter().copied())
            .chain(MAY_NAME.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('*')));
        let packages: Vec<Value> = names
            .map(|name| {
                let dependencies =
                    if name == from { serde_json::json!([{ "name": to, "kind": kind }]) } else { serde_json::json!([]) };
                serde_json::json!({ "name": name, "manifest_path": format!("/r/{name}/Cargo.toml"), "dependencies": dependencies })
            })
            .collect();
        super::packages(&serde_json::json!({ "workspace_root": "/r", "packages": packages })).unwrap()
    }

    fn is_refused(from: &str, to: &str, kind: Option<&str>) -> bool {
        !check(&workspace(from, to, kind)).is_empty()
    }

    #[test]
    fn an_arrow_along_the_direction_passes() {
        for (from, to) in [
            ("doos-ports", "doos-domain"),
            ("doos-app", "doos-ports"),
            ("doos-gateway", "doos-app"),
            ("doos-adapter-embedded", "doos-journal"),
            ("doos-node", "doos-adapter-sim"),
            ("doos", "doos-node"),
            ("doos-sim", "doos-adapter-embedded"),
        ] {
            assert!(!is_refused(from, to, None), "{from} -> {to}");
        }
    }

    #[test]
    fn an_arrow_against_the_direction_is_refused() {
        for (from, to) in [
            ("doos-domain", "doos-ports"),
            ("doos-ports", "doos-app"),
            ("doos-app", "doos-adapter-sim"),
            ("doos-app", "doos-gateway"),
            ("doos-gateway", "doos-roles"),
            ("doos-gateway", "doos-journal"),
            ("doos-roles", "doos-adapter-embedded"),
            ("doos-adapter-sim", "doos-adapter-mysql"),
            ("doos-adapter-mysql", "doos-app"),
            ("doos-adapter-mysql", "doos-journal"),
            ("doos-batcher", "doos-domain"),
            ("doos-journal", "doos-domain"),
            ("doos", "doos-adapter-sim"),
        ] {
            assert!(is_refused(from, to, None), "{from} -> {to}");
        }
    }

    #[test]
    fn nothing_depends_on_the_outermost_crates_even_in_tests() {
        for to in OUTERMOST {
            assert!(is_refused("doos-node", to, None), "{to}");
            assert!(is_refused("doos", to, Some("dev")), "{to}");
        }
    }

    #[test]
    fn tests_of_use_cases_may_run_over_adapters_and_code_may_not() {
        assert!(!is_refused("doos-app", "doos-adapter-sim", Some("dev")));
        assert!(is_refused("doos-app", "doos-adapter-sim", Some("build")));
        assert!(is_refused("doos-domain", "doos-adapter-sim", Some("dev")));
        assert!(is_refused("doos-adapter-sim", "doos-adapter-mysql", Some("dev")));
        assert!(!is_refused("doos-adapter-mysql", "doos-adapter-sim", Some("dev")));
        assert!(is_refused("doos-adapter-mysql", "doos-adapter-sim", None));
    }

    #[test]
    fn domain_takes_only_what_is_on_its_list() {
        assert!(!is_refused("doos-domain", "serde", None));
        assert!(is_refused("doos-domain", "tokio", None));
        assert!(is_refused("doos-domain", "tokio", Some("dev")));
        assert!(!is_refused("doos-domain", "proptest", Some("dev")));
        assert!(is_refused("doos-domain", "proptest", None));
        assert!(!is_refused("doos-app", "tokio", None));
    }

    #[test]
    fn a_crate_without_a_row_is_refused() {
        assert!(is_refused("doos-newcomer", "serde", None));
        assert!(!is_refused("doos-adapter-newcomer", "serde", None));
    }

    #[test]
    fn a_violation_names_the_manifest() {
        let found = check(&workspace("doos-ports", "doos-app", None));
        assert_eq!(found[0].path, "doos-ports/Cargo.toml");
    }
}
