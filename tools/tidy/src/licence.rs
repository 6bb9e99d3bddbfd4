//! Only licences that ask no more of users than to be named.

use serde_json::Value;

use crate::edges::list;
use crate::{Finding, Rule};

/// What may be linked. `CDLA-Permissive-2.0` is that of lists of certificate authorities.
const ALLOWED: [&str; 11] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "Unicode-3.0",
    "Unlicense",
    "CDLA-Permissive-2.0",
];

/// Checks every crate in the lock file, on every platform.
pub(crate) fn check(metadata: &Value) -> Vec<Finding> {
    let packages = list(&metadata["packages"]).iter();
    packages
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or("none named");
            let name = package["name"].as_str().unwrap_or_default();
            let message = format!("licence {licence}: not on the list");
            (!is_allowed(licence)).then(|| Finding::new(Rule::Licence, name, 0, message))
        })
        .collect()
}

/// Whether the SPDX expression can be satisfied by what is allowed.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let allowed = any_of(&mut words);
    allowed && words.is_empty()
}

/// `a OR b …`; what is read is taken off the end of `words`.
fn any_of(words: &mut Vec<&str>) -> bool {
    let mut allowed = all_of(words);
    while words.last() == Some(&"OR") {
        words.pop();
        allowed |= all_of(words);
    }
    allowed
}

/// `a AND b …`
fn all_of(words: &mut Vec<&str>) -> bool {
    let mut allowed = one(words);
    while words.last() == Some(&"AND") {
        words.pop();
        allowed &= one(words);
    }
    allowed
}

/// A name, with an exception that only gives more, or something in parentheses.
fn one(words: &mut Vec<&str>) -> bool {
    let allowed = match words.pop() {
        Some("(") => {
            let inner = any_of(words);
            words.pop() == Some(")") && inner
        }
        Some(name) => ALLOWED.contains(&name),
        None => false,
    };
    if words.last() == Some(&"WITH") {
        words.truncate(words.len().saturating_sub(2));
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_satisfied_or_not() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "MIT/Apache-2.0",
            "Apache-2.0 AND ISC",
            "(MIT OR X) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR X",
        ] {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND X", "MIT ISC", "(MIT", "none named"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }
}
