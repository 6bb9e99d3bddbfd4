//! The drivers proved among the clients themselves: each one seeds, each one downloads, both ways of the tracker.

use tide_test_clients::{
    Aria2, Client, LibTorrent, Mktorrent, OpenTracker, Payload, TempDir, Tool, Transmission, compare, have,
};

/// Bytes a second at which a payload takes ten seconds: time enough to look, and no long recovery from slowness.
const HELD: Option<u32> = Some(400_000);

#[test]
fn libtorrent_to_transmission() {
    if !have(&[Tool::LibTorrent, Tool::Transmission, Tool::Mktorrent]) {
        return;
    }
    let dir = TempDir::new("lt-tr");
    let payload = Payload::many_files(&dir.folder("seed"), 1);
    let torrent = Mktorrent::new().create(&payload, &dir.join("t.torrent"));
    assert!(torrent.pieces > 100);
    let (mut seed, mut leech) = (LibTorrent::start(), Transmission::start());
    let hash = &torrent.info_hash;
    seed.add(&torrent, payload.parent());
    seed.wait_seeding(hash);
    leech.add(&torrent, &dir.folder("leech"));
    seed.limit(hash, HELD);
    seed.connect(hash, leech.address());
    let seen = leech.wait_peer(hash, &|peer| peer.address.ip() == *seed.address().ip());
    assert!(seen.client.contains("libtorrent"), "{seen:?}");
    seed.limit(hash, None);
    leech.wait_seeding(hash);
    assert!(seed.moved(hash).0 >= payload.size());
    compare::same_but_for_empty_files(payload.root(), &dir.join("leech").join(payload.name()));
}

#[test]
fn transmission_to_aria2_by_udp_tracker() {
    if !have(&[Tool::Transmission, Tool::Aria2, Tool::OpenTracker, Tool::Mktorrent]) {
        return;
    }
    let dir = TempDir::new("tr-aria2");
    let payload = Payload::many_files(&dir.folder("seed"), 2);
    let mut tracker = OpenTracker::start();
    let torrent = Mktorrent::new().tracker(&tracker.udp_url()).create(&payload, &dir.join("t.torrent"));
    let hash = &torrent.info_hash;
    tracker.allow(hash);
    let (mut seed, mut leech) = (Transmission::start(), Aria2::start());
    seed.add(&torrent, payload.parent());
    seed.wait_seeding(hash);
    tracker.wait_scrape(hash, |counts| counts.complete == 1);
    seed.limit(hash, HELD);
    leech.add(&torrent, &dir.folder("leech"));
    let seen = leech.wait_peer(hash, &|peer| peer.address.ip() == *seed.address().ip());
    assert!(seen.peer_id.starts_with(b"-TR3000-"), "{seen:?}");
    seed.limit(hash, None);
    leech.wait_seeding(hash);
    compare::same(payload.root(), &dir.join("leech").join(payload.name()));
}

#[test]
fn aria2_to_libtorrent_by_http_tracker() {
    aria2_to_libtorrent(3, OpenTracker::http_url);
}

#[test]
fn aria2_to_libtorrent_by_udp_tracker() {
    aria2_to_libtorrent(4, OpenTracker::udp_url);
}

fn aria2_to_libtorrent(number: u64, url: fn(&OpenTracker) -> String) {
    if !have(&[Tool::LibTorrent, Tool::Aria2, Tool::OpenTracker, Tool::Mktorrent]) {
        return;
    }
    let dir = TempDir::new("aria2-lt");
    let payload = Payload::many_files(&dir.folder("seed"), number);
    let mut tracker = OpenTracker::start();
    let torrent = Mktorrent::new().tracker(&url(&tracker)).create(&payload, &dir.join("t.torrent"));
    let hash = &torrent.info_hash;
    tracker.allow(hash);
    let (mut seed, mut leech) = (Aria2::start(), LibTorrent::start());
    seed.add(&torrent, payload.parent());
    seed.wait_seeding(hash);
    tracker.wait_scrape(hash, |counts| counts.complete == 1);
    seed.limit(hash, HELD);
    leech.add(&torrent, &dir.folder("leech"));
    let seen = seed.wait_peer(hash, &|peer| peer.address.ip() == *leech.address().ip());
    assert!(seen.peer_id.starts_with(b"-LT2"), "{seen:?}");
    seed.limit(hash, None);
    leech.wait_seeding(hash);
    assert_eq!(leech.pieces(hash), torrent.pieces as u64);
    tracker.wait_scrape(hash, |counts| counts.complete == 2 && counts.downloaded == 1);
    compare::same(payload.root(), &dir.join("leech").join(payload.name()));
}
