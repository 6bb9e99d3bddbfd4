//! A session: torrents, the threads that carry them, and the application's end of all that.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tide_base::{InfoHash, PeerId, Prng, ShardId};
use tide_disk::StoreKey;
use tide_engine::{
    AddTorrent, Answer, Command, Facts, Happening, Listening, Metadata, RateLimits, Reachable, SessionStats,
    Setup, Then,
};
use tide_metainfo::HostPort;

use crate::add::{Add, Subject, selection};
use crate::config::Config;
use crate::dht::Dht;
use crate::error::Error;
use crate::shell::board::{Entry, Next, Notice};
use crate::shell::clock::Clock;
use crate::shell::code::{self, Locked};
use crate::shell::volume::VolumeTable;
use crate::shell::{Over, Plan, Shell, StartError, entropy};
use crate::torrent::Torrent;

/// How long a session that is dropped has for its leave.
const DROP_BUDGET: Duration = Duration::from_millis(500);

/// What session and torrent handles share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) shell: Shell,
    pub(crate) volumes: VolumeTable,
    stores: AtomicU64,
    pub(crate) config: Config,
}

/// A running session. Usable from any thread; several may live in one process. Dropping it ends it, politely but
/// briefly: [`shutdown`](Self::shutdown) gives it more time.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

impl Session {
    /// Starts a session: binds its addresses and starts its threads.
    ///
    /// # Errors
    /// [`Error::Listen`] if an address cannot be had, [`Error::Invalid`] if the configuration breaks a rule,
    /// [`Error::File`] for the state folder, [`Error::Resources`].
    pub fn start(mut config: Config) -> Result<Session, Error> {
        let limits = config.engine_limits()?;
        // Once: the current folder may be another one later.
        config.state_dir = config.state_dir.map(absolute).transpose()?;
        if let Some(dir) = &config.state_dir {
            std::fs::create_dir_all(dir).map_err(|source| Error::File { path: dir.clone(), source })?;
        }
        let seed = config.seed.map_or_else(entropy::seed, Ok).map_err(Error::Resources)?;
        let mut random = Prng::new(seed).split("session");
        if config.lock_code {
            let Locked { locked, refused } = code::lock();
            log::debug!("{locked} bytes of code are locked in memory; {refused} may not be");
        }
        let volumes = VolumeTable::default();
        let dht = config.dht.as_ref().map(|dht| dht.setup(&config, &volumes)).transpose()?;
        let clock = Clock::start();
        let setup = Setup {
            shards: config.shards,
            seed,
            peer_id: peer_id(&mut random),
            tracker_key: random.next_u32(),
            client: concat!("tide ", env!("CARGO_PKG_VERSION")).to_owned(),
            rates: config.rates,
            limits,
            epoch: clock.epoch(),
            announce_port: config.announce_port,
            trackers: config.trackers,
            local: config.looks_near().then(tide_local::limits::Limits::default),
            mapping: config.maps_ports().then(tide_portmap::limits::Limits::default),
            dht,
            pex: config.pex,
            picker: config.picker.clone(),
            now: clock.now(),
        };
        let shell = Shell::start(Plan {
            setup,
            clock,
            hashers: config.hashers,
            listen: config.listen.clone().wish(),
            dial: config.dial.clone(),
            disk: (config.medium.clone(), config.disk.clone()),
        });
        let shell = shell.map_err(|error| match error {
            StartError::Listen(refused) => Error::Listen { addr: refused.addr, source: refused.source },
            StartError::Resources(source) => Error::Resources(source),
        })?;
        let stores = AtomicU64::new(1);
        Ok(Session { inner: Arc::new(Inner { shell, volumes, stores, config }) })
    }

    /// Takes a torrent in. Returns once it is known; metadata, checking and transfer follow.
    ///
    /// # Errors
    /// [`Error::Duplicate`], [`Error::Full`]; [`Error::Invalid`] for priorities that are none; [`Error::File`] for a
    /// [folder](Add::dir) without a name, or one that is relative while there is no current folder; [`Error::Unsupported`]
    /// for one of version 2 alone; the session is over.
    pub fn add(&self, add: Add) -> Result<Torrent, Error> {
        let hashes = add.info_hashes();
        let hash = hashes.v1.ok_or(Error::Unsupported(crate::error::V2_ONLY))?;
        let (torrent, named) = self.inner.describe(add, hash)?;
        let shard = self.inner.home(hash);
        match self.inner.ask(shard, Command::Add(Box::new(torrent)), hash)? {
            Answer::Added(key) => {
                let torrent = Torrent::new(Arc::clone(&self.inner), key, hashes);
                resolve(&torrent, named);
                Ok(torrent)
            }
            other => Err(Error::unexpected(&other)),
        }
    }

    /// All its torrents, by info-hash.
    pub fn torrents(&self) -> Vec<Torrent> {
        self.inner.shell.shared.board.torrents().into_iter().map(|entry| self.handle(entry)).collect()
    }

    /// The torrent with this v1 info-hash.
    pub fn get(&self, hash: &InfoHash) -> Option<Torrent> {
        self.inner.shell.shared.board.torrent(hash).map(|entry| self.handle(entry))
    }

    fn handle(&self, (key, hashes): Entry) -> Torrent {
        Torrent::new(Arc::clone(&self.inner), key, hashes)
    }

    /// Its part in the DHT.
    pub fn dht(&self) -> Dht {
        Dht::new(Arc::clone(&self.inner))
    }

    /// What happens. Each event goes to one reader: two readers share them.
    ///
    /// ```no_run
    /// use tide::{Happening, What};
    ///
    /// # fn main() -> Result<(), tide::Error> {
    /// let session = tide::Session::start(tide::Config::default())?;
    /// session.add(tide::Add::file("debian.torrent")?)?;
    /// for event in session.events() {
    ///     match event.what {
    ///         What::Torrent(torrent, Happening::Complete { .. }) => println!("{} is here", torrent.name()?),
    ///         What::Torrent(_, Happening::Stopped(trouble)) => eprintln!("{trouble}"),
    ///         What::Broken(why) => eprintln!("a bug: {why}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> Events {
        Events { inner: Arc::clone(&self.inner) }
    }

    /// Figures of the whole session.
    ///
    /// # Errors
    /// The session is over.
    pub fn stats(&self) -> Result<SessionStats, Error> {
        let mut sum = SessionStats::default();
        for shard in 0..self.inner.config.shards {
            match self.inner.ask(ShardId(shard), Command::SessionStats, InfoHash([0; 20]))? {
                Answer::Session(part) => add_up(&mut sum, &part),
                other => return Err(Error::unexpected(&other)),
            }
        }
        Ok(sum)
    }

    /// New limits on the rates of the whole session.
    ///
    /// # Errors
    /// The session is over.
    pub fn set_limits(&self, limits: RateLimits) -> Result<(), Error> {
        self.inner.ask(ShardId::FIRST, Command::SetLimits(limits), InfoHash([0; 20])).map(drop)
    }

    /// Where the session could be reached when it started.
    pub fn listening(&self) -> &Listening {
        &self.inner.shell.listening
    }

    /// How the world sees and reaches the session, as far as is known by now; [`What::Reachable`] tells of changes.
    pub fn reachable(&self) -> Reachable {
        self.inner.shell.shared.board.last_reachable()
    }

    /// Whether the session has ended or failed.
    pub fn is_over(&self) -> bool {
        self.inner.shell.shared.board.is_over()
    }

    /// Ends the session within about `budget`: tells trackers, writes resume data, closes everything. Whether all of
    /// that was done in time; a disk that hangs, for one, is left behind.
    pub fn shutdown(self, budget: Duration) -> bool {
        self.inner.shell.shutdown(budget)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // After a failure, or a shutdown, only the threads remain to be waited for, if any.
        self.inner.shell.shutdown(if self.is_over() { Duration::ZERO } else { DROP_BUDGET });
    }
}

impl Inner {
    /// The shard that a torrent lives on.
    fn home(&self, hash: InfoHash) -> ShardId {
        let number = u64::from_be_bytes(hash.0[..8].try_into().expect("eight bytes"));
        let shard = number % u64::from(self.config.shards);
        ShardId(u16::try_from(shard).expect("less than the number of shards"))
    }

    /// Asks a shard about the torrent `hash`.
    pub(crate) fn ask(&self, shard: ShardId, command: Command, hash: InfoHash) -> Result<Answer, Error> {
        match self.shell.ask(shard, command) {
            Ok(reply) => reply.map_err(|error| Error::of_command(error, hash)),
            Err(Over) => Err(self.over()),
        }
    }

    /// Why the session does not answer.
    pub(crate) fn over(&self) -> Error {
        self.shell.shared.board.failure().map_or(Error::Ended, Error::Broken)
    }

    /// The engine's description of a torrent to be added, and the peers of a link whose names are to be looked up.
    fn describe(&self, add: Add, hash: InfoHash) -> Result<(AddTorrent, Vec<HostPort>), Error> {
        let state = |suffix: &str| {
            let dir = self.config.state_dir.as_ref()?;
            Some(dir.join(format!("{hash}.{suffix}")))
        };
        let (resume, aside) = (state("resume"), state("aside"));
        let own_trackers = add.own_trackers();
        let root = absolute(add.dir)?;
        let mut torrent = AddTorrent {
            name: hash.to_string(),
            own_trackers,
            trackers: add.trackers,
            store: StoreKey(self.stores.fetch_add(1, Ordering::Relaxed)),
            volume: self.volumes.of(&root),
            resume,
            aside,
            backing: self.config.backing,
            allocation: self.config.allocation,
            priorities: add.priorities,
            sequential: add.sequential,
            paused: add.paused,
            check: add.check,
            peers: add.peers,
            limits: add.limits,
            ..AddTorrent::plain(add.subject.hashes(), root)
        };
        let named = match add.subject {
            Subject::Torrent(metainfo) => {
                let files = metainfo.info.files().len();
                let select = add.select.map(|select| selection(&select, files));
                torrent.priorities = torrent.priorities.or(select);
                torrent.paused = if add.choose { Some(true) } else { torrent.paused };
                torrent.nodes = metainfo.nodes;
                torrent.web_seeds = metainfo.web_seeds;
                torrent.learn(Facts::of(&metainfo.info, self.config.limits.block_len));
                Vec::new()
            }
            Subject::Link(link) => {
                let chosen =
                    |select: Vec<usize>| select.into_iter().filter_map(|at| at.try_into().ok()).collect();
                let (named, select) = (link.select, add.select.map(chosen));
                let then = if add.choose { Then::Wait } else { Then::Transfer };
                torrent.metadata = Metadata::Sought { named, select, then };
                torrent.name = link.name.unwrap_or(torrent.name);
                torrent.web_seeds = link.web_seeds;
                let mut named = link.peers;
                named.retain(|peer| match peer.host.parse() {
                    Ok(ip) => {
                        torrent.peers.push(SocketAddr::new(ip, peer.port));
                        false
                    }
                    Err(_) => true,
                });
                named
            }
        };
        Ok((torrent, named))
    }
}

/// The path, whatever the current folder will be.
pub(crate) fn absolute(path: PathBuf) -> Result<PathBuf, Error> {
    std::path::absolute(&path).map_err(|source| Error::File { path, source })
}

/// Looks the names of peers up, beside everything else, and has the torrent meet whom it finds.
fn resolve(torrent: &Torrent, named: Vec<HostPort>) {
    if named.is_empty() {
        return;
    }
    let torrent = torrent.clone();
    let look_up = move || {
        for peer in named {
            let found = (peer.host.as_str(), peer.port).to_socket_addrs();
            // Whoever has gone meanwhile needs none.
            let told = found.map(|addrs| torrent.add_peers(addrs));
            log::debug!("{peer}: {told:?}");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("tide-link".to_owned()).spawn(look_up) {
        log::warn!("the names of a link's peers are not looked up: {error}");
    }
}

fn add_up(sum: &mut SessionStats, part: &SessionStats) {
    sum.torrents += part.torrents;
    sum.peers += part.peers;
    sum.half_open += part.half_open;
    sum.downloaded += part.downloaded;
    sum.uploaded += part.uploaded;
    sum.memory += part.memory;
    sum.turns += part.turns;
    sum.dht_nodes += part.dht_nodes;
    sum.faults.merge(&part.faults);
}

/// A fresh peer id in the common form (BEP 20): two letters, four digits of version, twelve characters of chance.
fn peer_id(random: &mut Prng) -> PeerId {
    const CHARS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let digit = |text: &str| text.as_bytes().last().copied().unwrap_or(b'0');
    let mut id = *b"-TD0000-............";
    id[3] = digit(env!("CARGO_PKG_VERSION_MAJOR"));
    id[4] = digit(env!("CARGO_PKG_VERSION_MINOR"));
    id[5] = digit(env!("CARGO_PKG_VERSION_PATCH"));
    id[8..].fill_with(|| CHARS[random.index(CHARS.len())]);
    PeerId(id)
}

/// Something that happened. The session keeps at most one event of each kind for each torrent, the newest.
#[derive(Clone, Debug)]
pub struct Event {
    /// Ascending, with gaps where an older event was replaced.
    pub sequence: u64,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// To a torrent.
    Torrent(Torrent, Happening),
    /// The session can be reached there now.
    Listening(Listening),
    /// The world sees and reaches the session like that now: addresses by vote, ports opened in gateways.
    Reachable(Reachable),
    /// The session has failed: a bug, in these words. Nothing follows.
    Broken(String),
}

/// The events of a session, in order. [`next`](Iterator::next) waits; `None` means that the session is over.
#[derive(Clone, Debug)]
pub struct Events {
    inner: Arc<Inner>,
}

impl Events {
    /// The next event, if there is one within `timeout`; zero just looks. `None` also once the session is over.
    pub fn next_timeout(&self, timeout: Duration) -> Option<Event> {
        self.wait(Some(timeout))
    }

    fn wait(&self, timeout: Option<Duration>) -> Option<Event> {
        let Next::Notice(sequence, notice) = self.inner.shell.shared.board.next(timeout) else {
            return None;
        };
        let what = match notice {
            Notice::Torrent(event) => {
                let inner = Arc::clone(&self.inner);
                What::Torrent(Torrent::new(inner, event.torrent, event.info_hashes), event.what)
            }
            Notice::Listening(listening) => What::Listening(listening),
            Notice::Reachable(reachable) => What::Reachable(*reachable),
            Notice::Broken(why) => What::Broken(why),
        };
        Some(Event { sequence, what })
    }
}

impl Iterator for Events {
    type Item = Event;
    fn next(&mut self) -> Option<Event> {
        self.wait(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Listen;

    fn local(port: u16) -> Config {
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        Config { listen: Listen::from(addr), shards: 2, hashers: 1, trackers: false, ..Config::default() }
    }

    #[test]
    fn sessions_stand_side_by_side_and_a_taken_address_is_named() {
        let first = Session::start(local(0)).expect("a session");
        let second = Session::start(local(0)).expect("another");
        let (a, b) = (first.listening().tcp[0], second.listening().tcp[0]);
        assert_ne!(a, b);
        assert_eq!(first.listening().udp_v4, Some(a));
        match Session::start(local(a.port())) {
            Err(Error::Listen { addr, .. }) => assert_eq!(addr, a),
            other => panic!("the address is taken: {other:?}"),
        }
        assert!(first.torrents().is_empty() && first.get(&InfoHash([1; 20])).is_none());
    }

    #[test]
    fn events_begin_with_where_it_listens_and_end_with_the_session() {
        let session = Session::start(local(0)).expect("a session");
        let mut events = session.events();
        let expected = session.listening().clone();
        let first = events.next().expect("an event");
        assert!(matches!(first.what, What::Listening(listening) if listening == expected));
        assert!(events.next_timeout(Duration::ZERO).is_none() && !session.is_over());
        session.shutdown(Duration::ZERO);
        assert!(events.next().is_none());
    }

    #[test]
    fn calls_end_when_the_session_does() {
        let session = Session::start(local(0)).expect("a session");
        session.inner.shell.shared.fail("a test".to_owned());
        assert!(matches!(session.stats(), Err(Error::Broken(why)) if why == "a test"));
        let mut events = session.events();
        assert!(events.any(|event| matches!(event.what, What::Broken(_))));
        assert!(session.is_over());
    }

    #[test]
    fn nothing_is_taken_in_once_the_session_is_over() {
        let session = Session::start(local(0)).expect("a session");
        // Its threads have not noticed yet.
        session.inner.shell.shared.board.broken("a test".to_owned());
        let added = session.add(Add::hash(InfoHash([1; 20])));
        assert!(matches!(added, Err(Error::Broken(why)) if why == "a test"));
        assert!(session.torrents().is_empty());
    }

    #[test]
    fn a_peer_id_names_the_program_and_is_printable() {
        let id = peer_id(&mut Prng::new(1));
        assert_eq!(&id.0[..3], b"-TD");
        assert!(id.0.iter().all(u8::is_ascii_graphic));
        assert_ne!(id, peer_id(&mut Prng::new(2)));
    }
}
