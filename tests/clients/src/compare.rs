//! Content compared by a program that has no part in it.

use std::path::Path;
use std::process::Command;

/// Compares two files or two whole folders with `diff`: names, nesting, and every byte.
///
/// # Panics
/// When they differ, with what `diff` says.
pub fn same(one: &Path, other: &Path) {
    if let Some(difference) = difference(one, other) {
        panic!("{} and {} differ:\n{difference}", one.display(), other.display());
    }
}

/// The same, for a client that does not make empty files (Transmission 3.00): those that only `whole` has may be missing
/// in `other`.
///
/// # Panics
/// When they differ otherwise, with what `diff` says.
pub fn same_but_for_empty_files(whole: &Path, other: &Path) {
    let said = difference(whole, other).unwrap_or_default();
    let missing_empty = |line: &str| {
        let place = line.strip_prefix("Only in ").and_then(|place| place.split_once(": "));
        place.is_some_and(|(folder, name)| {
            let file = Path::new(folder).join(name);
            file.starts_with(whole) && file.metadata().is_ok_and(|file| file.is_file() && file.len() == 0)
        })
    };
    let wrong: Vec<_> = said.lines().filter(|line| !missing_empty(line)).collect();
    assert!(wrong.is_empty(), "{} and {} differ:\n{}", whole.display(), other.display(), wrong.join("\n"));
}

/// What `diff` says about two files or folders; `None` if they are the same.
///
/// # Panics
/// When `diff` cannot be run.
#[must_use]
pub fn difference(one: &Path, other: &Path) -> Option<String> {
    let output = Command::new("diff")
        .args(["--recursive", "--brief", "--no-dereference", "--"])
        .args([one, other])
        .output()
        .expect("diff is there");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (!output.status.success()).then(|| said.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TempDir;
    use std::fs;

    #[test]
    fn a_missing_empty_file_and_a_changed_byte_are_differences() {
        let dir = TempDir::new("compare");
        let (one, other) = (dir.folder("one/sub"), dir.folder("other/sub"));
        fs::write(one.join("a"), b"abc").unwrap();
        fs::write(other.join("a"), b"abc").unwrap();
        same(&dir.join("one"), &dir.join("other"));
        fs::write(other.join("a"), b"abd").unwrap();
        assert!(difference(&dir.join("one"), &dir.join("other")).is_some_and(|said| said.contains("differ")));
        fs::write(other.join("a"), b"abc").unwrap();
        fs::write(one.join("empty"), b"").unwrap();
        same_but_for_empty_files(&dir.join("one"), &dir.join("other"));
        assert!(difference(&dir.join("one"), &dir.join("other")).is_some_and(|said| said.contains("empty")));
    }
}
