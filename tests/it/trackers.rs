//! Announces to a real tracker, and other clients at tide's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use tide::tracker::{ServerLimits, Tracker, TrackerConfig};
use tide_test_clients::{Aria2, Client, LibTorrent, OpenTracker, Payload, Tool, have, wait};

use crate::scene::{OUR_ID, Ours, Scene};

/// The ways to ask a tracker.
#[derive(Clone, Copy)]
enum By {
    Http,
    Udp,
}

/// Ways to ask, and with how many shards of ours.
const RUNS: [(By, u16); 3] = [(By::Http, 1), (By::Udp, 2), (By::Http, 5)];

/// opentracker with a scene that names it.
fn open_scene(by: By) -> (OpenTracker, Scene) {
    let mut tracker = OpenTracker::start();
    let url = match by {
        By::Http => tracker.http_url(),
        By::Udp => tracker.udp_url(),
    };
    let scene = Scene::new(Payload::many_files, Some(&url));
    tracker.allow(scene.hash());
    (tracker, scene)
}

/// tide's tracker on `ip` with a scene that names it.
fn own_scene(ip: impl Into<IpAddr>, by: By) -> (Tracker, Scene) {
    let here = vec![SocketAddr::new(ip.into(), 0)];
    let config = TrackerConfig { http: here.clone(), udp: here, limits: ServerLimits::default() };
    let tracker = Tracker::start(config).expect("any port will do");
    let url = match by {
        By::Http => format!("http://{}/announce", tracker.http()[0]),
        By::Udp => format!("udp://{}/announce", tracker.udp()[0]),
    };
    let scene = Scene::new(Payload::many_files, Some(&url));
    (tracker, scene)
}

/// Waits until a client sees our session, and lets the transfer go.
fn seen_by(theirs: &mut impl Client, scene: &Scene, ours: &Ours) {
    let us = theirs.wait_peer(scene.hash(), &|peer| peer.address.ip() == ours.addr.ip());
    assert!(us.peer_id.starts_with(OUR_ID), "{us:?}");
    ours.release();
}

/// tide downloads from a client that it knows from the tracker alone.
fn from(scene: &Scene, shards: u16, mut theirs: impl Client, announced: impl FnOnce()) {
    theirs.add(&scene.torrent, scene.payload.parent());
    theirs.wait_seeding(scene.hash());
    announced();
    let ours = scene.leech(shards);
    seen_by(&mut theirs, scene, &ours);
    ours.wait_same(scene);
    ours.leave();
}

/// A client that knows tide from the tracker alone calls it and downloads.
fn to(scene: &Scene, shards: u16, mut theirs: impl Client) {
    let ours = scene.seed(shards);
    ours.wait_tracker();
    theirs.add(&scene.torrent, &scene.theirs());
    seen_by(&mut theirs, scene, &ours);
    let peers = ours.torrent.peers().expect("the torrent is there");
    assert!(peers.iter().all(|peer| !peer.outgoing), "{peers:?}");
    theirs.wait_seeding(scene.hash());
    scene.theirs_is_whole();
    ours.leave();
}

/// Two sessions meet at opentracker, which sees them come, complete and go, and says so to both sides' scrapes.
fn sessions_meet(by: By) {
    if !have(&[Tool::OpenTracker, Tool::Mktorrent]) {
        return;
    }
    for shards in [1, 2, 5] {
        let (tracker, scene) = open_scene(by);
        let hash = scene.hash();
        let seed = scene.seed(shards);
        tracker.wait_scrape(hash, |now| (now.complete, now.incomplete, now.downloaded) == (1, 0, 0));
        let leech = scene.leech(shards);
        tracker.wait_scrape(hash, |now| (now.complete, now.incomplete, now.downloaded) == (1, 1, 0));
        seed.wait_peer(leech.addr.ip(), "tide");
        seed.release();
        leech.release();
        leech.wait_same(&scene);
        tracker.wait_scrape(hash, |now| (now.complete, now.incomplete, now.downloaded) == (2, 0, 1));
        wait::until("tide's own scrape counts the same", || {
            seed.torrent.scrape().expect("the torrent is there");
            let seen = &seed.torrent.trackers().expect("the torrent is there")[0];
            ((seen.seeds, seen.leechers, seen.downloads) == (Some(2), Some(0), Some(1))).then_some(())
        });
        leech.leave();
        tracker.wait_scrape(hash, |now| (now.complete, now.incomplete, now.downloaded) == (1, 0, 1));
        seed.leave();
        // opentracker keeps a torrent that has nobody, with its count of downloads, or forgets it.
        wait::until("nobody is left", || {
            tracker.scrape(hash).is_none_or(|now| (now.complete, now.incomplete) == (0, 0)).then_some(())
        });
    }
}

#[test]
fn sessions_meet_at_opentracker_by_http() {
    sessions_meet(By::Http);
}

#[test]
fn sessions_meet_at_opentracker_by_udp() {
    sessions_meet(By::Udp);
}

#[test]
fn libtorrent_and_we_meet_at_opentracker() {
    if !have(&[Tool::OpenTracker, Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (by, shards) in RUNS {
        let (tracker, scene) = open_scene(by);
        from(&scene, shards, LibTorrent::start(), || {
            tracker.wait_scrape(scene.hash(), |now| now.complete == 1);
        });
        let (tracker, scene) = open_scene(by);
        to(&scene, shards, LibTorrent::start());
        tracker.wait_scrape(scene.hash(), |now| now.downloaded == 1);
    }
}

#[test]
fn libtorrent_and_we_meet_at_our_tracker() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (by, shards) in RUNS {
        let (_tracker, scene) = own_scene(Ipv4Addr::LOCALHOST, by);
        from(&scene, shards, LibTorrent::start(), || ());
        let (_tracker, scene) = own_scene(Ipv4Addr::LOCALHOST, by);
        to(&scene, shards, LibTorrent::start());
    }
}

#[test]
fn aria2_and_we_meet_at_our_tracker() {
    if !have(&[Tool::Aria2, Tool::Mktorrent]) {
        return;
    }
    for (by, shards) in RUNS {
        let (_tracker, scene) = own_scene(Ipv4Addr::LOCALHOST, by);
        from(&scene, shards, Aria2::start(), || ());
        let (_tracker, scene) = own_scene(Ipv4Addr::LOCALHOST, by);
        to(&scene, shards, Aria2::start());
    }
}

#[test]
fn sessions_meet_over_ipv6() {
    if !have(&[Tool::Mktorrent]) {
        return;
    }
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        eprintln!("SKIPPED sessions_meet_over_ipv6: no ::1 ({error})");
        return;
    }
    let any = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    for (by, shards) in RUNS {
        let (_tracker, scene) = own_scene(Ipv6Addr::LOCALHOST, by);
        let seed = Ours::start(&scene, shards, any, scene.payload.parent());
        seed.torrent.wait_complete(Some(wait::GENEROUS)).expect("the seed has everything");
        seed.wait_tracker();
        let leech = scene.leech_at(shards, any);
        let peer = seed.wait_peer(leech.addr.ip(), "tide");
        assert!(!peer.outgoing, "{peer:?}");
        seed.release();
        leech.release();
        leech.wait_same(&scene);
        leech.leave();
        seed.leave();
    }
}
