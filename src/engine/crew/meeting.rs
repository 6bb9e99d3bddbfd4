//! Who comes and goes, and what they are told of us.

use core::net::{IpAddr, SocketAddr};
use std::collections::VecDeque;
use std::sync::Arc;

use tide_base::meter::Meter;
use tide_base::{Bits, Instant, PieceIndex, SlotKey};
use tide_peer::metadata::Serve;
use tide_peer::opening::Met;
use tide_peer::pex::{Flags, Gossip};
use tide_peer::{Choke, Hello, Interest, Session, client, fast};

use super::Crew;
use super::member::Member;
use crate::border::{NetError, Output};
use crate::desk::{Desk, Reason, Role, Stock};
use crate::id::{ConnKey, PeerKey};
use crate::mail::{End, Joined, MemberRates, ToTorrent};
use crate::stats::PeerInfo;

/// Addresses that may wait to be dialled: what a torrent hands over at a time.
const TO_DIAL: usize = 64;

impl Crew {
    /// The torrent wants this address to be dialled, when it is this crew's turn.
    pub(super) fn dial(&mut self, desk: &mut Desk, now: Instant, addr: SocketAddr) {
        let full = self.disbanding || self.to_dial.len() >= TO_DIAL;
        let reason = if full { Some(End::Spared) } else { self.reason_against(desk, now, addr) };
        match reason {
            Some(end) => self.not_met(desk, addr, end),
            None => {
                self.to_dial.push_back(addr);
                desk.dialers.join(self.key);
            }
        }
    }

    /// Why an address is not to be dialled, if there is a reason.
    fn reason_against(&self, desk: &Desk, now: Instant, addr: SocketAddr) -> Option<End> {
        let full = desk.conns.with_ip(addr.ip()) >= desk.limits.peers_per_ip;
        let is_member = || self.roster.iter().any(|(_, member)| member.addr == addr);
        match () {
            () if desk.bans.is_banned(now, addr.ip()) => Some(End::Barred),
            () if full || is_member() => Some(End::Spared),
            () => None,
        }
    }

    /// The torrent hears that nothing came of an address that it gave.
    fn not_met(&self, desk: &mut Desk, addr: SocketAddr, end: End) {
        let peer = PeerKey { shard: desk.shard, conn: ConnKey(self.key) };
        desk.tell_torrent(self.torrent, ToTorrent::Left { peer, addr, end, gave: 0 });
    }

    /// It is this crew's turn: dials one of the waiting addresses, and waits again for the others' turns.
    pub fn dial_next(&mut self, desk: &mut Desk, now: Instant) {
        while let Some(addr) = self.to_dial.pop_front() {
            if let Some(end) = self.reason_against(desk, now, addr) {
                self.not_met(desk, addr, end);
                continue;
            }
            desk.take_dial(now);
            let conn = desk.conns.insert(addr, now, Role::Dialling(self.key));
            desk.wake_conn(conn, now + desk.limits.connect_timeout, Reason::Handshake);
            desk.put(Output::Dial { conn, to: addr, tls: None });
            break;
        }
        if !self.to_dial.is_empty() {
            desk.dialers.join(self.key);
        }
    }

    /// Nobody is met any more: the torrent hears of every address that it gave.
    pub(super) fn give_up_dials(&mut self, desk: &mut Desk) {
        self.give_up(desk, &End::Spared, |_, _| true);
    }

    /// Nobody of this address is met.
    pub(super) fn give_up_meeting(&mut self, desk: &mut Desk, ip: IpAddr) {
        self.give_up(desk, &End::Barred, |addr, _| addr.ip() == ip);
    }

    /// Some are not met, whether they are to be dialled, are being dialled, or shake hands: those for whom `whom` holds,
    /// of the address and of whether it is we who dial.
    pub(super) fn give_up(&mut self, desk: &mut Desk, end: &End, whom: impl Fn(SocketAddr, bool) -> bool) {
        let (given_up, others) = core::mem::take(&mut self.to_dial)
            .into_iter()
            .partition::<VecDeque<_>, _>(|addr| whom(*addr, true));
        self.to_dial = others;
        if self.to_dial.is_empty() {
            desk.dialers.leave(self.key);
        }
        for addr in given_up {
            self.not_met(desk, addr, end.clone());
        }
        for (conn, addr, outgoing) in desk.conns.greeting_for(self.key) {
            if whom(addr, outgoing) {
                if outgoing {
                    self.not_met(desk, addr, end.clone());
                }
                desk.close(conn);
            }
        }
    }

    /// A dialled connection never came to shaking hands.
    pub fn dial_failed(&self, desk: &mut Desk, conn: ConnKey, addr: SocketAddr, end: End) {
        let peer = PeerKey { shard: desk.shard, conn };
        desk.tell_torrent(self.torrent, ToTorrent::Left { peer, addr, end, gave: 0 });
    }

    /// Hands have been shaken: a new member, unless there is a reason against it. The connection's role and its
    /// allowances are the caller's.
    pub fn join(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        conn: ConnKey,
        addr: SocketAddr,
        met: &Met,
        outgoing: bool,
    ) -> Result<SlotKey, End> {
        let peer_id = met.theirs.peer_id;
        if self.disbanding {
            return Err(End::Parted);
        }
        self.make_room_for(desk, met, outgoing)?;
        let session = self.session(desk, now, addr, met);
        let member = Member {
            conn,
            addr,
            peer_id,
            client: client::name(&peer_id),
            outgoing,
            saw_us: false,
            session,
            interesting: 0,
            upload_only: false,
            is_node: false,
            current: None,
            writing: None,
            parked: None,
            optimistic: false,
            granted: 0,
            barren: false,
            demanding: 0,
            ration: u64::MAX,
            lent: 0,
            metadata_lent: 0,
            metadata_paid: 0,
            reading: 0,
            unsent: (now, 0),
            next: None,
            hungry: false,
            busy: false,
            offered: false,
            listens: outgoing.then_some(addr),
            flags: Flags::NONE,
            gossip: Gossip::new(now, addr),
            news: false,
            metadata: Serve::new(),
            down: Meter::new(),
            up: Meter::new(),
        };
        let key = self.roster.insert(member);
        self.allow_fast(desk, now, key);
        self.roster.busy(key);
        self.rearm(desk, key);
        let peer = PeerKey { shard: desk.shard, conn };
        let joined = Box::new(Joined { peer, addr, peer_id, outgoing });
        desk.tell_torrent(self.torrent, ToTorrent::Joined(joined));
        self.everybody_is_news(desk);
        Ok(key)
    }

    /// Allows somebody new to fetch some pieces while choked (BEP 6), unless others are still at theirs. In a crowd at one
    /// door everybody would be served at once, each for a small part of the line, and for long nobody would have a piece
    /// to pass on.
    pub(super) fn allow_fast(&mut self, desk: &Desk, now: Instant, key: SlotKey) {
        let newcomers = self.roster.iter().filter(|(_, member)| member.is_newcomer()).count();
        if !self.is_learnt() || newcomers >= desk.limits.newcomers as usize {
            return;
        }
        let (pieces, grants) = (self.facts.layout.pieces(), self.config.limits.allowed_fast_out);
        let Some(member) = self.roster.get_mut(key) else { return };
        let set = fast::allowed_set(member.addr.ip(), &self.facts.info_hash, pieces, grants, sha1);
        let grant: Vec<PieceIndex> = set.into_iter().filter(|piece| self.have.has(piece.0)).collect();
        member.granted = grant.len() as u32;
        member.session.allow_fast(now, &grant);
    }

    /// The protocol with somebody who has just shaken hands, and the first that we say.
    fn session(&self, desk: &Desk, now: Instant, addr: SocketAddr, met: &Met) -> Session {
        let mut session = match self.is_learnt() {
            true => Session::new(now, &self.config, self.facts.layout, met),
            false => Session::without_layout(now, &self.config, met),
        };
        session.set_offers(self.facts.offers);
        match self.is_learnt() {
            true => session.have_field(now, &self.have),
            false => session.have_nothing(now),
        }
        session.hello(now, &self.hello(desk, addr));
        if let Some(port) = desk.dht_port(addr.ip()).filter(|_| !self.facts.private) {
            session.port(now, port);
        }
        session
    }

    /// Two connections to one peer: both sides keep the one that the greater peer id made, or else the older.
    fn make_room_for(&mut self, desk: &mut Desk, met: &Met, outgoing: bool) -> Result<(), End> {
        let theirs = met.theirs.peer_id;
        let double = self.roster.iter().find(|(_, member)| member.peer_id == theirs);
        if let Some((old, member)) = double {
            let ours_is_greater = met.ours.peer_id > theirs;
            if member.outgoing == outgoing || outgoing != ours_is_greater {
                return Err(End::Parted);
            }
            self.leave(desk, old, End::Parted);
        }
        if self.roster.len() as u32 >= desk.limits.peers_per_torrent {
            return Err(End::Parted);
        }
        Ok(())
    }

    pub(super) fn hello(&self, desk: &Desk, addr: SocketAddr) -> Hello {
        Hello {
            client: Some(desk.setup.client.clone()),
            port: desk.port_for(addr.ip()),
            reqq: Some(self.config.limits.serves),
            yourip: Some(addr.ip()),
            upload_only: (self.is_learnt() && self.missing.none()).then_some(true),
            metadata_size: self.facts.metadata.as_ref().map(|metadata| metadata.len() as u32),
            ..Hello::default()
        }
    }

    /// A member goes: what it was asked for is free again, what it held comes home.
    pub fn leave(&mut self, desk: &mut Desk, key: SlotKey, end: End) {
        let Some(member) = self.roster.remove(key) else { return };
        let asked: Vec<_> = member.session.asks().spans().collect();
        if let Some(block) = member.writing
            && let Some(lease) = self.leases.get_mut(block.piece)
        {
            lease.end_write(block.block, key);
        }
        self.unask(&asked);
        self.demanded -= member.demanding;
        desk.purses.give(Stock::UploadMemory, member.lent - member.reading);
        self.open_to_all(key);
        self.roster.all_hungry();
        let peer = PeerKey { shard: desk.shard, conn: member.conn };
        let gave = member.down.total();
        log::debug!("{:?}: {} left: {end:?}", self.torrent, member.addr);
        desk.tell_torrent(self.torrent, ToTorrent::Left { peer, addr: member.addr, end, gave });
        desk.close(member.conn);
        self.everybody_is_news(desk);
    }

    /// The member's connection is gone.
    pub fn lost(&mut self, desk: &mut Desk, key: SlotKey, why: NetError) {
        self.leave(desk, key, End::Lost(why));
    }

    /// Seeds have nothing to say to each other.
    pub(super) fn part_seeds(&mut self, desk: &mut Desk, key: SlotKey) {
        let Some(member) = self.roster.get(key) else { return };
        if self.is_learnt() && self.missing.none() && member.gives_only() {
            self.leave(desk, key, End::Idle);
        }
    }

    /// Tells a member whether we want something of it.
    pub(super) fn show_interest(&mut self, now: Instant, key: SlotKey) {
        let Some(member) = self.roster.get_mut(key) else { return };
        let interested = member.session.choking().our_interest == Interest::Interested;
        match (member.interesting > 0, interested) {
            (true, false) => member.session.interested(now),
            (false, true) => member.session.not_interested(now),
            _ => return,
        }
        self.roster.busy(key);
    }

    /// Pieces are here: tell those who lack them.
    pub(super) fn announce_have(&mut self, now: Instant, pieces: &[PieceIndex]) {
        let was_done = self.missing.none();
        for &piece in pieces {
            self.have.set(piece.0);
            let missed = Arc::make_mut(&mut self.missing).clear(piece.0);
            for key in self.roster.keys() {
                let Some(member) = self.roster.get_mut(key) else { continue };
                if member.session.has().has(piece.0) {
                    member.interesting -= u32::from(missed);
                } else {
                    member.session.have(now, piece);
                }
                self.roster.busy(key);
                self.show_interest(now, key);
            }
        }
        self.tell_if_done(now, was_done);
    }

    /// Tells everybody whether we want anything, if that has changed. Nobody could tell from what we have: of pieces that it
    /// has itself it is not told.
    fn tell_if_done(&mut self, now: Instant, was_done: bool) {
        let done = self.missing.none();
        if was_done != done {
            for key in self.roster.keys() {
                let Some(member) = self.roster.get_mut(key) else { continue };
                member.session.tell_upload_only(now, done);
                self.roster.busy(key);
            }
        }
    }

    /// Other pieces are missing.
    pub(super) fn set_missing(&mut self, now: Instant, missing: Arc<Bits>) {
        let was_done = self.missing.none();
        self.missing = Arc::clone(&missing);
        for key in self.roster.keys() {
            let Some(member) = self.roster.get_mut(key) else { continue };
            member.recount(&missing);
            self.show_interest(now, key);
        }
        self.tell_if_done(now, was_done);
        self.fertile();
    }

    /// The choker has decided.
    pub(super) fn rechoke(
        &mut self,
        now: Instant,
        unchoke: &[PeerKey],
        choke: &[PeerKey],
        optimistic: Option<PeerKey>,
    ) {
        for (_, member) in self.roster.iter_mut() {
            member.optimistic = optimistic.is_some_and(|peer| peer.conn == member.conn);
        }
        for (peers, state) in [(choke, Choke::Choked), (unchoke, Choke::Unchoked)] {
            for peer in peers {
                let Some(key) = self.member_of(peer.conn) else { continue };
                let Some(member) = self.roster.get_mut(key) else { continue };
                match state {
                    Choke::Choked => member.session.choke(now),
                    Choke::Unchoked => member.session.unchoke(now),
                }
                self.roster.busy(key);
            }
        }
    }

    /// Tells the torrent the members' rates.
    pub(super) fn report(&mut self, desk: &mut Desk, now: Instant) {
        let shard = desk.shard;
        let rates = |member: &mut Member| MemberRates {
            peer: PeerKey { shard, conn: member.conn },
            down_rate: member.down.rate(now),
            up_rate: member.up.rate(now),
            downloaded: member.down.total(),
            uploaded: member.up.total(),
            snubbed: member.session.snubbed(),
            upload_only: member.gives_only(),
        };
        let all = self.roster.iter_mut().map(|(_, member)| rates(member)).collect();
        desk.tell_torrent(self.torrent, ToTorrent::Rates(all));
    }

    /// Tells about the members.
    pub(super) fn inspect(&mut self, desk: &mut Desk, now: Instant, id: u64) {
        let info = |member: &mut Member| {
            let (choking, has) = (member.session.choking(), member.session.has());
            PeerInfo {
                addr: member.addr,
                peer_id: member.peer_id,
                client: member.client.clone(),
                outgoing: member.outgoing,
                choked: choking.ours == Choke::Choked,
                interested: choking.their_interest == Interest::Interested,
                choking: choking.theirs == Choke::Choked,
                interesting: choking.our_interest == Interest::Interested,
                snubbed: member.session.snubbed(),
                optimistic: member.optimistic,
                seed: member.gives_only(),
                progress: (u64::from(has.count()) * 1000 / u64::from(has.len().max(1))) as u16,
                asked: member.session.asks().len(),
                wanted: member.session.serves().len(),
                down_rate: member.down.rate(now),
                up_rate: member.up.rate(now),
                downloaded: member.down.total(),
                uploaded: member.up.total(),
            }
        };
        let peers = self.roster.iter_mut().map(|(_, member)| info(member)).collect();
        desk.tell_torrent(self.torrent, ToTorrent::Members { id, peers });
    }

    /// A deadline of the crew has come.
    pub fn wake(&mut self, desk: &mut Desk, now: Instant) {
        self.wake_throttled(desk, now);
    }
}

pub(super) fn sha1(bytes: &[u8]) -> [u8; 20] {
    tide_hash::sha1(&[bytes])
}
