//! Content of unwanted files. A piece at the border of a wanted and an unwanted file must be kept whole, or its hash
//! could never be checked; the part that belongs to the unwanted file is kept here instead of creating that file.
//!
//! It is kept by piece, in slots: in memory, or in one file that survives a restart. That file is nothing but slots
//! of one length, each a head of [`HEAD`] bytes and room for a whole piece:
//!
//! ```text
//! offset  bytes
//!      0      8  "tide\x00as1"
//!      8      8  length of the torrent, big-endian
//!     16      4  length of a piece
//!     20      4  number of the piece
//!     24      8  FNV-1a of the 24 bytes before
//!   4096      …  the piece's bytes, each at its place in the piece; those of wanted files are holes
//! ```
//!
//! A slot whose head is anything else is free. A torn head is a free slot, and nobody claimed its content, since that
//! is done after a sync only. When no slot is in use the file is removed.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tide_base::Layout;

use crate::desk::Desk;
use crate::handles::{ASIDE, HandleKey};
use crate::job::{Backing, StoreKey, StoreSpec};
use crate::storage::{Access, Place, Storage};
use crate::transfer::{read_full, write_all};

/// Bytes in front of a slot's content: one page, so that content is aligned.
const HEAD: u64 = 4096;
/// Bytes of the head that mean something.
const HEAD_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"tide\0as1";

/// What is aside of one store.
#[derive(Debug)]
pub(crate) struct Aside {
    store: StoreKey,
    layout: Layout,
    home: Home,
}

#[derive(Debug)]
enum Home {
    Memory(BTreeMap<u32, Box<[u8]>>),
    File {
        backing: Backing,
        path: PathBuf,
        /// The slot of each piece.
        slots: BTreeMap<u32, u32>,
        /// How many slots the file has.
        count: u32,
        exists: bool,
    },
}

impl Aside {
    /// Looks at what is aside from earlier.
    pub(crate) fn open<S: Storage>(storage: &S, store: StoreKey, spec: &StoreSpec) -> io::Result<Aside> {
        let layout = spec.layout;
        let Some(path) = &spec.aside else {
            return Ok(Aside { store, layout, home: Home::Memory(BTreeMap::new()) });
        };
        let place = Place::of(spec.backing, path);
        let mut slots = BTreeMap::new();
        let len = storage.stat(place)?.len;
        // More slots than pieces cannot be in use.
        let count = len.unwrap_or(0).div_ceil(stride(&layout)).min(u64::from(layout.pieces())) as u32;
        if count > 0 {
            let file = storage.open(place, Access::Read)?;
            for slot in 0..count {
                let mut head = [0; HEAD_BYTES];
                read_full(&file, &mut [IoSliceMut::new(&mut head)], u64::from(slot) * stride(&layout), 1)?;
                if let Some(piece) = piece_of(&head, &layout) {
                    slots.entry(piece).or_insert(slot);
                }
            }
        }
        let home =
            Home::File { backing: spec.backing, path: path.clone(), slots, count, exists: len.is_some() };
        Ok(Aside { store, layout, home })
    }

    /// Whether anything of this piece is here.
    pub(crate) fn has(&self, piece: u32) -> bool {
        match &self.home {
            Home::Memory(pieces) => pieces.contains_key(&piece),
            Home::File { slots, .. } => slots.contains_key(&piece),
        }
    }

    /// The pieces of which something is here, ascending.
    pub(crate) fn pieces(&self) -> Vec<u32> {
        match &self.home {
            Home::Memory(pieces) => pieces.keys().copied().collect(),
            Home::File { slots, .. } => slots.keys().copied().collect(),
        }
    }

    /// The file, if there is to be one: what to blame.
    pub(crate) fn path(&self) -> &Path {
        match &self.home {
            Home::Memory(_) => Path::new(""),
            Home::File { path, .. } => path,
        }
    }

    /// The file to sync, if there is one.
    pub(crate) fn place(&self) -> Option<Place<'_>> {
        match &self.home {
            Home::File { backing, path, exists: true, .. } => Some(Place::of(*backing, path)),
            _ => None,
        }
    }

    fn piece_at(&self, at: u64) -> (u32, u64) {
        let piece_len = u64::from(self.layout.piece_len());
        ((at / piece_len) as u32, at % piece_len)
    }

    fn handle<S: Storage>(&self, desk: &mut Desk<S>, access: Access) -> io::Result<Arc<S::File>> {
        let Home::File { backing, path, .. } = &self.home else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let key = HandleKey { store: self.store, file: ASIDE };
        let place = Place::of(*backing, path);
        if let Some(file) = desk.handles.get(key, true) {
            return Ok(file);
        }
        if let Access::Create { .. } = access {
            desk.storage.make_folders(place.folder())?;
        }
        let storage = &desk.storage;
        desk.handles.open(key, true, || storage.open(place, access))
    }

    /// Fills `into` with the torrent's bytes from `at` on, within one piece. Returns how many there were.
    pub(crate) fn read<S: Storage>(
        &self,
        desk: &mut Desk<S>,
        at: u64,
        into: &mut [IoSliceMut<'_>],
    ) -> io::Result<u64> {
        let (piece, within) = self.piece_at(at);
        match &self.home {
            Home::Memory(pieces) => {
                let Some(content) = pieces.get(&piece) else { return Ok(0) };
                let mut from = within as usize;
                for slice in into {
                    let len = slice.len();
                    slice.copy_from_slice(&content[from..from + len]);
                    from += len;
                }
                Ok(from as u64 - within)
            }
            Home::File { slots, .. } => {
                let Some(&slot) = slots.get(&piece) else { return Ok(0) };
                let wanted: u64 = into.iter().map(|slice| slice.len() as u64).sum();
                let file = self.handle(desk, Access::Write)?;
                let begin = u64::from(slot) * stride(&self.layout) + HEAD + within;
                let bound = desk.limits.slices;
                read_full(&*file, into, begin, bound).map(|read| read.min(wanted))
            }
        }
    }

    /// Keeps the torrent's bytes from `at` on, within one piece.
    pub(crate) fn write<S: Storage>(
        &mut self,
        desk: &mut Desk<S>,
        at: u64,
        from: &mut [IoSlice<'_>],
    ) -> io::Result<()> {
        let (piece, within) = self.piece_at(at);
        let piece_len = self.layout.piece_len();
        if let Home::Memory(pieces) = &mut self.home {
            let held = (pieces.len() as u64 + 1) * u64::from(piece_len);
            if !pieces.contains_key(&piece) && held > desk.limits.aside_memory {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let content = pieces.entry(piece).or_insert_with(|| vec![0; piece_len as usize].into());
            let mut at = within as usize;
            for slice in from {
                content[at..at + slice.len()].copy_from_slice(slice);
                at += slice.len();
            }
            return Ok(());
        }
        let slot = self.slot_for(desk, piece)?;
        let file = self.handle(desk, Access::Write)?;
        let begin = u64::from(slot) * stride(&self.layout) + HEAD + within;
        write_all(&*file, from, begin, desk.limits.slices)
    }

    /// The slot of a piece, taking a free one or a new one for it if it has none. Its head is written each time: what was
    /// there may have been lost by a sync that failed, and whoever writes a piece again means all that belongs to it.
    fn slot_for<S: Storage>(&mut self, desk: &mut Desk<S>, piece: u32) -> io::Result<u32> {
        let Home::File { slots, count, exists, .. } = &self.home else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let access = if *exists { Access::Write } else { Access::Create { executable: false } };
        let slot = slots.get(&piece).copied().unwrap_or_else(|| {
            let taken: std::collections::BTreeSet<u32> = slots.values().copied().collect();
            (0..*count).find(|slot| !taken.contains(slot)).unwrap_or(*count)
        });
        let file = self.handle(desk, access)?;
        let head = head(piece, &self.layout);
        write_all(&*file, &mut [IoSlice::new(&head)], u64::from(slot) * stride(&self.layout), 1)?;
        if let Home::File { slots, count, exists, .. } = &mut self.home {
            *exists = true;
            *count = (*count).max(slot + 1);
            slots.insert(piece, slot);
        }
        Ok(slot)
    }

    /// Lets go of the pieces that `keep` does not want kept, and of the file if none is left.
    pub(crate) fn retain<S: Storage>(
        &mut self,
        desk: &mut Desk<S>,
        keep: impl Fn(u32) -> bool,
    ) -> io::Result<()> {
        for piece in self.pieces().into_iter().filter(|&piece| !keep(piece)) {
            let slot = match &mut self.home {
                Home::Memory(pieces) => {
                    pieces.remove(&piece);
                    continue;
                }
                Home::File { slots, .. } => slots[&piece],
            };
            let file = self.handle(desk, Access::Write)?;
            let begin = u64::from(slot) * stride(&self.layout);
            write_all(&*file, &mut [IoSlice::new(&[0; HEAD_BYTES])], begin, 1)?;
            if let Home::File { slots, .. } = &mut self.home {
                slots.remove(&piece);
            }
        }
        if let Home::File { backing, path, slots, count, exists } = &mut self.home
            && *exists
            && slots.is_empty()
        {
            desk.handles.forget(HandleKey { store: self.store, file: ASIDE });
            match desk.storage.remove(Place::of(*backing, path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (*count, *exists) = (0, false),
            }
        }
        Ok(())
    }
}

/// From the beginning of one slot to that of the next.
fn stride(layout: &Layout) -> u64 {
    HEAD + u64::from(layout.piece_len()).next_multiple_of(HEAD)
}

fn head(piece: u32, layout: &Layout) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(&MAGIC);
    head[8..16].copy_from_slice(&layout.total().to_be_bytes());
    head[16..20].copy_from_slice(&layout.piece_len().to_be_bytes());
    head[20..24].copy_from_slice(&piece.to_be_bytes());
    let check = fnv1a(&head[..24]);
    head[24..].copy_from_slice(&check.to_be_bytes());
    head
}

/// The piece that a slot with this head belongs to, if it is one of ours.
fn piece_of(bytes: &[u8; HEAD_BYTES], layout: &Layout) -> Option<u32> {
    let piece = u32::from_be_bytes([bytes[20], bytes[21], bytes[22], bytes[23]]);
    (piece < layout.pieces() && *bytes == head(piece, layout)).then_some(piece)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_ours_or_the_slot_is_free() {
        let layout = Layout::new(1000, 100, 16).expect("a legal layout");
        let ours = head(7, &layout);
        assert_eq!(piece_of(&ours, &layout), Some(7));
        for byte in 0..HEAD_BYTES {
            let mut torn = ours;
            torn[byte] ^= 1;
            assert_eq!(piece_of(&torn, &layout), None, "byte {byte}");
        }
        assert_eq!(piece_of(&[0; HEAD_BYTES], &layout), None);
        assert_eq!(piece_of(&head(10, &layout), &layout), None, "there is no such piece");
        let other = Layout::new(1001, 100, 16).expect("a legal layout");
        assert_eq!(piece_of(&head(7, &other), &layout), None, "another torrent's");
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
