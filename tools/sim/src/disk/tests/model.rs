//! Without mishaps a medium is what `tide_disk::Memory` is.

use proptest::prelude::*;
use tide_disk::Memory;

use super::*;

const PATHS: [&str; 7] = ["v/a", "v/b", "v/d", "v/d/x", "v/d/e/y", "v/a/z", "v"];

#[derive(Clone, Debug)]
enum Op {
    Open(usize, u8),
    /// To an open file: where, how much, and whether as the content has it.
    Write(usize, u64, usize, bool),
    Read(usize, u64, usize),
    Allocate(usize, u64),
    Sync(usize),
    Rename(usize, usize),
    Remove(usize),
    MakeFolders(usize),
    RemoveFolder(usize),
    SyncFolder(usize),
    Stat(usize),
    Lock(usize),
    Unlock,
    Close(usize),
}

fn ops() -> impl Strategy<Value = Op> {
    let path = || 0..PATHS.len();
    prop_oneof![
        4 => (path(), 0u8..3).prop_map(|(path, access)| Op::Open(path, access)),
        8 => (0usize..4, 0u64..200, 0usize..90, any::<bool>()).prop_map(|(f, at, len, made)| Op::Write(f, at, len, made)),
        4 => (0usize..4, 0u64..260, 0usize..260).prop_map(|(f, at, len)| Op::Read(f, at, len)),
        1 => (0usize..4, 0u64..300).prop_map(|(f, len)| Op::Allocate(f, len)),
        1 => (0usize..4).prop_map(Op::Sync),
        2 => (path(), path()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => path().prop_map(Op::Remove),
        3 => path().prop_map(Op::MakeFolders),
        1 => path().prop_map(Op::RemoveFolder),
        1 => path().prop_map(Op::SyncFolder),
        1 => path().prop_map(Op::Stat),
        1 => path().prop_map(Op::Lock),
        1 => Just(Op::Unlock),
        1 => (0usize..4).prop_map(Op::Close),
    ]
}

/// One storage, what is open of it, and what came of each call, in words.
struct Side<S: Storage> {
    storage: S,
    open: Vec<(S::File, bool)>,
    locks: Vec<S::Lock>,
}

impl<S: Storage> Side<S> {
    fn new(storage: S) -> Side<S> {
        Side { storage, open: Vec::new(), locks: Vec::new() }
    }

    fn file(&self, which: usize) -> Option<&(S::File, bool)> {
        self.open.get(which % self.open.len().max(1))
    }

    fn act(&mut self, op: &Op, content: &Content) -> String {
        let at = |path: usize| place(Path::new(PATHS[path]));
        match *op {
            Op::Open(path, access) => {
                let accesses = [Access::Read, Access::Write, Access::Create { executable: false }];
                let access = accesses[usize::from(access)];
                let opened = self.storage.open(at(path), access);
                let said = format!("{:?}", opened.as_ref().map(|_| ()));
                self.open.extend(opened.ok().map(|file| (file, access != Access::Read)));
                said
            }
            Op::Write(which, begin, len, made) => {
                let Some((file, true)) = self.file(which) else { return String::new() };
                let mut bytes = vec![7; len];
                if made {
                    content.fill(begin, &mut bytes);
                }
                let (head, tail) = bytes.split_at(len / 3);
                format!("{:?}", file.write_at(&[IoSlice::new(head), IoSlice::new(tail)], begin))
            }
            Op::Read(which, begin, len) => {
                format!("{:?}", self.file(which).map(|(file, _)| read(file, begin, len)))
            }
            Op::Allocate(which, len) => {
                let Some((file, true)) = self.file(which) else { return String::new() };
                format!("{:?}", file.allocate(len))
            }
            Op::Sync(which) => format!("{:?}", self.file(which).map(|(file, _)| file.sync())),
            Op::Rename(from, to) => format!("{:?}", self.storage.rename(at(from), at(to))),
            Op::Remove(path) => format!("{:?}", self.storage.remove(at(path))),
            Op::MakeFolders(path) => format!("{:?}", self.storage.make_folders(at(path))),
            Op::RemoveFolder(path) => format!("{:?}", self.storage.remove_folder(at(path))),
            Op::SyncFolder(path) => format!("{:?}", self.storage.sync_folder(at(path))),
            Op::Stat(path) => format!("{:?}", self.storage.stat(at(path)).map(|state| state.len)),
            Op::Lock(path) => {
                let lock = self.storage.lock(at(path));
                let said = format!("{:?}", lock.as_ref().map(|_| ()));
                self.locks.extend(lock.ok());
                said
            }
            Op::Unlock => format!("{:?}", self.locks.pop().is_some()),
            Op::Close(which) => {
                let len = self.open.len();
                (len > 0).then(|| drop(self.open.swap_remove(which % len)));
                String::new()
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn without_mishaps_it_is_a_memory(ops in proptest::collection::vec(ops(), 1..120), seed in any::<u64>()) {
        let content = Arc::new(Content::new(ContentSpec::of_lens(seed, &[(150, false), (90, false)], 64, 16)));
        let medium = medium(seed, crashing());
        // The first file of the content is "v/0"; both of the model's are meant to be it.
        for path in ["v/a", "v/b"] {
            medium.state().contents = vec![content.clone()];
            medium.state().known.insert(path.into(), (0, 0));
        }
        let (mut real, mut model) = (Side::new(medium.clone()), Side::new(Memory::default()));
        for (i, op) in ops.iter().enumerate() {
            prop_assert_eq!(real.act(op, &content), model.act(op, &content), "{}: {:?}", i, op);
        }
        prop_assert_eq!(medium.tally().iter().count(), 0);
    }
}

#[test]
fn volumes_are_apart() {
    let medium = medium(1, Odds::calm());
    drop(create(&medium, "/a/x"));
    medium.make_folders(place(Path::new("/b/c"))).expect("folders");
    let moved = medium.rename(place(Path::new("/a/x")), place(Path::new("/b/c/x")));
    assert_eq!(moved.expect_err("another volume").kind(), std::io::ErrorKind::CrossesDevices);
    medium.set_free(Path::new("/a"), Some(10));
    let file = create(&medium, "/a/x");
    assert_eq!(write(&file, 0, &[1; 16]).expect("a part"), 10);
    assert_eq!(write(&file, 10, &[1; 6]).expect_err("full").kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(write(&file, 2, &[2; 6]).expect("takes no space"), 6);
    assert_eq!(write(&create(&medium, "/b/y"), 0, &[1; 16]).expect("has space"), 16);
    medium.remove(place(Path::new("/a/x"))).expect("removes");
    assert_eq!(write(&create(&medium, "/a/z"), 0, &[1; 16]).expect("a part"), 10);
    medium.calm(true);
    assert_eq!(write(&create(&medium, "/a/z"), 10, &[1; 16]).expect("has space"), 16);
}

#[test]
fn every_call_can_fail_as_it_should() {
    let all = [
        Mishap::ReadFails,
        Mishap::WriteFails,
        Mishap::SyncFails,
        Mishap::NoFiles,
        Mishap::ShortTransfer,
        Mishap::NoSpace,
        Mishap::SpaceBack,
    ];
    let odds = all.iter().fold(Odds::calm(), |odds, &mishap| odds.with(mishap, MILLION / 4));
    let medium = medium(3, odds);
    let mut errors = std::collections::BTreeSet::new();
    for i in 0..400u64 {
        medium.make_folders(place(Path::new("/v"))).expect("folders");
        let file = match medium.open(place(Path::new("/v/f")), Access::Create { executable: false }) {
            Ok(file) => file,
            Err(error) => {
                errors.insert(("open", error.raw_os_error()));
                continue;
            }
        };
        let results = [
            ("write", write(&file, i * 3, &[1; 40]).map(drop)),
            ("read", read(&file, 0, 40).map(drop)),
            ("sync", file.sync()),
            ("allocate", file.allocate(i)),
            ("sync folder", medium.sync_folder(place(Path::new("/v")))),
            ("remove", medium.remove(place(Path::new("/v/f")))),
        ];
        errors.extend(
            results.into_iter().filter_map(|(call, result)| Some((call, result.err()?.raw_os_error()))),
        );
    }
    for mishap in all {
        assert!(medium.tally().of(mishap) > 0, "{mishap}");
    }
    let (io, full, files) = (Some(5), Some(28), Some(24));
    for expected in [
        ("open", files),
        ("open", full),
        ("write", io),
        ("write", full),
        ("read", io),
        ("sync", io),
        ("sync folder", io),
        ("allocate", io),
    ] {
        assert!(errors.contains(&expected), "{expected:?}");
    }
    medium.calm(true);
    let file = create(&medium, "/v/f");
    assert_eq!(write(&file, 0, &[1; 40]).expect("writes"), 40);
}
