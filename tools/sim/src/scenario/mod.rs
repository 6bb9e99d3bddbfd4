//! A scenario: everything about a run that follows from its seed, as one printable value. It can be changed by hand and
//! run all the same: that is how runs are shrunk, and how tests write their own.
//!
//! ```text
//! mod.rs    the value             draw.rs    a value from a seed      odds.rs  which mishaps, how often
//! print.rs  as lines              bounds.rs  tiny and real limits     build.rs  the world of it
//! crowd.rs  many at one door
//! cut.rs    what can be taken out   directed.rs  values about one thing each
//! ```

mod bounds;
mod build;
mod crowd;
mod cut;
mod directed;
mod draw;
mod odds;
mod print;

use tide_base::Duration;
use tide_engine::{Limits, RateLimits};

use crate::dice::Odds;
use crate::disk::{ContentSpec, MediumSpec, Pace};
use crate::home::HomeSpec;
use crate::liar::Lie;
use crate::mutants::Vice;
use crate::net::{HostSpec, NetSpec};
use crate::tracker::TrackerSpec;
use crate::world::{Hashers, Holding, TurnSpec};

pub use build::{Cast, build};
pub use cut::Cut;
pub use directed::Directed;
pub use draw::draw;

/// Everything about a run.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it was drawn from; the world's own dice follow from it, too.
    pub seed: u64,
    /// Whether limits are tiny, so that everything wraps around and runs short.
    pub tiny: bool,
    /// The torrents.
    pub contents: Vec<ContentSpec>,
    /// Whether each torrent is private (BEP 27).
    pub private: Vec<bool>,
    /// Whether each torrent has an info dictionary, so that peers can tell each other of it (BEP 9).
    pub genuine: Vec<bool>,
    /// The engines.
    pub nodes: Vec<NodePlan>,
    /// Peers that break the rules.
    pub mutants: Vec<MutantPlan>,
    /// Nodes of the DHT that do harm.
    pub liars: Vec<LiarPlan>,
    /// The trackers; all of them have all torrents.
    pub trackers: Vec<TrackerSpec>,
    /// What goes wrong, and how often.
    pub odds: Odds,
    /// The net.
    pub net: NetSpec,
    /// How long the first act takes, in which everything goes wrong.
    pub first_act: Duration,
    /// The longest time between two chances of users and processes to do something.
    pub tick: Duration,
    /// How long the second act may go without progress.
    pub stall: Duration,
    /// Every so many turns the judges look at everything.
    pub look_every: u32,
    /// Whether there is a second act; without, the run ends with the first.
    pub second_act: bool,
    /// Whether in the second act, too, nobody is told of anybody: they find each other, or do not complete.
    pub strangers: bool,
}

impl Scenario {
    /// The copy of a content that nobody and nothing harms: the first whole one of a node that can be dialled. The
    /// node, and the number of the torrent there.
    pub fn spared(&self, content: usize) -> Option<(usize, usize)> {
        let whole = |plan: &TorrentPlan| plan.content == content && plan.holding == Holding::Everything;
        let nodes = self.nodes.iter().enumerate().filter(|(_, plan)| !plan.absent && !plan.host.nat);
        nodes.into_iter().find_map(|(node, plan)| Some((node, plan.torrents.iter().position(whole)?)))
    }
}

/// An engine and its machine.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// Whether it is not there at all.
    pub absent: bool,
    /// How it is connected.
    pub host: HostSpec,
    /// Where it listens.
    pub port: u16,
    /// How many shards it has.
    pub shards: u16,
    /// Its bounds.
    pub limits: Limits,
    /// Its session's rates.
    pub rates: RateLimits,
    /// Its turns.
    pub turns: TurnSpec,
    /// How long mail between its shards takes at most.
    pub mail: Duration,
    /// Its hash pool.
    pub hashers: Hashers,
    /// How fast its disk is.
    pub pace: Pace,
    /// What its disk is.
    pub medium: MediumSpec,
    /// Whether it tells peers of each other (BEP 11).
    pub pex: bool,
    /// Whether it looks for peers on its local network.
    pub local: bool,
    /// The gateway that it asks for ports, if it has one; it is alone behind it.
    pub gateway: Option<HomeSpec>,
    /// Its torrents.
    pub torrents: Vec<TorrentPlan>,
    /// Its part in the DHT, if it takes one.
    pub dht: Option<DhtPlan>,
}

/// A node's part in the DHT.
#[derive(Clone, Debug)]
pub struct DhtPlan {
    /// The nodes by which it finds in; they may be itself.
    pub routers: Vec<usize>,
    /// Whether it knows them by name.
    pub named: bool,
    /// Its bounds and habits.
    pub limits: tide_dht::Limits,
    /// Whether it asks and does not answer (BEP 43).
    pub read_only: bool,
}

/// A node's part in a torrent.
#[derive(Clone, Debug)]
pub struct TorrentPlan {
    /// Which content.
    pub content: usize,
    /// Whether it is added by a magnet link: the rest is learnt from peers.
    pub magnet: bool,
    /// What lies on the disk already.
    pub holding: Holding,
    /// The nodes whose addresses it is given; they may be itself.
    pub peers: Vec<usize>,
    /// Whether it knows the trackers.
    pub tracked: bool,
    /// Pieces in order, or rarest first.
    pub sequential: bool,
    /// One a file.
    pub priorities: Vec<u8>,
    /// The torrent's own rates.
    pub limits: RateLimits,
}

/// A node of the DHT that does harm to all others.
#[derive(Clone, Debug)]
pub struct LiarPlan {
    /// Whether it is not there at all.
    pub absent: bool,
    /// Which harm.
    pub lie: Lie,
    /// Its address, and how it is connected.
    pub host: HostSpec,
}

/// A peer that breaks the rules.
#[derive(Clone, Debug)]
pub struct MutantPlan {
    /// Whether it is not there at all.
    pub absent: bool,
    /// Which.
    pub vice: Vice,
    /// In which torrent.
    pub content: usize,
    /// Whom it dials.
    pub victims: Vec<usize>,
    /// Its address, and how it is connected.
    pub host: HostSpec,
    /// Where it listens, if it does.
    pub port: u16,
    /// Whether nodes are given its address.
    pub known: bool,
}
