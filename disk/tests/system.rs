//! Real files: what others do to them, links, locks, and what is left behind.

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;

use common::{Desk, file, spec, wanted, write};
use tide_disk::{Backing, Limits, Outcome, StoreSpec, System, Task, TroubleKind};

fn desk() -> Desk<System> {
    Desk::new(System::new(), Limits::default())
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn nothing_is_created_before_the_first_write_and_then_only_what_is_wanted() {
    let base = folder();
    let files = [file("t/a", 10), file("t/none/empty", 0), file("t/b/c.sh", 10), file("t/d", 12)];
    let mut spec = spec(base.path(), Backing::Mapped, &files, 16);
    spec.wanted = wanted(&[true, true, true, false]);
    let mut desk = desk();
    let states = desk.open(1, &spec).expect("opens");
    assert!(states.iter().all(|state| state.len.is_none()));
    assert!(!spec.root.exists());
    desk.write(1, 1, 0, &[7; 16]).expect("writes");
    assert_eq!(
        fs::read(spec.root.join("t/b/c.sh")).expect("it is there"),
        [[0; 6].as_slice(), &[7; 4]].concat()
    );
    assert_eq!(fs::metadata(spec.root.join("t/none/empty")).expect("it is there").len(), 0);
    assert!(!spec.root.join("t/d").exists() && !spec.root.join("t/a").exists());
    let mode = |name| fs::metadata(spec.root.join(name)).expect("it is there").permissions().mode() & 0o100;
    assert_eq!((mode("t/b/c.sh"), mode("t/none/empty")), (0o100, 0));
    let aside = spec.aside.clone().expect("a file for it");
    assert!(aside.exists());
    assert_eq!(desk.load(1, 1, 4, 12).expect("loads"), (vec![7; 12], true));

    desk.run(1, Task::Close).expect("closes");
    desk.open(1, &spec).expect("opens");
    assert_eq!(desk.load(1, 1, 4, 12).expect("it survives"), (vec![7; 12], true));
    let selected = desk.run(1, Task::Select(wanted(&[true; 4])));
    assert!(matches!(selected, Ok(Outcome::Selected(states)) if states[3].len == Some(12)));
    assert!(!aside.exists(), "nothing is left aside");
    assert_eq!(fs::read(spec.root.join("t/d")).expect("it is there"), [7; 12]);
}

#[test]
fn a_file_for_content_aside_that_is_not_ours_is_empty_to_us() {
    let base = folder();
    let files = [file("a", 8), file("b", 24)];
    let spec = StoreSpec { wanted: wanted(&[true, false]), ..spec(base.path(), Backing::File, &files, 16) };
    let aside = spec.aside.clone().expect("a file for it");
    fs::create_dir_all(aside.parent().expect("a folder")).expect("makes");
    fs::write(&aside, vec![0xff; 20_000]).expect("writes");
    let mut desk = desk();
    desk.open(1, &spec).expect("opens");
    assert_eq!(desk.load(1, 0, 8, 8).expect("loads"), (vec![0; 8], false));
    desk.write(1, 0, 0, &[3; 16]).expect("writes");
    assert_eq!(desk.load(1, 0, 8, 8).expect("loads"), (vec![3; 8], true));
}

#[test]
fn a_file_cut_or_gone_is_trouble_of_its_torrent() {
    for backing in [Backing::File, Backing::Mapped] {
        let base = folder();
        let spec = spec(base.path(), backing, &[file("a", 100_000), file("b", 30)], 32_768);
        let mut desk = desk();
        desk.open(1, &spec).expect("opens");
        for piece in 0..3 {
            desk.write(1, piece, 0, &[piece as u8; 32_768][..]).expect("writes");
        }
        let lent = desk.read(1, 2, 0, 16_384).expect("it is there");
        let path = spec.root.join("a");
        fs::OpenOptions::new().write(true).open(&path).and_then(|file| file.set_len(10)).expect("cuts");
        // The kernel finds a lent page gone and says so; a copy is still good.
        let (mut socket, _other) = UnixStream::pair().expect("a pair");
        let sent = socket.write(&lent);
        assert!(sent.is_ok() || backing == Backing::Mapped);
        let trouble = desk.read(1, 2, 0, 16_384).expect_err("it was cut");
        assert_eq!((trouble.kind, trouble.path), (TroubleKind::Shrunk, Some(path.clone())));
        let (bytes, complete) = desk.load(1, 0, 0, 20).expect("what is not there is no error");
        assert_eq!((&bytes[8..12], complete), (&[0; 4][..], false));

        fs::remove_file(&path).expect("removes");
        desk.write(1, 0, 0, &[1; 100]).expect("into a file without a name");
        let trouble = desk.run(1, Task::Sync).expect_err("it will be gone");
        assert_eq!(trouble.kind, TroubleKind::Missing);
        let trouble = desk.read(1, 0, 0, 10).expect_err("it is gone");
        assert_eq!(trouble.kind, TroubleKind::Missing);
        let trouble = desk.write(1, 0, 0, &[1; 100]).expect_err("it is not made anew behind our backs");
        assert_eq!(trouble.kind, TroubleKind::Missing);
        desk.run(1, Task::Close).expect("closes");
        desk.open(1, &spec).expect("opens");
        desk.write(1, 0, 0, &[1; 100]).expect("now it is known to be gone");
    }
}

#[test]
fn a_longer_file_keeps_its_surplus() {
    let base = folder();
    let spec = spec(base.path(), Backing::Mapped, &[file("a", 10), file("b", 22)], 16);
    fs::create_dir_all(&spec.root).expect("makes");
    fs::write(spec.root.join("a"), [5; 30]).expect("writes");
    let mut desk = desk();
    assert_eq!(desk.open(1, &spec).expect("opens")[0].len, Some(30));
    assert_eq!(desk.load(1, 0, 0, 16).expect("loads").0, [[5; 10].as_slice(), &[0; 6]].concat());
    desk.write(1, 0, 0, &[6; 16]).expect("writes");
    assert_eq!(fs::read(spec.root.join("a")).expect("it is there"), [[6; 10].as_slice(), &[5; 20]].concat());
}

#[test]
fn no_link_leads_outside() {
    let base = folder();
    let outside = base.path().join("outside");
    fs::create_dir_all(&outside).expect("makes");
    fs::write(outside.join("a"), b"keep").expect("writes");
    let real = base.path().join("real");
    fs::create_dir_all(&real).expect("makes");
    let obstructed =
        |trouble: tide_disk::Trouble| assert_eq!(trouble.kind, TroubleKind::Obstructed, "{trouble}");

    // The root may be a link: somebody chose it.
    let mut spec = spec(base.path(), Backing::File, &[file("x/a", 16), file("b", 16)], 16);
    symlink(&real, &spec.root).expect("links");
    let mut desk = desk();
    desk.open(1, &spec).expect("opens");
    // A link planted below it leads nowhere, be it there before or only now.
    symlink(&outside, real.join("x")).expect("links");
    obstructed(desk.write(1, 0, 0, &[1; 16]).expect_err("a link for a folder"));
    symlink(outside.join("a"), real.join("b")).expect("links");
    obstructed(desk.write(1, 1, 0, &[1; 16]).expect_err("a link for a file"));
    obstructed(desk.read(1, 1, 0, 4).expect_err("a link for a file"));
    obstructed(desk.run(1, Task::Delete).expect_err("neither is ours"));
    desk.run(1, Task::Close).expect("closes");
    obstructed(desk.open(1, &spec).expect_err("links are in the way"));
    assert_eq!(fs::read(outside.join("a")).expect("it is there"), b"keep");
    assert!(real.join("b").is_symlink());

    spec.resume = None;
    fs::remove_file(real.join("x")).expect("removes");
    fs::remove_file(real.join("b")).expect("removes");
    desk.open(1, &spec).expect("opens");
    fs::create_dir(real.join("b")).expect("makes");
    obstructed(desk.write(1, 1, 0, &[1; 16]).expect_err("a folder for a file"));
}

#[test]
fn content_and_resume_data_have_one_owner() {
    let base = folder();
    let one = spec(base.path(), Backing::Mapped, &[file("x/a", 16), file("x/b", 16)], 16);
    let mut desk_a = desk();
    desk_a.open(1, &one).expect("opens");
    let in_use = |result: Result<Vec<tide_disk::FileState>, tide_disk::Trouble>| {
        assert_eq!(result.expect_err("it is in use").kind, TroubleKind::InUse);
    };
    // Another store of this process, by another name of the folder.
    let link = base.path().join("link");
    fs::create_dir_all(&one.root).expect("makes");
    symlink(&one.root, &link).expect("links");
    let mut other = spec(base.path(), Backing::Mapped, &[file("x/b", 16), file("x/c", 16)], 16);
    (other.root, other.resume, other.aside) = (link, None, None);
    in_use(desk_a.open(2, &other));
    // Other files of the same folder.
    let mut beside = spec(base.path(), Backing::Mapped, &[file("x/c", 16), file("x/d", 16)], 16);
    (beside.resume, beside.aside) = (None, None);
    desk_a.open(3, &beside).expect("shares the folder");
    // Another process, or as good as.
    let mut desk_b = desk();
    in_use(desk_b.open(1, &one));
    let lock = base.path().join("state/t.resume.lock");
    assert!(lock.exists());
    desk_a.run(1, Task::Close).expect("closes");
    assert!(!lock.exists());
    desk_b.open(1, &one).expect("it is free");
    in_use(desk_a.open(1, &one));
    drop(desk_b);
    desk_a.open(1, &one).expect("it is free again");
}

#[test]
fn a_move_overwrites_nothing_and_leaves_no_empty_folder() {
    let base = folder();
    let spec = spec(base.path(), Backing::Mapped, &[file("t/a", 16), file("t/u/b", 16)], 16);
    let mut desk = desk();
    desk.open(1, &spec).expect("opens");
    for piece in 0..2 {
        desk.write(1, piece, 0, &[piece as u8 + 1; 16]).expect("writes");
    }
    fs::write(spec.root.join("t/foreign"), b"x").expect("writes");
    let to = base.path().join("to");
    fs::create_dir_all(to.join("t/u")).expect("makes");
    fs::write(to.join("t/u/b"), b"precious").expect("writes");
    let trouble = desk.run(1, Task::Move(to.clone())).expect_err("something is in the way");
    assert_eq!((trouble.kind, trouble.path), (TroubleKind::Obstructed, Some(to.join("t/u/b"))));
    assert_eq!(fs::read(to.join("t/u/b")).expect("it is there"), b"precious");
    assert_eq!(desk.read(1, 1, 0, 16).expect("still here")[..], [2; 16]);

    fs::remove_file(to.join("t/u/b")).expect("removes");
    assert!(matches!(desk.run(1, Task::Move(to.clone())), Ok(Outcome::Moved)));
    assert_eq!(fs::read(to.join("t/u/b")).expect("it is there"), [2; 16]);
    assert_eq!(fs::read(spec.root.join("t/foreign")).expect("it is there"), b"x");
    assert!(!spec.root.join("t/u").exists());
    assert!(matches!(desk.run(1, Task::Delete), Ok(Outcome::Deleted)));
    assert!(to.exists() && !to.join("t").exists());
}

#[test]
fn resume_data_is_replaced_whole() {
    let base = folder();
    let spec = spec(base.path(), Backing::Mapped, &[file("a", 16)], 16);
    let mut desk = desk();
    desk.open(1, &spec).expect("opens");
    let path = spec.resume.clone().expect("a path");
    // Remains of a save that was cut off, longer than what comes.
    fs::write(base.path().join("state/t.resume.new"), [9; 100]).expect("writes");
    for bytes in [&b"first and long"[..], b"second"] {
        assert!(matches!(desk.run(1, Task::SaveResume(bytes.to_vec())), Ok(Outcome::ResumeSaved)));
        let loaded = desk.run(1, Task::LoadResume);
        assert!(matches!(loaded, Ok(Outcome::Resume(Some(loaded))) if loaded == bytes));
    }
    let names = fs::read_dir(base.path().join("state")).expect("a folder").count();
    assert_eq!(names, 2, "the resume file and its lock");
    assert!(matches!(desk.run(1, Task::DropResume), Ok(Outcome::ResumeSaved)));
    assert!(!path.exists());
    assert!(matches!(desk.run(1, Task::DropResume), Ok(Outcome::ResumeSaved)));
}

#[test]
fn what_may_only_be_read_can_be_seeded() {
    let base = folder();
    let spec = StoreSpec { resume: None, ..spec(base.path(), Backing::Mapped, &[file("a", 16)], 16) };
    fs::create_dir_all(&spec.root).expect("makes");
    fs::write(spec.root.join("a"), [8; 16]).expect("writes");
    fs::set_permissions(spec.root.join("a"), fs::Permissions::from_mode(0o444)).expect("sets");
    fs::set_permissions(&spec.root, fs::Permissions::from_mode(0o555)).expect("sets");
    let mut desk = desk();
    desk.open(1, &spec).expect("opens");
    assert_eq!(desk.load(1, 0, 0, 16).expect("loads"), (vec![8; 16], true));
    assert_eq!(desk.read(1, 0, 4, 4).expect("reads")[..], [8; 4]);
    fs::set_permissions(&spec.root, fs::Permissions::from_mode(0o755)).expect("sets");
}

#[test]
fn only_regular_files_are_opened() {
    let base = folder();
    let spec = StoreSpec { resume: None, ..spec(base.path(), Backing::File, &[file("null", 16)], 16) };
    let trouble =
        desk().open(1, &StoreSpec { root: "/dev".into(), ..spec }).expect_err("a device is no file");
    assert_eq!(trouble.kind, TroubleKind::Obstructed);
}

#[test]
fn stores_and_their_jobs_can_go_to_other_threads() {
    fn can_go<T: Send>() {}
    can_go::<tide_disk::Stores<System>>();
    can_go::<tide_disk::SyncJob<System>>();
}

#[test]
fn content_aside_in_memory_has_a_bound() {
    let base = folder();
    let files = [file("a", 8), file("b", 24)];
    let spec = StoreSpec { aside: None, ..spec(base.path(), Backing::File, &files, 16) };
    let spec = StoreSpec { wanted: wanted(&[true, false]), ..spec };
    let mut desk = Desk::new(System::new(), Limits { aside_memory: 16, ..Limits::default() });
    desk.open(1, &spec).expect("opens");
    desk.write(1, 0, 0, &[1; 16]).expect("one piece is kept");
    let trouble = desk.write(1, 1, 0, &[2; 16]).expect_err("two are too many");
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert_eq!(desk.load(1, 0, 0, 16).expect("loads"), (vec![1; 16], true));
    desk.run(1, Task::Select(wanted(&[true, true]))).expect("selects");
    assert_eq!(fs::read(spec.root.join("b")).expect("it is there"), [1; 8]);
    desk.write(1, 1, 0, &[2; 16]).expect("there is a file for it now");
}

#[test]
fn order_holds_for_a_piece_and_a_close_comes_last() {
    let base = folder();
    let spec = spec(base.path(), Backing::Mapped, &[file("a", 64)], 16);
    let mut desk = desk();
    desk.open(1, &spec).expect("opens");
    for round in 0..4u8 {
        for piece in 0..4 {
            desk.submit(1, write(piece, 0, &[round * 4 + piece as u8; 16]));
            desk.submit(1, common::load(piece, 0, 16));
        }
    }
    desk.submit(1, Task::Sync);
    let close = desk.submit(1, Task::Close);
    let after = desk.submit(1, common::load(0, 0, 16));
    let done = desk.settle();
    assert_eq!(done.len(), 35);
    assert_eq!((done[33].id, done[34].id), (close, after));
    assert!(done[34].result.is_err());
    let mut seen = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for done in done.iter().filter(|done| matches!(done.result, Ok(Outcome::Loaded { .. }))) {
        let value = done.chunks[0].bytes()[0];
        seen[usize::from(value % 4)].push(value / 4);
    }
    assert_eq!(seen, [[0, 1, 2, 3]; 4]);
}
