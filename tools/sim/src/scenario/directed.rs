//! Scenarios that are written rather than drawn: for each vice, for each mishap, and for what judges want to see, a small
//! world in which just that happens. Together they exercise everything, whatever the luck of drawn ones.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use tide_base::{Duration, Prng};
use tide_engine::{Limits, RateLimits};
use tide_portmap::{Protocol, Want};

use super::{DhtPlan, LiarPlan, MutantPlan, NodePlan, Scenario, TorrentPlan, bounds};
use crate::dice::{MILLION, Odds};
use crate::disk::{ContentSpec, MediumSpec, Pace};
use crate::home::HomeSpec;
use crate::liar::Lie;
use crate::mishap::{Mishap, Part};
use crate::mutants::Vice;
use crate::net::{HostSpec, NetSpec};
use crate::tracker::TrackerSpec;
use crate::world::{Hashers, Holding, TurnSpec};

/// What a written scenario is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Directed {
    /// Nothing goes wrong, and all that is left when all is done is looked at.
    Calm,
    /// A swarm that nothing but the DHT can bring together, beside a private one that has a tracker.
    Trackerless,
    /// Many who want something from one who has few slots.
    Crowded,
    /// Two who give to one who gives to all, and who have earned his slots: for the others there is only the one on trust.
    Traded,
    /// Whoever has nothing has a link and no more; all is done all the same.
    Links,
    /// The same with ten who say that they have the metadata, of whom nine lie.
    Liars,
    /// Nobody knows anybody, there is no tracker, and all are on one local network.
    Neighbours,
    /// Who has everything is behind a NAT whose gateway opens another port than is asked for; a tracker tells of it.
    Mapped,
    /// A peer that breaks one rule.
    Vice(Vice),
    /// Something that goes wrong, over and over.
    Mishap(Mishap),
}

impl Directed {
    /// All there are.
    pub fn all() -> impl Iterator<Item = Directed> {
        let vices = Vice::ALL.iter().map(|&vice| Directed::Vice(vice));
        let mishaps = Mishap::ALL.iter().map(|&mishap| Directed::Mishap(mishap));
        let plain = [
            Directed::Calm,
            Directed::Crowded,
            Directed::Traded,
            Directed::Trackerless,
            Directed::Neighbours,
            Directed::Mapped,
            Directed::Links,
            Directed::Liars,
        ];
        plain.into_iter().chain(vices).chain(mishaps)
    }

    /// The scenario, with dice that follow from `seed`.
    pub fn scenario(self, seed: u64) -> Scenario {
        let count = match self {
            Directed::Crowded => 9,
            Directed::Traded => TRADERS,
            Directed::Trackerless => 7,
            _ => 3,
        };
        let mut scenario = base(seed, count);
        match self {
            Directed::Calm => scenario.second_act = true,
            Directed::Crowded => {}
            Directed::Traded => trade(&mut scenario),
            Directed::Neighbours => alone_on_one_network(&mut scenario),
            Directed::Mapped => behind_a_gateway(&mut scenario),
            Directed::Trackerless => trackerless(&mut scenario),
            Directed::Links => {
                by_links(&mut scenario);
                scenario.second_act = true;
            }
            Directed::Liars => {
                by_links(&mut scenario);
                let liars = (0..LIARS)
                    .map(|i| MutantPlan { host: host(ip(1, i), 200_000), ..mutant(Vice::LiesAboutMetadata) });
                scenario.mutants.extend(liars);
                scenario.second_act = true;
            }
            Directed::Vice(vice) => {
                if vice == Vice::RequestsChoked {
                    // Refusals must get through, or it is found for not reading them.
                    (scenario.net.window, scenario.net.send_buffer) = (64 << 10, 64 << 10);
                }
                match vice {
                    _ if vice.needs_seeker() => by_links(&mut scenario),
                    // Who has no metadata cannot be asked for any.
                    _ => scenario.genuine[0] = Vice::exchange().contains(&vice),
                }
                scenario.mutants.push(mutant(vice));
            }
            Directed::Mishap(mishap) => bring_about(mishap, &mut scenario),
        }
        scenario
    }
}

impl fmt::Display for Directed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Directed::Calm => f.write_str("calm"),
            Directed::Crowded => f.write_str("crowded"),
            Directed::Traded => f.write_str("traded"),
            Directed::Neighbours => f.write_str("neighbours"),
            Directed::Mapped => f.write_str("mapped"),
            Directed::Trackerless => f.write_str("trackerless"),
            Directed::Links => f.write_str("links"),
            Directed::Liars => f.write_str("liars"),
            Directed::Vice(vice) => write!(f, "{vice}"),
            Directed::Mishap(mishap) => write!(f, "{mishap}"),
        }
    }
}

/// One in the middle, two who give to him, and those who have nothing to give.
const TRADERS: usize = 8;

/// All meet one in the middle and nobody else. He has a part, two others another each, which they give him slowly for as
/// long as it takes to see whether everybody has a turn on trust.
fn trade(scenario: &mut Scenario) {
    scenario.contents = vec![ContentSpec::of_lens(scenario.seed, &[(200_000, false)], 3 * BLOCK, BLOCK)];
    (scenario.private, scenario.genuine) = (vec![false], vec![false]);
    scenario.trackers.clear();
    scenario.first_act = Duration::from_secs(1500);
    for (i, node) in scenario.nodes.iter_mut().enumerate() {
        node.pex = false;
        node.torrents.truncate(1);
        let torrent = &mut node.torrents[0];
        torrent.holding = if i < 3 { Holding::Some(500) } else { Holding::Nothing };
        torrent.peers = if i == 0 { Vec::new() } else { vec![0] };
        torrent.limits = RateLimits::default();
        let up = if i == 0 { 300 } else { 60 };
        node.rates = RateLimits { down: None, up: Some(up) };
    }
}

/// How many lie about metadata where one does not.
const LIARS: usize = 9;

/// Everybody on one local network, and no other way to find anybody. Of the private torrent nobody may hear, so nobody
/// takes part in it but who has it.
fn alone_on_one_network(scenario: &mut Scenario) {
    scenario.trackers.clear();
    (scenario.second_act, scenario.strangers) = (true, true);
    for (i, node) in scenario.nodes.iter_mut().enumerate() {
        (node.host.lan, node.local) = (Some(0), true);
        node.torrents.retain(|torrent| i == 0 || torrent.content == 0);
        node.torrents.iter_mut().for_each(|torrent| torrent.peers.clear());
    }
}

/// Nobody can dial who has everything but at the port that its gateway opened, and nobody else can be dialled at all.
fn behind_a_gateway(scenario: &mut Scenario) {
    (scenario.second_act, scenario.strangers) = (true, true);
    for (i, node) in scenario.nodes.iter_mut().enumerate() {
        node.host.nat = true;
        node.torrents.iter_mut().for_each(|torrent| torrent.peers.clear());
        if i == 0 {
            let outside = Ipv4Addr::new(60, 7, 10, 0);
            let taken = Some(Want { protocol: Protocol::Tcp, port: node.port });
            let spec = HomeSpec { outside, speaks: [false, false, true], restarts: true, taken };
            node.gateway = Some(spec);
        }
    }
}

/// Bytes of a block.
const BLOCK: u32 = 64;

/// One who has everything and `count - 1` who want it, slowly; two torrents, one of them private, and a tracker.
fn base(seed: u64, count: usize) -> Scenario {
    let files = [(2_000, false), (1, false), (0, false), (700, false), (3, true), (5_000, false)];
    let contents = vec![
        ContentSpec::of_lens(seed, &files, 3 * BLOCK, BLOCK),
        ContentSpec::of_lens(seed + 1, &[(1_500, false)], 2 * BLOCK, BLOCK),
    ];
    let mut prng = Prng::new(seed).split("directed");
    let mut nodes: Vec<NodePlan> = (0..count).map(|i| node(&mut prng, i)).collect();
    for (content, _) in contents.iter().enumerate() {
        for (i, node) in nodes.iter_mut().enumerate() {
            node.torrents.push(TorrentPlan {
                content,
                magnet: false,
                holding: if i == 0 { Holding::Everything } else { Holding::Nothing },
                peers: (0..count).filter(|&other| other != i).collect(),
                tracked: true,
                sequential: false,
                priorities: Vec::new(),
                limits: RateLimits { down: Some(5_000), up: None },
            });
        }
    }
    Scenario {
        seed,
        tiny: true,
        private: vec![false, true],
        genuine: vec![false, false],
        contents,
        nodes,
        mutants: Vec::new(),
        liars: Vec::new(),
        trackers: vec![tracker(0, true)],
        odds: Odds::calm(),
        net: NetSpec { mss: 200, mtu: 512, window: 300, send_buffer: 200 },
        first_act: Duration::from_secs(600),
        tick: Duration::from_secs(3),
        stall: Duration::from_secs(2 * 3600),
        look_every: 1,
        second_act: false,
        strangers: false,
    }
}

/// Who has nothing of the first torrent has a link to it.
fn by_links(scenario: &mut Scenario) {
    scenario.genuine[0] = true;
    let torrents = scenario.nodes.iter_mut().flat_map(|node| &mut node.torrents);
    for torrent in torrents.filter(|torrent| torrent.content == 0) {
        torrent.magnet = torrent.holding == Holding::Nothing;
    }
}

fn ip(group: u8, i: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(60 + group, 7, 10, i as u8))
}

fn host(ip: IpAddr, rate: u64) -> HostSpec {
    let delay = Duration::from_millis(5);
    HostSpec {
        ips: vec![ip],
        up: rate,
        down: 1_000_000,
        queue: 20_000,
        delay,
        nat: false,
        lan: None,
        sockets: 200,
    }
}

fn node(prng: &mut Prng, i: usize) -> NodePlan {
    // Slow enough that something is under way for most of the time.
    let host = host(ip(0, i), 400);
    let limits = Limits {
        upload_slots: 3,
        peers: 100,
        peers_per_torrent: 50,
        peers_per_ip: 8,
        dials_per_second: 30,
        half_open: 32,
        strangers: 32,
        ..bounds::tiny(prng, BLOCK)
    };
    NodePlan {
        absent: false,
        host,
        port: 6881,
        shards: 2,
        limits,
        rates: RateLimits { down: Some(20_000), up: Some(20_000) },
        turns: TurnSpec { inputs: 10, bytes: 500, gap: Duration::from_micros(200) },
        mail: Duration::from_micros(500),
        hashers: Hashers { threads: 2, rate: 100_000 },
        pace: Pace::default(),
        medium: MediumSpec { sector: 16, strict_folders: false },
        pex: true,
        local: false,
        gateway: None,
        torrents: Vec::new(),
        dht: None,
    }
}

fn tracker(i: usize, http: bool) -> TrackerSpec {
    let at = vec![SocketAddr::new(ip(2, i), 6969)];
    let mut spec = TrackerSpec::new(format!("tracker{i}.example"), at, Duration::from_secs(30));
    (spec.http, spec.udp) = (http, !http);
    spec
}

/// All are nodes of the DHT, which they find into by one who takes no part in the torrents; two more tell lies.
fn trackerless(scenario: &mut Scenario) {
    let router = scenario.nodes.len() - 1;
    scenario.nodes[router].torrents.clear();
    for node in &mut scenario.nodes {
        let limits = tide_dht::Limits::default();
        node.dht = Some(DhtPlan { routers: vec![router], named: true, limits, read_only: false });
        for torrent in &mut node.torrents {
            torrent.peers.clear();
            torrent.tracked = scenario.private[torrent.content];
        }
    }
    for (i, lie) in [Lie::Poison, Lie::Sybil].into_iter().enumerate() {
        scenario.liars.push(LiarPlan { absent: false, lie, host: host(ip(3, i), 20_000) });
    }
    scenario.second_act = true;
}

/// A mutant whom everybody knows, fast enough to be heard.
fn mutant(vice: Vice) -> MutantPlan {
    MutantPlan {
        absent: false,
        vice,
        content: 0,
        victims: vec![0, 1, 2],
        host: host(ip(1, 0), 200_000),
        port: 7000,
        known: true,
    }
}

/// All that is needed for a mishap to happen, over and over.
fn bring_about(mishap: Mishap, scenario: &mut Scenario) {
    let millionths = match mishap {
        Mishap::TailDrop | Mishap::Nat | Mishap::UdpMtu | Mishap::FullQueue => MILLION,
        Mishap::CrashKept | Mishap::CrashLost | Mishap::CrashTorn => MILLION,
        Mishap::NoSpace | Mishap::ReadFails | Mishap::WriteFails | Mishap::NoFiles => 20_000,
        Mishap::TcpLoss | Mishap::HashStarve | Mishap::DiskSlow => 50_000,
        _ if mishap.part() == Part::User => 300_000,
        _ => 400_000,
    };
    scenario.odds.set(mishap, millionths);
    let odds = &mut scenario.odds;
    match mishap {
        Mishap::TailDrop => scenario.nodes.iter_mut().for_each(|node| node.host.queue = 500),
        Mishap::Nat => scenario.nodes[1].host.nat = true,
        Mishap::SpaceBack => odds.set(Mishap::NoSpace, 50_000),
        Mishap::Add => odds.set(Mishap::Remove, 200_000),
        Mishap::FullQueue => scenario.nodes.iter_mut().for_each(|node| node.limits.disk_jobs = 2),
        Mishap::UdpMtu => odds.set(Mishap::TrackerCrowd, MILLION),
        Mishap::CrashKept | Mishap::CrashLost | Mishap::CrashTorn => odds.set(Mishap::Kill, 60_000),
        Mishap::ResumeStale | Mishap::ResumeTorn | Mishap::ResumeForeign => odds.set(Mishap::Kill, 60_000),
        Mishap::Kill | Mishap::Pause | Mishap::Shutdown => odds.set(mishap, 60_000),
        // Nobody is found before a user says something.
        Mishap::Learn => {
            odds.set(Mishap::Meet, 50_000);
            by_links(scenario);
            scenario.trackers.clear();
            let torrents = scenario.nodes.iter_mut().flat_map(|node| &mut node.torrents);
            torrents.for_each(|torrent| torrent.peers.clear());
        }
        _ => {}
    }
    if mishap.part() == Part::Udp {
        scenario.trackers = vec![tracker(0, false)];
    }
}
