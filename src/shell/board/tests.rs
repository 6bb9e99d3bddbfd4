//! The board: what is merged, what sticks, what ends.

use std::thread;

use tide_base::{InfoHash, InfoHashes, ShardId, SlotKey};
use tide_disk::{Trouble, TroubleKind};

use super::*;

fn key(slot: u64) -> TorrentKey {
    TorrentKey { shard: ShardId(0), slot: SlotKey::from_bits(slot) }
}

fn hashes() -> InfoHashes {
    InfoHashes::v1(InfoHash([7; 20]))
}

fn event(slot: u64, what: Happening) -> Event {
    Event { torrent: key(slot), info_hashes: hashes(), what }
}

fn checking(done: u32) -> Happening {
    Happening::Checking { done, total: 100 }
}

fn complete() -> Happening {
    Happening::Complete { bytes: 1, downloaded: 1, took: Duration::ZERO }
}

fn board() -> Board {
    Board::new(Clock::start())
}

fn read(board: &Board) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    loop {
        match board.next(Some(Duration::ZERO)) {
            Next::Notice(at, Notice::Torrent(event)) => all.push((at, format!("{:?}", event.what.kind()))),
            Next::Notice(at, Notice::Listening(_)) => all.push((at, "listening".into())),
            Next::Notice(at, Notice::Reachable(_)) => all.push((at, "reachable".into())),
            Next::Notice(at, Notice::Broken(why)) => all.push((at, why)),
            Next::TimedOut | Next::Over => return all,
        }
    }
}

#[test]
fn the_newest_of_a_kind_replaces_the_older_and_nothing_else() {
    let board = board();
    for done in 0..50 {
        board.post(event(1, checking(done)));
        board.post(event(2, checking(done)));
    }
    board.post(event(1, Happening::Seeding));
    let Next::Notice(99, Notice::Torrent(first)) = board.next(None) else { panic!("an event") };
    assert_eq!(first.torrent, key(1));
    assert!(matches!(first.what, Happening::Checking { done: 49, .. }));
    assert_eq!(read(&board), [(100, "Checking".into()), (101, "Seeding".into())]);
}

#[test]
fn what_sticks_outlives_any_flood() {
    let board = board();
    board.post(event(0, complete()));
    for slot in 1..=PENDING as u64 + 10 {
        board.post(event(slot, checking(1)));
    }
    let all = read(&board);
    assert_eq!(all.len(), PENDING);
    assert_eq!(all[0], (1, "Complete".into()));
    assert_eq!(all[1].0, 13, "the oldest that may go have gone");
}

#[test]
fn a_failure_is_told_once_and_last() {
    let board = board();
    board.post(event(1, Happening::Seeding));
    board.broken("first".into());
    board.broken("second".into());
    assert_eq!(read(&board), [(1, "Seeding".into()), (2, "first".into())]);
    assert!(matches!(board.next(None), Next::Over));
}

#[test]
fn a_reader_is_woken_by_an_event_and_by_the_end() {
    let board = board();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let first = matches!(board.next(None), Next::Notice(1, _));
            (first, matches!(board.next(None), Next::Over))
        });
        board.post(event(1, Happening::Paused));
        board.end();
        assert_eq!(reader.join().expect("no panic"), (true, true));
    });
}

#[test]
fn waiters_see_what_happens_after_they_came_even_if_it_is_read_elsewhere() {
    let board = board();
    let watch = board.watch(key(1));
    assert!(matches!(watch.wait(Some(Instant::ZERO)), Some(Standing::Under)));
    board.post(event(2, complete()));
    assert!(matches!(watch.wait(Some(Instant::ZERO)), Some(Standing::Under)));
    let trouble = Trouble { kind: TroubleKind::Full, path: None, errno: None };
    board.post(event(1, Happening::Stopped(trouble)));
    assert!(matches!(watch.wait(None), Some(Standing::Stopped(_))));
    board.post(event(1, Happening::Recovered));
    assert!(matches!(watch.wait(Some(Instant::ZERO)), Some(Standing::Under)));
    board.post(event(1, complete()));
    read(&board);
    assert!(matches!(watch.wait(None), Some(Standing::Complete)));
    drop(watch);
    assert!(board.state().watched.is_empty());
    let watch = board.watch(key(1));
    board.end();
    assert!(watch.wait(None).is_none());
}

#[test]
fn each_who_waits_sees_what_happens_after_he_came() {
    let board = board();
    let early = board.watch(key(1));
    board.post(event(1, complete()));
    // What was complete is not any more, which nobody is told by an event.
    let late = board.watch(key(1));
    assert!(matches!(early.wait(None), Some(Standing::Complete)));
    assert!(matches!(late.wait(Some(Instant::ZERO)), Some(Standing::Under)));
    board.post(event(1, Happening::Paused));
    assert!(matches!(late.wait(None), Some(Standing::Paused)));
    assert!(matches!(late.wait(Some(Instant::ZERO)), Some(Standing::Under)), "it is told once");
    drop(late);
    assert!(matches!(early.wait(None), Some(Standing::Paused)));
}

#[test]
fn the_list_is_what_was_said_whoever_reads_it() {
    let board = board();
    let (hybrid, v1) = (InfoHashes { v2: Some(tide_base::InfoHashV2([9; 32])), ..hashes() }, hashes());
    let added = |slot| event(slot, Happening::Added { name: String::new(), size: 0, pieces: 0 });
    board.post(added(1));
    assert_eq!(board.torrents(), [(key(1), v1)]);
    let metadata = Happening::Metadata { name: String::new(), size: 1, pieces: 1, files: 1 };
    board.post(Event { info_hashes: hybrid, ..event(1, metadata) });
    assert_eq!(board.torrent(&InfoHash([7; 20])), Some((key(1), hybrid)));
    // Nobody has read anything yet, nor got a reply.
    board.post(event(1, Happening::Removed));
    assert!(board.torrents().is_empty());
    board.post(added(2));
    assert_eq!(board.torrents(), [(key(2), v1)]);
}

#[test]
fn nothing_follows_a_failure() {
    let board = board();
    board.broken("a bug".into());
    board.post(event(1, Happening::Seeding));
    board.listening(Listening::default());
    board.reachable(Reachable::default());
    assert_eq!(read(&board), [(1, "a bug".into())]);
}
