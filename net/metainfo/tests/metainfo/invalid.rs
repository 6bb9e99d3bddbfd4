//! Torrents with one fault each, and the rule that must be named.

use crate::build::{Build, limits};
use tide_metainfo::{Error, Limits, Torrent};

fn refused(build: Build) -> Error {
    build.parse().expect_err("a torrent with a fault")
}

#[test]
fn what_is_no_torrent_at_all() {
    let parse = |bytes: &[u8]| Torrent::parse(bytes, &limits()).unwrap_err();
    assert!(matches!(parse(b""), Error::Encoding(_)));
    assert!(matches!(parse(b"<html>"), Error::Encoding(_)));
    assert_eq!(parse(b"4:spam"), Error::NotADict);
    assert_eq!(parse(b"le"), Error::NotADict);
    assert_eq!(parse(b"de"), Error::Info);
    assert_eq!(parse(b"d4:infoi1ee"), Error::Info);
    assert_eq!(parse(b"d4:infolee"), Error::Info);
    let bytes = [&Build::single().bytes()[..], b"\n"].concat();
    assert!(matches!(parse(&bytes), Error::Encoding(error) if error.rule == tide_bencode::Rule::Trailing));
    let bytes = Build::single().bytes();
    let small = Limits { bytes: bytes.len() as u32 - 1, ..limits() };
    assert!(matches!(Torrent::parse(&bytes, &small), Err(Error::Encoding(_))));
}

#[test]
fn names_and_piece_lengths() {
    let single = Build::single;
    assert_eq!(refused(single().without("name")), Error::Name);
    assert_eq!(refused(single().info("name", "i1e")), Error::Name);
    assert_eq!(refused(single().info("name", "l1:ae")), Error::Name);
    assert_eq!(refused(single().without("piece length")), Error::PieceLengthMissing);
    assert_eq!(refused(single().info("piece length", "5:16384")), Error::PieceLengthMissing);
    let max = 512 << 20;
    for (raw, found) in [
        ("i0e", 0),
        ("i-16384e", -16384),
        ("i536870913e", 536_870_913),
        ("i4294967296e", 1 << 32),
        ("i99999999999999999999e", i64::MAX),
    ] {
        assert_eq!(refused(single().info("piece length", raw)), Error::PieceLength { found, max });
    }
    let said = refused(single().without("piece length")).to_string();
    assert_eq!(said, "`piece length` is missing or is no number");
}

#[test]
fn hashes_of_pieces() {
    let single = Build::single;
    assert_eq!(refused(single().without("pieces")), Error::PiecesMissing);
    assert_eq!(refused(single().info("pieces", "i20e")), Error::PiecesMissing);
    assert_eq!(refused(single().info("pieces", "3:abc")), Error::PiecesUnaligned(3));
    assert_eq!(refused(single().hashes(0)), Error::PiecesCount { found: 0, expected: 1 });
    assert_eq!(refused(single().hashes(2)), Error::PiecesCount { found: 2, expected: 1 });
    let many = single().info("length", "i2097153e").info("piece length", "i1e");
    assert_eq!(refused(many), Error::TooManyPieces(1 << 21));
}

#[test]
fn lengths() {
    let single = Build::single;
    assert_eq!(refused(single().without("length")), Error::NoFiles);
    assert_eq!(refused(single().info("length", "1:5")), Error::Length);
    assert_eq!(refused(single().info("length", "i-1e")), Error::Length);
    assert_eq!(refused(single().info("length", "i9223372036854775808e")), Error::Length);
    assert_eq!(refused(single().info("length", "i281474976710656e")), Error::TooLarge((1 << 48) - 1));
    assert_eq!(refused(single().info("length", "i0e").hashes(0)), Error::Empty);
    let empty = Build::folder(&["d6:lengthi0e4:pathl1:aee"]).hashes(0);
    assert_eq!(refused(empty), Error::Empty);
    let half = "d6:lengthi140737488355328e4:pathl1:aee";
    assert_eq!(refused(Build::folder(&[half, half])), Error::TooLarge((1 << 48) - 1));
    let all = "d6:lengthi9223372036854775807e4:pathl1:aee";
    assert_eq!(refused(Build::folder(&[all, all, all])), Error::TooLarge((1 << 48) - 1));
}

#[test]
fn lists_of_files() {
    let good = "d6:lengthi5e4:pathl1:aee";
    let second = |entry: &str| refused(Build::folder(&[good, entry]));
    assert_eq!(refused(Build::folder(&[])), Error::NoFiles);
    assert_eq!(refused(Build::single().without("length").info("files", "i1e")), Error::NoFiles);
    assert_eq!(second("le"), Error::File(1));
    assert_eq!(second("d4:pathl1:bee"), Error::FileLength(1));
    assert_eq!(second("d6:length1:54:pathl1:bee"), Error::FileLength(1));
    assert_eq!(second("d6:lengthi-5e4:pathl1:bee"), Error::FileLength(1));
    assert_eq!(second("d6:lengthi5ee"), Error::FilePath(1));
    assert_eq!(second("d6:lengthi5e4:path1:be"), Error::FilePath(1));
    assert_eq!(second("d6:lengthi5e4:pathlee"), Error::FilePath(1));
    assert_eq!(second("d6:lengthi5e4:pathli1eee"), Error::FilePath(1));
    let link = "d4:attr1:l6:lengthi0e4:pathl1:be12:symlink path1:ae";
    assert_eq!(second(link), Error::FileLink(1));
    let deep = format!("d6:lengthi5e4:pathl{}ee", "1:a".repeat(101));
    assert_eq!(second(&deep), Error::FileDepth(1));
    let few = Limits { files: 1, ..limits() };
    let bytes = Build::folder(&[good, good]).bytes();
    assert_eq!(Torrent::parse(&bytes, &few), Err(Error::TooManyFiles(1)));
}

#[test]
fn more_collisions_than_can_be_mended() {
    let same: Vec<&[&[u8]]> = vec![&[b"same"]; 501];
    let files = Build::paths(&same).mended();
    assert_eq!((files[1].as_str(), files[500].as_str()), ("temp/same.1", "temp/same.500"));
    let same: Vec<&[&[u8]]> = vec![&[b"same"]; 502];
    assert_eq!(refused(Build::paths(&same)), Error::TooManyCollisions(500));
}

#[test]
fn v2_alone() {
    let tree = "d4:tempd0:d6:lengthi5eeee";
    let v2 = Build::single()
        .without("length")
        .without("pieces")
        .info("meta version", "i2e")
        .info("file tree", tree);
    assert_eq!(refused(v2), Error::V2Only);
    assert_eq!(refused(Build::single().info("meta version", "i3e")), Error::MetaVersion(3));
}
