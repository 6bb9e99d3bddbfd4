//! `get` and `seed` as far as they go without a swarm: sources, selection, lists, refusals.

use std::fs;

use super::{content, tide, torrent};
use crate::exit::Exit;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn files_are_listed_with_their_numbers() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    let ran = tide(&["get", &file, "--list"]);
    assert_eq!((ran.exit, ran.err.as_str()), (Exit::Done, ""));
    assert_eq!(ran.out, tide(&["show", &file, "--files"]).out);
    let json = tide(&["get", &file, "-l", "--json"]).out;
    assert!(
        json.starts_with(r#"{"info_hash":""#)
            && json.contains(r#""files":[{"path":"content/a.bin","size":70000,"pad":false}"#)
    );
}

#[test]
fn what_cannot_be_had_has_its_code() {
    let dir = folder();
    let broken = dir.path().join("broken.torrent");
    fs::write(&broken, b"d4:infod6:lengthi1e").expect("a file");
    let broken = broken.to_str().expect("text");
    let newest = dir.path().join("newest.torrent");
    fs::write(&newest, b"d4:infod9:file treede12:meta versioni2e4:name1:x12:piece lengthi16384eee")
        .expect("a file");
    let newest = newest.to_str().expect("text");
    let newer = format!("magnet:?xt=urn:btmh:1220{}", "ab".repeat(32));
    for (source, exit) in [
        (broken, Exit::Data),
        ("/nowhere/x.torrent", Exit::Other),
        ("magnet:?dn=x", Exit::Data),
        ("magnet:?xt=urn:btih:0123", Exit::Data),
        ("magnet:?xt=urn:btih:0123456789abcdef0123456789abcdef01234567&so=4294967295", Exit::Data),
        (&newer, Exit::Other),
        (&newer[24..], Exit::Other),
        (newest, Exit::Other),
        (&format!("{broken}/x.torrent"), Exit::Other),
        ("http://127.0.0.1:1/x.torrent", Exit::Other),
        (dir.path().to_str().expect("text"), Exit::Other),
    ] {
        let ran = tide(&["get", source]);
        assert_eq!((ran.exit, ran.out.as_str()), (exit, ""), "{source}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    for source in [&newer, newest] {
        let ran = tide(&["get", source, "--json"]);
        let words = ": torrents of version 2 alone (BEP 52) are not supported yet\"}\n";
        let expected = format!(r#"{{"event":"error","kind":"unsupported","message":"{source}{words}"#);
        assert!(ran.out.starts_with(&expected), "{}", ran.out);
        assert_eq!(tide(&["seed", newest]).exit, Exit::Other);
    }
    let ran = tide(&["get", broken, "--json"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with(r#"{"event":"error","kind":"torrent","message":""#), "{}", ran.out);
    assert!(lines[1].starts_with(r#"{"event":"summary","exit":4,"torrents":0,"complete":0,"#), "{}", ran.out);
    assert_eq!(lines.len(), 2);
}

#[test]
fn selections_that_make_no_sense_are_refused_before_anything_starts() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    for (flags, words) in [
        (["--select", "1,4"], "--select 4: content has 3 files"),
        (["--include", "*.iso"], "leave no file of content"),
        (["--exclude", "*"], "leave no file of content"),
        (["--peer", "no.such.host.invalid:1"], "--peer no.such.host.invalid:1"),
    ] {
        let ran = tide(&["get", &file, "-d", dir.path().to_str().expect("text"), flags[0], flags[1]]);
        assert!(ran.err.contains(words), "{}", ran.err);
        let expected = if flags[0] == "--peer" { Exit::Other } else { Exit::Usage };
        assert_eq!(ran.exit, expected);
    }
    let ran = tide(&["get", &file, "-p", "1", "--listen", "127.0.0.1:1"]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("--port and --listen exclude each other"));
}

#[test]
fn an_address_that_is_taken_is_code_6() {
    let dir = folder();
    let file = torrent(dir.path(), &[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let addr = taken.local_addr().expect("bound").to_string();
    let ran =
        tide(&["get", &file, "-d", dir.path().to_str().expect("text"), "--listen", &addr, "--no-trackers"]);
    assert_eq!(ran.exit, Exit::Network);
    assert!(ran.err.contains(&format!("cannot listen on {addr}")), "{}", ran.err);
}

#[test]
fn seeding_refuses_what_is_neither_torrent_nor_content() {
    let dir = folder();
    let root = content(dir.path());
    let broken = dir.path().join("broken.torrent");
    fs::write(&broken, b"no torrent").expect("a file");
    assert_eq!(tide(&["seed", broken.to_str().expect("text")]).exit, Exit::Data);
    assert_eq!(tide(&["seed", "/nowhere"]).exit, Exit::Other);
    let ran = tide(&["seed", &root, "-d", "/tmp"]);
    assert_eq!(ran.exit, Exit::Usage);
    assert!(ran.err.contains("--dir is for a .torrent"));
}
