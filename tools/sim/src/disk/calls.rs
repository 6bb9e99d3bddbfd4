//! What the engine's files see: each call of [`Storage`] and [`StorageFile`], and what can go wrong with it.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::io::Errno;
use tide_disk::{Access, Backing, FileState, Place, Storage, StorageFile};

use super::held::Held;
use super::inode::Inode;
use super::medium::{Medium, State, volume_of};
use super::names::InodeId;
use crate::mishap::Mishap;

/// Small files that are replaced are remembered up to this length: resume data, of which a stale copy may come back.
const REMEMBERED: u64 = 1 << 20;

/// An open file of a [`Medium`].
#[derive(Debug)]
pub struct MediumFile {
    medium: Medium,
    id: InodeId,
    process: u64,
    volume: PathBuf,
    writable: bool,
    /// As long as somebody has the file open it is kept, with or without a name.
    _token: Arc<()>,
}

/// A lock of a [`Medium`], held until it is dropped or its process dies.
#[derive(Debug)]
pub struct MediumLock {
    state: Arc<Mutex<State>>,
    /// The lock and whose it is; a judge's is none.
    held: Option<(PathBuf, u64)>,
}

impl Drop for MediumLock {
    fn drop(&mut self) {
        let Some((path, process)) = self.held.take() else { return };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.process == process {
            state.locks.remove(&path);
        }
    }
}

impl State {
    /// A call begins. One that changes something may be the last.
    fn begin(&mut self, changes: bool) -> io::Result<()> {
        if self.dead || self.fuse == Some(0) {
            return Err(Errno::IO.into());
        }
        if changes && let Some(left) = &mut self.fuse {
            *left -= 1;
        }
        Ok(())
    }

    /// What is free on a volume at this call; `None` is enough.
    fn free(&mut self, volume: &Path) -> Option<u64> {
        if self.free.contains_key(volume) {
            if self.dice.hits(Mishap::SpaceBack) {
                self.free.remove(volume);
            }
        } else if self.dice.strikes(Mishap::NoSpace) {
            // From nothing at all to some blocks, whatever the size of a block.
            let bound = 1 << self.dice.prng().below(17);
            let left = self.dice.prng().below(bound);
            self.free.insert(volume.to_path_buf(), left);
        }
        self.free.get(volume).copied()
    }

    fn full<T>(&mut self) -> io::Result<T> {
        self.dice.hit(Mishap::NoSpace);
        Err(Errno::NOSPC.into())
    }

    /// How many bytes, up to `len`, are transferred by one call.
    fn transfer(&mut self, len: u64) -> u64 {
        if len > 1 && self.dice.hits(Mishap::ShortTransfer) {
            return 1 + self.dice.prng().below(len - 1);
        }
        len
    }
}

/// Bytes of a file within `at .. end` that would take space that it does not have yet.
fn newly(inode: &Inode, at: u64, end: u64) -> u64 {
    let (at, end) = (at.max(inode.reserved), end.max(inode.reserved));
    end - at - inode.body.covered(at, end)
}

/// The longest part of a write that has room in `free` bytes.
fn fitting(inode: &Inode, at: u64, len: u64, free: u64) -> u64 {
    let (mut fits, mut not) = (0, len + 1);
    while not - fits > 1 {
        let middle = fits + (not - fits) / 2;
        if newly(inode, at, at + middle) <= free { fits = middle } else { not = middle }
    }
    fits
}

impl Storage for Medium {
    type File = MediumFile;
    type Lock = MediumLock;

    fn open(&self, at: Place<'_>, access: Access) -> io::Result<MediumFile> {
        let path = at.path();
        let mut state = self.state();
        if !self.quiet {
            state.aside().begin(matches!(access, Access::Create { .. }))?;
            if state.aside().dice.hits(Mishap::NoFiles) {
                return Err(Errno::MFILE.into());
            }
        }
        if state.names.is_folder(&path) {
            return Err(Errno::ISDIR.into());
        }
        state.names.must_have_folder_of(&path)?;
        let volume = volume_of(&path);
        let id = match (state.names.file(&path), access) {
            (Some(id), _) => id,
            (None, Access::Create { .. }) if !self.quiet => {
                if state.free(&volume) == Some(0) {
                    return state.full();
                }
                state.create(path)
            }
            (None, _) => return Err(Errno::NOENT.into()),
        };
        let token = state.inodes[&id].token.clone();
        let writable = access != Access::Read;
        Ok(MediumFile { medium: self.clone(), id, process: state.process, volume, writable, _token: token })
    }

    fn stat(&self, at: Place<'_>) -> io::Result<FileState> {
        let (path, mut state) = (at.path(), self.state());
        if !self.quiet {
            state.aside().begin(false)?;
        }
        if state.names.is_folder(&path) {
            return Err(Errno::ISDIR.into());
        }
        let Some(id) = state.names.file(&path) else { return Ok(FileState::default()) };
        let inode = &state.inodes[&id];
        Ok(FileState { len: Some(inode.body.len), modified: inode.modified })
    }

    fn rename(&self, from: Place<'_>, to: Place<'_>) -> io::Result<()> {
        let (from, to, mut state) = (from.path(), to.path(), self.changing()?);
        state.names.must_have_folder_of(&to)?;
        if state.names.is_folder(&to) {
            return Err(Errno::ISDIR.into());
        }
        let id = state.names.file(&from).ok_or(Errno::NOENT)?;
        if volume_of(&from) != volume_of(&to) {
            return Err(Errno::XDEV.into());
        }
        if from == to {
            return Ok(());
        }
        let replaced = state.names.file(&to);
        if let Some(old) = replaced {
            state.remember(&to, old);
        }
        let (hint, lost) = (state.hint(&to), state.gone.get(&to).copied());
        if let Some(inode) = state.inodes.get_mut(&id) {
            inode.hint = inode.hint.or(hint);
            // Another file in place of one that is gone: what it lacks is gone still.
            if let Some(cause) = lost {
                inode.harm_holes(cause);
            }
        }
        state.gone.remove(&from);
        state.names.rename(from, to.clone(), id);
        if let Some(old) = replaced {
            state.unlinked(&to, old);
        }
        Ok(())
    }

    fn remove(&self, at: Place<'_>) -> io::Result<()> {
        let (path, mut state) = (at.path(), self.changing()?);
        let id = state.names.file(&path).ok_or(Errno::NOENT)?;
        state.gone.remove(&path);
        state.names.remove(path.clone(), id);
        state.unlinked(&path, id);
        Ok(())
    }

    fn make_folders(&self, at: Place<'_>) -> io::Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.changing()?.names.make_folders(&at.path())
    }

    fn remove_folder(&self, at: Place<'_>) -> io::Result<()> {
        self.changing()?.names.remove_folder(&at.path())
    }

    fn sync_folder(&self, at: Place<'_>) -> io::Result<()> {
        let (path, mut state) = (at.path(), self.changing()?);
        if !path.as_os_str().is_empty() && !state.names.is_folder(&path) {
            return Err(Errno::NOENT.into());
        }
        if state.dice.hits(Mishap::SyncFails) {
            return Err(Errno::IO.into());
        }
        let strict = state.spec.strict_folders;
        state.names.sync_folder(&path, strict);
        Ok(())
    }

    fn lock(&self, at: Place<'_>) -> io::Result<MediumLock> {
        if self.quiet {
            return Ok(MediumLock { state: self.state.clone(), held: None });
        }
        let (path, mut state) = (at.path(), self.changing()?);
        if !state.locks.insert(path.clone()) {
            return Err(Errno::WOULDBLOCK.into());
        }
        Ok(MediumLock { state: self.state.clone(), held: Some((path, state.process)) })
    }

    fn true_name(&self, _: Backing, folder: &Path) -> PathBuf {
        folder.to_path_buf()
    }
}

impl Medium {
    /// A call that changes something.
    fn changing(&self) -> io::Result<Held<'_>> {
        if self.quiet {
            return Err(Errno::ROFS.into());
        }
        let mut state = self.state();
        state.begin(true)?;
        Ok(state)
    }
}

impl State {
    /// Keeps what a small file held that is about to be replaced.
    fn remember(&mut self, path: &Path, id: InodeId) {
        let inode = &self.inodes[&id];
        if inode.hint.is_none() && inode.body.len <= REMEMBERED {
            let mut bytes = vec![0; inode.body.len as usize];
            inode.body.read(&self.contents, 0, &mut bytes);
            self.earlier.insert(path.to_path_buf(), bytes);
        }
    }
}

impl MediumFile {
    fn begin(&self, changes: bool) -> io::Result<Held<'_>> {
        let mut state = self.medium.state();
        if self.medium.quiet {
            return if changes { Err(Errno::ROFS.into()) } else { Ok(state) };
        }
        if state.process != self.process {
            return Err(Errno::BADF.into());
        }
        state.aside().begin(changes)?;
        Ok(state)
    }

    fn begin_write(&self) -> io::Result<Held<'_>> {
        if self.writable { self.begin(true) } else { Err(Errno::BADF.into()) }
    }

    /// Writes the first `len` bytes of `from`.
    fn put(&self, state: &mut State, from: &[IoSlice<'_>], at: u64, len: u64) {
        let modified = state.tick();
        let State { contents, inodes, free, .. } = state;
        let inode = inodes.get_mut(&self.id).expect("an open file is kept");
        let taken = newly(inode, at, at + len);
        if let Some(free) = free.get_mut(&self.volume).filter(|_| inode.named) {
            *free = free.saturating_sub(taken);
        }
        let (mut left, mut end, mut runs) = (len, at, Vec::new());
        for slice in from.iter().filter(|slice| !slice.is_empty()) {
            let part = &slice[..(slice.len() as u64).min(left) as usize];
            if part.is_empty() {
                break;
            }
            runs.push(inode.runs_of(contents, end, part));
            (left, end) = (left - part.len() as u64, end + part.len() as u64);
        }
        inode.write(at, runs);
        inode.modified = modified;
    }
}

impl StorageFile for MediumFile {
    fn read_at(&self, into: &mut [IoSliceMut<'_>], at: u64) -> io::Result<usize> {
        let mut guard = self.begin(false)?;
        let state = guard.aside();
        let there = state.inodes[&self.id].body.len.saturating_sub(at);
        let wanted = into.iter().map(|slice| slice.len() as u64).sum::<u64>().min(there);
        let mut left = wanted;
        if !self.medium.quiet {
            if state.dice.hits(Mishap::ReadFails) {
                return Err(Errno::IO.into());
            }
            left = state.transfer(wanted);
        }
        let (body, mut done) = (&state.inodes[&self.id].body, 0);
        for slice in into {
            let len = (slice.len() as u64).min(left - done) as usize;
            body.read(&state.contents, at + done, &mut slice[..len]);
            done += len as u64;
        }
        Ok(done as usize)
    }

    fn write_at(&self, from: &[IoSlice<'_>], at: u64) -> io::Result<usize> {
        let mut guard = self.begin_write()?;
        let state = &mut *guard;
        let mut len: u64 = from.iter().map(|slice| slice.len() as u64).sum();
        if len == 0 {
            return Ok(0);
        }
        if let Some(free) = state.free(&self.volume) {
            let fits = fitting(&state.inodes[&self.id], at, len, free);
            if fits == 0 {
                return state.full();
            }
            if fits < len {
                state.dice.hit(Mishap::NoSpace);
            }
            len = fits;
        }
        if state.dice.hits(Mishap::WriteFails) {
            // What a failed write leaves behind is anything up to all of it.
            let done = state.dice.prng().below(len + 1);
            if done > 0 {
                self.put(state, from, at, done);
            }
            return Err(Errno::IO.into());
        }
        let len = state.transfer(len);
        self.put(state, from, at, len);
        Ok(len as usize)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut guard = self.begin_write()?;
        let state = &mut *guard;
        if state.dice.hits(Mishap::WriteFails) {
            return Err(Errno::IO.into());
        }
        if let Some(free) = state.free(&self.volume) {
            let taken = newly(&state.inodes[&self.id], 0, len);
            if taken > free {
                return state.full();
            }
            state.free.insert(self.volume.clone(), free - taken);
        }
        state.inodes.get_mut(&self.id).expect("an open file is kept").reach(len);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut guard = self.begin(true)?;
        let State { inodes, dice, .. } = &mut *guard;
        let inode = inodes.get_mut(&self.id).expect("an open file is kept");
        if !inode.named {
            return Err(Errno::NOENT.into());
        }
        if dice.hits(Mishap::SyncFails) {
            inode.fail_sync(dice.prng());
            return Err(Errno::IO.into());
        }
        inode.sync();
        Ok(())
    }
}
