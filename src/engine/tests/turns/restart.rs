//! Killed at any moment, or ended in good order, and started again: what is claimed is there, and is not hashed again.

use tide_base::{Duration, PieceIndex, Prng};
use tide_disk::{Memory, Place, Storage};
use tide_engine::{AddTorrent, Command, RateLimits, State, TorrentCommand, TorrentKey};

use crate::content::{content_on, fill, holds, resume_on, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

struct Pair {
    world: World,
    disk: Memory,
    spec: AddTorrent,
    contents: Vec<Vec<u8>>,
    key: TorrentKey,
}

const LEECH: usize = 1;

/// A leech on its way from a slow seed; a seed a number of shards.
fn pair(seed: u64) -> Pair {
    let shards = SHARDS[(seed % 3) as usize];
    let prng = Prng::new(seed).split("restart");
    let mut world = World::new();
    world.lazy = Some(prng.split("lazy"));
    world.gulp = 100;
    let (spec, contents) = torrent(3, &[700, 0, 2500, 900], 128, 64);
    let (seeds, disk) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    let mut slow = tiny(shards);
    slow.rates.up = Some(400);
    let from = world.node(slow, seeds);
    world.add(from, spec.clone());
    let mut setup = tiny(shards);
    setup.limits.checkpoint_after = Duration::from_millis(200);
    let leech = world.node(setup, disk.clone());
    assert_eq!(leech, LEECH);
    let mut wanted = spec.clone();
    wanted.peers = vec![world.nodes[from].addr];
    let key = world.add(leech, wanted.clone());
    Pair { world, disk, spec: wanted, contents, key }
}

impl Pair {
    /// The pieces that resume data claim; all of them are on the disk.
    fn claims(&self) -> u32 {
        let Some(resume) = resume_on(&self.disk, &self.spec) else { return 0 };
        let Some(have) = resume.have else { return 0 };
        let content = content_on(&self.disk, &self.spec);
        for piece in have.iter().map(PieceIndex) {
            let start = self.spec.layout.start(piece) as usize;
            let len = self.spec.layout.len_of(piece) as usize;
            let digest = tide_hash::sha1(&[&content[start..start + len]]);
            let at = piece.at() * 20;
            assert_eq!(digest, self.spec.piece_hashes[at..at + 20], "{piece:?} is claimed and not there");
        }
        have.count()
    }

    fn again(&mut self) {
        self.key = self.world.add(LEECH, self.spec.clone());
    }

    fn is_transferring(&mut self) -> bool {
        let key = self.key;
        matches!(self.world.stats(LEECH, key).state, State::Downloading | State::Seeding)
    }

    fn completes(&mut self) {
        let key = self.key;
        let done = |world: &mut World| world.has_completed(LEECH, key);
        assert!(self.world.run(PATIENCE, done), "the leech completes");
        assert!(holds(&self.disk, &self.spec, &self.contents));
        self.world.shut_down_all();
    }
}

#[test]
fn a_kill_loses_no_claim_and_claims_are_not_hashed_again() {
    for seed in 0..12 {
        let mut pair = pair(seed);
        let mut prng = Prng::new(seed);
        for _ in 0..3 {
            for _ in 0..prng.below(1500) {
                pair.world.step();
            }
            let claimed = pair.claims();
            pair.world.crash(LEECH);
            pair.again();
            let resumed = |pair: &mut Pair| pair.is_transferring();
            let mut steps = 0;
            while !resumed(&mut pair) {
                pair.world.step();
                steps += 1;
                assert!(steps < 100_000, "seed {seed}: it starts again");
            }
            let (key, pieces) = (pair.key, pair.spec.layout.pieces());
            let stats = pair.world.stats(LEECH, key);
            assert!(stats.pieces_done >= claimed, "seed {seed}: a claim is lost");
            let loads = pair.world.nodes[LEECH].loads as u32;
            assert!(loads <= pieces - claimed, "seed {seed}: {loads} hashed, {claimed} claimed");
        }
        pair.completes();
    }
}

/// What is fetched anew may be torn by the next kill: whoever found claims to it then would believe them.
#[test]
fn a_claim_to_what_is_gone_is_taken_back_before_anything_is_fetched() {
    for seed in 0..9 {
        let mut pair = pair(seed);
        let key = pair.key;
        assert!(pair.world.run(PATIENCE, |world| world.has_completed(LEECH, key)));
        let all = pair.spec.layout.pieces();
        while pair.claims() < all {
            pair.world.step();
        }
        pair.world.crash(LEECH);
        let file = &pair.spec.files.files()[2];
        let at = Place { backing: pair.spec.backing, root: &pair.spec.root, below: &file.path };
        pair.disk.remove(at).expect("the file is there");
        pair.again();
        let mut steps = 0;
        while !pair.is_transferring() {
            pair.world.step();
            steps += 1;
            assert!(steps < 100_000, "seed {seed}: it starts again");
        }
        assert!(pair.claims() < all, "seed {seed}: what is gone is claimed");
        pair.completes();
    }
}

#[test]
fn a_clean_end_leaves_nothing_to_be_hashed_and_the_totals() {
    for seed in 0..9 {
        let mut pair = pair(seed);
        let mut prng = Prng::new(seed);
        let mut before = None;
        for _ in 0..3 {
            while !pair.is_transferring() {
                pair.world.step();
            }
            for _ in 0..prng.below(1000) {
                pair.world.step();
            }
            let key = pair.key;
            if before.is_none() {
                pair.world
                    .ask(LEECH, key.shard.0, Command::Torrent(key, TorrentCommand::Stats))
                    .expect("known");
            }
            let stats = pair.world.stats(LEECH, key);
            pair.world.shut_down(LEECH);
            let claimed = pair.claims();
            assert!(claimed >= stats.pieces_done, "seed {seed}");
            pair.world.crash(LEECH);
            pair.again();
            while !pair.is_transferring() {
                pair.world.step();
            }
            assert_eq!(pair.world.nodes[LEECH].loads, 0, "seed {seed}");
            let key = pair.key;
            let again = pair.world.stats(LEECH, key);
            assert!(again.pieces_done >= claimed && again.downloaded >= stats.downloaded, "seed {seed}");
            before = Some(again);
        }
        pair.completes();
    }
}

#[test]
fn a_check_cut_short_by_the_end_of_the_session_loses_nothing() {
    let all = [0, 1, 3, 5, 8, 13, 21, 34];
    for (steps, seed) in all.into_iter().flat_map(|steps| [(steps, 9), (steps, 10), (steps, 11)]) {
        let mut pair = pair(seed);
        let key = pair.key;
        assert!(pair.world.run(PATIENCE, |world| world.has_completed(LEECH, key)));
        let done = pair.world.stats(LEECH, key).downloaded;
        pair.world.send(LEECH, key.shard.0, Command::Torrent(key, TorrentCommand::Recheck));
        for _ in 0..steps {
            pair.world.step();
        }
        pair.world.shut_down(LEECH);
        pair.claims();
        pair.world.crash(LEECH);
        pair.again();
        let key = pair.key;
        assert!(
            pair.world.run(PATIENCE, |world| world.has_completed(LEECH, key)),
            "seed {seed}, after {steps}"
        );
        assert_eq!(pair.world.stats(LEECH, key).downloaded, done, "seed {seed}, after {steps}");
        pair.completes();
    }
}

/// What resume data tell of what an application can change.
type Settings = (Vec<u8>, bool, bool, RateLimits, Vec<Vec<String>>);

impl Pair {
    fn tell(&mut self, what: TorrentCommand) {
        let key = self.key;
        self.world.ask(LEECH, key.shard.0, Command::Torrent(key, what)).expect("it is known");
    }

    /// Ends the session, killed or not, and starts it again; what it has left in resume data.
    fn restart(&mut self, killed: bool) -> Settings {
        match killed {
            true => assert!(!self.world.run(Duration::from_secs(200), |_| false), "resume data are written"),
            false => self.world.shut_down(LEECH),
        }
        self.world.crash(LEECH);
        let kept = resume_on(&self.disk, &self.spec).expect("there are resume data");
        let limits = RateLimits { down: kept.limit_down, up: kept.limit_up };
        (kept.priorities, kept.sequential, kept.paused, limits, kept.trackers)
    }

    fn settles_as(&mut self, state: State) {
        let key = self.key;
        let settled = |world: &mut World| world.stats(LEECH, key).state == state;
        assert!(self.world.run(PATIENCE, settled), "{:?}", self.world.stats(LEECH, key));
    }
}

#[test]
fn what_was_set_is_taken_back_and_what_the_next_add_says_counts_for_more() {
    for (seed, killed) in (0..3).flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut pair = pair(seed);
        let limits = RateLimits { down: Some(5000), up: None };
        let url = "http://10.0.8.9/announce".to_owned();
        pair.tell(TorrentCommand::SetPriorities(vec![0, 4, 7, 4]));
        pair.tell(TorrentCommand::SetSequential(true));
        pair.tell(TorrentCommand::SetLimits(limits));
        pair.tell(TorrentCommand::AddTracker(url.clone()));
        pair.tell(TorrentCommand::Pause);
        let set: Settings = (vec![0, 4, 7, 4], true, true, limits, vec![vec![url]]);
        assert_eq!(pair.restart(killed), set, "seed {seed}");
        pair.again();
        pair.settles_as(State::Paused);
        let key = pair.key;
        assert_eq!(pair.world.stats(LEECH, key).wanted, 3460, "the file of 700 bytes is not wanted");
        assert_eq!(pair.restart(killed), set, "seed {seed}: nobody has said anything");

        let all = (vec![4; 4], false, false, RateLimits::default(), Vec::new());
        let said = AddTorrent {
            priorities: Some(Vec::new()),
            sequential: Some(all.1),
            paused: Some(all.2),
            limits: Some(all.3),
            trackers: Some(all.4.clone()),
            ..pair.spec.clone()
        };
        pair.key = pair.world.add(LEECH, said);
        pair.settles_as(State::Seeding);
        assert!(holds(&pair.disk, &pair.spec, &pair.contents));
        assert_eq!(pair.restart(killed), all, "seed {seed}: what the add said counts");
        pair.again();
        pair.settles_as(State::Seeding);
        pair.world.shut_down_all();
    }
}

#[test]
fn what_is_set_before_resume_data_are_read_counts_for_more() {
    for seed in 0..3 {
        let mut pair = pair(seed);
        pair.tell(TorrentCommand::Pause);
        pair.tell(TorrentCommand::SetPriorities(vec![0, 0, 0, 1]));
        pair.restart(false);
        let hash = pair.spec.info_hashes.v1.expect("a v1 torrent").0;
        let shard = u16::from(hash[19]) % SHARDS[seed as usize];
        pair.world.send(LEECH, shard, Command::Add(Box::new(pair.spec.clone())));
        let key = pair.key;
        // The commands come in the same turn.
        for what in [TorrentCommand::Resume, TorrentCommand::SetPriorities(vec![4; 4])] {
            pair.world.send(LEECH, shard, Command::Torrent(key, what));
        }
        pair.settles_as(State::Seeding);
        assert!(holds(&pair.disk, &pair.spec, &pair.contents));
        pair.world.shut_down_all();
    }
}
