//! What lies below the shell does nothing by itself: no sockets, files, threads, clocks.

use crate::code::{block, line_of, shipped, words};
use crate::tree::File;
use crate::{Finding, Rule};

/// Folders, and the parts of `std` and the clocks that may not be named there. The disk is the place for files.
const FORBIDDEN: [(&str, &[&str], &[&str]); 3] = [
    ("net/", &["net", "fs", "thread", "time"], CLOCKS),
    ("src/engine/", &["net", "fs", "thread", "time"], CLOCKS),
    ("disk/", &["net"], &["Instant::now", "SystemTime::now"]),
];
const CLOCKS: &[&str] = &["Instant::now", "SystemTime"];

/// Checks the shipped code of one file; tests may do as they like.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let place = FORBIDDEN.iter().find(|(folder, ..)| file.path.starts_with(folder));
    let Some((folder, modules, clocks)) = place.filter(|_| file.is_rust() && !file.is_test()) else {
        return Vec::new();
    };
    let code = shipped(&file.code);
    let named = modules_of_std(&code).into_iter().filter(|(name, _)| modules.contains(&name.as_str()));
    let clocks = clocks.iter().flat_map(|clock| words(&code, clock).map(|at| ((*clock).to_owned(), at)));
    let names = named.map(|(name, at)| (format!("std::{name}"), at)).chain(clocks);
    names
        .map(|(name, at)| {
            let message = format!("{name} is for the shell, not for {folder}");
            Finding::new(Rule::Impure, &file.path, line_of(&code, at), message)
        })
        .collect()
}

/// The modules of `std` that are named, alone or in braces, with where.
fn modules_of_std(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for at in words(code, "std") {
        let Some(rest) = code[at + 3..].strip_prefix("::") else { continue };
        if !rest.starts_with('{') {
            found.push((first_word(rest), at));
            continue;
        }
        let inside = &rest[1..block(rest).unwrap_or(rest.len())];
        found.extend(top_level(inside).into_iter().map(|part| (first_word(part), at)));
    }
    found
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The parts between commas that stand in no inner braces.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&File::new(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn sockets_files_threads_and_clocks_are_found_however_they_are_named() {
        let text = "use std::net::IpAddr;\nuse std::{fmt, io::{self, Read},\n  fs::File};\nuse core::net::IpAddr;\n\
                    fn a() { std::thread::yield_now() }\nfn b() { Instant::now() }\nuse std::sync::Arc;\n";
        assert_eq!(lines("net/peer/src/a.rs", text), [1, 2, 5, 6]);
        assert_eq!(lines("src/engine/a.rs", text), [1, 2, 5, 6]);
        assert_eq!(lines("disk/src/a.rs", text), [1, 6]);
        assert_eq!(lines("src/shell/a.rs", text), [0; 0]);
    }

    #[test]
    fn tests_comments_and_strings_are_free() {
        let text =
            "// std::net\nconst A: &str = \"std::fs\";\n#[cfg(test)]\nmod tests { use std::thread; }\n";
        assert_eq!(lines("net/peer/src/a.rs", text), [0; 0]);
        assert_eq!(lines("net/peer/tests/a.rs", "use std::fs;"), [0; 0]);
    }
}
