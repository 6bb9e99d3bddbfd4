//! Rounds of the choker: rates are asked for, slots are dealt out, crews are told.
//!
//! Slots are the session's ([`Stock::UploadSlots`]), and a torrent holds one for each peer that it serves. Where there
//! are fewer than torrents want, those without wait in line ([`Desk::line`], and behind it the treasury's), and those
//! with some make room at their rounds: who has many for some, who has one only for a whole [`KEPT`] of its own. Who
//! made room does not stand in line before his next round. So who has more gives more, until all have about as many;
//! and where there are fewer slots than torrents, these take turns.

use tide_base::{Duration, Instant, SlotKey};

use super::Torrent;
use super::choker::{Mode, Upload, Verdict};
use crate::desk::{Desk, Stock};
use crate::id::PeerKey;
use crate::mail::{MemberRates, ToCrew};

/// How long a slot is kept while others wait, on average over those of a torrent: as long as a seed serves a peer before
/// it turns to the next.
const KEPT: Duration = Duration::from_secs(60);

/// The upload slots that a torrent holds, with a peer or on the way to one.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// How many.
    pub(super) slots: usize,
    /// When the first came, or when some were made free for others last.
    since: Instant,
}

impl Torrent {
    /// When slots are dealt out next.
    pub(super) fn choker_deadline(&self) -> Instant {
        // Where nobody wants anything of a seed there is nothing to deal out, and the whole swarm may sleep. Who leeches
        // wants to know meanwhile who gives how much.
        let seeds = self.choker.mode() == Mode::Seeding;
        let idle = self.swarm.is_empty() || (seeds && !self.swarm.wants_something());
        match self.reporting || self.is_sought() || (idle && self.holding.slots == 0) {
            true => Instant::NEVER,
            false => self.choker.deadline(),
        }
    }

    /// Asks for the rates that the next round needs, if it is time.
    pub(super) fn rechoke(&mut self, desk: &mut Desk, now: Instant) {
        if self.is_active() && !self.is_sought() && self.choker_deadline() <= now {
            self.reporting = true;
            self.tell_crew(desk, ToCrew::Report);
        }
    }

    /// The rates of the members of a crew.
    pub(super) fn rates(&mut self, desk: &mut Desk, now: Instant, rates: Vec<MemberRates>) {
        self.reporting = false;
        for report in rates {
            if let Some(slot) = self.swarm.find(report.peer)
                && let Some(peer) = self.swarm.get_mut(slot)
            {
                peer.rates = Some(report);
            }
        }
        let rate = self.progress.up_rate(now);
        let upload = Upload {
            rate,
            capacity: self.spec.rate_limits().up.or(desk.setup.rates.up).filter(|&up| up > 0),
        };
        let candidates = self.swarm.candidates();
        let due = self.choker.review(now, &candidates, upload, desk.limits.upload_slots);
        let wanted = if self.is_active() && !self.is_sought() { self.choker.wanted(&candidates) } else { 0 };
        let granted = match if due { self.room_for_others(desk, now) } else { 0 } {
            0 => self.take_slots(desk, now, wanted),
            room => {
                desk.line.leave(self.slot());
                self.holding.slots - room
            }
        };
        let verdict = self.choker.decide(now, &candidates, granted, &mut desk.prng);
        self.carry_out(desk, now, &verdict);
        self.give_spare_slots(desk);
    }

    /// How many slots others shall have: if any wait, and this torrent has many or had them long enough.
    fn room_for_others(&mut self, desk: &Desk, now: Instant) -> usize {
        if !desk.others_want_slots(self.slot()) {
            return 0;
        }
        let slots = self.holding.slots as u64;
        let room =
            slots * now.since(self.holding.since).min(KEPT).as_millis() as u64 / KEPT.as_millis() as u64;
        if room > 0 {
            self.holding.since = now;
        }
        room as usize
    }

    /// Takes slots until there are `wanted`, and waits in line for those that are missing. How many there are.
    fn take_slots(&mut self, desk: &mut Desk, now: Instant, wanted: usize) -> usize {
        while self.holding.slots < wanted && desk.take_upload_slot(self.slot()) {
            self.hold(now);
        }
        if self.holding.slots >= wanted {
            desk.line.leave(self.slot());
        }
        self.holding.slots
    }

    fn hold(&mut self, now: Instant) {
        if self.holding.slots == 0 {
            self.holding.since = now;
        }
        self.holding.slots += 1;
    }

    /// A slot came that this torrent stood in line for.
    pub fn slot_came(&mut self, now: Instant) {
        self.hold(now);
        self.choker.slot_came();
    }

    /// How many slots it holds.
    pub fn upload_slots(&self) -> u64 {
        self.holding.slots as u64
    }

    /// Slots that no peer has are for others.
    pub(super) fn give_spare_slots(&mut self, desk: &mut Desk) {
        let spare = self.holding.slots - self.choker.taken();
        self.holding.slots -= spare;
        desk.purses.give(Stock::UploadSlots, spare as u64);
    }

    /// Nobody is served from now on: who is shall leave, and no slot is waited for.
    pub(super) fn want_no_slots(&mut self, desk: &mut Desk) {
        desk.line.leave(self.slot());
        self.give_spare_slots(desk);
    }

    /// The torrent is given up with whoever it serves.
    pub(super) fn abandon_slots(&mut self, desk: &mut Desk) {
        desk.line.leave(self.slot());
        desk.purses.give(Stock::UploadSlots, core::mem::take(&mut self.holding.slots) as u64);
    }

    /// A peer that may have had a slot is gone, or wants nothing any more.
    pub(super) fn free_slot(&mut self, desk: &mut Desk, peer: SlotKey) -> bool {
        let freed = self.choker.left(peer);
        if freed {
            self.holding.slots -= 1;
            desk.purses.give(Stock::UploadSlots, 1);
        }
        if !self.swarm.wants_something() {
            self.want_no_slots(desk);
        }
        freed
    }

    fn carry_out(&mut self, desk: &mut Desk, now: Instant, verdict: &Verdict) {
        for (slots, unchoked) in [(&verdict.choke, false), (&verdict.unchoke, true)] {
            for &slot in slots {
                self.swarm.set_unchoked(now, slot, unchoked);
            }
        }
        let key = |slot: &SlotKey| self.swarm.get(*slot).map(|peer| peer.key);
        let keys = |slots: &[SlotKey]| slots.iter().filter_map(key).collect::<Vec<PeerKey>>();
        let (unchoke, choke) = (keys(&verdict.unchoke), keys(&verdict.choke));
        let optimistic = verdict.optimistic.as_ref().and_then(key);
        if !unchoke.is_empty() || !choke.is_empty() || optimistic.is_some() {
            self.tell_crew(desk, ToCrew::Serve { unchoke, choke, optimistic });
        }
    }

    /// A peer began or ceased to want something of us.
    pub(super) fn interested(&mut self, desk: &mut Desk, now: Instant, key: PeerKey, interested: bool) {
        let Some(slot) = self.swarm.find(key) else { return };
        self.swarm.set_interested(slot, interested);
        if !interested {
            // It may want something again at any time, and ask at once, when its slot is another's.
            if self.free_slot(desk, slot) {
                self.carry_out(desk, now, &Verdict { choke: vec![slot], ..Verdict::default() });
            }
            return;
        }
        let Some(candidate) = self.swarm.candidate(slot) else { return };
        if self.is_active() && !self.is_sought() && self.choker.has_room_for(&candidate) {
            let granted = self.take_slots(desk, now, self.choker.taken() + 1);
            if self.choker.interested(&candidate, granted) {
                self.carry_out(desk, now, &Verdict { unchoke: vec![slot], ..Verdict::default() });
            }
        }
    }
}
