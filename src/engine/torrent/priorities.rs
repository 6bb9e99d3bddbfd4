//! What the user wants of a torrent: file priorities, the piece priorities that follow, and how much of it is there.

use crate::torrent::words::Priority;
use core::fmt;
use core::ops::Range;
use tide_base::{Bits, Layout, PieceIndex};

/// Where a file's bytes are in the torrent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileRange {
    /// Offset of its first byte in the torrent.
    pub offset: u64,
    /// Bytes; 0 for an empty file.
    pub len: u64,
    /// Whether it only pads (BEP 47): never wanted for its own sake, never counted.
    pub padding: bool,
}

/// Why a selection was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SelectionError {
    /// Files must follow each other without gap or overlap, from the torrent's first byte to its last.
    FilesDoNotCover,
    /// The torrent has no file of this number.
    NoSuchFile(usize),
}

impl fmt::Display for SelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SelectionError::FilesDoNotCover => f.write_str("the files do not cover the torrent"),
            SelectionError::NoSuchFile(file) => write!(f, "the torrent has no file {file}"),
        }
    }
}

impl core::error::Error for SelectionError {}

/// The priorities of files and pieces. A piece has the highest priority among the files it holds bytes of, padding
/// ignored.
#[derive(Clone, Debug)]
pub struct Priorities {
    layout: Layout,
    files: Vec<FileRange>,
    by_file: Vec<Priority>,
    by_piece: Vec<Priority>,
    wanted: Bits,
    /// Padding bytes of the pieces that hold any, in ascending order of pieces.
    padding: Vec<(u32, u32)>,
}

impl Priorities {
    /// Everything at [`Priority::NORMAL`]. `files` are in the torrent's order.
    ///
    /// # Errors
    /// [`SelectionError::FilesDoNotCover`]
    pub fn new(layout: Layout, files: &[FileRange]) -> Result<Priorities, SelectionError> {
        let mut end = Some(0);
        for file in files {
            end = end.filter(|&end| end == file.offset).and_then(|end: u64| end.checked_add(file.len));
        }
        if end != Some(layout.total()) {
            return Err(SelectionError::FilesDoNotCover);
        }
        let mut priorities = Priorities {
            layout,
            files: files.to_vec(),
            by_file: vec![Priority::NORMAL; files.len()],
            by_piece: vec![Priority::SKIP; layout.pieces() as usize],
            wanted: Bits::new(layout.pieces()),
            padding: padding_of(layout, files),
        };
        priorities.sweep(0..layout.pieces());
        Ok(priorities)
    }

    /// Gives files new priorities and returns the pieces whose priority changed thereby, in ascending order. The cost
    /// is that of the pieces between the first and the last file named. Padding keeps whatever it is given, to no
    /// effect.
    ///
    /// # Errors
    /// [`SelectionError::NoSuchFile`]; nothing has changed then.
    pub fn set_files(
        &mut self,
        changes: &[(usize, Priority)],
    ) -> Result<Vec<(PieceIndex, Priority)>, SelectionError> {
        if let Some(&(file, _)) = changes.iter().find(|(file, _)| *file >= self.files.len()) {
            return Err(SelectionError::NoSuchFile(file));
        }
        let mut touched: Option<Range<u32>> = None;
        for &(file, priority) in changes {
            self.by_file[file] = priority;
            let pieces = self.pieces_of(file);
            touched = Some(match touched {
                _ if pieces.is_empty() => continue,
                Some(all) => all.start.min(pieces.start)..all.end.max(pieces.end),
                None => pieces,
            });
        }
        Ok(touched.map(|pieces| self.sweep(pieces)).unwrap_or_default())
    }

    /// The priority of a file, if there is one of this number.
    pub fn file(&self, file: usize) -> Option<Priority> {
        self.by_file.get(file).copied()
    }

    /// How many files there are, padding included.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// The priority of `piece`, which must exist.
    pub fn piece(&self, piece: PieceIndex) -> Priority {
        self.by_piece[piece.at()]
    }

    /// The pieces that are wanted.
    pub fn wanted(&self) -> &Bits {
        &self.wanted
    }

    /// Whether `have` lacks no wanted piece.
    pub fn is_complete(&self, have: &Bits) -> bool {
        !self.wanted.has_beyond(have)
    }

    /// Bytes of the wanted pieces, padding not counted.
    pub fn wanted_bytes(&self) -> u64 {
        self.left(&Bits::new(self.layout.pieces()))
    }

    /// Bytes of the wanted pieces that are not in `have`, padding not counted.
    pub fn left(&self, have: &Bits) -> u64 {
        self.beyond(&self.wanted, have)
    }

    /// Bytes of all pieces that are not in `have`, wanted or not, padding not counted: what trackers call left.
    pub fn missing(&self, have: &Bits) -> u64 {
        self.beyond(&Bits::full(self.layout.pieces()), have)
    }

    /// Bytes of the pieces of `set` that are not in `have`, padding not counted.
    fn beyond(&self, set: &Bits, have: &Bits) -> u64 {
        assert_eq!(have.len(), self.layout.pieces(), "a torrent's pieces");
        let missing = |piece: u32| set.has(piece) && !have.has(piece);
        let words = set.words().iter().zip(have.words());
        let pieces: u64 = words.map(|(set, have)| u64::from((set & !have).count_ones())).sum();
        let mut bytes = pieces * u64::from(self.layout.piece_len());
        let last = self.layout.pieces().checked_sub(1).map(PieceIndex);
        if let Some(last) = last.filter(|last| missing(last.0)) {
            bytes -= u64::from(self.layout.piece_len() - self.layout.len_of(last));
        }
        let padding = self.padding.iter().filter(|(piece, _)| missing(*piece));
        bytes - padding.map(|&(_, len)| u64::from(len)).sum::<u64>()
    }

    /// Bytes of a file, which must exist, that lie in pieces of `have`.
    pub fn file_progress(&self, file: usize, have: &Bits) -> u64 {
        let range = self.files[file];
        let pieces = self.pieces_of(file);
        if pieces.is_empty() {
            return 0;
        }
        let within = |piece: u32| {
            let piece = PieceIndex(piece);
            let start = self.layout.start(piece).max(range.offset);
            let end = self.layout.start(piece) + u64::from(self.layout.len_of(piece));
            if have.has(piece.0) { end.min(range.offset + range.len) - start } else { 0 }
        };
        let (first, last) = (pieces.start, pieces.end - 1);
        if first == last {
            return within(first);
        }
        let whole = count_in(have, first + 1..last) * u64::from(self.layout.piece_len());
        within(first) + whole + within(last)
    }

    /// The pieces that hold bytes of a file, which must exist.
    pub fn pieces_of(&self, file: usize) -> Range<u32> {
        pieces_of(self.layout, self.files[file])
    }

    /// Panics if the table contradicts itself.
    pub fn check_invariants(&self) {
        for piece in 0..self.layout.pieces() {
            let files = self.files.iter().zip(&self.by_file);
            let here =
                files.filter(|(file, _)| !file.padding && pieces_of(self.layout, **file).contains(&piece));
            let most = here.map(|(_, &priority)| priority).max().unwrap_or(Priority::SKIP);
            assert_eq!(self.by_piece[piece as usize], most, "a piece is wanted as much as its files");
            assert_eq!(self.wanted.has(piece), most.is_wanted());
        }
    }

    /// Works the priorities of `pieces` out anew, walking along files and pieces together.
    fn sweep(&mut self, pieces: Range<u32>) -> Vec<(PieceIndex, Priority)> {
        let mut changes = Vec::new();
        let begin = self.layout.start(PieceIndex(pieces.start));
        let mut file = self.files.partition_point(|file| file.offset + file.len <= begin);
        for piece in pieces.map(PieceIndex) {
            let end = self.layout.start(piece) + u64::from(self.layout.len_of(piece));
            let mut most = Priority::SKIP;
            while let Some(range) = self.files.get(file).filter(|range| range.offset < end) {
                if range.len > 0 && !range.padding {
                    most = most.max(self.by_file[file]);
                }
                if range.offset + range.len > end {
                    break;
                }
                file += 1;
            }
            if most != self.by_piece[piece.at()] {
                changes.push((piece, most));
                self.by_piece[piece.at()] = most;
                if most.is_wanted() {
                    self.wanted.set(piece.0);
                } else {
                    self.wanted.clear(piece.0);
                }
            }
        }
        changes
    }
}

fn pieces_of(layout: Layout, file: FileRange) -> Range<u32> {
    if file.len == 0 {
        return 0..0;
    }
    let piece_len = u64::from(layout.piece_len());
    let (first, last) = (file.offset / piece_len, (file.offset + file.len - 1) / piece_len);
    first as u32..last as u32 + 1
}

fn padding_of(layout: Layout, files: &[FileRange]) -> Vec<(u32, u32)> {
    let mut padding: Vec<(u32, u32)> = Vec::new();
    for file in files.iter().filter(|file| file.padding) {
        for piece in pieces_of(layout, *file) {
            let start = layout.start(PieceIndex(piece));
            let end = start + u64::from(layout.len_of(PieceIndex(piece)));
            let bytes = (end.min(file.offset + file.len) - start.max(file.offset)) as u32;
            match padding.last_mut() {
                Some((last, sum)) if *last == piece => *sum += bytes,
                _ => padding.push((piece, bytes)),
            }
        }
    }
    padding
}

/// How many elements of `bits` are in `range`.
fn count_in(bits: &Bits, range: Range<u32>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (range.start / 64, (range.end - 1) / 64);
    let words = bits.words()[first as usize..=last as usize].iter().enumerate();
    let counts = words.map(|(at, &word)| {
        let mut word = word;
        if at == 0 {
            word &= u64::MAX << (range.start % 64);
        }
        if at as u32 == last - first {
            word &= u64::MAX >> (63 - (range.end - 1) % 64);
        }
        u64::from(word.count_ones())
    });
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Prng;

    fn files(lens: &[(u64, bool)]) -> Vec<FileRange> {
        let mut offset = 0;
        let mut files = Vec::new();
        for &(len, padding) in lens {
            files.push(FileRange { offset, len, padding });
            offset += len;
        }
        files
    }

    fn priorities(piece_len: u32, lens: &[(u64, bool)]) -> Priorities {
        let total = lens.iter().map(|file| file.0).sum();
        let layout = Layout::new(total, piece_len, 4).expect("a legal layout");
        Priorities::new(layout, &files(lens)).expect("the files cover it")
    }

    fn have(len: u32, set: &[u32]) -> Bits {
        let mut bits = Bits::new(len);
        for &i in set {
            bits.set(i);
        }
        bits
    }

    #[test]
    fn a_piece_is_wanted_as_much_as_the_most_wanted_of_its_files() {
        let mut p = priorities(10, &[(15, false), (0, false), (10, false), (15, false)]);
        assert_eq!(p.set_files(&[(2, Priority::SKIP)]), Ok(vec![]));
        let changes = p.set_files(&[(0, Priority::HIGH), (3, Priority::SKIP)]);
        let changed = [(0, Priority::HIGH), (1, Priority::HIGH), (2, Priority::SKIP), (3, Priority::SKIP)];
        assert_eq!(changes, Ok(changed.map(|(piece, priority)| (PieceIndex(piece), priority)).to_vec()));
        assert_eq!((p.wanted().count(), p.wanted_bytes()), (2, 20));
        assert_eq!(p.left(&have(4, &[1, 3])), 10);
        assert!(p.is_complete(&have(4, &[0, 1])) && !p.is_complete(&have(4, &[0])));
        assert_eq!(p.set_files(&[(4, Priority::LOW)]), Err(SelectionError::NoSuchFile(4)));
        p.check_invariants();
    }

    #[test]
    fn padding_makes_nothing_wanted_and_is_not_counted() {
        let mut p = priorities(10, &[(3, false), (27, true), (7, false), (3, true)]);
        assert_eq!((p.wanted().iter().collect::<Vec<_>>(), p.wanted_bytes()), (vec![0, 3], 10));
        assert_eq!(p.set_files(&[(1, Priority::HIGH)]), Ok(vec![]));
        assert_eq!(p.set_files(&[(0, Priority::SKIP)]), Ok(vec![(PieceIndex(0), Priority::SKIP)]));
        assert_eq!(p.wanted_bytes(), 7);
        p.check_invariants();
    }

    #[test]
    fn a_short_last_piece_counts_its_own_length() {
        let p = priorities(10, &[(23, false)]);
        assert_eq!((p.wanted_bytes(), p.left(&have(3, &[0])), p.left(&have(3, &[2]))), (23, 13, 20));
        assert_eq!(p.file_progress(0, &have(3, &[0, 2])), 13);
    }

    #[test]
    fn files_that_do_not_cover_the_torrent_are_refused() {
        let layout = Layout::new(20, 10, 4).expect("a legal layout");
        let file = |offset, len| FileRange { offset, len, padding: false };
        for bad in [
            vec![],
            vec![file(0, 19)],
            vec![file(0, 10), file(11, 10)],
            vec![file(0, 12), file(11, 9)],
            vec![file(0, u64::MAX), file(u64::MAX, 2)],
        ] {
            assert_eq!(Priorities::new(layout, &bad).err(), Some(SelectionError::FilesDoNotCover), "{bad:?}");
        }
    }

    #[test]
    fn any_selection_counts_what_a_walk_over_every_byte_counts() {
        for seed in 0..40 {
            let mut prng = Prng::new(seed);
            let mut lens: Vec<(u64, bool)> =
                (0..1 + prng.below(12)).map(|_| (prng.below(60), prng.chance(1, 5))).collect();
            lens.push((1 + prng.below(400), false));
            let piece_len = 1 + prng.below(30) as u32;
            let mut p = priorities(piece_len, &lens);
            let pieces = p.layout.pieces();
            for _ in 0..10 {
                let before = p.by_piece.clone();
                let changes: Vec<(usize, Priority)> = (0..prng.below(4))
                    .map(|_| (prng.index(lens.len()), Priority::new(prng.below(8) as u8).expect("small")))
                    .collect();
                let told = p.set_files(&changes).expect("files that exist");
                p.check_invariants();
                let differ = (0..pieces as usize).filter(|&i| before[i] != p.by_piece[i]);
                let differ: Vec<_> = differ.map(|i| (PieceIndex(i as u32), p.by_piece[i])).collect();
                assert_eq!(told, differ, "seed {seed}");
                let some: Vec<u32> = (0..pieces).filter(|_| prng.chance(1, 2)).collect();
                check_by_bytes(&p, &have(pieces, &some));
            }
        }
    }

    fn check_by_bytes(p: &Priorities, have: &Bits) {
        let mut left = 0;
        for (at, file) in p.files.iter().enumerate() {
            let mut there = 0;
            for byte in file.offset..file.offset + file.len {
                let piece = (byte / u64::from(p.layout.piece_len())) as u32;
                there += u64::from(have.has(piece));
                left += u64::from(!file.padding && !have.has(piece) && p.wanted.has(piece));
            }
            assert_eq!(p.file_progress(at, have), there);
        }
        assert_eq!(p.left(have), left);
    }
}
