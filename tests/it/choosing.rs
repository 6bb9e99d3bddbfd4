//! Files of a torrent by a link are chosen like those of a .torrent file.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tide::make::{Options, make};
use tide::{Add, Config, Error, InfoHash, Listen, Session, State, Torrent};
use tide_test_clients::wait::GENEROUS;
use tide_test_clients::{Payload, TempDir, wait};

/// A torrent of many files that nobody has.
struct Scene {
    dir: TempDir,
    bytes: Vec<u8>,
    hash: InfoHash,
}

impl Scene {
    fn new() -> Scene {
        let _ = env_logger::builder().is_test(true).try_init();
        let dir = TempDir::new("choosing");
        let payload = Payload::many_files(&dir.folder("seed"), 1);
        let made = make(payload.root(), &Options::default(), &mut |_| {}).expect("the payload can be read");
        let hash = made.torrent.info.info_hashes().v1.expect("v1");
        Scene { dir, bytes: made.bytes, hash }
    }

    fn session(&self, state_dir: Option<PathBuf>) -> Session {
        let listen = Listen::At(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
        let config = Config { listen, state_dir, shards: 2, hashers: 1, ..Config::default() };
        Session::start(config).expect("a loopback port is free")
    }

    fn add(&self, by_link: bool) -> Add {
        let add = if by_link { Add::hash(self.hash) } else { Add::bytes(&self.bytes).expect("a torrent") };
        add.dir(self.dir.join("leech"))
    }

    fn learn(&self, torrent: &Torrent) {
        let limits = tide::metainfo::Limits::default();
        let metainfo = tide::metainfo::Torrent::parse(&self.bytes, &limits).expect("a torrent");
        torrent.learn(&metainfo).expect("its own");
        wait::until("it is known", || torrent.metainfo().expect("there"));
    }
}

fn wanted(torrent: &Torrent) -> Vec<usize> {
    let files = torrent.files().expect("files");
    files.iter().enumerate().filter(|(_, file)| file.priority > 0).map(|(at, _)| at).collect()
}

fn runs(torrent: &Torrent) {
    wait::until("it runs", || {
        let state = torrent.stats().expect("figures").state;
        matches!(state, State::Downloading | State::Seeding).then_some(())
    });
}

/// What is said when it is added counts for more than resume data, which count for more than what a link says.
#[test]
fn what_is_selected_counts_for_more_than_resume_data() {
    let scene = Scene::new();
    for by_link in [true, false] {
        let state = scene.dir.folder(format!("state {by_link}"));
        let first = scene.session(Some(state.clone()));
        let torrent = first.add(scene.add(by_link).select([9])).expect("taken in");
        if by_link {
            scene.learn(&torrent);
        }
        runs(&torrent);
        assert_eq!(wanted(&torrent), [9]);
        assert!(first.shutdown(GENEROUS));
        let link = format!("magnet:?xt=urn:btih:{}&so=3", scene.hash);
        let named = Add::magnet(&link).expect("a link").dir(scene.dir.join("leech"));
        let adds = [(scene.add(by_link), 9), (named, 9), (scene.add(by_link).select([2]), 2)];
        for (add, file) in adds {
            let session = scene.session(Some(state.clone()));
            let torrent = session.add(add).expect("taken in");
            if torrent.metainfo().expect("there").is_none() && !by_link {
                scene.learn(&torrent);
            }
            runs(&torrent);
            assert_eq!(wanted(&torrent), [file], "by link: {by_link}");
            assert!(session.shutdown(GENEROUS));
        }
    }
}

#[test]
fn no_file_may_be_selected() {
    let scene = Scene::new();
    let session = scene.session(None);
    let torrent = session.add(scene.add(true).select([])).expect("taken in");
    scene.learn(&torrent);
    assert!(wanted(&torrent).is_empty());
}

#[test]
fn priorities_that_are_none_are_refused() {
    let scene = Scene::new();
    let session = scene.session(None);
    for by_link in [true, false] {
        let refused = session.add(scene.add(by_link).priorities([0, 8]));
        assert!(matches!(refused, Err(Error::Invalid(_))), "{refused:?}");
    }
    let torrent = session.add(scene.add(true).priorities([0, 7])).expect("taken in");
    scene.learn(&torrent);
    assert_eq!(torrent.files().expect("files")[..2].iter().map(|file| file.priority).sum::<u8>(), 7);
}
