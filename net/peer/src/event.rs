//! What crosses the border of a session: where bytes belong, what happened, what is due, what left.

use crate::choking::{Choke, Interest};
use crate::metadata;
use crate::pex;
use crate::wire::extended::Hello;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use tide_base::{Bits, PieceIndex, Span};

/// Where the next bytes from the peer belong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// Into a chunk that is then given to [`Session::receive`](crate::Session::receive).
    Control,
    /// Into the place of an asked block, from its byte `at` on; what follows the block is control again. Reported by
    /// [`Session::filled`](crate::Session::filled).
    Payload {
        /// The block that is being received.
        span: Span,
        /// How many of its bytes are there.
        at: u32,
    },
}

/// An extension registered by the caller, by its position in
/// [`SessionConfig::extensions`](crate::SessionConfig::extensions).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtensionKind(pub u8);

/// Something that the peer did.
#[derive(Clone, PartialEq, Debug)]
pub enum Event<'a> {
    /// The peer changed whether it chokes us. When it chokes without the fast extension, the asks that are thereby
    /// lost are in `lost`; with it, each is rejected by a message of its own (BEP 6).
    Choked {
        /// What it does now.
        choke: Choke,
        /// Asks that will not be answered.
        lost: Vec<Span>,
    },
    /// The peer changed whether it wants something of us.
    Interested(Interest),
    /// The peer got a piece.
    Have(PieceIndex),
    /// The peer has these pieces, none of which we knew: from a bitfield, or from have-all as the full set.
    Has(Bits),
    /// The peer no longer has a piece (BEP 54). Without the fast extension the asks in it are lost.
    DontHave {
        /// The piece.
        piece: PieceIndex,
        /// Asks that will not be answered.
        lost: Vec<Span>,
    },
    /// A part of an asked block that came through [`Session::receive`](crate::Session::receive): to be copied into its
    /// place.
    Payload {
        /// The block.
        span: Span,
        /// Where in the block the bytes belong.
        at: u32,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// The asked block is whole; all its bytes were reported or filled before.
    Arrived(Span),
    /// A block was passed over: nobody had asked for it, or it was cancelled, perhaps while it came.
    Unasked {
        /// Its bytes.
        len: u32,
    },
    /// The peer will not send this block that was asked for (BEP 6).
    Rejected(Span),
    /// The peer's request was queued; [`Session::next_wanted`](crate::Session::next_wanted) will give it.
    Wanted(Span),
    /// The peer cancelled a request that had been taken out by `next_wanted`: its data is no longer needed.
    Withdrawn(Span),
    /// The peer will send this piece even while it chokes us (BEP 6). It may not have it.
    AllowedFast(PieceIndex),
    /// The peer would like us to ask for this piece (BEP 6).
    Suggested(PieceIndex),
    /// The peer's extension handshake (BEP 10); may come again with changes.
    Hello(Box<Hello>),
    /// The peer wants no content, or wants some again (BEP 21, by message instead of by handshake).
    UploadOnly(bool),
    /// A message of the exchange of metadata (BEP 9): a request; or a piece or a reject of one that was
    /// [asked for](crate::Session::ask_metadata), perhaps long ago.
    Metadata(metadata::Message<'a>),
    /// Whom the peer is connected to, and no more (BEP 11). Not to be trusted, and to be
    /// [sifted](pex::Delta::keep_for).
    Pex(Box<pex::Delta>),
    /// A message of an extension that the caller registered.
    Extended {
        /// Which one.
        kind: ExtensionKind,
        /// The message behind its ids.
        bytes: Cow<'a, [u8]>,
    },
    /// The peer is alive and has nothing to say.
    KeepAlive,
    /// The UDP port of the peer's DHT node (BEP 5).
    Port(u16),
}

/// Why a session wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Timer {
    /// The peer has been silent for long.
    Idle,
    /// We have been silent for long.
    KeepAlive,
    /// Asks have been waiting for long.
    Overdue,
    /// An unchoked peer has sent none of the asked blocks for long.
    Snub,
    /// The peer has not read for long.
    Stall,
    /// The peer rejected many asks, and may be asked again.
    Refused,
}

/// What has become due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// The peer was silent for [`Limits::idle`](crate::Limits::idle): the connection should end.
    Idle,
    /// A keep-alive was queued.
    KeepAlive,
    /// This ask is overdue. It stays in the table, so that the block is still taken when it comes; the caller may ask
    /// others for it too, and cancel it here. Said once an ask.
    Overdue(Span),
    /// The peer has begun to snub us: its pipeline is one request now, until a block arrives. Said once.
    Snubbed,
    /// The peer rejected many asks in a row, some time ago: it may be asked again.
    AskAgain,
    /// The peer read nothing for [`Limits::stall`](crate::Limits::stall): the connection should end.
    Stalled,
}

/// What left with one write.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sent {
    /// Bytes of content.
    pub payload: u64,
    /// Blocks of which the last byte left.
    pub blocks: u32,
}
