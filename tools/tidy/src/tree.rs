//! The files of the repository.

use std::fs;
use std::io;
use std::path::Path;

use crate::code;

/// Kinds of files that people write, by the ends of their names; programs without one are known by `#!`.
const TEXTS: [&str; 5] = ["rs", "toml", "md", "py", "sh"];

/// A text file.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// From the repository's root, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// For Rust: the same without what stands in comments and literals; otherwise empty.
    pub(crate) code: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let rust = Path::new(path).extension().is_some_and(|end| end == "rs");
        let code = if rust { code::bare(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|end| end == "rs")
    }

    /// Whether all of it is for tests and measurements.
    pub(crate) fn is_test(&self) -> bool {
        let path = Path::new(&self.path);
        let folder = path.parent().is_some_and(|folder| {
            folder.components().any(|part| matches!(part.as_os_str().to_str(), Some("tests" | "benches")))
        });
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        folder || stem == "tests" || stem.ends_with("_tests")
    }
}

/// All text files below `root`, in the order of their paths; build output and hidden folders are left out.
pub(crate) fn files(root: &Path) -> io::Result<Vec<File>> {
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    found.sort_by(|one: &File, other| one.path.cmp(&other.path));
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && name != "target" && (!name.starts_with('.') || name == ".ci") {
            walk(&entry.path(), &format!("{path}/"), found)?;
        } else if kind.is_file()
            && let Some(text) = text(&entry.path(), &name)?
        {
            found.push(File::new(&path, &text));
        }
    }
    Ok(())
}

fn text(path: &Path, name: &str) -> io::Result<Option<String>> {
    let end = Path::new(name).extension().and_then(|end| end.to_str());
    let known = end.is_some_and(|end| TEXTS.contains(&end));
    if !known && end.is_some() {
        return Ok(None);
    }
    let text = String::from_utf8(fs::read(path)?).ok();
    Ok(text.filter(|text| known || text.starts_with("#!")))
}
