//! `create`, `show`, `magnet`, `verify` and `tracker`, on folders of their own.

use std::fs;
use std::io;

use super::{Gone, World, content, tide, torrent};
use crate::exit::Exit;

/// Digits of an info-hash.
const HASH_LEN: usize = 40;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_torrent_is_made_shown_and_verified() {
    let dir = folder();
    let file = torrent(
        dir.path(),
        &["-t", "http://a/announce,udp://b:1", "-t", "http://c/announce", "-c", "hi\nyou"],
    );
    let shown = tide(&["show", &file]);
    assert_eq!((shown.exit, shown.err.as_str()), (Exit::Done, ""));
    let hash = tide(&["show", &file, "--info-hash"]).out;
    assert_eq!((hash.len(), hash.trim().len()), (HASH_LEN + 1, HASH_LEN));
    let expected = format!(
        "name\tcontent\nsize\t71000\nfiles\t3\npieces\t5\npiece length\t16384\nprivate\tno\ncomment\thi you\n\
         info hash\t{hash}tracker\t1\thttp://a/announce\ntracker\t1\tudp://b:1\ntracker\t2\thttp://c/announce\n\
         file\t1\t70000\tcontent/a.bin\nfile\t2\t1000\tcontent/sub/b.txt\nfile\t3\t0\tcontent/z\n"
    );
    assert_eq!(shown.out, expected);
    let parent = dir.path().to_str().expect("text");
    let verified = tide(&["verify", &file, "-d", parent]);
    assert_eq!(verified.exit, Exit::Done);
    assert_eq!(
        verified.out,
        "OK  content/a.bin\nOK  content/sub/b.txt\nOK  content/z\ncontent: 5 of 5 pieces are good\n"
    );
}

#[test]
fn damage_is_found_and_is_code_4() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    let parent = dir.path().to_str().expect("text");
    fs::write(dir.path().join("content/sub/b.txt"), b"short").expect("a file");
    fs::remove_file(dir.path().join("content/z")).expect("a file less");
    let ran = tide(&["verify", &file, "-d", parent, "-q"]);
    assert_eq!(ran.exit, Exit::Data);
    assert_eq!(
        ran.out,
        "BAD content/a.bin: 1 of 5 pieces bad, of the right size\n\
         BAD content/sub/b.txt: 1 of 1 pieces bad, 5 bytes instead of 1000\n\
         BAD content/z: 0 of 0 pieces bad, missing\n"
    );
    let json = tide(&["verify", &file, "-d", parent, "--json"]);
    assert_eq!((json.exit, json.err.as_str()), (Exit::Data, "content: 4 of 5 pieces are good\n"));
    assert_eq!(json.out.lines().count(), 4);
    assert!(json.out.contains(
        r#"{"event":"file","path":"content/z","ok":false,"size":0,"found":null,"pieces":0,"bad":0,"trouble":null}"#
    ));
    let last = json.out.lines().last().expect("a summary");
    assert!(
        last.starts_with(r#"{"event":"summary","info_hash":""#)
            && last.ends_with(r#""ok":false,"files":3,"pieces":5,"bad":1}"#)
    );
}

#[test]
fn what_cannot_be_read_says_why() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    let parent = dir.path().to_str().expect("text");
    let blocked = dir.path().join("content/a.bin");
    fs::remove_file(&blocked).expect("a file less");
    // A pipe, which nobody may wait for.
    rustix::fs::mkfifoat(rustix::fs::CWD, &blocked, rustix::fs::Mode::RWXU).expect("a pipe");
    let ran = tide(&["verify", &file, "-d", parent, "-q"]);
    assert_eq!(ran.exit, Exit::Data);
    let first = ran.out.lines().next().expect("a file");
    assert!(
        first.starts_with("BAD content/a.bin: 5 of 5 pieces bad, something else is in the way"),
        "{first}"
    );
    let json = tide(&["verify", &file, "-d", parent, "--json"]).out;
    assert!(json.contains(r#""bad":5,"trouble":"obstructed"}"#), "{json}");
}

#[test]
fn parts_of_a_torrent_are_shown_alone() {
    let dir = folder();
    let file =
        torrent(dir.path(), &["-t", "http://a/announce", "-n", "other", "--private", "--source", "here"]);
    assert_eq!(tide(&["show", &file, "-t"]).out, "http://a/announce\n");
    assert_eq!(
        tide(&["show", &file, "-f"]).out,
        "1\t70000\tother/a.bin\n2\t1000\tother/sub/b.txt\n3\t0\tother/z\n"
    );
    let link = tide(&["magnet", &file]).out;
    assert_eq!(tide(&["show", &file, "-m"]).out, link);
    let hash = tide(&["show", &file, "--info-hash"]).out;
    assert_eq!(link, format!("magnet:?xt=urn:btih:{}&dn=other&tr=http%3A%2F%2Fa%2Fannounce\n", hash.trim()));
    let on_terminal = World::terminal().run(&["show", &file, "-f"]).out;
    assert!(on_terminal.starts_with("1  68.4 KiB  other/a.bin\n"), "{on_terminal}");
    let json = tide(&["show", &file, "--json"]).out;
    let expected = format!(
        r#"{{"info_hash":"{}","name":"other","size":71000,"pieces":5,"piece_length":16384,"private":true,"files":[{{"path":"other/a.bin","size":70000,"pad":false}},{{"path":"other/sub/b.txt","size":1000,"pad":false}},{{"path":"other/z","size":0,"pad":false}}],"trackers":[["http://a/announce"]],"web_seeds":[],"nodes":[],"comment":null,"created_by":null,"creation_date":null,"source":"here"}}"#,
        hash.trim()
    );
    assert_eq!(json.trim_end(), expected);
}

#[test]
fn a_link_is_shown_as_far_as_it_goes() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let link = format!("magnet:?xt=urn:btih:{hash}&dn=n&tr=udp%3A%2F%2Fx%3A1&x.pe=1.2.3.4:5&so=0,2");
    assert_eq!(
        tide(&["show", &link]).out,
        format!("name\tn\nselected files\t1,3\npeer\t1.2.3.4:5\ninfo hash\t{hash}\ntracker\t1\tudp://x:1\n")
    );
    let json = tide(&["show", &link, "--json"]).out;
    assert!(json.starts_with(&format!(r#"{{"info_hash":"{hash}","name":"n","size":null,"#)));
    assert!(json.contains(r#""trackers":[["udp://x:1"]]"#) && json.contains(r#""select":[1,3]"#));
    assert_eq!(tide(&["show", "magnet:?xt=urn:btih:x"]).exit, Exit::Data);
}

#[test]
fn links_of_several_torrents_and_the_first_failure() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    let broken = dir.path().join("broken.torrent");
    fs::write(&broken, b"d4:infod").expect("a file");
    let ran = tide(&["magnet", &file, broken.to_str().expect("text"), "/nowhere", &file]);
    assert_eq!(ran.exit, Exit::Data);
    assert_eq!(ran.out.lines().count(), 2);
    assert_eq!(ran.err.lines().count(), 2);
    let json = tide(&["magnet", &file, "--json"]).out;
    assert!(json.starts_with(r#"{"info_hash":""#) && json.contains(r#","magnet":"magnet:?xt="#));
}

#[test]
fn nothing_is_overwritten_or_written_unasked() {
    let dir = folder();
    let (root, file) = (content(dir.path()), torrent(dir.path(), &[]));
    let before = fs::read(&file).expect("a file");
    let ran = tide(&["create", &root, "-o", &file, "-n", "new"]);
    assert_eq!((ran.exit, fs::read(&file).expect("a file") == before), (Exit::Other, true));
    assert!(ran.err.contains("exists already; --force replaces it"));
    assert_eq!(tide(&["create", &root, "-o", &file, "-n", "new", "--force"]).exit, Exit::Done);
    assert_ne!(fs::read(&file).expect("a file"), before);
    let other = dir.path().join("other.torrent");
    let ran = tide(&["create", &root, "-o", other.to_str().expect("text"), "--dry-run", "--magnet"]);
    assert_eq!((ran.exit, other.exists()), (Exit::Done, false));
    assert!(
        ran.out.starts_with("nothing written: content, 69.3 KiB in 5 pieces of 16.0 KiB, info-hash "),
        "{}",
        ran.out
    );
    assert!(ran.out.lines().nth(1).is_some_and(|line| line.starts_with("magnet:?xt=urn:btih:")));
    let nothing = tide(&["create", "/dev/null", "--dry-run"]);
    assert_eq!((nothing.exit, nothing.err.contains("neither a file nor a folder")), (Exit::Other, true));
    let unwritable = tide(&["create", &root, "-o", "/proc/x.torrent"]);
    assert_ne!(unwritable.exit, Exit::Done);
    assert_eq!(fs::read_dir(dir.path()).expect("a folder").count(), 2, "no half files are left");
}

#[test]
fn a_torrent_goes_through_pipes() {
    let dir = folder();
    let root = content(dir.path());
    let mut bytes = Vec::new();
    let exit = World::default().run_on(&["create", &root, "-o", "-"], &mut bytes, &mut io::sink());
    assert_eq!((exit, bytes.first()), (Exit::Done, Some(&b'd')));
    let hash = World::input(&bytes).run(&["show", "-", "--info-hash"]).out;
    assert_eq!(hash.trim().len(), HASH_LEN);
    let both = tide(&["create", &root, "-o", "-", "--json"]);
    assert_eq!(both.exit, Exit::Usage);
}

#[test]
fn creation_tells_programs_what_it_made() {
    let dir = folder();
    let (root, file) = (content(dir.path()), dir.path().join("y.torrent"));
    let ran = tide(&["create", &root, "-o", file.to_str().expect("text"), "--json"]);
    assert!(ran.out.starts_with(r#"{"event":"created","info_hash":""#), "{}", ran.out);
    assert!(ran.out.contains(r#""name":"content","size":71000,"pieces":5,"piece_length":16384,"file":""#));
    assert_eq!(ran.out.lines().count(), 1);
}

#[test]
fn a_private_torrent_without_a_tracker_is_warned_of() {
    let dir = folder();
    let root = content(dir.path());
    let ran = tide(&["create", &root, "--private", "--dry-run"]);
    assert_eq!(ran.exit, Exit::Done);
    assert!(ran.err.starts_with("tide: warning: a private torrent without a tracker"));
}

#[test]
fn a_reader_that_has_gone_is_no_error_to_be_told() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    let mut err = Vec::new();
    let exit = World::default().run_on(&["show", &file], &mut Gone, &mut err);
    assert_eq!((exit, err.is_empty()), (Exit::Other, true));
}

#[test]
fn a_tracker_says_where_it_listens_and_ends_when_it_is_told() {
    let ran =
        World::interrupted().run(&["tracker", "--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--json"]);
    assert_eq!(ran.exit, Exit::Interrupted(2));
    assert!(
        ran.out.starts_with(r#"{"event":"listening","tcp":["127.0.0.1:"#)
            && ran.out.contains(r#""udp":["127.0.0.1:"#)
    );
    let words = World::interrupted().run(&["tracker", "--udp", "127.0.0.1:0"]);
    assert!(words.out.starts_with("udp://127.0.0.1:") && words.out.lines().count() == 1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let addr = taken.local_addr().expect("bound").to_string();
    assert_eq!(tide(&["tracker", "--listen", &addr]).exit, Exit::Network);
}
