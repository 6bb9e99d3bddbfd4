//! Content that nobody keeps: every byte is a function of a seed and its place.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tide_base::{InfoHash, Layout, PieceIndex};
use tide_disk::{FileEntry, FileTable};
use tide_hash::{Hasher, Message, Sha1Stream, sha1};

/// Bytes that one multiplication makes.
const WORD: u64 = 8;
/// Bytes that are made, and hashed, at a time: large enough for lanes, small enough for the cache.
const STRIP: usize = 16 << 10;

/// One file of made-up content.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FileSpec {
    /// Where it lies below the root.
    pub path: String,
    /// Bytes.
    pub len: u64,
    /// Whether it is padding (BEP 47): zeros that no disk keeps.
    pub padding: bool,
}

/// All that a content follows from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ContentSpec {
    /// Where its bytes come from.
    pub seed: u64,
    /// The files, in order.
    pub files: Vec<FileSpec>,
    /// Bytes in a piece.
    pub piece_len: u32,
    /// Bytes in a block.
    pub block_len: u32,
    /// If not 0, all but the last eight bytes of pieces whose numbers differ by a multiple of this are the same. Then
    /// as many pieces are hashed in full, and the others cost a block: what a torrent of 100 GB needs. `piece_len` must
    /// be a multiple of eight.
    pub repeat: u32,
}

impl ContentSpec {
    /// One file in pieces that all differ.
    pub fn single(seed: u64, len: u64, piece_len: u32, block_len: u32) -> ContentSpec {
        ContentSpec::of_lens(seed, &[(len, false)], piece_len, block_len)
    }

    /// Files of these lengths, some of them padding, named by their numbers; every third lies in a folder.
    pub fn of_lens(seed: u64, files: &[(u64, bool)], piece_len: u32, block_len: u32) -> ContentSpec {
        let file = |(i, &(len, padding)): (usize, &(u64, bool))| {
            let path = match (padding, i % 3) {
                (true, _) => format!(".pad/{i}"),
                (_, 2) => format!("more/{i}"),
                _ => format!("{i}"),
            };
            FileSpec { path, len, padding }
        };
        ContentSpec {
            seed,
            files: files.iter().enumerate().map(file).collect(),
            piece_len,
            block_len,
            repeat: 0,
        }
    }
}

/// A made-up torrent. Nothing of it is kept in memory but the hashes of its pieces, once somebody asked for them.
#[derive(Debug)]
pub struct Content {
    spec: ContentSpec,
    key: u64,
    info_hash: InfoHash,
    layout: Layout,
    files: Arc<FileTable>,
    /// Its info dictionary, if it has one.
    metadata: Option<Arc<[u8]>>,
    padded: bool,
    hashes: OnceLock<Arc<[u8]>>,
}

impl Content {
    /// The content that `spec` describes.
    ///
    /// # Panics
    /// If it has no byte, no piece length or no block length, or cannot be repeated.
    pub fn new(spec: ContentSpec) -> Content {
        let entry = |file: &FileSpec| FileEntry {
            path: PathBuf::from(&file.path),
            offset: 0,
            len: file.len,
            padding: file.padding,
            executable: false,
        };
        let files = FileTable::new(spec.files.iter().map(entry).collect());
        let layout = Layout::new(files.total(), spec.piece_len, spec.block_len).expect("a legal layout");
        let words = u64::from(spec.piece_len).is_multiple_of(WORD);
        assert!(spec.repeat == 0 || words, "what repeats is cut between words");
        let padded = spec.files.iter().any(|file| file.padding);
        let key = mix(spec.seed ^ 0x7469_6465_2d73_696d);
        let info_hash = InfoHash(sha1(&[format!("{spec:?}").as_bytes()]));
        let (files, hashes) = (Arc::new(files), OnceLock::new());
        Content { spec, key, info_hash, layout, files, metadata: None, padded, hashes }
    }

    /// The same as a torrent that peers can tell each other of: with an info dictionary, by whose SHA-1 it is called, and
    /// its files in a folder (BEP 3).
    pub fn genuine(spec: ContentSpec) -> Content {
        let mut content = Content::new(spec);
        let metadata = info(&content);
        let name = content.name();
        let inside =
            |file: &FileEntry| FileEntry { path: PathBuf::from(&name).join(&file.path), ..file.clone() };
        content.files = Arc::new(FileTable::new(content.files.files().iter().map(inside).collect()));
        content.info_hash = InfoHash(sha1(&[&metadata]));
        content.metadata = Some(metadata.into());
        content
    }

    /// Its info dictionary, if it has one.
    pub fn metadata(&self) -> Option<&Arc<[u8]>> {
        self.metadata.as_ref()
    }

    /// The name of the folder of one that has an info dictionary.
    fn name(&self) -> String {
        format!("t{:x}", self.spec.seed)
    }

    /// What it follows from.
    pub fn spec(&self) -> &ContentSpec {
        &self.spec
    }

    /// Its pieces.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Its files.
    pub fn files(&self) -> &Arc<FileTable> {
        &self.files
    }

    /// What it is called: a hash of all that it follows from.
    pub fn info_hash(&self) -> InfoHash {
        self.info_hash
    }

    /// SHA-1 of each piece, in order: computed when first asked for.
    pub fn piece_hashes(&self) -> Arc<[u8]> {
        self.hashes.get_or_init(|| self.hash_pieces()).clone()
    }

    /// Fills `into` with the torrent's bytes from `at` on; what is behind the end is zero.
    pub fn fill(&self, at: u64, into: &mut [u8]) {
        let inside = self.layout.total().saturating_sub(at).min(into.len() as u64) as usize;
        let (into, behind) = into.split_at_mut(inside);
        behind.fill(0);
        if self.spec.repeat == 0 {
            fill_words(self.key, at, into);
        } else {
            self.fill_repeating(at, into);
        }
        if !self.padded {
            return;
        }
        let end = at + inside as u64;
        for file in self.files.touched(at, inside as u64) {
            let file = &self.files.files()[file];
            if file.padding {
                let (from, to) = (file.offset.max(at), (file.offset + file.len).min(end));
                into[(from - at) as usize..(to - at) as usize].fill(0);
            }
        }
    }

    /// Whether `bytes` are the torrent's bytes from `at` on.
    pub fn is(&self, mut at: u64, bytes: &[u8]) -> bool {
        let mut made = [0; 1024];
        for part in bytes.chunks(made.len()) {
            let made = &mut made[..part.len()];
            self.fill(at, made);
            if made != part {
                return false;
            }
            at += part.len() as u64;
        }
        true
    }

    /// Where the piece `piece` is repeated from: its own place if it is not.
    fn model(&self, piece: u64) -> u64 {
        match u64::from(self.spec.repeat) {
            0 => piece,
            repeat => piece % repeat,
        }
    }

    fn fill_repeating(&self, mut at: u64, mut into: &mut [u8]) {
        let piece_len = u64::from(self.spec.piece_len);
        while !into.is_empty() {
            let (piece, within) = (at / piece_len, at % piece_len);
            let own = piece_len - WORD;
            let (stop, from) =
                if within < own { (own, self.model(piece) * piece_len + within) } else { (piece_len, at) };
            let len = (into.len() as u64).min(stop - within);
            let (head, tail) = into.split_at_mut(len as usize);
            fill_words(self.key, from, head);
            (into, at) = (tail, at + len);
        }
    }

    /// The file below `root` that has the name of file `file`.
    pub(crate) fn path(&self, root: &Path, file: usize) -> PathBuf {
        root.join(&self.files.files()[file].path)
    }

    fn hash_pieces(&self) -> Arc<[u8]> {
        let hasher = Hasher::detect();
        let mut hashes = vec![[0; 20]; self.layout.pieces() as usize];
        if self.spec.repeat != 0 && self.spec.repeat < self.layout.pieces() {
            self.hash_repeating(&mut hashes);
        } else {
            let pieces: Vec<u32> = (0..self.layout.pieces()).collect();
            // A group of pieces is in memory at a time: as many as there are lanes, and never many bytes.
            let lanes = hasher.lanes().clamp(1, 4);
            let group = ((8 << 20) / self.spec.piece_len as usize).clamp(lanes, 64);
            for pieces in pieces.chunks(group) {
                self.hash_group(&hasher, pieces, &mut hashes);
            }
        }
        hashes.concat().into()
    }

    fn hash_group(&self, hasher: &Hasher, pieces: &[u32], hashes: &mut [[u8; 20]]) {
        let made = |&piece: &u32| {
            let piece = PieceIndex(piece);
            let mut bytes = vec![0; self.layout.len_of(piece) as usize];
            self.fill(self.layout.start(piece), &mut bytes);
            bytes
        };
        let made: Vec<Vec<u8>> = pieces.iter().map(made).collect();
        let parts: Vec<[&[u8]; 1]> = made.iter().map(|bytes| [&bytes[..]]).collect();
        let messages: Vec<Message<'_>> = parts.iter().map(|parts| Message { parts }).collect();
        let first = pieces[0] as usize;
        hasher.sha1_batch(&messages, &mut hashes[first..first + pieces.len()]);
    }

    /// Hashes what pieces have in common once.
    fn hash_repeating(&self, hashes: &mut [[u8; 20]]) {
        let piece_len = u64::from(self.spec.piece_len);
        let mut common: Vec<Option<Sha1Stream>> = vec![None; self.spec.repeat as usize];
        for (piece, hash) in hashes.iter_mut().enumerate() {
            let start = piece as u64 * piece_len;
            let padded = |start: u64| {
                let mut files = self.files.touched(start, piece_len);
                self.padded && files.any(|file| self.files.files()[file].padding)
            };
            let model = self.model(piece as u64);
            let whole = start + piece_len <= self.layout.total();
            if !whole || padded(start) || padded(model * piece_len) {
                let len = (self.layout.total() - start).min(piece_len);
                *hash = self.stream(start, len).finish();
                continue;
            }
            let shared = common[model as usize]
                .get_or_insert_with(|| self.stream(model * piece_len, piece_len - WORD));
            let mut own = [0; WORD as usize];
            self.fill(start + piece_len - WORD, &mut own);
            let mut stream = shared.clone();
            stream.update(&own);
            *hash = stream.finish();
        }
    }

    fn stream(&self, mut at: u64, len: u64) -> Sha1Stream {
        let (mut stream, end) = (Sha1Stream::new(), at + len);
        let mut strip = vec![0; STRIP];
        while at < end {
            let strip = &mut strip[..STRIP.min((end - at) as usize)];
            self.fill(at, strip);
            stream.update(strip);
            at += strip.len() as u64;
        }
        stream
    }
}

/// Spreads every bit of `x` over all of it.
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ (x >> 32)
}

/// Bytes of the word that begins at `at`, a multiple of eight.
fn word(key: u64, at: u64) -> [u8; WORD as usize] {
    // Neighbours differ in high bits too before they are mixed, and so in all bits after it.
    mix(key.wrapping_add((at / WORD).wrapping_mul(0x9e37_79b9_7f4a_7c15))).to_le_bytes()
}

fn fill_words(key: u64, at: u64, into: &mut [u8]) {
    let skip = (at % WORD) as usize;
    let mut at = at - skip as u64;
    let mut into = into;
    if skip > 0 {
        let len = into.len().min(WORD as usize - skip);
        let (head, tail) = into.split_at_mut(len);
        head.copy_from_slice(&word(key, at)[skip..skip + len]);
        (into, at) = (tail, at + WORD);
    }
    let mut words = into.chunks_exact_mut(WORD as usize);
    for place in &mut words {
        place.copy_from_slice(&word(key, at));
        at += WORD;
    }
    let rest = words.into_remainder();
    let len = rest.len();
    rest.copy_from_slice(&word(key, at)[..len]);
}

/// The info dictionary of a content (BEP 3, 47).
fn info(content: &Content) -> Vec<u8> {
    tide_bencode::encode(|one| {
        one.dict(|info| {
            info.list(b"files", |files| {
                for file in content.files.files() {
                    files.dict(|entry| {
                        if file.padding {
                            entry.bytes(b"attr", b"p");
                        }
                        entry.int(b"length", file.len as i64);
                        entry.list(b"path", |path| {
                            file.path.iter().for_each(|part| path.bytes(part.as_encoded_bytes()));
                        });
                    });
                }
            });
            info.bytes(b"name", content.name().as_bytes());
            info.int(b"piece length", i64::from(content.layout.piece_len()));
            info.bytes(b"pieces", &content.piece_hashes());
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(content: &Content) -> Vec<u8> {
        let mut bytes = vec![0; content.layout().total() as usize];
        content.fill(0, &mut bytes);
        bytes
    }

    fn check(spec: ContentSpec) {
        let content = Content::new(spec);
        let bytes = whole(&content);
        for at in 0..bytes.len().min(70) {
            for len in [1, 7, 9, 33, 200] {
                let end = (at + len).min(bytes.len());
                let mut part = vec![1; end - at];
                content.fill(at as u64, &mut part);
                assert_eq!(part, bytes[at..end], "{len} bytes from {at} on");
            }
        }
        let expected: Vec<u8> =
            bytes.chunks(content.spec().piece_len as usize).flat_map(|piece| sha1(&[piece])).collect();
        assert_eq!(*content.piece_hashes(), *expected);
        let mut pieces: Vec<&[u8]> = expected.chunks(20).collect();
        pieces.sort_unstable();
        pieces.dedup();
        assert_eq!(pieces.len(), content.layout().pieces() as usize, "pieces differ");
        assert!(content.is(0, &bytes) && !content.is(1, &bytes[..bytes.len() - 1]));
        for file in content.files().files().iter().filter(|file| file.padding) {
            let zeros = &bytes[file.offset as usize..(file.offset + file.len) as usize];
            assert!(zeros.iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn a_byte_depends_on_its_place_alone() {
        check(ContentSpec::single(1, 1000, 96, 16));
        check(ContentSpec::single(2, 1001, 33, 11));
        check(ContentSpec::of_lens(3, &[(100, false), (28, true), (0, false), (700, false)], 64, 64));
        let repeating = ContentSpec { repeat: 3, ..ContentSpec::single(4, 1003, 64, 16) };
        check(repeating);
        let files = [(100, false), (28, true), (700, false)];
        check(ContentSpec { repeat: 2, ..ContentSpec::of_lens(5, &files, 48, 16) });
    }

    #[test]
    fn what_it_is_called_follows_from_all_of_it() {
        let spec = ContentSpec::single(1, 1000, 96, 16);
        let name = Content::new(spec.clone()).info_hash();
        assert_eq!(name, Content::new(spec.clone()).info_hash());
        assert_ne!(name, Content::new(ContentSpec { seed: 2, ..spec.clone() }).info_hash());
        assert_ne!(name, Content::new(ContentSpec { block_len: 32, ..spec }).info_hash());
    }

    #[test]
    fn what_its_info_dictionary_says_is_what_it_is() {
        let spec = ContentSpec::of_lens(5, &[(100, false), (28, true), (0, false), (300, false)], 128, 64);
        let content = Content::genuine(spec.clone());
        let metadata = content.metadata().expect("it has one");
        assert_eq!(content.info_hash(), InfoHash(sha1(&[metadata])));
        assert_ne!(content.info_hash(), Content::new(spec).info_hash());
        let limits = tide_metainfo::Limits::default();
        let info = tide_metainfo::Info::parse(metadata, &limits).expect("it is one");
        assert_eq!(tide_engine::file_table(&info), *content.files());
        assert_eq!((info.layout(64), info.hash_bytes()), (content.layout(), &*content.piece_hashes()));
    }
}
