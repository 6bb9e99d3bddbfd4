//! `seed` and `get` against each other on loopback, in this process.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::{World, tide, torrent};
use crate::env::{Env, Stream};
use crate::exit::Exit;
use crate::run::run;
use crate::signals::Stop;

/// Output that somebody reads while it comes.
struct Pipe(Sender<u8>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            // The reader may have seen enough, which is no reason to stop.
            let _ = self.0.send(*byte);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A program that runs beside the test.
struct Running {
    stop: Stop,
    out: Receiver<u8>,
    thread: JoinHandle<Exit>,
}

impl Running {
    fn start(args: &[&str]) -> Running {
        let (sender, out) = channel();
        let stop = Stop::default();
        let (args, its_stop): (Vec<_>, _) = (args.iter().map(Into::into).collect(), stop.clone());
        let thread = thread::spawn(move || {
            run(Env {
                args,
                vars: &|_| None,
                input: &mut io::empty(),
                out: Stream { to: &mut Pipe(sender), window: None },
                err: Stream { to: &mut io::sink(), window: None },
                stop: &its_stop,
            })
        });
        Running { stop, out, thread }
    }

    /// The next line that has `word` in it.
    fn line_with(&self, word: &str) -> String {
        loop {
            let line: Vec<u8> = self.out.iter().take_while(|byte| *byte != b'\n').collect();
            let line = String::from_utf8(line).expect("text");
            assert!(!line.is_empty(), "the program ended without {word}");
            if line.contains(word) {
                return line;
            }
        }
    }

    fn end(self) -> Exit {
        self.stop.interrupt();
        self.thread.join().expect("no panic")
    }
}

/// The first address in a `listening` line.
fn address(line: &str) -> String {
    line.split('"').find(|part| part.starts_with("127.0.0.1:")).expect("an address").to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

const QUIET: [&str; 3] = ["--listen", "127.0.0.1:0", "--no-trackers"];

#[test]
fn what_one_seeds_the_other_gets() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = torrent(dir.path(), &[]);
    let seed = Running::start(&[&["seed", &file, "-d", text(dir.path()), "--json"], &QUIET[..]].concat());
    let peer = address(&seed.line_with("listening"));
    assert!(seed.line_with("added").contains(r#""name":"content","size":71000,"pieces":5"#));
    seed.line_with("seeding");
    let into = dir.path().join("into");
    let note = format!("printf %s \"$TIDE_NAME $TIDE_HASH\" > {}/note", dir.path().display());
    let hash = tide(&["show", &file, "--info-hash"]).out;
    let get = [
        "get",
        &file,
        "-d",
        text(&into),
        "--peer",
        &peer,
        "--json",
        "--on-complete",
        &note,
        "--timeout",
        "60s",
    ];
    let ran = tide(&[&get, &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.out, ran.err);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with(r#"{"event":"listening","tcp":["127.0.0.1:"#), "{}", ran.out);
    assert!(lines[1].starts_with(r#"{"event":"added","info_hash":""#), "{}", ran.out);
    let complete = r#""bytes":71000,"downloaded":71000,"seconds":"#;
    assert_eq!(lines.iter().filter(|line| line.contains(complete)).count(), 1, "{}", ran.out);
    let last = r#"{"event":"summary","exit":0,"torrents":1,"complete":1,"#;
    assert!(lines.last().is_some_and(|line| line.starts_with(last)), "{}", ran.out);
    assert_eq!(
        fs::read_to_string(dir.path().join("note")).expect("a note"),
        format!("content {}", hash.trim())
    );
    assert_eq!(tide(&["verify", &file, "-d", text(&into)]).exit, Exit::Done);
    assert_eq!(seed.end(), Exit::Interrupted(2));
    // Now that it is there, it is there, whoever else is.
    let again = tide(&[&["get", &file, "-d", text(&into)], &QUIET[..]].concat());
    assert_eq!(again.exit, Exit::Done);
    assert!(again.out.contains("content: complete, 69.3 KiB in 0:00"), "{}", again.out);
}

/// A seed of the content in `dir`: the program, where it listens, and the link to it.
fn seed_in(dir: &Path) -> (Running, String, String) {
    let root = dir.join("content");
    let seed = Running::start(&[&["seed", text(&root), "--json"], &QUIET[..]].concat());
    let created = seed.line_with("created");
    let link = created.split('"').find(|part| part.starts_with("magnet:?")).expect("a link").to_owned();
    let peer = address(&seed.line_with("listening"));
    seed.line_with("seeding");
    (seed, peer, link)
}

#[test]
fn a_link_is_enough() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = torrent(dir.path(), &[]);
    let (seed, peer, link) = seed_in(dir.path());
    let into = dir.path().join("into");
    let get = ["get", &link, "-d", text(&into), "--peer", &peer, "--json", "--timeout", "60s"];
    let ran = tide(&[&get, &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.out, ran.err);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[1].ends_with(r#","name":"content","size":null,"pieces":null}"#), "{}", ran.out);
    let metadata = |line: &&&str| line.starts_with(r#"{"event":"metadata","info_hash":""#);
    let told: Vec<_> = lines.iter().filter(metadata).collect();
    assert!(told.len() == 1 && told[0].ends_with(r#","name":"content","size":71000}"#), "{}", ran.out);
    assert_eq!(tide(&["verify", &file, "-d", text(&into)]).exit, Exit::Done);
    // By the bare info-hash, into another folder, and only what is chosen.
    let hash = tide(&["show", &link, "--info-hash"]).out;
    let other = dir.path().join("other");
    let get = ["get", hash.trim(), "-d", text(&other), "--peer", &peer, "-s", "2", "--timeout", "60s"];
    let ran = tide(&[&get, &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.out, ran.err);
    assert!(other.join("content/sub/b.txt").exists() && !other.join("content/a.bin").exists());
    // The link names a file of its own.
    let (third, so) = (dir.path().join("third"), format!("{link}&so=1,7"));
    let get = ["get", &so, "-d", text(&third), "--peer", &peer, "--timeout", "60s"];
    assert_eq!(tide(&[&get, &QUIET[..]].concat()).exit, Exit::Done);
    assert!(third.join("content/sub/b.txt").exists() && !third.join("content/a.bin").exists());
    let get = ["get", &link, "-d", text(&third), "--peer", &peer, "-s", "9", "--timeout", "60s"];
    let ran = tide(&[&get, &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Usage, "{}", ran.err);
    assert!(ran.err.contains("--select 9: content has 3 files"), "{}", ran.err);
    seed.end();
}

#[test]
fn what_a_link_names_is_listed_and_fetched() {
    let dir = tempfile::tempdir().expect("a folder");
    torrent(dir.path(), &[]);
    let (seed, peer, link) = seed_in(dir.path());
    let from = ["--peer", &peer, "--timeout", "60s"];
    let ran = tide(&[&["get", &link, "--list"], &from[..], &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Done, "{}", ran.err);
    assert_eq!(ran.out, "1\t70000\tcontent/a.bin\n2\t1000\tcontent/sub/b.txt\n3\t0\tcontent/z\n");
    let (made, url) = (dir.path().join("made.torrent"), "http://w/content/");
    let full = format!("{link}&tr=udp%3A%2F%2Fx%3A1&ws=http%3A%2F%2Fw%2Fcontent%2F");
    let ran = tide(&[&["magnet", "--fetch", &full, "-o", text(&made)], &from[..], &QUIET[..]].concat());
    assert_eq!((ran.exit, ran.out), (Exit::Done, format!("{}\n", made.display())), "{}", ran.err);
    assert!(ran.err.contains("content: the metadata is here, 69.3 KiB\n"), "{}", ran.err);
    let (mut bytes, mut words) = (Vec::new(), Vec::new());
    let fetch = [&["magnet", "--fetch", &full, "-o", "-"], &from[..], &QUIET[..]].concat();
    assert_eq!(World::default().run_on(&fetch, &mut bytes, &mut words), Exit::Done);
    assert_eq!(bytes, fs::read(&made).expect("a file"), "nothing else is on standard output");
    let shown = tide(&["show", text(&made)]).out;
    assert!(shown.contains("name\tcontent\n") && shown.contains(&format!("web seed\t{url}\n")), "{shown}");
    assert!(shown.contains("tracker\t1\tudp://x:1\n"), "{shown}");
    assert_eq!(tide(&["verify", text(&made), "-d", text(dir.path())]).exit, Exit::Done);
    let again = tide(&["magnet", "--fetch", &full, "-o", text(&made)]);
    assert!(again.exit == Exit::Other && again.err.contains("exists already"), "{}", again.err);
    assert_eq!(tide(&["magnet", "--fetch", text(&made)]).exit, Exit::Usage);
    assert_eq!(tide(&["magnet", text(&made), "-o", "x"]).exit, Exit::Usage);
    let nobody = tide(&[&["magnet", "--fetch", &link, "--timeout", "300ms"], &QUIET[..]].concat());
    assert_eq!(nobody.exit, Exit::Stalled, "{}", nobody.err);
    let stopped = World::interrupted().run(&[&["get", &link], &QUIET[..]].concat());
    assert_eq!(stopped.exit, Exit::Interrupted(2));
    seed.end();
}

#[test]
fn only_selected_files_are_made() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = torrent(dir.path(), &[]);
    let root = dir.path().join("content");
    let seed = Running::start(&[&["seed", text(&root), "--json"], &QUIET[..]].concat());
    assert!(seed.line_with("created").contains(r#""magnet":"magnet:?xt=urn:btih:"#));
    let peer = address(&seed.line_with("listening"));
    seed.line_with("seeding");
    let into = dir.path().join("into");
    // Made with the same piece length as the file, or it would be another torrent.
    let get = ["get", &file, "-d", text(&into), "--peer", &peer, "--include", "*.txt", "--timeout", "60s"];
    let ran = tide(&[&get, &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Done, "{}{}", ran.out, ran.err);
    let made = fs::read(into.join("content/sub/b.txt")).expect("a file");
    assert_eq!(made, fs::read(root.join("sub/b.txt")).expect("a file"));
    assert!(!into.join("content/a.bin").exists());
    seed.end();
}

#[test]
fn content_that_is_not_whole_is_not_seeded_and_not_touched() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = torrent(dir.path(), &[]);
    let damaged = dir.path().join("content/sub/b.txt");
    fs::write(&damaged, vec![b'x'; 1000]).expect("a file");
    let ran = tide(&[&["seed", &file, "-d", text(dir.path()), "--json"], &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Data, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains(r#""kind":"incomplete""#) && ran.err.contains("4 of 5 pieces are good"),
        "{}",
        ran.err
    );
    assert_eq!(fs::read(&damaged).expect("a file"), vec![b'x'; 1000]);
}

#[test]
fn without_anybody_it_gives_up_or_is_interrupted() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = torrent(dir.path(), &[]);
    let into = dir.path().join("into");
    let get = ["get", &file, "-d", text(&into)];
    let ran = tide(&[&get[..], &["--timeout", "300ms"], &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Stalled);
    assert!(ran.err.contains("content: no progress for 0:00"), "{}", ran.err);
    assert_eq!(World::interrupted().run(&[&get[..], &QUIET[..]].concat()).exit, Exit::Interrupted(2));
}

#[test]
fn a_folder_that_cannot_be_written_is_code_5() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = torrent(dir.path(), &[]);
    let seed = Running::start(&[&["seed", &file, "-d", text(dir.path()), "--json"], &QUIET[..]].concat());
    let peer = address(&seed.line_with("listening"));
    // A file where the folder should be stops root too.
    let into = dir.path().join("into");
    fs::write(&into, b"in the way").expect("a file");
    let ran =
        tide(&[&["get", &file, "-d", text(&into), "--peer", &peer, "--timeout", "60s"], &QUIET[..]].concat());
    assert_eq!(ran.exit, Exit::Disk, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("something else is in the way"), "{}", ran.err);
    seed.end();
}
