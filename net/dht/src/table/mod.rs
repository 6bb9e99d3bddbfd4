//! The routing table of one family (BEP 5): whom we know, many near us and few far away.
//!
//! Only nodes that have answered us are in it, so nobody gets in by being talked about or by a forged sender. Bucket
//! `n` holds nodes that share exactly `n` leading bits with us, the last one all that share more.

mod bucket;
#[cfg(test)]
mod tests;

use crate::host::{Host, Locals, Subnet};
use crate::id::{Contact, NodeId};
use crate::limits::{BUCKETS_MAX, K, Limits, WIDE_BUCKETS};
use crate::secure;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bucket::{Bucket, Entry};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;
use tide_base::{Instant, Prng};

/// How many nodes a bucket holds.
fn capacity(depth: usize) -> usize {
    WIDE_BUCKETS.get(depth).copied().unwrap_or(K)
}

/// The nodes of one family.
#[derive(Debug)]
pub(crate) struct Table {
    own: NodeId,
    locals: Locals,
    limits: Limits,
    buckets: Vec<Bucket>,
    /// Who is at which address; ordered, so that neighbours are found as a range.
    places: BTreeMap<SocketAddr, NodeId>,
}

/// How many of what a table has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct TableStats {
    /// Nodes that have answered.
    pub nodes: usize,
    /// Those of them that are not bad.
    pub good: usize,
    /// Nodes that wait for a place.
    pub waiting: usize,
    /// Buckets.
    pub buckets: usize,
}

impl Table {
    pub(crate) fn new(own: NodeId, locals: Locals, limits: Limits, now: Instant) -> Table {
        let first = Bucket { changed: now, ..Bucket::default() };
        Table { own, locals, limits, buckets: alloc::vec![first], places: BTreeMap::new() }
    }

    pub(crate) fn own(&self) -> NodeId {
        self.own
    }

    /// Takes another id and sorts everybody in anew.
    pub(crate) fn move_to(&mut self, now: Instant, own: NodeId) {
        let old = core::mem::replace(self, Table::new(own, self.locals, self.limits, now));
        for entry in old.buckets.into_iter().flat_map(|bucket| bucket.live) {
            self.place(entry);
        }
    }

    fn index(&self, id: &NodeId) -> usize {
        self.own.shared_bits(id).min(self.buckets.len() - 1)
    }

    fn is_secure(&self, contact: &Contact) -> bool {
        self.locals.frees(contact.addr.ip()) || secure::conforms(&contact.id, contact.addr.ip())
    }

    /// Whether there are too many of the same host or neighbourhood already.
    fn is_crowded(&self, contact: &Contact) -> bool {
        let ip = contact.addr.ip();
        if self.locals.frees(ip) {
            return false;
        }
        let subnet = Subnet::of(ip);
        let bucket = &self.buckets[self.index(&contact.id)];
        self.places.range(neighbours(ip)).any(|(other, _)| Host::of(other.ip()) == Host::of(ip))
            || self.places.range(neighbours(ip)).count() >= self.limits.per_subnet
            || bucket.live.iter().any(|entry| Subnet::of(entry.contact.addr.ip()) == subnet)
    }

    /// `contact` has answered a request.
    pub(crate) fn answered(&mut self, now: Instant, contact: Contact) {
        if contact.id == self.own {
            return;
        }
        if let Some(known) = self.places.get(&contact.addr).copied() {
            let at = self.index(&known);
            let bucket = &mut self.buckets[at];
            let place = bucket.find(&known).expect("every place has its entry");
            if known == contact.id {
                let entry = &mut bucket.live[place];
                (entry.answered, entry.heard, entry.fails) = (now, now, 0);
                bucket.changed = now;
                return;
            }
            // Who changes its id loses its place.
            self.remove(at, place);
        }
        let at = self.index(&contact.id);
        if let Some(place) = self.buckets[at].find(&contact.id) {
            // Nobody takes over the id of a node that is well.
            if self.buckets[at].live[place].fails < self.limits.fails_bad {
                return;
            }
            self.remove(at, place);
        }
        if self.is_crowded(&contact) {
            return;
        }
        let is_secure = self.is_secure(&contact);
        let entry = Entry { contact, answered: now, heard: now, asked: now, fails: 0, is_secure };
        if self.place(entry) {
            let at = self.index(&contact.id);
            self.buckets[at].changed = now;
        }
    }

    fn remove(&mut self, bucket: usize, place: usize) {
        let gone = self.buckets[bucket].live.swap_remove(place);
        self.places.remove(&gone.contact.addr);
    }

    /// Puts an entry where it belongs, splitting the last bucket as needed; if it is full, instead of somebody worse,
    /// or among those who wait. Returns whether it is in.
    fn place(&mut self, entry: Entry) -> bool {
        loop {
            let at = self.index(&entry.contact.id);
            let may_split = at + 1 == self.buckets.len() && at + 1 < BUCKETS_MAX;
            let bucket = &mut self.buckets[at];
            if bucket.live.len() < capacity(at) {
                bucket.live.push(entry);
                self.places.insert(entry.contact.addr, entry.contact.id);
                return true;
            }
            if may_split {
                self.split();
                continue;
            }
            let Some(victim) = bucket.victim(self.limits.fails_bad, entry.is_secure) else {
                bucket.wait(entry.contact, self.limits.replacements);
                return false;
            };
            self.remove(at, victim);
        }
    }

    fn split(&mut self) {
        let depth = self.buckets.len();
        let own = self.own;
        let is_deeper = |contact: &Contact| own.shared_bits(&contact.id) >= depth;
        let last = self.buckets.last_mut().expect("there is always a bucket");
        let mut next = Bucket { changed: last.changed, ..Bucket::default() };
        (next.live, last.live) = last.live.iter().partition(|entry| is_deeper(&entry.contact));
        (next.waiting, last.waiting) = last.waiting.iter().copied().partition(is_deeper);
        // A wide bucket can be too much for a narrower one below it; whoever is over waits.
        while next.live.len() > capacity(depth) {
            let over = next.live.pop().expect("it is not empty");
            self.places.remove(&over.contact.addr);
            next.wait(over.contact, self.limits.replacements);
        }
        self.buckets.push(next);
    }

    /// `contact`, whom nothing proves but its sender address, has asked us something. Returns whether it should be
    /// pinged, because there is a place for it.
    pub(crate) fn heard(&mut self, now: Instant, contact: Contact) -> bool {
        let at = self.index(&contact.id);
        if let Some(known) = self.places.get(&contact.addr) {
            if *known == contact.id
                && let Some(place) = self.buckets[at].find(&contact.id)
            {
                self.buckets[at].live[place].heard = now;
            }
            return false;
        }
        if contact.id == self.own || self.is_crowded(&contact) || self.buckets[at].find(&contact.id).is_some()
        {
            return false;
        }
        let is_secure = self.is_secure(&contact);
        let may_split = at + 1 == self.buckets.len() && at + 1 < BUCKETS_MAX;
        let bucket = &mut self.buckets[at];
        if bucket.live.len() < capacity(at)
            || may_split
            || bucket.victim(self.limits.fails_bad, is_secure).is_some()
        {
            return true;
        }
        bucket.wait(contact, self.limits.replacements);
        false
    }

    /// The node at `addr` did not answer; if `may_drop` is false, nobody else does either, and it is kept for better
    /// times. Returns who should be pinged to take its place.
    pub(crate) fn failed(&mut self, addr: SocketAddr, may_drop: bool) -> Option<Contact> {
        let id = *self.places.get(&addr)?;
        let at = self.index(&id);
        let place = self.buckets[at].find(&id)?;
        let entry = &mut self.buckets[at].live[place];
        entry.fails = entry.fails.saturating_add(1);
        let fails = entry.fails;
        if fails >= self.limits.fails_drop && may_drop {
            self.remove(at, place);
        }
        (fails >= self.limits.fails_bad).then(|| self.buckets[at].waiting.pop_back()).flatten()
    }

    /// Up to `count` nodes that are not bad, the closest to `target` first. Half of them have ids that follow from their
    /// addresses, if there are as many: who calls itself close to everything is not all that anybody is told of (BEP 42).
    pub(crate) fn closest(&self, target: &NodeId, count: usize) -> Vec<Contact> {
        let mut found = self.nearest(target, count, |_| true);
        let half = count / 2;
        if found.len() == count && found.iter().filter(|entry| entry.is_secure).count() < half {
            let secure = self.nearest(target, half, |entry| entry.is_secure);
            found.retain(|entry| !entry.is_secure);
            found.truncate(count - secure.len());
            found.extend(secure);
            found.sort_unstable_by_key(|entry| entry.contact.id.distance(target));
        }
        found.into_iter().map(|entry| entry.contact).collect()
    }

    fn nearest(&self, target: &NodeId, count: usize, is_meant: fn(&Entry) -> bool) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = Vec::with_capacity(count + K);
        let home = self.index(target);
        let mut gather = |depths: core::ops::Range<usize>| {
            if found.len() >= count {
                return;
            }
            let from = found.len();
            let live = self.buckets[depths].iter().flat_map(|bucket| &bucket.live);
            found.extend(live.filter(|entry| entry.fails < self.limits.fails_bad && is_meant(entry)));
            found[from..].sort_unstable_by_key(|entry| entry.contact.id.distance(target));
            found.truncate(count);
        };
        // Everybody in the target's own bucket is closer than anybody elsewhere; then come all deeper ones, which
        // differ from it in the same bit; then the shallower, one by one.
        gather(home..home + 1);
        gather(home + 1..self.buckets.len());
        (0..home).rev().for_each(|depth| gather(depth..depth + 1));
        found
    }

    /// Up to `count` nodes that have been silent for long or did not answer lately, the longest silent first; they
    /// count as asked from now on.
    pub(crate) fn stale(&mut self, now: Instant, count: usize) -> Vec<SocketAddr> {
        let fresh = self.limits.fresh;
        let upkeep = self.limits.upkeep;
        let live = self.buckets.iter_mut().flat_map(|bucket| &mut bucket.live);
        let mut stale: Vec<&mut Entry> = live
            .filter(|entry| {
                // Who fails is asked again, later each time.
                let patience = upkeep * (1 << entry.fails.min(6)) / 2;
                (entry.fails > 0 || entry.answered.max(entry.heard) + fresh <= now)
                    && entry.asked + patience <= now
            })
            .collect();
        stale.sort_unstable_by_key(|entry| (entry.answered, entry.contact));
        stale.truncate(count);
        stale
            .into_iter()
            .map(|entry| {
                entry.asked = now;
                entry.contact.addr
            })
            .collect()
    }

    /// A place to look up because nothing has changed around there for long; that bucket counts as changed from now
    /// on.
    pub(crate) fn refresh(&mut self, now: Instant, prng: &mut Prng) -> Option<NodeId> {
        let buckets = self.buckets.iter().enumerate();
        let (depth, oldest) = buckets.min_by_key(|(_, bucket)| bucket.changed)?;
        if oldest.changed + self.limits.fresh > now || self.places.is_empty() {
            return None;
        }
        self.buckets[depth].changed = now;
        Some(if depth + 1 == self.buckets.len() { self.own } else { self.own.random_beside(depth, prng) })
    }

    /// Everybody who is not bad, our neighbours first.
    pub(crate) fn good(&self) -> impl Iterator<Item = Contact> {
        self.those(|entry, limits| entry.fails < limits.fails_bad)
    }

    /// Everybody who is bad: the last straw when nobody is good.
    pub(crate) fn bad(&self) -> impl Iterator<Item = Contact> {
        self.those(|entry, limits| entry.fails >= limits.fails_bad)
    }

    fn those(&self, test: fn(&Entry, &Limits) -> bool) -> impl Iterator<Item = Contact> {
        let live = self.buckets.iter().rev().flat_map(|bucket| &bucket.live);
        live.filter(move |entry| test(entry, &self.limits)).map(|entry| entry.contact)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    pub(crate) fn stats(&self) -> TableStats {
        TableStats {
            nodes: self.places.len(),
            good: self.good().count(),
            waiting: self.buckets.iter().map(|bucket| bucket.waiting.len()).sum(),
            buckets: self.buckets.len(),
        }
    }

    /// Bytes of memory that its contents take, about.
    pub(crate) fn memory(&self) -> usize {
        let buckets = self.buckets.iter().map(|bucket| {
            size_of::<Bucket>()
                + bucket.live.capacity() * size_of::<Entry>()
                + bucket.waiting.capacity() * size_of::<Contact>()
        });
        // A node of a B-tree is at least half full.
        buckets.sum::<usize>() + self.places.len() * 2 * size_of::<(SocketAddr, NodeId)>()
    }
}

/// All addresses of the /24 or /64 of `ip`.
fn neighbours(ip: IpAddr) -> RangeInclusive<SocketAddr> {
    match ip {
        IpAddr::V4(ip) => {
            let ip = ip.to_bits();
            let at = |bits, port| SocketAddr::from((Ipv4Addr::from_bits(bits), port));
            at(ip & !0xff, 0)..=at(ip | 0xff, u16::MAX)
        }
        IpAddr::V6(ip) => {
            let (ip, low) = (ip.to_bits(), u128::from(u64::MAX));
            let at = |bits, port| SocketAddr::from((Ipv6Addr::from_bits(bits), port));
            at(ip & !low, 0)..=at(ip | low, u16::MAX)
        }
    }
}
