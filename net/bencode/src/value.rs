//! Views of values, and what about them is not canonical.

use crate::reader::{Document, Token};
use core::fmt;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A whole number of any size.
    Int,
    /// A string of bytes.
    Bytes,
    /// A list of values.
    List,
    /// A dictionary from strings to values.
    Dict,
}

/// A departure from the canonical form that does not hinder reading. Two writers of one document could differ here,
/// so where a hash or a signature is over re-encoded bytes (BEP 44, BEP 52) it must be refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Oddity {
    /// A key stands before one that is smaller.
    UnsortedKeys,
    /// A key stands twice in its dictionary; the first one counts.
    RepeatedKey,
    /// A number or a length has a zero in front.
    LeadingZero,
    /// Zero is written `-0`.
    NegativeZero,
}

impl fmt::Display for Oddity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Oddity::UnsortedKeys => "a dictionary's keys are not sorted",
            Oddity::RepeatedKey => "a dictionary has a key twice",
            Oddity::LeadingZero => "a number has a zero in front",
            Oddity::NegativeZero => "zero has a minus",
        })
    }
}

/// One value of a [`Document`], and all that it contains. Strings and raw bytes are borrowed from the input (`'b`)
/// and outlive the document's table (`'t`).
#[derive(Clone, Copy)]
pub struct Value<'t, 'b> {
    document: &'t Document<'b>,
    number: u32,
}

impl<'t, 'b> Value<'t, 'b> {
    pub(crate) fn new(document: &'t Document<'b>, number: u32) -> Self {
        Value { document, number }
    }

    fn token(self) -> Token {
        self.document.tokens[self.number as usize]
    }

    /// What the value is.
    pub fn kind(self) -> Kind {
        self.token().kind
    }

    /// Exactly the bytes of the input that are this value: what an info-hash is over.
    pub fn raw(self) -> &'b [u8] {
        let token = self.token();
        &self.document.bytes[token.start as usize..token.end as usize]
    }

    /// Offset in the input, in bytes, of the value's first byte.
    pub fn offset(self) -> usize {
        self.token().start as usize
    }

    /// The number; `None` if it is none or does not fit.
    pub fn as_int(self) -> Option<i64> {
        if self.kind() != Kind::Int {
            return None;
        }
        let raw = self.raw();
        let text = &raw[1..raw.len() - 1];
        let (negative, digits) = match text {
            [b'-', digits @ ..] => (true, digits),
            digits => (false, digits),
        };
        // Counted downwards, because the lowest number has no positive counterpart.
        let below = digits
            .iter()
            .try_fold(0i64, |sum, digit| sum.checked_mul(10)?.checked_sub(i64::from(digit - b'0')))?;
        if negative { Some(below) } else { below.checked_neg() }
    }

    /// The number; `None` if it is none, negative, or does not fit.
    pub fn as_u64(self) -> Option<u64> {
        self.as_int().and_then(|int| u64::try_from(int).ok())
    }

    /// The content of a string.
    pub fn as_bytes(self) -> Option<&'b [u8]> {
        let token = self.token();
        (token.kind == Kind::Bytes).then(|| self.content(token))
    }

    fn content(self, token: Token) -> &'b [u8] {
        &self.document.bytes[token.start as usize + usize::from(token.head)..token.end as usize]
    }

    /// The content of a string, if it is UTF-8.
    pub fn as_str(self) -> Option<&'b str> {
        self.as_bytes().and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// The values of a list.
    pub fn as_list(self) -> Option<ListIter<'t, 'b>> {
        let token = self.token();
        let values = Values { document: self.document, at: self.number + 1, end: token.next };
        (token.kind == Kind::List).then_some(ListIter(values))
    }

    /// The keys and values of a dictionary in the order of the input, repeated keys included.
    pub fn as_dict(self) -> Option<DictIter<'t, 'b>> {
        let token = self.token();
        let values = Values { document: self.document, at: self.number + 1, end: token.next };
        (token.kind == Kind::Dict).then_some(DictIter(values))
    }

    /// The value of the first such key; `None` also if this is no dictionary. Costs a step for each key in front.
    pub fn get(self, key: &[u8]) -> Option<Value<'t, 'b>> {
        self.as_dict()?.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The first departure from the canonical form in this value and all that it contains. Costs a step a token.
    pub fn oddity(self) -> Option<Oddity> {
        let all = self.number..self.token().next;
        all.map(|number| Value::new(self.document, number)).find_map(Value::own_oddity)
    }

    /// Whether the bytes of this value are the only ones that its content can have.
    pub fn is_canonical(self) -> bool {
        self.oddity().is_none()
    }

    fn own_oddity(self) -> Option<Oddity> {
        let token = self.token();
        let raw = self.raw();
        match token.kind {
            Kind::Bytes => (token.head > 2 && raw[0] == b'0').then_some(Oddity::LeadingZero),
            Kind::Int => match raw {
                b"i-0e" => Some(Oddity::NegativeZero),
                [b'i', b'0', b'0'..=b'9', ..] | [b'i', b'-', b'0', ..] => Some(Oddity::LeadingZero),
                _ => None,
            },
            Kind::List => None,
            Kind::Dict => {
                let mut last: Option<&[u8]> = None;
                self.as_dict()?.find_map(|(key, _)| {
                    let order = last.replace(key).map(|last| last.cmp(key))?;
                    match order {
                        core::cmp::Ordering::Less => None,
                        core::cmp::Ordering::Equal => Some(Oddity::RepeatedKey),
                        core::cmp::Ordering::Greater => Some(Oddity::UnsortedKeys),
                    }
                })
            }
        }
    }
}

impl fmt::Debug for Value<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.raw().escape_ascii())
    }
}

#[derive(Clone, Debug)]
struct Values<'t, 'b> {
    document: &'t Document<'b>,
    at: u32,
    end: u32,
}

impl<'t, 'b> Values<'t, 'b> {
    fn next(&mut self) -> Option<Value<'t, 'b>> {
        if self.at >= self.end {
            return None;
        }
        let value = Value::new(self.document, self.at);
        self.at = value.token().next;
        Some(value)
    }
}

/// The values of a list, in order.
#[derive(Clone, Debug)]
pub struct ListIter<'t, 'b>(Values<'t, 'b>);

impl<'t, 'b> Iterator for ListIter<'t, 'b> {
    type Item = Value<'t, 'b>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}

/// The keys and values of a dictionary, in the order of the input.
#[derive(Clone, Debug)]
pub struct DictIter<'t, 'b>(Values<'t, 'b>);

impl<'t, 'b> Iterator for DictIter<'t, 'b> {
    type Item = (&'b [u8], Value<'t, 'b>);
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?;
        let value = self.0.next()?;
        Some((key.content(key.token()), value))
    }
}
