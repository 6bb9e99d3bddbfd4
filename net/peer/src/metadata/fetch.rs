//! Fetching metadata from many peers, of whom most may lie.
//!
//! Nothing can be judged before everything is there (a torrent's info-hash is over the whole), and neither is it known
//! how much everything is. So there are *attempts*. At first one for each size that is claimed, the size with the most
//! votes first, to which all who claim it contribute: in a sound swarm that is the only one. When what several sent
//! together is wrong, each of those who claim that size is tried *alone*, in the order in which they came: whoever
//! then sends something wrong is surely to blame, and one honest peer is enough. Attempts go on side by side, a few at a
//! time; while others wait, one that brings nothing or has had its turn makes room, and gets twice the time when
//! its turn comes again. So neither silence nor dribbling nor a majority holds up an honest peer for long, and who is
//! slow but alone has all the time in the world.

use super::attempt::{Attempt, Evidence, Stage, Whom};
use super::peers::Peer;
use super::{MetadataLimits, piece_len, pieces};
use crate::limits::Limits;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;
use tide_base::Instant;

/// Failed attempts of several peers of which is remembered who sent what.
const EVIDENCE: usize = 4;
/// Sizes of which something is remembered.
const SIZES: usize = 64;

/// The number under which something is judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ticket(u64);

/// Whether bytes have the info-hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// They have.
    Right,
    /// They have not.
    Wrong,
}

/// What the caller is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order<P> {
    /// Ask a peer for a piece.
    Ask {
        /// Whom.
        peer: P,
        /// For which.
        piece: u32,
    },
    /// Compare the digest of these bytes with the info-hash, and tell by [`Fetch::judged`].
    Judge {
        /// Under which number.
        ticket: Ticket,
        /// The bytes.
        metadata: Vec<u8>,
    },
    /// This peer has surely sent something wrong, or contradicted itself: the connection should end. It is forgotten
    /// here, and would be somebody new if it claimed something again.
    Blame(P),
}

/// How far it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Peers that say they have the metadata.
    pub peers: u32,
    /// Pieces that are there, of the attempt that has most.
    pub got: u32,
    /// Pieces of that attempt; 0 if there is none.
    pub pieces: u32,
}

/// What is remembered of a claimed size.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    tries: u32,
    /// Several sent something wrong together: from now on each is tried alone.
    tainted: bool,
}

/// Fetches the metadata of one torrent. `P` names a connection.
#[derive(Clone, Debug)]
pub struct Fetch<P> {
    max: u32,
    limits: MetadataLimits,
    peers: BTreeMap<P, Peer>,
    sizes: BTreeMap<u32, Size>,
    attempts: Vec<Attempt<P>>,
    failed: VecDeque<Evidence<P>>,
    blamed: VecDeque<P>,
    arrivals: u64,
    tickets: u64,
    done: bool,
    /// Bytes that attempts may come to, together.
    room: u64,
    /// Bytes that are missing for the next attempt.
    lacking: u64,
}

impl<P: Copy + Ord> Fetch<P> {
    /// Nobody is known, and there is no [room](Fetch::grant).
    pub fn new(limits: &Limits) -> Fetch<P> {
        Fetch {
            max: limits.metadata_len,
            limits: limits.metadata.clone(),
            peers: BTreeMap::new(),
            sizes: BTreeMap::new(),
            attempts: Vec::new(),
            failed: VecDeque::new(),
            blamed: VecDeque::new(),
            arrivals: 0,
            tickets: 0,
            done: false,
            room: 0,
            lacking: 0,
        }
    }

    /// Room for more bytes of metadata. An attempt begins when there is room for all that it may come to: as much as who
    /// takes part in it claims.
    pub fn grant(&mut self, bytes: u64) {
        self.room += bytes;
        self.lacking = self.lacking.saturating_sub(bytes);
    }

    /// Bytes of room that are missing for the next attempt, as [`next`](Fetch::next) found last.
    pub fn lacking(&self) -> u64 {
        self.lacking
    }

    /// Gives back the room that no attempt needs; how much that is.
    pub fn give_back(&mut self) -> u64 {
        let spare = self.room - self.reserved();
        self.room -= spare;
        spare
    }

    /// Bytes of room that there are.
    pub fn room(&self) -> u64 {
        self.room
    }

    /// Others need room: ends an attempt that has had its turn, or that nobody takes part in; whether there was one.
    pub fn make_way(&mut self, now: Instant) -> bool {
        self.make_room(now)
    }

    /// Nobody is asked any more: all attempts that are not being judged end.
    pub fn rest(&mut self) {
        while let Some(at) = self.attempts.iter().position(Attempt::is_fetching) {
            self.end(at);
        }
        self.lacking = 0;
    }

    /// Bytes that attempts may come to.
    fn reserved(&self) -> u64 {
        self.attempts.iter().map(|attempt| u64::from(attempt.size)).sum()
    }

    /// A peer that takes requests for metadata says how large it is; it may say so again. Ignored if it cannot be.
    pub fn claims(&mut self, peer: P, size: u32) {
        if self.done || size == 0 || size > self.max {
            return;
        }
        let Some(known) = self.peers.get_mut(&peer) else {
            if self.peers.len() < self.limits.peers as usize {
                self.arrivals += 1;
                self.peers.insert(peer, Peer::new(size, self.arrivals, &self.limits));
            }
            return;
        };
        if known.size == size {
            return;
        }
        let (before, asks) = (known.size, known.forget_asks());
        let borne = known.change(size, &self.limits);
        self.unask(peer, before, &asks);
        self.end_alone(peer);
        if !borne {
            self.blame(peer);
        }
    }

    /// A peer is gone.
    pub fn gone(&mut self, peer: P) {
        let Some(mut known) = self.peers.remove(&peer) else { return };
        let asks = known.forget_asks();
        self.unask(peer, known.size, &asks);
        self.end_alone(peer);
    }

    /// A peer sent a piece that it was asked for, perhaps long ago.
    pub fn data(&mut self, now: Instant, peer: P, piece: u32, total: Option<u32>, bytes: &[u8]) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        let size = known.size;
        let asked = known.settle(piece);
        if asked {
            self.unask(peer, size, &[piece]);
        }
        if let Some(total) = total.filter(|&total| total != size) {
            return self.claims(peer, total);
        }
        let len = piece_len(size, piece);
        if len == 0 || bytes.len() != len as usize {
            return self.blame(peer);
        }
        let taking = |attempt: &&mut Attempt<P>| attempt.takes(peer, size) && attempt.is_fetching();
        let Some(attempt) = self.attempts.iter_mut().find(taking) else { return };
        attempt.put(now, peer, piece, bytes);
        if let Some(known) = self.peers.get_mut(&peer) {
            known.praise(&self.limits);
        }
        self.keep_within_memory();
    }

    /// A peer does not send a piece that it was asked for.
    pub fn rejected(&mut self, now: Instant, peer: P, piece: u32) {
        let Some(known) = self.peers.get_mut(&peer) else { return };
        if known.settle(piece) {
            known.rest(now, &self.limits);
            let size = known.size;
            self.unask(peer, size, &[piece]);
        }
    }

    /// The verdict on what was handed out by [`Order::Judge`]. When it is right, nothing but [`Order::Blame`] follows.
    pub fn judged(&mut self, ticket: Ticket, verdict: Verdict) {
        let is_it = |attempt: &Attempt<P>| attempt.stage == Stage::Judged(ticket.0);
        let Some(at) = self.attempts.iter().position(is_it) else { return };
        let attempt = self.attempts.remove(at);
        let evidence = attempt.evidence();
        match (verdict, evidence.only()) {
            (Verdict::Right, _) => {
                let liars: Vec<P> = self.failed.iter().flat_map(|failed| failed.liars(&evidence)).collect();
                liars.into_iter().for_each(|liar| self.blame(liar));
                self.finish();
            }
            (Verdict::Wrong, Some(liar)) => self.blame(liar),
            (Verdict::Wrong, None) => {
                self.size_mut(attempt.size).tainted = true;
                self.failed.truncate(EVIDENCE - 1);
                self.failed.push_front(evidence);
                for known in self.peers.values_mut().filter(|known| known.size == attempt.size) {
                    known.forget_asks();
                }
            }
        }
    }

    /// The metadata is here, wherever it came from: nothing but [`Order::Blame`] follows, of those whose guilt is known
    /// already. Who takes part in what is being judged still, nobody asks any more.
    pub fn finish(&mut self) {
        self.done = true;
        self.lacking = 0;
        self.failed.clear();
        self.attempts.clear();
        self.peers.clear();
        self.sizes.clear();
    }

    /// The next thing to do; to be asked until there is none, after anything happened and when it is
    /// [due](Fetch::due).
    pub fn next(&mut self, now: Instant) -> Option<Order<P>> {
        if let Some(liar) = self.blamed.pop_front() {
            return Some(Order::Blame(liar));
        }
        if self.done {
            return None;
        }
        self.expire(now);
        self.schedule(now);
        let whole = |attempt: &&mut Attempt<P>| attempt.is_fetching() && attempt.is_whole();
        if let Some(attempt) = self.attempts.iter_mut().find(whole) {
            self.tickets += 1;
            let metadata = attempt.assemble(self.tickets);
            return Some(Order::Judge { ticket: Ticket(self.tickets), metadata });
        }
        (0..self.attempts.len()).find_map(|at| self.ask_for(now, at))
    }

    /// When [`next`](Fetch::next) should be asked although nothing happened.
    pub fn due(&self, now: Instant) -> Instant {
        let peers = self.peers.values().flat_map(|known| known.times(&self.limits));
        let hedges = self.attempts.iter().flat_map(|attempt| attempt.hedge_times(&self.limits));
        let waits = self.candidate().is_some();
        let turns = self.attempts.iter().filter(|_| waits).flat_map(|attempt| attempt.times(&self.limits));
        // The same where others may wait for room.
        let turns = turns.chain(self.attempts.iter().flat_map(|attempt| attempt.times(&self.limits)));
        // What is past already and came to nothing will not come to anything by itself.
        peers.chain(hedges).chain(turns).filter(|&at| at > now).min().unwrap_or(Instant::NEVER)
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        let best = self.attempts.iter().max_by_key(|attempt| attempt.got);
        let (got, pieces) = best.map_or((0, 0), |best| (best.got, pieces(best.size)));
        Progress { peers: self.peers.len() as u32, got, pieces }
    }

    /// Bytes of metadata that are held.
    pub fn memory(&self) -> u64 {
        self.attempts.iter().map(|attempt| u64::from(attempt.bytes)).sum()
    }

    /// Takes note that a peer lies.
    fn blame(&mut self, peer: P) {
        self.gone(peer);
        self.failed.iter_mut().for_each(|failed| failed.settle(peer));
        if !self.blamed.contains(&peer) {
            self.blamed.push_back(peer);
        }
    }

    /// Ends the attempt with a peer alone, unless it is being judged.
    fn end_alone(&mut self, peer: P) {
        self.attempts.retain(|attempt| attempt.whom != Whom::Only(peer) || !attempt.is_fetching());
    }

    /// A peer that claims `size` will not answer those asks.
    fn unask(&mut self, peer: P, size: u32, asks: &[u32]) {
        let taking = self.attempts.iter_mut().find(|attempt| attempt.takes(peer, size));
        if let Some(attempt) = taking.filter(|attempt| attempt.is_fetching()) {
            asks.iter().for_each(|&piece| attempt.unask(piece));
        }
    }

    /// What is remembered of a size, forgetting another that nobody claims if that is too much.
    fn size_mut(&mut self, size: u32) -> &mut Size {
        if self.sizes.len() >= SIZES && !self.sizes.contains_key(&size) {
            let claimed = |size: &u32| self.peers.values().any(|known| known.size == *size);
            let forgotten = self.sizes.keys().copied().find(|size| !claimed(size));
            let forgotten = forgotten.or_else(|| self.sizes.keys().next().copied());
            forgotten.map(|size| self.sizes.remove(&size));
        }
        self.sizes.entry(size).or_default()
    }

    fn expire(&mut self, now: Instant) {
        let mut expired = Vec::new();
        for (peer, known) in &mut self.peers {
            while let Some(piece) = known.expire(now, &self.limits) {
                known.rest(now, &self.limits);
                expired.push((*peer, known.size, piece));
            }
        }
        for (peer, size, piece) in expired {
            self.unask(peer, size, &[piece]);
        }
    }

    /// Who has waited longest for an attempt: with how many turns, of whom, of which size.
    fn candidate(&self) -> Option<(u32, Whom<P>, u32)> {
        let mut votes: BTreeMap<u32, u64> = BTreeMap::new();
        let mut best = None;
        for (peer, known) in &self.peers {
            if !self.sizes.get(&known.size).is_some_and(|size| size.tainted) {
                *votes.entry(known.size).or_default() += 1;
            } else if !self.attempts.iter().any(|attempt| attempt.whom == Whom::Only(*peer)) {
                let rank = (known.tries, 1, Reverse(0), known.arrival);
                best = best.into_iter().chain([(rank, Whom::Only(*peer), known.size)]).min();
            }
        }
        for (size, votes) in votes {
            if !self.attempts.iter().any(|attempt| attempt.whom == Whom::All && attempt.size == size) {
                let tries = self.sizes.get(&size).map_or(0, |size| size.tries);
                let rank = (tries, 0, Reverse(votes), u64::from(size));
                best = best.into_iter().chain([(rank, Whom::All, size)]).min();
            }
        }
        best.map(|((tries, ..), whom, size)| (tries, whom, size))
    }

    /// Begins attempts for those who wait, if there is room or somebody has to make it.
    fn schedule(&mut self, now: Instant) {
        self.lacking = 0;
        while let Some((tries, whom, size)) = self.candidate() {
            let full = self.attempts.len() >= self.limits.attempts as usize
                || self.memory() >= u64::from(self.limits.memory);
            if full && !self.make_room(now) {
                break;
            }
            self.lacking = (self.reserved() + u64::from(size)).saturating_sub(self.room);
            if self.lacking > 0 {
                break;
            }
            self.attempts.push(Attempt::new(now, whom, size, tries));
        }
    }

    /// Ends an attempt that nobody takes part in any more or that is over, the quiet ones first; whether there was
    /// one. Those who waited shorter come again later, with more time each turn: nobody is left out for good.
    fn make_room(&mut self, now: Instant) -> bool {
        let limits = &self.limits;
        let left =
            |attempt: &Attempt<P>| !self.peers.iter().any(|(peer, known)| attempt.takes(*peer, known.size));
        let over =
            |attempt: &Attempt<P>| attempt.is_over(now, limits) || attempt.is_fetching() && left(attempt);
        let rank =
            |attempt: &Attempt<P>| (!left(attempt), !attempt.is_quiet(now, limits), Reverse(attempt.tries));
        let places = (0..self.attempts.len()).filter(|&at| over(&self.attempts[at]));
        let Some(at) = places.min_by_key(|&at| rank(&self.attempts[at])) else { return false };
        self.end(at);
        true
    }

    /// Ends an attempt, which may be made again later.
    fn end(&mut self, at: usize) {
        let attempt = self.attempts.remove(at);
        for (peer, known) in &mut self.peers {
            if attempt.takes(*peer, known.size) {
                known.forget_asks();
                known.tries += u32::from(attempt.whom == Whom::Only(*peer));
            }
        }
        if attempt.whom == Whom::All {
            self.size_mut(attempt.size).tries += 1;
        }
    }

    /// Ends the attempts that hold most until all together hold no more than they may.
    fn keep_within_memory(&mut self) {
        while self.memory() > u64::from(self.limits.memory) {
            let fetching = (0..self.attempts.len()).filter(|&at| self.attempts[at].is_fetching());
            let Some(at) = fetching.max_by_key(|&at| self.attempts[at].bytes) else { break };
            if self.attempts.len() == 1 {
                break;
            }
            self.end(at);
        }
    }

    /// Finds somebody to ask for a piece of an attempt: who has not disappointed, and has least to do.
    fn ask_for(&mut self, now: Instant, at: usize) -> Option<Order<P>> {
        let (attempt, limits) = (&mut self.attempts[at], &self.limits);
        if !attempt.is_fetching() {
            return None;
        }
        let piece = attempt.unasked().or_else(|| attempt.hedge(now, limits))?;
        let able = |(peer, known): &(&P, &mut Peer)| {
            attempt.takes(**peer, known.size) && known.is_free(now, limits) && !known.was_asked(piece)
        };
        let (&peer, known) = self.peers.iter_mut().filter(able).min_by_key(|(_, known)| known.burden())?;
        known.ask(now, piece);
        attempt.ask(now, piece);
        Some(Order::Ask { peer, piece })
    }
}
