//! What every client under test can be asked.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;

use crate::{InfoHash, Torrent, wait};

/// How far a torrent is, as the client itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Looking at what is there already.
    Checking,
    /// Not complete.
    Downloading {
        /// Bytes it has.
        done: u64,
        /// Bytes it wants.
        total: u64,
    },
    /// Complete, verified, written, and offered to others.
    Seeding,
    /// It stopped, and this is why.
    Failed(String),
}

/// A peer as another client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSeen {
    /// Where it is; the port may be one that it listens on or one it called from.
    pub address: SocketAddr,
    /// What the client calls it, from the peer id or the extension handshake; empty if it does not say.
    pub client: String,
    /// Its 20 bytes; empty where the client's interface does not show them.
    pub peer_id: Vec<u8>,
}

/// A BitTorrent client that runs as a process of its own.
pub trait Client {
    /// Its name, for messages.
    fn name(&self) -> &'static str;

    /// Where it listens for peers.
    fn address(&self) -> SocketAddrV4;

    /// Adds a torrent with its content in `folder`, which is checked for what is there already, and starts it.
    fn add(&mut self, torrent: &Torrent, folder: &Path);

    /// How far it is.
    fn state(&mut self, torrent: &InfoHash) -> State;

    /// Holds the torrent to this many bytes a second each way, or lifts that. A download over loopback is over before
    /// anybody has looked at its peers (and seeds part from seeds): hold it, look, let it go.
    fn limit(&mut self, torrent: &InfoHash, rate: Option<u32>);

    /// The peers it is connected to, once they have shaken hands.
    fn peers(&mut self, torrent: &InfoHash) -> Vec<PeerSeen>;

    /// Waits until the torrent is complete, written and offered to others: what a seed reaches after its check, and a
    /// leech at the end.
    ///
    /// # Panics
    /// When it fails, or it takes unreasonably long.
    fn wait_seeding(&mut self, torrent: &InfoHash) {
        let what = format!("{} seeds {torrent}", self.name());
        wait::until(&what, || match self.state(torrent) {
            State::Seeding => Some(()),
            State::Failed(why) => panic!("{}: {why}", self.name()),
            State::Checking | State::Downloading { .. } => None,
        });
    }

    /// Waits until it is connected to a peer for which `wanted` holds.
    ///
    /// # Panics
    /// When none comes.
    fn wait_peer(&mut self, torrent: &InfoHash, wanted: &dyn Fn(&PeerSeen) -> bool) -> PeerSeen {
        let what = format!("{} sees the peer", self.name());
        wait::until(&what, || self.peers(torrent).into_iter().find(|peer| wanted(peer)))
    }
}
