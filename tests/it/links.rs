//! Magnet links and peer exchange, with the clients of others: metadata goes both ways, and peers tell of peers.

use tide::{RateLimits, State};
use tide_test_clients::{Client, LibTorrent, Payload, Tool, Transmission, compare, have, wait};

use crate::scene::{Ours, RUNS, Scene};

/// A rate at which the content takes minutes: whoever has all of it did not get it at this one.
const SLOW: Option<u64> = Some(16_000);

/// tide has a link and calls a client that has everything.
fn from<C: Client>(scene: &Scene, shards: u16, mut theirs: C) {
    theirs.add(&scene.torrent, scene.payload.parent());
    theirs.wait_seeding(scene.hash());
    let ours = Ours::by_link(scene, shards);
    ours.release();
    ours.call(&theirs);
    ours.wait_same(scene);
    let file = ours.torrent.metainfo().expect("the torrent is there").expect("its metadata has come");
    let told = tide::metainfo::Torrent::parse(&file, &tide::metainfo::Limits::default());
    assert_eq!(told.expect("a .torrent file").info.raw()[..], scene.torrent.info());
    ours.leave();
}

#[test]
fn metadata_comes_from_libtorrent() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        from(&Scene::new(shape, None), shards, LibTorrent::start());
    }
}

#[test]
fn metadata_comes_from_transmission() {
    if !have(&[Tool::Transmission, Tool::Mktorrent]) {
        return;
    }
    from(&Scene::new(Payload::many_files, None), 2, Transmission::start());
}

#[test]
fn metadata_comes_from_aria2() {
    if !have(&[Tool::Aria2, Tool::Mktorrent]) {
        return;
    }
    from(&Scene::new(Payload::many_files, None), 2, tide_test_clients::Aria2::start());
}

#[test]
fn libtorrent_with_a_link_gets_all_from_us() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        let ours = scene.seed(shards);
        ours.release();
        let mut theirs = LibTorrent::start();
        theirs.add_link(&scene.link(), &scene.theirs());
        theirs.connect(scene.hash(), ours.addr);
        theirs.wait_seeding(scene.hash());
        scene.theirs_is_whole();
        ours.leave();
    }
}

#[test]
fn transmission_with_a_link_gets_all_from_us() {
    if !have(&[Tool::Transmission, Tool::Mktorrent]) {
        return;
    }
    let scene = Scene::new(Payload::many_files, None);
    let ours = scene.seed(2);
    ours.release();
    let mut theirs = Transmission::start();
    theirs.add_link(&scene.link(), &scene.theirs());
    ours.call(&theirs);
    theirs.wait_seeding(scene.hash());
    let there = scene.theirs().join(scene.payload.name());
    compare::same_but_for_empty_files(scene.payload.root(), &there);
    ours.leave();
}

/// Whoever dialled us and is behind a NAT cannot be dialled: the connection stays when the metadata has come.
#[test]
fn libtorrent_that_calls_us_while_we_seek_is_not_let_go() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    let scene = Scene::new(Payload::one_file, None);
    let mut theirs = LibTorrent::start();
    theirs.add(&scene.torrent, scene.payload.parent());
    theirs.wait_seeding(scene.hash());
    let ours = Ours::by_link(&scene, 2);
    wait::until("it seeks", || {
        (ours.torrent.stats().expect("the torrent is there").state == State::Metadata).then_some(())
    });
    theirs.connect(scene.hash(), ours.addr);
    let met = ours.wait_peer((*theirs.address().ip()).into(), "libtorrent");
    ours.release();
    ours.wait_same(&scene);
    assert!(!met.outgoing);
    ours.leave();
}

/// A knows B, C knows B: A learns of C from us.
#[test]
fn two_who_know_us_meet() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    let scene = Scene::new(Payload::one_file, None);
    let hub = scene.leech(2);
    hub.torrent.set_limits(RateLimits { up: SLOW, down: None }).expect("the torrent is there");
    let mut far = LibTorrent::start();
    far.add(&scene.torrent, scene.payload.parent());
    far.wait_seeding(scene.hash());
    far.limit(scene.hash(), SLOW.and_then(|slow| slow.try_into().ok()));
    far.connect(scene.hash(), hub.addr);
    hub.wait_peer((*far.address().ip()).into(), "libtorrent");
    let mut near = LibTorrent::start();
    near.add_link(&scene.link(), &scene.theirs());
    near.connect(scene.hash(), hub.addr);
    near.wait_peer(scene.hash(), &|peer| peer.address.ip() == *far.address().ip());
    far.limit(scene.hash(), None);
    near.wait_seeding(scene.hash());
    hub.leave();
}

/// The same when libtorrent is in the middle, and we are on both sides of it.
#[test]
fn libtorrent_tells_us_of_each_other() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    let scene = Scene::new(Payload::one_file, None);
    let mut hub = LibTorrent::start();
    hub.add(&scene.torrent, &scene.theirs());
    hub.limit(scene.hash(), SLOW.and_then(|slow| slow.try_into().ok()));
    let far = scene.seed(2);
    far.release();
    far.call(&hub);
    far.wait_peer((*hub.address().ip()).into(), "libtorrent");
    let near = Ours::by_link(&scene, 1);
    near.release();
    near.call(&hub);
    near.wait_peer(far.addr.ip(), "tide");
    near.wait_same(&scene);
    near.leave();
    far.leave();
}
