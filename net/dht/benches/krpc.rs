//! How many messages a node handles a second, how many lookups it makes, and what it weighs:
//! `cargo bench -p tide-dht`, best pinned to one core. A line a case, the best of several runs, because a shared machine
//! only ever makes it slower.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant as Clock;

use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::krpc::{Ask, Body, Message, Port, Query, Reply, Want, read};
use tide_dht::{Config, Contact, Event, Limits, Node, NodeId, Output, QueryId};

/// Timed runs, of which the best counts.
const RUNS: usize = 5;
/// Messages in a run.
const MESSAGES: usize = 100_000;
const NOW: Instant = Instant::from_secs(1);
const VERSION: &[u8; 4] = b"XX\x00\x00";

fn main() {
    let mut prng = Prng::new(1);
    let mut node = full_node(&mut prng);
    println!("{:<32} {:>12}", "case", "a second");
    for (name, ask) in questions(&mut prng) {
        let datagram = asked(ask, &mut prng);
        line(&format!("read {name}"), || drop(black_box(read(black_box(&datagram)))));
    }
    let reply = reply(&mut prng);
    line("read reply", || drop(black_box(read(black_box(&reply)))));
    for (name, ask) in questions(&mut prng) {
        let datagram = asked(ask, &mut prng);
        let mut from = 0u32;
        line(&format!("handle {name}"), || {
            from = from.wrapping_add(0x101);
            node.datagram(NOW, address(from), &datagram);
            node.settle(NOW);
            while let Some(output) = node.poll() {
                black_box(output);
            }
        });
    }
    let lookups = lookups(&mut prng);
    println!("{:<32} {lookups:>12.0}", "lookups");
    let tables = node.stats().tables[0];
    println!(
        "full table: {} nodes, {} waiting; the node weighs {} KiB",
        tables.nodes,
        tables.waiting,
        node.memory() >> 10
    );
}

fn line(name: &str, mut act: impl FnMut()) {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Clock::now();
        (0..MESSAGES).for_each(|_| act());
        best = best.min(start.elapsed().as_secs_f64());
    }
    println!("{name:<32} {:>12.0}", MESSAGES as f64 / best);
}

fn address(n: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x2000_0000 + n % 0x4000_0000), 6881))
}

fn questions(prng: &mut Prng) -> [(&'static str, Ask<'static>); 4] {
    let info_hash = InfoHash(NodeId::random(prng).0);
    [
        ("ping", Ask::Ping),
        ("find_node", Ask::FindNode { target: NodeId::random(prng) }),
        ("get_peers", Ask::GetPeers { info_hash, no_seeds: false, scrape: false }),
        (
            "announce_peer",
            Ask::Announce { info_hash, port: Port::Named(1), is_seed: false, token: b"12345678" },
        ),
    ]
}

fn asked(ask: Ask<'_>, prng: &mut Prng) -> Vec<u8> {
    let query = Query { id: NodeId::random(prng), read_only: true, want: Want::Same, ask };
    Message { transaction: b"tran", seen: None, body: Body::Query(query) }.write(VERSION)
}

fn reply(prng: &mut Prng) -> Vec<u8> {
    let nodes = (0..8).map(|n| Contact { id: NodeId::random(prng), addr: address(n) }).collect();
    let reply = Reply { nodes: Some(nodes), token: Some(b"12345678"), ..Reply::new(NodeId::random(prng)) };
    Message { transaction: b"tran", seen: Some(address(1)), body: Body::Reply(Box::new(reply)) }
        .write(VERSION)
}

/// Limits that nothing here comes near.
fn limits() -> Limits {
    let much = 1 << 50;
    let slow = (Duration::from_secs(1), Duration::from_secs(2));
    Limits { flood: u32::MAX, answers: (much, much), requests: (much, much), slow, ..Limits::default() }
}

/// A node that 20,000 others have answered.
fn full_node(prng: &mut Prng) -> Node {
    let mut node = Node::new(Config { limits: limits(), ..Config::default() }, prng.split("node"), NOW);
    for n in 0..20_000u32 {
        let to = address(n * 0x201);
        if node.ping(NOW, QueryId(u64::from(n)), to).is_err() {
            continue;
        }
        let id = NodeId::random(prng);
        while let Some(output) = node.poll() {
            if let Output::Send { to, datagram } = output {
                answer(&mut node, to, &datagram, Reply::new(id));
            }
        }
        while node.poll().is_some() {}
    }
    node
}

fn answer(node: &mut Node, from: SocketAddr, question: &[u8], reply: Reply<'_>) {
    let transaction = read(question).expect("a question of the node's").transaction;
    let message = Message { transaction, seen: None, body: Body::Reply(Box::new(reply)) };
    node.datagram(NOW, from, &message.write(VERSION));
}

/// Lookups a second, in a network where each answer knows eight nodes that are three bits closer.
fn lookups(prng: &mut Prng) -> f64 {
    const LOOKUPS: u64 = 500;
    let mut node = full_node(prng);
    let start = Clock::now();
    for n in 0..LOOKUPS {
        let target = NodeId::random(prng);
        node.get_peers(QueryId(n), InfoHash(target.0), None).expect("there is room");
        let mut is_done = false;
        let mut fresh = 0x0300_0000u32;
        while !is_done {
            node.settle(NOW);
            let mut sent = Vec::new();
            while let Some(output) = node.poll() {
                match output {
                    Output::Send { to, datagram } => sent.push((to, datagram)),
                    Output::Event(event) => is_done |= matches!(event, Event::Done { .. }),
                }
            }
            for (to, datagram) in sent {
                // Who is at an address follows from the address, so that it is the same whoever tells of it.
                let of = |addr: SocketAddr, prng: &mut Prng| Contact {
                    id: target.random_beside(depth(addr), prng),
                    addr,
                };
                let nodes = (0..8).map(|_| {
                    fresh += 0x100;
                    let SocketAddr::V4(v4) = address(fresh) else { unreachable!("it is IPv4") };
                    of(SocketAddr::from((*v4.ip(), (depth(to) as u16 + 3).min(30))), prng)
                });
                let nodes = nodes.collect();
                let id = NodeId(target.random_beside(depth(to), prng).0);
                let reply = Reply { nodes: Some(nodes), token: Some(b"t"), ..Reply::new(id) };
                answer(&mut node, to, &datagram, reply);
            }
        }
    }
    LOOKUPS as f64 / start.elapsed().as_secs_f64()
}

/// How many bits a node of the measured network shares with what is looked for: its port, if that is small.
fn depth(addr: SocketAddr) -> usize {
    if addr.port() <= 30 { usize::from(addr.port()) } else { 5 }
}
