//! Text from a tracker, made fit to be shown.

use crate::limits::TEXT_MAX;
use alloc::string::String;

/// `bytes` as text of at most [`TEXT_MAX`] bytes: what is no UTF-8 is replaced, control characters (which could move a
/// terminal's cursor) and direction overrides become spaces, the ends are trimmed.
pub(crate) fn sanitise(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(TEXT_MAX)];
    let mut text = String::with_capacity(head.len());
    for c in String::from_utf8_lossy(head).chars() {
        let c = if c.is_control() || is_override(c) { ' ' } else { c };
        if text.len() + c.len_utf8() > TEXT_MAX {
            break;
        }
        text.push(c);
    }
    String::from(text.trim())
}

/// Whether `c` reorders the text around it.
fn is_override(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_a_cursor_or_is_no_text_is_replaced() {
        assert_eq!(sanitise(b" not\x1b[2Jregistered\r\n"), "not [2Jregistered");
        assert_eq!(sanitise(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(sanitise("x\u{202e}y".as_bytes()), "x y");
    }

    #[test]
    fn the_length_is_bounded_even_when_replacement_grows_it() {
        assert_eq!(sanitise(&[b'x'; 5000]).len(), TEXT_MAX);
        assert!(sanitise(&[0xff; 5000]).len() <= TEXT_MAX);
    }
}
