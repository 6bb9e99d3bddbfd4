//! Checking content that is in memory already: what reading and hashing cost, not a disk.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tide::make::{Options, make};
use tide::verify::verify;

use crate::timing::{best, report, time};

const MIB: usize = 1 << 20;
const SIZE: usize = 512;

pub(crate) fn run() {
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { PathBuf::from(memory) } else { std::env::temp_dir() };
    let dir = tempfile::tempdir_in(&place).expect("a folder for content");
    let path = dir.path().join("content");
    let part: Vec<u8> = (0..MIB).map(|i| (i * 31) as u8 ^ (i >> 8) as u8).collect();
    let mut file = File::create(&path).expect("a file for content");
    for _ in 0..SIZE {
        file.write_all(&part).expect("512 MiB of room");
    }
    let options = Options { piece_len: Some(MIB as u32), ..Options::default() };
    let torrent = make(&path, &options, &mut |_| {}).expect("a torrent").torrent;
    for threads in [1, 2] {
        let check = || {
            let verdict = verify(&torrent, dir.path(), Some(threads), &mut |_| {});
            assert!(verdict.is_ok(), "the content is what the torrent was made of");
        };
        let seconds = best(|| time(check));
        let name = format!("check {SIZE} MiB in {}, threads: {threads}", place.display());
        report(&name, &format!("{:.0} MiB/s", SIZE as f64 / seconds));
    }
}
