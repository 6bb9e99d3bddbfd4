//! Rounds of the choker: rates are asked for, slots are dealt out, crews are told.

use tide_base::{Instant, SlotKey};

use super::Torrent;
use super::choker::{Upload, Verdict};
use crate::desk::Desk;
use crate::id::PeerKey;
use crate::mail::{MemberRates, ToCrew};

impl Torrent {
    /// When slots are dealt out next.
    pub(super) fn choker_deadline(&self) -> Instant {
        match self.reporting || self.swarm.is_empty() {
            true => Instant::NEVER,
            false => self.choker.deadline(),
        }
    }

    /// Asks for the rates that the next round needs, if it is time.
    pub(super) fn rechoke(&mut self, desk: &mut Desk, now: Instant) {
        if self.is_active() && self.choker_deadline() <= now {
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
        let upload =
            Upload { rate, capacity: self.spec.limits.up.or(desk.setup.rates.up).filter(|&up| up > 0) };
        let candidates = self.swarm.candidates();
        let most = desk.limits.upload_slots;
        let verdict = self.choker.decide(now, &candidates, upload, most, &mut desk.prng);
        self.carry_out(desk, now, &verdict);
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
        if let Some(peer) = self.swarm.get_mut(slot) {
            peer.interested = interested;
        }
        if !interested {
            return self.choker.left(slot);
        }
        let Some(candidate) = self.swarm.candidate(slot) else { return };
        if self.choker.interested(&candidate) {
            let verdict = Verdict { unchoke: vec![slot], choke: Vec::new(), optimistic: None };
            self.carry_out(desk, now, &verdict);
        }
    }
}
