//! What a program uses: real files, lent where that is wise, and memory, by each store's [`Backing`].

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tide_base::Payload;

use super::folders::FileLock;
use super::mapped::Lender;
use super::memory::{Memory, MemoryFile, MemoryLock};
use super::pressure::Pressure;
use super::{file, folders};
use crate::job::Backing;
use crate::storage::{Access, Place, Storage, StorageFile};
use crate::table::FileState;

/// All media of this machine.
#[derive(Clone, Debug)]
pub struct System {
    memory: Memory,
    pressure: Arc<Pressure>,
}

/// An open file of one of the media.
#[derive(Debug)]
pub struct SystemFile(Kind);

#[derive(Debug)]
enum Kind {
    File(File),
    Mapped { file: File, lender: Lender, pressure: Arc<Pressure> },
    Memory(MemoryFile),
}

/// A lock in one of the media.
#[derive(Debug)]
pub struct SystemLock {
    _held: Held,
}

#[derive(Debug)]
#[expect(dead_code, reason = "locks are held to be dropped")]
enum Held {
    File(FileLock),
    Memory(MemoryLock),
}

impl System {
    /// This machine's file systems, and an empty memory.
    #[expect(clippy::new_without_default, reason = "it looks at the machine")]
    pub fn new() -> System {
        System { memory: Memory::default(), pressure: Arc::new(Pressure::new()) }
    }
}

/// Whether the file is on a file system whose pages come over a network or from another process: waiting for one may
/// take for ever, and the file may become shorter without this machine knowing.
#[cfg(target_os = "linux")]
fn is_remote(file: &File) -> bool {
    // NFS, SMB, CIFS, SMB2, FUSE, 9P, Ceph, Coda, AFS (see linux/magic.h).
    const REMOTE: [u32; 9] = [
        0x6969,
        0x517b,
        0xff53_4d42,
        0xfe53_4d42,
        0x6573_5546,
        0x0102_1997,
        0x00c3_6400,
        0x7375_7245,
        0x5346_414f,
    ];
    rustix::fs::fstatfs(file).map_or(true, |stat| REMOTE.contains(&(stat.f_type as u32)))
}

#[cfg(not(target_os = "linux"))]
fn is_remote(_: &File) -> bool {
    true
}

impl Storage for System {
    type File = SystemFile;
    type Lock = SystemLock;

    fn open(&self, at: Place<'_>, access: Access) -> io::Result<SystemFile> {
        if at.backing == Backing::Memory {
            return Ok(SystemFile(Kind::Memory(self.memory.open(at, access)?)));
        }
        let file = folders::open_file(at, access)?;
        if at.backing == Backing::File || is_remote(&file) {
            return Ok(SystemFile(Kind::File(file)));
        }
        let pressure = self.pressure.clone();
        Ok(SystemFile(Kind::Mapped { file, lender: Lender::default(), pressure }))
    }

    fn stat(&self, at: Place<'_>) -> io::Result<FileState> {
        if at.backing == Backing::Memory { self.memory.stat(at) } else { folders::stat(at) }
    }

    fn rename(&self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        if from.backing == Backing::Memory { self.memory.rename(from, to) } else { folders::rename(from, to) }
    }

    fn remove(&self, at: Place<'_>) -> io::Result<()> {
        if at.backing == Backing::Memory { self.memory.remove(at) } else { folders::remove(at) }
    }

    fn make_folders(&self, at: Place<'_>) -> io::Result<()> {
        if at.backing == Backing::Memory { self.memory.make_folders(at) } else { folders::make_folders(at) }
    }

    fn remove_folder(&self, at: Place<'_>) -> io::Result<()> {
        if at.backing == Backing::Memory { self.memory.remove_folder(at) } else { folders::remove_folder(at) }
    }

    fn sync_folder(&self, at: Place<'_>) -> io::Result<()> {
        if at.backing == Backing::Memory { self.memory.sync_folder(at) } else { folders::sync_folder(at) }
    }

    fn lock(&self, at: Place<'_>) -> io::Result<SystemLock> {
        let held = match at.backing {
            Backing::Memory => Held::Memory(self.memory.lock(at)?),
            Backing::Mapped | Backing::File => Held::File(folders::lock(at)?),
        };
        Ok(SystemLock { _held: held })
    }

    fn true_name(&self, backing: Backing, folder: &Path) -> PathBuf {
        match backing {
            Backing::Memory => self.memory.true_name(backing, folder),
            Backing::Mapped | Backing::File => folders::true_name(folder),
        }
    }
}

impl StorageFile for SystemFile {
    fn read_at(&self, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize> {
        match &self.0 {
            Kind::File(file) | Kind::Mapped { file, .. } => file::read_at(file, into, at),
            Kind::Memory(file) => file.read_at(into, at),
        }
    }

    fn write_at(&self, from: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        match &self.0 {
            Kind::File(file) | Kind::Mapped { file, .. } => file::write_at(file, from, at),
            Kind::Memory(file) => file.write_at(from, at),
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match &self.0 {
            Kind::File(file) | Kind::Mapped { file, .. } => file::allocate(file, len),
            Kind::Memory(file) => file.allocate(len),
        }
    }

    fn sync(&self) -> io::Result<()> {
        match &self.0 {
            Kind::File(file) | Kind::Mapped { file, .. } => file::sync(file),
            Kind::Memory(file) => file.sync(),
        }
    }

    fn lend(&self, at: u64, len: u32) -> Option<Payload> {
        match &self.0 {
            Kind::Mapped { file, lender, pressure } if !pressure.is_short() => {
                if file::is_cached(file, at) {
                    return lender.lend(file, at, len);
                }
                pressure.missed();
                None
            }
            _ => None,
        }
    }
}
