//! One known address: where it came from, how it did, and how it ranks.

use core::cmp::Reverse;
use core::ops::{BitOr, BitOrAssign};
use tide_base::{Instant, PeerId};

/// Who told of an address: any of several.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Sources(u8);

impl Sources {
    /// A tracker.
    pub const TRACKER: Sources = Sources(1);
    /// The peer itself, which connected to us and told its listening port.
    pub const INCOMING: Sources = Sources(1 << 1);
    /// The user.
    pub const MANUAL: Sources = Sources(1 << 2);
    /// Resume data.
    pub const RESUME: Sources = Sources(1 << 3);
    /// The DHT (BEP 5).
    pub const DHT: Sources = Sources(1 << 4);
    /// Other peers (BEP 11).
    pub const PEX: Sources = Sources(1 << 5);
    /// The local network (BEP 14).
    pub const LSD: Sources = Sources(1 << 6);

    /// The flags as resume data holds them.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The sources of these flags; unknown ones are ignored.
    pub const fn from_bits(bits: u8) -> Sources {
        Sources(bits & 0x7f)
    }

    /// Whether one of `other` is among them.
    pub const fn any_of(self, other: Sources) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there are none but those of `other`.
    pub const fn are_only(self, other: Sources) -> bool {
        self.0 & !other.0 == 0
    }

    /// Whether they are worth more than what any stranger may say: an address that only DHT, PEX or LSD told of makes
    /// room for one that a tracker, the user or our own past told of.
    fn are_trusted(self) -> bool {
        self.any_of(Sources::TRACKER | Sources::INCOMING | Sources::MANUAL | Sources::RESUME)
    }
}

impl BitOr for Sources {
    type Output = Sources;
    fn bitor(self, other: Sources) -> Sources {
        Sources(self.0 | other.0)
    }
}

impl BitOrAssign for Sources {
    fn bitor_assign(&mut self, other: Sources) {
        self.0 |= other.0;
    }
}

/// What an address is to us at present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// It may be dialled from then on.
    Idle { from: Instant },
    /// We are connecting to it.
    Dialling,
    /// We are connected with it, by so many connections: they may cross.
    Connected { links: u16 },
    /// It is ourselves: never to be dialled again.
    Ours,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) sources: Sources,
    /// Attempts that failed since the last that did not.
    pub(super) failures: u8,
    pub(super) state: State,
    /// Whether it had everything when last seen.
    pub(super) seed: bool,
    /// Whether neither of us had anything that the other wanted when it was last connected.
    pub(super) idle: bool,
    /// When it was last connected.
    pub(super) last_connected: Option<Instant>,
    /// How it called itself.
    pub(super) id: Option<PeerId>,
    /// BEP 40's priority; a random number while our own address is not known.
    pub(super) priority: u32,
    /// The random number, kept.
    pub(super) lot: u32,
}

/// How far an address can be believed to be a peer's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Standing {
    /// The user named it.
    Manual,
    /// Somebody trusted did, or we have been connected with it.
    Known,
    /// Only strangers told of it, who can make up any number of addresses.
    Hearsay,
}

/// Smaller is dialled sooner within its standing: fewer failures, never tried, higher priority.
pub(super) type Rank = (Standing, u8, bool, Reverse<u32>);

/// Smaller is evicted sooner: hearsay, more failures, lower priority.
pub(super) type Worth = (Reverse<Standing>, Reverse<u8>, u32);

impl Entry {
    pub(super) fn is_manual(&self) -> bool {
        self.sources.any_of(Sources::MANUAL)
    }

    pub(super) fn rank(&self) -> Rank {
        (self.standing(), self.failures, self.was_tried(), Reverse(self.priority))
    }

    pub(super) fn worth(&self) -> Worth {
        (Reverse(self.standing()), Reverse(self.failures), self.priority)
    }

    fn standing(&self) -> Standing {
        match self.is_manual() {
            true => Standing::Manual,
            false if self.sources.are_trusted() || self.last_connected.is_some() => Standing::Known,
            false => Standing::Hearsay,
        }
    }

    /// Whether a stranger of these sources is worth its place. Priority does not decide: whoever can choose addresses
    /// would push everybody else out with it.
    pub(super) fn yields_to(&self, sources: Sources) -> bool {
        match self.standing() {
            Standing::Hearsay => self.failures > 0 || sources.are_trusted(),
            Standing::Known | Standing::Manual => self.failures > 0 && sources.are_trusted(),
        }
    }

    fn was_tried(&self) -> bool {
        self.failures > 0 || self.last_connected.is_some()
    }
}
