//! Our files against those of mktorrent 1.1; `mktorrent/README.md` tells how they were made.

use sha1::{Digest, Sha1};
use tide_metainfo::{Contents, Limits, NewFile, Recipe, Torrent, create, piece_length_for};

const SINGLE: &[u8] = include_bytes!("mktorrent/single.torrent");
const FOLDER: &[u8] = include_bytes!("mktorrent/folder.torrent");

fn hashes(content: &[u8], piece_len: usize) -> Vec<u8> {
    content.chunks(piece_len).flat_map(|piece| Sha1::digest(piece).to_vec()).collect()
}

#[test]
fn a_single_file_is_byte_for_byte_the_same() {
    let pieces = hashes(&[b'q'; 100_000], 1 << 15);
    let trackers = [vec!["http://a.example/announce".to_string()]];
    let ours = create(&Recipe {
        name: b"single.bin",
        contents: &Contents::File(100_000),
        piece_len: 1 << 15,
        pieces: &pieces,
        private: false,
        source: None,
        trackers: &trackers,
        web_seeds: &[],
        comment: None,
        created_by: Some("mktorrent 1.1"),
        date: None,
    });
    assert_eq!(ours.unwrap().escape_ascii().to_string(), SINGLE.escape_ascii().to_string());
    let torrent = Torrent::parse(SINGLE, &Limits::default()).unwrap();
    assert_eq!(torrent.info.info_hash().to_string(), "1f41a397740c9f5fc67634883d77abf791092ba7");
    assert_eq!(torrent.info.hash_bytes(), pieces);
    assert!(!torrent.info.is_folder());
}

/// In no particular order, as a walk over the disk may find them.
fn album() -> Vec<(&'static str, usize, u8)> {
    vec![
        ("zz", 33000, b'q'),
        ("a.txt", 11, b'a'),
        ("a/z", 3, b'z'),
        ("a-b", 2, b'b'),
        ("sub/x", 40000, b'x'),
        ("sub dir/k", 5, b'k'),
        ("sub.1", 1, b'1'),
        ("SUB/y", 7, b'y'),
        (".dot", 4, b'd'),
        ("empty", 0, b'-'),
        ("zé", 9, b'e'),
        ("10", 1, b'0'),
        ("9", 1, b'9'),
    ]
}

#[test]
fn a_folder_is_byte_for_byte_the_same() {
    let new = |&(path, length, _): &(&str, usize, u8)| NewFile { path: path.into(), length: length as u64 };
    let contents = Contents::folder(album().iter().map(new).collect());
    let Contents::Folder(files) = &contents else { panic!("a folder was asked for") };
    let mut content = Vec::new();
    for file in files {
        let of = album().into_iter().find(|(path, ..)| path.as_bytes() == file.path).unwrap();
        content.extend(vec![of.2; of.1]);
    }
    let text = |text: &str| text.to_string();
    let ours = create(&Recipe {
        name: b"album",
        contents: &contents,
        piece_len: 1 << 15,
        pieces: &hashes(&content, 1 << 15),
        private: true,
        source: Some("SRC"),
        trackers: &[vec![text("http://a/1"), text("http://b/2")], vec![text("udp://c:1/3")]],
        web_seeds: &[text("http://w/1"), text("http://w/2")],
        comment: Some("a comment"),
        created_by: Some("mktorrent 1.1"),
        date: None,
    });
    assert_eq!(ours.unwrap().escape_ascii().to_string(), FOLDER.escape_ascii().to_string());
}

#[test]
fn its_folder_reads_as_it_was_made() {
    let torrent = Torrent::parse(FOLDER, &Limits::default()).unwrap();
    let info = &torrent.info;
    assert_eq!(info.info_hash().to_string(), "6b0a652af6b31d199764d6f08ed649a90957114e");
    assert_eq!((info.name(), info.total(), info.pieces(), info.piece_len()), ("album", 73044, 3, 32768));
    assert_eq!((info.is_private(), info.source(), info.is_folder()), (true, Some("SRC"), true));
    assert_eq!(info.files()[7].path.as_str(), "album/empty");
    assert_eq!((info.files()[11].path.as_str(), info.files()[11].offset), ("album/zz", 40035));
    assert_eq!(torrent.trackers, [vec!["http://a/1", "http://b/2"], vec!["udp://c:1/3"]]);
    assert_eq!(torrent.web_seeds, ["http://w/1/", "http://w/2/"]);
    assert_eq!(torrent.comment.as_deref(), Some("a comment"));
    assert_eq!(torrent.created_by.as_deref(), Some("mktorrent 1.1"));
    assert_eq!(info.layout(16384).len_of(tide_base::PieceIndex(2)), 73044 - 2 * 32768);
}

#[test]
fn automatic_pieces_follow_the_table() {
    const MIB: u64 = 1 << 20;
    for (total, kib) in [
        (0, 16),
        (1, 16),
        (32 * MIB, 16),
        (32 * MIB + 1, 32),
        (64 * MIB, 32),
        (1024 * MIB, 512),
        (1024 * MIB + 1, 1024),
        (16 * 1024 * MIB, 8192),
        (32 * 1024 * MIB, 16384),
        (u64::MAX, 16384),
    ] {
        assert_eq!(piece_length_for(total), kib * 1024, "{total}");
    }
}

#[test]
fn a_recipe_that_makes_no_torrent_is_refused() {
    use tide_metainfo::CreateError;
    let good = Recipe {
        name: b"n",
        contents: &Contents::File(5),
        piece_len: 4,
        pieces: &[0; 40],
        private: false,
        source: None,
        trackers: &[],
        web_seeds: &[],
        comment: None,
        created_by: None,
        date: None,
    };
    assert!(create(&good).is_ok());
    for name in [&b""[..], b".", b"..", b"a/b"] {
        assert_eq!(create(&Recipe { name, ..good.clone() }), Err(CreateError::Name));
    }
    let wrong = Err(CreateError::Hashes { found: 20, pieces: 2 });
    assert_eq!(create(&Recipe { pieces: &[0; 20], ..good.clone() }), wrong);
    assert_eq!(create(&Recipe { piece_len: 0, ..good.clone() }), Err(CreateError::PieceLength));
    assert_eq!(create(&Recipe { contents: &Contents::File(0), ..good.clone() }), Err(CreateError::Empty));
    let many = Contents::File((4 << 21) + 1);
    let refused = Err(CreateError::TooManyPieces(1 << 21));
    assert_eq!(create(&Recipe { contents: &many, ..good.clone() }), refused);
    let huge = Contents::File(1 << 63);
    assert_eq!(create(&Recipe { contents: &huge, ..good.clone() }), Err(CreateError::TooLarge));
    for path in ["/a", "a//b", "../a", "a/.", ""] {
        let folder = Contents::folder(vec![NewFile { path: path.into(), length: 5 }]);
        assert_eq!(create(&Recipe { contents: &folder, ..good.clone() }), Err(CreateError::Path(0)));
    }
}
