//! One torrent's crew on one shard: its peers here, the pieces leased to them, and the blocks under way.
//!
//! ```text
//! incoming.rs  bytes from a member: where they belong, what they mean
//! handout.rs   which block is asked of whom
//! lease.rs     one leased piece: blocks and the memory they wait in      leases.rs  all of them
//! verify.rs    a whole piece: hashed, judged, written                    paging.rs  when memory is short
//! learning.rs  metadata, sought and served                               gossip.rs  peers are told of each other
//! serving.rs   requests of members: read, lent, sent           rationing.rs  when the rate is used up
//! meeting.rs   who comes and goes                                        member.rs, roster.rs  who is here
//! survey.rs    how its tables stand
//! ```
//! This file routes between them and decides nothing.

mod gossip;
mod handout;
mod incoming;
mod learning;
pub mod lease;
pub mod leases;
mod meeting;
pub mod member;
mod paging;
mod rationing;
pub mod roster;
mod serving;
mod survey;
mod verify;

use core::net::SocketAddr;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tide_base::meter::Bucket;
use tide_base::{Bits, Instant, SlotKey};
use tide_disk::{Done, Hashed};
use tide_peer::SessionConfig;

use crate::command::RateLimits;
use crate::desk::Desk;
use crate::desk::gates::{CrewErrand, LeaseRef};
use crate::id::{ConnKey, TorrentKey};
use crate::mail::{End, Muster, ToCrew, ToTorrent, Traffic, Whom};

use leases::Leases;
use roster::Roster;
pub use serving::{FLOW, Turn};

/// Blocks that a torrent's own rate lets through at once, however low it is: less, and no block ever would.
const BURST_BLOCKS: u64 = 2;

/// What a torrent's own rate lets through at once: a second of it. Nothing at all if the rate is zero.
fn burst(rate: Option<u64>, block_len: u32) -> u64 {
    rate.filter(|&rate| rate > 0).map_or(0, |rate| rate.max(BURST_BLOCKS * u64::from(block_len)))
}

/// One torrent's crew on one shard.
#[derive(Debug)]
pub struct Crew {
    key: SlotKey,
    torrent: TorrentKey,
    facts: Muster,
    config: Arc<SessionConfig>,
    have: Bits,
    missing: Arc<Bits>,
    roster: Roster,
    leases: Leases,
    /// Chunks that wait for memory to come back into.
    waiting_in: BTreeSet<(LeaseRef, u32)>,
    /// Chunks on their way to the disk to free their memory.
    leaving: u32,
    /// Pieces that members have demanded and not got yet.
    demanded: u32,
    /// Whether somebody would have demanded pieces if others had not before.
    held_back: bool,
    /// Whether nothing is left to lease, so that what is under way may be asked for twice.
    endgame: bool,
    /// Reads for members under way.
    reads: u32,
    /// Addresses to be dialled as soon as there is room.
    to_dial: VecDeque<SocketAddr>,
    /// Members whose requests wait for an allowance.
    unserved: VecDeque<SlotKey>,
    /// Whether members are not read, or chunks not brought back, for want of memory.
    starved: bool,
    /// Whether members are not read because a rate is used up.
    throttled: VecDeque<SlotKey>,
    /// What may still be read of the session's rate before it is others' turn.
    ration: u64,
    traffic: Traffic,
    down: Bucket,
    up: Bucket,
    disbanding: bool,
}

impl Crew {
    /// A crew without members.
    pub fn new(
        now: Instant,
        key: SlotKey,
        torrent: TorrentKey,
        facts: Muster,
        config: Arc<SessionConfig>,
    ) -> Crew {
        let block_len = facts.layout.block_len();
        // Empty ones: else a torrent that stops and starts again and again would get a burst each time.
        let bucket = |rate| Bucket::empty(now, rate, burst(rate, block_len));
        let (down, up) = (bucket(facts.limits.down), bucket(facts.limits.up));
        Crew {
            key,
            torrent,
            config,
            have: facts.have.clone(),
            missing: Arc::clone(&facts.missing),
            roster: Roster::new(),
            leases: Leases::new(),
            waiting_in: BTreeSet::new(),
            leaving: 0,
            endgame: false,
            demanded: 0,
            held_back: false,
            reads: 0,
            to_dial: VecDeque::new(),
            unserved: VecDeque::new(),
            throttled: VecDeque::new(),
            ration: u64::MAX,
            starved: false,
            traffic: Traffic::default(),
            down,
            up,
            disbanding: false,
            facts,
        }
    }

    /// Whose crew it is.
    pub fn torrent(&self) -> TorrentKey {
        self.torrent
    }

    /// What it was told about the torrent.
    pub fn facts(&self) -> &Muster {
        &self.facts
    }

    /// Whether nothing is left of it.
    pub fn is_gone(&self) -> bool {
        self.disbanding && self.leases.is_empty() && self.reads == 0 && self.roster.is_empty()
    }

    /// The torrent says something.
    pub fn told(&mut self, desk: &mut Desk, now: Instant, what: ToCrew) {
        match what {
            ToCrew::Muster(_) => unreachable!("the shard musters a crew"),
            ToCrew::Learn(facts) => self.learn(desk, now, *facts),
            ToCrew::Hush => self.hush(desk),
            ToCrew::AskMetadata { peer, piece } => self.ask_metadata(now, peer.conn, piece),
            ToCrew::Dial(addr) => self.dial(desk, now, addr),
            ToCrew::Lease { lease, alone, peer, last } => {
                self.leased(desk, lease, alone.map(|peer| peer.conn), peer.conn, last)
            }
            ToCrew::Barren { peer, endgame } => self.barren(peer.conn, endgame),
            ToCrew::Fertile => self.fertile(),
            ToCrew::Verdict { lease, good, blocks } => self.verdict(desk, now, lease, good, blocks),
            ToCrew::Revoke(lease) => self.end_lease(desk, now, lease),
            ToCrew::Have(pieces) => self.announce_have(now, &pieces),
            // Who is still to learn the torrent learns this with it.
            ToCrew::Missing(_) if !self.is_learnt() => {}
            ToCrew::Missing(missing) => self.set_missing(now, missing),
            ToCrew::Serve { unchoke, choke, optimistic } => self.rechoke(now, &unchoke, &choke, optimistic),
            ToCrew::Report => self.report(desk, now),
            ToCrew::Drop(whom) => self.drop_whom(desk, whom),
            ToCrew::Limits(limits) => self.set_limits(now, limits),
            ToCrew::Inspect(id) => self.inspect(desk, now, id),
            ToCrew::Disband => self.disband(desk, now),
        }
    }

    /// A disk job is done.
    pub fn disk_done(&mut self, desk: &mut Desk, now: Instant, errand: CrewErrand, done: Done) {
        let Done { chunks, result, .. } = done;
        match errand {
            CrewErrand::PageOut(id, chunk) => self.paged_out(desk, now, id, chunk, chunks, result),
            CrewErrand::PageIn(id, chunk) => self.paged_in(desk, now, id, chunk, chunks, result),
            CrewErrand::Write(id, first) => self.written(desk, now, id, first, chunks, result),
            CrewErrand::Serve { member, cover, spans } => {
                self.reads -= 1;
                self.read_done(desk, now, member, cover, &spans, result);
            }
            CrewErrand::Hash(_) | CrewErrand::HashBlocks(_) => unreachable!("the disk does not hash"),
        }
    }

    /// A hash job is done.
    pub fn hash_done(&mut self, desk: &mut Desk, now: Instant, errand: CrewErrand, hashed: Hashed) {
        self.hashed(desk, now, errand, hashed);
    }

    /// Decides what became possible in this turn.
    pub fn settle(&mut self, desk: &mut Desk, now: Instant) {
        self.feed_all(desk, now);
        self.relieve(desk, now);
        self.serve_all(desk, now);
        self.wake_throttled(desk, now);
        if self.traffic != Traffic::default() {
            let traffic = core::mem::take(&mut self.traffic);
            desk.tell_torrent(self.torrent, ToTorrent::Traffic(traffic));
        }
        if self.is_gone() {
            desk.tell_torrent(self.torrent, ToTorrent::Disbanded);
        }
    }

    fn set_limits(&mut self, now: Instant, limits: RateLimits) {
        self.facts.limits = limits;
        let block_len = self.facts.layout.block_len();
        self.down.set_rate(now, limits.down, burst(limits.down, block_len));
        self.up.set_rate(now, limits.up, burst(limits.up, block_len));
    }

    fn disband(&mut self, desk: &mut Desk, now: Instant) {
        self.disbanding = true;
        self.give_up_dials(desk);
        desk.servers.leave(self.key);
        desk.readers.leave(self.key);
        for key in self.roster.keys() {
            self.leave(desk, key, End::Parted);
        }
        for piece in self.leases.pieces() {
            let id = self.leases.get(piece).map(|lease| lease.id);
            if let Some(id) = id {
                self.end_lease(desk, now, id);
            }
        }
        self.waiting_in.clear();
    }

    fn drop_whom(&mut self, desk: &mut Desk, whom: Whom) {
        let picked = |key: &SlotKey, crew: &Crew| {
            crew.roster.get(*key).is_some_and(|member| match whom {
                Whom::Ip(ip) => member.addr.ip() == ip,
                Whom::Peer(peer) | Whom::Culprit(peer, _) => member.conn == peer.conn,
                Whom::Seeds => member.gives_only(),
            })
        };
        let keys: Vec<SlotKey> = self.roster.keys().into_iter().filter(|key| picked(key, self)).collect();
        for key in keys {
            match whom {
                Whom::Ip(_) => self.leave(desk, key, End::Banned),
                Whom::Peer(_) => self.leave(desk, key, End::Parted),
                Whom::Seeds => self.leave(desk, key, End::Idle),
                Whom::Culprit(_, fault) => self.fault(desk, key, fault),
            }
        }
        if let Whom::Ip(ip) = whom {
            self.give_up_meeting(desk, ip);
        }
    }

    /// Panics if the parts disagree.
    pub fn check_invariants(&self) {
        self.leases.check_invariants();
        let demanded: u32 = self.roster.iter().map(|(_, member)| member.demanding).sum();
        assert_eq!(demanded, self.demanded, "what is demanded");
        for (_, member) in self.roster.iter() {
            let both = member.session.has().iter().filter(|&piece| self.missing.has(piece)).count();
            assert_eq!(both as u32, member.interesting, "{}", member.addr);
            if let Some(block) = member.writing {
                assert!(self.leases.get(block.piece).is_some(), "a member writes into a lease that is gone");
            }
        }
    }

    fn member_of(&self, conn: ConnKey) -> Option<SlotKey> {
        self.roster.by_conn(conn)
    }
}
