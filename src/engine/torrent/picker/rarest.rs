//! The rarest piece first: what few have is spread before they leave.
//!
//! Open pieces stand in buckets by class (priority, and within it partial before fresh) and by copies. A bucket is a
//! list without order, so that every change is a swap or two: nothing here ever sorts. A seed's pick is a random draw
//! from the first bucket that is not empty. Another asker's pick tries the rarest pieces one by one; if it has none of
//! the first few, the class's bits are cut with its own, word by word from a random place, and the rarest of a sample
//! is taken. Both ways cost what the *share* of pieces the asker has demands, not what the torrent's size does.

use crate::torrent::picker::{Closed, Copies, Has, Opened, Picker, PickerLimits, Priority};
use tide_base::{Bits, PieceIndex, Prng};

/// Copies beyond this count as this many: nothing that 4095 peers have is rare.
const RANK_MAX: u16 = 4095;
/// Two classes a priority: fresh, and above it partial.
const CLASSES: usize = Priority::COUNT * 2;
/// The classes below this one are unwanted.
const FIRST_WANTED: usize = 2;

/// Prefers higher priority, then partial pieces, then the rarest, ties at random.
#[derive(Clone, Debug)]
pub struct Rarest {
    pieces: Vec<Piece>,
    classes: Vec<Class>,
    limits: PickerLimits,
    had: u32,
    /// A bulk change was counted but pieces still stand at their old ranks.
    stale: bool,
    steps: u64,
}

#[derive(Clone, Copy, Debug)]
struct Piece {
    copies: u32,
    /// Where it stands in its bucket, if it is open.
    at: u32,
    /// The bucket it stands in, if it is open.
    rank: u16,
    priority: Priority,
    standing: Standing,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Closed(Closed),
    Open(Opened),
}

impl Piece {
    fn class(&self) -> Option<usize> {
        match self.standing {
            Standing::Closed(_) => None,
            Standing::Open(as_it_is) => {
                Some(usize::from(self.priority.get()) * 2 + usize::from(as_it_is == Opened::Partial))
            }
        }
    }

    fn true_rank(&self) -> u16 {
        u16::try_from(self.copies).unwrap_or(RANK_MAX).min(RANK_MAX)
    }
}

impl Rarest {
    /// The picker of a torrent with this many pieces, all closed.
    pub fn new(pieces: u32, limits: PickerLimits) -> Rarest {
        let piece = Piece {
            copies: 0,
            at: 0,
            rank: 0,
            priority: Priority::NORMAL,
            standing: Standing::Closed(Closed::Unwanted),
        };
        Rarest {
            pieces: vec![piece; pieces as usize],
            classes: vec![Class::default(); CLASSES],
            limits,
            had: 0,
            stale: false,
            steps: 0,
        }
    }

    /// Takes the piece from its bucket, lets `change` have it, and puts it where it then belongs.
    fn replace(&mut self, piece: PieceIndex, change: impl FnOnce(&mut Piece)) {
        self.steps += 1;
        let entry = self.pieces[piece.at()];
        if let Some(class) = entry.class() {
            let moved = self.classes[class].remove(piece.0, entry.rank, entry.at);
            if let Some(moved) = moved {
                self.pieces[moved as usize].at = entry.at;
            }
        }
        let all = self.pieces.len() as u32;
        let entry = &mut self.pieces[piece.at()];
        change(entry);
        if let Some(class) = entry.class() {
            entry.rank = entry.true_rank();
            entry.at = self.classes[class].insert(piece.0, entry.rank, all);
        }
    }

    fn set_standing(&mut self, piece: PieceIndex, standing: Standing) {
        let old = self.pieces[piece.at()].standing;
        if old == standing {
            return;
        }
        self.had -= u32::from(old == Standing::Closed(Closed::Had));
        self.had += u32::from(standing == Standing::Closed(Closed::Had));
        self.replace(piece, |entry| entry.standing = standing);
    }

    /// Counts one copy more or fewer and moves the piece if that changes its rank.
    fn recount(&mut self, piece: PieceIndex, change: impl FnOnce(u32) -> u32) {
        self.steps += 1;
        let entry = &mut self.pieces[piece.at()];
        entry.copies = change(entry.copies);
        if entry.class().is_some() && entry.rank != entry.true_rank() {
            self.replace(piece, |_| {});
        }
    }

    /// Counts a whole bit field. A small one moves its pieces at once; after a large one every piece is looked at once
    /// before the next pick, however many large ones came.
    fn recount_all(&mut self, bits: &Bits, change: impl Fn(u32) -> u32) {
        assert_eq!(bits.len() as usize, self.pieces.len(), "a peer's pieces are the torrent's");
        let few = u64::from(bits.count()) * 8 < u64::from(bits.len());
        for piece in bits.iter() {
            if few {
                self.recount(PieceIndex(piece), &change);
            } else {
                let entry = &mut self.pieces[piece as usize];
                entry.copies = change(entry.copies);
            }
        }
        self.stale |= !few;
    }

    fn settle_ranks(&mut self) {
        if !core::mem::take(&mut self.stale) {
            return;
        }
        for piece in 0..self.pieces.len() as u32 {
            let entry = &self.pieces[piece as usize];
            if entry.class().is_some() && entry.rank != entry.true_rank() {
                self.replace(PieceIndex(piece), |_| {});
            } else {
                self.steps += 1;
            }
        }
    }
}

fn one_fewer(copies: u32) -> u32 {
    copies.checked_sub(1).expect("only copies that were counted go away")
}

impl Picker for Rarest {
    fn open(&mut self, piece: PieceIndex, as_it_is: Opened) {
        self.set_standing(piece, Standing::Open(as_it_is));
    }

    fn close(&mut self, piece: PieceIndex, why: Closed) {
        self.set_standing(piece, Standing::Closed(why));
    }

    fn prioritise(&mut self, piece: PieceIndex, priority: Priority) {
        if self.pieces[piece.at()].priority != priority {
            self.replace(piece, |entry| entry.priority = priority);
        }
    }

    fn copies(&mut self, change: Copies<'_>) {
        match change {
            Copies::More(piece) => self.recount(piece, |copies| copies + 1),
            Copies::Fewer(piece) => self.recount(piece, one_fewer),
            Copies::Joined(bits) => self.recount_all(bits, |copies| copies + 1),
            Copies::Left(bits) => self.recount_all(bits, one_fewer),
        }
    }

    fn pick(&mut self, has: Has<'_>, prng: &mut Prng) -> Option<PieceIndex> {
        self.steps += 1;
        if matches!(has, Has::These(bits) if bits.none()) {
            return None;
        }
        self.settle_ranks();
        let limits = self.limits;
        let at_random = self.had < limits.random_first;
        let (pieces, steps) = (&self.pieces, &mut self.steps);
        let rank = |piece: u32| pieces[piece as usize].rank;
        let found = self.classes[FIRST_WANTED..].iter().rev().filter(|class| !class.pieces.none()).find_map(
            |class| match has {
                _ if at_random => class.sample(has, 1, rank, prng, steps),
                Has::Everything => class.rarest(prng, steps),
                // A class of fewer pieces than words is tried to its end: cheaper than its words, and in order.
                Has::These(bits) if class.pieces.count() as usize <= class.pieces.words().len() => {
                    class.probe(bits, u32::MAX, prng, steps)
                }
                // Trying the rarest would be in vain more often than not.
                Has::These(bits)
                    if u64::from(bits.count()) * u64::from(limits.probes) < pieces.len() as u64 =>
                {
                    class.sample(has, limits.sample, rank, prng, steps)
                }
                Has::These(bits) => class
                    .probe(bits, limits.probes, prng, steps)
                    .or_else(|| class.sample(has, limits.sample, rank, prng, steps)),
            },
        );
        found.map(PieceIndex)
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn copies_of(&self, piece: PieceIndex) -> Option<u32> {
        self.pieces.get(piece.at()).map(|entry| entry.copies)
    }

    fn check_invariants(&self) {
        let mut standing = 0;
        for class in &self.classes {
            class.check_invariants();
            standing += class.pieces.count();
        }
        let (mut open, mut had) = (0, 0);
        for (piece, entry) in self.pieces.iter().enumerate() {
            had += u32::from(entry.standing == Standing::Closed(Closed::Had));
            let Some(class) = entry.class() else { continue };
            open += 1;
            let bucket = &self.classes[class].buckets[usize::from(entry.rank)];
            assert_eq!(bucket[entry.at as usize] as usize, piece, "an open piece stands where it says");
            assert!(self.classes[class].pieces.has(piece as u32));
            assert!(self.stale || entry.rank == entry.true_rank(), "a rank is the copies counted");
        }
        assert_eq!((open, had), (standing, self.had));
    }
}

/// The open pieces of one priority that are all partial or all fresh.
#[derive(Clone, Debug, Default)]
struct Class {
    /// Empty and of no bound until the first piece comes: most classes stay unused.
    pieces: Bits,
    /// By rank.
    buckets: Vec<Vec<u32>>,
    occupied: Ranks,
}

impl Class {
    /// Returns the piece's position in its bucket.
    fn insert(&mut self, piece: u32, rank: u16, all: u32) -> u32 {
        if self.pieces.is_empty() {
            self.pieces = Bits::new(all);
        }
        if self.buckets.len() <= usize::from(rank) {
            self.buckets.resize(usize::from(rank) + 1, Vec::new());
        }
        self.pieces.set(piece);
        self.occupied.insert(rank);
        let bucket = &mut self.buckets[usize::from(rank)];
        bucket.push(piece);
        bucket.len() as u32 - 1
    }

    /// Returns the piece that stands at `at` instead, if one does.
    fn remove(&mut self, piece: u32, rank: u16, at: u32) -> Option<u32> {
        self.pieces.clear(piece);
        let bucket = &mut self.buckets[usize::from(rank)];
        let gone = bucket.swap_remove(at as usize);
        debug_assert_eq!(gone, piece);
        if bucket.is_empty() {
            self.occupied.remove(rank);
        }
        bucket.get(at as usize).copied()
    }

    fn rarest(&self, prng: &mut Prng, steps: &mut u64) -> Option<u32> {
        *steps += 1;
        let bucket = &self.buckets[usize::from(self.occupied.next(0)?)];
        Some(bucket[prng.index(bucket.len())])
    }

    /// Tries at most `most` pieces, the rarest first. Those of which nobody but seeds has a copy come last: an asker
    /// that is counted in the copies cannot have them.
    fn probe(&self, bits: &Bits, most: u32, prng: &mut Prng, steps: &mut u64) -> Option<u32> {
        let mut left = most;
        let mut rank = self.occupied.next(1);
        let mut last = false;
        loop {
            let bucket = match rank {
                Some(rank) => &self.buckets[usize::from(rank)],
                None if !last && self.occupied.has(0) => {
                    last = true;
                    &self.buckets[0]
                }
                None => return None,
            };
            *steps += 1;
            let (behind, ahead) = bucket.split_at(prng.index(bucket.len()));
            for &piece in ahead.iter().chain(behind) {
                *steps += 1;
                if bits.has(piece) {
                    return Some(piece);
                }
                left -= 1;
                if left == 0 {
                    return None;
                }
            }
            rank = rank.and_then(|rank| self.occupied.next(rank + 1));
        }
    }

    /// The rarest of the first `most` pieces found in both sets, from a random place on; fewer, but one if there is
    /// one, are enough once as many words were looked at: for a sparse asker every find is dear.
    fn sample(
        &self,
        has: Has<'_>,
        most: u32,
        rank: impl Fn(u32) -> u16,
        prng: &mut Prng,
        steps: &mut u64,
    ) -> Option<u32> {
        let words = self.pieces.words();
        let (begin, turn) = (prng.index(words.len()), prng.below(64) as u32);
        let (mut best, mut seen) = (None, 0);
        for (looked, at) in (begin..words.len()).chain(0..begin).enumerate() {
            if best.is_some() && looked >= most as usize {
                break;
            }
            *steps += 1;
            let mut both = (words[at] & has.word(at)).rotate_right(turn);
            while both != 0 {
                *steps += 1;
                let piece = at as u32 * 64 + (both.trailing_zeros() + turn) % 64;
                both &= both - 1;
                if best.is_none_or(|best| rank(piece) < rank(best)) {
                    best = Some(piece);
                }
                seen += 1;
                if seen == most {
                    return best;
                }
            }
        }
        best
    }

    fn check_invariants(&self) {
        let mut count = 0;
        for (rank, bucket) in self.buckets.iter().enumerate() {
            assert_eq!(self.occupied.has(rank as u16), !bucket.is_empty(), "occupied ranks are marked");
            count += bucket.len() as u32;
        }
        assert_eq!(count, self.pieces.count(), "a piece stands in one bucket");
    }
}

/// A set of ranks with its next element in constant time: 64 words, and a word that says which are not empty.
#[derive(Clone, Debug)]
struct Ranks {
    summary: u64,
    words: [u64; 64],
}

const _: () = assert!(RANK_MAX as usize == 64 * 64 - 1);

impl Default for Ranks {
    fn default() -> Ranks {
        Ranks { summary: 0, words: [0; 64] }
    }
}

impl Ranks {
    fn insert(&mut self, rank: u16) {
        self.words[usize::from(rank / 64)] |= 1 << (rank % 64);
        self.summary |= 1 << (rank / 64);
    }

    fn remove(&mut self, rank: u16) {
        let word = &mut self.words[usize::from(rank / 64)];
        *word &= !(1 << (rank % 64));
        if *word == 0 {
            self.summary &= !(1 << (rank / 64));
        }
    }

    fn has(&self, rank: u16) -> bool {
        self.words[usize::from(rank / 64)] >> (rank % 64) & 1 == 1
    }

    /// The least element that is `from` or more.
    fn next(&self, from: u16) -> Option<u16> {
        if from > RANK_MAX {
            return None;
        }
        let here = self.words[usize::from(from / 64)] & (u64::MAX << (from % 64));
        if here != 0 {
            return Some(from / 64 * 64 + here.trailing_zeros() as u16);
        }
        let later = self.summary & u64::MAX.checked_shl(u32::from(from / 64) + 1).unwrap_or(0);
        if later == 0 {
            return None;
        }
        let word = later.trailing_zeros();
        Some((word * 64 + self.words[word as usize].trailing_zeros()) as u16)
    }
}
