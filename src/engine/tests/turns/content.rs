//! Made-up torrents and what a disk holds of them.

use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{InfoHash, InfoHashes, Layout, PieceIndex, Prng};
use tide_disk::{Backing, FileEntry, FileTable, StoreKey};
use tide_engine::{AddTorrent, Metadata, Then};

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
        metadata: Metadata::Withheld,
        name: format!("t{seed}"),
        files: Arc::new(FileTable::new(entries)),
        layout,
        piece_hashes: hashes.into(),
        store: StoreKey(u64::from(seed)),
        resume: Some(PathBuf::from(format!("/state/{seed}.resume"))),
        aside: Some(PathBuf::from(format!("/state/{seed}.aside"))),
        ..AddTorrent::plain(InfoHashes::v1(InfoHash([seed; 20])), PathBuf::from("/content"))
    };
    assert_eq!(layout.len_of(PieceIndex(0)).min(piece_len), layout.len_of(PieceIndex(0)));
    (spec, contents)
}

/// The info dictionary of a made-up torrent.
pub(crate) fn metadata_of(spec: &AddTorrent) -> Vec<u8> {
    let name = |path: &std::path::Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    tide_bencode::encode(|one| {
        one.dict(|info| {
            info.list(b"files", |files| {
                for file in spec.files.files() {
                    files.dict(|entry| {
                        entry.int(b"length", file.len as i64);
                        entry.list(b"path", |path| path.bytes(name(&file.path).as_bytes()));
                    });
                }
            });
            info.bytes(b"name", spec.name.as_bytes());
            info.int(b"piece length", i64::from(spec.layout.piece_len()));
            info.bytes(b"pieces", &spec.piece_hashes);
            if spec.private {
                info.int(b"private", 1);
            }
        });
    })
}

/// The torrent with its metadata, and the info-hash that goes with them.
pub(crate) fn genuine(mut spec: AddTorrent) -> AddTorrent {
    let metadata = metadata_of(&spec);
    spec.info_hashes = InfoHashes::v1(InfoHash(tide_hash::sha1(&[&metadata])));
    spec.metadata = Metadata::Known(metadata.into());
    spec
}

/// The torrent as a magnet link has it: its info-hash, and nothing else.
pub(crate) fn sought(spec: &AddTorrent) -> AddTorrent {
    AddTorrent {
        metadata: Metadata::Sought { named: Vec::new(), select: None, then: Then::Transfer },
        name: String::new(),
        files: Arc::new(FileTable::new(Vec::new())),
        layout: Layout::UNKNOWN,
        piece_hashes: Arc::from([]),
        private: false,
        ..spec.clone()
    }
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
