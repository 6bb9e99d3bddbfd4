//! One attempt to put the metadata together: its pieces, of whom they are, how long it takes.

use super::{MetadataLimits, PIECE, piece_len, pieces};
use alloc::boxed::Box;
use alloc::vec::Vec;
use tide_base::{Duration, Instant};

/// How many a piece is asked of at a time.
const ASKED: u16 = 4;

/// Of whom an attempt takes pieces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Whom<P> {
    /// Of everybody who claims its size.
    All,
    /// Of one, who is to blame if it comes to nothing.
    Only(P),
}

/// Where an attempt is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Pieces are missing.
    Fetching,
    /// It was handed out to be judged, under this number.
    Judged(u64),
}

/// One attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt<P> {
    pub(super) whom: Whom<P>,
    pub(super) size: u32,
    pub(super) stage: Stage,
    /// Turns that it had before.
    pub(super) tries: u32,
    began: Instant,
    moved_at: Instant,
    pieces: Vec<Piece<P>>,
    /// Pieces that are here.
    pub(super) got: u32,
    /// Bytes of them.
    pub(super) bytes: u32,
    /// Pieces that are neither here nor asked for.
    unasked: u32,
    /// None of those stands in front of this one.
    cursor: u32,
}

#[derive(Clone, Debug)]
struct Piece<P> {
    asked: u16,
    asked_at: Instant,
    here: Option<Here<P>>,
}

#[derive(Clone, Debug)]
struct Here<P> {
    proof: Proof<P>,
    bytes: Box<[u8]>,
}

/// Who sent a piece, and what it was like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Proof<P> {
    pub(super) from: P,
    print: u64,
}

/// Who sent which pieces of an attempt.
#[derive(Clone, Debug)]
pub(super) struct Evidence<P> {
    size: u32,
    /// By piece; nothing where the sender is blamed already.
    proofs: Vec<Option<Proof<P>>>,
}

impl<P> Piece<P> {
    /// Whether it is awaited, and may be asked of another too.
    fn is_hedged(&self) -> bool {
        self.here.is_none() && (1..ASKED).contains(&self.asked)
    }
}

impl<P: Copy + Ord> Attempt<P> {
    pub(super) fn new(now: Instant, whom: Whom<P>, size: u32, tries: u32) -> Attempt<P> {
        let piece = Piece { asked: 0, asked_at: Instant::ZERO, here: None };
        Attempt {
            whom,
            size,
            stage: Stage::Fetching,
            tries,
            began: now,
            moved_at: now,
            pieces: alloc::vec![piece; pieces(size) as usize],
            got: 0,
            bytes: 0,
            unasked: pieces(size),
            cursor: 0,
        }
    }

    /// Whether a peer that claims `size` takes part.
    pub(super) fn takes(&self, peer: P, size: u32) -> bool {
        self.size == size
            && match self.whom {
                Whom::All => true,
                Whom::Only(only) => only == peer,
            }
    }

    pub(super) fn is_fetching(&self) -> bool {
        self.stage == Stage::Fetching
    }

    pub(super) fn is_whole(&self) -> bool {
        self.got as usize == self.pieces.len()
    }

    /// A piece that nobody was asked for.
    pub(super) fn unasked(&mut self) -> Option<u32> {
        if self.unasked == 0 {
            return None;
        }
        let free = |piece: &Piece<P>| piece.asked == 0 && piece.here.is_none();
        let at = self.pieces[self.cursor as usize..].iter().position(free)? as u32;
        self.cursor += at;
        Some(self.cursor)
    }

    /// A piece that others were asked for some time ago, if there is none to ask for else.
    pub(super) fn hedge(&self, now: Instant, limits: &MetadataLimits) -> Option<u32> {
        if self.unasked > 0 {
            return None;
        }
        let late = |piece: &Piece<P>| piece.is_hedged() && piece.asked_at + limits.hedge <= now;
        self.pieces.iter().position(late).map(|at| at as u32)
    }

    pub(super) fn ask(&mut self, now: Instant, piece: u32) {
        let place = &mut self.pieces[piece as usize];
        if place.asked == 0 {
            self.unasked -= 1;
        }
        place.asked += 1;
        place.asked_at = now;
    }

    /// An ask ended, well or not.
    pub(super) fn unask(&mut self, piece: u32) {
        let Some(place) = self.pieces.get_mut(piece as usize) else { return };
        if place.asked == 0 {
            return;
        }
        place.asked -= 1;
        if place.asked == 0 && place.here.is_none() {
            self.unasked += 1;
            self.cursor = self.cursor.min(piece);
        }
    }

    /// Takes a piece of the right length, if it is missing.
    pub(super) fn put(&mut self, now: Instant, from: P, piece: u32, bytes: &[u8]) {
        debug_assert_eq!(bytes.len() as u32, piece_len(self.size, piece));
        let Some(place) = self.pieces.get_mut(piece as usize).filter(|place| place.here.is_none()) else {
            return;
        };
        if place.asked == 0 {
            self.unasked -= 1;
        }
        place.here = Some(Here { proof: Proof { from, print: print(bytes) }, bytes: Box::from(bytes) });
        self.got += 1;
        self.bytes += bytes.len() as u32;
        self.moved_at = now;
    }

    /// Takes the whole out, leaving who sent it. Only when it is whole.
    pub(super) fn assemble(&mut self, ticket: u64) -> Vec<u8> {
        let mut whole = Vec::with_capacity(self.size as usize);
        for piece in &mut self.pieces {
            let here = piece.here.as_mut().expect("a whole attempt has every piece");
            whole.extend_from_slice(&core::mem::take(&mut here.bytes));
        }
        self.stage = Stage::Judged(ticket);
        whole
    }

    pub(super) fn evidence(&self) -> Evidence<P> {
        let proofs = self.pieces.iter().map(|piece| Some(piece.here.as_ref()?.proof)).collect();
        Evidence { size: self.size, proofs }
    }

    /// Whether it may be ended because others wait: it had its turn, or nothing moves.
    pub(super) fn is_over(&self, now: Instant, limits: &MetadataLimits) -> bool {
        self.is_fetching() && self.times(limits).iter().any(|&at| at <= now)
    }

    /// Whether nothing moves.
    pub(super) fn is_quiet(&self, now: Instant, limits: &MetadataLimits) -> bool {
        self.moved_at + limits.quiet <= now
    }

    /// When it may be ended because others wait.
    pub(super) fn times(&self, limits: &MetadataLimits) -> [Instant; 2] {
        let turn: Duration = limits.turn.saturating_mul(1 << self.tries.min(16));
        [self.moved_at + limits.quiet, self.began + turn]
    }

    /// When pieces may be asked of another too.
    pub(super) fn hedge_times(&self, limits: &MetadataLimits) -> impl Iterator<Item = Instant> {
        let hedge = limits.hedge;
        let asked = self.pieces.iter().filter(|piece| piece.is_hedged());
        asked.map(move |piece| piece.asked_at + hedge).filter(|_| self.unasked == 0)
    }
}

impl<P: Copy + Ord> Evidence<P> {
    /// The one who sent everything, if it was one.
    pub(super) fn only(&self) -> Option<P> {
        let first = self.proofs.first()?.as_ref()?.from;
        self.proofs.iter().flatten().all(|proof| proof.from == first).then_some(first)
    }

    /// A peer is blamed: what it sent proves nothing more.
    pub(super) fn settle(&mut self, liar: P) {
        for proof in &mut self.proofs {
            proof.take_if(|proof| proof.from == liar);
        }
    }

    /// Those who sent something that is not in the true metadata, which `truth` is of.
    pub(super) fn liars(&self, truth: &Evidence<P>) -> impl Iterator<Item = P> {
        let other_size = self.size != truth.size;
        let pairs = self.proofs.iter().enumerate();
        pairs.filter_map(move |(at, proof)| {
            let proof = proof.as_ref()?;
            let right = truth.proofs.get(at).copied().flatten();
            let right = right.is_some_and(|right| right.print == proof.print);
            (other_size || !right).then_some(proof.from)
        })
    }
}

/// Tells pieces apart. Whoever makes one that does not is not blamed, and gains nothing else.
fn print(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |print, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        (print.rotate_left(5) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    })
}

const _: () = assert!(PIECE.is_multiple_of(8), "pieces are whole words");
