//! The pieces that a crew has under lease, and which of them have blocks to hand out.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::PieceIndex;

use super::lease::Lease;
use crate::desk::gates::LeaseRef;

/// The pieces under lease.
#[derive(Debug, Default)]
pub struct Leases {
    leases: BTreeMap<PieceIndex, Lease>,
    open: BTreeSet<PieceIndex>,
    clock: u64,
}

impl Leases {
    /// No leases.
    pub fn new() -> Leases {
        Leases::default()
    }

    /// A new lease.
    pub fn insert(&mut self, lease: Lease) {
        self.open.insert(lease.piece());
        let old = self.leases.insert(lease.piece(), lease);
        assert!(old.is_none(), "a piece is leased twice");
    }

    /// Ends a lease.
    pub fn remove(&mut self, piece: PieceIndex) -> Option<Lease> {
        self.open.remove(&piece);
        self.leases.remove(&piece)
    }

    /// The lease of a piece.
    pub fn get(&self, piece: PieceIndex) -> Option<&Lease> {
        self.leases.get(&piece)
    }

    /// The lease of a piece. Afterwards [`refresh`](Self::refresh) must be called if blocks became free or not free.
    pub fn get_mut(&mut self, piece: PieceIndex) -> Option<&mut Lease> {
        self.leases.get_mut(&piece)
    }

    /// This very lease, unless it has ended.
    pub fn find(&mut self, id: LeaseRef) -> Option<&mut Lease> {
        self.leases.get_mut(&id.piece).filter(|lease| lease.id == id)
    }

    /// Notes whether a lease has blocks to hand out.
    pub fn refresh(&mut self, piece: PieceIndex) {
        match self.leases.get(&piece) {
            Some(lease) if lease.free() > 0 && !lease.doomed => self.open.insert(piece),
            _ => self.open.remove(&piece),
        };
    }

    /// The pieces with blocks to hand out, in order.
    pub fn open(&self) -> impl Iterator<Item = &Lease> {
        self.open.iter().map(|piece| &self.leases[piece])
    }

    /// All leases, in order of pieces.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The pieces under lease.
    pub fn pieces(&self) -> Vec<PieceIndex> {
        self.leases.keys().copied().collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.leases.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    /// Notes that the memory of a lease was touched.
    pub fn touch(&mut self, piece: PieceIndex) {
        self.clock += 1;
        let clock = self.clock;
        if let Some(lease) = self.leases.get_mut(&piece) {
            lease.touched = clock;
        }
    }

    /// The lease, with memory that could be freed, that was touched longest ago. Somebody is about to write into the
    /// `awaited` chunks.
    pub fn coldest(&self, awaited: &BTreeSet<(PieceIndex, usize)>) -> Option<(PieceIndex, usize)> {
        let idle = |lease: &Lease| lease.idle_chunk(|chunk| awaited.contains(&(lease.piece(), chunk)));
        self.leases
            .values()
            .filter_map(|lease| Some((lease.touched, lease.piece(), idle(lease)?)))
            .min()
            .map(|(_, piece, chunk)| (piece, chunk))
    }

    /// The lease that nobody works on and that was touched longest ago.
    pub fn abandoned(&self) -> Option<LeaseRef> {
        let idle = self.open().filter(|lease| lease.is_abandoned());
        idle.min_by_key(|lease| (lease.touched, lease.piece())).map(|lease| lease.id)
    }

    /// Panics if the tables disagree.
    pub fn check_invariants(&self) {
        for (piece, lease) in &self.leases {
            lease.check_invariants();
            assert_eq!(self.open.contains(piece), lease.free() > 0 && !lease.doomed, "{piece:?}");
        }
    }
}
