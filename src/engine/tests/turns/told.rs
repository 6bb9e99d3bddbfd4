//! Torrents by a link whose metadata comes from whoever uses them, at every moment of the search.

use std::sync::Arc;

use tide_base::{Duration, InfoHash, InfoHashes};
use tide_disk::TroubleKind;
use tide_engine::{
    AddTorrent, Answer, Command, CommandError, Facts, Happening, Metadata, State, Then, TorrentCommand,
    TorrentKey,
};

use crate::content::{genuine, metadata_of, sought, torrent};
use crate::metadata::{LEECH, SEED, Scene, small};
use crate::{PATIENCE, SHARDS};

/// What the metadata of `spec` says.
fn facts(spec: &AddTorrent) -> Box<Facts> {
    let Metadata::Known(metadata) = &spec.metadata else { panic!("a genuine torrent has its metadata") };
    Box::new(Facts {
        info_hashes: spec.info_hashes,
        name: spec.name.clone(),
        files: Arc::clone(&spec.files),
        layout: spec.layout,
        piece_hashes: Arc::clone(&spec.piece_hashes),
        private: spec.private,
        metadata: Arc::clone(metadata),
    })
}

fn learn(spec: &AddTorrent) -> TorrentCommand {
    TorrentCommand::Learn { facts: facts(spec), web_seeds: vec!["http://web.example/".to_owned()] }
}

fn told(scene: &mut Scene, key: TorrentKey) {
    let what = learn(&scene.spec);
    assert!(matches!(scene.tell(key, what), Ok(Answer::Ok)));
}

/// The metadata has been told once, as it is.
fn knows(scene: &mut Scene, key: TorrentKey) {
    let news = |what: &Happening| matches!(what, Happening::Metadata { name, .. } if name == "t7");
    assert_eq!(scene.told(news), 1);
    let Ok(Answer::Metainfo(Some(file))) = scene.tell(key, TorrentCommand::Metainfo) else {
        panic!("it is known")
    };
    let metadata = metadata_of(&scene.spec);
    assert!(file.windows(metadata.len()).any(|part| part == metadata));
    assert!(String::from_utf8_lossy(&file).contains("http://web.example/"));
}

#[test]
fn nobody_is_needed_to_ask() {
    for shards in SHARDS {
        let (mut scene, key) = Scene::alone(shards);
        told(&mut scene, key);
        assert!(scene.is(key, State::Downloading), "{shards} shards");
        knows(&mut scene, key);
        // A second time changes nothing.
        told(&mut scene, key);
        let seed = scene.world.nodes[SEED].addr;
        scene.tell(key, TorrentCommand::AddPeers(vec![seed])).expect("it is told");
        assert!(scene.completes(key), "{shards} shards");
        knows(&mut scene, key);
        scene.end();
    }
}

/// In every tenth of a second of the search, also while what came is being judged or the files are being opened.
#[test]
fn whenever_it_comes_it_is_taken_over_once() {
    for shards in SHARDS {
        for tenths in 0..25 {
            let mut scene = Scene::of_seven(&small(shards));
            let key = scene.seek(sought(&scene.spec));
            scene.world.run(Duration::from_millis(tenths * 40), |_| false);
            told(&mut scene, key);
            assert!(scene.completes(key), "{shards} shards, {tenths}");
            scene.end();
        }
    }
}

#[test]
fn who_pauses_and_who_chooses_files_waits() {
    let (mut scene, key) = Scene::alone(1);
    scene.tell(key, TorrentCommand::Pause).expect("it pauses");
    told(&mut scene, key);
    scene.world.run(Duration::from_secs(60), |_| false);
    assert_eq!(scene.world.stats(LEECH, key).state, State::Paused);
    knows(&mut scene, key);
    scene.end();

    let mut scene = Scene::of_seven(&small(2));
    let hold = Metadata::Sought { named: Vec::new(), select: None, then: Then::Wait };
    let key = scene.seek(AddTorrent { metadata: hold, ..sought(&scene.spec) });
    told(&mut scene, key);
    assert!(scene.is(key, State::Paused));
    let some = TorrentCommand::SetPriorities(vec![0, 0, 0, 4]);
    scene.tell(key, some).expect("its files are known");
    scene.tell(key, TorrentCommand::Resume).expect("it goes on");
    assert!(scene.world.run(PATIENCE, |world| world.has_completed(LEECH, key)));
    assert!(scene.world.stats(LEECH, key).done >= 900);
    scene.end();
}

#[test]
fn what_is_another_torrents_or_makes_no_sense_is_refused() {
    let (mut scene, key) = Scene::alone(1);
    let refused = |scene: &mut Scene, what: Facts| {
        let reply = scene.tell(key, TorrentCommand::Learn { facts: Box::new(what), web_seeds: Vec::new() });
        assert!(matches!(reply, Err(CommandError::Invalid(_))), "{reply:?}");
    };
    let right = *facts(&scene.spec);
    let (other, _) = torrent(8, &[700], 192, 64);
    refused(&mut scene, *facts(&genuine(other)));
    refused(&mut scene, Facts { info_hashes: InfoHashes::v1(InfoHash([1; 20])), ..right.clone() });
    refused(&mut scene, Facts { piece_hashes: Arc::from([0; 20]), ..right.clone() });
    refused(&mut scene, Facts { layout: tide_base::Layout::UNKNOWN, piece_hashes: Arc::from([]), ..right });
    assert_eq!(scene.world.stats(LEECH, key).state, State::Metadata);
    told(&mut scene, key);
    assert!(scene.is(key, State::Downloading));
    scene.end();
}

/// A disk that hangs is none of the metadata's business.
#[test]
fn in_trouble_it_is_kept_until_the_torrent_goes_on() {
    let mut scene = Scene::of_seven(&small(2));
    scene.world.nodes[LEECH].hangs = true;
    let key = scene.seek(sought(&scene.spec));
    assert!(scene.is(key, State::Stopped));
    told(&mut scene, key);
    scene.world.nodes[LEECH].hangs = false;
    let trouble = scene.world.stats(LEECH, key).trouble.expect("it says why");
    assert_eq!(trouble.kind, TroubleKind::Hung);
    scene.tell(key, TorrentCommand::Resume).expect("it goes on");
    assert!(scene.completes(key));
    scene.end();
}

/// The store that was opened for no files is still open while they are chosen.
#[test]
fn files_are_chosen_though_the_disk_hung_when_their_store_was_to_be_opened() {
    let (mut scene, key) = Scene::alone(2);
    scene.world.nodes[LEECH].hangs = true;
    told(&mut scene, key);
    // That a save takes long is no sign of anything; that nothing can be opened is.
    let (other, _) = torrent(8, &[100], 64, 64);
    scene.world.add(LEECH, other);
    assert!(scene.is(key, State::Stopped));
    assert_eq!(scene.told(|what| matches!(what, Happening::Metadata { .. })), 1);
    let files = scene.spec.files.files().len();
    let mut chosen = vec![0; files];
    chosen[files - 1] = 4;
    scene.tell(key, TorrentCommand::SetPriorities(chosen)).expect("there are so many files");
    scene.world.nodes[LEECH].hangs = false;
    scene.tell(key, TorrentCommand::Resume).expect("it goes on");
    assert!(scene.is(key, State::Downloading));
    assert!(scene.world.stats(LEECH, key).wanted < scene.spec.layout.total());
    scene.end();
}

/// However often it is told.
#[test]
fn a_tracker_is_known_once_and_asked_only_by_a_session_that_asks_trackers() {
    for asks in [true, false] {
        let mut scene = Scene::of_seven(&tide_engine::Setup { trackers: asks, ..small(1) });
        let key = scene.seek(sought(&scene.spec));
        for url in ["http://10.0.8.9/announce", "HTTP://10.0.8.9:80/announce", "http://10.0.8.9/announce"] {
            let reply = scene.tell(key, TorrentCommand::AddTracker(url.to_owned()));
            assert!(matches!(reply, Ok(Answer::Ok)));
        }
        let Ok(Answer::Trackers(asked)) = scene.tell(key, TorrentCommand::Trackers) else {
            panic!("it is there")
        };
        assert_eq!(asked.len(), usize::from(asks));
        assert!(scene.completes(key));
        let Ok(Answer::Metainfo(Some(file))) = scene.tell(key, TorrentCommand::Metainfo) else {
            panic!("known")
        };
        let text = String::from_utf8_lossy(&file).into_owned();
        assert_eq!(text.matches("10.0.8.9").count(), 2, "as announce, and in announce-list");
        // However it is spelled, it can be taken back, once.
        let taken = |scene: &mut Scene| {
            let url = "http://10.0.8.9:80/announce".to_owned();
            scene.tell(key, TorrentCommand::RemoveTracker(url))
        };
        assert!(matches!(taken(&mut scene), Ok(Answer::Ok)));
        assert!(matches!(taken(&mut scene), Err(CommandError::Invalid(_))));
        let Ok(Answer::Metainfo(Some(file))) = scene.tell(key, TorrentCommand::Metainfo) else {
            panic!("known")
        };
        assert!(!String::from_utf8_lossy(&file).contains("10.0.8.9"));
        scene.end();
    }
}

/// The next start asks nobody.
#[test]
fn it_is_in_the_resume_data() {
    let (mut scene, key) = Scene::alone(1);
    told(&mut scene, key);
    assert!(scene.is(key, State::Downloading));
    let reply = scene.world.ask(LEECH, 0, Command::Shutdown(Duration::from_secs(10)));
    assert!(reply.is_ok());
    scene.world.crash(LEECH);
    let again = scene.world.add(LEECH, sought(&scene.spec));
    assert!(scene.is(again, State::Downloading));
    scene.end();
}
