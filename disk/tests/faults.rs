//! Every call to the storage fails once, one after the other: what is promised holds all the same.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use common::{Desk, Faulty, File, file, load, padding, spec, wanted, write};
use tide_base::{PieceIndex, Span};
use tide_disk::{Allocation, Backing, Limits, Memory, Outcome, StoreSpec, Task, Trouble, TroubleKind};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EMFILE: i32 = 24;

fn files() -> Vec<File> {
    vec![file("a/1", 20), file("a/b/2", 30), padding(14), file("a/3", 0), file("c/4", 40), file("5", 24)]
}

/// The torrent's bytes: padding is zero.
fn content() -> Vec<u8> {
    (0..128u8).map(|i| if (50..64).contains(&i) { 0 } else { i + 1 }).collect()
}

fn store(allocation: Allocation) -> StoreSpec {
    let files = files();
    let selection = wanted(&[true, false, true, true, false, true]);
    StoreSpec { wanted: selection, allocation, ..spec(Path::new("/m"), Backing::Memory, &files, 16) }
}

type Faults = std::sync::Arc<common::Faults>;

/// Does a job until it succeeds; a single fault may fail it once. A sync that failed sticks until the store was opened
/// again, and what was written is written again.
fn insist(
    desk: &mut Desk<Faulty<Memory>>,
    spec: &StoreSpec,
    task: impl Fn() -> Task,
) -> (Outcome, Vec<Trouble>) {
    let mut troubles = Vec::new();
    loop {
        let task = task();
        let (sync, write) = (matches!(task, Task::Sync), matches!(task, Task::Write { .. }));
        let done = desk.done(1, task);
        assert_eq!(write, !done.chunks.is_empty(), "what went in comes back");
        match done.result {
            Ok(outcome) => return (outcome, troubles),
            Err(trouble) => troubles.push(trouble),
        }
        assert_eq!(troubles.len(), 1, "one fault, one failure: {troubles:?}");
        if sync {
            let again = desk.run(1, Task::Sync).expect_err("it sticks");
            assert_eq!(again, troubles[0]);
            desk.run(1, Task::Close).expect("closes");
            desk.open(1, spec).expect("opens");
        }
    }
}

/// A torrent's life. Returns the troubles that were met.
fn live(desk: &mut Desk<Faulty<Memory>>, spec: &StoreSpec) -> Vec<Trouble> {
    let mut troubles = Vec::new();
    let mut spec = spec.clone();
    let content = content();
    let mut go = |desk: &mut Desk<Faulty<Memory>>, spec: &StoreSpec, task: &dyn Fn() -> Task| {
        let (outcome, met) = insist(desk, spec, task);
        troubles.extend(met);
        outcome
    };
    go(desk, &spec, &|| Task::Open(Box::new(spec.clone())));
    assert!(matches!(go(desk, &spec, &|| Task::LoadResume), Outcome::Resume(None)));
    for piece in (0..8u32).rev() {
        let begin = piece as usize * 16;
        go(desk, &spec, &|| write(piece, 0, &content[begin..begin + 16]));
    }
    go(desk, &spec, &|| Task::Sync);
    go(desk, &spec, &|| Task::SaveResume(b"resume".to_vec()));
    go(desk, &spec, &|| Task::Close);
    go(desk, &spec, &|| Task::Open(Box::new(spec.clone())));
    let Outcome::Resume(resume) = go(desk, &spec, &|| Task::LoadResume) else { panic!("resume data") };
    assert_eq!(resume.as_deref(), Some(&b"resume"[..]));
    spec.wanted.fill();
    let Outcome::Selected(states) = go(desk, &spec, &|| Task::Select(spec.wanted.clone())) else {
        panic!("selected")
    };
    let lens: Vec<_> = states.iter().map(|state| state.len).collect();
    assert_eq!(lens, [20, 30, 14, 0, 40, 24].map(Some));
    let before = spec.clone();
    spec.root = PathBuf::from("/m/moved");
    go(desk, &before, &|| Task::Move(spec.root.clone()));
    for piece in 0..8u32 {
        let begin = piece as usize * 16;
        let span = Span { piece: PieceIndex(piece), offset: 0, len: 16 };
        let Outcome::Read(payload) = go(desk, &spec, &|| Task::Read(span)) else { panic!("read") };
        assert_eq!(payload[..], content[begin..begin + 16]);
    }
    go(desk, &spec, &|| Task::DropResume);
    go(desk, &spec, &|| Task::Delete);
    troubles
}

fn every_call_fails_once(errno: i32, kind: TroubleKind, allocation: Allocation, volumes: bool) {
    let spec = store(allocation);
    let mut failures = 0;
    for n in 0.. {
        let memory = Memory::default();
        let (storage, faults): (_, Faults) = Faulty::new(memory);
        faults.volumes.store(volumes, Ordering::Relaxed);
        faults.fail(n, errno);
        let mut desk = Desk::new(storage, Limits::default());
        let troubles = live(&mut desk, &spec);
        assert!(
            troubles.iter().all(|trouble| trouble.kind == kind && trouble.errno == Some(errno)),
            "{troubles:?}"
        );
        failures += troubles.len();
        if !faults.happened() {
            assert!(n > 100, "the life of a torrent is many calls, not {n}");
            break;
        }
    }
    // Where removing litter fails nobody is told.
    assert!(failures > 50, "{failures}");
}

#[test]
fn an_error_of_the_device_is_reported_once_and_the_next_attempt_succeeds() {
    every_call_fails_once(EIO, TroubleKind::Io, Allocation::Sparse, false);
}

#[test]
fn a_full_disk_is_reported_once_and_the_next_attempt_succeeds() {
    every_call_fails_once(ENOSPC, TroubleKind::Full, Allocation::Full, true);
}

#[test]
fn too_many_open_files_are_met_by_closing_some() {
    let spec = store(Allocation::Sparse);
    let (storage, faults): (_, Faults) = Faulty::new(Memory::default());
    let mut desk = Desk::new(storage, Limits::default());
    desk.open(1, &spec).expect("opens");
    desk.write(1, 0, 0, &[1; 16]).expect("writes");
    // The next call opens another file.
    faults.fail(1, EMFILE);
    desk.write(1, 7, 0, &[2; 16]).expect("one file is closed instead");
    assert!(faults.happened());
}

#[test]
fn a_sync_that_could_not_open_a_file_loses_nothing() {
    let spec = store(Allocation::Sparse);
    let (storage, faults): (_, Faults) = Faulty::new(Memory::default());
    let mut desk = Desk::new(storage, Limits { open_files: 1, ..Limits::default() });
    desk.open(1, &spec).expect("opens");
    desk.write(1, 0, 0, &[1; 16]).expect("writes");
    desk.write(1, 7, 0, &[2; 16]).expect("writes, and the file before is closed");
    faults.fail(0, EMFILE);
    let trouble = desk.run(1, Task::Sync).expect_err("it cannot be opened");
    assert_eq!(trouble.kind, TroubleKind::TooManyFiles);
    let before = faults.calls.load(Ordering::Relaxed);
    assert!(matches!(desk.run(1, Task::Sync), Ok(Outcome::Synced)));
    // Two files, one of them opened first, and two folders.
    assert!(faults.calls.load(Ordering::Relaxed) >= before + 5, "all of it is still to be made durable");
    assert!(matches!(desk.run(1, Task::Sync), Ok(Outcome::Synced)));
}

#[test]
fn what_was_found_is_made_durable_although_somebody_else_wrote_it() {
    let spec = store(Allocation::Sparse);
    let (storage, faults): (_, Faults) = Faulty::new(Memory::default());
    let mut killed = Desk::new(storage.clone(), Limits::default());
    killed.open(1, &spec).expect("opens");
    killed.write(1, 0, 0, &[1; 16]).expect("writes");
    drop(killed);
    let mut desk = Desk::new(storage, Limits::default());
    desk.open(1, &spec).expect("opens");
    faults.fail(0, EIO);
    assert!(matches!(desk.run(1, Task::Sync), Ok(Outcome::Synced)));
    assert!(!faults.happened(), "nobody has looked at anything yet");
    faults.fail(-1, EIO);
    assert_eq!(desk.load(1, 0, 0, 16).expect("it is there"), (vec![1; 16], true));
    let before = faults.calls.load(Ordering::Relaxed);
    assert!(matches!(desk.run(1, Task::Sync), Ok(Outcome::Synced)));
    assert_eq!(faults.calls.load(Ordering::Relaxed), before + 4, "the file, opened for it, and both folders");
    assert!(matches!(desk.run(1, Task::Sync), Ok(Outcome::Synced)));
    assert_eq!(faults.calls.load(Ordering::Relaxed), before + 4, "it is durable now");
}

#[test]
fn of_merged_writes_only_the_one_to_blame_fails() {
    let files = [file("a", 16), file("b", 16), file("c", 16)];
    let spec = spec(Path::new("/m"), Backing::Memory, &files, 16);
    let (storage, _faults) = Faulty::new(Memory::default());
    let mut desk = Desk::new(storage.clone(), Limits::default());
    desk.open(1, &spec).expect("opens");
    let obstacle = tide_disk::Place { backing: Backing::Memory, root: &spec.root, below: Path::new("b") };
    tide_disk::Storage::make_folders(&storage, obstacle).expect("a folder in the way");
    for piece in 0..3 {
        desk.submit(1, write(piece, 0, &[piece as u8; 16]));
    }
    let done = desk.settle();
    let kinds: Vec<_> =
        done.iter().map(|done| done.result.as_ref().err().map(|trouble| trouble.kind)).collect();
    assert_eq!(kinds, [None, Some(TroubleKind::Obstructed), None]);
    assert!(done.iter().all(|done| done.chunks.len() == 3));
    assert_eq!(desk.read(1, 2, 0, 16).expect("it is there")[..], [2; 16]);
}

#[test]
fn a_move_that_fails_leaves_all_where_it_was() {
    for volumes in [false, true] {
        for n in 0.. {
            let (storage, faults): (_, Faults) = Faulty::new(Memory::default());
            let mut desk = Desk::new(storage, Limits::default());
            let spec = StoreSpec { wanted: wanted(&[true; 6]), ..store(Allocation::Sparse) };
            desk.open(1, &spec).expect("opens");
            for piece in 0..8 {
                desk.write(1, piece, 0, &content()[piece as usize * 16..][..16]).expect("writes");
            }
            faults.volumes.store(volumes, Ordering::Relaxed);
            faults.fail(n, EIO);
            let moved = desk.run(1, Task::Move(PathBuf::from("/m/moved")));
            if !faults.happened() {
                break;
            }
            let root = if moved.is_ok() { PathBuf::from("/m/moved") } else { spec.root.clone() };
            desk.run(1, Task::Close).expect("closes");
            let states = desk.open(1, &StoreSpec { root, ..spec.clone() }).expect("opens");
            let lens: Vec<_> = states.iter().map(|state| state.len).collect();
            assert_eq!(lens, [20, 30, 14, 0, 40, 24].map(Some), "call {n}: {moved:?}");
            for piece in 0..8 {
                let done = desk.done(1, load(piece, 0, 16));
                assert!(matches!(done.result, Ok(Outcome::Loaded { complete: true })));
                let bytes: Vec<u8> = done.chunks.iter().flat_map(|chunk| chunk.bytes().to_vec()).collect();
                assert_eq!(bytes, content()[piece as usize * 16..][..16]);
            }
        }
    }
}

#[test]
fn jobs_of_a_store_that_is_not_open_are_answered() {
    let mut desk = Desk::new(Memory::default(), Limits::default());
    let span = Span { piece: PieceIndex(0), offset: 0, len: 4 };
    let tasks = [
        Task::Read(span),
        load(0, 0, 4),
        write(0, 0, b"abcd"),
        Task::Sync,
        Task::Select(wanted(&[true])),
        Task::Stat,
        Task::Move(PathBuf::from("/m/x")),
        Task::Delete,
        Task::LoadResume,
        Task::SaveResume(vec![1]),
        Task::DropResume,
    ];
    for task in tasks {
        let chunks = usize::from(matches!(task, Task::Load { .. } | Task::Write { .. }));
        let done = desk.done(9, task);
        assert_eq!(done.chunks.len(), chunks);
        assert_eq!(done.result.expect_err("it is not open").kind, TroubleKind::Missing);
    }
    assert!(matches!(desk.run(9, Task::Close), Ok(Outcome::Closed)));
}
