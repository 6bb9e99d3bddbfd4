//! Content moves from aside into files that are wanted.
//!
//! A file comes to be in one step: its content is gathered under a temporary name, made durable, and only then given
//! the file's name; what was aside is let go after that. So a power cut at any moment leaves the content in one place
//! or the other, and a piece that was claimed stays whole.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::PathBuf;

use tide_base::Bits;

use crate::desk::Desk;
use crate::job::Allocation;
use crate::limits::COPY_BYTES;
use crate::storage::{Access, Place, Storage, StorageFile};
use crate::store::Store;
use crate::table::FileState;
use crate::transfer::write_all;
use crate::trouble::{Trouble, blame};

/// What a file is called while its content is gathered, behind its own name.
const GATHERING: &str = ".~tide";

impl<S: Storage> Store<S> {
    /// Changes which files are wanted. On an error the old selection stays in force.
    pub(crate) fn select(&mut self, desk: &mut Desk<S>, wanted: Bits) -> Result<Vec<FileState>, Trouble> {
        assert_eq!(wanted.len(), self.spec.wanted.len(), "every file is wanted or not");
        let before = std::mem::replace(&mut self.spec.wanted, wanted);
        self.settled = false;
        let settled = self.settle(desk);
        if settled.is_err() {
            self.spec.wanted = before;
        }
        self.decide_aside();
        settled?;
        self.states(&desk.storage)
    }

    /// Sees to it that wanted files have what is aside of them, and that empty ones are there.
    pub(crate) fn settle(&mut self, desk: &mut Desk<S>) -> Result<(), Trouble> {
        if self.settled {
            return Ok(());
        }
        self.decide_aside();
        for file in 0..self.spec.files.files().len() {
            let number = file as u32;
            let entry = &self.spec.files.files()[file];
            if !self.spec.wanted.has(number) || entry.padding || self.exists.has(number) {
                continue;
            }
            if entry.len == 0 {
                self.handle(desk, file, true)?;
            } else if self.set_aside.has(number) {
                self.gather(desk, file)?;
            }
        }
        let files = &self.spec.files;
        let (layout, set_aside) = (self.spec.layout, &self.set_aside);
        let keep = |piece: u32| {
            let piece = tide_base::PieceIndex(piece);
            files
                .touched(layout.start(piece), u64::from(layout.len_of(piece)))
                .any(|file| set_aside.has(file as u32))
        };
        let retained = self.aside.retain(desk, keep);
        retained.map_err(blame(self.aside.path()))?;
        self.settled = true;
        Ok(())
    }

    /// Makes a file of what is aside of it.
    fn gather(&mut self, desk: &mut Desk<S>, file: usize) -> Result<(), Trouble> {
        let path = self.place(file).path();
        let gathered = self.try_gather(desk, file);
        gathered.map_err(blame(path))?;
        self.set_aside.clear(file as u32);
        self.now_exists(file);
        Ok(())
    }

    fn try_gather(&self, desk: &mut Desk<S>, file: usize) -> io::Result<()> {
        let entry = self.spec.files.files()[file].clone();
        let below = gathering(&entry.path);
        let place = self.place(file);
        let temporary = Place { below: &below, ..place };
        desk.storage.make_folders(place.folder())?;
        let handle = desk.storage.open(temporary, Access::Create { executable: entry.executable })?;
        if self.spec.allocation == Allocation::Full {
            handle.allocate(entry.len)?;
        }
        let piece_len = u64::from(self.spec.layout.piece_len());
        let mut buffer = vec![0; COPY_BYTES.min(piece_len as usize)];
        for piece in self.pieces_of(file).filter(|&piece| self.aside.has(piece)) {
            let begin = u64::from(piece) * piece_len;
            let mut at = begin.max(entry.offset);
            let end = (begin + piece_len).min(entry.offset + entry.len);
            while at < end {
                let len = (end - at).min(buffer.len() as u64) as usize;
                let read = self.aside.read(desk, at, &mut [IoSliceMut::new(&mut buffer[..len])])? as usize;
                // A hole behind the end of what is aside: nobody wrote it, so nobody claims it.
                buffer[read..len].fill(0);
                write_all(&handle, &mut [IoSlice::new(&buffer[..len])], at - entry.offset, 1)?;
                at += len as u64;
            }
        }
        handle.sync()?;
        let place = self.place(file);
        desk.storage.rename(temporary, place)?;
        desk.storage.sync_folder(place.folder())
    }
}

/// The temporary name of the file at `path`.
pub(crate) fn gathering(path: &std::path::Path) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(GATHERING);
    PathBuf::from(name)
}
