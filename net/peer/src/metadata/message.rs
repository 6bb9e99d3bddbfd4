//! The messages of the exchange of metadata: a bencoded dictionary, behind which a piece may stand.

use crate::fault::Fault;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use tide_bencode::{Limits, Value, decode_prefix, encode};

const REQUEST: u64 = 0;
const DATA: u64 = 1;
const REJECT: u64 = 2;

/// One message. Its piece is what the sender says, and may not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// The sender would like a piece.
    Request(u32),
    /// A piece.
    Data {
        /// Which.
        piece: u32,
        /// Bytes of the whole, as the sender says; nothing if it says none or nonsense.
        total: Option<u32>,
        /// What stands behind the dictionary.
        bytes: Cow<'a, [u8]>,
    },
    /// The sender does not send this piece.
    Reject(u32),
    /// Something that a later version of the protocol knows, to be ignored.
    Unknown,
}

impl<'a> Message<'a> {
    /// The wire's form, behind the number of the extension. Of an unknown message, nothing.
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = |kind: u64, piece: u32, total: Option<u32>| {
            encode(|v| {
                v.dict(|d| {
                    d.int(b"msg_type", kind as i64);
                    d.int(b"piece", i64::from(piece));
                    if let Some(total) = total {
                        d.int(b"total_size", i64::from(total));
                    }
                });
            })
        };
        match self {
            Message::Request(piece) => head(REQUEST, *piece, None),
            Message::Data { piece, total, bytes } => {
                let mut out = head(DATA, *piece, *total);
                out.extend_from_slice(bytes);
                out
            }
            Message::Reject(piece) => head(REJECT, *piece, None),
            Message::Unknown => Vec::new(),
        }
    }

    /// Reads the wire's form. Bytes behind a message that has no piece are ignored.
    ///
    /// # Errors
    /// [`Fault::MetadataMalformed`] if it does not begin with a dictionary, or one without kind or piece.
    pub fn from_bytes(body: Cow<'a, [u8]>) -> Result<Message<'a>, Fault> {
        // Four entries are known; some clients add their own.
        let bounds = Limits { depth: 4, tokens: 64, bytes: u32::MAX - 1 };
        let (document, len) = decode_prefix(&body, bounds).map_err(|_| Fault::MetadataMalformed)?;
        let root = document.root();
        let number = |key: &[u8]| root.get(key).and_then(Value::as_u64);
        let small = |key: &[u8]| number(key).and_then(|n| u32::try_from(n).ok());
        let kind = number(b"msg_type").ok_or(Fault::MetadataMalformed)?;
        if kind > REJECT {
            return Ok(Message::Unknown);
        }
        let piece = small(b"piece").ok_or(Fault::MetadataMalformed)?;
        Ok(match kind {
            REQUEST => Message::Request(piece),
            DATA => {
                let total = small(b"total_size");
                drop(document);
                Message::Data { piece, total, bytes: behind(body, len) }
            }
            _ => Message::Reject(piece),
        })
    }
}

fn behind(body: Cow<'_, [u8]>, len: usize) -> Cow<'_, [u8]> {
    match body {
        Cow::Borrowed(body) => Cow::Borrowed(&body[len..]),
        Cow::Owned(mut body) => {
            body.drain(..len);
            Cow::Owned(body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Message<'_>, Fault> {
        let owned = Message::from_bytes(Cow::Owned(bytes.to_vec()));
        let borrowed = Message::from_bytes(Cow::Borrowed(bytes));
        assert_eq!(owned, borrowed);
        borrowed
    }

    #[test]
    fn the_literals_go_both_ways() {
        let data = Message::Data { piece: 0, total: Some(3425), bytes: Cow::Borrowed(b"xxe") };
        for (bytes, message) in [
            (&b"d8:msg_typei0e5:piecei0ee"[..], Message::Request(0)),
            (b"d8:msg_typei1e5:piecei0e10:total_sizei3425eexxe", data),
            (b"d8:msg_typei2e5:piecei2047ee", Message::Reject(2047)),
        ] {
            assert_eq!(message.to_bytes(), bytes);
            assert_eq!(read(bytes), Ok(message));
        }
    }

    #[test]
    fn what_is_odd_is_read_and_what_is_wrong_is_refused() {
        for (bytes, expected) in [
            (&b"d5:piecei1e8:msg_typei0e3:foo3:baree"[..], Ok(Message::Request(1))),
            (b"d8:msg_typei0e5:piecei1eexx", Ok(Message::Request(1))),
            (b"d8:msg_typei3e5:piecei1ee", Ok(Message::Unknown)),
            (b"d8:msg_typei99ee", Ok(Message::Unknown)),
            (b"d8:msg_typei0ee", Err(Fault::MetadataMalformed)),
            (b"d5:piecei0ee", Err(Fault::MetadataMalformed)),
            (b"d8:msg_typei0e5:piecei-1ee", Err(Fault::MetadataMalformed)),
            (b"d8:msg_typei-1e5:piecei1ee", Err(Fault::MetadataMalformed)),
            (b"d8:msg_typei0e5:piecei4294967296ee", Err(Fault::MetadataMalformed)),
            (b"d8:msg_type1:05:piecei1ee", Err(Fault::MetadataMalformed)),
            (b"", Err(Fault::MetadataMalformed)),
            (b"le", Err(Fault::MetadataMalformed)),
            (b"d8:msg_typei0e", Err(Fault::MetadataMalformed)),
            (b"d1:allllllleeeeeeee", Err(Fault::MetadataMalformed)),
        ] {
            assert_eq!(read(bytes), expected, "{}", bytes.escape_ascii());
        }
        let negative = b"d8:msg_typei1e5:piecei0e10:total_sizei-5eex";
        let data = Message::Data { piece: 0, total: None, bytes: Cow::Borrowed(b"x") };
        assert_eq!(read(negative), Ok(data));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_are_a_message_or_a_fault(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            tail in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = b"d8:msg_typei1e5:piecei7e10:total_sizei123456ee".to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let head = bytes.len();
            bytes.extend(tail);
            match read(&bytes) {
                Ok(Message::Data { bytes: piece, .. }) => prop_assert!(bytes.ends_with(&piece)),
                Ok(_) => {}
                Err(fault) => prop_assert_eq!(fault, Fault::MetadataMalformed),
            }
            let _ = read(&bytes[..head / 2]);
        }
    }
}
