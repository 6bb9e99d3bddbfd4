//! The rules of the house, checked by a program so that people need not remember them.
//!
//! `cargo run -p tide-tidy` prints what breaks a rule, one line each, and fails if anything does; the test of this crate
//! does the same. What is excused stands in `exceptions.rs` with its reason, and an excuse that is no longer needed is
//! itself an error.
//!
//! The checks read text, not types. `clippy.toml` and the compiler (crates, `no_std`) do the rest.
#![forbid(unsafe_code)]

mod cargo;
mod code;
mod edges;
mod exceptions;
mod licence;
mod manifest;
mod modules;
mod purity;
mod source;
mod tree;

use std::fmt;
use std::path::Path;

pub use exceptions::{EXCEPTIONS, Exception};

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A file is too long to hold in a head.
    FileLength,
    /// A function is too long to see at once.
    FunctionLength,
    /// A module does not say what it is for.
    Header,
    /// Something was left for later.
    Unfinished,
    /// `unsafe` outside the few files that may.
    Unsafe,
    /// A lint is silenced without a reason, or for ever.
    Silenced,
    /// A test is ignored without a reason.
    Ignored,
    /// A channel without a bound.
    Unbounded,
    /// Sockets, files, threads or a clock below the shell.
    Impure,
    /// A source file that no module names.
    Orphan,
    /// A crate knows one that it must not know.
    Edge,
    /// A dependency without a reason on its line.
    Reason,
    /// A licence that is not on the list.
    Licence,
    /// Two versions of one crate.
    Duplicate,
    /// More third-party crates than one person can read.
    Weight,
}

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// The file from the repository's root, or the crate.
    pub place: String,
    /// Counted from 1; 0 where lines have no meaning.
    pub line: usize,
    /// What is there and what should be.
    pub message: String,
}

impl Finding {
    fn new(rule: Rule, place: &str, line: usize, message: impl Into<String>) -> Self {
        Self { rule, place: place.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {:?}: {}", self.rule, self.message)
    }
}

/// Checks the repository at `root`: everything that breaks a rule and is not excused.
///
/// # Errors
/// When files cannot be read or cargo does not answer.
pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let files = tree::files(root).map_err(|error| format!("{}: {error}", root.display()))?;
    let mut findings = Vec::new();
    for file in &files {
        findings.extend(source::check(file));
        findings.extend(purity::check(file));
        findings.extend(manifest::check(file));
    }
    findings.extend(modules::check(&files));
    let metadata = cargo::metadata(root)?;
    findings.extend(edges::check(&metadata));
    findings.extend(licence::check(&metadata));
    findings.extend(cargo::check_tree(root, &metadata)?);
    Ok(exceptions::excuse(findings, EXCEPTIONS))
}
