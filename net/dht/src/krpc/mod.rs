//! The messages of nodes (KRPC: BEP 5, 32, 33, 42, 43, 44, 51) and their form.
//!
//! [`read`] takes whatever real nodes send: keys in any order, unknown keys, no `v`, no `y` where the rest tells,
//! lists that end in half an entry, a string where a list should be, bytes behind the message. [`Message::write`]
//! writes what the specifications say and nothing else.

mod read;
mod write;

pub use read::{Malformed, read};

use crate::bloom::Bloom;
use crate::id::{Contact, NodeId};
use crate::item::{PublicKey, Signature};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::InfoHash;

/// Codes of errors.
pub mod code {
    /// No other fits.
    pub const GENERIC: i64 = 201;
    /// The node cannot now.
    pub const SERVER: i64 = 202;
    /// The message, an argument or the token is wrong.
    pub const PROTOCOL: i64 = 203;
    /// There is no such query.
    pub const UNKNOWN: i64 = 204;
    /// BEP 44: the value is too long.
    pub const VALUE_LENGTH: i64 = 205;
    /// BEP 44: the signature is not the key's.
    pub const SIGNATURE: i64 = 206;
    /// BEP 44: the salt is too long.
    pub const SALT_LENGTH: i64 = 207;
    /// BEP 44: another version is stored than was expected.
    pub const CAS: i64 = 301;
    /// BEP 44: a newer version is stored.
    pub const SEQUENCE: i64 = 302;
}

/// One datagram's content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message<'b> {
    /// Chosen by who asks, echoed by who answers.
    pub transaction: &'b [u8],
    /// The receiver's address as the sender sees it (BEP 42); of answers and errors.
    pub seen: Option<SocketAddr>,
    /// What it says.
    pub body: Body<'b>,
}

/// The three kinds of messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<'b> {
    /// A question.
    Query(Query<'b>),
    /// The answer to one.
    Reply(Box<Reply<'b>>),
    /// A refusal of one.
    Error(Complaint<'b>),
}

/// A refusal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Complaint<'b> {
    /// Why, as a number; [`code`] names those with a meaning.
    pub code: i64,
    /// Why, for people; any bytes.
    pub text: &'b [u8],
}

/// Which nodes are asked for (BEP 32).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Want {
    /// Not said: those of the family that the question comes over.
    #[default]
    Same,
    /// IPv4 nodes.
    V4,
    /// IPv6 nodes.
    V6,
    /// Both.
    Both,
}

/// A question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query<'b> {
    /// Who asks.
    pub id: NodeId,
    /// Whether the asker itself answers nothing and must not be remembered (BEP 43).
    pub read_only: bool,
    /// Which nodes the answer should have.
    pub want: Want,
    /// What.
    pub ask: Ask<'b>,
}

/// The port under which a peer wants to be known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Port {
    /// This one; not 0.
    Named(u16),
    /// The one that the datagram comes from. The number is for nodes that do not know `implied_port`.
    Implied(u16),
}

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask<'b> {
    /// Are you there?
    Ping,
    /// Who is close to this?
    FindNode {
        /// This.
        target: NodeId,
    },
    /// Who shares this?
    GetPeers {
        /// This.
        info_hash: InfoHash,
        /// Rather no seeds (BEP 33).
        no_seeds: bool,
        /// The filters, too (BEP 33).
        scrape: bool,
    },
    /// I share this.
    Announce {
        /// This.
        info_hash: InfoHash,
        /// Under this port.
        port: Port,
        /// I have all of it (BEP 33).
        is_seed: bool,
        /// You gave me leave.
        token: &'b [u8],
    },
    /// What is stored here (BEP 44)?
    Get {
        /// Here.
        target: NodeId,
        /// Only if its version is newer than this one.
        newer_than: Option<i64>,
    },
    /// Store this (BEP 44).
    Put {
        /// You gave me leave.
        token: &'b [u8],
        /// The value, bencoded.
        value: &'b [u8],
        /// What makes it mutable.
        signed: Option<PutSigned<'b>>,
    },
    /// Which info-hashes do you know (BEP 51)?
    Sample {
        /// Who is close to this?
        target: NodeId,
    },
    /// Something else.
    Other {
        /// Its name.
        method: &'b [u8],
        /// Its `target` or `info_hash`: then the closest nodes are an answer that nobody minds.
        target: Option<NodeId>,
    },
}

/// What makes the item of a `put` mutable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PutSigned<'b> {
    /// Whose item.
    pub key: PublicKey,
    /// Which of the owner's.
    pub salt: &'b [u8],
    /// Which version.
    pub seq: i64,
    /// The version that it must replace.
    pub cas: Option<i64>,
    /// The owner's signature.
    pub signature: Signature,
}

/// An answer: whatever it has of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply<'b> {
    /// Who answers.
    pub id: NodeId,
    /// IPv4 nodes.
    pub nodes: Option<Vec<Contact>>,
    /// IPv6 nodes.
    pub nodes6: Option<Vec<Contact>>,
    /// Leave to store.
    pub token: Option<&'b [u8]>,
    /// Peers.
    pub values: Vec<SocketAddr>,
    /// Seeds and other peers, as filters (BEP 33).
    pub filters: Option<Box<Filters>>,
    /// An item's value, bencoded.
    pub value: Option<&'b [u8]>,
    /// A mutable item's owner and signature.
    pub signed: Option<(PublicKey, Signature)>,
    /// A mutable item's version.
    pub seq: Option<i64>,
    /// Info-hashes.
    pub samples: Option<Samples>,
}

/// Who is stored for a torrent.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filters {
    /// Those that have all of it.
    pub seeds: Bloom,
    /// The others.
    pub peers: Bloom,
}

/// Some of the info-hashes that a node knows.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Samples {
    /// In how many seconds there will be others.
    pub interval: u32,
    /// How many it knows.
    pub total: u64,
    /// Some of them.
    pub hashes: Vec<InfoHash>,
}

impl Reply<'_> {
    /// The answer that says nothing but who gives it.
    pub fn new(id: NodeId) -> Self {
        Reply {
            id,
            nodes: None,
            nodes6: None,
            token: None,
            values: Vec::new(),
            filters: None,
            value: None,
            signed: None,
            seq: None,
            samples: None,
        }
    }
}

/// Whether a datagram may be a KRPC message: a dictionary of a possible length. For sharing a socket.
pub fn is_likely(datagram: &[u8]) -> bool {
    (crate::limits::DATAGRAM_IN_MIN..=crate::limits::DATAGRAM_IN_MAX).contains(&datagram.len())
        && datagram[0] == b'd'
}
