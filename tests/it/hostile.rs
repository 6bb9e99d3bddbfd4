//! Torrent files that are not what they should be: refused with a word, or taken in without harm, never outside of the
//! folder that was named.

use std::fs;
use std::path::PathBuf;

use tide_base::Prng;
use tide_test_clients::{Payload, TempDir, wait};

use crate::work::{Work, at_fresh, files_below, tide};

/// Twenty bytes for one piece's hash: no content has it.
const HASH: &str = "20:aaaaaaaaaaaaaaaaaaaa";
/// Longer than any .torrent may be.
const HUGE: usize = 65 << 20;

/// A torrent of one piece, with these further keys of its info dictionary in front and behind.
fn torrent(front: &str, name: &[u8], behind: &str) -> Vec<u8> {
    let head = format!("d4:infod{front}4:name{}:", name.len());
    let tail = format!("12:piece lengthi16384e6:pieces{HASH}{behind}ee");
    [head.as_bytes(), name, tail.as_bytes()].concat()
}

/// A torrent of one file of five bytes below its folder `n`, at this path.
fn at_path(path: &[&str]) -> Vec<u8> {
    let parts: String = path.iter().map(|part| format!("{}:{part}", part.len())).collect();
    torrent(&format!("5:filesld6:lengthi5e4:pathl{parts}eee"), b"n", "")
}

/// What is no torrent, and a word that tells why.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = torrent("6:lengthi5e", b"n", "");
    let mut random = vec![0; 5_000];
    Prng::new(1).fill(&mut random);
    let deep = |open: &str, inner: &str| [open.repeat(10_000), inner.to_owned(), "e".repeat(10_000)].concat();
    vec![
        ("empty", Vec::new(), "ends"),
        ("truncated", whole[..whole.len() - 30].to_vec(), "longer than the input"),
        ("without its end", whole[..whole.len() - 1].to_vec(), "ends"),
        ("followed by something", [&whole[..], b"x"].concat(), "behind"),
        ("random", random, "begin with"),
        ("text", b"<html>404</html>".to_vec(), "begin with"),
        ("nested lists", deep("l", "").into_bytes(), "too deep"),
        ("nested in info", format!("d4:info{}e", deep("d1:a", "i1e")).into_bytes(), "too deep"),
        ("a list", b"le".to_vec(), "dictionary"),
        ("no info", b"d8:announce3:urle".to_vec(), "info"),
        ("negative length", torrent("6:lengthi-5e", b"n", ""), "length"),
        ("length beyond measure", torrent("6:lengthi9223372036854775807e", b"n", ""), "more than"),
        ("too few hashes", torrent("6:lengthi50000e", b"n", ""), "pieces"),
        ("an endless string", b"d4:info99999999999999999999:x".to_vec(), "digits"),
        ("huge", [b"d1:a100000000:".to_vec(), vec![b'x'; HUGE]].concat(), "too long"),
    ]
}

#[test]
fn what_is_no_torrent_is_code_4_and_one_line_that_says_why() {
    let dir = TempDir::new("hostile");
    for (name, bytes, word) in broken() {
        let file = dir.join(format!("{name}.torrent"));
        fs::write(&file, &bytes).expect("a file of ours");
        let folder = dir.join("content");
        for command in ["show", "get", "seed", "verify", "magnet"] {
            let mut run = tide([command]).arg(&file);
            if !["show", "magnet"].contains(&command) {
                run = run.arg("-d").arg(&folder);
            }
            let exit = if ["get", "seed"].contains(&command) { at_fresh(run).run() } else { run.run() };
            exit.expect_code(4);
            assert_eq!(exit.stdout, "", "{command}, {name}");
            let one_line = exit.stderr.lines().count() == 1 && exit.stderr.len() < 500;
            assert!(one_line && exit.stderr.contains(word), "{command}, {name}: {}", exit.stderr);
        }
        assert!(!folder.exists(), "{name}");
        if bytes.len() < HUGE {
            tide(["show", "-"]).stdin(&bytes).run().expect_code(4);
        }
    }
}

#[test]
fn links_that_are_not_valid_are_code_4() {
    for link in ["magnet:", "magnet:?dn=name", "magnet:?xt=urn:btih:123", "magnet:?xt=urn:btih:zz"] {
        tide(["show", link]).run().expect_code(4);
        tide(["get", link, "--listen", "127.0.0.1:0"]).run().expect_code(4);
    }
}

#[test]
fn names_stay_below_the_folder() {
    let dir = TempDir::new("hostile");
    let outside = dir.folder("outside");
    let absolute = outside.to_str().expect("a name of ours");
    let cases: Vec<Vec<u8>> = vec![
        at_path(&["..", "..", "outside", "x"]),
        at_path(&["../../outside/x"]),
        at_path(&[absolute, "x"]),
        at_path(&["a\0b"]),
        at_path(&["", ".", "x"]),
        at_path(&[&"long ".repeat(1_000)]),
        torrent("6:lengthi5e", b"..", ""),
        torrent("6:lengthi5e", b"/", ""),
        torrent("6:lengthi5e", b"\0", ""),
        torrent("6:lengthi5e", b"\xff\xfe", ""),
        torrent("6:lengthi5e", format!("{absolute}/x").as_bytes(), ""),
        torrent("6:lengthi5e", b"../outside/x", ""),
    ];
    for (number, bytes) in cases.iter().enumerate() {
        let file = dir.join(format!("{number}.torrent"));
        fs::write(&file, bytes).expect("a file of ours");
        let listed = tide(["show", "--files"]).arg(&file).run();
        listed.expect_code(0);
        let path = listed.stdout.split('\t').nth(2).expect("a path").trim_end_matches('\n');
        let parts = PathBuf::from(path);
        let plain = |part| matches!(part, std::path::Component::Normal(_));
        assert!(parts.components().all(plain) && !path.contains('\0'), "{number}: {path:?}");
        // It is opened, hashed and found to be missing, and nothing is anywhere.
        let folder = dir.folder("content/folder");
        tide(["verify"]).arg(&file).arg("-d").arg(&folder).run().expect_code(4);
        at_fresh(tide(["seed"]).arg(&file).arg("-d").arg(&folder)).run().expect_code(4);
        assert_eq!(files_below(&dir.join("content")), Vec::<PathBuf>::new(), "{number}");
        assert_eq!(files_below(&outside), Vec::<PathBuf>::new(), "{number}");
    }
}

#[test]
fn a_link_in_the_folder_does_not_lead_out_of_it() {
    let work = Work::new(Payload::many_files);
    let seed = work.seed();
    let (folder, outside) = (work.dir.folder("get"), work.dir.folder("outside"));
    let root = folder.join(work.payload.name());
    fs::create_dir(&root).expect("a folder of ours");
    std::os::unix::fs::symlink(&outside, root.join("b")).expect("a link of ours");
    let mut get = work.get(&folder).args(["--peer", &seed.peer()]).start();
    let exit = get.wait_exit(wait::GENEROUS);
    exit.expect_code(5);
    assert_eq!(get.error().0, "obstructed");
    assert_eq!(files_below(&outside), Vec::<PathBuf>::new());
}
