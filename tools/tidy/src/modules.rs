//! Every source file is a module of something; the compiler does not see the others.

use std::path::Path;

use crate::code::words;
use crate::tree::File;
use crate::{Finding, Rule};

/// Checks the files in `src` folders against the modules that their neighbours declare.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let orphan = |file: &&File| {
        let path = Path::new(&file.path);
        let (Some(folder), Some(stem)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str()))
        else {
            return false;
        };
        let is_root = matches!(stem, "lib" | "main") || folder.ends_with("src/bin");
        let (stem, folder) = match (stem, folder.file_name().and_then(|name| name.to_str()), folder.parent())
        {
            ("mod", Some(name), Some(above)) => (name, above),
            _ => (stem, folder),
        };
        let in_src = folder.components().any(|part| part.as_os_str() == "src");
        let by_path =
            format!("path = \"{}\"", path.file_name().and_then(|name| name.to_str()).unwrap_or_default());
        let declared = |other: &File| declares(other, folder, stem) || other.text.contains(&by_path);
        file.is_rust() && in_src && !is_root && !files.iter().any(declared)
    };
    let found = files.iter().filter(orphan);
    found
        .map(|file| Finding::new(Rule::Orphan, &file.path, 0, "no `mod` names it: it is never compiled"))
        .collect()
}

/// Whether `file` is where the modules in `folder` are declared, and declares `module`.
fn declares(file: &File, folder: &Path, module: &str) -> bool {
    let path = Path::new(&file.path);
    let within = path.parent() == Some(folder);
    let above = path.with_extension("") == folder;
    let declared = |at: usize| {
        file.code[..at].trim_end().ends_with("mod") && file.code[at + module.len()..].starts_with(';')
    };
    (within || above) && file.is_rust() && words(&file.code, module).any(declared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_no_module_names_is_found() {
        let files = [
            File::new("a/src/lib.rs", "mod b;\npub mod c;\nmod d;"),
            File::new("a/src/b.rs", "mod e;"),
            File::new("a/src/b/e.rs", ""),
            File::new("a/src/b/f.rs", ""),
            File::new("a/src/c/mod.rs", "mod g;"),
            File::new("a/src/c/g.rs", ""),
            File::new("a/src/d.rs", "#[path = \"d_tests.rs\"]\nmod tests;"),
            File::new("a/src/d_tests.rs", ""),
            File::new("a/src/h.rs", ""),
            File::new("a/src/bin/one.rs", ""),
            File::new("a/tests/it.rs", ""),
        ];
        let found: Vec<_> = check(&files).into_iter().map(|finding| finding.place).collect();
        assert_eq!(found, ["a/src/b/f.rs", "a/src/h.rs"]);
    }
}
