//! Getting into a network and staying there.

use super::Node;
use super::quest::{Goal, Joining};
use crate::event::Event;
use crate::id::Contact;
use crate::limits::K;
use core::net::SocketAddr;
use tide_base::addr::Family;
use tide_base::{Duration, Instant, addr};

/// Shortest wait after an attempt that reached nobody, whatever the limits say: a turn must end.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

impl Node {
    /// Somebody who may be a node: a peer's PORT message, a torrent's `nodes`. It is pinged, and remembered if it
    /// answers.
    pub fn add_node(&mut self, now: Instant, at: SocketAddr) {
        let at = addr::canonical(at);
        if addr::is_bogus(at) || self.half(Family::of(at.ip())).is_none() {
            return;
        }
        self.verify_soon(at);
        let is_empty = self.half(Family::of(at.ip())).is_some_and(|half| half.table.len() == 0);
        // Some places stay free for real routers, whose names take a while to resolve.
        if is_empty && self.routers.len() < self.config.limits.seeds / 2 {
            self.add_router(now, at);
        }
    }

    /// An address that is asked whenever we know hardly anybody: a router, resolved by the owner.
    pub fn add_router(&mut self, now: Instant, at: SocketAddr) {
        let at = addr::canonical(at);
        if addr::is_bogus(at) || self.routers.contains(&at) || self.routers.len() >= self.config.limits.seeds
        {
            return;
        }
        let Some(half) = self.half_mut(Family::of(at.ip())) else { return };
        if half.table.len() < K && half.joining.is_none() {
            half.join_at = half.join_at.min(now);
        }
        self.routers.push(at);
    }

    /// `contact` has answered.
    pub(super) fn learn(&mut self, now: Instant, contact: Contact) {
        self.heard_at = now;
        let Some(half) = self.half_mut(Family::of(contact.addr.ip())) else { return };
        half.table.answered(now, contact);
        if !half.is_joined && half.joining.is_none() && half.table.len() > 0 {
            half.join_at = half.join_at.min(now);
        }
    }

    /// A lookup in one network has heard of these nodes of the other one: the way into it, while we know hardly anybody
    /// there (BEP 32).
    pub(super) fn meet(&mut self, contacts: &[Contact]) {
        for contact in contacts {
            let half = self.half(Family::of(contact.addr.ip()));
            if half.is_some_and(|half| half.table.len() < K) {
                self.verify_soon(contact.addr);
            }
        }
    }

    /// `contact` has asked something.
    pub(super) fn heard(&mut self, now: Instant, contact: Contact) {
        let half = self.half_mut(Family::of(contact.addr.ip()));
        if half.is_some_and(|half| half.table.heard(now, contact)) {
            self.verify_soon(contact.addr);
        }
    }

    /// The node at `addr` did not answer. If nobody has answered for a while, it may be our own connection that is
    /// broken: then nobody is forgotten.
    pub(super) fn silent(&mut self, now: Instant, addr: SocketAddr) {
        let may_drop = self.heard_at + self.config.limits.dead * 2 > now;
        let half = self.half_mut(Family::of(addr.ip()));
        if let Some(heir) = half.and_then(|half| half.table.failed(addr, may_drop)) {
            self.verify_soon(heir.addr);
        }
    }

    fn verify_soon(&mut self, addr: SocketAddr) {
        if self.verifying.len() < self.config.limits.verify && self.verifying.insert(addr) {
            self.verify.push_back(addr);
        }
    }

    /// Tries to get into the networks where it is time to.
    pub(super) fn join(&mut self, now: Instant) {
        for family in Family::ALL {
            let has_router = self.routers.iter().any(|router| Family::of(router.ip()) == family);
            let Some(half) = self.half_mut(family) else { continue };
            if half.join_at > now || half.joining.is_some() {
                continue;
            }
            half.join_at = Instant::NEVER;
            if !has_router && half.saved.is_empty() && half.table.len() == 0 {
                continue;
            }
            let own = half.table.own();
            let key = self.begin(now, Goal::Nodes(own, family, Joining::Yes), None);
            if let Some(half) = self.half_mut(family) {
                half.joining = Some(key);
            }
        }
    }

    /// An attempt to get in has ended, after so many answers.
    pub(super) fn join_ended(&mut self, now: Instant, family: Family, answers: usize) {
        let limits = self.config.limits;
        let Some(half) = self.half_mut(family) else { return };
        half.joining = None;
        if answers == 0 {
            half.join_at = now + half.join_wait.max(SHORTEST);
            half.join_wait = (half.join_wait * 2).min(limits.bootstrap.1);
            return;
        }
        half.join_wait = limits.bootstrap.0;
        half.saved.clear();
        let nodes = half.table.len();
        if nodes < K {
            half.join_at = now + limits.bootstrap.1;
        }
        if !core::mem::replace(&mut half.is_joined, true) {
            self.tell(Event::Joined { family, nodes });
            self.hurry(now);
        }
    }

    /// Announces that reached nobody need not wait any longer: now there is somebody.
    fn hurry(&mut self, now: Instant) {
        let first = self.config.limits.announce_retry;
        for (id, standing) in &mut self.standing {
            if standing.quest.is_none() && standing.retry > first && standing.next > now {
                self.due.remove(&(standing.next, *id));
                (standing.next, standing.retry) = (now, first);
                self.due.insert((now, *id));
            }
        }
    }

    /// Once in a while: asks nodes that were silent for long, looks up places where nothing changed, forgets what was
    /// not stored again.
    pub(super) fn upkeep(&mut self, now: Instant) {
        if now < self.upkeep_at {
            return;
        }
        let limits = self.config.limits;
        self.upkeep_at = now + limits.upkeep;
        self.peers.expire(now);
        self.items.expire(now);
        for family in Family::ALL {
            let mut prng = self.prng.split("refresh");
            // The split leaves the generator as it is; the draw moves it on.
            self.prng.next_u64();
            let may_look_up = self.quests.len() < limits.active;
            let Some(half) = self.half_mut(family) else { continue };
            let stale = half.table.stale(now, limits.upkeep_pings);
            let quiet = may_look_up.then(|| half.table.refresh(now, &mut prng)).flatten();
            if half.table.good().next().is_none() && half.joining.is_none() && half.join_at == Instant::NEVER
            {
                half.is_joined = false;
                half.join_at = now;
            }
            stale.into_iter().for_each(|addr| self.verify_soon(addr));
            if let Some(target) = quiet {
                self.begin(now, Goal::Nodes(target, family, Joining::No), None);
            }
        }
    }
}
