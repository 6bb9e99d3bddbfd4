//! When torrents are announced, and who is believed.

use crate::floods::Floods;
use crate::limits::Limits;
use crate::message::{Announce, Group};
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::id::hex;
use tide_base::{Duration, InfoHash, Instant, Prng, addr};

/// Who may know of a torrent (BEP 27).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// Everybody.
    Public,
    /// Whom the tracker names; it is never announced, and announces of it are not heard.
    Private,
}

/// A datagram to be sent over every interface that peers are listened for on, with a TTL above 1: groups are wider
/// than one network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Send {
    /// Where to.
    pub group: Group,
    /// What.
    pub bytes: Vec<u8>,
}

/// A neighbour that has one of our torrents.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Found {
    /// Which torrent.
    pub torrent: InfoHash,
    /// Where it listens. A link-local address keeps its interface.
    pub peer: SocketAddr,
}

/// Why [`Discovery`] wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// Torrents are to be announced.
    Announce,
    /// Nothing is due.
    Nothing,
}

/// An address of ours and how many bits of it are its network's.
pub type OwnAddress = (IpAddr, u8);

/// Announces torrents to the local network and hears of others who have them.
#[derive(Debug)]
pub struct Discovery {
    limits: Limits,
    prng: Prng,
    cookie: String,
    /// The port that peers reach us at; announced once it is known.
    port: Option<u16>,
    groups: BTreeSet<Group>,
    due: BTreeMap<InfoHash, Instant>,
    order: BTreeSet<(Instant, InfoHash)>,
    not_before: Instant,
    own: Vec<OwnAddress>,
    floods: Floods,
    sends: VecDeque<Send>,
    found: VecDeque<Found>,
}

impl Discovery {
    /// One without torrents, which listens on no port yet.
    pub fn new(limits: Limits, mut prng: Prng) -> Discovery {
        let cookie = hex(&prng.next_u64().to_be_bytes());
        Discovery {
            limits,
            prng,
            cookie,
            port: None,
            groups: BTreeSet::new(),
            due: BTreeMap::new(),
            order: BTreeSet::new(),
            not_before: Instant::ZERO,
            own: Vec::new(),
            floods: Floods::default(),
            sends: VecDeque::new(),
            found: VecDeque::new(),
        }
    }

    /// Peers reach us at this port, over the families of these groups; nothing is announced without both.
    pub fn listen(&mut self, port: Option<u16>, groups: &[Group]) {
        self.port = port.filter(|port| *port != 0);
        self.groups = groups.iter().copied().collect();
    }

    /// Our addresses: whoever shares a network with one of them is a neighbour, even with a public address.
    pub fn set_addresses(&mut self, own: &[OwnAddress]) {
        self.own = own.iter().copied().take(self.limits.networks).collect();
    }

    /// Announces a torrent within [`Limits::jitter`] and from then on regularly, and listens for others who have it. A
    /// private one is neither announced nor listened for, nor are those beyond [`Limits::torrents`].
    pub fn add(&mut self, now: Instant, torrent: InfoHash, visibility: Visibility) {
        if visibility == Visibility::Private {
            self.remove(torrent); // it may have been added by its magnet link, which does not tell
        } else if self.due.len() < self.limits.torrents && !self.due.contains_key(&torrent) {
            let at = now + self.part_of(self.limits.jitter);
            self.set_due(torrent, at);
        }
    }

    /// Neither announces a torrent any more nor listens for it.
    pub fn remove(&mut self, torrent: InfoHash) {
        if let Some(at) = self.due.remove(&torrent) {
            self.order.remove(&(at, torrent));
        }
        self.found.retain(|found| found.torrent != torrent);
    }

    fn set_due(&mut self, torrent: InfoHash, at: Instant) {
        if let Some(before) = self.due.insert(torrent, at) {
            self.order.remove(&(before, torrent));
        }
        self.order.insert((at, torrent));
    }

    fn part_of(&mut self, span: Duration) -> Duration {
        Duration::from_nanos(self.prng.below(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1)))
    }

    /// Takes a datagram in that came to a group's port.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let sender = from.ip().to_canonical();
        if !self.is_neighbour(sender) || !self.floods.allows(now, &self.limits, sender) {
            return;
        }
        let Ok(announce) = Announce::parse(bytes) else { return };
        if announce.cookie.as_ref() == Some(&self.cookie) {
            return;
        }
        let mut peer = if sender.is_ipv4() { SocketAddr::new(sender, announce.port) } else { from };
        peer.set_port(announce.port);
        if addr::is_bogus(peer) {
            return;
        }
        for torrent in announce.torrents {
            let found = Found { torrent, peer };
            let is_new = self.due.contains_key(&torrent) && !self.found.contains(&found);
            if is_new && self.found.len() < self.limits.found {
                self.found.push_back(found);
            }
        }
    }

    fn is_neighbour(&self, ip: IpAddr) -> bool {
        addr::is_local(ip) || self.own.iter().any(|(own, bits)| share(*own, ip, *bits))
    }

    /// Announces what is due at `now`.
    pub fn wake(&mut self, now: Instant) {
        if self.wake_at().0 > now {
            return;
        }
        let Some(port) = self.port else { return };
        let room = Announce::room(self.cookie.len());
        // Those soon due go along, so that torrents added apart share announces before long.
        let soon = now + self.limits.gap;
        let torrents: Vec<InfoHash> = self
            .order
            .iter()
            .take_while(|(at, _)| *at <= soon)
            .take(room)
            .map(|(_, torrent)| *torrent)
            .collect();
        let next = now + self.limits.interval + self.part_of(self.limits.jitter);
        for torrent in &torrents {
            self.set_due(*torrent, next);
        }
        self.not_before = now + self.limits.gap;
        // What was not fetched since the last time is stale.
        self.sends.clear();
        let announce = Announce { port, torrents, cookie: Some(self.cookie.clone()) };
        for group in &self.groups {
            self.sends.push_back(Send { group: *group, bytes: announce.write(*group) });
        }
    }

    /// When to call [`wake`](Discovery::wake), and why; [`Instant::NEVER`] if nothing is due.
    pub fn wake_at(&self) -> (Instant, Reason) {
        match self.order.first() {
            Some((at, _)) if self.port.is_some() && !self.groups.is_empty() => {
                ((*at).max(self.not_before), Reason::Announce)
            }
            _ => (Instant::NEVER, Reason::Nothing),
        }
    }

    /// The next datagram to send; to be asked for until there is none.
    pub fn poll_send(&mut self) -> Option<Send> {
        self.sends.pop_front()
    }

    /// The next neighbour; to be asked for until there is none.
    pub fn poll_found(&mut self) -> Option<Found> {
        self.found.pop_front()
    }
}

/// Whether the first `bits` of both addresses are the same.
fn share(a: IpAddr, b: IpAddr, bits: u8) -> bool {
    let bits = u32::from(bits);
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            bits > 0 && ((a.to_bits() ^ b.to_bits()).leading_zeros()) >= bits.min(32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            bits > 0 && ((a.to_bits() ^ b.to_bits()).leading_zeros()) >= bits.min(128)
        }
        _ => false,
    }
}
