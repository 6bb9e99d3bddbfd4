//! The planted bugs: that each patch still applies. (Whether each is found is a matter of minutes: `planted/hunt`.)

use std::path::Path;
use std::process::Command;

#[test]
fn every_planted_bug_can_be_planted() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("planted");
    let mut patches = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of planted bugs") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "patch") {
            continue;
        }
        // By the paths in it, wherever that lies; without a repository, too.
        let root = folder.join("../../..");
        let applies = Command::new("git").arg("apply").arg("--check").arg(&path).current_dir(&root).output();
        let output = applies.expect("git runs");
        assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
        patches += 1;
    }
    assert!(patches >= 10, "only {patches} bugs are planted");
}
