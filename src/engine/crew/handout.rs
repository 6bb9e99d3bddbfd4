//! Which block is asked of whom.

use std::collections::BTreeMap;

use tide_base::{BlockRef, Instant, PieceIndex, SlotKey, Span};

use super::Crew;
use super::lease::Lease;
use crate::desk::Desk;
use crate::desk::gates::LeaseRef;
use crate::id::{ConnKey, PeerKey};
use crate::mail::ToTorrent;

impl Crew {
    /// Fills the pipelines that have room.
    pub(super) fn feed_all(&mut self, desk: &mut Desk, now: Instant) {
        if self.disbanding {
            return;
        }
        while let Some(key) = self.roster.next_hungry() {
            self.feed(desk, now, key);
            self.roster.busy(key);
        }
    }

    fn feed(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        loop {
            let Some(member) = self.roster.get_mut(key) else { return };
            let room = member.session.room(now);
            if room == 0 || member.interesting == 0 {
                return;
            }
            let Some(piece) = self.choose(key) else {
                if self.rescue(now, key, room) > 0 {
                    continue;
                }
                return self.demand(desk, now, key, room);
            };
            let asked = self.ask_of(now, key, piece, room);
            self.leases.refresh(piece);
            if asked == 0 {
                return;
            }
        }
    }

    /// The piece that a member should work on: the one it is on, or the first that has blocks to hand out.
    fn choose(&mut self, key: SlotKey) -> Option<PieceIndex> {
        let member = self.roster.get(key)?;
        let fits = |lease: &Lease| {
            lease.free() > 0
                && !lease.doomed
                && member.session.may_ask(lease.piece())
                && lease.alone.is_none_or(|only| only == key)
        };
        let current = member.current.and_then(|piece| self.leases.get(piece)).filter(|lease| fits(lease));
        let chosen = current.or_else(|| self.leases.open().find(|lease| fits(lease))).map(Lease::piece);
        self.roster.get_mut(key)?.current = chosen;
        chosen
    }

    fn ask_of(&mut self, now: Instant, key: SlotKey, piece: PieceIndex, room: u32) -> u32 {
        let (Some(lease), Some(member)) = (self.leases.get_mut(piece), self.roster.get_mut(key)) else {
            return 0;
        };
        for asked in 0..room {
            let Some(block) = lease.ask_next() else { return asked };
            if !member.session.ask(now, self.facts.layout.span(block)) {
                lease.unask(block.block);
                return asked;
            }
        }
        room
    }

    /// No leased piece has a block for this member: ask the torrent for another piece, or double what is under way.
    fn demand(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, room: u32) {
        let leased = self.leases.len() as u32;
        let Some(member) = self.roster.get_mut(key) else { return };
        if member.demanding > 0 {
            return;
        }
        // Pieces that nobody here can go on with must not keep those out that this member has.
        if leased >= desk.limits.leases
            && !member.barren
            && let Some(id) = self.leases.abandoned()
        {
            return self.end_lease(desk, now, id);
        }
        let choked = member.session.choking().theirs == tide_peer::Choke::Choked;
        // What others have demanded in this turn is as good as leased.
        let left = desk.limits.leases.saturating_sub(leased + self.demanded);
        if !member.barren && left > 0 {
            let blocks = self.facts.layout.piece_len().div_ceil(self.facts.layout.block_len());
            let pieces = room.div_ceil(blocks).min(left);
            member.demanding = pieces;
            self.demanded += pieces;
            let has = if choked { only_allowed(member) } else { member.session.has().clone() };
            let peer = PeerKey { shard: desk.shard, conn: member.conn };
            let has = std::sync::Arc::new(has);
            desk.tell_torrent(self.torrent, ToTorrent::Demand { peer, has, choked, pieces });
        } else if !member.barren && leased < desk.limits.leases {
            self.held_back = true;
        } else if self.endgame && !choked {
            self.double(desk, now, key, room);
        }
    }

    /// Asks a member for blocks that others have been asked for: the fewest times first.
    fn double(&mut self, desk: &Desk, now: Instant, key: SlotKey, room: u32) {
        let copies = desk.limits.endgame_copies;
        let Some(member) = self.roster.get(key) else { return };
        let mut wanted = Vec::new();
        for lease in
            self.leases.iter().filter(|lease| member.session.may_ask(lease.piece()) && lease.alone.is_none())
        {
            let spans = lease.doubtful(copies).map(|block| (block, self.facts.layout.span(block)));
            let news = spans.filter(|(_, span)| !member.session.asks().contains(*span));
            wanted.extend(news.take(room as usize - wanted.len()));
            if wanted.len() >= room as usize {
                break;
            }
        }
        self.ask_too(now, key, wanted);
    }

    /// Asks a member for blocks that nobody is asked for but such as snub us: a block that comes by a byte a minute holds
    /// up neither its piece nor, when there are no more leases, all others. How many.
    fn rescue(&mut self, now: Instant, key: SlotKey, room: u32) -> u32 {
        let mut snubbed: BTreeMap<BlockRef, u8> = BTreeMap::new();
        for snubber in self.roster.snubbers() {
            for span in snubber.session.asks().spans() {
                let block = self.facts.layout.block(span).expect("only blocks are asked for");
                let asked = snubbed.entry(block).or_default();
                *asked = asked.saturating_add(1);
            }
        }
        let Some(member) = self.roster.get(key).filter(|member| !member.session.snubbed()) else { return 0 };
        let is_stuck = |&(block, snubbers): &(BlockRef, u8)| {
            self.leases.get(block.piece).is_some_and(|lease| {
                lease.asked(block.block) == snubbers
                    && snubbers < u8::MAX
                    && !lease.doomed
                    && lease.alone.is_none_or(|only| only == key)
            })
        };
        let stuck =
            snubbed.into_iter().filter(is_stuck).map(|(block, _)| (block, self.facts.layout.span(block)));
        let wanted =
            stuck.filter(|(block, _)| member.session.may_ask(block.piece)).take(room as usize).collect();
        self.ask_too(now, key, wanted)
    }

    /// Asks a member for blocks that others are asked for. How many.
    fn ask_too(&mut self, now: Instant, key: SlotKey, wanted: Vec<(BlockRef, Span)>) -> u32 {
        let mut asked = 0;
        for (block, span) in wanted {
            if let (Some(member), Some(lease)) = (self.roster.get_mut(key), self.leases.get_mut(block.piece))
                && member.session.ask(now, span)
            {
                lease.ask_again(block.block);
                asked += 1;
            }
        }
        asked
    }

    /// A member has begun to snub us: what it has not sent, and pieces that were to be its alone, are open to others.
    pub(super) fn snubs(&mut self, key: SlotKey) {
        self.roster.snubs(key);
        self.open_to_all(key);
        self.roster.all_hungry();
    }

    /// Pieces that were to be a member's alone are so no more.
    pub(super) fn open_to_all(&mut self, key: SlotKey) {
        let its_own = self.leases.iter().filter(|lease| lease.alone == Some(key)).map(Lease::piece);
        self.open(its_own.collect());
    }

    /// What was to be a member's alone, and it may not be asked for any more, is open to others: it may choke us for good.
    pub(super) fn open_what_is_out_of_reach(&mut self, key: SlotKey) {
        let Some(member) = self.roster.get(key) else { return };
        let its_own = self.leases.iter().filter(|lease| lease.alone == Some(key)).map(Lease::piece);
        let lost: Vec<PieceIndex> = its_own.filter(|&piece| !member.session.may_ask(piece)).collect();
        if !lost.is_empty() {
            self.open(lost);
            self.roster.all_hungry();
        }
    }

    fn open(&mut self, pieces: Vec<PieceIndex>) {
        for piece in pieces {
            self.leases.get_mut(piece).expect("it was just seen").alone = None;
        }
    }

    /// The torrent leases a piece to this crew.
    pub(super) fn leased(
        &mut self,
        desk: &mut Desk,
        id: LeaseRef,
        alone: Option<ConnKey>,
        demanded: ConnKey,
        last: bool,
    ) {
        if self.disbanding {
            return desk.tell_torrent(self.torrent, ToTorrent::Returned(id));
        }
        let alone = alone.and_then(|conn| self.member_of(conn)).filter(|&only| !self.is_snubber(only));
        self.endgame = false;
        self.leases.insert(Lease::new(id, self.facts.layout, desk.limits.chunk_len, alone));
        let demander = self.member_of(demanded);
        if let Some(key) = demander.filter(|_| last) {
            self.answered(key);
        }
        match demander {
            Some(key) if alone.is_none_or(|only| only == key) => self.roster.hungry(key),
            _ => self.roster.all_hungry(),
        }
    }

    fn is_snubber(&self, key: SlotKey) -> bool {
        self.roster.get(key).is_some_and(|member| member.session.snubbed())
    }

    /// The torrent has no piece for this member.
    pub(super) fn barren(&mut self, conn: ConnKey, endgame: bool) {
        self.endgame |= endgame;
        let Some(key) = self.member_of(conn) else { return };
        self.answered(key);
        if let Some(member) = self.roster.get_mut(key) {
            member.barren = true;
        }
        if endgame {
            self.roster.hungry(key);
        }
    }

    /// A member's demand is answered: those who waited for what it would come to may demand in their turn.
    fn answered(&mut self, key: SlotKey) {
        let Some(member) = self.roster.get_mut(key) else { return };
        self.demanded -= core::mem::take(&mut member.demanding);
        if core::mem::take(&mut self.held_back) {
            self.roster.all_hungry();
        }
    }

    /// Pieces may be had again.
    pub(super) fn fertile(&mut self) {
        self.endgame = false;
        for (_, member) in self.roster.iter_mut() {
            member.barren = false;
        }
        self.roster.all_hungry();
    }
}

fn only_allowed(member: &super::member::Member) -> tide_base::Bits {
    let has = member.session.has();
    let mut allowed = tide_base::Bits::new(has.len());
    for piece in member.session.allowed_fast().iter().filter(|piece| has.has(piece.0)) {
        allowed.set(piece.0);
    }
    allowed
}
