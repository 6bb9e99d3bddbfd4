//! One torrent's files: opening them, and reading and writing its bytes.
//!
//! A file that is longer than the torrent says keeps its surplus: only the expected bytes are read or written, and its
//! length is reported. A file known to be there and found missing is trouble, never made anew: pieces that were claimed
//! would silently become zeros. Reading needs no right to write, so content on a read-only medium can be seeded.

use std::io::{IoSlice, IoSliceMut};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use tide_base::{Bits, Chunk, Payload};

use crate::aside::Aside;
use crate::desk::Desk;
use crate::handles::HandleKey;
use crate::job::{Allocation, StoreKey, StoreSpec};
use crate::plan::{self, Extent, Holder, extents};
use crate::storage::{Access, Place, Storage, StorageFile};
use crate::table::FileState;
use crate::transfer::{read_full, write_all};
use crate::trouble::{Trouble, TroubleKind, blame};
use crate::unsynced::Unsynced;

/// An open store.
pub(crate) struct Store<S: Storage> {
    pub(crate) key: StoreKey,
    pub(crate) spec: StoreSpec,
    /// The one name of the root: what the table of owned paths knows it by.
    pub(crate) root_name: PathBuf,
    /// Files that are there.
    pub(crate) exists: Bits,
    /// Files whose content is aside: none of them is there.
    pub(crate) set_aside: Bits,
    pub(crate) aside: Aside,
    pub(crate) unsynced: Unsynced,
    /// Whether wanted files are as they should be: empty ones there, none aside. Seen to before the first write.
    pub(crate) settled: bool,
    _lock: Option<S::Lock>,
}

impl<S: Storage> Store<S> {
    /// Takes the lock and looks at what is there.
    pub(crate) fn open(
        storage: &S,
        key: StoreKey,
        spec: StoreSpec,
        root_name: PathBuf,
    ) -> Result<(Store<S>, Vec<FileState>), Trouble> {
        assert_eq!(spec.files.total(), spec.layout.total(), "files and pieces are of one torrent");
        let count = u32::try_from(spec.files.files().len()).expect("fewer than 2^32 files");
        assert_eq!(spec.wanted.len(), count, "every file is wanted or not");
        for entry in spec.files.files() {
            let safe = entry.path.components().all(|part| matches!(part, Component::Normal(_)));
            assert!(safe && !entry.path.as_os_str().is_empty(), "{} is no safe name", entry.path.display());
        }
        let lock = spec.resume.as_deref().map(|path| take_lock(storage, &spec, path)).transpose()?;
        let states = states(storage, &spec)?;
        let aside = Aside::open(storage, key, &spec)
            .map_err(blame(spec.aside.as_deref().unwrap_or(Path::new(""))))?;
        let mut exists = Bits::new(count);
        for (file, entry) in spec.files.files().iter().enumerate() {
            if !entry.padding && states[file].len.is_some() {
                exists.set(file as u32);
            }
        }
        let mut store = Store {
            key,
            root_name,
            exists,
            set_aside: Bits::new(count),
            aside,
            unsynced: Unsynced::new(count),
            settled: false,
            _lock: lock,
            spec,
        };
        store.decide_aside();
        Ok((store, states))
    }

    /// Decides which files' content is aside: of those that are not there, the unwanted ones, and for now the wanted
    /// ones of which something is aside already.
    pub(crate) fn decide_aside(&mut self) {
        for (file, entry) in self.spec.files.files().iter().enumerate() {
            let number = file as u32;
            let absent = !entry.padding && !self.exists.has(number);
            if absent && (!self.spec.wanted.has(number) || self.is_partly_aside(file)) {
                self.set_aside.set(number);
            } else {
                self.set_aside.clear(number);
            }
        }
    }

    fn is_partly_aside(&self, file: usize) -> bool {
        self.pieces_of(file).any(|piece| self.aside.has(piece))
    }

    /// The pieces that have bytes of a file.
    pub(crate) fn pieces_of(&self, file: usize) -> std::ops::Range<u32> {
        let entry = &self.spec.files.files()[file];
        let piece_len = u64::from(self.spec.layout.piece_len());
        let end = if entry.len == 0 { 0 } else { (entry.offset + entry.len).div_ceil(piece_len) };
        (entry.offset / piece_len) as u32..end as u32
    }

    /// How each file stands.
    pub(crate) fn states(&self, storage: &S) -> Result<Vec<FileState>, Trouble> {
        states(storage, &self.spec)
    }

    pub(crate) fn place(&self, file: usize) -> Place<'_> {
        place(&self.spec, file)
    }

    /// Where a run of a piece begins in the torrent; it must lie within the piece.
    pub(crate) fn start(&self, piece: tide_base::PieceIndex, offset: u32, len: u64) -> u64 {
        let layout = &self.spec.layout;
        let inside = layout.contains(piece) && u64::from(offset) + len <= u64::from(layout.len_of(piece));
        assert!(inside, "{len} bytes from {offset} on are not in piece {piece}");
        layout.start(piece) + u64::from(offset)
    }

    fn plan(&self, start: u64, len: u64) -> Vec<Extent> {
        extents(&self.spec.files, &self.spec.layout, start, len, |file| self.set_aside.has(file as u32))
            .collect()
    }

    /// The torrent's bytes from `start` on, all of them: lent, or in a buffer.
    pub(crate) fn read(&mut self, desk: &mut Desk<S>, start: u64, len: u32) -> Result<Payload, Trouble> {
        let plan = self.plan(start, u64::from(len));
        if let [Extent { holder: Holder::File(file), at, .. }] = plan[..] {
            let handle = self.handle(desk, file, false)?;
            if let Some(lent) = handle.lend(at, len) {
                return Ok(lent);
            }
        }
        let mut buffer = desk.pool.take(len as usize);
        let mut rest = buffer.bytes_mut();
        for extent in plan {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(extent.len as usize);
            rest = tail;
            let read = self.read_extent(desk, extent, &mut [IoSliceMut::new(head)])?;
            if read < extent.len {
                return Err(match extent.holder {
                    Holder::File(file) => Trouble::with(TroubleKind::Shrunk, self.place(file).path()),
                    _ => Trouble::with(TroubleKind::Missing, self.aside.path()),
                });
            }
        }
        Ok(buffer.into_payload())
    }

    /// Fills `chunks` with the torrent's bytes from `start` on; what no file has is zero. Returns whether files had
    /// all of it.
    pub(crate) fn load(
        &mut self,
        desk: &mut Desk<S>,
        start: u64,
        chunks: &mut [Chunk],
    ) -> Result<bool, Trouble> {
        let plan = self.plan(start, tide_base::buffer::total_len(chunks));
        let slices: Vec<&mut [u8]> = chunks.iter_mut().map(Chunk::bytes_mut).collect();
        let (mut slices, mut open) = (slices.into_iter(), &mut [][..]);
        let mut complete = true;
        for extent in plan {
            let mut part = plan::take_mut(&mut slices, &mut open, extent.len);
            let read = match self.read_extent(desk, extent, &mut part) {
                Err(trouble) if trouble.kind == TroubleKind::Missing => 0,
                other => {
                    self.found(extent.holder);
                    other?
                }
            };
            if read < extent.len {
                complete = false;
                clear_from(&mut part, read);
            }
        }
        Ok(complete)
    }

    /// Content is there that may be called durable after the next sync, whoever wrote it.
    fn found(&mut self, holder: Holder) {
        match holder {
            Holder::Padding => {}
            Holder::Aside => self.unsynced.aside(),
            Holder::File(file) => self.unsynced.found(file, &self.spec.files.files()[file].path),
        }
    }

    /// Fills `into` from one extent as far as it goes. Returns how many bytes there were.
    fn read_extent(
        &mut self,
        desk: &mut Desk<S>,
        extent: Extent,
        into: &mut [IoSliceMut<'_>],
    ) -> Result<u64, Trouble> {
        match extent.holder {
            Holder::Padding => {
                clear_from(into, 0);
                Ok(extent.len)
            }
            Holder::Aside => self.aside.read(desk, extent.at, into).map_err(blame(self.aside.path())),
            Holder::File(file) => {
                let handle = self.handle(desk, file, false)?;
                read_full(&*handle, into, extent.at, desk.limits.slices)
                    .map_err(|error| Trouble::from_io(&error, Some(self.place(file).path())))
            }
        }
    }

    /// Writes `from`, in order, from the torrent's byte `start` on, creating what must be created.
    pub(crate) fn write(&mut self, desk: &mut Desk<S>, start: u64, from: &[&[u8]]) -> Result<(), Trouble> {
        self.settle(desk)?;
        let len = from.iter().map(|slice| slice.len() as u64).sum();
        let (mut slices, mut open) = (from.iter(), &[][..]);
        for extent in self.plan(start, len) {
            let mut part = plan::take(&mut slices, &mut open, extent.len);
            self.write_extent(desk, extent, &mut part)?;
        }
        Ok(())
    }

    fn write_extent(
        &mut self,
        desk: &mut Desk<S>,
        extent: Extent,
        from: &mut [IoSlice<'_>],
    ) -> Result<(), Trouble> {
        match extent.holder {
            Holder::Padding => Ok(()),
            Holder::Aside => {
                self.unsynced.aside();
                let written = self.aside.write(desk, extent.at, from);
                written.map_err(blame(self.aside.path()))
            }
            Holder::File(file) => {
                let handle = self.handle(desk, file, true)?;
                self.unsynced.file(file);
                write_all(&*handle, from, extent.at, desk.limits.slices)
                    .map_err(|error| Trouble::from_io(&error, Some(self.place(file).path())))
            }
        }
    }

    /// The open file, created if it is to be written and not there.
    pub(crate) fn handle(
        &mut self,
        desk: &mut Desk<S>,
        file: usize,
        writable: bool,
    ) -> Result<Arc<S::File>, Trouble> {
        let key = HandleKey { store: self.key, file: file as u32 };
        if let Some(handle) = desk.handles.get(key, writable) {
            return Ok(handle);
        }
        let place = self.place(file);
        let to_blame = |error| Trouble::from_io(&error, Some(place.path()));
        let (handles, storage) = (&mut desk.handles, &desk.storage);
        if !writable {
            return handles.open(key, false, || storage.open(place, Access::Read)).map_err(to_blame);
        }
        let entry = &self.spec.files.files()[file];
        let handle = if self.exists.has(file as u32) {
            handles.open(key, true, || storage.open(place, Access::Write)).map_err(to_blame)?
        } else {
            storage.make_folders(place.folder()).map_err(to_blame)?;
            let access = Access::Create { executable: entry.executable };
            handles.open(key, true, || storage.open(place, access)).map_err(to_blame)?
        };
        if self.spec.allocation == Allocation::Full && entry.len > 0 {
            let allocated = handle.allocate(entry.len);
            if let Err(error) = allocated {
                let trouble = to_blame(error);
                // Not kept open: the next attempt shall reserve again.
                desk.handles.forget(key);
                self.now_exists(file);
                return Err(trouble);
            }
        }
        self.now_exists(file);
        Ok(handle)
    }

    /// Notes that a file is there, and that its folders have a new name.
    pub(crate) fn now_exists(&mut self, file: usize) {
        if self.exists.set(file as u32) {
            self.unsynced.name(&self.spec.files.files()[file].path);
        }
    }
}

/// Where a file of a torrent is.
pub(crate) fn place(spec: &StoreSpec, file: usize) -> Place<'_> {
    Place { backing: spec.backing, root: &spec.root, below: &spec.files.files()[file].path }
}

/// The path of the lock file that stands beside a resume file.
fn lock_path(resume: &Path) -> PathBuf {
    let mut name = resume.as_os_str().to_os_string();
    name.push(".lock");
    PathBuf::from(name)
}

fn take_lock<S: Storage>(storage: &S, spec: &StoreSpec, resume: &Path) -> Result<S::Lock, Trouble> {
    let path = lock_path(resume);
    let place = Place::of(spec.backing, &path);
    storage.make_folders(place.folder()).and_then(|()| storage.lock(place)).map_err(blame(&path))
}

/// How each file stands. Padding stands as it should: it is nowhere, and never missing.
fn states<S: Storage>(storage: &S, spec: &StoreSpec) -> Result<Vec<FileState>, Trouble> {
    let state = |(file, entry): (usize, &crate::table::FileEntry)| {
        if entry.padding {
            return Ok(FileState { len: Some(entry.len), modified: 0 });
        }
        let place = place(spec, file);
        storage.stat(place).map_err(|error| Trouble::from_io(&error, Some(place.path())))
    };
    spec.files.files().iter().enumerate().map(state).collect()
}

/// Zeros all bytes but the first `from`.
fn clear_from(slices: &mut [IoSliceMut<'_>], from: u64) {
    let mut skip = from;
    for slice in slices {
        let keep = skip.min(slice.len() as u64);
        slice[keep as usize..].fill(0);
        skip -= keep;
    }
}
