//! What a tracker knows, and what it says of it: the truth, and lies upon it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tide_base::{InfoHash, Instant, PeerId, addr};
use tide_tracker::limits::ServerLimits;
use tide_tracker::server::{Counts, Registry, Visit};
use tide_tracker::{Event, Family};

use super::TrackerSpec;
use super::ask::{Announce, Way};
use super::log::{Carrier, Entered, Line, Log, Told};
use crate::dice::Dice;
use crate::mishap::Mishap;

/// Peers of a crowd.
pub const CROWD: usize = 10_000;

/// Intervals that no tracker means, in seconds.
const HUGE: [i128; 6] = [1 << 31, (1 << 32) - 1, i64::MAX as i128, 1 << 63, -1, i64::MIN as i128];

/// Where nobody can be, whatever the world is like.
const BOGONS: [&str; 14] = [
    "0.0.0.0:6881",
    "0.1.2.3:6881",
    "127.0.0.1:6881",
    "169.254.1.1:6881",
    "224.0.0.1:6881",
    "240.0.0.1:6881",
    "255.255.255.255:6881",
    "192.0.2.1:6881",
    "[::]:6881",
    "[::1]:6881",
    "[ff02::1]:6881",
    "[fe80::1]:6881",
    "[2001:db8::1]:6881",
    "[::ffff:127.0.0.1]:6881",
];

/// A peer of a crowd: an address out of the ranges for benchmarks (RFC 2544, RFC 5180), where the world has no hosts.
fn stranger(family: Family, bits: u64) -> SocketAddr {
    let port = 1024 + (bits >> 48) as u16 % 60_000;
    let ip: IpAddr = match family {
        Family::V4 => Ipv4Addr::from(0xc612_0000 | (bits as u32 & 0x1_ffff)).into(),
        Family::V6 => {
            let low = u128::from(bits & 0xffff_ffff_ffff);
            Ipv6Addr::from(0x2001_0002_0000_u128 << 80 | low).into()
        }
    };
    SocketAddr::new(ip, port)
}

/// What an announce is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reply {
    pub(super) interval: i128,
    pub(super) least: Option<u64>,
    pub(super) counts: Counts,
    pub(super) v4: Vec<SocketAddr>,
    pub(super) v6: Vec<SocketAddr>,
}

/// What a peer says of itself in an announce.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Of which torrent.
    pub info_hash: InfoHash,
    /// Who.
    pub peer_id: PeerId,
    /// Why now.
    pub event: Event,
    /// Bytes that it lacks.
    pub left: u64,
    /// Bytes that it has sent to others.
    pub uploaded: u64,
}

/// Who is where, and who has asked.
#[derive(Debug)]
pub(super) struct Office {
    pub(super) registry: Registry,
    pub(super) log: Log,
    /// Whom it has named since somebody last asked.
    pub(super) named: Vec<(InfoHash, SocketAddr)>,
    /// What peers have said of themselves since then.
    pub(super) said: Vec<Statement>,
    interval: u64,
    least: Option<u64>,
    own: Vec<SocketAddr>,
}

impl Office {
    /// An empty one.
    pub(super) fn new(spec: &TrackerSpec, dice: &mut Dice) -> Office {
        let limits = ServerLimits::with_interval(spec.interval);
        Office {
            registry: Registry::new(limits, dice.prng().split("registry")),
            log: Log::default(),
            named: Vec::new(),
            said: Vec::new(),
            interval: spec.interval.as_secs().max(1),
            least: spec.min_interval.map(|least| least.as_secs()),
            own: spec.at.clone(),
        }
    }

    /// Writes down that somebody announces.
    pub(super) fn enter(&mut self, now: Instant, way: &Way, ask: &Announce) {
        let &Announce { info_hash, peer_id, event, left, uploaded, .. } = ask;
        self.said.push(Statement { info_hash, peer_id, event, left, uploaded });
        self.log.enter(&Entered {
            line: line(way, ask),
            at: now,
            event: ask.event,
            uploaded: ask.uploaded,
            downloaded: ask.downloaded,
            left: ask.left,
            peer: SocketAddr::new(way.from.ip(), ask.port),
            transaction: way.transaction.map(|transaction| (way.from, transaction)),
        });
    }

    /// Registers the asker and tells it of others; none if there is no place for its torrent.
    pub(super) fn register(&mut self, now: Instant, way: &Way, ask: &Announce) -> Option<Reply> {
        let visit = Visit {
            info_hash: ask.info_hash,
            peer: peer(way, ask),
            left: ask.left,
            event: ask.event,
            want: ask.want,
        };
        let found = self.registry.announce(now, &visit).ok()?;
        // Also where garbage is made of the answer: a cut-off list still names those in front.
        self.name(ask, found.v4.iter().chain(&found.v6));
        Some(Reply {
            interval: i128::from(self.interval),
            least: self.least.filter(|_| way.carrier == Carrier::Http),
            counts: found.counts,
            v4: found.v4,
            v6: found.v6,
        })
    }

    /// The same, with what may be wrong in an answer. Mishaps, each with a chance an answer: the interval zero or huge,
    /// and unless the asker leaves itself named, bogons, a crowd.
    pub(super) fn announce(
        &mut self,
        now: Instant,
        dice: &mut Dice,
        way: &Way,
        ask: &Announce,
    ) -> Option<Reply> {
        let mut reply = self.register(now, way, ask)?;
        if dice.hits(Mishap::TrackerIntervalZero) {
            reply.interval = 0;
            reply.least = None;
        } else if dice.hits(Mishap::TrackerIntervalHuge) {
            reply.interval = HUGE[dice.prng().index(HUGE.len())];
        }
        if ask.event != Event::Stopped {
            self.invent(dice, peer(way, ask), &mut reply);
        }
        self.name(ask, reply.v4.iter().chain(&reply.v6));
        self.log.told(&line(way, ask), Told::Interval { interval: reply.interval, least: reply.least });
        Some(reply)
    }

    /// Notes that the asker is told of these.
    pub(super) fn name<'a>(&mut self, ask: &Announce, peers: impl Iterator<Item = &'a SocketAddr>) {
        self.named.extend(peers.map(|&addr| (ask.info_hash, addr::canonical(addr))));
    }

    /// Names peers that are none.
    fn invent(&self, dice: &mut Dice, peer: SocketAddr, reply: &mut Reply) {
        let family = Family::of(peer.ip());
        if peer.port() != 0 && dice.hits(Mishap::TrackerNamesUs) {
            let place = reply.of(family);
            place.insert(dice.prng().index(place.len() + 1), peer);
        }
        if dice.hits(Mishap::TrackerBogons) {
            let mut bogons: Vec<SocketAddr> =
                BOGONS.iter().map(|text| text.parse().expect("an address")).collect();
            // Port zero, and the tracker itself, which is no peer.
            bogons.push(SocketAddr::new(peer.ip(), 0));
            bogons.extend(&self.own);
            dice.prng().shuffle(&mut bogons);
            for bogon in bogons {
                // A mapped address is put among the IPv6 ones as it stands.
                reply.of(if bogon.is_ipv4() { Family::V4 } else { Family::V6 }).push(bogon);
            }
        }
        if dice.hits(Mishap::TrackerCrowd) {
            let prng = dice.prng();
            reply.of(family).extend((0..CROWD).map(|_| stranger(family, prng.next_u64())));
        }
    }
}

impl Reply {
    fn of(&mut self, family: Family) -> &mut Vec<SocketAddr> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// Where the asker says that it listens.
fn peer(way: &Way, ask: &Announce) -> SocketAddr {
    addr::canonical(SocketAddr::new(way.from.ip(), ask.port))
}

fn line(way: &Way, ask: &Announce) -> Line {
    Line { info_hash: ask.info_hash, peer_id: ask.peer_id, carrier: way.carrier, at: way.at }
}
