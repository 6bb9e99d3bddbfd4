//! What the tests with other programs share: content, a torrent of it that a third program made, and sessions of tide.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tide::{Add, Config, DhtConfig, Listen, PeerInfo, RateLimits, Session};
use tide_test_clients::{Client, InfoHash, Mktorrent, Payload, TempDir, Torrent, compare, net, wait};

/// What tide's peer ids begin with, as others see them.
pub(crate) const OUR_ID: &[u8] = b"-TD0100-";

/// How long a session may take to leave.
pub(crate) const LEAVE: Duration = Duration::from_secs(10);

/// Holds a torrent to a rate at which a payload takes ten seconds: time enough to look at the peers.
const HELD: RateLimits = RateLimits { down: Some(400_000), up: Some(400_000) };

/// Makes content in a folder, of a number.
pub(crate) type Shape = fn(&Path, u64) -> Payload;

/// The shapes of content that every client must get right, and with how many shards of ours: all at home on one, the
/// accepting one and another, more than there are torrents.
pub(crate) const RUNS: [(Shape, u16); 3] =
    [(Payload::one_file, 1), (Payload::many_files, 2), (Payload::one_file, 5)];

/// Content and its torrent.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) payload: Payload,
    pub(crate) torrent: Torrent,
}

impl Scene {
    /// Content of one shape and a torrent of it that names at most one tracker.
    pub(crate) fn new(shape: Shape, tracker: Option<&str>) -> Scene {
        let dir = TempDir::new("interop");
        let payload = shape(&dir.folder("seed"), 1);
        let recipe = Mktorrent::new();
        let recipe = match tracker {
            Some(url) => recipe.tracker(url),
            None => recipe,
        };
        let torrent = recipe.create(&payload, &dir.join("t.torrent"));
        assert!(torrent.pieces > 100, "the content is too small to show anything");
        Scene { dir, payload, torrent }
    }

    pub(crate) fn hash(&self) -> &InfoHash {
        &self.torrent.info_hash
    }

    /// A link that names the torrent, and nobody who has it.
    pub(crate) fn link(&self) -> String {
        format!("magnet:?xt=urn:btih:{}", self.hash())
    }

    /// The folder that another client downloads to.
    pub(crate) fn theirs(&self) -> PathBuf {
        self.dir.folder("theirs")
    }

    /// A session of tide that has everything.
    pub(crate) fn seed(&self, shards: u16) -> Ours {
        let ours = Ours::start(self, shards, net::fresh().into(), self.payload.parent());
        ours.torrent.wait_complete(Some(wait::GENEROUS)).expect("the seed has everything");
        ours
    }

    /// A session of tide that has nothing and knows nobody.
    pub(crate) fn leech(&self, shards: u16) -> Ours {
        self.leech_at(shards, net::fresh().into())
    }

    /// The same at a given address.
    pub(crate) fn leech_at(&self, shards: u16, addr: SocketAddr) -> Ours {
        Ours::start(self, shards, addr, &self.dir.folder("ours"))
    }

    /// Asserts that the other client has all that was seeded, byte for byte.
    pub(crate) fn theirs_is_whole(&self) {
        compare::same(self.payload.root(), &self.theirs().join(self.payload.name()));
    }

    /// Whether what `folder` has is what was seeded, asked of the files themselves.
    pub(crate) fn difference(&self, folder: &Path) -> Option<String> {
        compare::difference(self.payload.root(), &folder.join(self.payload.name()))
    }
}

/// A session of tide with the scene's torrent, held to a low rate at first.
pub(crate) struct Ours {
    pub(crate) session: Session,
    pub(crate) torrent: tide::Torrent,
    pub(crate) addr: SocketAddr,
    folder: PathBuf,
}

impl Ours {
    /// A session that listens at `addr`, a seed if `folder` holds the content.
    pub(crate) fn start(scene: &Scene, shards: u16, addr: SocketAddr, folder: &Path) -> Ours {
        Ours::start_with(scene, addr, folder, Config { shards, ..Config::default() })
    }

    /// The same with what is set up in another way than usual.
    pub(crate) fn start_with(scene: &Scene, addr: SocketAddr, folder: &Path, config: Config) -> Ours {
        let _ = env_logger::builder().is_test(true).try_init();
        // A seed and a leech keep their resume data apart.
        let state =
            scene.dir.folder(if folder == scene.payload.parent() { "seed state" } else { "our state" });
        let config = Config { listen: Listen::At(vec![addr]), hashers: 1, state_dir: Some(state), ..config };
        let session = Session::start(config).expect("a fresh address is free");
        let addr = session.listening().tcp[0];
        let add = Add::file(&scene.torrent.file).expect("mktorrent makes torrents");
        Ours::with(session, addr, add, folder)
    }

    /// A session that has nothing, and knows the torrent by its info-hash alone.
    pub(crate) fn by_link(scene: &Scene, shards: u16) -> Ours {
        Ours::by_link_with(scene, shards, DhtConfig::default())
    }

    /// The same with another part in the DHT.
    pub(crate) fn by_link_with(scene: &Scene, shards: u16, dht: DhtConfig) -> Ours {
        let config = Config {
            listen: Listen::At(vec![net::fresh().into()]),
            shards,
            hashers: 1,
            state_dir: Some(scene.dir.folder("link state")),
            dht: Some(dht),
            ..Config::default()
        };
        let session = Session::start(config).expect("a fresh address is free");
        let addr = session.listening().tcp[0];
        let add = Add::magnet(&scene.link()).expect("a link");
        Ours::with(session, addr, add, &scene.dir.folder("by link"))
    }

    fn with(session: Session, addr: SocketAddr, add: Add, folder: &Path) -> Ours {
        let torrent = session.add(add.dir(folder).limits(HELD)).expect("taken in");
        Ours { session, torrent, addr, folder: folder.to_owned() }
    }

    /// Makes it call another client.
    pub(crate) fn call(&self, other: &impl Client) {
        self.torrent.add_peers([SocketAddr::from(other.address())]).expect("the torrent is there");
    }

    /// Lets the transfer run as fast as it can.
    pub(crate) fn release(&self) {
        self.torrent.set_limits(RateLimits::default()).expect("the torrent is there");
    }

    /// Waits until it is connected to a peer at `ip` whose program is called `client`.
    pub(crate) fn wait_peer(&self, ip: IpAddr, client: &str) -> PeerInfo {
        let peers = || self.torrent.peers().expect("the torrent is there");
        let wanted = |peer: &PeerInfo| peer.addr.ip() == ip && peer.client.contains(client);
        wait::try_until(wait::GENEROUS, || peers().into_iter().find(wanted)).unwrap_or_else(|| {
            panic!("no {client} at {ip}: {:#?} {:#?}", peers(), self.torrent.stats());
        })
    }

    /// Waits until its one tracker has answered it.
    pub(crate) fn wait_tracker(&self) {
        let trackers = || self.torrent.trackers().expect("the torrent is there");
        wait::try_until(wait::GENEROUS, || trackers()[0].working.then_some(()))
            .unwrap_or_else(|| panic!("the tracker does not answer: {:#?}", trackers()));
    }

    /// Waits until it has everything, and looks whether that is so.
    pub(crate) fn wait_same(&self, scene: &Scene) {
        if let Err(error) = self.torrent.wait_complete(Some(wait::GENEROUS)) {
            panic!("{error}: {:#?} {:#?}", self.torrent.stats(), self.torrent.peers());
        }
        assert_eq!(scene.difference(&self.folder), None);
        let stats = self.torrent.stats().expect("the torrent is there");
        assert_eq!((stats.done, stats.corrupt), (scene.payload.size(), 0));
    }

    /// Ends it, in time.
    pub(crate) fn leave(self) {
        assert!(self.session.shutdown(LEAVE), "everything ends in time");
    }
}
