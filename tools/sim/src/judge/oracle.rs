//! What must hold, as one table; and what is said when it does not.

use std::fmt;

use tide_base::Instant;

macro_rules! oracles {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Something that must hold, whatever happens.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Oracle {
            $($(#[$doc])* $name,)*
        }

        impl Oracle {
            /// All there are, in the order of the table.
            pub const ALL: &[Oracle] = &[$(Oracle::$name,)*];

            /// What it is called in tables and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $(Oracle::$name => $text,)* }
            }
        }
    };
}

oracles! {
    /// A piece is had only if its bytes on the medium hash to what the torrent file says, damage by the world aside.
    Truth = "have-is-true",
    /// What is had stays had, unless everything is looked at anew.
    Keeps = "have-never-shrinks",
    /// A piece that was fetched is had, told of, served and counted only after every byte of it was answered as written.
    Written = "have-after-write",
    /// Each wanted piece is had, open or leased: one of these.
    OneState = "one-state-a-piece",
    /// Torrent and crew agree about which pieces are leased, had and missing.
    Leases = "leases-agree",
    /// What members are asked for is what the leases have as asked, once each.
    Asks = "asks-agree",
    /// A block is asked of several members only in the endgame, and of no more than the limit.
    Endgame = "endgame-only",
    /// The copies counted are those that the connected peers have.
    Copies = "copies-counted",
    /// The torrent's peers are the crew's members, and the shard's connections.
    Roster = "roster-agrees",
    /// No more peers are unchoked than there are slots, and both sides know of it.
    Slots = "slots-kept",
    /// Every peer that wants something is unchoked before long.
    Fair = "everybody-in-turn",
    /// Each queue is within its limit.
    Queues = "queues-bounded",
    /// Connections are within their limits: in all, a torrent, an address, half-open.
    Conns = "connections-bounded",
    /// No more is dialled a second than may be.
    Dials = "dials-a-second",
    /// The memory that is out is what leases and jobs hold.
    Memory = "memory-balance",
    /// What is used of each share is what is held, and no more than was granted.
    Stocks = "shares-balance",
    /// Together the shards were granted no more than the session has.
    Session = "session-shares",
    /// Each job is answered exactly once.
    Jobs = "jobs-once",
    /// Time goes on; nothing is left over from a turn; nobody wakes for ever at one moment.
    Time = "time-goes-on",
    /// Each command is answered exactly once.
    Commands = "commands-once",
    /// In any span of time no more goes by than the rate and one burst.
    Rates = "rates-kept",
    /// Whoever is banned is no member, is not dialled and not let in until the ban ends.
    Bans = "banned-stays-banned",
    /// What resume data claim was synced, is had, and is on the medium after a crash.
    Resume = "resume-is-true",
    /// Trackers are not asked more often than they allow.
    Trackers = "tracker-etiquette",
    /// Nobody tells a tracker that it lacks nothing before it was complete, or that it sent more than it read.
    Announced = "announces-are-true",
    /// A private torrent meets only whom its trackers name.
    Private = "private-stays-private",
    /// What a node believes to be its address is one of its addresses.
    Address = "address-is-ours",
    /// Events come in an order that makes sense; what is final stays final.
    Events = "events-in-order",
    /// Who has nothing to do sleeps.
    Quiet = "quiet-when-done",
    /// Whoever can complete does.
    Alive = "everybody-completes",
    /// A query of the DHT ends once, and in its time.
    Queries = "queries-once",
    /// Of a hundred who look for what is stored in the DHT, 99 find it.
    Found = "stored-is-found",
    /// A lookup takes no more questions than it may, and mostly few.
    Lookups = "lookups-short",
    /// A node of the DHT asks no host, and all hosts together, no more often than it may.
    Asking = "asks-bounded",
    /// Whoever has nothing to do with the DHT gets little more from it than others spend on that.
    Bystanders = "no-amplifier",
    /// What a node of the DHT knows and stores is within its limits, a neighbourhood's share of it too.
    Tables = "tables-bounded",
}

impl fmt::Display for Oracle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something that must hold does not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What must hold.
    pub oracle: Oracle,
    /// Where it does not.
    pub node: usize,
    /// When that was noticed.
    pub at: Instant,
    /// What exactly differs.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} node {}: {}: {}", self.at, self.node, self.oracle, self.text)
    }
}

/// What comes of a comparison: how many things were compared, or what differs.
pub(super) type Compared = Result<u64, String>;

/// Says what differs unless `holds`.
pub(super) fn ensure(holds: bool, text: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(text()) }
}
