//! The messages of BEP 3 and of those that extend it, and their codec. A block's content is not part of its message
//! here: [`Message::Block`] is the head of it.

use crate::fault::Fault;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use tide_base::{PieceIndex, Span};

/// The numbers of the messages.
pub mod id {
    /// BEP 3.
    pub const CHOKE: u8 = 0;
    /// BEP 3.
    pub const UNCHOKE: u8 = 1;
    /// BEP 3.
    pub const INTERESTED: u8 = 2;
    /// BEP 3.
    pub const NOT_INTERESTED: u8 = 3;
    /// BEP 3.
    pub const HAVE: u8 = 4;
    /// BEP 3.
    pub const BITFIELD: u8 = 5;
    /// BEP 3.
    pub const REQUEST: u8 = 6;
    /// BEP 3; its "piece".
    pub const BLOCK: u8 = 7;
    /// BEP 3.
    pub const CANCEL: u8 = 8;
    /// BEP 5.
    pub const PORT: u8 = 9;
    /// BEP 6.
    pub const SUGGEST: u8 = 13;
    /// BEP 6.
    pub const HAVE_ALL: u8 = 14;
    /// BEP 6.
    pub const HAVE_NONE: u8 = 15;
    /// BEP 6.
    pub const REJECT: u8 = 16;
    /// BEP 6.
    pub const ALLOWED_FAST: u8 = 17;
    /// BEP 10.
    pub const EXTENDED: u8 = 20;
    /// BEP 52.
    pub const HASH_REQUEST: u8 = 21;
    /// BEP 52.
    pub const HASHES: u8 = 22;
    /// BEP 52.
    pub const HASH_REJECT: u8 = 23;
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// Nothing, to keep the connection alive.
    KeepAlive,
    /// The sender will not answer requests.
    Choke,
    /// The sender will answer requests.
    Unchoke,
    /// The sender would request.
    Interested,
    /// The sender would not request.
    NotInterested,
    /// The sender has a piece.
    Have(PieceIndex),
    /// The sender has these pieces, in the wire's form.
    Bitfield(Cow<'a, [u8]>),
    /// The sender would like a block.
    Request(Span),
    /// A block; its bytes follow.
    Block(Span),
    /// The sender no longer wants a block.
    Cancel(Span),
    /// The UDP port of the sender's DHT node.
    Port(u16),
    /// The receiver might like this piece.
    Suggest(PieceIndex),
    /// The sender has everything.
    HaveAll,
    /// The sender has nothing.
    HaveNone,
    /// The sender will not answer this request.
    Reject(Span),
    /// The sender will answer requests for this piece even while it chokes.
    AllowedFast(PieceIndex),
    /// A message of the extension protocol.
    Extended {
        /// Which one, by the receiver's numbering; 0 is the extension handshake.
        id: u8,
        /// What stands behind the number.
        body: Cow<'a, [u8]>,
    },
    /// A message that we do not know, passed over.
    Unknown {
        /// Its number.
        id: u8,
        /// The bytes behind the number.
        len: u32,
    },
}

/// What a message's length and number say about the rest of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// At most twelve bytes.
    Short,
    /// Bytes that are kept until all are there.
    Long,
    /// A block: eight bytes of place, then content.
    Block,
    /// Bytes that nobody wants.
    Unknown,
}

/// How long a bitfield may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldLen {
    /// This and nothing else: the number of pieces is known.
    Exactly(u32),
    /// This or less, but something: it is not.
    AtMost(u32),
}

impl FieldLen {
    fn fits(self, len: u32) -> bool {
        match self {
            FieldLen::Exactly(only) => len == only,
            FieldLen::AtMost(most) => (1..=most).contains(&len),
        }
    }
}

/// What decides how long a message may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of content in a block.
    pub block: u32,
    /// Bytes of a bitfield.
    pub bitfield: FieldLen,
    /// Bytes of an extended message.
    pub extended: u32,
    /// Bytes of any other message.
    pub other: u32,
    /// Whether the fast extension was agreed on.
    pub fast: bool,
    /// Whether the extension protocol was agreed on.
    pub extended_on: bool,
}

/// Judges a message by its number and its length, which counts the number and is at least one.
pub(crate) fn shape(id: u8, len: u32, bounds: &Bounds) -> Result<Shape, Fault> {
    let body = len - 1;
    if (id::SUGGEST..=id::ALLOWED_FAST).contains(&id) && !bounds.fast {
        return Err(Fault::FastNotNegotiated);
    }
    let exact = match id {
        id::CHOKE | id::UNCHOKE | id::INTERESTED | id::NOT_INTERESTED | id::HAVE_ALL | id::HAVE_NONE => 0,
        id::HAVE | id::SUGGEST | id::ALLOWED_FAST => 4,
        id::REQUEST | id::CANCEL | id::REJECT => 12,
        id::PORT => 2,
        id::BITFIELD if bounds.bitfield.fits(body) => return Ok(Shape::Long),
        id::BITFIELD => return Err(Fault::BitfieldLength),
        id::BLOCK if body <= 8 => return Err(Fault::MessageLength),
        id::BLOCK if body - 8 > bounds.block => return Err(Fault::BlockTooLong),
        id::BLOCK => return Ok(Shape::Block),
        id::EXTENDED if !bounds.extended_on => return Err(Fault::ExtendedNotNegotiated),
        id::EXTENDED if body == 0 => return Err(Fault::MessageLength),
        id::EXTENDED if body > bounds.extended => return Err(Fault::MessageTooLong),
        id::EXTENDED => return Ok(Shape::Long),
        id::HASH_REQUEST..=id::HASH_REJECT => return Err(Fault::HashesNotNegotiated),
        _ if len > bounds.other => return Err(Fault::MessageTooLong),
        _ => return Ok(Shape::Unknown),
    };
    if body == exact { Ok(Shape::Short) } else { Err(Fault::MessageLength) }
}

fn word(body: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(body[at..at + 4].try_into().expect("a slice of four"))
}

fn span(body: &[u8]) -> Span {
    Span { piece: PieceIndex(word(body, 0)), offset: word(body, 4), len: word(body, 8) }
}

/// The short message of this number, whose body has the length that [`shape`] asked for.
pub(crate) fn short(id: u8, body: &[u8]) -> Message<'static> {
    match id {
        id::CHOKE => Message::Choke,
        id::UNCHOKE => Message::Unchoke,
        id::INTERESTED => Message::Interested,
        id::NOT_INTERESTED => Message::NotInterested,
        id::HAVE => Message::Have(PieceIndex(word(body, 0))),
        id::REQUEST => Message::Request(span(body)),
        id::CANCEL => Message::Cancel(span(body)),
        id::PORT => Message::Port(u16::from_be_bytes([body[0], body[1]])),
        id::SUGGEST => Message::Suggest(PieceIndex(word(body, 0))),
        id::HAVE_ALL => Message::HaveAll,
        id::HAVE_NONE => Message::HaveNone,
        id::REJECT => Message::Reject(span(body)),
        id::ALLOWED_FAST => Message::AllowedFast(PieceIndex(word(body, 0))),
        _ => Message::Unknown { id, len: body.len() as u32 },
    }
}

/// The long message of this number.
pub(crate) fn long(id: u8, body: Cow<'_, [u8]>) -> Message<'_> {
    if id == id::BITFIELD {
        return Message::Bitfield(body);
    }
    let kind = body.first().copied().expect("an extended message has at least its number");
    let body = match body {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[1..]),
        Cow::Owned(mut bytes) => {
            bytes.remove(0);
            Cow::Owned(bytes)
        }
    };
    Message::Extended { id: kind, body }
}

/// The head of a block of `len` bytes of content.
pub(crate) fn block(body: &[u8], len: u32) -> Message<'static> {
    Message::Block(Span { piece: PieceIndex(word(body, 0)), offset: word(body, 4), len })
}

impl Message<'_> {
    /// Appends the wire's form to `out`; of a block only its head. A message that we do not know has no form.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Message::KeepAlive => out.extend_from_slice(&[0; 4]),
            Message::Choke => head(out, id::CHOKE, 0),
            Message::Unchoke => head(out, id::UNCHOKE, 0),
            Message::Interested => head(out, id::INTERESTED, 0),
            Message::NotInterested => head(out, id::NOT_INTERESTED, 0),
            Message::Have(piece) => with_piece(out, id::HAVE, *piece),
            Message::Bitfield(bits) => {
                head(out, id::BITFIELD, bits.len());
                out.extend_from_slice(bits);
            }
            Message::Request(span) => with_span(out, id::REQUEST, *span),
            Message::Block(span) => {
                let mut bytes = [0; 13];
                bytes[..4].copy_from_slice(&(9 + span.len).to_be_bytes());
                bytes[4] = id::BLOCK;
                bytes[5..9].copy_from_slice(&span.piece.0.to_be_bytes());
                bytes[9..].copy_from_slice(&span.offset.to_be_bytes());
                out.extend_from_slice(&bytes);
            }
            Message::Cancel(span) => with_span(out, id::CANCEL, *span),
            Message::Port(port) => {
                head(out, id::PORT, 2);
                out.extend_from_slice(&port.to_be_bytes());
            }
            Message::Suggest(piece) => with_piece(out, id::SUGGEST, *piece),
            Message::HaveAll => head(out, id::HAVE_ALL, 0),
            Message::HaveNone => head(out, id::HAVE_NONE, 0),
            Message::Reject(span) => with_span(out, id::REJECT, *span),
            Message::AllowedFast(piece) => with_piece(out, id::ALLOWED_FAST, *piece),
            Message::Extended { id: kind, body } => {
                head(out, id::EXTENDED, body.len() + 1);
                out.push(*kind);
                out.extend_from_slice(body);
            }
            Message::Unknown { .. } => {}
        }
    }
}

fn head(out: &mut Vec<u8>, id: u8, body: usize) {
    let len = u32::try_from(body + 1).expect("messages are short of 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.push(id);
}

fn with_piece(out: &mut Vec<u8>, id: u8, piece: PieceIndex) {
    head(out, id, 4);
    out.extend_from_slice(&piece.0.to_be_bytes());
}

fn with_span(out: &mut Vec<u8>, id: u8, span: Span) {
    let mut bytes = [0; 17];
    bytes[3] = 13;
    bytes[4] = id;
    bytes[5..9].copy_from_slice(&span.piece.0.to_be_bytes());
    bytes[9..13].copy_from_slice(&span.offset.to_be_bytes());
    bytes[13..].copy_from_slice(&span.len.to_be_bytes());
    out.extend_from_slice(&bytes);
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
