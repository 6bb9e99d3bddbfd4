//! Hashing what is there: which pieces, a few at a time, read by the disk and hashed by the pool.

use std::collections::BTreeMap;

use tide_base::{Bits, Layout, PieceIndex};
use tide_disk::resume::{Checkpoint, Ending};
use tide_disk::{FileState, FileTable};
use tide_hash::Sha1Stream;

use crate::command::Check;

/// Bytes read and hashed as one job: a common piece, and a bound for huge ones.
pub const WINDOW: u32 = 4 << 20;

/// Pieces looked at at a time: enough for the lanes of a hash pool of two threads.
pub const PIECES: usize = 32;

/// Bytes looked at at a time: what a device that stops answering keeps.
pub const BYTES: u64 = 16 << 20;

/// What is to be believed and what is to be hashed.
#[derive(Debug)]
pub struct Plan {
    /// Taken for right.
    pub trusted: Bits,
    /// To be hashed.
    pub doubtful: Bits,
}

impl Plan {
    /// None of `pieces` is believed.
    pub fn doubt(&mut self, pieces: &Bits) {
        for piece in pieces.iter() {
            if self.trusted.clear(piece) {
                self.doubtful.set(piece);
            }
        }
    }
}

/// Decides what to believe. A piece is worth hashing if any byte of it, padding aside, may be in a file; or if it is all
/// padding: nobody fetches that, and without it nobody here would ever be a seed.
pub fn plan(
    how: Check,
    table: &FileTable,
    states: &[FileState],
    layout: &Layout,
    resume: Option<&Checkpoint>,
) -> Plan {
    let mut plan = Plan { trusted: Bits::new(layout.pieces()), doubtful: Bits::new(layout.pieces()) };
    let claimed = resume.filter(|_| how == Check::Resume).and_then(|resume| resume.have.as_ref());
    let changed: Vec<bool> =
        (0..states.len()).map(|i| resume.is_some_and(|r| differs(r, i, states[i]))).collect();
    for piece in (0..layout.pieces()).map(PieceIndex) {
        let (start, len) = (layout.start(piece), u64::from(layout.len_of(piece)));
        let (mut some, mut all, mut sure, mut padding) = (false, true, true, true);
        for i in table.touched(start, len).filter(|&i| !table.files()[i].padding) {
            let (file, state) = (&table.files()[i], states[i]);
            let end = (start + len).min(file.offset + file.len) - file.offset;
            let begin = start.max(file.offset) - file.offset;
            padding &= end == begin;
            some |= state.len.is_some_and(|len| len > begin);
            all &= state.len.is_some_and(|len| len >= end);
            sure &= !changed[i];
        }
        let claimed = claimed.is_some_and(|have| have.has(piece.0));
        match how {
            Check::Skip if all => drop(plan.trusted.set(piece.0)),
            Check::Resume if claimed && all && sure => drop(plan.trusted.set(piece.0)),
            Check::Resume if claimed => drop(plan.doubtful.set(piece.0)),
            Check::Skip => {}
            Check::Resume | Check::Full if padding => drop(plan.doubtful.set(piece.0)),
            // After a clean end nothing is there that was not claimed, unless somebody changed a file.
            Check::Resume if resume.is_some_and(|r| r.ending == Ending::Clean) && sure => {}
            Check::Resume | Check::Full if some => drop(plan.doubtful.set(piece.0)),
            Check::Resume | Check::Full => {}
        }
    }
    plan
}

fn differs(resume: &Checkpoint, file: usize, now: FileState) -> bool {
    resume.ending == Ending::Clean && resume.files.get(file).is_some_and(|then| *then != now)
}

/// A piece that is being looked at.
#[derive(Debug)]
pub struct Looking {
    /// Where in the piece the next read begins.
    pub next: u32,
    /// The hash of what was read before; `None` if the piece is read as one.
    pub stream: Option<Box<Sha1Stream>>,
}

/// The pieces that are being looked at, and those still to be.
#[derive(Debug)]
pub struct Checker {
    doubtful: Bits,
    cursor: u32,
    total: u32,
    done: u32,
    looking: BTreeMap<PieceIndex, Looking>,
}

impl Checker {
    /// Begins with these pieces.
    pub fn new(doubtful: Bits) -> Checker {
        let total = doubtful.count();
        Checker { doubtful, cursor: 0, total, done: 0, looking: BTreeMap::new() }
    }

    /// Pieces looked at, and pieces to look at.
    pub fn progress(&self) -> (u32, u32) {
        (self.done, self.total)
    }

    /// The next piece to look at, `window` bytes at a time, if there is room for one more; it is begun by [`begin`](Self::begin).
    pub fn next_piece(&mut self, window: u32) -> Option<PieceIndex> {
        let bytes = (self.looking.len() as u64 + 1) * u64::from(window);
        if self.looking.len() >= PIECES || (bytes > BYTES && !self.looking.is_empty()) {
            return None;
        }
        while self.cursor < self.doubtful.len() && !self.doubtful.has(self.cursor) {
            self.cursor += 1;
        }
        (self.cursor < self.doubtful.len()).then_some(PieceIndex(self.cursor))
    }

    /// The piece that [`next_piece`](Self::next_piece) named is being read.
    pub fn begin(&mut self, piece: PieceIndex, looking: Looking) {
        self.doubtful.clear(piece.0);
        self.looking.insert(piece, looking);
    }

    /// A piece that is being looked at.
    pub fn get_mut(&mut self, piece: PieceIndex) -> Option<&mut Looking> {
        self.looking.get_mut(&piece)
    }

    /// A piece has been looked at.
    pub fn end(&mut self, piece: PieceIndex) {
        if self.looking.remove(&piece).is_some() {
            self.done += 1;
        }
    }

    /// The pieces being looked at, and those still to be.
    pub fn survey(&self) -> (Vec<PieceIndex>, Bits) {
        (self.looking.keys().copied().collect(), self.doubtful.clone())
    }

    /// Nothing more is to be looked at; what is under way comes to its end.
    pub fn give_up(&mut self) {
        self.doubtful = Bits::new(self.doubtful.len());
    }

    /// Whether everything has been looked at.
    pub fn is_done(&self) -> bool {
        self.doubtful.none() && self.looking.is_empty()
    }

    /// Whether nothing is being looked at right now.
    pub fn is_idle(&self) -> bool {
        self.looking.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_disk::FileEntry;

    fn table() -> FileTable {
        let file = |name: &str, len| FileEntry {
            path: name.into(),
            offset: 0,
            len,
            padding: false,
            executable: false,
        };
        FileTable::new(vec![file("a", 10), file("b", 10)])
    }

    fn here(len: u64) -> FileState {
        FileState { len: Some(len), modified: 5 }
    }

    fn ones(bits: &Bits) -> Vec<u32> {
        bits.iter().collect()
    }

    #[test]
    fn without_resume_data_what_exists_is_hashed() {
        let layout = Layout::new(20, 4, 4).expect("a legal layout");
        let states = [here(9), FileState::default()];
        let plan = plan(Check::Resume, &table(), &states, &layout, None);
        assert_eq!((ones(&plan.trusted), ones(&plan.doubtful)), (vec![], vec![0, 1, 2]));
    }

    #[test]
    fn a_piece_of_padding_is_hashed_though_no_file_has_any_of_it() {
        let entry = |name: &str, offset, len, padding| FileEntry {
            path: name.into(),
            offset,
            len,
            padding,
            executable: false,
        };
        let files = vec![entry("a", 0, 6, false), entry(".pad/6", 6, 6, true), entry("b", 12, 0, false)];
        let layout = Layout::new(12, 4, 4).expect("a legal layout");
        let states = [FileState::default(); 3];
        let clean = Checkpoint { ending: Ending::Clean, have: Some(Bits::new(3)), ..Checkpoint::default() };
        for resume in [None, Some(&clean)] {
            let plan = plan(Check::Resume, &FileTable::new(files.clone()), &states, &layout, resume);
            assert_eq!((ones(&plan.trusted), ones(&plan.doubtful)), (vec![], vec![2]));
        }
    }

    #[test]
    fn claims_are_trusted_and_the_rest_hashed_after_an_unclean_end() {
        let layout = Layout::new(20, 4, 4).expect("a legal layout");
        let mut have = Bits::new(5);
        have.set(0);
        have.set(4);
        let mut resume =
            Checkpoint { have: Some(have), files: vec![here(10), here(10)], ..Checkpoint::default() };
        let states = [here(10), here(8)];
        let unclean = plan(Check::Resume, &table(), &states, &layout, Some(&resume));
        assert_eq!((ones(&unclean.trusted), ones(&unclean.doubtful)), (vec![0], vec![1, 2, 3, 4]));
        resume.ending = Ending::Clean;
        let clean = plan(Check::Resume, &table(), &states, &layout, Some(&resume));
        assert_eq!((ones(&clean.trusted), ones(&clean.doubtful)), (vec![0], vec![2, 3, 4]));
        let full = plan(Check::Full, &table(), &states, &layout, Some(&resume));
        assert_eq!((ones(&full.trusted), ones(&full.doubtful)), (vec![], vec![0, 1, 2, 3, 4]));
        let skip = plan(Check::Skip, &table(), &states, &layout, None);
        assert_eq!(ones(&skip.trusted), [0, 1, 2, 3]);
    }
}
