//! A disk that does as memory does, until it is told to fail.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicI64, Ordering};

use tide_disk::{Access, Backing, FileState, Memory, Place, Storage, StorageFile};

/// `ENOSPC`, on every system that we run on.
pub(crate) const ENOSPC: i32 = 28;

/// `EIO`, on every system that we run on.
pub(crate) const EIO: i32 = 5;

#[derive(Default)]
struct Faults {
    /// Calls that still succeed.
    good: AtomicI64,
    /// Calls that fail after these.
    bad: AtomicI64,
    errno: AtomicI32,
}

/// Memory that fails when it is told to.
#[derive(Clone)]
pub(crate) struct Disk {
    memory: Memory,
    faults: Arc<Faults>,
}

/// A file of it.
pub(crate) struct DiskFile {
    file: <Memory as Storage>::File,
    faults: Arc<Faults>,
}

impl From<Memory> for Disk {
    fn from(memory: Memory) -> Disk {
        Disk { memory, faults: Arc::default() }
    }
}

impl Disk {
    /// After `good` more calls, `bad` calls fail with this error.
    pub(crate) fn fail(&self, good: i64, bad: i64, errno: i32) {
        self.faults.errno.store(errno, Ordering::Relaxed);
        self.faults.bad.store(bad, Ordering::Relaxed);
        self.faults.good.store(good, Ordering::Relaxed);
    }
}

impl Faults {
    fn call(&self) -> io::Result<()> {
        if self.bad.load(Ordering::Relaxed) <= 0 || self.good.fetch_sub(1, Ordering::Relaxed) > 0 {
            return Ok(());
        }
        self.bad.fetch_sub(1, Ordering::Relaxed);
        Err(io::Error::from_raw_os_error(self.errno.load(Ordering::Relaxed)))
    }
}

impl Storage for Disk {
    type File = DiskFile;
    type Lock = <Memory as Storage>::Lock;

    fn open(&self, at: Place<'_>, access: Access) -> io::Result<DiskFile> {
        self.faults.call()?;
        Ok(DiskFile { file: self.memory.open(at, access)?, faults: self.faults.clone() })
    }
    fn stat(&self, at: Place<'_>) -> io::Result<FileState> {
        self.faults.call().and_then(|()| self.memory.stat(at))
    }
    fn rename(&self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.memory.rename(from, to))
    }
    fn remove(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.memory.remove(at))
    }
    fn make_folders(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.memory.make_folders(at))
    }
    fn remove_folder(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.memory.remove_folder(at))
    }
    fn sync_folder(&self, at: Place<'_>) -> io::Result<()> {
        self.faults.call().and_then(|()| self.memory.sync_folder(at))
    }
    fn lock(&self, at: Place<'_>) -> io::Result<Self::Lock> {
        self.faults.call().and_then(|()| self.memory.lock(at))
    }
    fn true_name(&self, backing: Backing, folder: &Path) -> PathBuf {
        self.memory.true_name(backing, folder)
    }
}

impl StorageFile for DiskFile {
    fn read_at(&self, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize> {
        self.faults.call().and_then(|()| self.file.read_at(into, at))
    }
    fn write_at(&self, from: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        self.faults.call().and_then(|()| self.file.write_at(from, at))
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.faults.call().and_then(|()| self.file.allocate(len))
    }
    fn sync(&self) -> io::Result<()> {
        self.faults.call().and_then(|()| self.file.sync())
    }
}
