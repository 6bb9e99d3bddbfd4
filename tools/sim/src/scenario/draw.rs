//! A scenario from a seed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tide_base::{Duration, Prng};
use tide_engine::{Limits, RateLimits};
use tide_portmap::{Protocol, Want};

use super::{DhtPlan, LiarPlan, MutantPlan, NodePlan, Scenario, TorrentPlan, bounds, crowd, odds};
use crate::dice::Odds;
use crate::disk::{ContentSpec, MediumSpec, Pace};
use crate::home::HomeSpec;
use crate::liar::Lie;
use crate::mishap::Mishap;
use crate::mutants::Vice;
use crate::net::{HostSpec, NetSpec};
use crate::tracker::TrackerSpec;
use crate::world::{Hashers, Holding, TurnSpec};

/// The scenario of a seed.
pub fn draw(seed: u64) -> Scenario {
    let root = Prng::new(seed).split("scenario");
    let mut prng = root.split("shape");
    let tiny = prng.chance(7, 8);
    let odds = odds::draw(&mut root.split("odds"));
    let block_len = if tiny { 64 } else { 16 * 1024 };
    let contents: Vec<ContentSpec> =
        (0..1 + prng.below(3)).map(|_| content(&mut prng, tiny, block_len)).collect();
    let private: Vec<bool> = contents.iter().map(|_| prng.chance(1, 6)).collect();
    let trackers = trackers(&mut root.split("trackers"));
    let count = 2 + prng.below(if tiny { 7 } else { 4 }) as usize;
    let mut nodes: Vec<NodePlan> =
        (0..count).map(|i| node(&mut root.split(&format!("node {i}")), i, tiny, block_len, &odds)).collect();
    let mut parts = root.split("parts");
    for (content, spec) in contents.iter().enumerate() {
        take_part(&mut parts, content, spec, &mut nodes, !trackers.is_empty());
    }
    overlay(&mut root.split("dht"), &mut nodes);
    let mut mutants = mutants(&mut root.split("mutants"), contents.len(), count);
    let genuine = magnets(&mut root.split("magnets"), &private, &mut nodes);
    exchange(&mut root.split("exchange"), &mut nodes, &mut mutants);
    let liars = liars(&mut root.split("dht liars"), &nodes, tiny);
    nearby(&mut root.split("nearby"), &mut nodes);
    let mut scenario = Scenario {
        seed,
        tiny,
        liars,
        private,
        genuine,
        nodes,
        mutants,
        trackers,
        net: net(&mut root.split("net"), tiny),
        first_act: Duration::from_secs([20, 60, 300, 1200][prng.index(4)]),
        tick: Duration::from_millis([500, 3000, 20_000][prng.index(3)]),
        stall: Duration::from_secs(2 * 3600),
        look_every: [1, 7, 50][prng.index(3)],
        second_act: true,
        strangers: false,
        contents,
        odds,
    };
    crowd::perhaps(&mut root.split("crowd"), &mut scenario);
    scenario
}

fn content(prng: &mut Prng, tiny: bool, block_len: u32) -> ContentSpec {
    let piece_len = block_len * [1, 2, 3, 3, 4, 7][prng.index(6)];
    let pieces = if tiny { 1 + prng.below(40) } else { 1 + prng.below(60) };
    let mut left = (u64::from(piece_len) * pieces).saturating_sub(prng.below(u64::from(piece_len))).max(1);
    let mut files = Vec::new();
    while left > 0 {
        let len = match prng.below(6) {
            0 => 0,
            1 => 1 + prng.below(u64::from(block_len)),
            2 => left,
            _ => 1 + prng.below(left),
        };
        let len = len.min(left);
        files.push((len, len > 0 && prng.chance(1, 8)));
        left -= len;
        if files.len() == 12 {
            files.push((left, false));
            break;
        }
    }
    if files.iter().all(|(len, padding)| *padding || *len == 0) {
        files.iter_mut().for_each(|(_, padding)| *padding = false);
    }
    ContentSpec::of_lens(prng.next_u64(), &files, piece_len, block_len)
}

fn net(prng: &mut Prng, tiny: bool) -> NetSpec {
    let mut pick = |choices: &[u32]| choices[prng.index(choices.len())];
    if tiny {
        NetSpec {
            mss: pick(&[50, 200, 1460]),
            mtu: pick(&[512, 1472]),
            window: pick(&[300, 2000, 64 << 10]),
            send_buffer: pick(&[200, 2000, 64 << 10]),
        }
    } else {
        NetSpec { mss: pick(&[1460, 9000]), window: pick(&[64 << 10, 256 << 10]), ..NetSpec::default() }
    }
}

/// The address of host number `i` in group `group`: nodes, mutants, trackers.
fn ips(prng: &mut Prng, group: u8, i: usize) -> Vec<IpAddr> {
    let (high, low) = ((i >> 8) as u8, i as u8);
    let v4 = IpAddr::V4(Ipv4Addr::new(60 + group, 7 + high, 10, low));
    let v6 = IpAddr::V6(Ipv6Addr::new(0x2a01, u16::from(group), 0, 0, 0, 0, 1, i as u16 + 1));
    match prng.below(6) {
        0 => vec![v4, v6],
        1 if group != 2 => vec![v6, v4],
        _ => vec![v4],
    }
}

fn host(prng: &mut Prng, ips: Vec<IpAddr>, tiny: bool, nat: bool) -> HostSpec {
    let unit = if tiny { 1000 } else { 100_000 };
    let mut rate = || unit * [1, 5, 20, 100, 1000][prng.index(5)];
    let (up, down) = (rate(), rate());
    HostSpec {
        ips,
        up,
        down,
        queue: [2_000, 20_000, 200_000][prng.index(3)],
        delay: Duration::from_micros([50, 5_000, 40_000, 150_000][prng.index(4)]),
        nat,
        lan: None,
        sockets: [20, 200, 1000][prng.index(3)],
    }
}

fn node(prng: &mut Prng, i: usize, tiny: bool, block_len: u32, odds: &Odds) -> NodePlan {
    let nat = i > 0 && odds.of(Mishap::Nat) > 0 && prng.chance(1, 4);
    let ips = ips(prng, 0, i);
    let host = host(prng, ips, tiny, nat);
    let limits = if tiny { bounds::tiny(prng, block_len) } else { Limits::default() };
    let rate = |prng: &mut Prng| {
        let unit = if tiny { 200 } else { 100_000 };
        prng.chance(1, 4).then(|| unit * (1 + prng.below(50)))
    };
    NodePlan {
        absent: false,
        host,
        port: 6881 + (i % 3) as u16,
        shards: [1, 1, 2, 5][prng.index(4)],
        limits,
        rates: RateLimits { down: rate(prng), up: rate(prng) },
        turns: TurnSpec {
            inputs: [1, 2, 10, 1000][prng.index(4)],
            bytes: [1, 64, 1 << 20][prng.index(3)].max(if tiny { 1 } else { 1 << 14 }),
            gap: Duration::from_micros([10, 200, 5000][prng.index(3)]),
        },
        mail: Duration::from_micros([5, 500, 20_000][prng.index(3)]),
        hashers: Hashers { threads: [1, 2, 4][prng.index(3)], rate: [100_000, 1 << 30][prng.index(2)] },
        pace: pace(prng, tiny),
        medium: MediumSpec { sector: if tiny { 16 } else { 512 }, strict_folders: false },
        pex: true,
        local: false,
        gateway: None,
        torrents: Vec::new(),
        dht: None,
    }
}

/// Which torrents have info dictionaries; and some of those who have nothing of one have a link to it and no more.
/// Private ones are told to nobody.
fn magnets(prng: &mut Prng, private: &[bool], nodes: &mut [NodePlan]) -> Vec<bool> {
    let genuine: Vec<bool> = private.iter().map(|private| prng.chance(1, 2) && !private).collect();
    for torrent in nodes.iter_mut().flat_map(|node| &mut node.torrents) {
        let link = prng.chance(1, 2);
        torrent.magnet = link && genuine[torrent.content] && torrent.holding == Holding::Nothing;
    }
    genuine
}

/// Who takes part in the exchange of peers, and which mutants break the rules of the exchanges.
fn exchange(prng: &mut Prng, nodes: &mut [NodePlan], mutants: &mut [MutantPlan]) {
    for node in nodes {
        node.pex = prng.chance(3, 4);
    }
    for mutant in mutants {
        let (another, vice) = (prng.chance(1, 6), Vice::exchange()[prng.index(Vice::exchange().len())]);
        if another {
            mutant.vice = vice;
        }
    }
}

fn tracker(prng: &mut Prng, i: usize) -> TrackerSpec {
    let at = ips(prng, 2, i).into_iter().map(|ip| SocketAddr::new(ip, 6969)).collect();
    let interval = Duration::from_secs([30, 300, 1800][prng.index(3)]);
    let mut spec = TrackerSpec::new(format!("tracker{i}.example"), at, interval);
    (spec.http, spec.udp) = [(true, true), (true, false), (false, true)][prng.index(3)];
    spec.min_interval = prng.chance(1, 3).then_some(interval / 2);
    spec
}

fn take_part(prng: &mut Prng, content: usize, spec: &ContentSpec, nodes: &mut [NodePlan], trackers: bool) {
    let count = nodes.len();
    let seeds = 1 + prng.below(2);
    let mut order: Vec<usize> = (0..count).collect();
    prng.shuffle(&mut order);
    // Somebody who has everything can be dialled.
    nodes[order[0]].host.nat = false;
    let acquainted = !trackers || prng.chance(1, 2);
    for (place, &i) in order.iter().enumerate() {
        if place >= 2 && prng.chance(1, 5) {
            continue;
        }
        let holding = match place as u64 {
            place if place < seeds => Holding::Everything,
            _ => match prng.below(4) {
                0 => Holding::Some([50, 500, 900][prng.index(3)]),
                _ => Holding::Nothing,
            },
        };
        let mut peers: Vec<usize> = (0..count).filter(|_| acquainted && prng.chance(2, 3)).collect();
        if acquainted && place > 0 && peers.is_empty() {
            peers.push(order[0]);
        }
        let some_files = spec.files.len() > 1 && prng.chance(1, 5);
        let priority = |_| [0, 1, 4, 7][prng.index(4)];
        let priorities = if some_files { (0..spec.files.len()).map(priority).collect() } else { Vec::new() };
        let limit = prng.chance(1, 6).then(|| 500 * (1 + prng.below(20)));
        nodes[i].torrents.push(TorrentPlan {
            content,
            magnet: false,
            holding,
            peers,
            tracked: !acquainted || prng.chance(1, 2),
            sequential: prng.chance(1, 5),
            priorities,
            limits: RateLimits { down: limit, up: None },
        });
    }
}

fn trackers(prng: &mut Prng) -> Vec<TrackerSpec> {
    (0..prng.below(3) as usize).map(|i| tracker(prng, i)).collect()
}

/// In every second world most nodes take part in the DHT, in which one or two of them are known to all.
fn overlay(prng: &mut Prng, nodes: &mut [NodePlan]) {
    if prng.chance(1, 2) {
        return;
    }
    let mut open: Vec<usize> = (0..nodes.len()).filter(|&i| !nodes[i].host.nat).collect();
    prng.shuffle(&mut open);
    open.truncate(1 + prng.index(2));
    let limits = bounds::overlay(prng);
    for (i, node) in nodes.iter_mut().enumerate() {
        let is_router = open.contains(&i);
        let takes_part = prng.chance(5, 6);
        let (named, read_only) = (prng.chance(1, 2), prng.chance(1, 8) && !is_router);
        if takes_part || is_router {
            node.dht = Some(DhtPlan { routers: open.clone(), named, limits, read_only });
        }
    }
}

/// Where there is a DHT, there may be up to two who do it harm.
fn liars(prng: &mut Prng, nodes: &[NodePlan], tiny: bool) -> Vec<LiarPlan> {
    let count = if nodes.iter().any(|node| node.dht.is_some()) { [0, 1, 2][prng.index(3)] } else { 0 };
    let one = |i: usize| {
        let lie = Lie::first()[prng.index(Lie::first().len())];
        let ip = IpAddr::V4(Ipv4Addr::new(63, 7, 10, i as u8));
        LiarPlan { absent: false, lie, host: host(prng, vec![ip], tiny, false) }
    };
    (0..count).map(one).collect()
}

fn mutants(prng: &mut Prng, contents: usize, nodes: usize) -> Vec<MutantPlan> {
    let count = [0, 1, 2, 5][prng.index(4)];
    let one = |i: usize| {
        let vice = Vice::first()[prng.index(Vice::first().len())];
        let ips = ips(prng, 1, i);
        let mut victims: Vec<usize> = (0..nodes).filter(|_| prng.chance(1, 2)).collect();
        if victims.is_empty() {
            victims.push(prng.index(nodes));
        }
        MutantPlan {
            absent: false,
            vice,
            content: prng.index(contents),
            victims,
            host: host(prng, ips, true, false),
            port: 7000,
            // Who waits to be dialled must be known.
            known: prng.chance(1, 2) | vice.waits(),
        }
    };
    (0..count).map(one).collect()
}

/// Who is near whom: in half of the worlds some nodes are on local networks, and most of these look for neighbours there;
/// and some that are behind a NAT can ask its gateway for ports.
fn nearby(prng: &mut Prng, nodes: &mut [NodePlan]) {
    let lans = [0, 0, 1, 2][prng.index(4)];
    for node in nodes {
        let (lan, looks) = (prng.below(4) as u32, prng.chance(3, 4));
        if lan < lans {
            (node.host.lan, node.local) = (Some(lan), looks);
        }
        let (asks, restarts, taken) = (prng.chance(1, 2), prng.chance(1, 3), prng.chance(1, 4));
        let speaks = [prng.chance(1, 2), prng.chance(1, 2), prng.chance(1, 2)];
        let outside = node.host.ips.iter().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        if let Some(outside) = outside.filter(|_| node.host.nat && asks) {
            let taken = taken.then_some(Want { protocol: Protocol::Tcp, port: node.port });
            node.gateway = Some(HomeSpec { outside, speaks, restarts, taken });
            node.local = false;
        }
    }
}

fn pace(prng: &mut Prng, tiny: bool) -> Pace {
    let mut micros = |choices: &[u64]| Duration::from_micros(choices[prng.index(choices.len())]);
    let pace = Pace {
        least: micros(&[1, 20, 2_000]),
        mean: micros(&[1, 200, 8_000]),
        sync_least: micros(&[1, 1_000, 50_000]),
        sync_mean: micros(&[1, 20_000, 500_000]),
        slow: micros(&[100_000, 5_000_000, 60_000_000]),
        ..Pace::default()
    };
    let rate = if tiny { [10_000, 1_000_000] } else { [20_000_000, 200_000_000] };
    Pace { rate: rate[prng.index(2)], ..pace }
}
