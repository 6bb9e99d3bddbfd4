//! The pieces of a torrent: each wanted one is had, open to be leased, or leased; never two of these, never none.

use std::collections::BTreeMap;
use std::sync::Arc;

use tide_base::{Bits, PieceIndex, Prng, ShardId, SlotKey};

use super::picker::{Closed, Fruitless, Opened, Picker};
use super::priorities::Priorities;
use super::words::{Copies, Has, Priority};
use crate::desk::gates::LeaseRef;

/// The pieces of a torrent.
pub struct Stock {
    have: Bits,
    leased: BTreeMap<PieceIndex, (u32, ShardId)>,
    generation: u32,
    /// Pieces wanted, not had and not leased.
    open: Bits,
    picker: Box<dyn Picker>,
    fruitless: Fruitless,
}

impl core::fmt::Debug for Stock {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Stock(have {:?}, open {:?}, leased {})", self.have, self.open, self.leased.len())
    }
}

impl Stock {
    /// Nothing had; what `priorities` want is open.
    pub fn new(pieces: u32, picker: Box<dyn Picker>, priorities: &Priorities) -> Stock {
        let mut stock = Stock {
            have: Bits::new(pieces),
            leased: BTreeMap::new(),
            generation: 0,
            open: Bits::new(pieces),
            picker,
            fruitless: Fruitless::new(),
        };
        for piece in (0..pieces).map(PieceIndex) {
            stock.prioritise(piece, priorities.piece(piece));
        }
        stock
    }

    /// The pieces that are here.
    pub fn have(&self) -> &Bits {
        &self.have
    }

    /// The pieces under lease.
    pub fn leased(&self) -> impl Iterator<Item = PieceIndex> + '_ {
        self.leased.keys().copied()
    }

    /// The pieces that are open to be leased.
    pub fn open(&self) -> &Bits {
        &self.open
    }

    /// The leases in force, and to whom.
    pub fn leases(&self) -> impl Iterator<Item = (LeaseRef, ShardId)> + '_ {
        self.leased.iter().map(|(&piece, &(generation, crew))| (LeaseRef { piece, generation }, crew))
    }

    /// The copies of each piece at peers that are no seeds, if the picker counts them.
    pub fn picker_copies(&self) -> Option<Vec<u32>> {
        (0..self.have.len()).map(|piece| self.picker.copies_of(PieceIndex(piece))).collect()
    }

    /// Whether this very lease is in force.
    pub fn is_leased(&self, lease: LeaseRef) -> bool {
        self.leased.get(&lease.piece).is_some_and(|&(generation, _)| generation == lease.generation)
    }

    /// The pieces that are wanted and not here.
    pub fn missing(&self, priorities: &Priorities) -> Arc<Bits> {
        let mut missing = self.open.clone();
        for piece in self.leased.keys().filter(|&&piece| priorities.piece(piece).is_wanted()) {
            missing.set(piece.0);
        }
        Arc::new(missing)
    }

    /// A picker of another order takes over: it is told all there is to know.
    pub fn set_picker(&mut self, mut picker: Box<dyn Picker>, priorities: &Priorities, copies: &[Arc<Bits>]) {
        for piece in (0..self.have.len()).map(PieceIndex) {
            picker.prioritise(piece, priorities.piece(piece));
            if self.have.has(piece.0) {
                picker.close(piece, Closed::Had);
            } else if self.open.has(piece.0) {
                picker.open(piece, Opened::Fresh);
            }
        }
        for bits in copies {
            picker.copies(Copies::Joined(bits));
        }
        self.picker = picker;
    }

    /// A piece has this priority from now on. A lease that is not wanted any more, to be revoked.
    pub fn prioritise(&mut self, piece: PieceIndex, priority: Priority) -> Option<(LeaseRef, ShardId)> {
        self.picker.prioritise(piece, priority);
        if self.have.has(piece.0) {
            return None;
        }
        match (priority.is_wanted(), self.leased.get(&piece)) {
            (true, None) if self.open.set(piece.0) => {
                self.picker.open(piece, Opened::Fresh);
                self.fruitless.opened(piece);
            }
            (false, None) if self.open.clear(piece.0) => self.picker.close(piece, Closed::Unwanted),
            (false, Some(&(generation, crew))) => return Some((LeaseRef { piece, generation }, crew)),
            _ => {}
        }
        None
    }

    /// The swarm's copies changed.
    pub fn copies(&mut self, change: Copies<'_>) {
        self.picker.copies(change);
    }

    /// Leases a piece that a member has. That there was none is remembered of `asker`.
    pub fn lease(
        &mut self,
        asker: Option<SlotKey>,
        has: &Bits,
        crew: ShardId,
        prng: &mut Prng,
    ) -> Option<LeaseRef> {
        let has = if has.all() { Has::Everything } else { Has::These(has) };
        let in_vain =
            |fruitless: &mut Fruitless| asker.is_some_and(|asker| !fruitless.worth_asking(asker, has));
        if self.open.none() || in_vain(&mut self.fruitless) {
            return None;
        }
        let Some(piece) = self.picker.pick(has, prng) else {
            if let Some(asker) = asker {
                self.fruitless.in_vain(asker);
            }
            return None;
        };
        let was_open = self.open.clear(piece.0);
        assert!(was_open, "the picker picked a piece that is not open");
        self.picker.close(piece, Closed::Leased);
        self.generation = self.generation.wrapping_add(1);
        self.leased.insert(piece, (self.generation, crew));
        Some(LeaseRef { piece, generation: self.generation })
    }

    /// A member has more than it had, or is gone.
    pub fn forget(&mut self, asker: SlotKey) {
        self.fruitless.forget(asker);
    }

    /// Whether everything wanted is here: nothing is open and nothing under way.
    pub fn is_complete(&self) -> bool {
        self.open.none() && self.leased.is_empty()
    }

    /// Whether nothing is open any more, though something is under way.
    pub fn all_leased(&self) -> bool {
        self.open.none() && !self.leased.is_empty()
    }

    /// A lease ended with the piece. False if it was not in force.
    pub fn stored(&mut self, lease: LeaseRef) -> bool {
        if !self.is_leased(lease) {
            return false;
        }
        self.leased.remove(&lease.piece);
        let new = self.have.set(lease.piece.0);
        assert!(new, "a piece is had once");
        self.picker.close(lease.piece, Closed::Had);
        true
    }

    /// A lease ended without the piece. Whether the piece is open again.
    pub fn returned(&mut self, lease: LeaseRef, priority: Priority) -> bool {
        if !self.is_leased(lease) {
            return false;
        }
        self.leased.remove(&lease.piece);
        if !priority.is_wanted() {
            self.picker.close(lease.piece, Closed::Unwanted);
            return false;
        }
        self.open.set(lease.piece.0);
        self.picker.open(lease.piece, Opened::Partial);
        self.fruitless.opened(lease.piece);
        true
    }

    /// A check found the piece here.
    pub fn found(&mut self, piece: PieceIndex) {
        assert!(!self.leased.contains_key(&piece), "nothing is leased during a check");
        if self.have.set(piece.0) {
            self.open.clear(piece.0);
            self.picker.close(piece, Closed::Had);
        }
    }

    /// The piece is not here after all. Whether it was.
    pub fn lost(&mut self, piece: PieceIndex, priority: Priority) -> bool {
        let had = self.have.clear(piece.0);
        if had && priority.is_wanted() {
            self.open.set(piece.0);
            self.picker.open(piece, Opened::Fresh);
            self.fruitless.opened(piece);
        } else if had {
            self.picker.close(piece, Closed::Unwanted);
        }
        had
    }

    /// Panics unless each wanted piece is in exactly one state.
    pub fn check_invariants(&self, priorities: &Priorities) {
        for piece in (0..self.have.len()).map(PieceIndex) {
            let states = [self.have.has(piece.0), self.open.has(piece.0), self.leased.contains_key(&piece)];
            let count = states.iter().filter(|&&is| is).count();
            assert!(count <= 1, "{piece:?} is {states:?}: had, open, leased");
            assert!(count == 1 || !priorities.piece(piece).is_wanted(), "{piece:?} is wanted and forgotten");
        }
        self.picker.check_invariants();
    }
}
