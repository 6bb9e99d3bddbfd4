//! Rust text without what only looks like code, and the shapes found in it.

/// The text with the insides of comments, strings and character literals turned to spaces. Lines stay where they are.
pub(crate) fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let next = skip(&chars, at);
        if next == at {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        // The quotes of a literal stay, so that `= "…"` is still seen to have a value.
        for (place, character) in chars[at..next].iter().enumerate() {
            let edge = *character == '"' && (place == 0 || at + place + 1 == next);
            out.push(if *character == '\n' || edge { *character } else { ' ' });
        }
        at = next;
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` if none begins there.
fn skip(chars: &[char], at: usize) -> usize {
    let is = |offset: usize, character: char| chars.get(at + offset) == Some(&character);
    match chars[at] {
        '/' if is(1, '/') => (at..chars.len()).find(|end| chars[*end] == '\n').unwrap_or(chars.len()),
        '/' if is(1, '*') => block_comment(chars, at),
        '"' => string(chars, at),
        'r' if !word_before(chars, at) && (is(1, '"') || is(1, '#')) => raw_string(chars, at),
        '\'' => character(chars, at),
        _ => at,
    }
}

fn word_before(chars: &[char], at: usize) -> bool {
    // `br"…"` is a raw string, too; `for"` cannot be.
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && chars[at - 1] != 'b'
}

fn block_comment(chars: &[char], at: usize) -> usize {
    let mut depth = 0;
    let mut end = at;
    while end < chars.len() {
        match (chars[end], chars.get(end + 1)) {
            ('/', Some('*')) => (depth, end) = (depth + 1, end + 2),
            ('*', Some('/')) => (depth, end) = (depth - 1, end + 2),
            _ => end += 1,
        }
        if depth == 0 {
            break;
        }
    }
    end.min(chars.len())
}

fn string(chars: &[char], at: usize) -> usize {
    let mut end = at + 1;
    while end < chars.len() {
        match chars[end] {
            '\\' => end += 2,
            '"' => return end + 1,
            _ => end += 1,
        }
    }
    chars.len()
}

fn raw_string(chars: &[char], at: usize) -> usize {
    let hashes = chars[at + 1..].iter().take_while(|character| **character == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return at; // `r#name`
    }
    let closes = |end: &usize| {
        chars[*end] == '"'
            && chars[end + 1..].iter().take(hashes).filter(|character| **character == '#').count() == hashes
    };
    (open + 1..chars.len()).find(closes).map_or(chars.len(), |end| end + 1 + hashes)
}

/// `'a'` and `'\n'`, but not the lifetime `'a`.
fn character(chars: &[char], at: usize) -> usize {
    match chars.get(at + 1) {
        Some('\\') => {
            (at + 3..chars.len()).find(|end| chars[*end] == '\'').map_or(chars.len(), |end| end + 1)
        }
        Some(_) if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

/// Places where `word` stands as a word of its own, as byte offsets.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !part(code[..*at].chars().next_back()) && !part(code[at + word.len()..].chars().next())
    })
}

/// The line of a byte offset, counted from 1.
pub(crate) fn line_of(code: &str, at: usize) -> usize {
    code[..at].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// A function: its name, its first and its last line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) first: usize,
    pub(crate) last: usize,
}

/// The functions that have a body.
pub(crate) fn functions(code: &str) -> Vec<Function> {
    words(code, "fn")
        .filter_map(|at| {
            let after = code[at + 2..].trim_start();
            let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let open = body(code, at)?;
            let last = line_of(code, open + block(&code[open..])?);
            (!name.is_empty()).then(|| Function { name, first: line_of(code, at), last })
        })
        .collect()
}

/// Where the braces of the item at `at` open; `None` if it ends with a semicolon.
fn body(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (offset, character) in code[at..].char_indices() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(at + offset),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Where the block that opens at the start of `code` closes.
pub(crate) fn block(code: &str) -> Option<usize> {
    let mut depth = 0;
    for (offset, character) in code.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(offset);
        }
    }
    None
}

/// The code without the items that are only there for tests. Lines stay where they are.
pub(crate) fn shipped(code: &str) -> String {
    let mut out = code.to_owned();
    for (at, _) in code.match_indices("#[cfg(test)]") {
        let end = match body(code, at + "#[cfg(test)]".len()) {
            Some(open) => block(&code[open..]).map_or(code.len(), |close| open + close + 1),
            None => code[at..].find(';').map_or(code.len(), |offset| at + offset + 1),
        };
        let blank: String = code[at..end].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blank_and_code_is_not() {
        let text =
            "a // unsafe\n/* b /* c */ d */ e \"f \\\" g\" 'h' '\\'' &'i j r#\"k \" l\"# r#fn b\"m\" 'n'";
        let code = bare(text);
        assert_eq!(code.chars().count(), text.chars().count());
        let left: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(left, "a e \" \" &'i j r#fn b\" \"", "{code}");
    }

    #[test]
    fn functions_are_measured_from_their_name_to_their_last_brace() {
        let code = "fn a(x: [u8; 4]) -> [u8; 2] {\n  if b {\n  }\n}\ntrait T {\n  fn c();\n  fn d() {}\n}\n";
        let found = functions(code);
        let named = |name: &str, first, last| Function { name: name.into(), first, last };
        assert_eq!(found, [named("a", 1, 4), named("d", 7, 7)]);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("unsafe_code unsafe unsafely (unsafe)", "unsafe").collect::<Vec<_>>(), [12, 29]);
    }

    #[test]
    fn what_is_for_tests_is_not_shipped() {
        let code = "one\n#[cfg(test)]\nmod tests {\n fn a() {}\n}\ntwo\n#[cfg(test)]\nmod tests;\nthree";
        assert_eq!(shipped(code).split_whitespace().collect::<Vec<_>>(), ["one", "two", "three"]);
        assert_eq!(shipped(code).lines().count(), code.lines().count());
    }
}
