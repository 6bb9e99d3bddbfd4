//! What judges are told, and what it costs.

use super::*;

const ROOT: &str = "/v/content";

fn content(seed: u64) -> Arc<Content> {
    let files = [(100, false), (28, true), (0, false), (300, false), (77, false)];
    Arc::new(Content::new(ContentSpec::of_lens(seed, &files, 64, 16)))
}

fn states(medium: &Medium, content: &Arc<Content>) -> Vec<PieceTruth> {
    let pieces = 0..content.layout().pieces();
    pieces.map(|piece| medium.state_of(content, Path::new(ROOT), PieceIndex(piece))).collect()
}

/// Whether each piece is right, found by reading all files.
fn right(medium: &Medium, content: &Arc<Content>) -> Vec<bool> {
    let mut bytes = Vec::new();
    for (file, entry) in content.files().files().iter().enumerate() {
        let mut found = medium.read_file(&content.path(Path::new(ROOT), file)).unwrap_or_default();
        // What is not there is wrong, whatever it should be.
        let missing = entry.len as usize - found.len();
        let mut made = vec![0; missing];
        content.fill(entry.offset + found.len() as u64, &mut made);
        found.extend(made.iter().map(|byte| if entry.padding { *byte } else { !byte }));
        bytes.extend(found);
    }
    let piece = |(i, piece): (usize, &[u8])| content.is(i as u64 * 64, piece);
    bytes.chunks(64).enumerate().map(piece).collect()
}

#[test]
fn harm_is_known_for_exactly_what_it_harmed() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let content = content(seed);
        let all = [Mishap::BitRot, Mishap::FileShortened, Mishap::FileDeleted];
        let odds = all.iter().fold(Odds::calm(), |odds, &mishap| odds.with(mishap, MILLION / 5));
        let medium = medium(seed, odds);
        medium.fill(&content, Path::new(ROOT));
        assert!(states(&medium, &content).iter().all(|&truth| truth == PieceTruth::Right));
        for _ in 0..4 {
            medium.harm(Instant::from_secs(9));
            let (truths, right) = (states(&medium, &content), right(&medium, &content));
            for (piece, &truth) in truths.iter().enumerate() {
                assert_eq!(truth == PieceTruth::Right, right[piece], "piece {piece}, seed {seed}");
                assert_ne!(truth, PieceTruth::Wrong, "nobody but the medium did anything");
                if let PieceTruth::Damaged(cause) = truth {
                    assert!(cause.is_silent());
                    seen.insert(cause);
                }
                let at = PieceIndex(piece as u32);
                assert_eq!(medium.durable_state_of(&content, Path::new(ROOT), at), truth);
                // It was asked before that harm, and is not told the same.
                assert_eq!(medium.truth_of(&content, &spec(&content), at), truth);
            }
        }
        // Whoever writes everything again has everything again, and none of the medium's excuses.
        medium.calm(true);
        let mut stores = open_stores(&medium, spec(&content));
        for piece in 0..content.layout().pieces() {
            run(&mut stores, write_piece(&content, piece)).result.expect("writes");
        }
        assert!(states(&medium, &content).iter().all(|&truth| truth == PieceTruth::Right));
        let mut wrong = write_piece(&content, 3);
        if let Task::Write { chunks, .. } = &mut wrong {
            chunks[0].bytes_mut()[5] ^= 1;
        }
        run(&mut stores, wrong).result.expect("writes");
        assert_eq!(states(&medium, &content)[3], PieceTruth::Wrong);
        assert!(!medium.damaged(&content, Path::new(ROOT), PieceIndex(3)));
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn what_is_durable_is_what_every_crash_leaves() {
    let root = Path::new(ROOT);
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..150 {
        let content = content(seed);
        let medium = medium(seed, crashing());
        medium.know(&content, root);
        let mut stores = open_stores(&medium, spec(&content));
        let mut prng = Prng::new(seed);
        for piece in 0..content.layout().pieces() {
            match prng.below(4) {
                0 => drop(run(&mut stores, Task::Sync).result.expect("syncs")),
                1 => continue,
                _ => drop(run(&mut stores, write_piece(&content, piece)).result.expect("writes")),
            }
        }
        let pieces = (0..content.layout().pieces()).map(PieceIndex);
        let sure = |piece| medium.durable_state_of(&content, root, piece) == PieceTruth::Right;
        let sure: Vec<bool> = pieces.clone().map(sure).collect();
        let durable = medium.durable();
        medium.crash(Instant::from_secs(1));
        for piece in pieces {
            let truth = medium.state_of(&content, root, piece);
            let sure = sure[piece.at()];
            assert!(!sure || truth == PieceTruth::Right, "{piece}, seed {seed}: {truth:?}");
            assert!(!sure || durable.state_of(&content, root, piece) == PieceTruth::Right);
            assert!(!matches!(truth, PieceTruth::Damaged(cause) if cause != Cause::Crash));
            seen.insert((sure, truth == PieceTruth::Right));
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

/// What a crash took is written again, and then a sync fails: it is the sync that nobody can do anything about.
#[test]
fn what_a_failed_sync_loses_is_not_what_a_crash_took_before() {
    let (root, mut seen) = (Path::new(ROOT), std::collections::BTreeSet::new());
    for seed in 0..60 {
        let content = content(seed);
        let medium = medium(seed, Odds::calm().with(Mishap::CrashLost, MILLION));
        medium.know(&content, root);
        let path = content.path(root, 0);
        let mut bytes = vec![0; 100];
        content.fill(0, &mut bytes);
        let first = |medium: &Medium| medium.state_of(&content, root, PieceIndex(0));
        write(&create(&medium, &path.to_string_lossy()), 0, &bytes).expect("writes");
        medium.crash(Instant::from_secs(1));
        assert_eq!(first(&medium), PieceTruth::Damaged(Cause::Crash));
        let again = create(&medium, &path.to_string_lossy());
        write(&again, 0, &bytes).expect("writes");
        medium.state().dice =
            crate::Dice::new(Prng::new(seed), Odds::calm().with(Mishap::SyncFails, MILLION));
        assert!(again.sync().is_err());
        medium.calm(true);
        again.sync().expect("says that all is well");
        for folder in ["/v", ROOT] {
            sync_folder(&medium, folder);
        }
        medium.crash(Instant::from_secs(2));
        seen.insert(format!("{:?}", first(&medium)));
    }
    assert!(seen.into_iter().eq(["Damaged(FailedSync)", "Right"]));
}

#[test]
fn pieces_are_found_aside_and_after_a_move() {
    let content = content(1);
    let medium = medium(1, Odds::calm());
    let (old, new) = (Path::new(ROOT), Path::new("/v/moved"));
    medium.know(&content, old);
    let mut wanted = Bits::full(5);
    wanted.clear(3);
    let store = StoreSpec { wanted, ..spec(&content) };
    let mut stores = open_stores(&medium, store.clone());
    // It begins with the unwanted file's last bytes.
    let border = PieceIndex(6);
    assert_eq!(medium.truth_of(&content, &store, border), PieceTruth::Wrong);
    for piece in [0, border.0] {
        run(&mut stores, write_piece(&content, piece)).result.expect("writes");
    }
    assert_eq!(medium.state_of(&content, old, border), PieceTruth::Wrong);
    assert_eq!(medium.truth_of(&content, &store, border), PieceTruth::Right);
    assert_eq!(medium.truth_of(&content, &store, PieceIndex(5)), PieceTruth::Wrong);
    assert_eq!(medium.durable().truth_of(&content, &store, border), PieceTruth::Damaged(Cause::Crash));
    run(&mut stores, Task::Sync).result.expect("syncs");
    assert_eq!(medium.durable().truth_of(&content, &store, border), PieceTruth::Right);
    run(&mut stores, Task::Move(new.into())).result.expect("moves");
    assert_eq!(medium.state_of(&content, old, PieceIndex(0)), PieceTruth::Wrong);
    assert_eq!(medium.state_of(&content, new, PieceIndex(0)), PieceTruth::Right);
    let store = StoreSpec { root: new.into(), ..store };
    assert_eq!(medium.truth_of(&content, &store, border), PieceTruth::Right);
    let before = medium.files();
    assert!(medium.quiet().write_fails(), "a judge changes nothing");
    assert_eq!(medium.files(), before);
}

impl Medium {
    fn write_fails(&self) -> bool {
        let at = Path::new("/v/moved/0");
        let file = self.open(place(at), Access::Write).expect("opens");
        write(&file, 0, &[1]).is_err() && self.remove(place(at)).is_err()
    }
}

#[test]
fn resume_data_are_those_of_earlier_torn_or_of_another() {
    let path = Path::new("/v/state/t.resume");
    for (mishap, expected) in [
        (Mishap::ResumeStale, Some(vec![1; 40])),
        (Mishap::ResumeForeign, Some(vec![3; 50])),
        (Mishap::ResumeTorn, None),
    ] {
        let medium = medium(5, Odds::calm().with(mishap, MILLION));
        let mut stores = open_stores(&medium, spec(&content(1)));
        for byte in [1, 2] {
            run(&mut stores, Task::SaveResume(vec![byte; 40])).result.expect("saves");
        }
        let others = [vec![2; 40], vec![3; 50]];
        assert_eq!(medium.harm_resume(Instant::ZERO, path, &others), Some(mishap));
        let found = medium.read_file(path).expect("it is there");
        assert_ne!(found, vec![2; 40]);
        assert!(expected.is_none_or(|expected| found == expected), "{mishap}: {found:?}");
        assert_eq!(medium.tally().of(mishap), 1);
    }
}

#[test]
fn a_hundred_gigabytes_cost_next_to_nothing() {
    let (len, piece_len) = (100_000_000_000, 16 << 20);
    let files = [(len / 3, false), (1000, true), (len - len / 3, false)];
    let spec = ContentSpec { repeat: 2, ..ContentSpec::of_lens(7, &files, piece_len, 16 << 10) };
    let content = Arc::new(Content::new(spec.clone()));
    let medium = medium(1, Odds::calm());
    medium.fill(&content, Path::new(ROOT));
    let file = medium.open(place(Path::new("/v/content/more/2")), Access::Write).expect("opens");
    for i in 0..1000u64 {
        let at = i * 62_000_001;
        let from = content.files().files()[2].offset + at;
        let mut made = vec![0; 16 << 10];
        content.fill(from, &mut made);
        assert!(read(&file, at, 16 << 10).expect("reads") == made);
        write(&file, at, &made).expect("writes");
    }
    file.sync().expect("syncs");
    assert!(medium.cost() < 10 << 10, "{} bytes", medium.cost());
    let last = PieceIndex(content.layout().pieces() - 1);
    assert_eq!(medium.state_of(&content, Path::new(ROOT), last), PieceTruth::Right);
}
