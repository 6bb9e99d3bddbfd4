//! Percent-encoding (RFC 3986): how binary info-hashes travel in a query.

use alloc::string::String;
use alloc::vec::Vec;

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Appends `%XX`.
pub(crate) fn escape(byte: u8, out: &mut String) {
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Appends `bytes` with everything but the unreserved characters escaped, so that no reader can misunderstand it.
#[cfg(any(feature = "http", test))]
pub(crate) fn encode(bytes: &[u8], out: &mut String) {
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            escape(byte, out);
        }
    }
}

/// The bytes that `text` stands for. `+` is a plus, as in URIs (forms are no business of trackers). `None` if a `%` is
/// not followed by two hexadecimal digits.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(&byte) = rest.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(*rest.next()?).to_digit(16)?;
        let low = char::from(*rest.next()?).to_digit(16)?;
        out.push((high * 16 + low) as u8);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_goes_both_ways() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        encode(&all, &mut text);
        assert!(text.is_ascii() && !text.contains(['&', '=', '+', ' ', '#', '?']));
        assert_eq!(decode(text.as_bytes()), Some(all));
    }

    #[test]
    fn the_field_writes_an_info_hash_like_this() {
        let mut text = String::new();
        encode(
            b"\x12\x34\x56\x78\x9a\xbc\xde\xf1\x23\x45\x67\x89\xab\xcd\xef\x12\x34\x56\x78\x9a",
            &mut text,
        );
        assert_eq!(text, "%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A");
    }

    #[test]
    fn a_broken_escape_is_refused() {
        for text in ["%", "%1", "%g0", "a%2"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }
}
