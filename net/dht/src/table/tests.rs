//! The table's rules, one by one.

use super::*;
use alloc::collections::BTreeSet;
use alloc::string::ToString;
use tide_base::Duration;

const NOW: Instant = Instant::from_secs(1000);

fn table(own: NodeId) -> Table {
    Table::new(own, Locals::Exempt, Limits::default(), NOW)
}

/// The `n`th of many hosts, each in a /24 of its own.
fn host(n: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from_bits(0x0a00_0000 + 0x2000_0000 + n * 256 + 7), 6881))
}

fn filled(prng: &mut Prng, count: u32) -> (Table, Vec<Contact>) {
    let mut table = table(NodeId::random(prng));
    let all: Vec<Contact> = (0..count).map(|n| Contact { id: NodeId::random(prng), addr: host(n) }).collect();
    all.iter().for_each(|contact| table.answered(NOW, *contact));
    (table, all)
}

#[test]
fn it_knows_its_neighbourhood_best_and_stays_small() {
    let mut prng = Prng::new(1);
    let (table, all) = filled(&mut prng, 20_000);
    let stats = table.stats();
    assert!((150..400).contains(&stats.nodes), "{stats:?}");
    assert!(stats.waiting <= stats.buckets * 8);
    let mut near = all.clone();
    near.sort_by_key(|contact| contact.id.distance(&table.own));
    let closest = table.closest(&table.own, K);
    // The last bucket does not forget whom it once had; so of the very closest nearly all are known.
    assert!(closest.iter().filter(|contact| near[..K].contains(contact)).count() >= K - 2);
    assert!(table.memory() < 128 << 10, "{}", table.memory());
}

#[test]
fn the_closest_are_the_closest_of_all_that_are_known() {
    let mut prng = Prng::new(2);
    let (table, _) = filled(&mut prng, 3000);
    for _ in 0..50 {
        let target = NodeId::random(&mut prng);
        let mut known: Vec<Contact> = table.good().collect();
        known.sort_by_key(|contact| contact.id.distance(&target));
        assert_eq!(table.closest(&target, 13), known[..13]);
    }
}

#[test]
fn who_calls_itself_close_is_not_all_that_is_told_of() {
    let mut prng = Prng::new(4);
    let mut table = table(NodeId::random(&mut prng));
    let target = NodeId::random(&mut prng);
    let close: Vec<Contact> =
        (0..20).map(|n| Contact { id: target.random_beside(60, &mut prng), addr: host(n) }).collect();
    let mut secure: Vec<Contact> =
        (100..120).map(|n| Contact { id: secure::id_for(host(n).ip(), &mut prng), addr: host(n) }).collect();
    close.iter().chain(&secure).for_each(|contact| table.answered(NOW, *contact));
    secure.retain(|contact| table.good().any(|known| known == *contact));
    secure.sort_by_key(|contact| contact.id.distance(&target));
    let told = table.closest(&target, K);
    assert_eq!(told.len(), K);
    assert!(told[..K / 2].iter().all(|contact| close.contains(contact)), "these are closer");
    assert_eq!(told[K / 2..], secure[..K / 2]);
}

#[test]
fn a_host_has_one_place_and_a_neighbourhood_few() {
    let mut prng = Prng::new(3);
    let mut table = table(NodeId::random(&mut prng));
    for last in 0..200u8 {
        for port in [1, 2, 3] {
            let addr = SocketAddr::from(([60, 1, 2, last], port));
            table.answered(NOW, Contact { id: NodeId::random(&mut prng), addr });
        }
    }
    // One bucket so far, and it takes one of a /24.
    assert_eq!(table.len(), 1);
    for n in 0..2000 {
        table.answered(NOW, Contact { id: NodeId::random(&mut prng), addr: host(n) });
    }
    for last in 0..200u8 {
        for _ in 0..20 {
            let addr = SocketAddr::from(([61, 1, 2, last], 1));
            table.answered(NOW, Contact { id: NodeId::random(&mut prng), addr });
        }
    }
    let of_61 = table.good().filter(|contact| contact.addr.to_string().starts_with("61.")).count();
    assert!(of_61 <= Limits::default().per_subnet, "{of_61}");
    let hosts: BTreeSet<IpAddr> = table.good().map(|contact| contact.addr.ip()).collect();
    assert_eq!(hosts.len(), table.len());
}

#[test]
fn local_hosts_may_be_many() {
    let mut prng = Prng::new(4);
    let mut table = table(NodeId::random(&mut prng));
    for port in 1..=50 {
        let contact =
            Contact { id: NodeId::random(&mut prng), addr: SocketAddr::from(([127, 0, 0, 1], port)) };
        table.answered(NOW, contact);
    }
    assert_eq!(table.len(), 50);
}

#[test]
fn who_falls_silent_gives_way_and_who_changes_its_id_loses_its_place() {
    let mut prng = Prng::new(5);
    let (mut table, all) = filled(&mut prng, 5000);
    let known: Vec<Contact> = table.good().collect();
    let gone = *known.iter().find(|c| table.own.shared_bits(&c.id) == 0).expect("half of all");
    assert_eq!(table.failed(gone.addr, true), None);
    let heir = table.failed(gone.addr, true).expect("many wait");
    assert!(all.contains(&heir));
    assert!(!table.good().any(|contact| contact == gone));
    table.answered(NOW, heir);
    assert!(table.good().any(|contact| contact == heir) && table.len() == known.len());
    let other = Contact { id: heir.id.random_beside(100, &mut prng), ..heir };
    table.answered(NOW, other);
    assert!(!table.good().any(|contact| contact == heir));
    // Nobody takes the id of a node that is well.
    let thief = Contact { addr: host(9_999_999), ..known[0] };
    table.answered(NOW, thief);
    assert!(!table.good().any(|contact| contact == thief));
}

#[test]
fn an_outage_does_not_empty_it_at_once() {
    let mut prng = Prng::new(6);
    let (mut table, _) = filled(&mut prng, 500);
    let known: Vec<Contact> = table.good().collect();
    for _ in 0..Limits::default().fails_drop - 1 {
        for contact in &known {
            table.failed(contact.addr, true);
        }
    }
    assert_eq!((table.len(), table.stats().good), (known.len(), 0));
    for contact in &known {
        table.failed(contact.addr, false);
    }
    assert_eq!((table.len(), table.bad().count()), (known.len(), known.len()));
    for contact in &known {
        table.failed(contact.addr, true);
    }
    assert_eq!(table.len(), 0);
}

#[test]
fn ids_that_follow_from_the_address_are_preferred() {
    let mut prng = Prng::new(7);
    let (mut table, _) = filled(&mut prng, 5000);
    let before = table.good().filter(|c| secure::conforms(&c.id, c.addr.ip())).count();
    for n in 0..2000 {
        let addr = host(10_000 + n);
        table.answered(NOW, Contact { id: secure::id_for(addr.ip(), &mut prng), addr });
    }
    let after = table.good().filter(|c| secure::conforms(&c.id, c.addr.ip())).count();
    assert!(before < 5 && after > table.len() * 9 / 10, "{before} {after} of {}", table.len());
}

#[test]
fn who_only_asks_is_pinged_before_it_is_let_in() {
    let mut prng = Prng::new(8);
    let mut table = table(NodeId::random(&mut prng));
    let contact = Contact { id: NodeId::random(&mut prng), addr: host(1) };
    assert!(table.heard(NOW, contact));
    assert_eq!(table.len(), 0);
    table.answered(NOW, contact);
    assert!(!table.heard(NOW + Duration::from_secs(1), contact));
    assert!(!table.heard(NOW, Contact { id: table.own(), addr: host(2) }), "that is us");
}

#[test]
fn the_silent_are_asked_and_the_quiet_places_looked_up() {
    let mut prng = Prng::new(9);
    let (mut table, _) = filled(&mut prng, 1000);
    assert!(table.stale(NOW, 1000).is_empty() && table.refresh(NOW, &mut prng).is_none());
    let later = NOW + Duration::from_secs(901);
    let stale = table.stale(later, 1000);
    assert_eq!(stale.len(), table.len());
    assert!(table.stale(later, 1000).is_empty(), "they were just asked");
    let buckets = table.stats().buckets;
    let depths: BTreeSet<usize> = (0..buckets)
        .map(|_| {
            let target = table.refresh(later, &mut prng).expect("all are quiet");
            table.own().shared_bits(&target).min(buckets - 1)
        })
        .collect();
    assert_eq!(depths.len(), buckets);
    assert!(table.refresh(later, &mut prng).is_none());
}

#[test]
fn a_new_id_keeps_the_nodes() {
    let mut prng = Prng::new(10);
    let (mut table, _) = filled(&mut prng, 60);
    table.move_to(NOW, NodeId::random(&mut prng));
    assert_eq!(table.len(), 60);
}
