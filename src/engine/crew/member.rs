//! One peer of a crew: its protocol session, what it has, and what we know of it.

use core::net::SocketAddr;

use tide_base::meter::Meter;
use tide_base::{Bits, BlockRef, Instant, PeerId, PieceIndex, Span};
use tide_peer::Session;
use tide_peer::metadata::Serve;
use tide_peer::pex::{Flags, Gossip};

use crate::border::Output;
use crate::desk::{Desk, Reason};
use crate::id::ConnKey;

/// Why a member's socket is not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parked {
    /// There is no memory for its block.
    Memory,
    /// The memory of its block is on its way from or to the disk.
    Paging(PieceIndex),
    /// The rate is used up.
    Rate,
}

/// One peer of a crew.
#[derive(Debug)]
pub struct Member {
    /// Its connection.
    pub conn: ConnKey,
    /// Where it is connected from, or where we dialled it.
    pub addr: SocketAddr,
    /// What it calls itself.
    pub peer_id: PeerId,
    /// What its program calls itself.
    pub client: String,
    /// Whether we dialled.
    pub outgoing: bool,
    /// Whether it has said what our address is; what it says later does not count.
    pub saw_us: bool,
    /// The protocol.
    pub session: Session,
    /// How many of the missing pieces it has.
    pub interesting: u32,
    /// Whether it wants no content.
    pub upload_only: bool,
    /// Whether it said that it is a node of the DHT.
    pub is_node: bool,
    /// The piece it is working on.
    pub current: Option<PieceIndex>,
    /// The block it is writing into memory.
    pub writing: Option<BlockRef>,
    /// Why its socket is not read.
    pub parked: Option<Parked>,
    /// Whether it was unchoked to get to know it.
    pub optimistic: bool,
    /// How many pieces it was allowed to fetch while choked (BEP 6).
    pub granted: u32,
    /// Whether there was no piece for it, and nothing has changed since.
    pub barren: bool,
    /// Whether a demand for it is under way.
    pub demanding: u32,
    /// What may be read from it of what its crew may read, while rates are limited.
    pub ration: u64,
    /// Bytes lent, or being read, for it and not yet sent.
    pub lent: u64,
    /// Those of them that are metadata, queued for it.
    pub metadata_lent: u64,
    /// Bytes of the rates that have been saved up for the next piece of metadata: a slow one never has a whole one.
    pub metadata_paid: u64,
    /// Of these, bytes being read.
    pub reading: u64,
    /// Of those that wait to be sent, the ones that waited at that time and do so still.
    pub unsent: (Instant, u64),
    /// A request taken out of the session's queue that did not fit the last read.
    pub next: Option<Span>,
    /// Whether its pipeline may have room: it stands in the list of those to be fed.
    pub hungry: bool,
    /// Whether something happened to it: it stands in the list of those to be looked at this turn.
    pub busy: bool,
    /// Whether its socket has been told that there is something to send, and has not sent everything.
    pub offered: bool,
    /// Where it listens, as far as is known.
    pub listens: Option<SocketAddr>,
    /// What else others are told of it.
    pub flags: Flags,
    /// What it has been told of others.
    pub gossip: Gossip,
    /// Whether something is news to it.
    pub news: bool,
    /// What it wants of the metadata.
    pub metadata: Serve,
    /// Content from it.
    pub down: Meter,
    /// Content to it.
    pub up: Meter,
}

impl Member {
    /// Whether it has everything.
    pub fn is_seed(&self) -> bool {
        let has = self.session.has();
        !has.is_empty() && has.all()
    }

    /// Whether it gives and does not take.
    pub fn gives_only(&self) -> bool {
        self.upload_only || self.is_seed()
    }

    /// Whether it may fetch pieces while choked, and has not as many yet.
    pub fn is_newcomer(&self) -> bool {
        self.granted > 0 && self.session.has().count() < self.granted
    }

    /// Counts anew how many of the missing pieces it has.
    pub fn recount(&mut self, missing: &Bits) {
        let both = |(a, b): (&u64, &u64)| (a & b).count_ones();
        self.interesting = self.session.has().words().iter().zip(missing.words()).map(both).sum();
    }

    /// Its socket is not read for now; its clocks stand still.
    pub fn park(&mut self, now: Instant, why: Parked) {
        if self.parked.is_none() {
            self.session.hold(now);
        }
        self.parked = Some(why);
    }

    /// Its socket is read again, and its clocks go on.
    pub fn unpark(&mut self, desk: &mut Desk, now: Instant) {
        self.parked = None;
        self.session.release(now);
        desk.wake_conn(self.conn, self.session.deadline().0, Reason::Peer);
        desk.put(Output::Read(self.conn));
    }

    /// More may wait to be sent.
    pub fn lends(&mut self, now: Instant) {
        if self.unsent.1 == 0 {
            self.unsent = (now, self.lent - self.reading);
        }
    }

    /// So much of what waited was sent.
    pub fn lent_is_sent(&mut self, now: Instant, bytes: u64) {
        self.lent -= bytes;
        self.unsent.1 = self.unsent.1.saturating_sub(bytes);
        self.lends(now);
    }

    /// Whether there are requests of its that nobody is reading.
    pub fn waits(&self) -> bool {
        self.next.is_some() || self.session.serves().queued() > 0
    }

    /// Takes requests that follow each other in one piece, of `most` bytes together or a single one: what they cover,
    /// and each. There must be one.
    pub fn take_run(&mut self, most: u32) -> (Span, Vec<Span>) {
        let first = self.next.take().or_else(|| self.session.next_wanted());
        let first = first.expect("a request waits");
        let (mut cover, mut spans) = (first, vec![first]);
        while let Some(span) = self.session.next_wanted() {
            let follows = span.piece == cover.piece && u64::from(span.offset) == cover.end();
            if !follows || cover.len + span.len > most {
                self.next = Some(span);
                break;
            }
            cover.len += span.len;
            spans.push(span);
        }
        (cover, spans)
    }
}
