//! What one receiver is told of our peers, and when.

use super::{Contact, Delta, PexLimits, concerns};
use alloc::vec::Vec;
use core::net::SocketAddr;
use tide_base::addr::is_bogus;
use tide_base::{Instant, Prng};

/// The exchange with one receiver: what it was told. Made when hands are shaken, asked when it is due.
#[derive(Clone, Debug)]
pub struct Gossip {
    receiver: SocketAddr,
    /// The contacts that it believes us to be connected to, in ascending order.
    told: Vec<SocketAddr>,
    said: Said,
    due_at: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Said {
    Nothing,
    Something,
}

impl Gossip {
    /// Nothing was told to the receiver; something may be at once. `receiver` is where it listens, or where it is
    /// connected from as long as that is not known.
    pub fn new(now: Instant, receiver: SocketAddr) -> Gossip {
        Gossip { receiver, told: Vec::new(), said: Said::Nothing, due_at: now }
    }

    /// The receiver has said where it listens: it is not told of itself.
    pub fn listens(&mut self, at: SocketAddr) {
        self.receiver = at;
    }

    /// When [`delta`](Gossip::delta) should be asked next.
    pub fn due_at(&self) -> Instant {
        self.due_at
    }

    /// What the receiver should be told now of `contacts`: the peers with which hands are shaken and of which it is
    /// known where they listen, in ascending order of their addresses, each once. `None` before it is due, and if there
    /// is nothing to tell. Where there is more than a message may have, chance decides who is in it, and the rest
    /// waits for the next. What is returned counts as sent.
    pub fn delta(
        &mut self,
        now: Instant,
        contacts: &[Contact],
        prng: &mut Prng,
        limits: &PexLimits,
    ) -> Option<Delta> {
        debug_assert!(contacts.is_sorted_by(|a, b| a.addr < b.addr), "contacts out of order, or one twice");
        if now < self.due_at {
            return None;
        }
        let is_there =
            |addr: &SocketAddr| contacts.binary_search_by_key(addr, |contact| contact.addr).is_ok();
        let dropped: Vec<SocketAddr> =
            self.told.iter().copied().filter(|addr| !is_there(addr)).take(limits.most as usize).collect();
        self.told.retain(|addr| dropped.binary_search(addr).is_err());
        let mut added: Vec<Contact> =
            contacts.iter().copied().filter(|contact| self.is_news(contact)).collect();
        let room = (limits.told as usize).saturating_sub(self.told.len());
        let most = if self.said == Said::Nothing { limits.most_first } else { limits.most };
        let most = room.min(most as usize);
        if added.len() > most {
            prng.shuffle(&mut added);
            added.truncate(most);
            added.sort_unstable();
        }
        self.told.extend(added.iter().map(|contact| contact.addr));
        self.told.sort_unstable();
        let delta = Delta { added, dropped };
        if delta.is_empty() {
            self.due_at = now + if self.said == Said::Nothing { limits.first_look } else { limits.interval };
            return None;
        }
        self.said = Said::Something;
        self.due_at = now + limits.interval;
        Some(delta)
    }

    fn is_news(&self, contact: &Contact) -> bool {
        contact.addr != self.receiver
            && !is_bogus(contact.addr)
            && concerns(self.receiver.ip(), contact.addr)
            && self.told.binary_search(&contact.addr).is_err()
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.told.capacity() * size_of::<SocketAddr>()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Flags;
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use proptest::prelude::*;

    const NOW: Instant = Instant::from_secs(1000);

    fn contact(n: u16) -> Contact {
        let [high, low] = n.to_be_bytes();
        Contact { addr: SocketAddr::from(([8, 8, high, low], 6881)), flags: Flags::REACHABLE }
    }

    fn receiver() -> SocketAddr {
        contact(0).addr
    }

    #[test]
    fn a_first_message_a_minute_of_silence_and_then_what_changed() {
        let limits = PexLimits::default();
        let mut prng = Prng::new(1);
        let mut gossip = Gossip::new(NOW, receiver());
        let mut ask = |now, contacts: &[Contact]| {
            assert_eq!(gossip.due_at().max(now), now);
            let delta = gossip.delta(now, contacts, &mut prng, &limits);
            (delta, gossip.due_at())
        };
        let (none, look) = ask(NOW, &[contact(0)]);
        assert_eq!((none, look), (None, NOW + limits.first_look));
        let (first, next) = ask(look, &[contact(0), contact(1), contact(2)]);
        assert_eq!(first, Some(Delta { added: vec![contact(1), contact(2)], dropped: vec![] }));
        assert_eq!(next, look + limits.interval);
        let (second, next) = ask(next, &[contact(1), contact(3)]);
        assert_eq!(second, Some(Delta { added: vec![contact(3)], dropped: vec![contact(2).addr] }));
        // It went and came again meanwhile: nothing to tell.
        assert_eq!(ask(next, &[contact(1), contact(3)]).0, None);
    }

    #[test]
    fn it_is_silent_before_it_is_due() {
        let mut gossip = Gossip::new(NOW, receiver());
        let (mut prng, limits) = (Prng::new(1), PexLimits::default());
        assert!(gossip.delta(NOW, &[contact(1)], &mut prng, &limits).is_some());
        let almost = NOW + limits.interval - tide_base::Duration::from_nanos(1);
        assert_eq!(gossip.delta(almost, &[contact(2)], &mut prng, &limits), None);
    }

    #[test]
    fn the_receiver_bogus_ones_and_those_of_its_neighbours_are_not_told() {
        let (mut prng, limits) = (Prng::new(1), PexLimits::default());
        let addrs = ["8.8.0.0:0", "8.8.0.0:6881", "192.168.0.1:5", "[::1]:5"];
        let contacts =
            addrs.map(|addr| Contact { addr: addr.parse().expect("an address"), flags: Flags::NONE });
        assert_eq!(Gossip::new(NOW, receiver()).delta(NOW, &contacts, &mut prng, &limits), None);
        let mut near = Gossip::new(NOW, "10.1.1.1:1".parse().expect("an address"));
        near.listens(contacts[2].addr);
        let delta = near.delta(NOW, &contacts, &mut prng, &limits).expect("somebody");
        assert_eq!(delta.added, [contacts[1], contacts[3]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_receiver_learns_the_set_within_bounds_and_nothing_else(
            sets in prop::collection::vec((0u16..500, 0u16..500), 1..8),
            seed: u64,
        ) {
            let (mut prng, limits) = (Prng::new(seed), PexLimits::default());
            let mut gossip = Gossip::new(NOW, receiver());
            let (mut now, mut known) = (NOW, BTreeSet::new());
            let mut sent_at = None;
            for (from, to) in sets {
                let contacts: Vec<Contact> = (from.min(to)..from.max(to)).map(contact).collect();
                for _ in 0..16 {
                    now = now.max(gossip.due_at());
                    let Some(delta) = gossip.delta(now, &contacts, &mut prng, &limits) else { continue };
                    prop_assert!(sent_at.is_none_or(|at: Instant| now.since(at) >= limits.interval));
                    let most = if sent_at.is_none() { limits.most_first } else { limits.most };
                    sent_at = Some(now);
                    prop_assert!(!delta.is_empty());
                    prop_assert!(delta.added.len() <= most as usize && delta.dropped.len() <= limits.most as usize);
                    for addr in &delta.dropped {
                        prop_assert!(known.remove(addr) && contacts.iter().all(|contact| contact.addr != *addr));
                    }
                    for added in &delta.added {
                        prop_assert!(known.insert(added.addr) && contacts.contains(added));
                        prop_assert!(!delta.dropped.contains(&added.addr) && added.addr != receiver());
                    }
                    prop_assert!(known.len() <= limits.told as usize);
                }
                let all: BTreeSet<SocketAddr> =
                    contacts.iter().map(|contact| contact.addr).filter(|addr| *addr != receiver()).collect();
                prop_assert!(known.is_subset(&all));
                prop_assert_eq!(known.len(), all.len().min(limits.told as usize));
            }
        }
    }
}
