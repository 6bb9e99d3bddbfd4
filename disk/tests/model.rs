//! Random jobs on random file tables, against a model that is one array of bytes.

mod common;

use std::path::Path;
use std::sync::atomic::Ordering;

use common::{Desk, Faulty, File, load, spec, wanted, write};
use proptest::prelude::*;
use tide_base::{PieceIndex, Span};
use tide_disk::{Allocation, Backing, Limits, Memory, Outcome, Storage, StoreSpec, System, Task};

#[derive(Clone, Debug)]
enum Step {
    Write {
        piece: u32,
        offset: u32,
        len: u32,
    },
    /// Several pieces at once, so that they are merged.
    WriteMany {
        first: u32,
        count: u32,
    },
    Read {
        piece: u32,
        offset: u32,
        len: u32,
    },
    ReadMany {
        piece: u32,
    },
    Select(Vec<bool>),
    Sync,
    Move(u8),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let any = || any::<u32>();
    prop_oneof![
        4 => (any(), any(), any()).prop_map(|(piece, offset, len)| Step::Write { piece, offset, len }),
        3 => (any(), 1u32..6).prop_map(|(first, count)| Step::WriteMany { first, count }),
        4 => (any(), any(), any()).prop_map(|(piece, offset, len)| Step::Read { piece, offset, len }),
        2 => any().prop_map(|piece| Step::ReadMany { piece }),
        2 => proptest::collection::vec(proptest::bool::ANY, 12).prop_map(Step::Select),
        1 => Just(Step::Sync),
        1 => (0u8..3).prop_map(Step::Move),
        1 => Just(Step::Reopen),
    ]
}

fn files() -> impl Strategy<Value = Vec<File>> {
    let one = (0u64..40, 0u8..6, 0u8..3);
    proptest::collection::vec(one, 1..12).prop_map(|files| {
        let file = |(i, (len, kind, folder)): (usize, (u64, u8, u8))| {
            let folder = ["", "a/", "a/b/"][usize::from(folder)];
            File { path: format!("{folder}f{i}"), len, padding: kind == 0 }
        };
        files.into_iter().enumerate().map(file).collect()
    })
}

/// What each byte should be, and whether it was ever written.
struct Model {
    spec: StoreSpec,
    bytes: Vec<u8>,
    written: Vec<bool>,
    padding: Vec<bool>,
    counter: u8,
}

impl Model {
    fn new(spec: StoreSpec) -> Model {
        let total = spec.files.total() as usize;
        let mut padding = vec![false; total];
        for entry in spec.files.files().iter().filter(|entry| entry.padding) {
            padding[entry.offset as usize..(entry.offset + entry.len) as usize].fill(true);
        }
        Model { bytes: vec![0; total], written: padding.clone(), padding, spec, counter: 0 }
    }

    fn span(&self, piece: u32, offset: u32, len: u32) -> Span {
        let piece = PieceIndex(piece % self.spec.layout.pieces());
        let whole = self.spec.layout.len_of(piece);
        let offset = offset % whole;
        Span { piece, offset, len: 1 + len % (whole - offset) }
    }

    fn at(&self, span: Span) -> usize {
        self.spec.layout.start(span.piece) as usize + span.offset as usize
    }

    fn fresh(&mut self, span: Span) -> Vec<u8> {
        let at = self.at(span);
        let mut fresh = Vec::new();
        for i in at..at + span.len as usize {
            self.counter = self.counter.wrapping_add(1).max(1);
            fresh.push(self.counter);
            self.written[i] = true;
            self.bytes[i] = if self.padding[i] { 0 } else { self.counter };
        }
        fresh
    }
}

fn check<S: Storage>(desk: &mut Desk<S>, model: &Model, span: Span) {
    let (at, len) = (model.at(span), span.len as usize);
    let (expected, written) = (&model.bytes[at..at + len], &model.written[at..at + len]);
    let all = written.iter().all(|&written| written);
    let (loaded, complete) = desk.load(1, span.piece.0, span.offset, span.len).expect("loads");
    for i in 0..len {
        assert!(
            !written[i] || loaded[i] == expected[i],
            "byte {i} of {span:?}: {loaded:?}, not {expected:?}"
        );
        assert!(written[i] || complete || loaded[i] != 0xee, "what is not there is zero");
    }
    match desk.read(1, span.piece.0, span.offset, span.len) {
        Ok(payload) => assert_eq!(payload[..], loaded[..]),
        Err(trouble) => assert!(!all, "{trouble}"),
    }
    assert!(complete || !all);
}

fn take<S: Storage>(desk: &mut Desk<S>, model: &mut Model, base: &Path, step: Step) {
    match step {
        Step::Write { piece, offset, len } => {
            let span = model.span(piece, offset, len);
            let bytes = model.fresh(span);
            desk.write(1, span.piece.0, span.offset, &bytes).expect("writes");
            check(desk, model, span);
        }
        Step::WriteMany { first, count } => {
            let pieces = model.spec.layout.pieces();
            let pieces: Vec<u32> = (0..count).rev().map(|i| (first % pieces + i) % pieces).collect();
            for &piece in &pieces {
                let span = model.span(piece, 0, u32::MAX);
                let whole = Span { len: model.spec.layout.len_of(span.piece), ..span };
                let bytes = model.fresh(whole);
                desk.submit(1, write(whole.piece.0, 0, &bytes));
            }
            let loads = pieces.len();
            for &piece in &pieces {
                desk.submit(1, load(piece, 0, model.spec.layout.len_of(PieceIndex(piece))));
            }
            let done = desk.settle();
            assert_eq!(done.len(), pieces.len() + loads);
            for done in done {
                let outcome = done.result.expect("written or loaded");
                assert!(matches!(outcome, Outcome::Written | Outcome::Loaded { complete: true }));
            }
            for piece in pieces {
                check(desk, model, model.span(piece, 0, u32::MAX));
            }
        }
        Step::Read { piece, offset, len } => check(desk, model, model.span(piece, offset, len)),
        Step::ReadMany { piece } => {
            let whole = model.span(piece, 0, 0);
            let len = model.spec.layout.len_of(whole.piece);
            for offset in 0..len {
                desk.submit(1, Task::Read(Span { offset, len: 1, ..whole }));
            }
            for (i, done) in desk.settle().into_iter().enumerate() {
                let at = model.at(whole) + i;
                if let Ok(Outcome::Read(payload)) = done.result {
                    assert!(!model.written[at] || payload[..] == model.bytes[at..=at]);
                } else {
                    assert!(!model.written[at]);
                }
            }
        }
        Step::Select(choice) => {
            let choice = &choice[..model.spec.files.files().len()];
            model.spec.wanted = wanted(choice);
            let selected = desk.run(1, Task::Select(model.spec.wanted.clone()));
            assert!(matches!(selected, Ok(Outcome::Selected(_))), "{selected:?}");
        }
        Step::Sync => assert!(matches!(desk.run(1, Task::Sync), Ok(Outcome::Synced))),
        Step::Move(to) => {
            model.spec.root = base.join(format!("content{to}"));
            let moved = desk.run(1, Task::Move(model.spec.root.clone()));
            assert!(matches!(moved, Ok(Outcome::Moved)), "{moved:?}");
        }
        Step::Reopen => {
            assert!(matches!(desk.run(1, Task::Close), Ok(Outcome::Closed)));
            desk.open(1, &model.spec).expect("opens");
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Manner {
    backing: Backing,
    allocation: Allocation,
    dribble: bool,
    volumes: bool,
    tiny: bool,
}

fn manner() -> impl Strategy<Value = Manner> {
    let backing = prop_oneof![Just(Backing::Memory), Just(Backing::File), Just(Backing::Mapped)];
    let allocation = prop_oneof![Just(Allocation::Sparse), Just(Allocation::Full)];
    (backing, allocation, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(backing, allocation, dribble, volumes, tiny)| Manner {
            backing,
            allocation,
            dribble,
            volumes,
            tiny,
        },
    )
}

fn limits(manner: Manner) -> Limits {
    if !manner.tiny {
        return Limits::default();
    }
    Limits {
        open_files: 2,
        slices: 2,
        write_run: 40,
        read_run: 8,
        small_buffer: 4,
        idle_buffers: 1,
        ..Limits::default()
    }
}

fn run<S: Storage>(
    storage: S,
    base: &Path,
    manner: Manner,
    files: &[File],
    piece_len: u32,
    steps: Vec<Step>,
) {
    let (storage, faults) = Faulty::new(storage);
    faults.dribble.store(manner.dribble, Ordering::Relaxed);
    faults.volumes.store(manner.volumes, Ordering::Relaxed);
    let mut desk = Desk::new(storage, limits(manner));
    let spec = StoreSpec { allocation: manner.allocation, ..spec(base, manner.backing, files, piece_len) };
    let mut model = Model::new(spec);
    desk.open(1, &model.spec).expect("opens");
    for step in steps {
        take(&mut desk, &mut model, base, step);
    }
    for piece in 0..model.spec.layout.pieces() {
        let span = model.span(piece, 0, 0);
        check(&mut desk, &model, Span { len: model.spec.layout.len_of(span.piece), ..span });
    }
    model.spec.wanted.fill();
    desk.run(1, Task::Select(model.spec.wanted.clone())).expect("selects");
    assert!(matches!(desk.run(1, Task::Delete), Ok(Outcome::Deleted)));
    assert!(matches!(desk.run(1, Task::Close), Ok(Outcome::Closed)));
    desk.open(1, &model.spec).expect("opens").iter().zip(model.spec.files.files()).for_each(
        |(state, entry)| {
            assert!(entry.padding || state.len.is_none(), "deleted");
        },
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_done_every_written_byte_is_there(
        files in files(),
        piece_len in 1u32..50,
        manner in manner(),
        steps in proptest::collection::vec(step(), 1..30),
    ) {
        prop_assume!(files.iter().any(|file| file.len > 0));
        if manner.backing == Backing::Memory {
            run(Memory::default(), Path::new("/m"), manner, &files, piece_len, steps);
        } else {
            let base = tempfile::tempdir().expect("a folder");
            run(System::new(), base.path(), manner, &files, piece_len, steps);
            let left: Vec<_> = walk(&base.path().join("state"));
            prop_assert!(left.iter().all(|name| name.ends_with(".lock")), "left behind: {:?}", left);
        }
    }
}

fn walk(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}
