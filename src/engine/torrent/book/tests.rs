//! Who is dialled, in which order, and who makes room for whom.

use super::*;

const OUR_ID: PeerId = PeerId(*b"-TD0000-ourselvesyes");
const ITS_ID: PeerId = PeerId(*b"-XX0000-somebodyelse");

fn at(secs: u64) -> Instant {
    Instant::from_secs(secs)
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn nth(n: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::from((0x0b00_0000 + n).to_be_bytes()), 6881)
}

fn tiny() -> BookLimits {
    BookLimits { addresses: 4, ports_an_ip: 3, dials_an_ip: 2, bans: 2, failures: 3, ..BookLimits::DEFAULT }
}

fn book() -> (Book, Prng) {
    (Book::new(OUR_ID, BookLimits::DEFAULT), Prng::new(1))
}

fn all(book: &mut Book, now: Instant) -> Vec<SocketAddr> {
    let found = core::iter::from_fn(|| book.next(now)).collect();
    book.check_invariants();
    found
}

#[test]
fn an_address_is_kept_once_in_one_form_and_nonsense_not_at_all() {
    let (mut b, mut prng) = book();
    assert_eq!(b.add(at(0), addr("1.2.3.4:5"), Sources::PEX, &mut prng), Added::New);
    assert_eq!(b.add(at(0), addr("[::ffff:1.2.3.4]:5"), Sources::TRACKER, &mut prng), Added::Known);
    assert_eq!(b.add(at(0), addr("1.2.3.4:0"), Sources::PEX, &mut prng), Added::Bogus);
    assert_eq!(b.export()[0].sources, Sources::PEX | Sources::TRACKER);
    assert_eq!((b.len(), b.deadline()), (1, at(0)));
    assert_eq!((all(&mut b, at(0)), b.deadline()), (vec![addr("1.2.3.4:5")], Instant::NEVER));
}

#[test]
fn the_users_peers_come_first_then_known_ones_and_hearsay_in_turn() {
    let (mut b, mut prng) = book();
    for n in 0..4 {
        b.add(at(0), nth(n), Sources::TRACKER, &mut prng);
    }
    assert_eq!(all(&mut b, at(0)).len(), 4);
    b.failed(at(1), nth(1), &mut prng);
    b.connected(at(1), nth(2));
    b.disconnected(at(1), nth(2), Use::Useful, &mut prng);
    b.add(at(1), nth(5), Sources::PEX, &mut prng);
    b.add(at(1), nth(6), Sources::MANUAL, &mut prng);
    b.add(at(1), nth(7), Sources::TRACKER, &mut prng);
    // The last one was known, so it is hearsay's turn; of known ones the fresh, then those we left, then those that failed.
    assert_eq!(all(&mut b, at(1000)), [nth(6), nth(5), nth(7), nth(2), nth(1)]);
}

#[test]
fn made_up_addresses_keep_nobody_from_those_we_know() {
    let (mut b, mut prng) =
        (Book::new(OUR_ID, BookLimits { addresses: 100, ..BookLimits::DEFAULT }), Prng::new(1));
    b.add(at(0), nth(0), Sources::TRACKER, &mut prng);
    b.add(at(0), nth(1), Sources::DHT, &mut prng);
    all(&mut b, at(0));
    b.failed(at(1), nth(0), &mut prng);
    b.connected(at(1), nth(1));
    b.disconnected(at(2), nth(1), Use::Useful, &mut prng);
    for n in 100..1000 {
        b.add(at(3), nth(n), Sources::DHT, &mut prng);
    }
    assert!(b.entries.contains_key(&nth(0)) && b.entries.contains_key(&nth(1)), "hearsay pushes nobody out");
    assert_eq!(b.len(), 100);
    let soon: Vec<_> = core::iter::from_fn(|| b.next(at(200))).take(4).collect();
    assert_eq!((soon[0], soon[2]), (nth(1), nth(0)), "every second one is theirs");
    b.check_invariants();
}

#[test]
fn waits_double_up_to_a_bound_and_the_hopeless_are_forgotten() {
    let (mut b, mut prng) = book();
    b.add(at(0), nth(0), Sources::TRACKER, &mut prng);
    b.add(at(0), nth(1), Sources::MANUAL, &mut prng);
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..20 {
        while let Some(addr) = b.next(now) {
            b.failed(now, addr, &mut prng);
            let wait = b.waiting.iter().find(|(_, a)| *a == addr).map(|(from, _)| from.since(now).as_secs());
            waits.push((addr, wait));
            b.check_invariants();
        }
        now = b.deadline();
    }
    let of = |addr| waits.iter().filter(move |(a, _)| *a == addr).map(|(_, wait)| *wait);
    let stranger: Vec<_> = of(nth(0)).collect();
    for (n, wait) in stranger.iter().flatten().enumerate() {
        assert!((60 << n..=75 << n).contains(wait), "{wait} seconds after {n} failures");
    }
    assert!(
        of(nth(1)).flatten().all(|wait| (2..=75).contains(&wait)) && of(nth(1)).all(|wait| wait.is_some())
    );
    b.add(now, nth(2), Sources::TRACKER, &mut prng);
    for _ in 0..7 {
        now += Duration::from_secs(5000);
        all(&mut b, now);
        b.failed(now, nth(2), &mut prng);
    }
    assert!(!b.entries.contains_key(&nth(2)));
}

#[test]
fn ourselves_are_never_dialled_again() {
    let (mut b, mut prng) = book();
    b.add(at(0), nth(0), Sources::TRACKER, &mut prng);
    all(&mut b, at(0));
    b.connected(at(0), nth(0));
    assert_eq!(b.handshaken(nth(0), OUR_ID), Identity::Ours);
    b.disconnected(at(0), nth(0), Use::Useless, &mut prng);
    assert_eq!(b.add(at(1), nth(0), Sources::TRACKER, &mut prng), Added::Known);
    assert_eq!((all(&mut b, at(10_000)), b.export()), (vec![], vec![]));
    assert_eq!(b.handshaken(nth(1), ITS_ID), Identity::Peer);
}

#[test]
fn an_address_is_not_dialled_while_any_connection_with_it_stands() {
    let (mut b, mut prng) = book();
    b.add(at(0), nth(0), Sources::TRACKER, &mut prng);
    all(&mut b, at(0));
    b.connected(at(1), nth(0));
    b.failed(at(2), nth(0), &mut prng);
    assert_eq!(all(&mut b, at(10_000)), [], "it connected to us while we dialled in vain");
    b.connected(at(3), nth(0));
    b.disconnected(at(4), nth(0), Use::Useless, &mut prng);
    assert_eq!((all(&mut b, at(10_000)), b.deadline()), (vec![], Instant::NEVER));
    b.disconnected(at(5), nth(0), Use::Useful, &mut prng);
    assert_eq!(all(&mut b, at(30)), [nth(0)]);
}

#[test]
fn seeds_do_not_dial_seeds() {
    let (mut b, mut prng) = book();
    b.add(at(0), nth(0), Sources::TRACKER, &mut prng);
    b.add(at(0), nth(1), Sources::TRACKER, &mut prng);
    b.set_seed(nth(1), true);
    b.set_seeding(true);
    assert_eq!(all(&mut b, at(0)), [nth(0)]);
    b.set_seeding(false);
    assert_eq!(all(&mut b, at(0)), [nth(1)]);
}

#[test]
fn one_ip_is_dialled_a_few_at_a_time_and_fills_no_book() {
    let (mut b, mut prng) = (Book::new(OUR_ID, tiny()), Prng::new(1));
    for port in 1..=4 {
        let told = b.add(at(0), SocketAddr::new(nth(0).ip(), port), Sources::PEX, &mut prng);
        assert_eq!(told, if port == 4 { Added::Full } else { Added::New });
    }
    let dialled = all(&mut b, at(0));
    assert_eq!((dialled.len(), b.deadline()), (2, Instant::NEVER));
    b.connected(at(0), dialled[0]);
    assert_eq!((b.deadline(), all(&mut b, at(0)).len()), (Instant::ZERO, 1));
    let (mut b, mut prng) = (Book::new(OUR_ID, tiny()), Prng::new(1));
    for port in 1..=4 {
        assert_eq!(b.add(at(0), addr(&format!("127.0.0.1:{port}")), Sources::LSD, &mut prng), Added::New);
    }
}

#[test]
fn a_full_book_gives_up_the_worst_and_never_for_an_equal() {
    let (mut b, mut prng) = (Book::new(OUR_ID, tiny()), Prng::new(1));
    for n in 0..3 {
        b.add(at(0), nth(n), Sources::PEX, &mut prng);
    }
    all(&mut b, at(0));
    b.failed(at(0), nth(0), &mut prng);
    b.failed(at(0), nth(1), &mut prng);
    b.add(at(0), nth(3), Sources::PEX, &mut prng);
    assert_eq!(b.add(at(0), nth(4), Sources::PEX, &mut prng), Added::New);
    assert_eq!(b.add(at(0), nth(5), Sources::PEX, &mut prng), Added::New);
    assert!([nth(0), nth(1)].iter().all(|gone| !b.entries.contains_key(gone)));
    assert_eq!(b.add(at(0), nth(6), Sources::PEX, &mut prng), Added::Full);
    for n in 7..10 {
        assert_eq!(b.add(at(0), nth(n), Sources::TRACKER, &mut prng), Added::New);
    }
    assert!(b.entries.contains_key(&nth(2)), "what is being dialled stays");
    assert_eq!(b.add(at(0), nth(10), Sources::TRACKER, &mut prng), Added::Full);
    assert_eq!(b.add(at(0), nth(11), Sources::MANUAL, &mut prng), Added::New);
    b.check_invariants();
}

#[test]
fn a_ban_removes_every_port_and_refuses_new_ones() {
    let (mut b, mut prng) = (Book::new(OUR_ID, tiny()), Prng::new(1));
    b.add(at(0), addr("9.9.9.9:1"), Sources::PEX, &mut prng);
    b.add(at(0), addr("9.9.9.9:2"), Sources::PEX, &mut prng);
    all(&mut b, at(0));
    b.ban(addr("[::ffff:9.9.9.9]:1").ip());
    b.check_invariants();
    b.connected(at(0), addr("9.9.9.9:1"));
    assert!(b.is_empty());
    assert_eq!(b.add(at(0), addr("9.9.9.9:3"), Sources::MANUAL, &mut prng), Added::Banned);
    b.ban(nth(1).ip());
    b.ban(nth(2).ip());
    assert_eq!(
        b.add(at(0), addr("9.9.9.9:3"), Sources::PEX, &mut prng),
        Added::New,
        "the oldest is forgotten"
    );
}

#[test]
fn equals_are_dialled_in_canonical_order_once_we_know_who_we_are() {
    let (mut b, mut prng) = book();
    let own = addr("123.213.32.10:6881");
    for n in 0..20 {
        b.add(at(0), nth(n * 77), Sources::TRACKER, &mut prng);
    }
    b.set_external(Some(own), None);
    let order: Vec<u32> = all(&mut b, at(0)).iter().map(|&peer| bep40::priority(own, peer)).collect();
    assert!(order.is_sorted_by(|a, b| a >= b) && order.len() == 20);
}

#[test]
fn who_has_nothing_for_us_is_asked_ever_more_rarely_until_we_want_something() {
    for sources in [Sources::TRACKER, Sources::MANUAL] {
        let (mut b, mut prng) = (Book::new(OUR_ID, BookLimits::DEFAULT), Prng::new(1));
        b.set_seeding(true);
        b.add(at(0), nth(1), sources, &mut prng);
        let mut now = at(0);
        let mut waits = Vec::new();
        for _ in 0..9 {
            assert_eq!(all(&mut b, now), [nth(1)]);
            b.connected(now, nth(1));
            b.disconnected(now, nth(1), Use::Idle, &mut prng);
            waits.push(b.deadline().since(now).as_secs());
            now = b.deadline();
        }
        assert!((60..=75).contains(&waits[0]) && waits[..6].is_sorted(), "{waits:?}");
        assert!(waits[8] >= 1900, "not forgotten either: {waits:?}");
        b.set_seeding(false);
        assert_eq!(all(&mut b, now - Duration::from_secs(60)), [nth(1)], "we want something now");
    }
}

#[test]
fn resume_data_takes_the_connected_and_the_proven_along() {
    let (mut b, mut prng) =
        (Book::new(OUR_ID, BookLimits { export: 3, ..BookLimits::DEFAULT }), Prng::new(1));
    for n in 0..5 {
        b.add(at(0), nth(n), Sources::TRACKER, &mut prng);
    }
    all(&mut b, at(0));
    b.connected(at(1), nth(1));
    b.connected(at(2), nth(2));
    b.set_seed(nth(2), true);
    b.disconnected(at(3), nth(1), Use::Useful, &mut prng);
    b.failed(at(3), nth(0), &mut prng);
    b.connected(at(4), nth(3));
    b.disconnected(at(5), nth(3), Use::Useful, &mut prng);
    let export = b.export();
    assert_eq!(export.iter().map(|known| known.addr).collect::<Vec<_>>(), [nth(2), nth(3), nth(1)]);
    assert!(export[0].seed && !export[1].seed);
}

#[test]
fn any_sequence_of_events_keeps_the_tables_in_step() {
    for seed in 0..40 {
        let mut prng = Prng::new(seed);
        let mut b = Book::new(OUR_ID, BookLimits { addresses: 12, ..tiny() });
        let mut now = at(0);
        for _ in 0..400 {
            now += Duration::from_secs(prng.below(40));
            let host = nth(prng.below(8) as u32).ip();
            let peer = SocketAddr::new(host, prng.below(5) as u16);
            match prng.below(11) {
                0..4 => {
                    let sources = Sources::from_bits(1 << prng.below(7));
                    b.add(now, peer, sources, &mut prng);
                }
                4 | 5 => {
                    let was_due = b.deadline() <= now;
                    let next = b.next(now);
                    assert!(next.is_none() || was_due, "the deadline told so");
                }
                6 => b.connected(now, peer),
                7 => b.failed(now, peer, &mut prng),
                8 => {
                    let use_of_it = if prng.chance(1, 2) { Use::Useful } else { Use::Useless };
                    b.disconnected(now, peer, use_of_it, &mut prng);
                }
                9 => match prng.below(4) {
                    0 => b.set_seed(peer, prng.chance(1, 2)),
                    1 => b.set_seeding(prng.chance(1, 2)),
                    2 => b.set_external(prng.chance(1, 2).then_some(nth(99)), None),
                    _ => {
                        b.ban(host);
                    }
                },
                _ => {
                    let id = if prng.chance(1, 5) { OUR_ID } else { ITS_ID };
                    b.handshaken(peer, id);
                }
            }
            b.check_invariants();
        }
    }
}
