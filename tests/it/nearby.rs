//! Peers on the local network (BEP 14): nobody is told of anybody, and each finds the other by multicast. The network is
//! loopback, where every program has an address of its own.

use std::path::Path;

use serde_json::json;
use tide::{Config, When};
use tide_test_clients::{Aria2, Client as _, LibTorrent, Payload, Tool, have, net};

use crate::scene::{Ours, RUNS, Scene};
use crate::work::{Seed, Work};

/// A libtorrent that looks for neighbours and does nothing else to find peers.
fn libtorrent() -> LibTorrent {
    LibTorrent::start_with(&json!({ "enable_lsd": true }))
}

/// A session of ours that looks for neighbours.
fn ours(scene: &Scene, shards: u16, folder: &Path) -> Ours {
    let config = Config { shards, local_discovery: When::Always, dht: None, ..Config::default() };
    let ours = Ours::start_with(scene, net::fresh().into(), folder, config);
    ours.release();
    ours
}

#[test]
fn from_a_libtorrent_next_door() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        let mut theirs = libtorrent();
        theirs.add(&scene.torrent, scene.payload.parent());
        theirs.wait_seeding(scene.hash());
        let ours = ours(&scene, shards, &scene.dir.folder("ours"));
        ours.wait_same(&scene);
        ours.leave();
    }
}

#[test]
fn to_a_libtorrent_next_door() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        let ours = ours(&scene, shards, scene.payload.parent());
        let mut theirs = libtorrent();
        theirs.add(&scene.torrent, &scene.theirs());
        theirs.wait_seeding(scene.hash());
        scene.theirs_is_whole();
        ours.leave();
    }
}

/// aria2 dials nobody as a seed and announces only every five minutes: it is heard, not told. (Transmission does not
/// announce on loopback.)
#[test]
fn from_an_aria2_next_door() {
    if !have(&[Tool::Aria2, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        let ours = ours(&scene, shards, &scene.dir.folder("ours"));
        let mut theirs = Aria2::start_with(&["--bt-enable-lpd=true"]);
        theirs.add(&scene.torrent, scene.payload.parent());
        ours.wait_same(&scene);
        ours.leave();
    }
}

#[test]
fn to_an_aria2_next_door() {
    if !have(&[Tool::Aria2, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let scene = Scene::new(shape, None);
        let ours = ours(&scene, shards, scene.payload.parent());
        let mut theirs = Aria2::start_with(&["--bt-enable-lpd=true"]);
        theirs.add(&scene.torrent, &scene.theirs());
        theirs.wait_seeding(scene.hash());
        scene.theirs_is_whole();
        ours.leave();
    }
}

#[test]
fn programs_next_door_find_each_other() {
    let work = Work::new(Payload::one_file);
    let seed = Seed::start(&work.seed_command().args(["--lsd", "--no-dht"]), work.hash());
    let folder = work.folder("got");
    work.get(&folder).args(["--lsd", "--no-dht", "--timeout", "60s"]).run().expect_code(0);
    work.assert_same(&folder);
    drop(seed);
}

#[test]
fn a_private_torrent_is_not_spoken_of_next_door() {
    let work = Work::with(Payload::one_file, &["--private"]);
    let seed = Seed::start(&work.seed_command().args(["--lsd", "--no-dht"]), work.hash());
    let get = work.get(&work.folder("got")).args(["--lsd", "--no-dht", "--timeout", "3s"]).run();
    assert_ne!(get.code, Some(0), "nobody was to be found: {}", get.stderr);
    drop(seed);
}
