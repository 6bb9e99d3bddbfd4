//! Percent-encoding (RFC 3986).

use crate::text::HostPort;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

fn encode_all_but(text: &str, keep: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if keep(byte) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push(DIGITS[usize::from(byte >> 4)] as char);
            out.push(DIGITS[usize::from(byte & 15)] as char);
        }
    }
    out
}

/// `text` as one value of a query: only unreserved characters stay.
pub(crate) fn encode(text: &str) -> String {
    encode_all_but(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

/// An address as one value of a query, its colons and brackets left readable.
pub(crate) fn encode_address(address: &HostPort) -> String {
    encode_all_but(&address.to_string(), |byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte))
}

/// `url` with what may stand nowhere in a URL escaped; escapes that are there stay.
pub(crate) fn encode_url(url: &str) -> String {
    encode_all_but(url, |byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte))
}

/// The bytes that `text` stands for; a `%` without two digits stands for itself.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    let digit = |byte: Option<&u8>| byte.and_then(|&byte| char::from(byte).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (digit(tail.first()), digit(tail.get(1))) {
            (Some(high), Some(low)) if *first == b'%' => {
                out.push((high * 16 + low) as u8);
                rest = &tail[2..];
            }
            _ => out.push(*first),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_go_both_ways() {
        assert_eq!(encode("a b/é&~"), "a%20b%2F%C3%A9%26~");
        assert_eq!(decode("a%20b%2f%C3%A9%26~"), "a b/é&~".as_bytes());
        assert_eq!(decode("%%41%4%zz%"), b"%A%4%zz%");
        assert_eq!(encode_url("http://a/%20 \"x\"?b=c#d"), "http://a/%20%20%22x%22?b=c#d");
    }
}
