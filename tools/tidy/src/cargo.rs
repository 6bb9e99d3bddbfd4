//! What cargo knows of the dependencies: asked offline, from the lock file alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::edges::list;
use crate::{Finding, Rule};

/// The package that others use.
const ROOT_PACKAGE: &str = "tide-bt";
/// Third-party crates of the library without default features: what an embedder takes in.
const LIBRARY_CRATES_MAX: usize = 30;
/// Third-party crates of the program with everything.
const PROGRAM_CRATES_MAX: usize = 80;

/// `cargo metadata`, every platform, every feature.
pub(crate) fn metadata(root: &Path) -> Result<Value, String> {
    let json = run(root, &["metadata", "--format-version", "1", "--all-features"])?;
    serde_json::from_str(&json).map_err(|error| format!("cargo metadata: {error}"))
}

/// Checks for second versions, and the number of third-party crates.
pub(crate) fn check_tree(root: &Path, metadata: &Value) -> Result<Vec<Finding>, String> {
    let all = tree(root, &["--workspace", "--all-features", "--edges", "normal,build"])?;
    let mut findings = duplicates(&all);
    if list(&metadata["packages"]).iter().any(|package| package["name"] == ROOT_PACKAGE) {
        let package = ["--package", ROOT_PACKAGE, "--edges", "normal"];
        for (what, features, most) in [
            ("the library", "--no-default-features", LIBRARY_CRATES_MAX),
            ("the program", "--all-features", PROGRAM_CRATES_MAX),
        ] {
            let crates = tree(root, &[&package[..], &[features]].concat())?;
            if crates.len() > most {
                let message = format!("{what} has {} third-party crates, at most {most}", crates.len());
                findings.push(Finding::new(Rule::Weight, ROOT_PACKAGE, 0, message));
            }
        }
    }
    Ok(findings)
}

/// Name and version of the crates of others in `cargo tree`.
fn tree(root: &Path, arguments: &[&str]) -> Result<BTreeSet<(String, String)>, String> {
    let lines = run(root, &[&["tree", "--prefix", "none"], arguments].concat())?;
    Ok(lines.lines().filter_map(third_party).collect())
}

/// `name v1.2.3`, followed by `(proc-macro)` or `(*)`; our own crates are followed by their path.
fn third_party(line: &str) -> Option<(String, String)> {
    let (name, rest) = line.split_once(" v")?;
    let version = rest.split(' ').next()?;
    (!rest.contains("(/")).then(|| (name.to_owned(), version.to_owned()))
}

fn duplicates(crates: &BTreeSet<(String, String)>) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, version) in crates {
        versions.entry(name).or_default().push(version);
    }
    let twice = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    twice.map(|(name, versions)| Finding::new(Rule::Duplicate, name, 0, versions.join(" and "))).collect()
}

fn run(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output =
        Command::new(cargo).args(arguments).args(["--offline", "--locked"]).current_dir(root).output();
    let output = output.map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cargo {} (`cargo fetch` may be missing): {said}", arguments.join(" ")));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lines_of_cargo_tree() {
        let of = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(third_party("bytes v1.12.1"), of("bytes", "1.12.1"));
        assert_eq!(third_party("serde_derive v1.0.1 (proc-macro) (*)"), of("serde_derive", "1.0.1"));
        assert_eq!(third_party("tide-base v0.1.0 (/a/net/base)"), None);
        assert_eq!(third_party(""), None);
    }

    #[test]
    fn two_versions_of_one_crate_are_found() {
        let crates = [("a", "1.0.0"), ("a", "2.0.0"), ("b", "1.0.0")];
        let crates = crates.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        let found = duplicates(&crates);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].place.as_str(), found[0].message.as_str()), ("a", "1.0.0 and 2.0.0"));
    }
}
