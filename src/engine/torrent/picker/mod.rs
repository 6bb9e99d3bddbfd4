//! Which piece to lease next. A picker orders pieces; the blocks within a leased piece are handed out by its crew.

pub mod factory;
pub mod fruitless;
pub mod rarest;
pub mod sequential;
#[cfg(test)]
mod tests;

pub use crate::torrent::words::{Copies, Has, Priority};
pub use factory::Factory;
pub use fruitless::Fruitless;
pub use rarest::Rarest;
pub use sequential::Sequential;

use tide_base::{PieceIndex, Prng};

/// What is there already of a piece that opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opened {
    /// Nothing.
    Fresh,
    /// Some of its blocks, kept from an earlier lease: finishing it frees memory, so it goes before fresh ones.
    Partial,
}

/// Why a piece is not to be picked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// It is not wanted, or cannot be stored now.
    Unwanted,
    /// Somebody is fetching or hashing it.
    Leased,
    /// It is there.
    Had,
}

/// The numbers by which the pickers of this module work.
#[derive(Clone, Copy, Debug)]
pub struct PickerLimits {
    /// While fewer pieces than this are there, pick at random rather than the rarest: a newcomer needs something to
    /// trade soon, and the rarest pieces come from the fewest peers. 4 is what the field uses.
    pub random_first: u32,
    /// How many pieces, the rarest first, are tried against an asker's bits before its words are scanned instead; 0
    /// tries none. An asker with a 32nd of the pieces is then served in strict order more often than not; one with
    /// fewer is not tried.
    pub probes: u32,
    /// How many pieces a scan compares before it takes the rarest of them. Of 16 drawn at random the best is among
    /// the rarest eighth nine times in ten.
    pub sample: u32,
}

impl PickerLimits {
    /// The numbers with the reasons given at each.
    pub const DEFAULT: PickerLimits = PickerLimits { random_first: 4, probes: 32, sample: 16 };
}

impl Default for PickerLimits {
    fn default() -> PickerLimits {
        PickerLimits::DEFAULT
    }
}

/// Orders the pieces of one torrent.
///
/// It is told of every change and asked for one piece at a time. At first every piece is closed as unwanted and has
/// [`Priority::NORMAL`]. Telling it what it knows already changes nothing. Pieces it is told of always exist, and bits
/// it is given are always over exactly the torrent's pieces.
///
/// Three methods and `pick` are enough: see the picker in this module's tests that takes the last piece first.
pub trait Picker: Send {
    /// `piece` is open from now on: it may be picked. An open piece may be opened again with another `as_it_is`.
    fn open(&mut self, piece: PieceIndex, as_it_is: Opened);

    /// `piece` is not to be picked from now on.
    fn close(&mut self, piece: PieceIndex, why: Closed);

    /// `piece`, open or not, has this priority from now on. An open piece with [`Priority::SKIP`] is not picked.
    fn prioritise(&mut self, piece: PieceIndex, priority: Priority);

    /// The swarm's copies changed. Not of interest to every order.
    fn copies(&mut self, change: Copies<'_>) {
        let _ = change;
    }

    /// An open, wanted piece that is among `has`, or `None` if there is none. No open piece of a higher priority may
    /// be among `has`. The piece stays open: whoever leases it closes it.
    fn pick(&mut self, has: Has<'_>, prng: &mut Prng) -> Option<PieceIndex>;

    /// How many pieces or words of 64 pieces it has looked at since it began, for tests and benches: the cost of
    /// picking without a clock.
    fn steps(&self) -> u64 {
        0
    }

    /// How many copies of a piece it counts at peers that are no seeds, for tests; `None` if it does not count.
    fn copies_of(&self, piece: PieceIndex) -> Option<u32> {
        let _ = piece;
        None
    }

    /// Panics if its tables contradict each other.
    fn check_invariants(&self) {}
}
