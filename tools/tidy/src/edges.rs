//! Which crate may know which.

use std::path::Path;

use serde_json::Value;

use crate::{Finding, Rule};

/// Whether the crate in folder `from` may depend on the one in folder `to`. Folders that are not below the shell may know
/// what they like.
fn may_know(from: &str, to: &str) -> bool {
    match from {
        "net/base" => false,
        "net/bencode" | "disk/hash" => to == "net/base",
        "disk" => matches!(to, "net/base" | "net/bencode" | "disk/hash"), // resume files are bencoded
        "src/engine" => to.starts_with("net/") || to == "disk" || to.starts_with("disk/"),
        _ if from.starts_with("net/") => matches!(to, "net/base" | "net/bencode"),
        _ => true,
    }
}

/// Checks what `cargo metadata` says about our own crates; what only tests need is free.
pub(crate) fn check(metadata: &Value) -> Vec<Finding> {
    let root = Path::new(metadata["workspace_root"].as_str().unwrap_or_default());
    let folder_of = |path: &str| {
        Path::new(path)
            .strip_prefix(root)
            .map(|path| path.to_string_lossy().replace('\\', "/"))
            .unwrap_or_default()
    };
    let mut findings = Vec::new();
    let ours = list(&metadata["packages"]).iter().filter(|package| package["source"].is_null());
    for package in ours {
        let manifest = folder_of(package["manifest_path"].as_str().unwrap_or_default());
        let from = manifest.trim_end_matches("Cargo.toml").trim_end_matches('/');
        let shipped = list(&package["dependencies"]).iter().filter(|dependency| dependency["kind"] != "dev");
        for to in shipped.filter_map(|dependency| dependency["path"].as_str()).map(folder_of) {
            if !may_know(from, &to) {
                let message = "one must not know the other (ARCHITECTURE.md: who may know whom)";
                findings.push(Finding::new(Rule::Edge, &format!("{from} → {to}"), 0, message));
            }
        }
    }
    findings
}

/// The elements of a JSON list; none if it is something else.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn protocol_crates_do_not_know_each_other() {
        assert!(may_know("net/peer", "net/base") && may_know("net/tracker", "net/bencode"));
        assert!(!may_know("net/peer", "net/tracker") && !may_know("net/base", "net/bencode"));
        assert!(!may_know("disk", "net/peer") && may_know("disk", "disk/hash"));
        assert!(may_know("src/engine", "net/peer") && !may_know("src/engine", ""));
        assert!(may_know("", "src/engine") && may_know("tools/sim", "src/engine"));
    }

    #[test]
    fn edges_are_read_from_the_metadata() {
        let dependency = |path: &str, kind: Value| json!({"name": "x", "path": path, "kind": kind});
        let metadata = json!({"workspace_root": "/w", "packages": [
            {"source": null, "manifest_path": "/w/net/peer/Cargo.toml", "dependencies": [
                dependency("/w/net/base", Value::Null), dependency("/w/net/dht", Value::Null),
                dependency("/w/net/tracker", json!("dev")), {"name": "mio", "kind": null}]},
            {"source": null, "manifest_path": "/w/Cargo.toml", "dependencies": [dependency("/w/net/peer", Value::Null)]},
        ]});
        let found: Vec<_> = check(&metadata).into_iter().map(|finding| finding.place).collect();
        assert_eq!(found, ["net/peer → net/dht"]);
    }
}
