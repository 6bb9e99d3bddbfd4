//! What one file may look like.

use crate::code::{functions, line_of, words};
use crate::tree::File;
use crate::{Finding, Rule};

/// Lines of a file outside tests: what fits in a head. Other engines lost theirs in files of 12,000.
const FILE_LINES_MAX: usize = 600;
/// Lines of a function: what fits on a screen.
const FUNCTION_LINES_MAX: usize = 70;

/// Words that mean "later", put together here so that this file does not hold them.
const LATER: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];
/// Macros that mean the same.
const LATER_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Checks one file for itself.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for word in LATER {
        for at in words(&file.text, word) {
            let line = line_of(&file.text, at);
            findings.push(Finding::new(
                Rule::Unfinished,
                &file.path,
                line,
                format!("{word}: do it, or write an issue"),
            ));
        }
    }
    if file.is_rust() {
        sizes(file, &mut findings);
        header(file, &mut findings);
        attributes(file, &mut findings);
        code(file, &mut findings);
    }
    findings
}

fn sizes(file: &File, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    if lines > FILE_LINES_MAX && !file.is_test() {
        let message = format!("{lines} lines, at most {FILE_LINES_MAX}: find the second concern in it");
        findings.push(Finding::new(Rule::FileLength, &file.path, 0, message));
    }
    for function in functions(&file.code) {
        let lines = function.last - function.first + 1;
        if lines > FUNCTION_LINES_MAX {
            let message = format!("fn {} has {lines} lines, at most {FUNCTION_LINES_MAX}", function.name);
            findings.push(Finding::new(Rule::FunctionLength, &file.path, function.first, message));
        }
    }
}

fn header(file: &File, findings: &mut Vec<Finding>) {
    let first = file.text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!"));
    if !first.is_some_and(|line| line.starts_with("//! ")) {
        findings.push(Finding::new(
            Rule::Header,
            &file.path,
            1,
            "begins without a `//!` that says what it is for",
        ));
    }
}

fn attributes(file: &File, findings: &mut Vec<Finding>) {
    let mut found = |rule, at, message: &str| {
        findings.push(Finding::new(rule, &file.path, line_of(&file.code, at), message));
    };
    let reasoned = |at: usize| {
        let end = file.code[at..].find(']').map_or(file.code.len(), |end| at + end);
        file.code[at..end].contains("reason")
    };
    for (at, _) in file.code.match_indices("[allow(") {
        // Helpers shared by several test binaries are dead in some of them, where `expect` would find nothing.
        if !(file.is_test() && reasoned(at)) {
            found(Rule::Silenced, at, "`allow` stays for ever: use `expect(…, reason = \"…\")`");
        }
    }
    for (at, _) in file.code.match_indices("[expect(") {
        if !reasoned(at) {
            found(Rule::Silenced, at, "`expect` without a reason");
        }
    }
    for (at, _) in file.code.match_indices("#[ignore]") {
        found(Rule::Ignored, at, "ignored without a reason: `#[ignore = \"…\"]`");
    }
}

fn code(file: &File, findings: &mut Vec<Finding>) {
    let mut found = |rule, at, message: &str| {
        findings.push(Finding::new(rule, &file.path, line_of(&file.code, at), message));
    };
    for name in LATER_MACROS {
        for at in words(&file.code, name) {
            if file.code[at + name.len()..].starts_with('!') {
                found(Rule::Unfinished, at, name);
            }
        }
    }
    for at in words(&file.code, "unsafe") {
        found(Rule::Unsafe, at, "`unsafe` only in the files that the exceptions name");
    }
    for at in words(&file.code, "unbounded") {
        if file.code[at + "unbounded".len()..].starts_with(['(', ':']) {
            found(Rule::Unbounded, at, "every queue has a bound");
        }
    }
    for (at, _) in file.code.match_indices("mpsc::channel") {
        found(Rule::Unbounded, at, "every queue has a bound: `sync_channel`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<Rule> {
        check(&File::new(path, text)).into_iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn long_files_and_functions() {
        let long = format!("//! x\n{}", "\n".repeat(FILE_LINES_MAX));
        assert_eq!(rules("src/a.rs", &long), [Rule::FileLength]);
        assert_eq!(rules("src/a/tests.rs", &long), []);
        assert_eq!(rules("tests/a.rs", &long), []);
        let body = |lines: usize| format!("//! x\nfn a() {{\n{}}}\n", "b();\n".repeat(lines));
        assert_eq!(rules("src/a.rs", &body(FUNCTION_LINES_MAX - 2)), []);
        assert_eq!(rules("src/a.rs", &body(FUNCTION_LINES_MAX - 1)), [Rule::FunctionLength]);
    }

    #[test]
    fn headers() {
        assert_eq!(rules("src/a.rs", "#![no_std]\n\n//! What.\n"), []);
        assert_eq!(rules("src/a.rs", "// What.\nfn a() {}\n"), [Rule::Header]);
    }

    #[test]
    fn things_left_for_later() {
        for word in LATER {
            assert_eq!(rules("README.md", &format!("a {word}: b")), [Rule::Unfinished]);
        }
        assert_eq!(rules("src/a.rs", "//! x\nfn a() { todo!() }"), [Rule::Unfinished]);
        assert_eq!(rules("src/a.rs", "//! x\nfn a() { todo() } // unimplemented!"), []);
    }

    #[test]
    fn silenced_lints_ignored_tests_unsafe_and_unbounded() {
        let rules = |line: &str| rules("src/a.rs", &format!("//! x\n{line}\n"));
        assert_eq!(rules("#[allow(dead_code)]"), [Rule::Silenced]);
        assert_eq!(rules("#![allow(dead_code)]"), [Rule::Silenced]);
        assert_eq!(rules("#[expect(dead_code)]"), [Rule::Silenced]);
        assert_eq!(rules("#[allow(dead_code, reason = \"why\")]"), [Rule::Silenced]);
        let shared = File::new("a/tests/common/mod.rs", "//! x\n#![allow(dead_code, reason = \"why\")]");
        assert_eq!(check(&shared), []);
        assert_eq!(rules("#[expect(\n dead_code,\n reason = \"why\"\n)]"), []);
        assert_eq!(rules("#[ignore]"), [Rule::Ignored]);
        assert_eq!(rules("#[ignore = \"slow\"]"), []);
        assert_eq!(rules("#![forbid(unsafe_code)]"), []);
        assert_eq!(rules("fn a() { unsafe { b() } }"), [Rule::Unsafe]);
        assert_eq!(rules("let a = crossbeam_channel::unbounded();"), [Rule::Unbounded]);
        assert_eq!(rules("let a = unbounded::<u8>();"), [Rule::Unbounded]);
    }
}
