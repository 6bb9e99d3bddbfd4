//! What the engine says to the disk and the hash pool, and what they answer: plain data.
//!
//! The promise: exactly one [`Done`] for each [`Job`] and one [`Hashed`] for each [`HashJob`]; every chunk that went
//! in comes back in it, whatever happened. Order is promised for jobs on the same piece of the same store, and
//! between [`Task::Close`] and all before it; for nothing else.

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Bits, Chunk, Layout, Payload, PieceIndex, ShardId, Span};

use crate::table::{FileState, FileTable};
use crate::trouble::Trouble;

/// The asker's own number of a job; it comes back untouched.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JobId(pub u64);

/// One torrent's storage, unique in a session and never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StoreKey(pub u64);

/// A device, as far as the session can tell: jobs of one volume may wait for each other, jobs of two never do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct VolumeId(pub u16);

/// A piece of work for the owner of the files.
#[derive(Debug)]
pub struct Job {
    /// Comes back in the [`Done`].
    pub id: JobId,
    /// Who asked, and so where the answer goes.
    pub shard: ShardId,
    /// Where the store lies.
    pub volume: VolumeId,
    /// Whose files.
    pub store: StoreKey,
    /// What to do.
    pub task: Task,
}

/// What to do with a store's files.
#[derive(Debug)]
pub enum Task {
    /// Makes the store known and looks at what is there; creates nothing. Always the first job of a store, and again
    /// after [`Task::Close`] or a failed open. Answer: [`Outcome::Opened`].
    Open(Box<StoreSpec>),
    /// Content for a peer, within one piece. Answer: [`Outcome::Read`], whose bytes may be lent pages of a file: to
    /// be handed to the kernel and never looked into (see [`StorageFile::lend`](crate::StorageFile::lend)).
    Read(Span),
    /// Fills `chunks` with the bytes of `piece` from `offset` on, for hashing. Answer: [`Outcome::Loaded`]; bytes that
    /// no file has make it `complete: false`, not an error.
    Load {
        /// The piece.
        piece: PieceIndex,
        /// Where in the piece to begin.
        offset: u32,
        /// Memory whose lengths say how much is wanted.
        chunks: Vec<Chunk>,
    },
    /// Writes `chunks` at `offset` of `piece`, creating files and folders as needed. When the answer,
    /// [`Outcome::Written`], is there, the bytes can be read back (not: survive a power cut).
    Write {
        /// The piece.
        piece: PieceIndex,
        /// Where in the piece to begin.
        offset: u32,
        /// The bytes.
        chunks: Vec<Chunk>,
    },
    /// Makes durable what was answered as written or loaded before this job was handed in: also what lay there before
    /// the store was opened, since its writer may have been killed before a sync. Answer: [`Outcome::Synced`].
    ///
    /// A failure sticks: what was written since the last success may be lost, and the system would say so only once.
    /// Every later sync fails alike until the store was closed and opened again, whose owner then checks what the last
    /// success does not cover and writes it again: what is lost can be read as long as memory holds it, and counts as
    /// written. ([`TooManyFiles`](crate::TroubleKind::TooManyFiles) loses nothing and does not stick.)
    Sync,
    /// Changes which files are wanted: content set aside moves into files that become wanted. A file that is there
    /// stays in use although it becomes unwanted. Answer: [`Outcome::Selected`].
    Select(Bits),
    /// Looks at the files again. Answer: [`Outcome::Files`].
    Stat,
    /// Moves all content below another folder, copying where it is another volume; on an error everything is still
    /// where it was. Nothing is overwritten. A copy has a new time of change: ask again how files stand. Answer:
    /// [`Outcome::Moved`].
    Move(PathBuf),
    /// Deletes the content, the folders that become empty, and the content set aside; not the root, nor the resume
    /// file. The store must be open, and stays so: close it, since only the answer to that says that its files and locks
    /// are let go. Answer: [`Outcome::Deleted`].
    Delete,
    /// Lets go of all files and locks. Answer: [`Outcome::Closed`], after every earlier job of the store.
    Close,
    /// Reads the store's resume file. Answer: [`Outcome::Resume`].
    LoadResume,
    /// Replaces the store's resume file, atomically and durably. Answer: [`Outcome::ResumeSaved`].
    SaveResume(Vec<u8>),
    /// Removes the store's resume file. Answer: [`Outcome::ResumeSaved`].
    DropResume,
}

impl Job {
    /// The answer to a job that nobody will carry out.
    pub fn give_up(self, trouble: Trouble) -> Done {
        let chunks = match self.task {
            Task::Load { chunks, .. } | Task::Write { chunks, .. } => chunks,
            _ => Vec::new(),
        };
        let Job { id, shard, volume, store, .. } = self;
        Done { id, shard, volume, store, chunks, result: Err(trouble) }
    }
}

/// What kind of work a job is: reads go first, syncs stand before nobody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// Somebody waits for these bytes.
    Read,
    /// Memory waits to come home.
    Write,
    /// Open, close, select, stat, move, delete, reading resume data: needs the store for itself, so it waits for all
    /// earlier jobs of the store, and all later ones wait for it.
    Control,
    /// Sync, and writing or dropping resume data, which is also made durable: may take seconds; runs beside
    /// everything else.
    Sync,
}

impl Task {
    /// The kind of work.
    pub fn class(&self) -> Class {
        match self {
            Task::Read(_) | Task::Load { .. } => Class::Read,
            Task::Write { .. } => Class::Write,
            Task::Sync | Task::SaveResume(_) | Task::DropResume => Class::Sync,
            _ => Class::Control,
        }
    }
}

/// Where and how a torrent's content is kept.
#[derive(Clone, Debug)]
pub struct StoreSpec {
    /// The folder that holds, or will hold, the content.
    pub root: PathBuf,
    /// The files.
    pub files: Arc<FileTable>,
    /// The pieces.
    pub layout: Layout,
    /// Which files are wanted: index `i` is file `i`. The others are not created; what falls on them goes to `aside`.
    pub wanted: Bits,
    /// The file for content of unwanted files; `None` keeps such content in memory only.
    pub aside: Option<PathBuf>,
    /// The resume file, whose sibling `….lock` is held while the store is open; `None` for no resume data and no lock.
    pub resume: Option<PathBuf>,
    /// Which medium.
    pub backing: Backing,
    /// Whether space is reserved before it is written.
    pub allocation: Allocation,
}

/// Which medium holds the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Backing {
    /// Files; pages lent from a mapping on the way out.
    #[default]
    Mapped,
    /// Files; positional reads and writes only.
    File,
    /// Nothing but memory.
    Memory,
}

/// How space for a file comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Allocation {
    /// As it is written; holes elsewhere.
    #[default]
    Sparse,
    /// All of it when the file is created, so that the disk is full early or never.
    Full,
}

/// The answer to a [`Job`].
#[derive(Debug)]
pub struct Done {
    /// The job's.
    pub id: JobId,
    /// The job's.
    pub shard: ShardId,
    /// The job's.
    pub volume: VolumeId,
    /// The job's.
    pub store: StoreKey,
    /// The chunks that the job brought, in their order.
    pub chunks: Vec<Chunk>,
    /// What came of it.
    pub result: Result<Outcome, Trouble>,
}

/// What came of a job that did not fail.
#[derive(Debug)]
pub enum Outcome {
    /// The store is open; how each file stands.
    Opened(Vec<FileState>),
    /// The bytes asked for, all of them.
    Read(Payload),
    /// The chunks are filled; `complete` is whether files had all of the bytes (padding counts as there).
    Loaded {
        /// Whether every byte came from a file.
        complete: bool,
    },
    /// The bytes can be read back.
    Written,
    /// What was written before is durable.
    Synced,
    /// The selection is in force; how each file stands.
    Selected(Vec<FileState>),
    /// How each file stands.
    Files(Vec<FileState>),
    /// The content lies below the new folder.
    Moved,
    /// The content is gone.
    Deleted,
    /// Files and locks are let go.
    Closed,
    /// The resume file's bytes, if there is one.
    Resume(Option<Vec<u8>>),
    /// The resume file is as asked.
    ResumeSaved,
}

/// Bytes to be hashed by the pool.
#[derive(Debug)]
pub struct HashJob {
    /// Comes back in the [`Hashed`].
    pub id: JobId,
    /// Who asked.
    pub shard: ShardId,
    /// The bytes, in order.
    pub chunks: Vec<Chunk>,
    /// What to compute.
    pub digest: Digest,
}

impl HashJob {
    /// Does it here and now: for worlds without threads. A pool that has several jobs at hand does whole pieces side by
    /// side instead.
    pub fn run(self) -> Hashed {
        let HashJob { id, shard, chunks, digest } = self;
        let parts = tide_base::buffer::slices(&chunks);
        let answer = match digest {
            Digest::Sha1 => Answer::Sha1(tide_hash::sha1(&parts)),
            Digest::Sha1Blocks(len) => {
                let whole = parts.concat();
                let digests = whole.chunks(len as usize).map(|block| tide_hash::sha1(&[block]));
                Answer::Sha1Blocks(digests.collect())
            }
            Digest::Sha1Part(mut stream) => {
                parts.iter().for_each(|part| stream.update(part));
                Answer::Sha1Part(stream)
            }
            Digest::Study(study) => Answer::Studied(study.study(&parts)),
        };
        Hashed { id, shard, chunks, answer }
    }
}

/// What to compute over a job's bytes, and in the answer the result.
#[derive(Debug)]
pub enum Digest {
    /// SHA-1 over the whole job.
    Sha1,
    /// SHA-1 over each run of this many bytes, the last perhaps shorter: who sent a bad block.
    Sha1Blocks(u32),
    /// SHA-1 over this job's bytes behind those of earlier ones; answered by itself, advanced.
    Sha1Part(Box<tide_hash::Sha1Stream>),
    /// Whatever this makes of the job's bytes.
    Study(Box<dyn Study>),
}

/// Makes something of bytes that takes too long for a shard. The pool lends its thread, and need not know what it is about.
pub trait Study: core::fmt::Debug + Send {
    /// What comes of the bytes, in order; the asker knows its type.
    fn study(self: Box<Self>, bytes: &[&[u8]]) -> Box<dyn Any + Send>;
}

/// The answer to a [`HashJob`].
#[derive(Debug)]
pub struct Hashed {
    /// The job's.
    pub id: JobId,
    /// The job's.
    pub shard: ShardId,
    /// The job's.
    pub chunks: Vec<Chunk>,
    /// What was computed.
    pub answer: Answer,
}

/// What the pool computed.
#[derive(Debug)]
pub enum Answer {
    /// The digest of the whole job.
    Sha1([u8; 20]),
    /// The digest of each run.
    Sha1Blocks(Vec<[u8; 20]>),
    /// The stream, advanced over the job's bytes.
    Sha1Part(Box<tide_hash::Sha1Stream>),
    /// What came of a [`Study`].
    Studied(Box<dyn Any + Send>),
}
