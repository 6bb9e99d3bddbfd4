//! Sessions against sessions over loopback, with real sockets, threads and files.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tide::make::{Options, make};
use tide::{Add, Config, Listen, Session};
use tide_test_clients::{Payload, TempDir, compare, wait};

const GENEROUS: Duration = Duration::from_secs(10);

/// A session on a loopback port of its own, with its state below `dir`.
fn session(shards: u16, dir: &Path) -> Session {
    let _ = env_logger::builder().is_test(true).try_init();
    let listen = Listen::At(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
    let config =
        Config { listen, shards, hashers: 2, state_dir: Some(dir.join("state")), ..Config::default() };
    Session::start(config).expect("a loopback port is free")
}

fn torrent_of(path: &Path) -> Vec<u8> {
    let options = Options { piece_len: Some(32 * 1024), ..Options::default() };
    make(path, &options, &mut |_| {}).expect("the payload can be read").bytes
}

fn transfers(shards: u16, payload: fn(&Path, u64) -> Payload) {
    let dir = TempDir::new("loopback");
    let payload = payload(&dir.folder("seed"), 7);
    let bytes = torrent_of(payload.root());
    let (a, b) = (session(shards, &dir.folder("a")), session(shards, &dir.folder("b")));
    let seed = a.add(Add::bytes(&bytes).expect("a torrent").dir(payload.parent())).expect("taken in");
    seed.wait_complete(Some(GENEROUS)).expect("the seed has everything");
    let target = dir.folder("leech");
    let add = Add::bytes(&bytes).expect("a torrent").dir(&target).peer(a.listening().tcp[0]);
    let leech = b.add(add).expect("taken in");
    if let Err(error) = leech.wait_complete(Some(GENEROUS)) {
        panic!("{error}: {:#?}\n{:#?}\n{:#?}", leech.stats(), leech.peers(), seed.peers());
    }
    assert_eq!(compare::difference(payload.root(), &target.join(payload.name())), None);
    let stats = leech.stats().expect("figures");
    assert_eq!((stats.done, stats.corrupt), (payload.size(), 0));
    assert!(b.shutdown(GENEROUS) && a.shutdown(GENEROUS), "everything ends in time");
}

#[test]
fn one_file_with_one_two_and_five_shards() {
    for shards in [1, 2, 5] {
        transfers(shards, Payload::one_file);
    }
}

#[test]
fn many_files_with_one_two_and_five_shards() {
    for shards in [1, 2, 5] {
        transfers(shards, Payload::many_files);
    }
}

#[test]
fn content_can_be_kept_in_a_storage_of_the_embedders_own() {
    use std::io::IoSliceMut;
    use tide::storage::{Access, Backing, Memory, Place, Storage, StorageFile};

    for shards in [1, 2, 5] {
        let dir = TempDir::new("medium");
        let payload = Payload::one_file(&dir.folder("seed"), 11);
        let bytes = torrent_of(payload.root());
        let a = session(shards, &dir.folder("a"));
        let seed = a.add(Add::bytes(&bytes).expect("a torrent").dir(payload.parent())).expect("taken in");
        seed.wait_complete(Some(GENEROUS)).expect("the seed has everything");
        let memory = Memory::default();
        let listen = Listen::At(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
        let medium = tide::Medium::new(memory.clone());
        let b =
            Session::start(Config { listen, shards, medium, ..Config::default() }).expect("a port is free");
        let target = dir.join("nowhere");
        let add = Add::bytes(&bytes).expect("a torrent").dir(&target).peer(a.listening().tcp[0]);
        b.add(add).expect("taken in").wait_complete(Some(GENEROUS)).expect("everything comes");
        assert!(!target.exists(), "nothing is in a file");
        let expected = std::fs::read(payload.root()).expect("the payload can be read");
        let at = Place { backing: Backing::Mapped, root: &target, below: Path::new(payload.name()) };
        let mut found = vec![0; expected.len()];
        let file = memory.open(at, Access::Read).expect("it is in memory");
        assert_eq!(
            file.read_at(&mut [IoSliceMut::new(&mut found)], 0).expect("memory can be read"),
            expected.len()
        );
        assert!(found == expected, "every byte is the same");
    }
}

#[test]
fn what_was_set_is_as_it_was_when_a_torrent_is_added_again() {
    for shards in [1, 2, 5] {
        let dir = TempDir::new("settings");
        let payload = Payload::many_files(&dir.folder("seed"), 13);
        let bytes = torrent_of(payload.root());
        let add = || Add::bytes(&bytes).expect("a torrent").dir(payload.parent());
        let settings = |torrent: &tide::Torrent| {
            let state = torrent.stats().expect("its figures").state;
            let files = torrent.files().expect("its files");
            let trackers = torrent.trackers().expect("its trackers");
            let (priorities, urls): (Vec<u8>, Vec<String>) = (
                files.iter().map(|file| file.priority).collect(),
                trackers.iter().map(|tracker| tracker.url.clone()).collect(),
            );
            (priorities, urls, state)
        };
        let state = dir.folder("a");
        let first = session(shards, &state);
        let torrent = first.add(add()).expect("taken in");
        torrent.wait_complete(Some(GENEROUS)).expect("it has everything");
        let count = torrent.files().expect("its files").len();
        let mut priorities = vec![4; count];
        (priorities[0], priorities[count - 1]) = (0, 7);
        torrent.set_priorities(priorities.clone()).expect("legal priorities");
        torrent.add_tracker("http://127.0.0.1:9/announce").expect("a legal URL");
        torrent.pause().expect("it is there");
        assert!(first.shutdown(GENEROUS), "everything ends in time");

        let second = session(shards, &state);
        let torrent = second.add(add()).expect("taken in");
        let paused = wait::until("it is paused again", || {
            Some(settings(&torrent)).filter(|now| now.2 == tide::State::Paused)
        });
        assert_eq!((paused.0, paused.1), (priorities, vec!["http://127.0.0.1:9/announce".to_owned()]));
        assert!(second.shutdown(GENEROUS), "everything ends in time");

        let third = session(shards, &state);
        let said = add().paused(false).priorities([]).trackers([]);
        let torrent = third.add(said).expect("taken in");
        torrent.wait_complete(Some(GENEROUS)).expect("it is not paused");
        let now = settings(&torrent);
        assert_eq!((now.0, now.1), (vec![4; count], Vec::new()));
        assert!(third.shutdown(GENEROUS), "everything ends in time");
    }
}

#[test]
fn a_link_learns_from_a_file() {
    for shards in [1, 2, 5] {
        let dir = TempDir::new("learns");
        let payload = Payload::many_files(&dir.folder("seed"), 17);
        let bytes = torrent_of(payload.root());
        let mut file =
            tide::metainfo::Torrent::parse(&bytes, &tide::metainfo::Limits::default()).expect("a torrent");
        file.trackers = vec![vec!["http://127.0.0.1:9/announce".to_owned(), "carrier://pigeon".to_owned()]];
        let hash = file.info.info_hashes().v1.expect("made as v1");
        let (a, b) = (session(shards, &dir.folder("a")), session(shards, &dir.folder("b")));
        let seed = a.add(Add::metainfo(file.clone()).dir(payload.parent())).expect("taken in");
        seed.wait_complete(Some(GENEROUS)).expect("the seed has everything");
        let target = dir.folder("leech");
        let leech = b.add(Add::hash(hash).dir(&target)).expect("taken in");
        let twice = b.add(Add::metainfo(file.clone()));
        assert!(matches!(twice, Err(tide::Error::Duplicate(known)) if known == hash), "{twice:?}");
        assert_eq!(leech.metainfo().expect("it is there"), None);
        for _ in 0..2 {
            leech.learn(&file).expect("it is its file");
        }
        let known = wait::until("its files are known", || leech.metainfo().expect("it is there"));
        assert!(known.windows(file.info.raw().len()).any(|part| part == &file.info.raw()[..]));
        let trackers = leech.trackers().expect("it is there");
        let urls: Vec<&str> = trackers.iter().map(|tracker| tracker.url.as_str()).collect();
        assert_eq!(urls, ["http://127.0.0.1:9/announce"], "once, and none that is unknown");
        leech.add_peers(a.listening().tcp.clone()).expect("it is there");
        leech.wait_complete(Some(GENEROUS)).expect("everything comes");
        assert_eq!(compare::difference(payload.root(), &target.join(payload.name())), None);
        let other = torrent_of(Payload::one_file(&dir.folder("other"), 18).root());
        let other =
            tide::metainfo::Torrent::parse(&other, &tide::metainfo::Limits::default()).expect("a torrent");
        assert!(matches!(leech.learn(&other), Err(tide::Error::Invalid(_))));
        assert!(b.shutdown(GENEROUS) && a.shutdown(GENEROUS), "everything ends in time");
    }
}
