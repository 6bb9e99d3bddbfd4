//! Reading a large .torrent: its bencoding alone, and all that a torrent is made of.

use std::hint::black_box;

use tide::metainfo::{Contents, Info, Limits, NewFile, Recipe, Torrent, create};
use tide_base::Prng;

use crate::timing::{best, report, time};

const FILES: u64 = 100_000;
const PIECE: u32 = 4 << 20;

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
    let metadata = largest();
    let mb = metadata.len() as f64 / 1e6;
    let read = || drop(black_box(Info::parse(black_box(&metadata), &limits).expect("it is a torrent")));
    let seconds = best(|| time(read));
    report(
        "metadata, as large as may be",
        &format!("{:.0} MB/s, {:.0} ms ({mb:.1} MB)", mb / seconds, seconds * 1e3),
    );
}

/// An info dictionary of as many files as there may be, which has nearly the most bytes that peers are asked for.
fn largest() -> Vec<u8> {
    let bytes = |text: &str| format!("{}:{text}", text.len());
    let mut info = "d5:filesl".to_owned();
    let mut files: u64 = 0;
    while files < 270_000 {
        let path =
            bytes(&format!("{files:x}.a name of some length, as people give them, or longer still.dat"));
        info += &format!("d6:lengthi1e4:pathl{}{path}ee", bytes(&format!("folder {}", files / 200)));
        files += 1;
    }
    let pieces = files.div_ceil(u64::from(PIECE)) as usize * 20;
    info += &format!("e4:name1:n12:piece lengthi{PIECE}e6:pieces{}e", bytes(&"x".repeat(pieces)));
    info.into_bytes()
}

/// Names and sizes of many lengths: what is regular is read faster than what people share.
fn torrent() -> Vec<u8> {
    let mut prng = Prng::new(1);
    let mut file = |n: u64| {
        let name: String = (0..4 + prng.below(40)).map(|_| char::from(b'a' + prng.below(26) as u8)).collect();
        let length = prng.next_u64() >> (44 + prng.below(20));
        NewFile { path: format!("folder {}/{name} {n}.dat", n / 200).into_bytes(), length }
    };
    let contents = Contents::folder((0..FILES).map(&mut file).collect());
    let pieces = contents.total().expect("less than 2^63 bytes").div_ceil(u64::from(PIECE)) as usize;
    let recipe = Recipe {
        name: b"many files",
        contents: &contents,
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
