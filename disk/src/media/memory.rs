//! Files in memory, with the manners of a file system: folders must exist, an open file outlives its name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use crate::job::Backing;
use crate::storage::{Access, Place, Storage, StorageFile};
use crate::table::FileState;

/// Bytes that a file grows by; what was never written costs nothing.
const PAGE: u64 = 64 << 10;

/// A file system in memory. Clones are the same one; it is empty at first and gone with the last of them.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    tree: Arc<Mutex<Tree>>,
}

#[derive(Debug, Default)]
struct Tree {
    files: BTreeMap<PathBuf, Arc<Mutex<Content>>>,
    folders: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    /// Counts changes: what a file's time of change is taken from.
    clock: i128,
}

#[derive(Debug, Default)]
struct Content {
    pages: BTreeMap<u64, Box<[u8]>>,
    len: u64,
    modified: i128,
}

/// An open file in memory.
#[derive(Debug)]
pub struct MemoryFile {
    content: Arc<Mutex<Content>>,
    tree: Arc<Mutex<Tree>>,
}

/// A lock in memory, held until it is dropped.
#[derive(Debug)]
pub struct MemoryLock {
    path: PathBuf,
    tree: Arc<Mutex<Tree>>,
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        held(&self.tree).locks.remove(&self.path);
    }
}

/// Nothing here panics while it holds a lock, so a poisoned one is as good as any.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tree {
    fn must_have_folder_of(&self, path: &Path) -> io::Result<()> {
        match path.parent() {
            Some(folder) if self.files.contains_key(folder) => Err(Errno::NOTDIR.into()),
            Some(folder) if !folder.as_os_str().is_empty() && !self.folders.contains(folder) => {
                Err(Errno::NOENT.into())
            }
            _ => Ok(()),
        }
    }

    fn tick(&mut self) -> i128 {
        self.clock += 1;
        self.clock
    }
}

impl Storage for Memory {
    type File = MemoryFile;
    type Lock = MemoryLock;

    fn open(&self, at: Place<'_>, access: Access) -> io::Result<MemoryFile> {
        let (path, mut tree) = (at.path(), held(&self.tree));
        if tree.folders.contains(&path) {
            return Err(Errno::ISDIR.into());
        }
        tree.must_have_folder_of(&path)?;
        if !tree.files.contains_key(&path) && matches!(access, Access::Create { .. }) {
            let modified = tree.tick();
            tree.files.insert(path.clone(), Arc::new(Mutex::new(Content { modified, ..Content::default() })));
        }
        let content = tree.files.get(&path).ok_or(Errno::NOENT)?.clone();
        Ok(MemoryFile { content, tree: self.tree.clone() })
    }

    fn stat(&self, at: Place<'_>) -> io::Result<FileState> {
        let (path, tree) = (at.path(), held(&self.tree));
        if tree.folders.contains(&path) {
            return Err(Errno::ISDIR.into());
        }
        let Some(content) = tree.files.get(&path) else { return Ok(FileState::default()) };
        let content = held(content);
        Ok(FileState { len: Some(content.len), modified: content.modified })
    }

    fn rename(&self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        let (from, to, mut tree) = (from.path(), to.path(), held(&self.tree));
        tree.must_have_folder_of(&to)?;
        if tree.folders.contains(&to) {
            return Err(Errno::ISDIR.into());
        }
        let content = tree.files.remove(&from).ok_or(Errno::NOENT)?;
        tree.files.insert(to, content);
        Ok(())
    }

    fn remove(&self, at: Place<'_>) -> io::Result<()> {
        held(&self.tree).files.remove(&at.path()).map(|_| ()).ok_or(Errno::NOENT.into())
    }

    fn make_folders(&self, at: Place<'_>) -> io::Result<()> {
        let (path, mut tree) = (at.path(), held(&self.tree));
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            if tree.files.contains_key(folder) {
                return Err(Errno::NOTDIR.into());
            }
        }
        for folder in path.ancestors().filter(|folder| !folder.as_os_str().is_empty()) {
            tree.folders.insert(folder.to_path_buf());
        }
        Ok(())
    }

    fn remove_folder(&self, at: Place<'_>) -> io::Result<()> {
        let (path, mut tree) = (at.path(), held(&self.tree));
        let inside = |other: &PathBuf| other.parent() == Some(&path);
        if tree.files.keys().any(inside) || tree.folders.iter().any(inside) {
            return Err(Errno::NOTEMPTY.into());
        }
        if tree.folders.remove(&path) { Ok(()) } else { Err(Errno::NOENT.into()) }
    }

    fn sync_folder(&self, at: Place<'_>) -> io::Result<()> {
        let path = at.path();
        let found = path.as_os_str().is_empty() || held(&self.tree).folders.contains(&path);
        if found { Ok(()) } else { Err(Errno::NOENT.into()) }
    }

    fn lock(&self, at: Place<'_>) -> io::Result<MemoryLock> {
        let path = at.path();
        if !held(&self.tree).locks.insert(path.clone()) {
            return Err(Errno::WOULDBLOCK.into());
        }
        Ok(MemoryLock { path, tree: self.tree.clone() })
    }

    fn true_name(&self, _: Backing, folder: &Path) -> PathBuf {
        folder.to_path_buf()
    }
}

impl Content {
    fn read(&self, mut into: &mut [u8], mut at: u64) {
        while !into.is_empty() {
            let (page, begin) = (at / PAGE, (at % PAGE) as usize);
            let len = into.len().min(PAGE as usize - begin);
            let (head, tail) = into.split_at_mut(len);
            match self.pages.get(&page) {
                Some(page) => head.copy_from_slice(&page[begin..begin + len]),
                None => head.fill(0),
            }
            (into, at) = (tail, at + len as u64);
        }
    }

    fn write(&mut self, mut from: &[u8], mut at: u64) {
        if from.is_empty() {
            // Writing nothing behind the end makes no file longer.
            return;
        }
        while !from.is_empty() {
            let (page, begin) = (at / PAGE, (at % PAGE) as usize);
            let len = from.len().min(PAGE as usize - begin);
            let (head, tail) = from.split_at(len);
            let page = self.pages.entry(page).or_insert_with(|| vec![0; PAGE as usize].into());
            page[begin..begin + len].copy_from_slice(head);
            (from, at) = (tail, at + len as u64);
        }
        self.len = self.len.max(at);
    }
}

impl StorageFile for MemoryFile {
    fn read_at(&self, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize> {
        let content = held(&self.content);
        let mut done = 0;
        for slice in into {
            let left = content.len.saturating_sub(at + done as u64);
            let len = (slice.len() as u64).min(left) as usize;
            content.read(&mut slice[..len], at + done as u64);
            done += len;
        }
        Ok(done)
    }

    fn write_at(&self, from: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let modified = held(&self.tree).tick();
        let mut content = held(&self.content);
        let mut done = 0;
        for slice in from {
            content.write(slice, at + done as u64);
            done += slice.len();
        }
        content.modified = modified;
        Ok(done)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut content = held(&self.content);
        content.len = content.len.max(len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let named = held(&self.tree).files.values().any(|content| Arc::ptr_eq(content, &self.content));
        if named { Ok(()) } else { Err(Errno::NOENT.into()) }
    }
}
