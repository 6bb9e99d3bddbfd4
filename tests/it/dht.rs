//! The DHT alone brings tide and others together: no tracker, nobody named, nobody called by hand.
//!
//! Each network is made by its test: a session of tide without torrents that all others are told of, and they.

use std::net::SocketAddr;

use tide::dht::{Item, NodeId, Swarm, Wanted};
use tide::metainfo::HostPort;
use tide::{Config, DhtConfig, Listen, Session};
use tide_base::id::hex;
use tide_test_clients::{Client, LibTorrent, Tool, compare, have, net, wait};

use crate::scene::{LEAVE, OUR_ID, Ours, RUNS, Scene};

/// A session of tide that is a node of the DHT and nothing else.
pub(crate) struct Hub {
    session: Session,
    pub(crate) addr: SocketAddr,
}

impl Hub {
    pub(crate) fn start() -> Hub {
        let _ = env_logger::builder().is_test(true).try_init();
        let listen = Listen::At(vec![net::fresh().into()]);
        let session = Session::start(Config { listen, shards: 1, hashers: 1, ..Config::default() });
        let session = session.expect("a fresh address is free");
        let addr = session.listening().udp_v4.expect("it has a socket");
        Hub { session, addr }
    }

    /// How to find into its network.
    fn way_in(&self) -> DhtConfig {
        let hub = HostPort { host: self.addr.ip().to_string(), port: self.addr.port() };
        DhtConfig { routers: Some(vec![hub]), ..DhtConfig::default() }
    }

    /// Waits until somebody has announced a torrent to it.
    pub(crate) fn wait_announced(&self) {
        let stats = || self.session.dht().stats().expect("it runs");
        wait::try_until(wait::GENEROUS, || (stats().node.peers > 0).then_some(()))
            .unwrap_or_else(|| panic!("nobody announces anything: {:#?}", stats()));
    }

    /// Waits until it knows so many nodes.
    pub(crate) fn wait_nodes(&self, count: u32) {
        let stats = || self.session.dht().stats().expect("it runs");
        wait::try_until(wait::GENEROUS, || (stats().nodes >= count).then_some(()))
            .unwrap_or_else(|| panic!("{count} nodes are to come: {:#?}", stats()));
    }

    /// A libtorrent in its network that has everything and has said so.
    fn their_seed(&self, scene: &Scene) -> LibTorrent {
        let mut theirs = LibTorrent::start_with_dht(self.addr);
        theirs.add(&scene.torrent, scene.payload.parent());
        theirs.wait_seeding(scene.hash());
        self.wait_nodes(1);
        theirs.announce_to_dht(scene.hash());
        self.wait_announced();
        theirs
    }

    /// A session of ours in its network that has everything and has said so.
    fn our_seed(&self, scene: &Scene, shards: u16) -> Ours {
        let config = by_dht(shards, self.way_in());
        let ours = Ours::start_with(scene, net::fresh().into(), scene.payload.parent(), config);
        ours.torrent.wait_complete(Some(wait::GENEROUS)).expect("the seed has everything");
        self.wait_announced();
        ours
    }
}

/// A session in the DHT, and nothing else out of the ordinary.
fn by_dht(shards: u16, dht: DhtConfig) -> Config {
    Config { shards, dht: Some(dht), ..Config::default() }
}

#[test]
fn from_libtorrent_by_the_dht() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let (scene, hub) = (Scene::new(shape, None), Hub::start());
        let theirs = hub.their_seed(&scene);
        let ours = Ours::start_with(
            &scene,
            net::fresh().into(),
            &scene.dir.folder("ours"),
            by_dht(shards, hub.way_in()),
        );
        let them = ours.wait_peer((*theirs.address().ip()).into(), "libtorrent/2");
        assert!(them.peer_id.0.starts_with(b"-LT2"), "{them:?}");
        ours.release();
        ours.wait_same(&scene);
        ours.leave();
        assert!(hub.session.shutdown(LEAVE));
    }
}

#[test]
fn to_libtorrent_by_the_dht() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let (scene, hub) = (Scene::new(shape, None), Hub::start());
        let ours = hub.our_seed(&scene, shards);
        let mut theirs = LibTorrent::start_with_dht(hub.addr);
        hub.wait_nodes(2);
        theirs.add(&scene.torrent, &scene.theirs());
        theirs.announce_to_dht(scene.hash());
        let us = theirs.wait_peer(scene.hash(), &|peer| peer.address.ip() == ours.addr.ip());
        assert!(us.peer_id.starts_with(OUR_ID), "{us:?}");
        ours.release();
        theirs.wait_seeding(scene.hash());
        scene.theirs_is_whole();
        ours.leave();
        assert!(hub.session.shutdown(LEAVE));
    }
}

#[test]
fn a_link_is_enough_for_us_where_libtorrent_has_everything() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let (scene, hub) = (Scene::new(shape, None), Hub::start());
        let _theirs = hub.their_seed(&scene);
        let ours = Ours::by_link_with(&scene, shards, hub.way_in());
        ours.release();
        ours.wait_same(&scene);
        ours.leave();
        assert!(hub.session.shutdown(LEAVE));
    }
}

#[test]
fn a_link_is_enough_for_libtorrent_where_we_have_everything() {
    if !have(&[Tool::LibTorrent, Tool::Mktorrent]) {
        return;
    }
    for (shape, shards) in RUNS {
        let (scene, hub) = (Scene::new(shape, None), Hub::start());
        let ours = hub.our_seed(&scene, shards);
        ours.release();
        let mut theirs = LibTorrent::start_with_dht(hub.addr);
        hub.wait_nodes(2);
        theirs.add_link(&scene.link(), &scene.theirs());
        theirs.announce_to_dht(scene.hash());
        theirs.wait_seeding(scene.hash());
        scene.theirs_is_whole();
        ours.leave();
        assert!(hub.session.shutdown(LEAVE));
    }
}

#[test]
fn items_that_libtorrent_stores_and_finds() {
    if !have(&[Tool::LibTorrent]) {
        return;
    }
    let hub = Hub::start();
    let mut theirs = [LibTorrent::start_with_dht(hub.addr), LibTorrent::start_with_dht(hub.addr)];
    hub.wait_nodes(2);
    let dht = hub.session.dht();

    let ours = Item::immutable(b"9:from tide").expect("a value");
    let stored = dht.put(ours.clone(), None).expect("libtorrent answers");
    assert_eq!((stored.nodes, stored.refused), (2, None));
    let target = hex(&ours.target().0);
    for client in &mut theirs {
        assert_eq!(client.dht_get(&target).as_deref(), Some("from tide"));
    }

    let wanted = Item::immutable(b"15:from libtorrent").expect("a value");
    let (target, nodes) = theirs[0].dht_put("from libtorrent");
    assert_eq!(target, hex(&wanted.target().0));
    assert!(nodes >= 1, "somebody took it");
    let got = dht.get(Wanted::Immutable(wanted.target())).expect("libtorrent answers");
    assert_eq!(got, Some(wanted));
    assert!(hub.session.shutdown(LEAVE));
}

#[test]
fn libtorrent_counts_peers_and_names_torrents() {
    if !have(&[Tool::LibTorrent]) {
        return;
    }
    let hub = Hub::start();
    let theirs = [LibTorrent::start_with_dht(hub.addr), LibTorrent::start_with_dht(hub.addr)];
    hub.wait_nodes(2);
    let dht = hub.session.dht();
    let hash = tide::InfoHash(*b"a torrent of 20 byte");
    assert_eq!(dht.announce(hash, Some(7)).expect("libtorrent answers").nodes, 2);
    assert_eq!(dht.scrape(hash).expect("libtorrent answers"), Some(Swarm { seeds: 0, peers: 1 }));
    for client in theirs {
        let near = NodeId(hash.0);
        let (samples, _) = dht.sample(client.address().into(), near).expect("libtorrent answers");
        assert_eq!(samples.map(|samples| (samples.total, samples.hashes)), Some((1, vec![hash])));
    }
    assert!(hub.session.shutdown(LEAVE));
}

#[cfg(feature = "cli")]
mod program {
    use tide_test_clients::{Event, Tide, TideCommand};

    use super::*;
    use tide_test_clients::Payload;

    fn tide(arguments: &[&str]) -> TideCommand {
        TideCommand::new(env!("CARGO_BIN_EXE_tide"), arguments)
    }

    /// How many nodes it says that it knows.
    fn nodes(tide: &Tide) -> u64 {
        tide.wait("how many nodes it knows", |event| match event {
            Event::Dht { nodes } => Some(*nodes),
            _ => None,
        })
    }

    #[test]
    fn one_tide_finds_another_by_the_dht() {
        if !have(&[Tool::Mktorrent]) {
            return;
        }
        let (scene, hub) = (Scene::new(Payload::one_file, None), Hub::start());
        let (router, file) = (hub.addr.to_string(), scene.torrent.file.to_str().expect("a plain path"));
        let (content, folder) =
            (scene.payload.parent().to_str().expect("a plain path"), scene.dir.folder("ours"));
        let folder = folder.to_str().expect("a plain path");
        let listen = || SocketAddr::from(net::fresh()).to_string();
        let (first, second) = (listen(), listen());
        let seed = tide(&["seed", file, "-d", content, "--listen", &first, "--dht-node", &router]).start();
        seed.seeding(scene.hash());
        hub.wait_announced();
        let mut leech =
            tide(&["get", file, "-d", folder, "--listen", &second, "--dht-node", &router]).start();
        assert_eq!(leech.complete(scene.hash()), scene.payload.size());
        assert!(nodes(&leech) >= 1 && nodes(&seed) >= 1);
        leech.wait_exit(wait::GENEROUS).expect_code(0);
        compare::same(scene.payload.root(), &scene.dir.join("ours").join(scene.payload.name()));
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        if !have(&[Tool::Mktorrent]) {
            return;
        }
        let scene = Scene::new(Payload::one_file, None);
        let file = scene.torrent.file.to_str().expect("a plain path");
        let both = tide(&["get", file, "--no-dht", "--dht-node", "127.0.0.1:1"]).run();
        both.expect_code(2);
        assert!(both.stderr.contains("exclude each other"), "{}", both.stderr);
    }
}
