//! One iterative lookup in one family: who is closest to a place, found by asking who is closer than whom we know.

use crate::host::{Host, Locals, Subnet};
use crate::id::{Contact, NodeId};
use crate::limits::{K, Limits, TOKEN_MAX};
use crate::secure;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Of those a lookup is about so many have ids that follow from their addresses, if there are as many. Where most nodes
/// have such ids, that takes no more questions; where half have, half as many again.
const SECURE: usize = K * 3 / 4;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    New,
    Asked,
    /// It took too long; its answer still counts if it comes.
    Slow,
    Answered,
    Dead,
}

#[derive(Clone, Debug)]
struct Candidate {
    contact: Contact,
    state: State,
    /// Leave to store there.
    token: Option<Box<[u8]>>,
    /// Over how many others we heard of it.
    hops: u8,
    /// Whether its id follows from its address (BEP 42), or need not.
    is_secure: bool,
}

/// A node that may store something: where, and the token that it gave.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) contact: Contact,
    pub(crate) token: Box<[u8]>,
}

/// One lookup.
#[derive(Debug)]
pub(crate) struct Lookup {
    own: NodeId,
    target: NodeId,
    locals: Locals,
    limits: Limits,
    /// The closest first.
    list: Vec<Candidate>,
    /// Addresses whose ids we do not know: routers.
    seeds: Vec<SocketAddr>,
    /// Requests under way that count against α, and those that no longer do.
    in_flight: usize,
    slow: usize,
    sends: usize,
    answers: usize,
}

impl Lookup {
    pub(crate) fn new(own: NodeId, target: NodeId, locals: Locals, limits: Limits) -> Lookup {
        Lookup {
            own,
            target,
            locals,
            limits,
            list: Vec::new(),
            seeds: Vec::new(),
            in_flight: 0,
            slow: 0,
            sends: 0,
            answers: 0,
        }
    }

    /// Asks `addr`, too, whoever is there.
    pub(crate) fn seed(&mut self, addr: SocketAddr) {
        let is_known = self.list.iter().any(|candidate| candidate.contact.addr == addr);
        if self.seeds.len() < self.limits.seeds && !is_known && !self.seeds.contains(&addr) {
            self.seeds.push(addr);
        }
    }

    /// Somebody `hops` away from us told of `contact`. Of two that cannot both be, the first is believed once it was asked;
    /// until then the one whose id follows from its address, or else the closer one: or whoever names a host first, under
    /// a false id somewhere far away, would hide it.
    pub(crate) fn offer(&mut self, contact: Contact, hops: u8) {
        let ip = contact.addr.ip();
        let is_free = self.locals.frees(ip);
        let excludes = |known: &Candidate| {
            let other = known.contact;
            other.id == contact.id
                || other.addr == contact.addr
                || (!is_free
                    && (Host::of(other.addr.ip()) == Host::of(ip)
                        || Subnet::of(other.addr.ip()) == Subnet::of(ip)))
        };
        let rank = |is_secure: bool, id: &NodeId| (!is_secure, id.distance(&self.target));
        let is_secure = self.is_secure(&contact);
        let stays = |known: &Candidate| {
            known.state != State::New
                || rank(known.is_secure, &known.contact.id) <= rank(is_secure, &contact.id)
        };
        if contact.id == self.own || self.list.iter().any(|known| excludes(known) && stays(known)) {
            return;
        }
        self.list.retain(|known| !excludes(known));
        self.insert(Candidate { contact, state: State::New, token: None, hops, is_secure });
    }

    fn is_secure(&self, contact: &Contact) -> bool {
        self.locals.frees(contact.addr.ip()) || secure::conforms(&contact.id, contact.addr.ip())
    }

    fn insert(&mut self, candidate: Candidate) {
        let distance = candidate.contact.id.distance(&self.target);
        let place = self.list.partition_point(|other| other.contact.id.distance(&self.target) < distance);
        if place < self.limits.candidates {
            self.list.insert(place, candidate);
            self.list.truncate(self.limits.candidates);
        }
    }

    /// The closest who are not out of the question: the lookup is about them. Anybody can call itself close to anything,
    /// and eight who do would be the end of it: so the closest of those whose ids follow from their addresses are among
    /// them, however far they are.
    fn window(&self) -> impl Iterator<Item = (usize, &Candidate)> {
        let (mut all, mut secure) = (0, 0);
        let open = self.list.iter().enumerate();
        let open = open.filter(|(_, candidate)| !matches!(candidate.state, State::Slow | State::Dead));
        open.filter(move |(_, candidate)| {
            let is_in = all < K || candidate.is_secure && secure < SECURE;
            all += 1;
            secure += usize::from(candidate.is_secure);
            is_in
        })
    }

    fn next_place(&self) -> Option<usize> {
        self.window().find(|(_, candidate)| candidate.state == State::New).map(|(at, _)| at)
    }

    fn may_send(&self) -> bool {
        self.sends < self.limits.lookup_sends
    }

    /// Whether there is somebody to ask now.
    pub(crate) fn is_ready(&self) -> bool {
        self.may_send()
            && self.in_flight < self.limits.alpha
            && (!self.seeds.is_empty() || self.next_place().is_some())
    }

    /// Whom to ask now; the request counts as sent.
    pub(crate) fn next(&mut self) -> Option<SocketAddr> {
        if !self.is_ready() {
            return None;
        }
        let addr = match self.next_place() {
            Some(at) => {
                self.list[at].state = State::Asked;
                self.list[at].contact.addr
            }
            None => self.seeds.pop()?,
        };
        self.in_flight += 1;
        self.sends += 1;
        Some(addr)
    }

    fn mark(&mut self, addr: SocketAddr, state: State) {
        if let Some(candidate) = self.list.iter_mut().find(|candidate| candidate.contact.addr == addr) {
            candidate.state = state;
        }
    }

    /// The request to `addr` takes long: another one may be sent.
    pub(crate) fn took_long(&mut self, addr: SocketAddr) {
        self.in_flight -= 1;
        self.slow += 1;
        self.mark(addr, State::Slow);
    }

    /// A request ends; `was_slow` if it had taken long.
    fn ended(&mut self, was_slow: bool) {
        if was_slow {
            self.slow -= 1;
        } else {
            self.in_flight -= 1;
        }
    }

    /// The request to `addr` will not be answered, or was refused.
    pub(crate) fn failed(&mut self, addr: SocketAddr, was_slow: bool) {
        self.ended(was_slow);
        self.mark(addr, State::Dead);
    }

    /// The node at `addr`, which calls itself `id`, has answered. Returns how many hops away it is.
    pub(crate) fn answered(
        &mut self,
        addr: SocketAddr,
        id: NodeId,
        token: Option<&[u8]>,
        was_slow: bool,
    ) -> u8 {
        self.ended(was_slow);
        self.answers += 1;
        let token = token.filter(|token| token.len() <= TOKEN_MAX).map(Box::from);
        let contact = Contact { id, addr };
        let known = self.list.iter().position(|candidate| candidate.contact.addr == addr);
        let hops = known.map_or(0, |at| self.list[at].hops);
        // Whoever told of it may have lied about its id; it stands where it says it stands, and nowhere twice.
        if known.is_none_or(|at| self.list[at].contact.id != id) {
            if let Some(at) = known {
                self.list.remove(at);
            }
            let is_taken = self.list.iter().any(|candidate| candidate.contact.id == id);
            if !is_taken && id != self.own {
                let is_secure = self.is_secure(&contact);
                self.insert(Candidate { contact, state: State::Answered, token, hops, is_secure });
            }
            return hops;
        }
        if let Some(at) = known {
            self.list[at].state = State::Answered;
            self.list[at].token = token;
        }
        hops
    }

    /// Whether nobody closer can be expected: the K closest have answered, or there is nobody left to ask.
    pub(crate) fn is_done(&self) -> bool {
        if self.may_send() && (self.next_place().is_some() || !self.seeds.is_empty()) {
            return false;
        }
        let open = self.window().any(|(_, candidate)| candidate.state == State::Asked);
        if self.answers == 0 {
            // Better late than never.
            return self.in_flight == 0 && self.slow == 0;
        }
        !open && (self.in_flight == 0 || self.window().count() >= K)
    }

    /// The closest who have answered.
    #[cfg(test)]
    fn closest(&self) -> impl Iterator<Item = Contact> {
        let answered = self.list.iter().filter(|candidate| candidate.state == State::Answered);
        answered.map(|candidate| candidate.contact).take(K)
    }

    /// Where to store something: the K closest that gave a token. If few of them have an id that follows from their
    /// address, as many more that have one: a forged neighbourhood then does not get everything (BEP 42).
    pub(crate) fn places(&self) -> Vec<Place> {
        let all: Vec<(bool, Place)> = self
            .list
            .iter()
            .filter(|candidate| candidate.state == State::Answered)
            .filter_map(|candidate| {
                let place = Place { contact: candidate.contact, token: candidate.token.clone()? };
                Some((candidate.is_secure, place))
            })
            .collect();
        let secure = all.iter().take(K).filter(|(is_secure, _)| *is_secure).count();
        let more = SECURE.saturating_sub(secure);
        let (first, rest) = all.split_at(all.len().min(K));
        let extra = rest.iter().filter(|(is_secure, _)| *is_secure).take(more);
        first.iter().chain(extra).map(|(_, place)| place.clone()).collect()
    }

    /// Requests sent, and answers received.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.sends, self.answers)
    }

    /// Hops to the farthest of the closest.
    pub(crate) fn hops(&self) -> u8 {
        let answered = self.window().filter(|(_, candidate)| candidate.state == State::Answered);
        answered.map(|(_, candidate)| candidate.hops).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Prng;

    fn id(first: u8, last: u8) -> NodeId {
        let mut bytes = [0; 20];
        (bytes[0], bytes[19]) = (first, last);
        NodeId(bytes)
    }

    fn at(net: u8, last: u8) -> SocketAddr {
        SocketAddr::from(([70, 1, net, last], 6881))
    }

    fn lookup() -> Lookup {
        Lookup::new(id(0x80, 1), id(0, 0), Locals::Exempt, Limits::default())
    }

    #[test]
    fn the_closest_are_asked_first_and_few_at_once() {
        let mut lookup = lookup();
        (1..=20).rev().for_each(|n| lookup.offer(Contact { id: id(n, 0), addr: at(n, 1) }, 0));
        let asked: Vec<_> = core::iter::from_fn(|| lookup.next()).collect();
        assert_eq!(asked, [at(1, 1), at(2, 1), at(3, 1), at(4, 1)]);
        lookup.took_long(at(2, 1));
        assert_eq!(lookup.next(), Some(at(5, 1)));
        assert_eq!(lookup.next(), None);
        assert_eq!(lookup.answered(at(2, 1), id(2, 0), Some(b"t"), true), 0);
        assert_eq!(lookup.next(), None);
    }

    #[test]
    fn it_ends_when_the_closest_have_answered() {
        let mut lookup = lookup();
        (1..=20).for_each(|n| lookup.offer(Contact { id: id(n, 0), addr: at(n, 1) }, 0));
        let mut sends = 0;
        while !lookup.is_done() {
            let addr = lookup.next().expect("not done");
            let SocketAddr::V4(v4) = addr else { panic!("an IPv4 address") };
            lookup.answered(addr, id(v4.ip().octets()[2], 0), Some(b"t"), false);
            sends += 1;
        }
        assert_eq!((sends, lookup.places().len()), (8, 8));
        assert_eq!(lookup.closest().count(), 8);
    }

    #[test]
    fn one_neighbourhood_gets_one_place() {
        let mut lookup = lookup();
        (1..=200).for_each(|n| lookup.offer(Contact { id: id(0, n), addr: at(9, n) }, 1));
        assert_eq!(lookup.list.len(), 1);
    }

    /// Nodes whose ids follow from their addresses.
    fn secure(count: u8) -> Vec<Contact> {
        let mut prng = Prng::new(3);
        (0..count).map(|n| Contact { id: secure::id_for(at(n, 7).ip(), &mut prng), addr: at(n, 7) }).collect()
    }

    #[test]
    fn who_crowds_the_target_does_not_end_it() {
        let mut lookup = lookup();
        (1..=12).for_each(|n| lookup.offer(Contact { id: id(0, n), addr: at(100 + n, 1) }, 1));
        let mut honest = secure(20);
        honest.iter().for_each(|node| lookup.offer(*node, 1));
        while !lookup.is_done() {
            let addr = lookup.next().expect("not done");
            let known = lookup.list.iter().find(|candidate| candidate.contact.addr == addr);
            let id = known.expect("it was told of").contact.id;
            lookup.answered(addr, id, Some(b"t"), false);
        }
        honest.sort_by_key(|node| node.id.distance(&id(0, 0)));
        let places: Vec<Contact> = lookup.places().iter().map(|place| place.contact).collect();
        assert_eq!(places.len(), K + SECURE);
        assert_eq!(places[K..], honest[..SECURE], "the closest of those that cannot be where they please");
        assert_eq!(lookup.counts().0, K + SECURE);
    }

    #[test]
    fn nobody_is_hidden_by_being_named_first_under_a_false_id() {
        let (mut lookup, nodes) = (lookup(), secure(2));
        let [node, asked] = nodes[..] else { panic!("two nodes") };
        let far = |n: u8, addr| Contact { id: id(0xff, n), addr };
        lookup.offer(far(1, node.addr), 1);
        lookup.offer(node, 1);
        lookup.offer(far(2, node.addr), 1);
        lookup.offer(Contact { id: id(0, 1), addr: node.addr }, 1);
        let known: Vec<Contact> = lookup.list.iter().map(|candidate| candidate.contact).collect();
        assert_eq!(known, [node], "its id follows from its address");
        // Of two that do not, the closer one is asked.
        lookup.offer(far(3, at(9, 9)), 1);
        lookup.offer(Contact { id: id(1, 1), addr: at(9, 9) }, 1);
        assert_eq!(lookup.next(), Some(at(9, 9)));
        // Who was asked is not asked again under another id.
        lookup.offer(far(4, asked.addr), 1);
        while lookup.next().is_some() {}
        lookup.offer(asked, 1);
        assert_eq!(lookup.next(), None);
    }

    #[test]
    fn who_was_lied_about_stands_where_it_stands() {
        let mut lookup = lookup();
        lookup.offer(Contact { id: id(0, 1), addr: at(1, 1) }, 0);
        assert_eq!(lookup.next(), Some(at(1, 1)));
        lookup.answered(at(1, 1), id(0x70, 5), None, false);
        let found: Vec<_> = lookup.closest().collect();
        assert_eq!(found, [Contact { id: id(0x70, 5), addr: at(1, 1) }]);
        assert!(lookup.is_done() && lookup.places().is_empty());
    }

    #[test]
    fn liars_draw_it_out_only_so_far() {
        let mut prng = Prng::new(1);
        let mut lookup = lookup();
        lookup.offer(Contact { id: id(1, 1), addr: at(1, 1) }, 0);
        let mut sends = 0u32;
        while !lookup.is_done() {
            let Some(addr) = lookup.next() else { break };
            sends += 1;
            lookup.answered(addr, NodeId::random(&mut prng), None, false);
            for n in 0..16 {
                let addr =
                    SocketAddr::from((0x2000_0000u32.wrapping_add((sends * 16 + n) << 8).to_be_bytes(), 9));
                lookup.offer(Contact { id: id(0, 0).random_beside(150, &mut prng), addr }, 1);
            }
        }
        assert!(lookup.is_done());
        assert_eq!(sends as usize, Limits::default().lookup_sends);
        assert!(lookup.list.len() <= Limits::default().candidates);
    }

    #[test]
    fn late_answers_are_waited_for_if_there_are_no_others() {
        let mut lookup = lookup();
        lookup.seed(at(1, 1));
        assert_eq!(lookup.next(), Some(at(1, 1)));
        lookup.took_long(at(1, 1));
        assert!(!lookup.is_done());
        lookup.answered(at(1, 1), id(3, 3), Some(b"t"), true);
        assert!(lookup.is_done());
        assert_eq!(lookup.places().len(), 1);
    }
}
