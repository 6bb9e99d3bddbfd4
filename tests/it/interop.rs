//! tide and the clients of others: each downloads from the other, and nobody else has anything.
//!
//! Both sides are asked whom they see: tide by its peer id or name through the other's interface, the other by its name
//! through [`tide::Torrent::peers`].

use tide_test_clients::{Aria2, Client, LibTorrent, Tool, Transmission, compare, have};

use crate::scene::{OUR_ID, Ours, RUNS, Scene, Shape};

/// How a client is known.
struct Known {
    /// To tide, by its word in the extension handshake.
    client: &'static str,
    /// To tide, by its peer id.
    id: &'static [u8],
}

const LIBTORRENT: Known = Known { client: "libtorrent/2", id: b"-LT2" };
const TRANSMISSION: Known = Known { client: "Transmission", id: b"-TR" };
const ARIA2: Known = Known { client: "aria2/", id: b"A2-" };

/// Who makes the connection.
enum Caller<C> {
    Tide,
    Other(fn(&mut C, &Scene, &Ours)),
}

const LIBTORRENT_CALLS: Caller<LibTorrent> =
    Caller::Other(|theirs, scene, ours| theirs.connect(scene.hash(), ours.addr));

/// Connects the two, looks at each through the other's eyes while the transfer is held, and lets it go.
fn meet<C: Client>(scene: &Scene, ours: &Ours, theirs: &mut C, caller: &Caller<C>, known: &Known) {
    match caller {
        Caller::Tide => ours.call(theirs),
        Caller::Other(call) => call(theirs, scene, ours),
    }
    let us = theirs.wait_peer(scene.hash(), &|peer| peer.address.ip() == ours.addr.ip());
    // Transmission's interface shows a name that it makes of the peer id, and the others' the id itself.
    let shown = if us.peer_id.is_empty() { us.client.as_bytes() } else { &us.peer_id };
    assert!(shown.starts_with(OUR_ID), "{us:?}");
    let them = ours.wait_peer((*theirs.address().ip()).into(), known.client);
    assert!(them.peer_id.0.starts_with(known.id), "{them:?}");
    assert_eq!(them.outgoing, matches!(caller, Caller::Tide), "{them:?}");
    ours.release();
}

/// tide downloads from a client.
fn from<C: Client>(scene: &Scene, shards: u16, mut theirs: C, caller: &Caller<C>, known: &Known) {
    theirs.add(&scene.torrent, scene.payload.parent());
    theirs.wait_seeding(scene.hash());
    let ours = scene.leech(shards);
    meet(scene, &ours, &mut theirs, caller, known);
    ours.wait_same(scene);
    ours.leave();
}

/// A client downloads from tide.
fn to<C: Client>(scene: &Scene, shards: u16, mut theirs: C, caller: &Caller<C>, known: &Known) {
    let ours = scene.seed(shards);
    theirs.add(&scene.torrent, &scene.theirs());
    meet(scene, &ours, &mut theirs, caller, known);
    theirs.wait_seeding(scene.hash());
    assert!(ours.torrent.stats().expect("the torrent is there").uploaded >= scene.payload.size());
    ours.leave();
}

#[test]
fn from_libtorrent_that_we_call() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        from(&scene, shards, LibTorrent::start(), &Caller::Tide, &LIBTORRENT);
    }
}

#[test]
fn from_libtorrent_that_calls_us() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        from(&scene, shards, LibTorrent::start(), &LIBTORRENT_CALLS, &LIBTORRENT);
    }
}

#[test]
fn to_libtorrent_that_we_call() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        to(&scene, shards, LibTorrent::start(), &Caller::Tide, &LIBTORRENT);
        scene.theirs_is_whole();
    }
}

#[test]
fn to_libtorrent_that_calls_us() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        to(&scene, shards, LibTorrent::start(), &LIBTORRENT_CALLS, &LIBTORRENT);
        scene.theirs_is_whole();
    }
}

// Transmission serves nobody before its next round of unchokes, which come every ten seconds, and as a leech it starts
// slowly: all runs wait at the same time.

#[test]
fn from_transmission() {
    if !have(&[Tool::Transmission, Tool::Mktorrent]) {
        return;
    }
    at_once(|shape, shards| {
        let scene = Scene::new(shape, None);
        from(&scene, shards, Transmission::start(), &Caller::Tide, &TRANSMISSION);
    });
}

#[test]
fn to_transmission() {
    if !have(&[Tool::Transmission, Tool::Mktorrent]) {
        return;
    }
    at_once(|shape, shards| {
        let scene = Scene::new(shape, None);
        to(&scene, shards, Transmission::start(), &Caller::Tide, &TRANSMISSION);
        let theirs = scene.theirs().join(scene.payload.name());
        compare::same_but_for_empty_files(scene.payload.root(), &theirs);
    });
}

/// Makes all runs at the same time.
fn at_once(transfer: impl Fn(Shape, u16) + Sync) {
    std::thread::scope(|scope| {
        for (shape, shards) in RUNS {
            let transfer = &transfer;
            scope.spawn(move || transfer(shape, shards));
        }
    });
}

#[test]
fn from_aria2() {
    if !have(&[Tool::Aria2, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        from(&scene, shards, Aria2::start(), &Caller::Tide, &ARIA2);
    }
}

#[test]
fn to_aria2() {
    if !have(&[Tool::Aria2, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        to(&scene, shards, Aria2::start(), &Caller::Tide, &ARIA2);
        scene.theirs_is_whole();
    }
}
