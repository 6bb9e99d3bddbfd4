//! What comes out of a node, and what about.

use crate::id::{Contact, NodeId};
use crate::item::Item;
use crate::krpc::Samples;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use tide_base::Duration;
use tide_base::addr::Family;

/// The owner's name for a query; unique among those under way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueryId(pub u64);

/// What a node wants of its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Output {
    /// Send this datagram.
    Send {
        /// Where.
        to: SocketAddr,
        /// What; at most 1500 bytes.
        datagram: Vec<u8>,
    },
    /// Hear this.
    Event(Event),
}

/// What happens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Peers that were not told before in this query (or this round of an announce).
    Peers {
        /// Of which query.
        query: QueryId,
        /// The peers. They are what strangers say, and may be anybody.
        peers: Vec<SocketAddr>,
    },
    /// A valid item, newer than any found before by this query.
    Item {
        /// Of which query.
        query: QueryId,
        /// The item.
        item: Item,
    },
    /// A round of an announce that is kept up has ended; the next one follows in its time.
    Round {
        /// Of which announce.
        query: QueryId,
        /// Distinct peers found.
        found: usize,
        /// Nodes that took the announce; if none did, it is repeated soon.
        announced: usize,
        /// What it took.
        effort: Effort,
    },
    /// A query has ended. Nothing of it follows, and its name is free again.
    Done {
        /// Which.
        query: QueryId,
        /// How.
        outcome: Outcome,
    },
    /// The node has found its place in a network.
    Joined {
        /// Which.
        family: Family,
        /// Nodes in its table.
        nodes: usize,
    },
    /// Others agree that this is our address (BEP 42).
    Address(IpAddr),
}

/// What a lookup took, both families together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Effort {
    /// Requests sent while looking, those that store not counted.
    pub sends: usize,
    /// Answers to them in time.
    pub answers: usize,
    /// Over how many nodes the farthest of the closest was found.
    pub hops: u8,
    /// From its start to its end.
    pub took: Duration,
}

/// About how many share a torrent (BEP 33).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Swarm {
    /// Who have all of it.
    pub seeds: u32,
    /// The others.
    pub peers: u32,
}

/// How a query ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Of `get_peers` and `scrape`.
    Peers {
        /// Distinct peers found.
        found: usize,
        /// Nodes that took the announce.
        announced: usize,
        /// The swarm's size, if it was asked for.
        swarm: Option<Swarm>,
        /// What it took.
        effort: Effort,
    },
    /// Of `get`: the newest item, if there is a valid one.
    Item {
        /// The item.
        item: Option<Item>,
        /// What it took.
        effort: Effort,
    },
    /// Of `put`.
    Stored {
        /// Nodes that took the item.
        nodes: usize,
        /// The last refusal's code (BEP 44: 301 and 302 say that there is another or a newer version).
        refused: Option<i64>,
        /// What it took.
        effort: Effort,
    },
    /// Of `ping`.
    Pong {
        /// Who is there.
        id: NodeId,
        /// How long the answer took.
        took: Duration,
    },
    /// Of `sample`.
    Sampled {
        /// What the node knows; `None` if it does not know the question.
        samples: Option<Samples>,
        /// Nodes close to the target, to go on with.
        nodes: Vec<Contact>,
    },
    /// Of any.
    Failed(Failure),
}

/// Why a query failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// There is nobody to ask, or nobody answered.
    NoNodes,
    /// The one node asked did not answer.
    Timeout,
    /// The one node asked refused.
    Refused {
        /// The code ([`krpc::code`](crate::krpc::code)).
        code: i64,
        /// The text, any bytes, shortened.
        text: Box<[u8]>,
    },
    /// It was cancelled.
    Canceled,
}

/// Why a query is not taken on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// There is one of this name.
    NameTaken,
    /// There are as many as may be.
    Busy,
    /// The address is of no network that the node is in, or nobody's.
    Address,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::NameTaken => "a DHT query of this name is under way",
            Refused::Busy => "too many DHT queries are under way",
            Refused::Address => "no DHT node can be at this address",
        })
    }
}

impl core::error::Error for Refused {}

/// Why a node wants to be woken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reason {
    /// A request becomes slow or dead.
    Call,
    /// A request may be sent again.
    Rate,
    /// An announce is due.
    Announce,
    /// It tries to get into a network.
    Join,
    /// Nodes, buckets and stores are looked after.
    Upkeep,
    /// Nothing is to be done, ever.
    Idle,
}
