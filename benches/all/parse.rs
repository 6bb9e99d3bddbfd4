//! Reading a large .torrent: its bencoding alone, and all that a torrent is made of.

use std::hint::black_box;

use tide::metainfo::{Contents, Limits, NewFile, Recipe, Torrent, create};

use crate::timing::{best, report, time};

const FILES: u64 = 100_000;
/// Bytes a file; a piece holds four files.
const FILE: u64 = 256 << 10;
const PIECE: u32 = 1 << 20;

pub(crate) fn run() {
    let bytes = torrent();
    let limits = Limits::default();
    let bounds = tide_bencode::Limits { depth: limits.depth, tokens: limits.tokens, bytes: limits.bytes };
    let mb = bytes.len() as f64 / 1e6;
    let decode = || {
        let document = tide_bencode::decode(black_box(&bytes), bounds).expect("it is bencoded");
        black_box(document.root().get(b"info").is_some());
    };
    let seconds = best(|| time(decode));
    report("bencode, a .torrent of 100,000 files", &format!("{:.0} MB/s ({mb:.1} MB)", mb / seconds));
    let read = || drop(black_box(Torrent::parse(black_box(&bytes), &limits).expect("it is a torrent")));
    let seconds = best(|| time(read));
    report("the same as a torrent", &format!("{:.0} MB/s, {:.0} ms", mb / seconds, seconds * 1e3));
}

fn torrent() -> Vec<u8> {
    let path = |n: u64| format!("folder {:03}/file with a common name {n:06}.dat", n / 200).into_bytes();
    let files = (0..FILES).map(|n| NewFile { path: path(n), length: FILE }).collect();
    let pieces = (FILES * FILE).div_ceil(u64::from(PIECE)) as usize;
    let recipe = Recipe {
        name: b"many files",
        contents: &Contents::folder(files),
        piece_len: PIECE,
        pieces: &vec![0xa5; pieces * 20],
        private: false,
        source: None,
        trackers: &[],
        web_seeds: &[],
        comment: None,
        created_by: None,
        date: None,
    };
    create(&recipe).expect("a legal recipe")
}
