//! One pass over the input, making the table of tokens.

use crate::error::{Error, Rule};
use crate::limits::Limits;
use crate::value::{Kind, Value};
use alloc::vec::Vec;

/// The longest length of a string that is written without zeros in front, in an input below 4 GiB.
const LENGTH_DIGITS: usize = 10;

/// `next` of a container that stands at the bottom of the open ones.
const NO_PARENT: u32 = u32::MAX;

/// One value's place. Tokens stand in the order of the input, so a container's contents follow it directly.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token {
    /// Offset of the value's first byte.
    pub(crate) start: u32,
    /// Offset just behind the value's last byte.
    pub(crate) end: u32,
    /// Number of the token behind this value and all it contains. While a container is open: its parent's number.
    pub(crate) next: u32,
    /// What the value is.
    pub(crate) kind: Kind,
    /// Bytes in front of a string's content: its length and the colon.
    pub(crate) head: u8,
}

/// A document that has been read: the table behind its [`Value`]s.
#[derive(Clone, Debug)]
pub struct Document<'b> {
    pub(crate) bytes: &'b [u8],
    pub(crate) tokens: Vec<Token>,
}

impl<'b> Document<'b> {
    /// The outermost value.
    pub fn root(&self) -> Value<'_, 'b> {
        Value::new(self, 0)
    }

    /// How many bytes of the input the document is.
    pub fn len(&self) -> usize {
        self.tokens[0].end as usize
    }

    /// Always false: a document has at least two bytes.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Reads `bytes`, which must be exactly one value.
///
/// # Errors
/// The first [`Rule`] that the input breaks; bytes behind the value are [`Rule::Trailing`].
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Document<'_>, Error> {
    let (document, len) = decode_prefix(bytes, limits)?;
    if len < bytes.len() {
        return Err(Error { rule: Rule::Trailing, at: len });
    }
    Ok(document)
}

/// Reads one value from the front of `bytes` and tells how many bytes it is, leaving whatever stands behind it (as
/// in the metadata messages of BEP 9).
///
/// # Errors
/// The first [`Rule`] that the input breaks.
pub fn decode_prefix(bytes: &[u8], limits: Limits) -> Result<(Document<'_>, usize), Error> {
    // The highest offset and the highest token number must fit into a token, and NO_PARENT must stay free.
    if bytes.len() > limits.bytes.min(u32::MAX - 1) as usize {
        return Err(Error { rule: Rule::Bytes, at: limits.bytes as usize });
    }
    let mut scan = Scan { bytes, at: 0, tokens: Vec::new(), limits, open: NO_PARENT, depth: 0, key: false };
    scan.run()?;
    let document = Document { bytes, tokens: scan.tokens };
    let len = document.len();
    Ok((document, len))
}

struct Scan<'b> {
    bytes: &'b [u8],
    at: usize,
    tokens: Vec<Token>,
    limits: Limits,
    /// The innermost open container, or `NO_PARENT`.
    open: u32,
    depth: u32,
    /// Whether the next thing is a key or the end of the innermost container, a dictionary.
    key: bool,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Error> {
        loop {
            let Some(&first) = self.bytes.get(self.at) else {
                return self.fail(Rule::Unfinished);
            };
            match first {
                b'0'..=b'9' => self.string()?,
                _ if first == b'e' && self.open != NO_PARENT => self.close()?,
                _ if self.key => return self.fail(Rule::KeyExpected),
                b'i' => self.int()?,
                b'l' => self.begin(Kind::List)?,
                b'd' => self.begin(Kind::Dict)?,
                _ => return self.fail(Rule::ValueExpected),
            }
            if self.open == NO_PARENT {
                return Ok(());
            }
        }
    }

    fn fail<T>(&self, rule: Rule) -> Result<T, Error> {
        Err(Error { rule, at: self.at })
    }

    fn push(&mut self, token: Token) -> Result<(), Error> {
        if self.tokens.len() >= self.limits.tokens as usize {
            return self.fail(Rule::Tokens);
        }
        self.tokens.push(token);
        Ok(())
    }

    /// A value that is no container ends at `end`.
    fn leaf(&mut self, kind: Kind, head: u8, end: usize) -> Result<(), Error> {
        let next = self.tokens.len() as u32 + 1;
        self.push(Token { start: self.at as u32, end: end as u32, next, kind, head })?;
        self.at = end;
        self.value_ended();
        Ok(())
    }

    /// In a dictionary keys and values take turns.
    fn value_ended(&mut self) {
        self.key = !self.key && self.open != NO_PARENT && self.tokens[self.open as usize].kind == Kind::Dict;
    }

    fn string(&mut self) -> Result<(), Error> {
        let mut len = 0u64;
        let mut at = self.at;
        loop {
            match self.bytes.get(at) {
                Some(b':') => break,
                Some(digit @ b'0'..=b'9') => len = len * 10 + u64::from(digit - b'0'),
                Some(_) => return Err(Error { rule: Rule::Colon, at }),
                None => return Err(Error { rule: Rule::Unfinished, at }),
            }
            at += 1;
            if at - self.at > LENGTH_DIGITS {
                return Err(Error { rule: Rule::LengthDigits, at: self.at });
            }
        }
        at += 1;
        if len > (self.bytes.len() - at) as u64 {
            return self.fail(Rule::StringLength);
        }
        self.leaf(Kind::Bytes, (at - self.at) as u8, at + len as usize)
    }

    fn int(&mut self) -> Result<(), Error> {
        let mut at = self.at + 1;
        if self.bytes.get(at) == Some(&b'-') {
            at += 1;
        }
        let digits = at;
        while self.bytes.get(at).is_some_and(u8::is_ascii_digit) {
            at += 1;
        }
        match self.bytes.get(at) {
            Some(b'e') if at > digits => self.leaf(Kind::Int, 0, at + 1),
            Some(_) => Err(Error { rule: Rule::Digits, at }),
            None => Err(Error { rule: Rule::Unfinished, at }),
        }
    }

    fn begin(&mut self, kind: Kind) -> Result<(), Error> {
        if self.depth >= self.limits.depth {
            return self.fail(Rule::Depth);
        }
        let number = self.tokens.len() as u32;
        self.push(Token { start: self.at as u32, end: 0, next: self.open, kind, head: 0 })?;
        self.open = number;
        self.depth += 1;
        self.key = kind == Kind::Dict;
        self.at += 1;
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        let next = self.tokens.len() as u32;
        let token = &mut self.tokens[self.open as usize];
        if token.kind == Kind::Dict && !self.key {
            return self.fail(Rule::ValueMissing);
        }
        self.at += 1;
        token.end = self.at as u32;
        self.open = core::mem::replace(&mut token.next, next);
        self.depth -= 1;
        // A container is never a key, so whatever it closes in waits for a key again if that is a dictionary.
        self.key = false;
        self.value_ended();
        Ok(())
    }
}
