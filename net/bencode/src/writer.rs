//! The canonical form, written straight into one buffer.
//!
//! Each kind of place offers only what may stand there: [`One`] takes a single value, [`List`] any number, [`Dict`]
//! keys with values. So nothing but a well-formed document can be written; that keys come in ascending order is
//! asserted, since it is the program that names them.

use crate::value::Value;
use alloc::vec::Vec;
use core::ops::Range;

/// The canonical bytes of the one value that `write` writes.
pub fn encode(write: impl FnOnce(One<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(&mut out, write);
    out
}

/// Appends the canonical bytes of the one value that `write` writes to `out`.
///
/// # Panics
/// If `write` writes no value.
pub fn encode_into(out: &mut Vec<u8>, write: impl FnOnce(One<'_>)) {
    let before = out.len();
    write(One { out });
    assert!(out.len() > before, "a document is one value, and none was written");
}

/// The place of exactly one value.
#[derive(Debug)]
#[must_use = "a place that is not filled is no document"]
pub struct One<'o> {
    out: &'o mut Vec<u8>,
}

impl One<'_> {
    /// Writes a number.
    pub fn int(self, int: i64) {
        put_int(self.out, int);
    }

    /// Writes a string.
    pub fn bytes(self, bytes: &[u8]) {
        put_bytes(self.out, bytes);
    }

    /// Writes a list.
    pub fn list(self, write: impl FnOnce(&mut List<'_>)) {
        self.out.push(b'l');
        write(&mut List { out: &mut *self.out });
        self.out.push(b'e');
    }

    /// Writes a dictionary.
    pub fn dict(self, write: impl FnOnce(&mut Dict<'_>)) {
        self.out.push(b'd');
        write(&mut Dict { out: &mut *self.out, last: None });
        self.out.push(b'e');
    }

    /// Writes a value as it was read, byte for byte: canonical only if it was so.
    pub fn value(self, value: Value<'_, '_>) {
        self.raw(value.raw());
    }

    /// Writes `raw`, which must be the bytes of exactly one value, byte for byte.
    pub fn raw(self, raw: &[u8]) {
        self.out.extend_from_slice(raw);
    }
}

/// The inside of a list.
#[derive(Debug)]
pub struct List<'o> {
    out: &'o mut Vec<u8>,
}

impl List<'_> {
    /// The place of one more value.
    pub fn item(&mut self) -> One<'_> {
        One { out: self.out }
    }

    /// Appends a number.
    pub fn int(&mut self, int: i64) {
        self.item().int(int);
    }

    /// Appends a string.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.item().bytes(bytes);
    }

    /// Appends a list.
    pub fn list(&mut self, write: impl FnOnce(&mut List<'_>)) {
        self.item().list(write);
    }

    /// Appends a dictionary.
    pub fn dict(&mut self, write: impl FnOnce(&mut Dict<'_>)) {
        self.item().dict(write);
    }
}

/// The inside of a dictionary. Every method panics if its key is not greater than the one before.
#[derive(Debug)]
pub struct Dict<'o> {
    out: &'o mut Vec<u8>,
    /// Where the content of the key before stands in `out`.
    last: Option<Range<usize>>,
}

impl Dict<'_> {
    /// Writes a key and gives the place of its value, which must be filled.
    pub fn entry(&mut self, key: &[u8]) -> One<'_> {
        if let Some(last) = self.last.take() {
            let last = &self.out[last];
            assert!(last < key, "key `{}` may not follow `{}`", key.escape_ascii(), last.escape_ascii());
        }
        put_bytes(self.out, key);
        self.last = Some(self.out.len() - key.len()..self.out.len());
        One { out: self.out }
    }

    /// Adds a number.
    pub fn int(&mut self, key: &[u8], int: i64) {
        self.entry(key).int(int);
    }

    /// Adds a string.
    pub fn bytes(&mut self, key: &[u8], bytes: &[u8]) {
        self.entry(key).bytes(bytes);
    }

    /// Adds a list.
    pub fn list(&mut self, key: &[u8], write: impl FnOnce(&mut List<'_>)) {
        self.entry(key).list(write);
    }

    /// Adds a dictionary.
    pub fn dict(&mut self, key: &[u8], write: impl FnOnce(&mut Dict<'_>)) {
        self.entry(key).dict(write);
    }
}

fn put_int(out: &mut Vec<u8>, int: i64) {
    out.push(b'i');
    if int < 0 {
        out.push(b'-');
    }
    put_digits(out, int.unsigned_abs());
    out.push(b'e');
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_digits(out, bytes.len() as u64);
    out.push(b':');
    out.extend_from_slice(bytes);
}

fn put_digits(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
