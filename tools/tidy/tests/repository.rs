//! This repository keeps the rules of the house.

use std::path::Path;

#[test]
fn the_rules_of_the_house_hold() {
    let findings = tide_tidy::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}", lines.join("\n"));
}
