//! What judges ask: what a piece is on this medium, and whether the medium itself is to blame.

use std::path::Path;
use std::sync::Arc;

use tide_base::{Bits, Chunk, PieceIndex, ShardId, buffer};
use tide_disk::{Job, JobId, Limits, Outcome, StoreKey, StoreSpec, Stores, Task, VolumeId};

use super::content::Content;
use super::inode::Inode;
use super::medium::{Medium, State};

/// What the medium did to bytes that nobody has written since; what excuses most comes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Cause {
    /// A bit was flipped.
    Rot,
    /// The file was cut off.
    Shortened,
    /// The file was deleted.
    Deleted,
    /// They were written, and lost by a sync that failed and said so.
    FailedSync,
    /// They were written and not synced when the machine stopped.
    Crash,
}

impl Cause {
    /// Whether a torrent that says it has such bytes is excused even after a restart: nobody could know. What was
    /// never durable is excused by nothing then.
    pub const fn is_silent(self) -> bool {
        matches!(self, Cause::Rot | Cause::Shortened | Cause::Deleted)
    }
}

/// What a piece is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PieceTruth {
    /// All of its bytes are there and as they should be.
    Right,
    /// Some byte is not, and that is not the medium's doing.
    Wrong,
    /// Some byte is not, and the medium harmed some byte of the piece.
    Damaged(Cause),
}

/// One file's part of a piece.
#[derive(Clone, Copy)]
struct Part {
    file: usize,
    /// In the file.
    span: (u64, u64),
    /// In the torrent.
    from: u64,
}

fn parts(content: &Content, piece: PieceIndex) -> Vec<Part> {
    let layout = content.layout();
    let start = layout.start(piece);
    let len = u64::from(layout.len_of(piece));
    let files = content.files().files();
    let part = |file: usize| {
        let entry = &files[file];
        let (from, to) = (entry.offset.max(start), (entry.offset + entry.len).min(start + len));
        Part { file, span: (from - entry.offset, to - entry.offset), from }
    };
    content.files().touched(start, len).filter(|&file| !files[file].padding).map(part).collect()
}

impl State {
    fn number_of(&self, content: &Content) -> Option<u32> {
        let same = |known: &Arc<Content>| known.info_hash() == content.info_hash();
        self.contents.iter().position(same).map(|at| at as u32)
    }

    /// What a piece is, now or in the durable image.
    fn truth(&self, content: &Content, root: &Path, piece: PieceIndex, durable: bool) -> PieceTruth {
        let number = self.number_of(content);
        let (mut right, mut cause) = (true, None);
        for part in parts(content, piece) {
            let path = content.path(root, part.file);
            let id = if durable { self.names.surely(&path) } else { self.names.file(&path) };
            let Some(inode) = id.and_then(|id| self.inodes.get(&id)) else {
                right = false;
                cause = cause.into_iter().chain(self.gone.get(&path).copied()).min();
                continue;
            };
            let is = |inode: &Inode, number: u32| {
                if durable {
                    inode.surely_is(&self.contents, part.span, number, part.from)
                } else {
                    inode.body.is(&self.contents, part.span, number, part.from)
                }
            };
            right &= number.is_some_and(|number| is(inode, number));
            let body = if durable { &inode.durable } else { &inode.body };
            let harms = body.harms(part.span.0, part.span.1).map(|(_, _, cause)| cause);
            cause = cause.into_iter().chain(harms).min();
        }
        match cause {
            _ if right => PieceTruth::Right,
            Some(cause) => PieceTruth::Damaged(cause),
            None => PieceTruth::Wrong,
        }
    }
}

impl State {
    /// What the medium did to a file of which nobody knows what lies where.
    fn harm_of(&self, path: &Path) -> Option<Cause> {
        let inode = self.names.file(path).and_then(|id| self.inodes.get(&id))?;
        inode.body.harms(0, u64::MAX).map(|(_, _, cause)| cause).min()
    }
}

impl Medium {
    /// Whether a sync that failed lost something of a file that nobody has written since.
    pub fn lost_by_sync(&self, path: &Path) -> bool {
        let state = self.state();
        let inode = state.names.file(path).and_then(|id| state.inodes.get(&id));
        inode.is_some_and(|inode| {
            inode.durable.harms(0, u64::MAX).any(|(.., cause)| cause == Cause::FailedSync)
        })
    }

    /// What a piece is now, as far as it lies in the content's own files below `root`. The content must be known; a
    /// piece of one that is not is never right.
    pub fn state_of(&self, content: &Content, root: &Path, piece: PieceIndex) -> PieceTruth {
        self.state().truth(content, root, piece, false)
    }

    /// What a piece is after any crash at this moment: right only if it is so in each image that can be left.
    pub fn durable_state_of(&self, content: &Content, root: &Path, piece: PieceIndex) -> PieceTruth {
        self.state().truth(content, root, piece, true)
    }

    /// Whether some byte of a piece is not as it should be, and the medium harmed some byte of it that nobody has
    /// written since.
    pub fn damaged(&self, content: &Content, root: &Path, piece: PieceIndex) -> bool {
        matches!(self.state_of(content, root, piece), PieceTruth::Damaged(_))
    }

    /// What a piece of a store is now, wherever its bytes are: in files, or put aside. As long as nothing is changed, that
    /// is what it was.
    pub fn truth_of(&self, content: &Content, store: &StoreSpec, piece: PieceIndex) -> PieceTruth {
        let known = self.state().told.of(content.info_hash(), store, piece);
        known.unwrap_or_else(|| {
            let truth = self.truth_anew(content, store, piece);
            self.state().aside().told.tell(content.info_hash(), store, piece, truth);
            truth
        })
    }

    fn truth_anew(&self, content: &Content, store: &StoreSpec, piece: PieceIndex) -> PieceTruth {
        let truth = self.state_of(content, &store.root, piece);
        let files = content.files().files();
        let apart = |part: Part| !self.is_file(&store.root.join(&files[part.file].path));
        if truth == PieceTruth::Right || !parts(content, piece).into_iter().any(apart) {
            return truth;
        }
        match self.read_piece(store, piece) {
            Some(bytes) if content.is(content.layout().start(piece), &bytes) => PieceTruth::Right,
            _ => {
                let aside = store.aside.as_deref().and_then(|aside| self.state().harm_of(aside));
                match (truth, aside) {
                    (PieceTruth::Wrong, Some(cause)) => PieceTruth::Damaged(cause),
                    (PieceTruth::Damaged(known), Some(cause)) => PieceTruth::Damaged(known.min(cause)),
                    (_, None) | (PieceTruth::Right, _) => truth,
                }
            }
        }
    }

    /// The bytes of a piece as a fresh start would find them, in files and aside; `None` if some are nowhere.
    pub fn read_piece(&self, store: &StoreSpec, piece: PieceIndex) -> Option<Vec<u8>> {
        let files = store.files.files().len() as u32;
        // The selection decides only what would be created, and nothing is.
        let spec = StoreSpec { resume: None, wanted: Bits::new(files), ..store.clone() };
        let mut chunk = Chunk::new(store.layout.len_of(piece));
        chunk.set_len(store.layout.len_of(piece));
        let mut stores = Stores::new(self.quiet(), Limits::default());
        let key = StoreKey(0);
        let load = Task::Load { piece, offset: 0, chunks: vec![chunk] };
        let mut found = None;
        for task in [Task::Open(Box::new(spec)), load] {
            stores.submit(Job { id: JobId(0), shard: ShardId(0), volume: VolumeId(0), store: key, task });
            while stores.work(&mut |done| {
                if let Ok(Outcome::Loaded { complete: true }) = done.result {
                    found = Some(buffer::slices(&done.chunks).concat());
                }
            }) {}
        }
        found
    }

    fn is_file(&self, path: &Path) -> bool {
        self.state().names.file(path).is_some()
    }
}
