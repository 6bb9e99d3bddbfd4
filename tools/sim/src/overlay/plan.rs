//! All that follows from the seed of a large DHT.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use tide_base::{Duration, InfoHash, Prng};
use tide_dht::NodeId;

use super::Canary;
use crate::dice::Odds;
use crate::liar::Lie;
use crate::mishap::Mishap;
use crate::net::{HostSpec, NetSpec};

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from; the world's own dice follow from it, too.
    pub seed: u64,
    /// The nodes that do no harm. The first few are routers: everybody knows them, and they stay.
    pub peers: Vec<PeerPlan>,
    /// Those who do.
    pub liars: Vec<LiarPlan>,
    /// Hosts that have nothing to do with it.
    pub bystanders: Vec<SocketAddr>,
    /// Torrents that are announced, each by one peer.
    pub torrents: Vec<InfoHash>,
    /// What goes wrong on the net, and how often.
    pub odds: Odds,
    /// The net.
    pub net: NetSpec,
    /// In this time everybody comes, at some moment of it.
    pub growth: Duration,
    /// So long everybody then gets to announce, before it is counted what is found.
    pub settling: Duration,
    /// How long it is counted.
    pub seeking: Duration,
    /// Lookups in that time.
    pub tries: usize,
    /// How long a node is there at the least, and at the most; most are there for a short while only.
    pub stays: (Duration, Duration),
    /// How long it is gone.
    pub pauses: (Duration, Duration),
    /// What is wrong on purpose.
    pub canary: Option<Canary>,
}

/// A node that does no harm.
#[derive(Clone, Debug)]
pub struct PeerPlan {
    /// Where it is.
    pub at: SocketAddr,
    /// How it is connected.
    pub host: HostSpec,
    /// Why others cannot reach it, if they cannot.
    pub hidden: Option<HiddenBy>,
    /// The torrent that it announces, by its number.
    pub torrent: Option<usize>,
}

/// Why a node cannot be reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HiddenBy {
    /// It is behind a NAT and does not know it.
    Nat,
    /// It is behind a NAT, and says that it answers nothing (BEP 43).
    Silence,
}

/// A node that does harm.
#[derive(Clone, Debug)]
pub struct LiarPlan {
    /// Where it is.
    pub at: SocketAddr,
    /// How it is connected.
    pub host: HostSpec,
    /// Which harm.
    pub lie: Lie,
    /// The torrent that it sits beside, if it does.
    pub beside: Option<usize>,
    /// The peers to which it introduces itself, by their numbers.
    pub victims: Vec<usize>,
}

/// Routers.
pub(super) const ROUTERS: usize = 3;
const BYSTANDERS: u8 = 8;
/// Peers that know a liar from the beginning, and those that are flooded by one who floods.
const VICTIMS: usize = 12;
const FLOODED: usize = 2;
/// Of eight nodes one shares its /24 with its neighbour in the list.
const NEIGHBOURS: usize = 8;

impl Plan {
    /// What follows from `seed`: so many nodes, liars among them.
    pub fn draw(seed: u64, nodes: usize) -> Plan {
        let nodes = nodes.max(40);
        let prng = Prng::new(seed).split("overlay");
        let liars = nodes / 10;
        let mut peers = peers(&mut prng.split("peers"), nodes - liars, nodes);
        let torrents = torrents(&mut prng.split("torrents"), &mut peers);
        let liars = harm(&mut prng.split("liars"), liars, peers.len(), torrents.len());
        let bystanders = (1..=BYSTANDERS).map(|n| SocketAddr::from(([70, 9, n, 9], 53))).collect();
        let mut odds = Odds::calm();
        let mut prng = prng.split("odds");
        for (mishap, least, most) in MISHAPS {
            odds.set(mishap, least + prng.below(u64::from(most - least)) as u32);
        }
        Plan {
            seed,
            peers,
            liars,
            bystanders,
            torrents,
            odds,
            net: NetSpec { mtu: 1280, ..NetSpec::default() },
            growth: Duration::from_secs(180),
            settling: Duration::from_secs(1200),
            seeking: Duration::from_secs(600),
            tries: (nodes / 2).max(200),
            stays: (Duration::from_secs(120), Duration::from_secs(2 * 3600)),
            pauses: (Duration::from_secs(5), Duration::from_secs(300)),
            canary: None,
        }
    }

    /// Where the routers are.
    pub fn routers(&self) -> Vec<SocketAddr> {
        self.peers.iter().take(ROUTERS).map(|peer| peer.at).collect()
    }

    /// The place of a torrent.
    pub fn place(&self, torrent: usize) -> NodeId {
        NodeId::from(self.torrents[torrent])
    }

    fn hidden(&self, by: HiddenBy) -> usize {
        self.peers.iter().filter(|peer| peer.hidden == Some(by)).count()
    }
}

/// What goes wrong, with the least and the greatest chance in millionths.
const MISHAPS: [(Mishap, u32, u32); 9] = [
    (Mishap::UdpLoss, 5_000, 40_000),
    (Mishap::UdpTwice, 1_000, 10_000),
    (Mishap::UdpReorder, 1_000, 10_000),
    (Mishap::UdpTruncate, 100, 1_000),
    (Mishap::UdpFlip, 100, 1_000),
    (Mishap::UdpMtu, 100_000, 900_000),
    (Mishap::Jitter, 5_000, 50_000),
    (Mishap::TcpLoss, 1_000, 10_000),
    (Mishap::ConnectTimeout, 1_000, 50_000),
];

fn host(prng: &mut Prng, at: SocketAddr) -> HostSpec {
    HostSpec {
        up: [20_000, 100_000, 1_000_000][prng.index(3)],
        down: [100_000, 1_000_000, 10_000_000][prng.index(3)],
        queue: 64 << 10,
        delay: Duration::from_millis(5 + prng.below(120)),
        ..HostSpec::ordinary(at.ip())
    }
}

/// The `n`th of many addresses, mostly each in a /24 of its own.
fn address(n: usize) -> SocketAddr {
    let (net, last) = if n % NEIGHBOURS == 1 { (n - 1, 6) } else { (n, 5) };
    SocketAddr::from((Ipv4Addr::from_bits(0x2000_0000 + net as u32 * 0x700 + last), 6881))
}

fn peers(prng: &mut Prng, count: usize, nodes: usize) -> Vec<PeerPlan> {
    let mut order: Vec<usize> = (ROUTERS..count).collect();
    prng.shuffle(&mut order);
    let mut hidden = vec![None; count];
    let (nat, silent) = (nodes / 5, nodes / 10);
    for (i, &peer) in order.iter().take(nat + silent).enumerate() {
        hidden[peer] = Some(if i < nat { HiddenBy::Nat } else { HiddenBy::Silence });
    }
    let one = |(i, hidden): (usize, Option<HiddenBy>)| {
        let at = address(i);
        let mut host = host(prng, at);
        host.nat = hidden.is_some();
        PeerPlan { at, host, hidden, torrent: None }
    };
    hidden.into_iter().enumerate().map(one).collect()
}

/// One of ten peers announces a torrent.
fn torrents(prng: &mut Prng, peers: &mut [PeerPlan]) -> Vec<InfoHash> {
    let count = (peers.len() / 10).max(12);
    let mut order: Vec<usize> = (ROUTERS..peers.len()).collect();
    prng.shuffle(&mut order);
    let one = |(torrent, &peer): (usize, &usize)| {
        peers[peer].torrent = Some(torrent);
        InfoHash(NodeId::random(prng).0)
    };
    order.iter().take(count).enumerate().map(one).collect()
}

/// Liars, of each kind as many, those in one /24 around the first torrents.
fn harm(prng: &mut Prng, count: usize, peers: usize, torrents: usize) -> Vec<LiarPlan> {
    let one = |i: usize| {
        let lie = Lie::ALL[i % Lie::ALL.len()];
        let round = i / Lie::ALL.len();
        let at = match lie {
            // 250 of them have places; then the next /24 begins.
            Lie::Beside => SocketAddr::from(([66, 66, (round / 250) as u8, 1 + (round % 250) as u8], 6881)),
            Lie::Sybil => SocketAddr::from((Ipv4Addr::from_bits(0x4400_0001 + ((i as u32) << 8)), 7000)),
            _ => SocketAddr::from((Ipv4Addr::from_bits(0x4300_0001 + ((i as u32) << 8)), 6881)),
        };
        let knows = if lie == Lie::Flood { FLOODED } else { VICTIMS };
        LiarPlan {
            at,
            host: HostSpec { up: 1_000_000, ..host(prng, at) },
            lie,
            beside: (lie == Lie::Beside).then_some(round % torrents.min(4)),
            victims: (0..knows).map(|_| prng.index(peers)).collect(),
        }
    };
    (0..count).map(one).collect()
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.peers.len() + self.liars.len();
        let (nat, silent) = (self.hidden(HiddenBy::Nat), self.hidden(HiddenBy::Silence));
        writeln!(
            f,
            "nodes     {count}: {nat} behind a NAT, {silent} that answer nothing, {ROUTERS} routers"
        )?;
        write!(f, "liars     {}:", self.liars.len())?;
        for lie in Lie::ALL {
            let of = self.liars.iter().filter(|liar| liar.lie == lie).count();
            write!(f, " {of} {lie}{}", if lie == Lie::Tokens { "\n" } else { "," })?;
        }
        writeln!(f, "stored    {} torrents, each announced by one node", self.torrents.len())?;
        writeln!(
            f,
            "churn     nodes stay {:?}–{:?}, pause {:?}–{:?}",
            self.stays.0, self.stays.1, self.pauses.0, self.pauses.1
        )?;
        writeln!(
            f,
            "acts      {:?} in which they come, {:?} to settle, {:?} for {} lookups",
            self.growth, self.settling, self.seeking, self.tries
        )?;
        write!(f, "mishaps  ")?;
        for (mishap, millionths) in self.odds.iter() {
            write!(f, " {mishap} {:.2} %", f64::from(millionths) / 10_000.0)?;
        }
        writeln!(f)
    }
}
