//! The disk threads.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Duration, Span};
use tide_disk::Outcome;

use super::*;
use crate::dice::Dice;
use crate::trail::Trail;

const DISK: [Mishap; 9] = [
    Mishap::DiskSlow,
    Mishap::ReadFails,
    Mishap::WriteFails,
    Mishap::SyncFails,
    Mishap::NoSpace,
    Mishap::SpaceBack,
    Mishap::ShortTransfer,
    Mishap::NoFiles,
    Mishap::BitRot,
];

fn keeper(seed: u64, odds: &Odds) -> (Medium, Keeper) {
    let medium = medium(seed, odds.clone());
    let dice = Dice::new(Prng::new(seed).split("keeper"), odds.clone());
    let pace = Pace { slow: Duration::from_secs(60), ..Pace::default() };
    (medium.clone(), Keeper::new(medium, Limits::default(), dice, pace))
}

fn some_task(prng: &mut Prng, content: &Arc<Content>) -> Task {
    let piece = PieceIndex(prng.below(u64::from(content.layout().pieces())) as u32);
    let len = content.layout().len_of(piece);
    match prng.below(16) {
        0 => Task::Sync,
        1 => Task::SaveResume(vec![1; 100]),
        2 => Task::Close,
        3 => Task::Open(Box::new(spec(content))),
        4 => Task::Stat,
        5 => Task::LoadResume,
        6 => Task::Move(format!("/v/moved-{}", prng.below(3)).into()),
        7 => Task::Select((0..3).filter(|_| prng.chance(1, 2)).fold(Bits::new(3), |mut bits, i| {
            bits.set(i);
            bits
        })),
        8 if prng.chance(1, 4) => Task::Delete,
        9..12 => Task::Read(Span { piece, offset: len / 3, len: len / 3 }),
        12 => {
            let mut chunk = Chunk::new(len);
            chunk.set_len(len);
            Task::Load { piece, offset: 0, chunks: vec![chunk] }
        }
        _ => write_piece(content, piece.0),
    }
}

/// Jobs and answers of some time, as a trail; with all that must hold of them.
fn work(seed: u64, odds: &Odds) -> (Trail, crate::Tally<Mishap>) {
    let content =
        Arc::new(Content::new(ContentSpec::of_lens(seed, &[(200, false), (50, false), (90, false)], 64, 16)));
    let (medium, mut keeper) = keeper(seed, odds);
    medium.know(&content, Path::new("/v/content"));
    let (mut prng, mut trail) = (Prng::new(seed), Trail::default());
    let mut open: BTreeMap<JobId, usize> = BTreeMap::new();
    let mut closings: BTreeMap<JobId, BTreeSet<JobId>> = BTreeMap::new();
    let (mut now, mut last) = (Instant::from_secs(1), Instant::ZERO);
    for id in 0..400 {
        if id < 300 {
            let task = some_task(&mut prng, &content);
            let chunks = if let Task::Load { chunks, .. } | Task::Write { chunks, .. } = &task {
                chunks.len()
            } else {
                0
            };
            if let Task::Close = task {
                closings.insert(JobId(id), open.keys().copied().collect());
            }
            open.insert(JobId(id), chunks);
            keeper.submit(now, job(id, task));
            now += Duration::from_micros(prng.below(3000));
        } else {
            now += Duration::from_secs(3600);
        }
        while keeper.next_at() <= now {
            let at = keeper.next_at();
            assert!(at >= last, "time does not go back");
            last = at;
            while let Some(done) = keeper.poll(at) {
                let chunks = open.remove(&done.id).expect("a job that is open, once");
                assert_eq!(done.chunks.len(), chunks, "memory comes home");
                if let Some(before) = closings.get(&done.id) {
                    let left: Vec<_> = before.iter().filter(|id| open.contains_key(id)).collect();
                    assert!(left.is_empty(), "{left:?} before the closing {:?}", done.id);
                }
                trail.number(at.as_nanos());
                trail.number(done.id.0);
                trail.bytes(format!("{:?}", done.result).as_bytes());
            }
            assert_eq!(keeper.pending(), open.len());
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert_eq!(keeper.next_at(), Instant::NEVER);
    let mut tally = medium.tally();
    tally.merge(keeper.tally());
    (trail, tally)
}

#[test]
fn every_job_is_answered_once_whatever_happens() {
    let mut tally = crate::Tally::default();
    for seed in 0..60 {
        let odds = DISK.iter().fold(Odds::calm(), |odds, &mishap| {
            odds.with(mishap, [0, 1_000, 50_000, 400_000][(seed as usize + mishap as usize) % 4])
        });
        let (trail, counted) = work(seed, &odds);
        assert_eq!(work(seed, &odds), (trail, counted.clone()), "the same again");
        tally.merge(&counted);
    }
    for mishap in DISK.into_iter().filter(|&mishap| mishap != Mishap::BitRot) {
        assert!(tally.of(mishap) > 0, "{mishap}");
    }
    let always = DISK.iter().fold(Odds::calm(), |odds, &mishap| odds.with(mishap, MILLION));
    work(1, &always);
}

#[test]
fn a_disk_that_hangs_answers_nothing_until_it_is_healed() {
    let content = Arc::new(Content::new(ContentSpec::single(1, 100, 50, 10)));
    let (medium, mut keeper) = keeper(1, &Odds::calm().with(Mishap::DiskSlow, MILLION));
    let now = Instant::from_secs(1);
    keeper.submit(now, job(1, Task::Open(Box::new(spec(&content)))));
    assert!(keeper.poll(now).is_none() && keeper.next_at() > now + Duration::from_millis(1));
    keeper.calm(now, false);
    assert_eq!((keeper.next_at(), keeper.pending()), (Instant::NEVER, 1));
    keeper.submit(now, job(2, write_piece(&content, 0)));
    assert!(keeper.poll(Instant::from_secs(1 << 20)).is_none());
    keeper.calm(now, true);
    let mut answers = Vec::new();
    while keeper.next_at() != Instant::NEVER {
        let at = keeper.next_at();
        assert!(at < now + Duration::from_secs(1));
        answers.extend(keeper.poll(at).map(|done| (done.id.0, done.result.is_ok())));
    }
    assert_eq!(answers, [(1, true), (2, true)]);
    keeper.hang();
    assert_eq!(keeper.next_at(), Instant::NEVER);
    drop(medium);
}

#[test]
fn a_process_killed_in_the_midst_of_a_job_leaves_part_of_it() {
    let path = Path::new("/v/state/t.resume");
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let content = Arc::new(Content::new(ContentSpec::single(1, 100, 50, 10)));
        let (medium, mut keeper) = keeper(seed, &crashing());
        let mut now = Instant::from_secs(1);
        for (id, task) in
            [Task::Open(Box::new(spec(&content))), Task::SaveResume(vec![7; 20])].into_iter().enumerate()
        {
            keeper.submit(now, job(id as u64, task));
        }
        while !matches!(keeper.poll(now), Some(Done { result: Ok(Outcome::Opened(_)), .. })) {
            now = keeper.next_at();
        }
        // The save has begun, or is through and not answered.
        now += Duration::from_micros(1);
        assert!(keeper.poll(now).is_none() && keeper.pending() == 1);
        keeper.kill(now);
        medium.kill();
        let names: Vec<_> = medium.files().into_iter().map(|(name, _)| name).collect();
        seen.insert((medium.read_file(path), names.len()));
        let mut stores = open_stores(&medium, spec(&content));
        run(&mut stores, Task::SaveResume(vec![8; 5])).result.expect("nothing is in the way");
        assert_eq!(medium.read_file(path), Some(vec![8; 5]));
    }
    assert_eq!(seen, [(None, 0), (None, 1), (Some(vec![7; 20]), 1)].into());
}
