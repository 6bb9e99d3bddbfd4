//! The DHT (BEP 5): one node a session. Torrents that are not private are announced and looked up there by themselves;
//! here is what else can be had of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{InfoHash, ShardId};
use tide_engine::{Answer, Command, DhtAnswer, DhtCommand, DhtSetup, StateFile};
use tide_metainfo::HostPort;

use crate::config::{Config, Listen};
use crate::error::Error;
use crate::session::{Inner, absolute};
use crate::shell::entropy;
use crate::shell::volume::VolumeTable;

pub use tide_dht::item::{PublicKey, Signature};
pub use tide_dht::{Contact, Item, NodeId, Reach, Samples, Swarm, Wanted};
pub use tide_engine::DhtStats;

/// Nodes that others run for everybody to begin with.
const ROUTERS: [(&str, u16); 4] = [
    ("dht.libtorrent.org", 25401),
    ("router.bittorrent.com", 6881),
    ("dht.transmissionbt.com", 6881),
    ("router.utorrent.com", 6881),
];

/// How a session takes part in the DHT.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DhtConfig {
    /// Whom to ask while nobody else is known. `None`, the default: four well-known nodes; nobody, if the session
    /// listens on this machine alone, from where they cannot be reached. Nodes are learnt from an earlier run, from
    /// torrents and from peers, too.
    pub routers: Option<Vec<HostPort>>,
    /// Whether others can reach us (BEP 43). Default: they can, and are answered. Read-only nodes ask, and are
    /// forgotten: right for a short visit from behind a strict firewall.
    pub reach: Reach,
    /// The file in which ids and nodes are remembered from one run to the next; `None`, the default: `dht` in the
    /// session's [state folder](Config::state_dir), if it has one. Of several sessions that run at the same time with
    /// one file, the first has it.
    pub state: Option<PathBuf>,
}

impl DhtConfig {
    /// The engine's words for it.
    ///
    /// # Errors
    /// [`Error::File`] if there is no current folder, [`Error::Resources`].
    pub(crate) fn setup(&self, session: &Config, volumes: &VolumeTable) -> Result<DhtSetup, Error> {
        let in_folder = || Some(session.state_dir.as_ref()?.join("dht"));
        let path = self.state.clone().or_else(in_folder);
        let path = path.map(absolute).transpose()?;
        let secret = match session.seed {
            None => {
                let halves = [entropy::seed(), entropy::seed()].into_iter().collect::<Result<Vec<_>, _>>();
                let halves = halves.map_err(Error::Resources)?;
                Some(core::array::from_fn(|at| halves[at / 8].to_be_bytes()[at % 8]))
            }
            // Whoever names a seed wants the same again.
            Some(_) => None,
        };
        let is_local = matches!(&session.listen, Listen::At(at) if at.iter().all(|at| at.ip().is_loopback()));
        let well_known = || match is_local {
            true => Vec::new(),
            false => ROUTERS.map(|(host, port)| HostPort { host: host.to_owned(), port }).to_vec(),
        };
        Ok(DhtSetup {
            routers: self.routers.clone().unwrap_or_else(well_known),
            reach: self.reach,
            secret,
            state: path.map(|path| StateFile {
                volume: volumes.of(&path),
                path,
                backing: tide_disk::Backing::File,
            }),
            ..DhtSetup::default()
        })
    }
}

/// The session's part in the DHT. Usable from any thread.
///
/// Each call waits for its answer: some seconds, and a minute at the most, also while the node is still looking for its
/// place in the network. At most 64 are under way at a time.
///
/// Answers are what strangers say. Items are verified; peers may be anybody.
#[derive(Clone, Debug)]
pub struct Dht {
    inner: Arc<Inner>,
}

/// Whom an announce found, and whom it reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Announced {
    /// Peers that others have announced, each once.
    pub peers: Vec<SocketAddr>,
    /// Nodes that took the announce.
    pub nodes: usize,
}

/// Whom a stored item reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// Nodes that took it.
    pub nodes: usize,
    /// The last refusal's code: 301 and 302 say that there is another or a newer version (BEP 44).
    pub refused: Option<i64>,
}

impl Dht {
    pub(crate) fn new(inner: Arc<Inner>) -> Dht {
        Dht { inner }
    }

    /// Who shares a torrent: up to a thousand addresses.
    ///
    /// # Errors
    /// [`Error::NoNodes`], [`Error::NoDht`], [`Error::Full`]; the session is over.
    pub fn get_peers(&self, info_hash: InfoHash) -> Result<Vec<SocketAddr>, Error> {
        match self.ask(DhtCommand::GetPeers(info_hash))? {
            DhtAnswer::Peers { peers, .. } => Ok(peers),
            other => Err(unexpected(other)),
        }
    }

    /// Tells the nodes closest to it that we share something at `port`, once; `None` is the port that the session's
    /// torrents are announced with. Nodes forget it after half an hour or more. The session's own torrents need no such
    /// call.
    ///
    /// # Errors
    /// [`Error::Invalid`] if nobody can reach us, and as [`get_peers`](Self::get_peers).
    pub fn announce(&self, info_hash: InfoHash, port: Option<u16>) -> Result<Announced, Error> {
        match self.ask(DhtCommand::Announce { info_hash, port })? {
            DhtAnswer::Peers { peers, announced } => Ok(Announced { peers, nodes: announced }),
            other => Err(unexpected(other)),
        }
    }

    /// An item (BEP 44), valid; of a mutable one the newest version that was found. `None` if nobody has it.
    ///
    /// # Errors
    /// As [`get_peers`](Self::get_peers).
    pub fn get(&self, wanted: Wanted) -> Result<Option<Item>, Error> {
        match self.ask(DhtCommand::Get(wanted))? {
            DhtAnswer::Item(item) => Ok(item.map(|item| *item)),
            other => Err(unexpected(other)),
        }
    }

    /// Stores an item with the eight nodes closest to it (BEP 44), over version `cas` only if that is given. They
    /// forget it after two hours.
    ///
    /// # Errors
    /// As [`get_peers`](Self::get_peers).
    pub fn put(&self, item: Item, cas: Option<i64>) -> Result<Stored, Error> {
        match self.ask(DhtCommand::Put { item: Box::new(item), cas })? {
            DhtAnswer::Stored { nodes, refused } => Ok(Stored { nodes, refused }),
            other => Err(unexpected(other)),
        }
    }

    /// How many share a torrent (BEP 33): an estimate from whom our own node has stored, what nodes that keep count say, and
    /// the peers that others tell of, who are seeds only if one of the former has them as such.
    ///
    /// # Errors
    /// As [`get_peers`](Self::get_peers).
    pub fn scrape(&self, info_hash: InfoHash) -> Result<Option<Swarm>, Error> {
        match self.ask(DhtCommand::Scrape(info_hash))? {
            DhtAnswer::Swarm(swarm) => Ok(swarm),
            other => Err(unexpected(other)),
        }
    }

    /// Some of the info-hashes that one node knows (BEP 51), `None` if it does not know the question; and nodes near
    /// `target`, to go on with. Whoever asks a node again sooner than [`Samples::interval`] gets the same.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no node can have this address; as [`get_peers`](Self::get_peers), also if it does not answer.
    pub fn sample(&self, node: SocketAddr, target: NodeId) -> Result<(Option<Samples>, Vec<Contact>), Error> {
        match self.ask(DhtCommand::Sample { node, target })? {
            DhtAnswer::Sampled { samples, nodes } => Ok((samples, nodes)),
            other => Err(unexpected(other)),
        }
    }

    /// Figures.
    ///
    /// # Errors
    /// [`Error::NoDht`]; the session is over.
    pub fn stats(&self) -> Result<DhtStats, Error> {
        match self.ask(DhtCommand::Stats)? {
            DhtAnswer::Stats(stats) => Ok(*stats),
            other => Err(unexpected(other)),
        }
    }

    fn ask(&self, what: DhtCommand) -> Result<DhtAnswer, Error> {
        match self.inner.ask(ShardId::FIRST, Command::Dht(what), InfoHash([0; 20]))? {
            Answer::Dht(answer) => Ok(answer),
            other => Err(Error::unexpected(&other)),
        }
    }
}

fn unexpected(answer: DhtAnswer) -> Error {
    Error::unexpected(&Answer::Dht(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Session;

    fn config(dht: Option<DhtConfig>) -> Config {
        let listen = Listen::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        Config { listen, dht, shards: 2, hashers: 1, trackers: false, ..Config::default() }
    }

    #[test]
    fn only_who_can_reach_them_asks_the_well_known() {
        let volumes = VolumeTable::default();
        let setup = |config: &Config| config.dht.clone().unwrap_or_default().setup(config, &volumes);
        let here = setup(&config(Some(DhtConfig::default()))).expect("it can be set up");
        assert!(here.routers.is_empty() && here.state.is_none());
        let folder = Config { state_dir: Some("/x".into()), ..Config::default() };
        let there = setup(&folder).expect("it can be set up");
        assert_eq!(there.routers.len(), ROUTERS.len());
        assert_eq!(there.state.map(|state| state.path), Some("/x/dht".into()));
        assert_ne!(there.secret, here.secret, "nobody can guess it");
    }

    #[test]
    fn two_sessions_are_a_network() {
        let first = Session::start(config(Some(DhtConfig::default()))).expect("a session");
        let at = first.listening().udp_v4.expect("it has a socket");
        let router = HostPort { host: at.ip().to_string(), port: at.port() };
        let named = DhtConfig { routers: Some(vec![router]), ..DhtConfig::default() };
        let second = Session::start(config(Some(named))).expect("a session");
        let item = Item::immutable(b"5:hello").expect("a value");
        let target = item.target();
        let stored = second.dht().put(item.clone(), None).expect("the first takes it");
        assert_eq!(stored, Stored { nodes: 1, refused: None });
        let got = second.dht().get(Wanted::Immutable(target)).expect("somebody answers");
        assert_eq!(got, Some(item));
        let hash = InfoHash([7; 20]);
        assert_eq!(second.dht().announce(hash, Some(7)).expect("somebody answers").nodes, 1);
        let peers = second.dht().get_peers(hash).expect("somebody answers");
        assert_eq!(peers, [SocketAddr::from(([127, 0, 0, 1], 7))]);
        let swarm = second.dht().scrape(hash).expect("somebody answers");
        assert_eq!(swarm, Some(Swarm { seeds: 0, peers: 1 }));
        let (samples, _) = second.dht().sample(at, NodeId([0; 20])).expect("it answers");
        assert_eq!(samples.map(|samples| samples.hashes), Some(vec![hash]));
        assert_eq!(second.dht().stats().expect("figures").nodes, 1);
        assert!(second.shutdown(std::time::Duration::from_secs(5)));
        assert!(matches!(
            Session::start(config(None)).expect("a session").dht().get_peers(hash),
            Err(Error::NoDht)
        ));
    }
}
