//! Made-up torrents and what a disk holds of them.

use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{InfoHash, InfoHashes, Layout, PieceIndex, Prng};
use tide_disk::{Allocation, Backing, FileEntry, FileTable, StoreKey, VolumeId};
use tide_engine::{AddTorrent, Check};

/// A torrent of made-up content: the specification, and the content of each file.
pub(crate) fn torrent(seed: u8, lens: &[u64], piece_len: u32, block_len: u32) -> (AddTorrent, Vec<Vec<u8>>) {
    let byte = |i: u64| (i.wrapping_mul(2_654_435_761).wrapping_add(u64::from(seed) * 97) >> 7) as u8;
    let mut offset = 0;
    let mut contents = Vec::new();
    let mut entries = Vec::new();
    for (i, &len) in lens.iter().enumerate() {
        contents.push((offset..offset + len).map(byte).collect::<Vec<u8>>());
        let path = PathBuf::from(format!("t{seed}/f{i}"));
        entries.push(FileEntry { path, offset: 0, len, padding: false, executable: false });
        offset += len;
    }
    let layout = Layout::new(offset, piece_len, block_len).expect("a legal layout");
    let whole: Vec<u8> = contents.concat();
    let hashes: Vec<u8> =
        whole.chunks(piece_len as usize).flat_map(|piece| tide_hash::sha1(&[piece])).collect();
    let spec = AddTorrent {
        info_hashes: InfoHashes::v1(InfoHash([seed; 20])),
        name: format!("t{seed}"),
        files: Arc::new(FileTable::new(entries)),
        layout,
        piece_hashes: hashes.into(),
        private: false,
        own_trackers: Vec::new(),
        trackers: None,
        store: StoreKey(u64::from(seed)),
        volume: VolumeId(0),
        root: PathBuf::from("/content"),
        resume: Some(PathBuf::from(format!("/state/{seed}.resume"))),
        aside: Some(PathBuf::from(format!("/state/{seed}.aside"))),
        backing: Backing::File,
        allocation: Allocation::Sparse,
        priorities: None,
        sequential: None,
        paused: None,
        check: Check::Resume,
        peers: Vec::new(),
        nodes: Vec::new(),
        limits: None,
    };
    assert_eq!(layout.len_of(PieceIndex(0)).min(piece_len), layout.len_of(PieceIndex(0)));
    (spec, contents)
}

/// Puts the content of a torrent on a disk.
pub(crate) fn fill(disk: &tide_disk::Memory, spec: &AddTorrent, contents: &[Vec<u8>]) {
    use tide_disk::{Access, Place, Storage, StorageFile};
    for (file, content) in spec.files.files().iter().zip(contents) {
        let at = Place { backing: spec.backing, root: &spec.root, below: &file.path };
        disk.make_folders(at.folder()).expect("memory has room for folders");
        let open = disk.open(at, Access::Create { executable: false }).expect("memory has room for files");
        let wrote = open.write_at(&[std::io::IoSlice::new(content)], 0).expect("memory has room");
        assert_eq!(wrote, content.len());
    }
}

/// Whether a disk holds exactly the content of a torrent.
pub(crate) fn holds(disk: &tide_disk::Memory, spec: &AddTorrent, contents: &[Vec<u8>]) -> bool {
    use tide_disk::{Access, Place, Storage, StorageFile};
    spec.files.files().iter().zip(contents).all(|(file, content)| {
        let at = Place { backing: spec.backing, root: &spec.root, below: &file.path };
        let Ok(open) = disk.open(at, Access::Read) else { return content.is_empty() };
        let mut bytes = vec![0; content.len() + 1];
        let read = open.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], 0).unwrap_or(0);
        read == content.len() && bytes[..read] == content[..]
    })
}

/// Puts some of the content of a torrent on a disk: each file whole, cut off or not at all, with a bad byte here and
/// there.
pub(crate) fn fill_some(disk: &tide_disk::Memory, spec: &AddTorrent, contents: &[Vec<u8>], prng: &mut Prng) {
    let some = |content: &Vec<u8>| {
        let mut part = content[..prng.below(content.len() as u64 + 1) as usize].to_vec();
        if !part.is_empty() && prng.chance(1, 2) {
            let at = prng.index(part.len());
            part[at] ^= 1;
        }
        part
    };
    let parts: Vec<Vec<u8>> = contents.iter().map(some).collect();
    fill(disk, spec, &parts);
}

/// What a disk has of a torrent's content; zeros where it has nothing.
pub(crate) fn content_on(disk: &tide_disk::Memory, spec: &AddTorrent) -> Vec<u8> {
    use tide_disk::{Access, Place, Storage, StorageFile};
    let mut all = Vec::new();
    for file in spec.files.files() {
        let at = Place { backing: spec.backing, root: &spec.root, below: &file.path };
        let mut bytes = vec![0; file.len as usize];
        if let Ok(open) = disk.open(at, Access::Read) {
            let _ = open.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], 0);
        }
        all.extend(bytes);
    }
    all
}

/// The resume data on a disk, if there are any.
pub(crate) fn resume_on(
    disk: &tide_disk::Memory,
    spec: &AddTorrent,
) -> Option<tide_disk::resume::Checkpoint> {
    use tide_disk::{Access, Place, Storage, StorageFile};
    let path = spec.resume.as_ref().expect("a torrent with resume data");
    let file = disk.open(Place::of(Backing::File, path), Access::Read).ok()?;
    let mut bytes = vec![0; 1 << 16];
    let len = file.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], 0).expect("memory can be read");
    bytes.truncate(len);
    tide_disk::resume::Checkpoint::decode(&bytes, Some(&spec.info_hashes)).ok()
}
