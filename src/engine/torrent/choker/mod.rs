//! Whom to upload to. Every ten seconds a few peers are unchoked: while we download, those who give us most, and one at
//! random who may turn out to give more (BEP 3); when we seed, everybody in turn.

use core::cmp::Reverse;
use std::collections::BTreeSet;
use tide_base::{Duration, Instant, Prng, SlotKey};

mod slots;
#[cfg(test)]
mod tests;

use slots::SlotCount;
pub use slots::Upload;

/// How choking is paced and how many slots there are.
#[derive(Clone, Copy, Debug)]
pub struct ChokerLimits {
    /// Between rounds. BEP 3's ten seconds: TCP needs some of them to get up to speed after an unchoke.
    pub round: Duration,
    /// How long a peer is the optimistic one: three rounds, time enough for it to return the favour.
    pub optimistic: Duration,
    /// A peer connected for less than this is new: it has nothing to trade yet, so it is likelier to be tried.
    pub newcomer: Duration,
    /// How much likelier than others a new peer is to be the optimistic one.
    pub newcomer_weight: u64,
    /// Bytes after which a seed turns to the next: more than slow start needs, and no long wait for others.
    pub turn_bytes: u64,
    /// Time after which a seed turns to the next, however little it could send.
    pub turn_time: Duration,
    /// Slots at the beginning; enough for tit-for-tat to compare, few enough that each gets something.
    pub first_slots: u32,
    /// Slots at least, unless fewer are granted: one earned and one optimistic.
    pub min_slots: u32,
    /// Slots at most: more connections than this share no link fairly, and each costs the disk a stream.
    pub max_slots: u32,
    /// Bytes a second each slot should get: one block. If they get less, fewer slots serve better.
    pub floor: u64,
    /// Rounds until one more slot is tried again after one that did not raise the upload rate.
    pub hold_rounds: u32,
}

impl ChokerLimits {
    /// The numbers with the reasons given at each.
    pub const DEFAULT: ChokerLimits = ChokerLimits {
        round: Duration::from_secs(10),
        optimistic: Duration::from_secs(30),
        newcomer: Duration::from_secs(120),
        newcomer_weight: 3,
        turn_bytes: 16 << 20,
        turn_time: Duration::from_secs(60),
        first_slots: 8,
        min_slots: 2,
        max_slots: 100,
        floor: 16 << 10,
        hold_rounds: 6,
    };
}

impl Default for ChokerLimits {
    fn default() -> ChokerLimits {
        ChokerLimits::DEFAULT
    }
}

/// Which peers deserve a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Those who give.
    Leeching,
    /// All in turn.
    Seeding,
}

/// What is known of a connected peer.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Who it is.
    pub peer: SlotKey,
    /// Whether it wants something of us.
    pub interested: bool,
    /// Whether it may ask now.
    pub unchoked: bool,
    /// Whether it owes us blocks and sends none.
    pub snubbed: bool,
    /// Whether it will never ask (BEP 21), whatever it says of its interest.
    pub upload_only: bool,
    /// Bytes a second it gives us.
    pub down_rate: u64,
    /// Bytes it was sent since it was unchoked.
    pub served: u64,
    /// When it was last choked or unchoked; when it connected, if neither.
    pub since: Instant,
    /// When it connected.
    pub connected_since: Instant,
}

impl Candidate {
    fn takes_slots(&self) -> bool {
        self.interested && !self.upload_only
    }
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Verdict {
    /// Peers to unchoke, in the candidates' order.
    pub unchoke: Vec<SlotKey>,
    /// Peers to choke, in the candidates' order.
    pub choke: Vec<SlotKey>,
    /// The peer that is unchoked on trust from now on, if there is one.
    pub optimistic: Option<SlotKey>,
}

/// Slots, who has them, and when they are dealt out anew.
#[derive(Clone, Debug)]
pub struct Choker {
    limits: ChokerLimits,
    mode: Mode,
    slots: SlotCount,
    taken: BTreeSet<SlotKey>,
    optimistic: Option<(SlotKey, Instant)>,
    next_round: Instant,
    /// A slot became free since slots were last dealt out.
    vacancy: bool,
}

impl Choker {
    /// Nobody has a slot; the first round is due at once.
    pub fn new(mode: Mode, limits: ChokerLimits) -> Choker {
        Choker {
            limits,
            mode,
            slots: SlotCount::new(limits),
            taken: BTreeSet::new(),
            optimistic: None,
            next_round: Instant::ZERO,
            vacancy: false,
        }
    }

    /// Others deserve slots from now on: a round is due at once, if it is a change.
    pub fn set_mode(&mut self, mode: Mode) {
        if self.mode != mode {
            self.mode = mode;
            self.next_round = Instant::ZERO;
        }
    }

    /// A peer became interested. Whether it is unchoked at once because a slot is free.
    #[must_use]
    pub fn interested(&mut self, candidate: &Candidate) -> bool {
        let free = self.taken.len() < self.slots.get();
        let takes = free && candidate.takes_slots() && self.may_fill(candidate);
        takes && self.taken.insert(candidate.peer) && !candidate.unchoked
    }

    /// A peer is gone or not interested any more: its slot, if it has one, is free.
    pub fn left(&mut self, peer: SlotKey) {
        if self.taken.remove(&peer) {
            self.vacancy = true;
        }
        if self.optimistic.is_some_and(|(optimistic, _)| optimistic == peer) {
            self.optimistic = None;
        }
    }

    /// When [`decide`](Self::decide) is to be called next: at the next round, or now if a slot became free.
    pub fn deadline(&self) -> Instant {
        if self.vacancy { Instant::ZERO } else { self.next_round }
    }

    /// Deals slots out, at most `max` of them: anew if a round is due or there are too many, otherwise only those that
    /// are free. `candidates` are all connected peers, in a stable order.
    pub fn decide(
        &mut self,
        now: Instant,
        candidates: &[Candidate],
        upload: Upload,
        max: u32,
        prng: &mut Prng,
    ) -> Verdict {
        self.vacancy = false;
        self.slots.set_max(max);
        let eligible: Vec<&Candidate> = candidates.iter().filter(|c| c.takes_slots()).collect();
        if now >= self.next_round {
            let used = eligible.iter().filter(|c| c.unchoked).count();
            self.slots.adapt(upload, used, eligible.len());
            self.next_round = now + self.limits.round;
        } else if self.taken.len() <= self.slots.get() {
            return self.fill(now, &eligible);
        }
        self.deal(now, candidates, &eligible, prng)
    }

    /// How many slots there are at present.
    pub fn slots(&self) -> usize {
        self.slots.get()
    }

    /// Who deserves slots at present.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Who has a slot.
    pub fn taken(&self) -> impl Iterator<Item = SlotKey> + '_ {
        self.taken.iter().copied()
    }

    /// Who has one on trust.
    pub fn optimistic(&self) -> Option<SlotKey> {
        self.optimistic.map(|(peer, _)| peer)
    }

    /// Panics if the table contradicts itself.
    pub fn check_invariants(&self) {
        assert!(self.taken.len() <= self.slots.get(), "no more peers have slots than there are");
        assert!(self.optimistic.is_none_or(|(peer, _)| self.taken.contains(&peer)));
        assert!(self.slots.get() <= self.limits.max_slots as usize);
    }

    fn deal(
        &mut self,
        now: Instant,
        candidates: &[Candidate],
        eligible: &[&Candidate],
        prng: &mut Prng,
    ) -> Verdict {
        let slots = self.slots.get();
        let mut ranked: Vec<&Candidate> = eligible.iter().copied().filter(|c| self.may_fill(c)).collect();
        ranked.sort_by_key(|c| self.rank(now, c));
        self.taken = match self.mode {
            Mode::Seeding => ranked.iter().take(slots).map(|c| c.peer).collect(),
            Mode::Leeching => ranked.iter().take(slots.saturating_sub(1)).map(|c| c.peer).collect(),
        };
        let others: Vec<&Candidate> =
            eligible.iter().copied().filter(|c| !self.taken.contains(&c.peer)).collect();
        self.optimistic = match self.mode {
            Mode::Leeching if slots > 0 => self.draw(now, &others, prng),
            _ => None,
        };
        self.taken.extend(self.optimistic.map(|(peer, _)| peer));
        let chosen = |c: &&Candidate| self.taken.contains(&c.peer);
        Verdict {
            unchoke: candidates.iter().filter(|c| chosen(c) && !c.unchoked).map(|c| c.peer).collect(),
            choke: candidates.iter().filter(|c| !chosen(c) && c.unchoked).map(|c| c.peer).collect(),
            optimistic: self.optimistic.map(|(peer, _)| peer),
        }
    }

    /// Gives free slots away and takes none.
    fn fill(&mut self, now: Instant, eligible: &[&Candidate]) -> Verdict {
        let waiting = eligible.iter().copied().filter(|c| !self.taken.contains(&c.peer) && self.may_fill(c));
        let mut waiting: Vec<&Candidate> = waiting.collect();
        waiting.sort_by_key(|c| self.rank(now, c));
        let free = self.slots.get() - self.taken.len();
        waiting.truncate(free);
        self.taken.extend(waiting.iter().map(|c| c.peer));
        let new = eligible.iter().filter(|c| waiting.iter().any(|w| w.peer == c.peer) && !c.unchoked);
        Verdict {
            unchoke: new.map(|c| c.peer).collect(),
            choke: Vec::new(),
            optimistic: self.optimistic.map(|(peer, _)| peer),
        }
    }

    /// Whether a peer may have a slot that is not the optimistic one. One that snubs us has to earn it again.
    fn may_fill(&self, candidate: &Candidate) -> bool {
        self.mode == Mode::Seeding || !candidate.snubbed
    }

    /// Smaller is better: who gives more (while we leech); then those within their turn, those who wait, longest
    /// first, and those whose turn is over.
    fn rank(&self, now: Instant, c: &Candidate) -> (Reverse<u64>, u8, u64, SlotKey) {
        let given = if self.mode == Mode::Leeching { c.down_rate } else { 0 };
        let over = c.served >= self.limits.turn_bytes || now.since(c.since) >= self.limits.turn_time;
        let (class, order) = match (c.unchoked, over) {
            (true, false) => (0, u64::MAX - c.since.as_nanos()),
            (false, _) => (1, c.since.as_nanos()),
            (true, true) => (2, u64::MAX - c.since.as_nanos()),
        };
        (Reverse(given), class, order, c.peer)
    }

    /// The optimistic peer among those without a slot: the one it is until its time is over, then one that waits
    /// longer than a whole tour takes, then one by lot.
    fn draw(&self, now: Instant, others: &[&Candidate], prng: &mut Prng) -> Option<(SlotKey, Instant)> {
        let current = self.optimistic.filter(|(peer, _)| others.iter().any(|c| c.peer == *peer));
        if let Some((peer, since)) = current
            && now.since(since) < self.limits.optimistic
        {
            return Some((peer, since));
        }
        let next: Vec<&Candidate> =
            others.iter().copied().filter(|c| current.is_none_or(|(peer, _)| peer != c.peer)).collect();
        let tour = self.limits.optimistic * u32::try_from(next.len()).unwrap_or(u32::MAX);
        let overdue = next.iter().filter(|c| !c.unchoked && now.since(c.since) > tour);
        if let Some(first) = overdue.min_by_key(|c| (c.since, c.peer)) {
            return Some((first.peer, now));
        }
        let is_new = |c: &Candidate| now.since(c.connected_since) < self.limits.newcomer;
        let weight = |c: &Candidate| if is_new(c) { self.limits.newcomer_weight } else { 1 };
        let tickets: u64 = next.iter().map(|c| weight(c)).sum();
        if tickets == 0 {
            return current.map(|(peer, _)| (peer, now));
        }
        let mut ticket = prng.below(tickets);
        let winner = next.iter().find(|c| {
            let won = ticket < weight(c);
            ticket = ticket.saturating_sub(weight(c));
            won
        });
        winner.map(|c| (c.peer, now))
    }
}
