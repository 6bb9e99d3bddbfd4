//! Bytes from a member: where they belong, and what they mean.

use core::net::SocketAddr;

use tide_base::{Bits, Instant, PieceIndex, SlotKey, Span};
use tide_peer::pex::Flags;
use tide_peer::{Choke, Due, Event, Hello, Interest, Want as SessionWant};
use tide_portmap::Source;

use super::Crew;
use super::lease::{Arrival, Place};
use super::member::Parked;
use crate::border::{NetError, Want};
use crate::desk::{Desk, Reason};
use crate::id::PeerKey;
use crate::mail::{Copies, End, ToSession, ToTorrent};
use crate::session::dht::words::ToDht;

/// Scratch behind a block that is read into its place: the head of the next one, and the small messages between them.
/// More would only be copied.
const BEHIND: usize = 512;

/// The same while memory is short: the head of the next block and none of its bytes.
const HEAD: usize = 13;

/// Scratch while no block is awaited.
const IDLE: usize = 16 * 1024;

impl Crew {
    /// Where the next bytes of a member belong; `most` is what its turn still allows.
    pub fn want(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, most: usize) -> Want<'_> {
        let Some(member) = self.roster.get(key) else { return Want::Nothing };
        if member.parked.is_some() {
            return Want::Nothing;
        }
        let allowed = self.readable(desk, now, key).min(most as u64) as usize;
        if allowed == 0 {
            self.throttle(desk, now, key);
            return Want::Nothing;
        }
        let Some(member) = self.roster.get(key) else { return Want::Nothing };
        let short = desk.purses.spare(crate::desk::Stock::Memory) < u64::from(desk.limits.chunk_len);
        let SessionWant::Payload { span, at } = member.session.want() else {
            let idle = member.session.asks().is_empty();
            let scratch = if idle {
                IDLE
            } else if short {
                // However small the last read was: content in the scratch that has no place is asked for again, and
                // may come like this again.
                member.session.before_content().min(IDLE)
            } else {
                BEHIND
            };
            return Want::Scratch(scratch.min(allowed));
        };
        match self.place(desk, key, span, at) {
            Ok(true) => {}
            Ok(false) => return Want::Scratch(((span.len - at) as usize).min(IDLE).min(allowed)),
            Err(why) => {
                self.starved |= why == Parked::Memory;
                if let Some(member) = self.roster.get_mut(key) {
                    member.park(now, why);
                }
                return Want::Nothing;
            }
        }
        let block = self.facts.layout.block(span).expect("only blocks are asked for");
        let lease = self.leases.get_mut(span.piece).expect("its lease has the place");
        let (chunk, start) = lease.chunk_of(block.block);
        let bytes = lease.held_mut(chunk).expect("the place is in memory");
        let (from, to) = (start + at as usize, start + span.len as usize);
        let place = &mut bytes[from..to.min(from + allowed)];
        let behind = allowed - place.len();
        Want::Place { place, scratch: if short { HEAD } else { BEHIND }.min(behind) }
    }

    /// Makes sure that there is memory for a block that a member sends; false if the block is of no use.
    fn place(&mut self, desk: &mut Desk, key: SlotKey, span: Span, at: u32) -> Result<bool, Parked> {
        let block = self.facts.layout.block(span).expect("only blocks are asked for");
        let Some(lease) = self.leases.get_mut(span.piece) else { return Ok(false) };
        if !lease.needs(block.block) {
            return Ok(false);
        }
        let (chunk, _) = lease.chunk_of(block.block);
        match lease.place(chunk) {
            Place::Held(_) => {}
            Place::Empty => {
                let Some(mut memory) = desk.take_chunk(lease.chunk_capacity(chunk)) else {
                    return Err(Parked::Memory);
                };
                memory.set_len(lease.chunk_bytes(chunk));
                lease.replace(chunk, Place::Held(memory));
            }
            Place::Away => {
                let id = lease.id;
                self.page_in(desk, id, chunk);
                return Err(Parked::Paging(span.piece));
            }
            Place::Lent | Place::Leaving | Place::Coming => return Err(Parked::Paging(span.piece)),
        }
        let lease = self.leases.get_mut(span.piece).expect("it was there");
        let writes = lease.begin_write(block.block, key, at);
        if writes {
            lease.set_on_disk(chunk, false);
            self.leases.touch(span.piece);
        }
        if let Some(member) = self.roster.get_mut(key) {
            member.writing = writes.then_some(block);
        }
        Ok(writes)
    }

    /// Bytes came from a member: `placed` into the place that was named last, and behind them `scratch`.
    pub fn filled(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, placed: usize, mut scratch: &[u8]) {
        let total = (placed + scratch.len()) as u64;
        self.has_read(desk, now, key, total);
        let Some(member) = self.roster.get_mut(key) else { return };
        if placed > 0
            && let Some(event) = member.session.filled(now, placed as u32)
        {
            self.happened(desk, now, key, event);
        }
        loop {
            let Some(member) = self.roster.get_mut(key) else { return };
            match member.session.receive(now, &mut scratch) {
                Ok(Some(event)) => self.happened(desk, now, key, event),
                Ok(None) => break,
                Err(fault) => return self.fault(desk, key, fault),
            }
        }
        self.stop_writing(key);
        self.roster.hungry(key);
        self.roster.busy(key);
        self.rearm(desk, key);
    }

    /// Frees the place of a block that a member no longer sends.
    fn stop_writing(&mut self, key: SlotKey) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let Some(block) = member.writing else { return };
        let span = self.facts.layout.span(block);
        if !matches!(member.session.want(), SessionWant::Payload { span: coming, .. } if coming == span) {
            member.writing = None;
            if let Some(lease) = self.leases.get_mut(block.piece) {
                lease.end_write(block.block, key);
            }
        }
    }

    pub(super) fn happened(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, event: Event<'_>) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let peer = PeerKey { shard: desk.shard, conn: member.conn };
        match event {
            Event::Payload { span, at, bytes } => self.deposit(desk, now, key, span, at, bytes),
            Event::Arrived(span) => self.arrived(desk, now, key, span),
            Event::Unasked { len } => self.traffic.wasted += u64::from(len),
            Event::Choked { choke, lost } => {
                self.unask(&lost);
                if choke == Choke::Unchoked {
                    member_mut(self, key).barren = false;
                    self.roster.hungry(key);
                }
                self.open_what_is_out_of_reach(key);
            }
            Event::Rejected(span) => {
                self.unask(&[span]);
                self.open_what_is_out_of_reach(key);
            }
            Event::DontHave { piece, lost } => {
                self.unask(&lost);
                self.open_what_is_out_of_reach(key);
                if self.missing.has(piece.0) {
                    member_mut(self, key).interesting -= 1;
                }
                desk.tell_torrent(self.torrent, ToTorrent::Copies { peer, change: Copies::Less(piece) });
                self.show_interest(now, key);
            }
            Event::Interested(interest) => {
                let interested = interest == Interest::Interested;
                desk.tell_torrent(self.torrent, ToTorrent::Interested { peer, interested });
            }
            Event::Have(piece) => self.peer_has(desk, now, key, piece),
            Event::Has(bits) => self.peer_has_all_of(desk, now, key, bits),
            Event::Hello(hello) => self.introduced(desk, key, &hello),
            Event::UploadOnly(upload_only) => {
                member.upload_only = upload_only;
                member.flags = member.flags.with(Flags::SEED, upload_only);
                self.part_seeds(desk, key);
            }
            Event::AllowedFast(_) => {
                member.barren = false;
                self.roster.hungry(key);
            }
            Event::Wanted(_) | Event::Withdrawn(_) => {}
            Event::Port(port) => self.is_node(desk, key, port),
            Event::Suggested(_) | Event::KeepAlive => {}
            Event::Metadata(message) => self.metadata_came(desk, now, key, message),
            Event::Pex(delta) => self.peers_came(desk, key, *delta),
            // None is registered.
            Event::Extended { .. } => {}
        }
    }

    /// A part of a block came with other bytes: copy it into its place, or let go of the block if there is none.
    fn deposit(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, span: Span, at: u32, bytes: &[u8]) {
        let block = self.facts.layout.block(span).expect("only blocks are asked for");
        match self.place(desk, key, span, at) {
            Ok(true) => {
                let lease = self.leases.get_mut(span.piece).expect("its lease has the place");
                let (chunk, start) = lease.chunk_of(block.block);
                let memory = lease.held_mut(chunk).expect("the place is in memory");
                let from = start + at as usize;
                memory[from..from + bytes.len()].copy_from_slice(bytes);
            }
            Ok(false) => {}
            Err(why) => {
                self.traffic.wasted += u64::from(span.len);
                self.starved |= why == Parked::Memory;
                if let Some(member) = self.roster.get_mut(key) {
                    member.session.cancel(now, span);
                    member.writing = None;
                    // Else it would be asked again, sent again and dropped again.
                    member.park(now, why);
                }
                if let Some(lease) = self.leases.get_mut(span.piece) {
                    lease.end_write(block.block, key);
                }
                self.unask(&[span]);
            }
        }
    }

    fn arrived(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, span: Span) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let from = member.addr;
        member.writing = None;
        member.down.add(now, u64::from(span.len));
        let block = self.facts.layout.block(span).expect("only blocks are asked for");
        let Some(lease) = self.leases.get_mut(span.piece) else {
            self.traffic.wasted += u64::from(span.len);
            return;
        };
        let Arrival::Taken { others } = lease.arrived(block.block, key, from) else {
            self.traffic.wasted += u64::from(span.len);
            lease.unask(block.block);
            self.leases.refresh(span.piece);
            return;
        };
        let (id, whole) = (lease.id, lease.whole());
        self.leases.refresh(span.piece);
        self.traffic.downloaded += u64::from(span.len);
        if others > 0 {
            self.cancel_others(desk, now, key, span);
        }
        if whole {
            self.begin_verify(desk, now, id);
        }
    }

    fn cancel_others(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, span: Span) {
        for other in self.roster.keys() {
            let Some(member) = self.roster.get_mut(other).filter(|_| other != key) else { continue };
            if member.session.cancel(now, span) {
                let block = self.facts.layout.block(span);
                if member.writing == block {
                    member.writing = None;
                }
                // It may have been waiting for room for this very block.
                if matches!(member.parked, Some(Parked::Memory | Parked::Paging(_))) {
                    member.unpark(desk, now);
                }
                self.roster.hungry(other);
            }
        }
    }

    /// Those blocks will not come from whom they were asked of.
    pub(super) fn unask(&mut self, spans: &[Span]) {
        for &span in spans {
            let block = self.facts.layout.block(span).expect("only blocks are asked for");
            if let Some(lease) = self.leases.get_mut(span.piece) {
                lease.unask(block.block);
                self.leases.refresh(span.piece);
            }
        }
        if !spans.is_empty() {
            self.roster.all_hungry();
        }
    }

    fn peer_has(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, piece: PieceIndex) {
        let member = member_mut(self, key);
        let peer = PeerKey { shard: desk.shard, conn: member.conn };
        member.barren = false;
        let seed = member.is_seed();
        if self.missing.has(piece.0) {
            member_mut(self, key).interesting += 1;
            self.roster.hungry(key);
        }
        let change = Copies::Have(piece);
        desk.tell_torrent(self.torrent, ToTorrent::Copies { peer, change });
        self.show_interest(now, key);
        if seed {
            self.part_seeds(desk, key);
        }
    }

    fn peer_has_all_of(&mut self, desk: &mut Desk, now: Instant, key: SlotKey, bits: Bits) {
        let missing = std::sync::Arc::clone(&self.missing);
        let member = member_mut(self, key);
        let peer = PeerKey { shard: desk.shard, conn: member.conn };
        member.barren = false;
        member.recount(&missing);
        let change = Copies::More(std::sync::Arc::new(bits));
        desk.tell_torrent(self.torrent, ToTorrent::Copies { peer, change });
        self.roster.hungry(key);
        self.show_interest(now, key);
        self.part_seeds(desk, key);
    }

    /// A peer says that it is a node of the DHT, too: once is enough.
    fn is_node(&mut self, desk: &mut Desk, key: SlotKey, port: u16) {
        let member = member_mut(self, key);
        let at = SocketAddr::new(member.addr.ip(), port);
        let is_news = !core::mem::replace(&mut member.is_node, true);
        if is_news && port != 0 && !self.facts.private && desk.setup.dht.is_some() {
            desk.tell_session(ToSession::Dht(ToDht::Node(at)));
        }
    }

    fn introduced(&mut self, desk: &mut Desk, key: SlotKey, hello: &Hello) {
        let member = member_mut(self, key);
        if let Some(client) = &hello.client {
            member.client = client.to_string();
        }
        // It may not be the first, and then it need not have but what has changed (BEP 10).
        member.upload_only = hello.upload_only.unwrap_or(member.upload_only);
        let peer = PeerKey { shard: desk.shard, conn: member.conn };
        log::debug!("{} introduces itself: {hello:?}", member.addr);
        member.flags = member.flags.after(hello);
        // The whole address: one of this link alone is none without its interface.
        let mut at = member.addr;
        let seen = hello.yourip.filter(|_| !core::mem::replace(&mut member.saw_us, true));
        if let Some(ip) = seen {
            desk.tell_session(ToSession::Seen { by: Source::Peer, voter: at.ip(), ip });
        }
        if let Some(port) = hello.port.filter(|_| !member.outgoing) {
            at.set_port(port);
            member.listens = Some(at);
            member.gossip.listens(at);
            desk.tell_torrent(self.torrent, ToTorrent::Listens { peer, at });
        }
        self.everybody_is_news(desk);
        self.metadata_claimed(desk, key, hello.metadata_size);
        self.part_seeds(desk, key);
    }

    /// Deadlines of a member.
    pub fn due(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        loop {
            let Some(member) = self.roster.get_mut(key) else { return };
            match member.session.due(now) {
                Some(Due::Idle | Due::Stalled) => {
                    return self.leave(desk, key, End::Lost(NetError::TimedOut));
                }
                Some(Due::KeepAlive) => {}
                Some(Due::Snubbed) => self.snubs(key),
                Some(Due::AskAgain) => self.roster.hungry(key),
                Some(Due::Overdue(span)) => {
                    member.session.cancel(now, span);
                    self.unask(&[span]);
                }
                None => break,
            }
        }
        self.gossip(desk, now, key);
        self.stop_writing(key);
        self.roster.busy(key);
        self.rearm(desk, key);
    }

    pub(super) fn rearm(&self, desk: &mut Desk, key: SlotKey) {
        if let Some(member) = self.roster.get(key) {
            desk.wake_conn(member.conn, member.session.deadline().0, Reason::Peer);
            if member.news {
                desk.wake_conn(member.conn, member.gossip.due_at(), Reason::Gossip);
            }
        }
    }
}

fn member_mut(crew: &mut Crew, key: SlotKey) -> &mut super::member::Member {
    crew.roster.get_mut(key).expect("the member is here: it has just said something")
}
