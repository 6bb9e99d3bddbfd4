//! Peer exchange: messages of any content, what a torrent's book keeps of them, and what we tell others meanwhile.
//!
//! Steps begin with a letter each:
//!
//! * `m`, a peer, bytes: a message of that peer.
//! * `t`, a [time](Bytes::time): time passes.
//! * `c`, a contact: it comes, or goes if it is here. All receivers are told what is due.
//! * `d`, a letter: the address that the book would dial next is dialled, with success (`+`) or without; `x` bans it, `v`
//!   ends the connection.

use crate::Target;
use crate::script::{Bytes, steps};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use tide_base::addr::{is_bogus, is_local};
use tide_base::{Instant, PeerId, Prng};
use tide_engine::torrent::book::{Added, Book, BookLimits, Sources, Use};
use tide_peer::pex::{Contact, Delta, Flags, Gossip, PexLimits, concerns};

pub(crate) const TARGET: Target = Target {
    name: "pex",
    run,
    input_max: 1 << 13,
    // A book of sixty addresses, one of a hundred contacts, four receivers; and the lists of one message.
    memory: 160 << 10,
    memory_per_byte: 16,
};

const STEPS: usize = 256;
/// A book that is full soon.
const BOOK: BookLimits =
    BookLimits { addresses: 60, ports_an_ip: 4, dials_an_ip: 2, bans: 3, export: 10, ..BookLimits::DEFAULT };

fn run(data: &[u8]) {
    let mut scene = Scene::new();
    for step in steps(data).take(STEPS) {
        scene.step(step);
        scene.book.check_invariants();
        assert!(scene.book.len() <= BOOK.addresses && scene.book.export().len() <= BOOK.export);
    }
}

struct Scene {
    now: Instant,
    prng: Prng,
    limits: PexLimits,
    book: Book,
    dialled: Vec<SocketAddr>,
    /// Whom we are connected to, as we tell.
    contacts: BTreeMap<SocketAddr, Flags>,
    receivers: Vec<Receiver>,
}

/// Somebody who is told of our contacts, and what it must believe.
struct Receiver {
    at: SocketAddr,
    gossip: Gossip,
    told: BTreeSet<SocketAddr>,
    last: Option<Instant>,
}

/// Peers that talk to us: of this host, of the network here, of the world, and of the other family.
fn peer(letter: u8) -> SocketAddr {
    match letter % 4 {
        0 => SocketAddr::from(([127, 0, 0, 1], 6881)),
        1 => SocketAddr::from(([192, 168, 1, 2], 6881)),
        2 => SocketAddr::from(([8, 8, 8, 8], 6881)),
        _ => SocketAddr::from(([0x2001, 0xdb9, 0, 0, 0, 0, 0, 1], 6881)),
    }
}

/// One of 256 addresses of all sorts.
fn contact(number: u8) -> SocketAddr {
    match number {
        0..128 => SocketAddr::from(([9, 9, number, 1], 6881)),
        128..192 => SocketAddr::from(([0x2001, 0xdb9, 0, u16::from(number), 0, 0, 0, 1], 6881)),
        192..224 => SocketAddr::from(([192, 168, 1, 1], u16::from(number))),
        224..250 => SocketAddr::from(([127, 0, 0, 1], u16::from(number))),
        250 => SocketAddr::from(([0, 0, 0, 0], 1)),
        _ => peer(number),
    }
}

impl Scene {
    fn new() -> Scene {
        let now = Instant::from_secs(1000);
        let limits = PexLimits { most: 5, most_first: 8, told: 20, ..PexLimits::default() };
        let receivers = (0..4).map(|letter| Receiver {
            at: peer(letter),
            gossip: Gossip::new(now, peer(letter)),
            told: BTreeSet::new(),
            last: None,
        });
        Scene {
            now,
            prng: Prng::new(1),
            limits,
            book: Book::new(PeerId([1; 20]), BOOK),
            dialled: Vec::new(),
            contacts: BTreeMap::new(),
            receivers: receivers.collect(),
        }
    }

    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes(step);
        match bytes.byte() {
            b'm' => self.message(peer(bytes.byte()), bytes.0),
            b't' => {
                self.now += bytes.time();
                self.tell();
            }
            b'c' => {
                let at = contact(bytes.byte());
                let flags = Flags::from_bits(bytes.byte());
                if self.contacts.remove(&at).is_none() {
                    self.contacts.insert(at, flags);
                }
                self.tell();
            }
            b'd' => self.dial(bytes.byte()),
            _ => {}
        }
    }

    /// A peer tells of its peers.
    fn message(&mut self, from: SocketAddr, bytes: &[u8]) {
        let limits = PexLimits::default();
        let Ok(mut delta) = Delta::from_bytes(bytes, &limits) else { return };
        check(&delta, &limits);
        let again = Delta::from_bytes(&delta.to_bytes(), &limits).expect("what we write can be read");
        assert_eq!(sorted(&again), sorted(&delta));
        delta.keep_for(from.ip());
        assert!(delta.added.iter().all(|contact| concerns(from.ip(), contact.addr)));
        for contact in &delta.added {
            let added = self.book.add(self.now, contact.addr, Sources::PEX, &mut self.prng);
            assert_ne!(added, Added::Bogus, "{} was let through", contact.addr);
        }
    }

    /// Every receiver is told what is due, and believes it.
    fn tell(&mut self) {
        let contacts: Vec<Contact> =
            self.contacts.iter().map(|(&addr, &flags)| Contact { addr, flags }).collect();
        for receiver in &mut self.receivers {
            let Some(delta) = receiver.gossip.delta(self.now, &contacts, &mut self.prng, &self.limits) else {
                continue;
            };
            assert!(!delta.is_empty(), "a message that says nothing");
            let soonest = receiver.last.map_or(self.now, |last| last + self.limits.interval);
            assert!(self.now >= soonest, "two messages within a minute");
            let most = if receiver.last.is_none() { self.limits.most_first } else { self.limits.most };
            assert!(delta.added.len() <= most as usize && delta.dropped.len() <= self.limits.most as usize);
            receiver.last = Some(self.now);
            for addr in &delta.dropped {
                assert!(receiver.told.remove(addr), "{addr} went and had not come");
                assert!(!self.contacts.contains_key(addr), "{addr} is here");
            }
            for contact in &delta.added {
                assert!(contact.addr != receiver.at && !is_bogus(contact.addr));
                assert!(
                    concerns(receiver.at.ip(), contact.addr),
                    "{} is nothing to {}",
                    contact.addr,
                    receiver.at
                );
                assert!(receiver.told.insert(contact.addr), "{} came twice", contact.addr);
            }
            assert!(receiver.told.len() <= self.limits.told as usize);
            let read = Delta::from_bytes(&delta.to_bytes(), &PexLimits::default())
                .expect("what we tell can be read");
            check(&read, &PexLimits::default());
        }
    }

    fn dial(&mut self, how: u8) {
        if how == b'v' {
            if let Some(addr) = self.dialled.pop() {
                self.book.disconnected(self.now, addr, Use::Useless, &mut self.prng);
            }
            return;
        }
        let Some(addr) = self.book.next(self.now) else { return };
        assert!(!is_bogus(addr), "nobody is at {addr}");
        match how {
            b'+' => {
                self.book.connected(self.now, addr);
                self.dialled.push(addr);
            }
            b'x' => {
                self.book.ban(addr.ip());
            }
            _ => self.book.failed(self.now, addr, &mut self.prng),
        }
    }
}

/// What is read is sound and bounded.
fn check(delta: &Delta, limits: &PexLimits) {
    assert!(
        delta.added.len() <= limits.added_in as usize && delta.dropped.len() <= limits.dropped_in as usize
    );
    let mut seen = BTreeSet::new();
    let mut ips = BTreeSet::new();
    for contact in &delta.added {
        assert!(!is_bogus(contact.addr) && seen.insert(contact.addr));
        assert!(is_local(contact.addr.ip()) || ips.insert(contact.addr.ip()), "two ports of one host");
    }
    assert!(delta.dropped.iter().all(|addr| !is_bogus(*addr) && seen.insert(*addr)));
}

fn sorted(delta: &Delta) -> (BTreeSet<Contact>, BTreeSet<SocketAddr>) {
    (delta.added.iter().copied().collect(), delta.dropped.iter().copied().collect())
}
