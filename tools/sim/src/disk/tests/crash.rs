//! What a machine that stopped leaves.

use super::*;

#[test]
fn what_was_synced_survives_and_what_was_not_is_kept_lost_or_torn() {
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let medium = medium(seed, crashing());
        let file = create(&medium, "/v/f");
        write(&file, 0, &[1; 64]).expect("writes");
        file.sync().expect("syncs");
        sync_folder(&medium, "/v");
        write(&file, 20, &[2; 24]).expect("writes");
        write(&file, 60, &[3; 24]).expect("writes");
        drop(create(&medium, "/v/new"));
        medium.crash(Instant::from_secs(1));
        assert!(read(&file, 0, 1).is_err(), "its process is gone");
        let bytes = medium.read_file(Path::new("/v/f")).expect("it was synced");
        for (at, &byte) in bytes.iter().enumerate() {
            let may_be: &[u8] = match at {
                20..44 => &[1, 2],
                60..64 => &[1, 3],
                64..84 => &[0, 3],
                _ => &[1],
            };
            assert!(may_be.contains(&byte), "{byte} at {at}");
        }
        let twos = bytes.iter().filter(|&&byte| byte == 2).count();
        let cut = bytes[20..44].windows(2).position(|pair| pair[0] != pair[1]).map(|at| (at + 21) % 8);
        assert!(matches!(cut, None | Some(0)), "torn at a sector");
        seen.insert(match twos {
            0 => "lost",
            24 => "kept",
            _ => "torn",
        });
        seen.insert(if medium.read_file(Path::new("/v/new")).is_some() { "name" } else { "no name" });
        let tally = medium.tally();
        let of = |mishap| tally.of(mishap);
        let fates = of(Mishap::CrashKept) + of(Mishap::CrashLost) + of(Mishap::CrashTorn);
        assert_eq!(fates, 3, "two writes and a name");
    }
    assert_eq!(seen.len(), 5, "{seen:?}");
}

#[test]
fn a_killed_process_leaves_all_it_wrote_and_no_lock() {
    let medium = medium(1, crashing());
    let file = create(&medium, "/v/f");
    write(&file, 0, &[1; 64]).expect("writes");
    let at = Path::new("/v/lock");
    let lock = medium.lock(place(at)).expect("locks");
    medium.kill();
    assert_eq!(medium.read_file(Path::new("/v/f")), Some(vec![1; 64]));
    assert!(write(&file, 0, &[2]).is_err() && file.sync().is_err());
    let _ours = medium.lock(place(at)).expect("nobody holds it");
    drop(lock);
    assert!(medium.lock(place(at)).is_err(), "the dead hold nothing, and let go of nothing");
}

/// Saves resume data twice; the second time the machine stops after so many calls. Returns what is there then, and
/// whether the second time was answered.
fn save_twice(seed: u64, calls: u64) -> (Option<Vec<u8>>, bool) {
    let content = Arc::new(Content::new(ContentSpec::single(1, 100, 50, 10)));
    let medium = medium(seed, crashing());
    let mut stores = open_stores(&medium, spec(&content));
    run(&mut stores, Task::SaveResume(vec![1; 40])).result.expect("saves");
    medium.stop_after(calls);
    let saved = run(&mut stores, Task::SaveResume(vec![2; 30])).result.is_ok();
    medium.crash(Instant::from_secs(1));
    (medium.read_file(Path::new("/v/state/t.resume")), saved)
}

#[test]
fn a_resume_file_is_the_old_or_the_new_one() {
    let mut seen = std::collections::BTreeSet::new();
    for calls in 0..9 {
        for seed in 0..250 {
            let (bytes, saved) = save_twice(seed, calls);
            let bytes = bytes.expect("it was durable once");
            assert!(
                bytes == [2; 30] || (!saved && bytes == [1; 40]),
                "{calls} calls, seed {seed}: {bytes:?}"
            );
            seen.insert((saved, bytes[0]));
        }
    }
    assert_eq!(seen.len(), 3, "not at all, on the way, and through: {seen:?}");
}

#[test]
fn who_renames_before_syncing_is_caught() {
    let caught = |seed: u64| {
        let medium = medium(seed, crashing());
        medium.write_file(Path::new("/v/r"), &[1; 40]);
        let file = create(&medium, "/v/r.new");
        write(&file, 0, &[2; 30]).expect("writes");
        medium.rename(place(Path::new("/v/r.new")), place(Path::new("/v/r"))).expect("renames");
        sync_folder(&medium, "/v");
        medium.crash(Instant::from_secs(1));
        let bytes = medium.read_file(Path::new("/v/r")).expect("it has a name");
        bytes.is_empty() || bytes.contains(&0)
    };
    assert!((0..50).any(caught));
}

#[test]
fn folders_that_were_not_synced_take_all_in_them_along_if_that_is_wanted() {
    let lost = |strict_folders| {
        (0..50).filter(move |&seed| {
            let medium = Medium::new(MediumSpec { sector: 8, strict_folders }, Prng::new(seed), crashing());
            create(&medium, "/v/a/b/f").sync().expect("syncs");
            sync_folder(&medium, "/v/a/b");
            medium.crash(Instant::ZERO);
            medium.read_file(Path::new("/v/a/b/f")).is_none()
        })
    };
    assert_eq!((lost(false).count(), lost(true).count() > 0), (0, true));
}

#[test]
fn a_sync_that_failed_may_lose_what_a_later_one_does_not_bring_back() {
    let mut lost = 0;
    for seed in 0..60 {
        let medium = medium(seed, Odds::calm());
        let file = create(&medium, "/v/f");
        sync_folder(&medium, "/v");
        write(&file, 0, &[1; 8]).expect("writes");
        medium.state().dice =
            crate::Dice::new(Prng::new(seed), Odds::calm().with(Mishap::SyncFails, MILLION));
        assert!(file.sync().is_err());
        medium.calm(true);
        file.sync().expect("says that all is well");
        medium.crash(Instant::ZERO);
        lost += usize::from(medium.read_file(Path::new("/v/f")) != Some(vec![1; 8]));
    }
    assert!((10..50).contains(&lost), "{lost} of 60");
}
