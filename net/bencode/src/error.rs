//! Why bytes are not a document.

use core::fmt;

/// The rule that the input breaks. Every one is fatal; what may be read although it is not canonical is an
/// [`Oddity`](crate::Oddity).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Rule {
    /// The input ends in the middle of a value.
    Unfinished,
    /// A value begins with `i`, `l`, `d` or a digit.
    ValueExpected,
    /// A key is a string.
    KeyExpected,
    /// Every key has a value.
    ValueMissing,
    /// A number is an optional minus and digits, ended by `e`.
    Digits,
    /// A length is digits, ended by a colon.
    Colon,
    /// A length has at most ten digits.
    LengthDigits,
    /// A string lies within the input.
    StringLength,
    /// Nothing stands behind the value.
    Trailing,
    /// Nesting stays within [`Limits::depth`](crate::Limits::depth).
    Depth,
    /// The number of tokens stays within [`Limits::tokens`](crate::Limits::tokens).
    Tokens,
    /// The length of the input stays within [`Limits::bytes`](crate::Limits::bytes).
    Bytes,
}

/// Which rule is broken, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// The rule.
    pub rule: Rule,
    /// Offset in the input, in bytes, of the first byte that breaks it.
    pub at: usize,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rule::Unfinished => "the input ends in the middle of a value",
            Rule::ValueExpected => "a value must begin with `i`, `l`, `d` or a digit",
            Rule::KeyExpected => "a dictionary's key must be a string",
            Rule::ValueMissing => "a dictionary's key has no value",
            Rule::Digits => "a number must be digits ended by `e`",
            Rule::Colon => "a string's length must be digits ended by `:`",
            Rule::LengthDigits => "a string's length has more than ten digits",
            Rule::StringLength => "a string is longer than the input",
            Rule::Trailing => "there are bytes behind the value",
            Rule::Depth => "lists and dictionaries are nested too deep",
            Rule::Tokens => "there are too many values",
            Rule::Bytes => "the input is too long",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bencoding: {} (byte {})", self.rule, self.at)
    }
}

impl core::error::Error for Error {}
