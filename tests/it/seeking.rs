//! `tide get` of a link, while the metadata is sought: it is stopped and killed in the middle and goes on, and it bears
//! with everybody who lies about the metadata, or says nothing, as long as one does not.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;
use tide_test_clients::{
    Client, Event, FakePeer, LibTorrent, Manners, Payload, Signal, Tide, TideCommand, Tool, have, net, wait,
};

use crate::work::{LEAVE, Seed, Work, at_fresh, files_below, seed_command, summary_code, tide};

/// Pieces of the metadata of [`long`].
const PIECES: u32 = 4;
/// What a run may take in memory that has 32 MiB for blocks and meets liars: the same as one that meets none.
const RESIDENT: u64 = 64 << 20;

/// Content whose metadata has several pieces.
fn long() -> Work {
    let work = Work::with(|dir, seed| Payload::one_file_of(dir, seed, 45_000_001), &["-l", "16k"]);
    assert_eq!(work.torrent.info().len().div_ceil(16 * 1024), PIECES as usize);
    work
}

/// A link that names a torrent, and nobody who has it.
pub(crate) fn link(work: &Work) -> String {
    format!("magnet:?xt=urn:btih:{}", work.hash())
}

/// What the newest `progress` line says, once `wanted` holds for one.
pub(crate) fn wait_progress(tide: &Tide, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    tide.wait(what, |event| match event {
        Event::Progress { line, .. } if wanted(line) => Some(line.clone()),
        _ => None,
    })
}

/// Waits until it says that it seeks the metadata, and how far that is.
fn wait_seeking(tide: &Tide) -> Value {
    wait_progress(tide, "that it seeks the metadata", |line| line["state"] == "metadata")
}

/// One place to download to, over several runs.
struct Place {
    folder: PathBuf,
    home: PathBuf,
}

impl Place {
    fn new(work: &Work, name: &str) -> Place {
        Place { folder: work.folder(name), home: work.dir.folder(format!("home of {name}")) }
    }

    /// `tide get` of a link or an info-hash.
    fn get(&self, what: &str) -> TideCommand {
        at_fresh(tide(["get", what, "--no-dht"]).arg("-d").arg(&self.folder)).home(&self.home)
    }
}

/// Stops a run, which says that it was stopped; nothing but its state is left.
fn interrupt(mut run: Tide, place: &Place) {
    run.signal(Signal::Interrupt);
    run.wait_exit(LEAVE).expect_code(130);
    assert_eq!(summary_code(&run.events()), Some(130));
    assert_eq!(files_below(&place.folder), Vec::<PathBuf>::new());
}

/// Runs a command until it has everything.
fn completes(command: &TideCommand, work: &Work, place: &Place) {
    let mut run = command.start();
    assert_eq!(run.complete(work.hash()), work.payload.size());
    run.wait_exit(LEAVE).expect_code(0);
    work.assert_same(&place.folder);
}

/// `tide seed` of the content at a given address.
fn seed_at(work: &Work, addr: SocketAddr) -> Seed {
    let seed = tide(["seed"]).arg(&work.torrent.file).arg("-d").arg(work.payload.parent());
    Seed::start(&seed.args(["--no-dht", "--listen", &addr.to_string()]), work.hash())
}

#[test]
fn a_search_that_was_interrupted_goes_on() {
    let work = Work::new(Payload::one_file);
    let place = Place::new(&work, "get");
    let nobody = SocketAddr::from(net::fresh());
    let command = place.get(&link(&work)).args(["--peer", &nobody.to_string()]);
    for _ in 0..2 {
        let run = command.start();
        let line = wait_seeking(&run);
        assert_eq!((&line["metadata"]["got"], &line["metadata"]["pieces"]), (&0.into(), &0.into()));
        interrupt(run, &place);
    }
    let _seed = seed_at(&work, nobody);
    completes(&command, &work, &place);
}

/// What the link had said is kept, too: its info-hash alone is enough the next time.
#[test]
fn who_was_named_when_a_search_was_interrupted_is_remembered() {
    let work = Work::new(Payload::many_files);
    let place = Place::new(&work, "get");
    let nobody = SocketAddr::from(net::fresh());
    let run = place.get(&format!("{}&x.pe={nobody}", link(&work))).start();
    wait_seeking(&run);
    interrupt(run, &place);
    let _seed = seed_at(&work, nobody);
    completes(&place.get(work.hash().as_str()), &work, &place);
}

#[test]
fn a_search_that_was_killed_begins_again() {
    let work = Work::new(Payload::one_file);
    let place = Place::new(&work, "get");
    let nobody = SocketAddr::from(net::fresh());
    let command = place.get(&link(&work)).args(["--peer", &nobody.to_string()]);
    for _ in 0..2 {
        let mut run = command.start();
        wait_seeking(&run);
        run.kill();
    }
    let _seed = seed_at(&work, nobody);
    completes(&command, &work, &place);
}

#[test]
fn half_of_the_metadata_is_no_harm() {
    let work = long();
    for kill in [false, true] {
        let place = Place::new(&work, if kill { "killed" } else { "interrupted" });
        let slow = FakePeer::start(work.hash(), &work.torrent.info(), Manners::Gives(PIECES / 2));
        let mut run = place.get(&link(&work)).args(["--peer", &slow.address().to_string()]).start();
        let line = wait_progress(&run, "half of the metadata", |line| {
            line["metadata"]["got"].as_u64() == Some((PIECES / 2).into())
        });
        assert_eq!(line["metadata"]["pieces"], PIECES);
        if kill {
            run.kill();
        } else {
            interrupt(run, &place);
        }
        drop(slow);
        let seed = Seed::start(&seed_command(&work.torrent, work.payload.parent()), work.hash());
        completes(&place.get(&link(&work)).args(["--peer", &seed.peer()]), &work, &place);
    }
}

/// A link may say of a torrent what is not so (BEP 53); nothing to fetch is not everything fetched.
#[test]
fn a_link_that_names_no_file_that_there_is_is_code_4() {
    let work = Work::new(Payload::many_files);
    let seed = Seed::start(&seed_command(&work.torrent, work.payload.parent()), work.hash());
    let place = Place::new(&work, "get");
    let peer = format!("x.pe=garbage&x.pe=1.2.3.4:99999&x.pe={}", seed.peer());
    let none = place.get(&format!("{}&{peer}&so=5000-5002", link(&work))).run();
    none.expect_code(4);
    assert!(none.stderr.contains("names none of the 53 files"), "{}", none.stderr);
    assert_eq!(files_below(&place.folder), Vec::<PathBuf>::new());
    // What it names that there is counts, the rest does not.
    place.get(&format!("{}&{peer}&so=9,5000", link(&work))).run().expect_code(0);
    let name = PathBuf::from(work.payload.name());
    let files = files_below(&place.folder);
    assert!(files.len() == 1 && files[0].starts_with(&name), "{files:?}");
}

/// The most that was resident at once, in bytes.
fn most_resident(tide: &Tide) -> u64 {
    let path = format!("/proc/{}/status", tide.id());
    let status = std::fs::read_to_string(path).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel counts");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("a number") * 1024
}

#[test]
fn whoever_lies_about_the_metadata_keeps_nobody_from_it() {
    if !have(&[Tool::LibTorrent]) {
        return;
    }
    let work = long();
    let place = Place::new(&work, "get");
    let manners = [
        Manners::Lies,
        Manners::Gives(1),
        Manners::Claims(4 << 30),
        Manners::Claims(0),
        Manners::Claims(u64::MAX),
        Manners::Claims(32 << 20),
        Manners::Silent,
        Manners::Floods,
    ];
    let fakes = manners.map(|manners| FakePeer::start(work.hash(), &work.torrent.info(), manners));
    let mut theirs = LibTorrent::start();
    theirs.add(&work.torrent, work.payload.parent());
    theirs.wait_seeding(work.hash());
    // It goes on when it is complete, so that it can be looked at.
    let peers = fakes.iter().flat_map(|fake| ["--peer".to_owned(), fake.address().to_string()]);
    let run = place.get(&link(&work)).arg("--seed").args(peers).start();
    let addr = run.listening();
    fakes.iter().for_each(|fake| fake.call(addr));
    for fake in &fakes {
        wait::until("it meets everybody", || (fake.met() > 0).then_some(()));
    }
    let [liar, .., flood] = &fakes;
    wait::until("the liar is heard", || (liar.given() >= PIECES.into()).then_some(()));
    wait::until("the flood is on", || (flood.given() > 100).then_some(()));
    wait_seeking(&run);
    assert!(!run.events().iter().any(|event| matches!(event, Event::Metadata { .. })));
    theirs.connect(work.hash(), addr);
    assert_eq!(run.complete(work.hash()), work.payload.size());
    let most = most_resident(&run);
    assert!(most < RESIDENT, "{most} bytes");
    interrupt_complete(run);
    work.assert_same(&place.folder);
}

/// Stops a run that has everything.
fn interrupt_complete(mut run: Tide) {
    run.signal(Signal::Interrupt);
    run.wait_exit(LEAVE).expect_code(130);
}

/// Nobody is there to ask; who names the file as well needs nobody.
#[test]
fn a_link_and_then_its_file_are_one_torrent_that_is_known() {
    let work = long();
    let place = Place::new(&work, "both");
    let run = place.get(&link(&work)).arg(&work.torrent.file).start();
    let name = run.wait("metadata", |event| match event {
        Event::Metadata { info_hash, name, .. } if info_hash == work.hash() => Some(name.clone()),
        _ => None,
    });
    assert_eq!(name, work.payload.name());
    let added = |event: &&Event| matches!(event, Event::Added { .. });
    assert_eq!(run.events().iter().filter(added).count(), 1);
}
