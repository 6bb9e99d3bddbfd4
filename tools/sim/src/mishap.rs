//! What the world does to those who live in it: one table of everything that can go wrong. (A [`Fault`] is something
//! else: a rule that a peer broke.)
//!
//! [`Fault`]: tide_peer::Fault

use std::collections::BTreeMap;
use std::fmt;

/// The part of the world that brings a mishap about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
    /// Names and trackers.
    Tracker,
    /// Files.
    Disk,
    /// The hash pool, mail between shards, the process itself.
    Node,
    /// Whoever uses the program.
    User,
}

macro_rules! mishaps {
    ($($part:ident: { $($(#[$doc:meta])* $name:ident = $text:literal,)* })*) => {
        /// Something that can go wrong.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Mishap {
            $($($(#[$doc])* $name,)*)*
        }

        impl Mishap {
            /// All there are, in the order of the table.
            pub const ALL: &[Mishap] = &[$($(Mishap::$name,)*)*];

            /// What it is called in tables and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $($(Mishap::$name => $text,)*)* }
            }

            /// Who brings it about.
            pub const fn part(self) -> Part {
                match self { $($(Mishap::$name => Part::$part,)*)* }
            }
        }
    };
}

mishaps! {
    Tcp: {
        /// A dial is refused although somebody listens.
        ConnectRefused = "connect-refused",
        /// A dial is never answered.
        ConnectTimeout = "connect-timeout",
        /// A stream is reset after some byte.
        Reset = "reset",
        /// One direction of a stream ends, the other goes on.
        HalfClose = "half-close",
        /// A stream stands, and nothing comes through any more.
        Silence = "silence",
        /// A read gives less than is there.
        SmallRead = "small-read",
        /// A write takes less than is offered.
        SmallWrite = "small-write",
        /// A packet comes later than those of the same kind.
        Jitter = "jitter",
        /// A packet is lost; the stream repairs it later.
        TcpLoss = "tcp-loss",
        /// A queue at a link is full, and its tail is dropped.
        TailDrop = "tail-drop",
        /// Two groups of hosts cannot reach each other.
        Partition = "partition",
        /// One group of hosts cannot reach another, but is reached.
        PartitionOneWay = "partition-one-way",
        /// Nothing gets from one host to another for a while; then all of it does.
        Clog = "clog",
        /// A group of links is clogged one after another and freed in another order.
        Swizzle = "swizzle",
        /// A host behind a NAT cannot be dialled.
        Nat = "nat",
        /// No more sockets: a dial fails at once, an accept does not happen.
        NoSockets = "no-sockets",
    }
    Udp: {
        /// A datagram is lost.
        UdpLoss = "udp-loss",
        /// A datagram comes twice.
        UdpTwice = "udp-twice",
        /// A datagram overtakes another.
        UdpReorder = "udp-reorder",
        /// A datagram is cut off.
        UdpTruncate = "udp-truncate",
        /// A bit of a datagram is flipped.
        UdpFlip = "udp-flip",
        /// A datagram is too large for its way.
        UdpMtu = "udp-mtu",
    }
    Tracker: {
        /// A name cannot be looked up.
        NameFails = "name-fails",
        /// Looking a name up takes long.
        NameSlow = "name-slow",
        /// A tracker does not listen.
        TrackerDown = "tracker-down",
        /// A tracker takes its time.
        TrackerSlow = "tracker-slow",
        /// A tracker answers with a server's error, or a UDP error.
        TrackerError = "tracker-error",
        /// A tracker answers with something that is no answer.
        TrackerGarbage = "tracker-garbage",
        /// A tracker wants to be asked again at once.
        TrackerIntervalZero = "tracker-interval-zero",
        /// A tracker wants to be asked again in years.
        TrackerIntervalHuge = "tracker-interval-huge",
        /// A tracker names the asker as a peer.
        TrackerNamesUs = "tracker-names-us",
        /// A tracker names addresses where nobody can be.
        TrackerBogons = "tracker-bogons",
        /// A tracker names ten thousand peers.
        TrackerCrowd = "tracker-crowd",
        /// A tracker redirects, perhaps in a circle.
        TrackerRedirect = "tracker-redirect",
    }
    Disk: {
        /// A job takes long.
        DiskSlow = "disk-slow",
        /// A read fails.
        ReadFails = "read-fails",
        /// A write fails.
        WriteFails = "write-fails",
        /// A sync fails.
        SyncFails = "sync-fails",
        /// There is no space left.
        NoSpace = "no-space",
        /// There is space again.
        SpaceBack = "space-back",
        /// A write takes less than is offered, a read gives less.
        ShortTransfer = "short-transfer",
        /// Too many files are open.
        NoFiles = "no-files",
        /// A file is cut off beneath us.
        FileShortened = "file-shortened",
        /// A file is deleted beneath us.
        FileDeleted = "file-deleted",
        /// A bit of a file is flipped, silently.
        BitRot = "bit-rot",
        /// After a crash, an unsynced write is there all the same.
        CrashKept = "crash-kept",
        /// After a crash, an unsynced write is gone.
        CrashLost = "crash-lost",
        /// After a crash, part of an unsynced write is there.
        CrashTorn = "crash-torn",
        /// Resume data are those of earlier.
        ResumeStale = "resume-stale",
        /// Resume data are cut off or garbled.
        ResumeTorn = "resume-torn",
        /// Resume data are those of another torrent.
        ResumeForeign = "resume-foreign",
    }
    Node: {
        /// A hash job overtakes another.
        HashReorder = "hash-reorder",
        /// The hash pool does nothing for a while.
        HashStarve = "hash-starve",
        /// Mail from one shard to another takes long.
        MailSlow = "mail-slow",
        /// A job waits because the way to the disk or the pool is full.
        FullQueue = "full-queue",
        /// The process is killed and starts again from what the disk holds.
        Kill = "kill",
        /// The process stands still, and the clock jumps.
        Pause = "pause",
        /// The process ends in good order while it transfers, and starts again.
        Shutdown = "shutdown",
    }
    User: {
        /// A torrent is added while all runs.
        Add = "add",
        /// A torrent is removed while all runs.
        Remove = "remove",
        /// A torrent is paused, and goes on later.
        Halt = "halt",
        /// A torrent is hashed anew while it transfers.
        Recheck = "recheck",
        /// Limits are changed.
        SetLimits = "set-limits",
        /// Other files are wanted.
        SetPriorities = "set-priorities",
        /// The content is moved to another folder.
        Move = "move",
        /// What is sought of a torrent by a link is found in a file.
        Learn = "learn",
        /// Somebody is named who may be a peer.
        Meet = "meet",
        /// Trackers are asked at once.
        Reannounce = "reannounce",
        /// Pieces are wanted in order from now on, or in any.
        Reorder = "reorder",
    }
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each of something happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally<K: Ord>(BTreeMap<K, u64>);

impl<K: Ord> Default for Tally<K> {
    fn default() -> Tally<K> {
        Tally(BTreeMap::new())
    }
}

impl<K: Ord + Copy> Tally<K> {
    /// It happened once more.
    pub fn count(&mut self, what: K) {
        self.add(what, 1);
    }

    /// It happened so many times more.
    pub fn add(&mut self, what: K, times: u64) {
        *self.0.entry(what).or_insert(0) += times;
    }

    /// How often it happened.
    pub fn of(&self, what: K) -> u64 {
        self.0.get(&what).copied().unwrap_or(0)
    }

    /// Adds another's counts.
    pub fn merge(&mut self, other: &Tally<K>) {
        for (&what, &times) in &other.0 {
            self.add(what, times);
        }
    }

    /// What happened at all, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (K, u64)> + '_ {
        self.0.iter().map(|(&what, &times)| (what, times))
    }
}
