//! The form of messages: the examples of the specifications, both ways, and whatever else arrives.

use proptest::prelude::*;
use std::net::SocketAddr;
use tide_base::InfoHash;
use tide_dht::krpc::{Ask, Body, Complaint, Malformed, Message, Port, PutSigned, Query, Reply, Samples};
use tide_dht::krpc::{Want, code, is_likely, read};
use tide_dht::{Contact, NodeId};

const ASKER: NodeId = NodeId(*b"abcdefghij0123456789");
const OTHER: NodeId = NodeId(*b"mnopqrstuvwxyz123456");
const HASH: InfoHash = InfoHash(*b"mnopqrstuvwxyz123456");
const VERSION: &[u8; 4] = b"TD\x00\x01";

fn query(ask: Ask<'_>) -> Message<'_> {
    let query = Query { id: ASKER, read_only: false, want: Want::Same, ask };
    Message { transaction: b"aa", seen: None, body: Body::Query(query) }
}

fn reply(reply: Reply<'_>) -> Message<'_> {
    Message { transaction: b"aa", seen: None, body: Body::Reply(Box::new(reply)) }
}

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// What we write, without our version: the specifications' examples have none.
fn unversioned(message: &Message<'_>) -> Vec<u8> {
    let bytes = message.write(VERSION);
    let text = b"1:v4:TD\x00\x01";
    let place = bytes.windows(text.len()).rposition(|window| window == text).expect("a version");
    [&bytes[..place], &bytes[place + text.len()..]].concat()
}

#[test]
fn the_examples_of_bep_5() {
    let peers = Reply {
        token: Some(b"aoeusnth"),
        values: vec![at("97.120.106.101:11893"), at("105.100.104.116:28269")],
        ..Reply::new(ASKER)
    };
    let announce =
        Ask::Announce { info_hash: HASH, port: Port::Implied(6881), is_seed: false, token: b"aoeusnth" };
    let error = Complaint { code: code::GENERIC, text: b"A Generic Error Ocurred" };
    let examples: Vec<(&[u8], Message<'_>)> = vec![
        (b"d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee", Message {
            transaction: b"aa",
            seen: None,
            body: Body::Error(error),
        }),
        (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", query(Ask::Ping)),
        (b"d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", reply(Reply::new(OTHER))),
        (
            b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
            query(Ask::FindNode { target: OTHER }),
        ),
        (
            b"d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
            query(Ask::GetPeers { info_hash: HASH, no_seeds: false, scrape: false }),
        ),
        (
            b"d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
            reply(peers),
        ),
        (
            b"d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e\
              5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
            query(announce),
        ),
    ];
    for (bytes, message) in examples {
        assert_eq!(read(bytes).as_ref(), Ok(&message));
        assert_eq!(unversioned(&message).escape_ascii().to_string(), bytes.escape_ascii().to_string());
    }
}

#[test]
fn the_example_with_nodes_ends_in_half_a_node_and_is_read() {
    // BEP 5 writes nine bytes where nodes of 26 belong.
    let bytes = b"d1:rd2:id20:0123456789abcdefghij5:nodes9:def456...5:token8:aoeusnthe1:t2:aa1:y1:re";
    let Ok(Message { body: Body::Reply(reply), .. }) = read(bytes) else { panic!("a reply") };
    assert_eq!((reply.nodes, reply.token), (Some(vec![]), Some(&b"aoeusnth"[..])));
}

#[test]
fn real_nodes_are_understood() {
    let ping = query(Ask::Ping);
    for bytes in [
        // Keys in another order, keys nobody knows, bytes behind the end, no `y`.
        &b"d1:y1:q1:t2:aa1:q4:ping1:ad2:id20:abcdefghij0123456789ee"[..],
        b"d1:ad2:id20:abcdefghij01234567893:xyzi4ee1:q4:ping2:roi0e1:t2:aa1:v4:LT\x01\x021:y1:qe",
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe\r\n",
        b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aae",
    ] {
        assert_eq!(read(bytes), Ok(ping.clone()));
    }
    let ro = b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping2:roi1e1:t2:aa1:y1:qe";
    assert!(matches!(read(ro), Ok(Message { body: Body::Query(Query { read_only: true, .. }), .. })));
    // `values` as one string, and mixed with IPv6.
    let one = b"d1:rd2:id20:abcdefghij01234567896:values12:axje.uidhtnme1:t2:aa1:y1:re";
    let Ok(Message { body: Body::Reply(one), .. }) = read(one) else { panic!("a reply") };
    assert_eq!(one.values.len(), 2);
    let mixed = b"d1:rd2:id20:abcdefghij01234567896:valuesl6:axje.u18:\x20\x01\x0d\xb90123456789ab\x00\x50\
                  5:shorti3eee1:t2:aa1:y1:re";
    let Ok(Message { body: Body::Reply(mixed), .. }) = read(mixed) else { panic!("a reply") };
    assert_eq!(mixed.values.iter().map(|peer| peer.is_ipv4()).collect::<Vec<_>>(), [true, false]);
    // `want` as a string; an error that is only a text.
    let want =
        b"d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz1234564:want2:n6e1:q9:find_node1:t2:aae";
    assert!(matches!(read(want), Ok(Message { body: Body::Query(Query { want: Want::V6, .. }), .. })));
    let Ok(Message { body: Body::Error(error), .. }) = read(b"d1:e4:oops1:t2:aa1:y1:ee") else {
        panic!("an error")
    };
    assert_eq!(error, Complaint { code: code::GENERIC, text: b"oops" });
    // The own address, with and without a port.
    for (bytes, seen) in [
        (&b"d2:ip6:\x01\x02\x03\x04\x00\x501:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re"[..], "1.2.3.4:80"),
        (b"d2:ip4:\x01\x02\x03\x041:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re", "1.2.3.4:0"),
    ] {
        assert_eq!(read(bytes).map(|message| message.seen), Ok(Some(at(seen))));
    }
}

#[test]
fn what_lacks_something_is_refused_by_name() {
    for (bytes, is_told) in [
        (&b"d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe"[..], true),
        (b"d1:q4:ping1:t2:aa1:y1:qe", true),
        (b"d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe", true),
        (b"d1:ad2:id20:abcdefghij0123456789e1:qi4e1:t2:aa1:y1:qe", true),
        (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe", false),
        (b"d1:rd2:id3:abce1:t2:aa1:y1:re", false),
        (b"d1:t2:aa1:y1:xe", false),
        (b"l1:t2:aae", false),
        (b"d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:q", false),
        (b"", false),
    ] {
        let told = read(bytes).map_err(|Malformed { question, code, .. }| (question, code));
        assert_eq!(told, Err((is_told.then_some(&b"aa"[..]), code::PROTOCOL)), "{}", bytes.escape_ascii());
    }
}

#[test]
fn half_a_mutable_item_is_not_an_immutable_one() {
    let put = |more: &str, sig: usize| {
        let sig = "s".repeat(sig);
        format!(
            "d1:ad2:id20:abcdefghij0123456789{more}3:sig{}:{sig}5:token1:x1:vi1ee1:q3:put1:t2:aa1:y1:qe",
            sig.len()
        )
    };
    let key = format!("1:k32:{}", "k".repeat(32));
    assert!(read(put(&format!("{key}3:seqi1e"), 64).as_bytes()).is_ok());
    for bad in [
        put(&key, 64),
        put("3:seqi1e", 64),
        put(&format!("{key}3:seqi1e"), 63),
        put(&format!("{key}3:seq1:1"), 64),
        put(&format!("{key}4:salti1e3:seqi1e"), 64),
        put(&format!("3:cas1:1{key}3:seqi1e"), 64),
    ] {
        assert!(read(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn datagrams_of_others_are_told_apart() {
    assert!(is_likely(b"d1:t1:x1:y1:qe"));
    assert!(!is_likely(b"") && !is_likely(b"d") && !is_likely(&[0x41; 20]) && !is_likely(&[b'd'; 2000]));
}

fn node_id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 20]>().prop_map(NodeId)
}

fn v4() -> impl Strategy<Value = SocketAddr> {
    any::<([u8; 4], u16)>().prop_map(SocketAddr::from)
}

fn v6() -> impl Strategy<Value = SocketAddr> {
    // Not an IPv4-mapped one: those have another form.
    any::<([u8; 15], u16)>().prop_map(|(ip, port)| {
        let mut all = [0x20; 16];
        all[1..].copy_from_slice(&ip);
        SocketAddr::from((all, port))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }

    #[test]
    fn messages_with_changed_bytes_are_read_or_refused(
        at in 0usize..140, byte in any::<u8>(), len in 0usize..180,
    ) {
        let message = query(Ask::Announce {
            info_hash: HASH, port: Port::Named(1), is_seed: true, token: b"token",
        });
        let mut bytes = message.write(VERSION);
        let place = at % bytes.len();
        bytes[place] = byte;
        bytes.truncate(len);
        let _ = read(&bytes);
    }

    #[test]
    fn queries_go_both_ways(
        (id, target, hash) in (node_id(), node_id(), any::<[u8; 20]>().prop_map(InfoHash)),
        (token, salt, transaction) in (any::<[u8; 7]>(), any::<[u8; 9]>(), any::<[u8; 4]>()),
        (read_only, flag, flag2) in any::<(bool, bool, bool)>(),
        (seq, cas, port) in (any::<i64>(), proptest::option::of(any::<i64>()), 1u16..),
        want in prop_oneof![Just(Want::Same), Just(Want::V4), Just(Want::V6), Just(Want::Both)],
    ) {
        let signed = PutSigned { key: [3; 32], salt: &salt, seq, cas, signature: [4; 64] };
        for ask in [
            Ask::Ping,
            Ask::FindNode { target },
            Ask::GetPeers { info_hash: hash, no_seeds: flag, scrape: flag2 },
            Ask::Announce { info_hash: hash, port: Port::Named(port), is_seed: flag, token: &token },
            Ask::Announce { info_hash: hash, port: Port::Implied(port), is_seed: flag, token: &token },
            Ask::Get { target, newer_than: cas },
            Ask::Put { token: &token, value: b"li1e2:xxe", signed: None },
            Ask::Put { token: &token, value: b"i5e", signed: Some(signed) },
            Ask::Sample { target },
            Ask::Other { method: b"vote", target: Some(target) },
        ] {
            let body = Body::Query(Query { id, read_only, want, ask });
            let message = Message { transaction: &transaction, seen: None, body };
            let bytes = message.write(VERSION);
            prop_assert_eq!(read(&bytes), Ok(message));
        }
    }

    #[test]
    fn replies_go_both_ways(
        nodes in proptest::option::of(proptest::collection::vec((node_id(), v4()), 0..=8)),
        nodes6 in proptest::option::of(proptest::collection::vec((node_id(), v6()), 0..=8)),
        values in proptest::collection::vec(prop_oneof![v4(), v6()], 0..20),
        seen in proptest::option::of(prop_oneof![v4(), v6()]),
        (seq, hashes) in (proptest::option::of(any::<i64>()), proptest::collection::vec(any::<[u8; 20]>(), 0..5)),
        (token, signed) in any::<(Option<[u8; 8]>, bool)>(),
    ) {
        let contacts = |list: Vec<(NodeId, SocketAddr)>| -> Vec<Contact> {
            list.into_iter().map(|(id, addr)| Contact { id, addr }).collect()
        };
        let samples = Samples { interval: 60, total: 9, hashes: hashes.into_iter().map(InfoHash).collect() };
        let body = Reply {
            nodes: nodes.map(contacts),
            nodes6: nodes6.map(contacts),
            token: token.as_ref().map(|token| &token[..]),
            values,
            filters: signed.then(Box::default),
            value: signed.then_some(b"d1:ai1ee"),
            signed: signed.then_some(([1; 32], [2; 64])),
            seq,
            samples: signed.then_some(samples),
            ..Reply::new(OTHER)
        };
        let message = Message { seen, ..reply(body) };
        let bytes = message.write(VERSION);
        prop_assert_eq!(read(&bytes), Ok(message));
    }
}
