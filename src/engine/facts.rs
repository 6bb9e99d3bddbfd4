//! What an info dictionary says, in the engine's words.

use std::sync::Arc;

use tide_base::{InfoHashes, Layout};
use tide_disk::{FileEntry, FileTable};
use tide_metainfo::{FileKind, Info};

/// What an info dictionary says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The torrent's identities.
    pub info_hashes: InfoHashes,
    /// Its name, harmless.
    pub name: String,
    /// Its files, number for number. Symbolic links are among them as padding, of no bytes: nothing is made for them.
    pub files: Arc<FileTable>,
    /// Its pieces, in blocks of the session's block length.
    pub layout: Layout,
    /// SHA-1 of each piece, 20 bytes each, in order.
    pub piece_hashes: Arc<[u8]>,
    /// Whether peers may be learnt from trackers only (BEP 27).
    pub private: bool,
    /// The dictionary itself.
    pub metadata: Arc<[u8]>,
}

impl Facts {
    /// What `info` says, in blocks of `block_len` bytes.
    pub fn of(info: &Info, block_len: u32) -> Facts {
        Facts {
            info_hashes: info.info_hashes(),
            name: info.name().to_owned(),
            files: file_table(info),
            layout: info.layout(block_len),
            piece_hashes: Arc::from(info.hash_bytes()),
            private: info.is_private(),
            metadata: Arc::from(&info.raw()[..]),
        }
    }
}

/// The files of an info dictionary as the disk knows them, number for number.
pub fn file_table(info: &Info) -> Arc<FileTable> {
    let entry = |file: &tide_metainfo::File| FileEntry {
        path: file.path.components().collect(),
        offset: file.offset,
        len: file.length,
        padding: !matches!(file.kind, FileKind::Regular),
        executable: file.attributes.executable,
    };
    Arc::new(FileTable::new(info.files().iter().map(entry).collect()))
}
