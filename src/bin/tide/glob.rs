//! Patterns for paths: `*.iso`, `extras/**`, `photo-[0-9]?.jpg`.

use std::fmt;

/// The most characters of a pattern: matching costs their number times the path's.
const LONGEST: usize = 4096;

/// A pattern. `*` and `?` stop at slashes, `**` does not; `[a-z]`, `[!a-z]`, and `\` before what is meant literally.
///
/// Without a slash it is matched against every component of a path, so that the name of a folder means all that is in
/// it; with one against the path itself, or a folder it begins with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    text: String,
    tokens: Vec<Token>,
    whole: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Char(char),
    Any,
    Class { ranges: Vec<(char, char)>, negated: bool },
    Star,
    DoubleStar,
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Glob {
    /// Reads a pattern; `None` if it is empty, too long, or has a bracket that is not closed.
    pub(crate) fn parse(text: &str) -> Option<Glob> {
        if text.is_empty() || text.len() > LONGEST {
            return None;
        }
        let mut tokens = Vec::new();
        let mut rest = text.strip_prefix('/').unwrap_or(text).trim_end_matches('/').chars().peekable();
        while let Some(c) = rest.next() {
            tokens.push(match c {
                '*' if rest.next_if_eq(&'*').is_some() => Token::DoubleStar,
                '*' => Token::Star,
                '?' => Token::Any,
                '[' => class(&mut rest)?,
                '\\' => Token::Char(rest.next()?),
                c => Token::Char(c),
            });
        }
        let whole = text.trim_end_matches('/').contains('/');
        (!tokens.is_empty()).then(|| Glob { text: text.to_owned(), tokens, whole })
    }

    /// Whether `path`, with slashes between its components, is meant.
    pub(crate) fn matches(&self, path: &str) -> bool {
        if !self.whole {
            return path.split('/').any(|part| self.fits(part));
        }
        self.fits(path) || path.match_indices('/').any(|(at, _)| self.fits(&path[..at]))
    }

    /// Whether all of `text` fits. Costs tokens times characters, whatever the pattern.
    fn fits(&self, text: &str) -> bool {
        // For each position in the text, whether the tokens so far can end there.
        let chars: Vec<char> = text.chars().collect();
        let mut ends = vec![false; chars.len() + 1];
        ends[0] = true;
        for token in &self.tokens {
            match token {
                Token::Star | Token::DoubleStar => {
                    for at in 0..chars.len() {
                        let passes = *token == Token::DoubleStar || chars[at] != '/';
                        ends[at + 1] |= ends[at] && passes;
                    }
                }
                token => {
                    for at in (0..chars.len()).rev() {
                        ends[at + 1] = ends[at] && token.takes(chars[at]);
                    }
                    ends[0] = false;
                }
            }
        }
        ends[chars.len()]
    }
}

impl Token {
    fn takes(&self, c: char) -> bool {
        match self {
            Token::Char(wanted) => *wanted == c,
            Token::Any => c != '/',
            Token::Class { ranges, negated } => {
                c != '/' && ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated
            }
            Token::Star | Token::DoubleStar => false,
        }
    }
}

/// Reads a class behind its opening bracket.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Token> {
    let negated = rest.next_if(|&c| c == '!' || c == '^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match rest.next()? {
            // A bracket that comes first is meant literally.
            ']' if !ranges.is_empty() => return Some(Token::Class { ranges, negated }),
            '\\' => rest.next()?,
            c => c,
        };
        let mut ahead = rest.clone();
        let is_range = ahead.next() == Some('-') && ahead.peek().is_some_and(|&c| c != ']');
        let high = if is_range {
            rest.next();
            rest.next()?
        } else {
            low
        };
        ranges.push((low, high));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let glob = Glob::parse(pattern).expect("a pattern");
        for path in yes {
            assert!(glob.matches(path), "{pattern} means {path}");
        }
        for path in no {
            assert!(!glob.matches(path), "{pattern} does not mean {path}");
        }
    }

    #[test]
    fn a_pattern_without_a_slash_means_any_component() {
        check("*.iso", &["a.iso", "x/y/a.iso", "x.iso/readme"], &["a.iso.txt", "iso"]);
        check("Samples", &["t/Samples/a", "Samples"], &["t/samples/a", "t/Samples2"]);
        check("Samples/", &["t/Samples/a"], &["t/x"]);
        check("a?c", &["abc", "aéc"], &["ac", "abbc", "a/c"]);
        check("*", &["a", "a/b"], &[]);
    }

    #[test]
    fn a_pattern_with_a_slash_means_the_path_or_a_folder_on_it() {
        check("t/*.txt", &["t/a.txt", "t/x.txt/deep"], &["t/a/b.txt", "u/a.txt"]);
        check("t/**", &["t/a", "t/a/b"], &["u/t/a"]);
        check("**/b", &["t/a/b", "t/b/c"], &["t/bc"]);
        check("/t", &["t/a", "t"], &["x/t"]);
    }

    #[test]
    fn classes_and_escapes() {
        check("photo-[0-9][!a]", &["photo-1b", "photo-93"], &["photo-1a", "photo-xb", "photo-1"]);
        check("[]x]", &["]", "x"], &["[", "y"]);
        check("[a-]", &["a", "-"], &["b"]);
        check(r"\*\[", &["*["], &["a["]);
        for broken in ["", "[", "[a", "[]", "\\", "/"] {
            assert_eq!(Glob::parse(broken), None, "{broken}");
        }
    }

    #[test]
    fn stars_upon_stars_cost_no_more_than_their_number() {
        let glob = Glob::parse(&"*a".repeat(1000)).expect("a pattern");
        assert!(!glob.matches(&"a".repeat(999)) && glob.matches(&"a".repeat(1000)));
    }
}
