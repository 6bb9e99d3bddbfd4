//! What the tests share: running jobs to their end, and a storage that fails when it is told to.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use tide_base::{Bits, Chunk, Layout, Payload, PieceIndex, ShardId, Span};
use tide_disk::{
    Access, Allocation, Backing, Done, FileEntry, FileState, FileTable, Job, JobId, Limits, Outcome, Place,
    Storage, StorageFile, StoreKey, StoreSpec, Stores, Task, Trouble, VolumeId,
};

/// One file of a test's torrent.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) len: u64,
    pub(crate) padding: bool,
}

pub(crate) fn file(path: &str, len: u64) -> File {
    File { path: path.into(), len, padding: false }
}

pub(crate) fn padding(len: u64) -> File {
    File { path: format!(".pad/{len}"), len, padding: true }
}

pub(crate) fn table(files: &[File]) -> FileTable {
    let entry = |file: &File| FileEntry {
        path: PathBuf::from(&file.path),
        offset: 0,
        len: file.len,
        padding: file.padding,
        executable: file.path.ends_with(".sh"),
    };
    FileTable::new(files.iter().map(entry).collect())
}

/// A store below `base`, all files wanted.
pub(crate) fn spec(base: &Path, backing: Backing, files: &[File], piece_len: u32) -> StoreSpec {
    let files = table(files);
    StoreSpec {
        root: base.join("content"),
        layout: Layout::new(files.total(), piece_len, 16).expect("a legal layout"),
        wanted: Bits::full(files.files().len() as u32),
        files: Arc::new(files),
        aside: Some(base.join("state/t.aside")),
        resume: Some(base.join("state/t.resume")),
        backing,
        allocation: Allocation::Sparse,
    }
}

pub(crate) fn wanted(of: &[bool]) -> Bits {
    let mut bits = Bits::new(of.len() as u32);
    for (i, _) in of.iter().enumerate().filter(|(_, wanted)| **wanted) {
        bits.set(i as u32);
    }
    bits
}

/// Stores and the jobs that are told to them one by one.
pub(crate) struct Desk<S: Storage> {
    pub(crate) stores: Stores<S>,
    next: u64,
}

impl<S: Storage> Desk<S> {
    pub(crate) fn new(storage: S, limits: Limits) -> Desk<S> {
        Desk { stores: Stores::new(storage, limits), next: 0 }
    }

    pub(crate) fn submit(&mut self, store: u64, task: Task) -> JobId {
        self.next += 1;
        let id = JobId(self.next);
        let (shard, volume) = (ShardId(3), VolumeId(4));
        self.stores.submit(Job { id, shard, volume, store: StoreKey(store), task });
        id
    }

    /// Carries out all that is waiting.
    pub(crate) fn settle(&mut self) -> Vec<Done> {
        let mut all = Vec::new();
        loop {
            let worked = self.stores.work(&mut |done| all.push(done));
            if let Some(sync) = self.stores.next_sync() {
                all.push(sync.run());
            } else if !worked {
                break;
            }
        }
        assert_eq!(self.stores.pending(), 0);
        all
    }

    /// One job, to its end.
    pub(crate) fn done(&mut self, store: u64, task: Task) -> Done {
        let id = self.submit(store, task);
        let mut all = self.settle();
        assert_eq!(all.len(), 1, "one answer to one job");
        let done = all.remove(0);
        let expected = (id, StoreKey(store), ShardId(3), VolumeId(4));
        assert_eq!((done.id, done.store, done.shard, done.volume), expected);
        done
    }

    pub(crate) fn run(&mut self, store: u64, task: Task) -> Result<Outcome, Trouble> {
        self.done(store, task).result
    }

    pub(crate) fn open(&mut self, store: u64, spec: &StoreSpec) -> Result<Vec<FileState>, Trouble> {
        self.run(store, Task::Open(Box::new(spec.clone()))).map(|outcome| match outcome {
            Outcome::Opened(states) => states,
            other => panic!("{other:?}"),
        })
    }

    pub(crate) fn write(&mut self, store: u64, piece: u32, offset: u32, bytes: &[u8]) -> Result<(), Trouble> {
        let done = self.done(store, write(piece, offset, bytes));
        assert_eq!(done.chunks.iter().map(|chunk| chunk.len() as usize).sum::<usize>(), bytes.len());
        done.result.map(|outcome| assert!(matches!(outcome, Outcome::Written)))
    }

    pub(crate) fn read(&mut self, store: u64, piece: u32, offset: u32, len: u32) -> Result<Payload, Trouble> {
        let span = Span { piece: PieceIndex(piece), offset, len };
        self.run(store, Task::Read(span)).map(|outcome| match outcome {
            Outcome::Read(payload) => payload,
            other => panic!("{other:?}"),
        })
    }

    /// The bytes and whether all were there.
    pub(crate) fn load(
        &mut self,
        store: u64,
        piece: u32,
        offset: u32,
        len: u32,
    ) -> Result<(Vec<u8>, bool), Trouble> {
        let done = self.done(store, load(piece, offset, len));
        let bytes = done.chunks.iter().flat_map(|chunk| chunk.bytes().to_vec()).collect();
        done.result.map(|outcome| match outcome {
            Outcome::Loaded { complete } => (bytes, complete),
            other => panic!("{other:?}"),
        })
    }
}

/// Memory of a few lengths, some chunks longer than what is in use.
fn chunks(bytes: &[u8]) -> Vec<Chunk> {
    let chunk = |part: &[u8]| {
        let mut chunk = Chunk::new(8);
        chunk.set_len(part.len() as u32);
        chunk.bytes_mut().copy_from_slice(part);
        chunk
    };
    bytes.chunks(7).map(chunk).collect()
}

pub(crate) fn write(piece: u32, offset: u32, bytes: &[u8]) -> Task {
    Task::Write { piece: PieceIndex(piece), offset, chunks: chunks(bytes) }
}

pub(crate) fn load(piece: u32, offset: u32, len: u32) -> Task {
    Task::Load { piece: PieceIndex(piece), offset, chunks: chunks(&vec![0xee; len as usize]) }
}

/// A storage that does as another one does, until it does not.
#[derive(Clone)]
pub(crate) struct Faulty<S> {
    inner: S,
    faults: Arc<Faults>,
}

#[derive(Default)]
pub(crate) struct Faults {
    /// Calls until the one that fails; none after it. Negative: none fails.
    countdown: AtomicI64,
    /// The number of the error.
    errno: AtomicI64,
    /// Whether reads and writes do no more than three bytes a call.
    pub(crate) dribble: AtomicBool,
    /// Whether a file's name can be changed within its root only.
    pub(crate) volumes: AtomicBool,
    pub(crate) calls: AtomicU64,
}

impl Faults {
    /// Makes the `n`th call from now on, counted from 0, fail.
    pub(crate) fn fail(&self, n: i64, errno: i32) {
        self.errno.store(i64::from(errno), Ordering::Relaxed);
        self.countdown.store(n, Ordering::Relaxed);
    }

    /// Whether the fault has happened.
    pub(crate) fn happened(&self) -> bool {
        self.countdown.load(Ordering::Relaxed) < 0
    }

    fn call(&self) -> io::Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.countdown.fetch_sub(1, Ordering::Relaxed) == 0 {
            return Err(io::Error::from_raw_os_error(self.errno.load(Ordering::Relaxed) as i32));
        }
        Ok(())
    }

    fn bound(&self, len: usize) -> usize {
        if self.dribble.load(Ordering::Relaxed) { len.min(3) } else { len }
    }
}

impl<S> Faulty<S> {
    pub(crate) fn new(inner: S) -> (Faulty<S>, Arc<Faults>) {
        let faults = Arc::new(Faults::default());
        faults.countdown.store(-1, Ordering::Relaxed);
        (Faulty { inner, faults: faults.clone() }, faults)
    }
}

pub(crate) struct FaultyFile<F> {
    inner: F,
    faults: Arc<Faults>,
}

impl<S: Storage> Storage for Faulty<S> {
    type File = FaultyFile<S::File>;
    type Lock = S::Lock;

    fn open(&self, at: Place<'_>, access: Access) -> io::Result<Self::File> {
        self.faults.call()?;
        Ok(FaultyFile { inner: self.inner.open(at, access)?, faults: self.faults.clone() })
    }
    fn stat(&self, at: Place<'_>) -> io::Result<FileState> {
        self.faults.call().and_then(|()| self.inner.stat(at))
    }
    fn rename(&self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        self.faults.call()?;
        if from.root != to.root && self.faults.volumes.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        self.inner.rename(from, to)
    }
    fn remove(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.inner.remove(at))
    }
    fn make_folders(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.inner.make_folders(at))
    }
    fn remove_folder(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.inner.remove_folder(at))
    }
    fn sync_folder(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.inner.sync_folder(at))
    }
    fn lock(&self, at: Place<'_>) -> io::Result<Self::Lock> {
        self.faults.call().and_then(|()| self.inner.lock(at))
    }
    fn true_name(&self, backing: Backing, folder: &Path) -> PathBuf {
        self.inner.true_name(backing, folder)
    }
}

impl<F: StorageFile> StorageFile for FaultyFile<F> {
    fn read_at(&self, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize> {
        self.faults.call()?;
        let Some(first) = into.first_mut().filter(|_| self.faults.dribble.load(Ordering::Relaxed)) else {
            return self.inner.read_at(into, at);
        };
        let len = self.faults.bound(first.len());
        self.inner.read_at(&mut [IoSliceMut::new(&mut first[..len])], at)
    }
    fn write_at(&self, from: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        self.faults.call()?;
        let Some(first) = from.first().filter(|_| self.faults.dribble.load(Ordering::Relaxed)) else {
            return self.inner.write_at(from, at);
        };
        let len = self.faults.bound(first.len());
        self.inner.write_at(&[IoSlice::new(&first[..len])], at)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.faults.call().and_then(|()| self.inner.allocate(len))
    }
    fn sync(&self) -> io::Result<()> {
        self.faults.call().and_then(|()| self.inner.sync())
    }
    fn lend(&self, at: u64, len: u32) -> Option<Payload> {
        self.inner.lend(at, len)
    }
}
