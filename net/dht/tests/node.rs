//! One node, spoken to in raw messages.

use proptest::prelude::*;
use std::net::SocketAddr;
use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::krpc::{Ask, Body, Complaint, Message, Query, Reply, Want, code, read};
use tide_dht::{Announce, Config, Contact, Event, Failure, Families, Family, Limits, Node, NodeId, Outcome};
use tide_dht::{Output, Port, QueryId, Reach, Reason, Refused, Saved, Wanted, secure};

const ME: NodeId = NodeId(*b"abcdefghij0123456789");
const HASH: InfoHash = InfoHash([7; 20]);
const NOW: Instant = Instant::from_secs(10);

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn node(config: Config) -> Node {
    Node::new(config, Prng::new(1), NOW)
}

fn drain(node: &mut Node, now: Instant) -> (Vec<(SocketAddr, Vec<u8>)>, Vec<Event>) {
    node.settle(now);
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    while let Some(output) = node.poll() {
        match output {
            Output::Send { to, datagram } => sent.push((to, datagram)),
            Output::Event(event) => events.push(event),
        }
    }
    (sent, events)
}

fn question(ask: Ask<'_>) -> Vec<u8> {
    asked(Query { id: ME, read_only: true, want: Want::Same, ask })
}

fn asked(query: Query<'_>) -> Vec<u8> {
    Message { transaction: b"tt", seen: None, body: Body::Query(query) }.write(b"XX\x00\x01")
}

/// The one datagram that a node sends back to `from`.
fn respond(node: &mut Node, from: SocketAddr, datagram: &[u8]) -> Vec<u8> {
    node.datagram(NOW, from, datagram);
    let (mut sent, _) = drain(node, NOW);
    sent.retain(|(to, _)| *to == from);
    assert_eq!(sent.len(), 1);
    sent.remove(0).1
}

fn reply_of(bytes: &[u8]) -> Reply<'_> {
    match read(bytes) {
        Ok(Message { transaction: b"tt", body: Body::Reply(reply), .. }) => *reply,
        other => panic!("{other:?}"),
    }
}

fn code_of(bytes: &[u8]) -> i64 {
    match read(bytes) {
        Ok(Message { body: Body::Error(Complaint { code, .. }), .. }) => code,
        other => panic!("{other:?}"),
    }
}

/// Answers a question that the node has sent.
fn answer(node: &mut Node, now: Instant, from: SocketAddr, question: &[u8], seen: &str, reply: Reply<'_>) {
    let transaction = read(question).expect("a question").transaction;
    let message = Message { transaction, seen: Some(at(seen)), body: Body::Reply(Box::new(reply)) };
    node.datagram(now, from, &message.write(b"XX\x00\x01"));
}

#[test]
fn a_ping_is_answered_with_the_asker_s_address() {
    let mut node = node(Config::default());
    let own = node.id(Family::V4).expect("an id");
    let bytes = respond(&mut node, at("9.8.7.6:258"), &question(Ask::Ping));
    let text = [b"d2:ip6:\x09\x08\x07\x06\x01\x021:rd2:id20:", &own.0[..], b"e1:t2:tt1:v4:TD\x00\x011:y1:re"];
    assert_eq!(bytes, text.concat());
}

#[test]
fn only_who_has_a_token_announces() {
    let mut node = node(Config::default());
    let (peer, other) = (at("9.8.7.6:1000"), at("9.8.7.5:1000"));
    let ask = Ask::GetPeers { info_hash: HASH, no_seeds: false, scrape: true };
    let first = respond(&mut node, peer, &question(ask.clone()));
    let first = reply_of(&first);
    assert!(first.values.is_empty() && first.filters.is_none() && first.nodes == Some(vec![]));
    let token = first.token.expect("a token");
    let announce = |port, token| question(Ask::Announce { info_hash: HASH, port, is_seed: true, token });
    assert_eq!(code_of(&respond(&mut node, other, &announce(Port::Named(1), token))), code::PROTOCOL);
    assert_eq!(code_of(&respond(&mut node, peer, &announce(Port::Named(1), b"12345678"))), code::PROTOCOL);
    assert_eq!(node.stats().peers, 0);
    reply_of(&respond(&mut node, peer, &announce(Port::Named(77), token)));
    let seen = respond(&mut node, other, &question(ask.clone()));
    let seen = reply_of(&seen);
    assert_eq!(seen.values, [at("9.8.7.6:77")]);
    assert_eq!(seen.filters.map(|filters| filters.seeds.estimate()), Some(1));
    // The port it asks from takes the place of the one it named before.
    reply_of(&respond(&mut node, peer, &announce(Port::Implied(1), token)));
    assert_eq!(reply_of(&respond(&mut node, other, &question(ask))).values, [peer]);
    let sample = respond(&mut node, other, &question(Ask::Sample { target: ME }));
    let sample = reply_of(&sample).samples.expect("samples");
    assert_eq!((sample.total, sample.hashes), (1, vec![HASH]));
}

#[test]
fn items_are_taken_with_a_token_and_as_the_rules_say() {
    let mut node = node(Config::default());
    let peer = at("9.8.7.6:1000");
    let item = tide_dht::Item::sign(&[1; 32], b"s", 3, b"i7e").expect("an item");
    let signed = item.signed.clone().expect("signed");
    let ask = || question(Ask::Get { target: item.target(), newer_than: None });
    let first = respond(&mut node, peer, &ask());
    let token = reply_of(&first).token.expect("a token");
    let put = |value, seq, salt, token| {
        let (key, signature) = (signed.key, signed.signature);
        let signed = Some(tide_dht::krpc::PutSigned { key, salt, seq, cas: None, signature });
        question(Ask::Put { token, value, signed })
    };
    let long = [b"1001:".to_vec(), vec![b'x'; 1001]].concat();
    for (datagram, wanted) in [
        (put(b"i7e", 3, b"s", b"none"), code::PROTOCOL),
        (put(b"i8e", 3, b"s", token), code::SIGNATURE),
        (put(b"i7e", 4, b"s", token), code::SIGNATURE),
        (put(b"i7e", -3, b"s", token), code::PROTOCOL),
        (put(b"i07e", 3, b"s", token), code::PROTOCOL),
        (put(&long, 3, b"s", token), code::VALUE_LENGTH),
        (put(b"i7e", 3, &[b's'; 65], token), code::SALT_LENGTH),
    ] {
        assert_eq!(code_of(&respond(&mut node, peer, &datagram)), wanted);
    }
    assert_eq!(node.stats().items, 0);
    reply_of(&respond(&mut node, peer, &put(b"i7e", 3, b"s", token)));
    let got = respond(&mut node, peer, &ask());
    let got = reply_of(&got);
    assert_eq!((got.value, got.seq), (Some(&b"i7e"[..]), Some(3)));
    assert_eq!(got.signed, Some((signed.key, signed.signature)));
    // Who has that version is told so, and not sent it again.
    let again = question(Ask::Get { target: item.target(), newer_than: Some(3) });
    let again = respond(&mut node, peer, &again);
    assert_eq!((reply_of(&again).value, reply_of(&again).seq), (None, Some(3)));
}

#[test]
fn what_is_stored_here_need_not_be_looked_for() {
    let mut node = node(Config::default());
    let peer = at("9.8.7.6:1000");
    let ask = question(Ask::GetPeers { info_hash: HASH, no_seeds: false, scrape: false });
    let first = respond(&mut node, peer, &ask);
    let token = reply_of(&first).token.expect("a token");
    let announce = Ask::Announce { info_hash: HASH, port: Port::Named(77), is_seed: false, token };
    respond(&mut node, peer, &question(announce));
    let item = tide_dht::Item::immutable(b"i7e").expect("an item");
    let ask = question(Ask::Get { target: item.target(), newer_than: None });
    let first = respond(&mut node, peer, &ask);
    let token = reply_of(&first).token.expect("a token");
    respond(&mut node, peer, &question(Ask::Put { token, value: b"i7e", signed: None }));
    node.get_peers(QueryId(1), HASH, None).expect("room");
    node.get(QueryId(2), Wanted::Immutable(item.target())).expect("room");
    let (_, events) = drain(&mut node, NOW);
    assert!(events.contains(&Event::Peers { query: QueryId(1), peers: vec![at("9.8.7.6:77")] }));
    let is_found = |event: &Event| {
        matches!(event, Event::Done { query: QueryId(2), outcome: Outcome::Item { item: Some(found), .. } }
            if *found == item)
    };
    assert!(events.iter().any(is_found), "{events:?}");
}

#[test]
fn what_nobody_knows_is_answered_with_nodes_or_an_error() {
    let mut node = node(Config::default());
    let peer = at("9.8.7.6:1000");
    let vote = |target| question(Ask::Other { method: b"vote", target });
    assert_eq!(code_of(&respond(&mut node, peer, &vote(None))), code::UNKNOWN);
    assert_eq!(reply_of(&respond(&mut node, peer, &vote(Some(ME)))).nodes, Some(vec![]));
    assert_eq!(code_of(&respond(&mut node, peer, b"d1:ad2:id3:abce1:q4:ping1:t2:tt1:y1:qe")), code::PROTOCOL);
    let both = asked(Query { id: ME, read_only: true, want: Want::Both, ask: Ask::FindNode { target: ME } });
    let both = respond(&mut node, peer, &both);
    assert!(reply_of(&both).nodes.is_some() && reply_of(&both).nodes6.is_some());
}

#[test]
fn who_asks_is_pinged_unless_it_is_read_only() {
    let mut node = node(Config::default());
    let peer = at("9.8.7.6:1000");
    let from = |read_only| asked(Query { id: ME, read_only, want: Want::Same, ask: Ask::Ping });
    node.datagram(NOW, peer, &from(true));
    assert_eq!(drain(&mut node, NOW).0.len(), 1);
    node.datagram(NOW, peer, &from(false));
    let (sent, _) = drain(&mut node, NOW);
    let ping = &sent.last().expect("a ping").1;
    assert_eq!(sent.len(), 2);
    assert_eq!(node.stats().tables[0].nodes, 0, "asking proves nothing");
    answer(&mut node, NOW, peer, ping, "1.2.3.4:5", Reply::new(ME));
    assert_eq!(node.stats().tables[0].nodes, 1);
}

#[test]
fn a_read_only_node_says_so_and_answers_nothing() {
    let mut node = node(Config { reach: Reach::ReadOnly, ..Config::default() });
    node.datagram(NOW, at("9.8.7.6:1000"), &question(Ask::Ping));
    node.datagram(NOW, at("9.8.7.6:1000"), b"d1:ad2:id3:abce1:q4:ping1:t2:tt1:y1:qe");
    assert!(drain(&mut node, NOW).0.is_empty());
    node.ping(NOW, QueryId(1), at("9.8.7.6:1000")).expect("room");
    let (sent, _) = drain(&mut node, NOW);
    let message = read(&sent[0].1).expect("a message");
    assert!(matches!(message.body, Body::Query(Query { read_only: true, .. })));
}

#[test]
fn queries_end_exactly_once() {
    let mut node = node(Config::default());
    let to = at("9.8.7.6:1000");
    node.get_peers(QueryId(1), HASH, None).expect("room");
    node.ping(NOW, QueryId(2), to).expect("room");
    node.ping(NOW, QueryId(3), to).expect("room");
    assert_eq!(node.ping(NOW, QueryId(3), to), Err(Refused::NameTaken));
    assert_eq!(node.ping(NOW, QueryId(4), at("9.8.7.6:0")), Err(Refused::Address));
    let (sent, events) = drain(&mut node, NOW);
    let failed = |id, failure| Event::Done { query: QueryId(id), outcome: Outcome::Failed(failure) };
    assert_eq!(events, [failed(1, Failure::NoNodes)]);
    // An answer from elsewhere, or under another transaction, is none.
    answer(&mut node, NOW, at("9.8.7.6:1001"), &sent[0].1, "1.2.3.4:5", Reply::new(ME));
    node.datagram(
        NOW,
        to,
        &Message { transaction: b"aaaa", seen: None, body: Body::Reply(Box::new(Reply::new(ME))) }
            .write(b"XX\x00\x01"),
    );
    assert_eq!((drain(&mut node, NOW).1, node.stats().counters.unsolicited), (vec![], 2));
    let later = NOW + Duration::from_millis(50);
    answer(&mut node, later, to, &sent[0].1, "1.2.3.4:5", Reply::new(ME));
    answer(&mut node, later, to, &sent[0].1, "1.2.3.4:5", Reply::new(ME));
    let pong = Outcome::Pong { id: ME, took: Duration::from_millis(50) };
    let (_, events) = drain(&mut node, later);
    let ends: Vec<_> = events.into_iter().filter(|event| matches!(event, Event::Done { .. })).collect();
    assert_eq!(ends, [Event::Done { query: QueryId(2), outcome: pong }]);
    let mut ends = Vec::new();
    while ends.is_empty() {
        let (at, why) = node.wake_at();
        assert!(why != Reason::Idle);
        ends = drain(&mut node, at).1.into_iter().filter(|e| matches!(e, Event::Done { .. })).collect();
    }
    assert_eq!(ends, [failed(3, Failure::Timeout)]);
    node.announce(QueryId(5), HASH, Announce::at(Port::Named(1), false)).expect("room");
    node.cancel(QueryId(5));
    node.cancel(QueryId(5));
    let (_, events) = drain(&mut node, later);
    assert_eq!(events, [failed(5, Failure::Canceled)]);
}

#[test]
fn an_announce_is_kept_up_and_hurries_when_somebody_appears() {
    let limits = Limits::default();
    let mut node = node(Config::default());
    let say = Announce::at(Port::Named(6881), false);
    node.announce(QueryId(1), HASH, say).expect("room");
    let (_, events) = drain(&mut node, NOW);
    assert!(matches!(events[..], [Event::Round { announced: 0, .. }]), "{events:?}");
    let (next, _) = node.wake_at();
    assert_eq!(next, NOW + limits.announce_retry);
    // One node, that gives a token and takes the announce.
    let peer = at("9.8.7.6:1000");
    node.add_node(NOW, peer);
    let (mut now, mut rounds, mut announces) = (NOW, Vec::new(), 0);
    let (mut sent, _) = drain(&mut node, now);
    while rounds.len() < 3 {
        for (to, datagram) in std::mem::take(&mut sent) {
            assert_eq!(to, peer);
            let Ok(Message { body: Body::Query(query), .. }) = read(&datagram) else { panic!("a question") };
            announces += u32::from(matches!(query.ask, Ask::Announce { port: Port::Named(6881), .. }));
            let reply = Reply { token: Some(b"tok"), values: vec![at("5.5.5.5:55")], ..Reply::new(ME) };
            answer(&mut node, now, peer, &datagram, "1.2.3.4:5", reply);
        }
        let (more, events) = drain(&mut node, now);
        sent = more;
        rounds.extend(events.into_iter().filter_map(|event| match event {
            Event::Round { announced, found, .. } => Some((now, announced, found)),
            _ => None,
        }));
        if sent.is_empty() {
            now = node.wake_at().0;
            sent = drain(&mut node, now).0;
        }
    }
    assert!(rounds.iter().all(|(_, announced, found)| (*announced, *found) == (1, 1)), "{rounds:?}");
    assert!(rounds[0].0 <= next, "it does not wait for longer than it must");
    let apart = rounds[2].0.since(rounds[1].0);
    assert!(apart > limits.announce * 7 / 8 && apart <= limits.announce, "{apart:?}");
    assert_eq!(announces, 3);
}

#[test]
fn our_id_follows_from_the_address_that_others_see() {
    let mut node = node(Config { families: Families::V4, ..Config::default() });
    let before = node.id(Family::V4).expect("an id");
    let mut told = Vec::new();
    for n in 0..6u8 {
        let peer = SocketAddr::from(([50 + n, 1, 1, 1], 6881));
        node.ping(NOW, QueryId(u64::from(n)), peer).expect("room");
        let (sent, _) = drain(&mut node, NOW);
        let (_, ping) = sent.iter().find(|(to, _)| *to == peer).expect("a ping");
        answer(&mut node, NOW, peer, ping, "21.75.31.124:9", Reply::new(NodeId([n; 20])));
        told.extend(drain(&mut node, NOW).1);
    }
    let ip = at("21.75.31.124:9").ip();
    assert_eq!(told.iter().filter(|event| **event == Event::Address(ip)).count(), 1);
    let after = node.id(Family::V4).expect("an id");
    assert!(after != before && secure::conforms(&after, ip));
    assert_eq!(node.stats().tables[0].nodes, 6, "they are still known");
    let again = Node::new(Config { saved: node.save(), ..Config::default() }, Prng::new(9), NOW);
    assert_eq!(again.id(Family::V4), Some(after));
}

#[test]
fn saved_nodes_are_where_it_begins() {
    let nodes: Vec<Contact> = (1..=9u8)
        .map(|n| Contact { id: NodeId([n; 20]), addr: SocketAddr::from(([60 + n, 1, 1, 1], 6881)) })
        .collect();
    let saved = Saved { ids: [Some(ME), None], nodes: nodes.clone() };
    let saved = Saved::decode(&saved.encode()).expect("it was just made");
    let mut node = node(Config { saved, ..Config::default() });
    assert_eq!((node.id(Family::V4), node.wake_at()), (Some(ME), (NOW, Reason::Join)));
    let (sent, _) = drain(&mut node, NOW);
    assert_eq!(sent.len(), Limits::default().alpha);
    assert!(sent.iter().all(|(to, _)| nodes.iter().any(|node| node.addr == *to)));
    assert_eq!(node.save().nodes.len(), 9, "what was not tried yet is not forgotten");
}

#[test]
fn one_network_helps_into_the_other() {
    let mut node = node(Config { routers: vec![at("9.8.7.6:1000")], ..Config::default() });
    let (sent, _) = drain(&mut node, NOW);
    let Ok(Message { body: Body::Query(query), .. }) = read(&sent[0].1) else { panic!("a question") };
    assert_eq!(query.want, Want::Both);
    let six = Contact { id: NodeId([6; 20]), addr: at("[2a00:1::1]:6881") };
    let reply = Reply { nodes6: Some(vec![six]), ..Reply::new(ME) };
    answer(&mut node, NOW, at("9.8.7.6:1000"), &sent[0].1, "1.2.3.4:5", reply);
    let (sent, _) = drain(&mut node, NOW);
    assert!(sent.iter().any(|(to, _)| *to == six.addr), "{sent:?}");
}

#[test]
fn who_is_stored_here_counts_in_a_scrape() {
    let router = at("9.8.7.6:1000");
    let mut node = node(Config { routers: vec![router], families: Families::V4, ..Config::default() });
    let peer = at("5.6.7.8:1000");
    let ask = question(Ask::GetPeers { info_hash: HASH, no_seeds: false, scrape: false });
    let first = respond(&mut node, peer, &ask);
    let token = reply_of(&first).token.expect("a token");
    let announce = Ask::Announce { info_hash: HASH, port: Port::Named(77), is_seed: true, token };
    respond(&mut node, peer, &question(announce));
    node.scrape(QueryId(1), HASH).expect("room");
    let mut ends = Vec::new();
    for _ in 0..10 {
        let (sent, events) = drain(&mut node, NOW);
        ends.extend(events.into_iter().filter(|event| matches!(event, Event::Done { .. })));
        for (to, datagram) in sent {
            answer(&mut node, NOW, to, &datagram, "1.2.3.4:5", Reply::new(NodeId([8; 20])));
        }
    }
    let Some(Event::Done { outcome: Outcome::Peers { found, swarm, .. }, .. }) = ends.pop() else {
        panic!("the scrape has not ended");
    };
    let swarm = swarm.expect("a scrape");
    assert_eq!((found, swarm.seeds, swarm.peers), (1, 1, 0));
}

/// BEP 33, of answers that have only `values` although a scrape was asked for: "Before inserting values into the filter it
/// should check if the IPs are not present in the seed filters of other nodes to prevent the item from being counted as
/// seed and peer at the same time."
#[test]
fn a_seed_that_a_node_without_filters_tells_of_is_counted_once() {
    let routers = vec![at("9.8.7.6:1000"), at("9.8.6.6:1000")];
    let mut node = node(Config { routers, families: Families::V4, ..Config::default() });
    node.scrape(QueryId(1), HASH).expect("room");
    let (sent, _) = drain(&mut node, NOW);
    let mut filters = Box::<tide_dht::krpc::Filters>::default();
    filters.seeds.insert(at("5.6.7.8:1").ip());
    let mut answered = 0;
    for (to, datagram) in &sent {
        let Ok(Message { body: Body::Query(query), .. }) = read(datagram) else { panic!("a question") };
        let mut reply = Reply::new(NodeId(if to.ip() == at("9.8.7.6:1").ip() { [8; 20] } else { [9; 20] }));
        if matches!(query.ask, Ask::GetPeers { .. }) {
            answered += 1;
            if answered == 1 {
                reply.filters = Some(filters.clone());
            } else {
                reply.values = vec![at("5.6.7.8:1")];
            }
        }
        answer(&mut node, NOW, *to, datagram, "1.2.3.4:5", reply);
    }
    assert_eq!(answered, 2);
    let (_, events) = drain(&mut node, NOW);
    let swarm = events.iter().find_map(|event| match event {
        Event::Done { query: QueryId(1), outcome: Outcome::Peers { swarm, .. } } => *swarm,
        _ => None,
    });
    let swarm = swarm.expect("the scrape has ended");
    assert_eq!((swarm.seeds, swarm.peers), (1, 0));
}

#[test]
fn strangers_cannot_point_us_at_the_neighbours() {
    let mut node = node(Config { routers: vec![at("9.8.7.6:1000")], ..Config::default() });
    let (sent, _) = drain(&mut node, NOW);
    let bad = ["192.168.1.1:80", "127.0.0.1:22", "10.0.0.1:1", "0.0.0.0:5", "224.0.0.1:5", "7.7.7.7:0"];
    let nodes = bad.iter().enumerate();
    let nodes = nodes.map(|(n, addr)| Contact { id: NodeId([n as u8; 20]), addr: at(addr) }).collect();
    let reply = Reply { nodes: Some(nodes), ..Reply::new(ME) };
    answer(&mut node, NOW, at("9.8.7.6:1000"), &sent[0].1, "1.2.3.4:5", reply);
    let (sent, _) = drain(&mut node, NOW);
    assert!(sent.iter().all(|(to, _)| *to == at("9.8.7.6:1000")), "{sent:?}");
}

#[test]
fn a_flood_is_answered_a_little_and_then_not_at_all() {
    let limits = Limits::default();
    let mut node = node(Config::default());
    let ask = question(Ask::FindNode { target: ME });
    for n in 0..20_000u64 {
        node.datagram(NOW + Duration::from_micros(n), at("9.8.7.6:1000"), &ask);
    }
    let (sent, _) = drain(&mut node, NOW + Duration::from_secs(1));
    assert_eq!(sent.len(), limits.flood as usize);
    assert!(node.stats().counters.blocked > 19_000);
    // Somebody else is still served.
    node.datagram(NOW + Duration::from_secs(1), at("9.8.7.5:1000"), &ask);
    assert_eq!(drain(&mut node, NOW + Duration::from_secs(1)).0.len(), 1);
}

#[test]
fn forged_senders_cost_bounded_memory_and_bandwidth() {
    let limits = Limits::default();
    let mut node = node(Config::default());
    let mut prng = Prng::new(2);
    let empty = node.memory();
    let span = 10u64;
    for n in 0..100_000u64 {
        let now = NOW + Duration::from_micros(n * span * 10);
        let from = SocketAddr::from((prng.next_u32().to_be_bytes(), 1 + prng.below(60_000) as u16));
        let id = NodeId::random(&mut prng);
        let ask = match n % 4 {
            0 => Ask::Ping,
            1 => Ask::GetPeers { info_hash: InfoHash(id.0), no_seeds: false, scrape: false },
            2 => Ask::Put { token: b"x", value: b"i1e", signed: None },
            _ => Ask::Announce { info_hash: HASH, port: Port::Named(1), is_seed: false, token: b"12345678" },
        };
        node.datagram(now, from, &asked(Query { id, read_only: false, want: Want::Same, ask }));
    }
    assert!(node.memory() < empty + (64 << 10), "{} {empty}", node.memory());
    let (sent, _) = drain(&mut node, NOW + Duration::from_secs(span));
    let bytes: usize = sent.iter().map(|(_, datagram)| datagram.len()).sum();
    let most = limits.answers.0 * span + limits.answers.1 + 8000;
    assert!(bytes as u64 <= most, "{bytes} of {most}");
    let stats = node.stats();
    assert_eq!((stats.peers, stats.items, stats.tables[0].nodes), (0, 0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_datagrams_are_survived(
        datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..120), 1..20),
        flips in proptest::collection::vec((0usize..200, any::<u8>()), 1..20),
    ) {
        let mut node = node(Config::default());
        node.add_router(NOW, at("9.8.7.6:1000"));
        node.get_peers(QueryId(1), HASH, None).expect("room");
        let (sent, _) = drain(&mut node, NOW);
        for datagram in &datagrams {
            node.datagram(NOW, at("9.8.7.6:1000"), datagram);
        }
        // Answers to what it asked, damaged.
        for ((place, byte), (to, question)) in flips.iter().zip(sent.iter().cycle()) {
            let Ok(message) = read(question) else { continue };
            let reply = Reply { token: Some(b"t"), nodes: Some(vec![]), value: Some(b"i1e"), ..Reply::new(ME) };
            let body = Body::Reply(Box::new(reply));
            let mut bytes = Message { transaction: message.transaction, seen: Some(*to), body }.write(b"XX\x00\x01");
            let len = bytes.len();
            bytes[place % len] = *byte;
            node.datagram(NOW, *to, &bytes);
        }
        let mut ends = 0;
        let mut now = NOW;
        while ends == 0 {
            let (_, events) = drain(&mut node, now);
            ends += events.iter().filter(|event| matches!(event, Event::Done { .. })).count();
            now = now.max(node.wake_at().0);
        }
        prop_assert_eq!(ends, 1);
    }
}
