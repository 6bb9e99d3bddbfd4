//! How a session is set up. Every field has a default that is right for one person's machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tide_disk::{Allocation, Backing};
use tide_engine::picker::Factory;
use tide_engine::{Limits, RateLimits};

use crate::dht::DhtConfig;
use crate::error::Error;
use crate::shell::keeper::Medium;
use crate::shell::listener::Wish;
use crate::transport::Dial;

/// The port that is tried first: the beginning of the range that RFC 6335 leaves to everybody, and what people who
/// open ports for BitTorrent have often opened.
pub const DEFAULT_PORT: u16 = 51413;

/// The most shards: more threads than any machine has cores would only fill tables.
const SHARDS: u16 = 1024;

/// Where a session can be reached by peers. Its UDP sockets are at the same addresses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Listen {
    /// On all addresses at [`DEFAULT_PORT`], or at any port if that is taken.
    #[default]
    Default,
    /// On all addresses at this port; 0 is any.
    Port(u16),
    /// Exactly there; port 0 is any. An address that is not the unspecified one is also where connections to others
    /// begin. An empty list: nowhere, and no UDP either.
    At(Vec<SocketAddr>),
}

impl From<SocketAddr> for Listen {
    fn from(addr: SocketAddr) -> Listen {
        Listen::At(vec![addr])
    }
}

impl Listen {
    pub(crate) fn wish(self) -> Wish {
        match self {
            Listen::Default => Wish::PortOrAny(DEFAULT_PORT),
            Listen::Port(port) => Wish::Port(port),
            Listen::At(addrs) => Wish::Exactly(addrs),
        }
    }
}

/// Whether something is done that concerns the network around.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum When {
    /// Where it is of use: not if the session listens on loopback alone or nowhere, and not if [`Config::dial`] is an
    /// embedder's own, whose connections may go another way than the machine's (through a proxy, say).
    #[default]
    Fitting,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a session is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where peers can reach it.
    pub listen: Listen,
    /// Threads that own sockets and torrents; a torrent lives on one of them. Default: one a core.
    pub shards: u16,
    /// Threads that hash. Default: one for two cores; a core hashes some gigabytes a second.
    pub hashers: u16,
    /// Bytes of memory for blocks under way, in the whole session. Default: 32 MiB.
    pub memory: u64,
    /// Connections to peers, in the whole session. Default: 500.
    pub max_peers: u32,
    /// Where resume data are kept, so that nothing need be hashed again after a clean end; the folder is made if it
    /// does not exist. It stays where it is, whatever becomes the current folder. `None`, the default: nowhere; what is there
    /// is hashed at every start.
    pub state_dir: Option<PathBuf>,
    /// Limits on the rates of the whole session. Default: none.
    pub rates: RateLimits,
    /// Whether trackers are asked. Default: yes.
    pub trackers: bool,
    /// Whether peers are looked for on the local network (LSD, BEP 14): public torrents that transfer are named there by
    /// multicast every five minutes. Default: where fitting; on loopback only if always.
    pub local_discovery: When,
    /// Whether gateways are asked to let peers in (PCP, NAT-PMP, UPnP); what they opened is closed at the end. Default:
    /// where fitting, as people expect of a program that listens; [`What::Reachable`](crate::What::Reachable) tells what
    /// came of it. Gateways are known on Linux only.
    pub port_mapping: When,
    /// How the session takes part in the DHT; `None`: not at all. Private torrents never do. Default: it does, as one
    /// more node, on its UDP sockets.
    pub dht: Option<DhtConfig>,
    /// Whether peers are told of each other, and listened to when they tell (BEP 11); those of private torrents never
    /// are. Default: yes.
    pub pex: bool,
    /// Which medium holds content. Default: files, with pages lent from mappings on the way out.
    pub backing: Backing,
    /// How space for files comes to be. Default: as it is written.
    pub allocation: Allocation,
    /// The port that trackers, the DHT and peers are told, if it is neither the one listened on nor the one that a gateway
    /// has opened, behind a router that was told by hand.
    pub announce_port: Option<u16>,
    /// Seed of all randomness; `None`, the default, asks the system for one.
    pub seed: Option<u64>,
    /// What makes connections, instead of TCP: an embedder's own transport.
    pub dial: Option<Arc<dyn Dial>>,
    /// Makes the pickers of torrents that are not [sequential](crate::Add::sequential): an embedder's own order of
    /// pieces. Default: the rarest first.
    pub picker: Option<Factory>,
    /// Every other bound of the engine. `memory` and `peers` in it are overridden by the fields above.
    pub limits: Limits,
    /// Where content is kept. Default: files; `backing` says how they are read.
    pub medium: Medium,
    /// Bounds of each volume's disk thread.
    pub disk: tide_disk::Limits,
    /// Whether the code of the process, with that of its libraries, is locked in memory at the start (Linux; as far as
    /// `RLIMIT_MEMLOCK` allows). Where memory is short the kernel drops code as it drops any file's pages, and a thread
    /// waits for the disk in the middle of its work. It concerns the whole process and outlasts the session, so the
    /// default is no; the program `tide` does it.
    pub lock_code: bool,
}

impl Default for Config {
    fn default() -> Config {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(SHARDS.into()));
        let cores = u16::try_from(cores).expect("cores are capped by the most shards");
        let limits = Limits::default();
        Config {
            listen: Listen::Default,
            shards: cores,
            hashers: cores.div_ceil(2),
            memory: limits.memory,
            max_peers: limits.peers,
            state_dir: None,
            rates: RateLimits::default(),
            trackers: true,
            local_discovery: When::Fitting,
            port_mapping: When::Fitting,
            dht: Some(DhtConfig::default()),
            pex: true,
            backing: Backing::default(),
            allocation: Allocation::default(),
            announce_port: None,
            seed: None,
            dial: None,
            picker: None,
            limits,
            medium: Medium::default(),
            disk: tide_disk::Limits::default(),
            lock_code: false,
        }
    }
}

impl Config {
    /// Whether peers are looked for on the local network.
    pub(crate) fn looks_near(&self) -> bool {
        self.fits(self.local_discovery)
    }

    /// Whether gateways are asked to open ports.
    pub(crate) fn maps_ports(&self) -> bool {
        self.fits(self.port_mapping)
    }

    fn fits(&self, when: When) -> bool {
        let loopback = match &self.listen {
            Listen::At(addrs) => addrs.iter().all(|at| at.ip().is_loopback()),
            Listen::Default | Listen::Port(_) => false,
        };
        match when {
            When::Fitting => !loopback && self.dial.is_none(),
            When::Always => true,
            When::Never => false,
        }
    }

    /// The engine's limits with the fields that override some.
    ///
    /// # Errors
    /// The rule that the configuration breaks.
    pub(crate) fn engine_limits(&self) -> Result<Limits, Error> {
        if self.shards == 0 || self.shards > SHARDS {
            return Err(Error::Invalid("there are 1 to 1024 shards"));
        }
        if self.hashers == 0 {
            return Err(Error::Invalid("there is a hasher"));
        }
        let limits = Limits { memory: self.memory, peers: self.max_peers, ..self.limits.clone() };
        limits.check().map_err(Error::Invalid)?;
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_concerns_the_network_is_done_where_it_fits_or_as_is_said() {
        let on = |listen: &str, when| Config {
            listen: Listen::At(
                listen.split_terminator(' ').map(|at| at.parse().expect("an address")).collect(),
            ),
            local_discovery: when,
            ..Config::default()
        };
        assert!(Config::default().looks_near() && Config::default().maps_ports());
        assert!(on("127.0.0.1:0 10.0.0.5:0", When::Fitting).looks_near());
        assert!(!on("127.0.0.1:0 [::1]:0", When::Fitting).looks_near());
        assert!(!on("", When::Fitting).maps_ports());
        assert!(on("127.0.0.1:0", When::Always).looks_near());
        assert!(!on("10.0.0.5:0", When::Never).looks_near());
    }

    #[test]
    fn defaults_fit_together_and_nonsense_is_named() {
        assert!(Config::default().engine_limits().is_ok());
        let broken = Config { shards: 0, ..Config::default() };
        assert!(matches!(broken.engine_limits(), Err(Error::Invalid("there are 1 to 1024 shards"))));
        let broken = Config { memory: 1, ..Config::default() };
        assert!(matches!(broken.engine_limits(), Err(Error::Invalid("memory holds two chunks at least"))));
    }
}
