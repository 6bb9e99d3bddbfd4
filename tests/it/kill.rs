//! `kill -9` in the midst of downloads, a hundred times: what resume data claim is there, is not hashed again, and lags
//! behind by no more than a few seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::Duration;

use tide::metainfo::{Limits, Torrent as Metainfo};
use tide_base::Prng;
use tide_disk::resume::{Checkpoint, Ending};
use tide_test_clients::{Event, Payload, TideCommand};

use crate::work::{LEAVE, Seed, Work, files_below};

/// Chains of kills that run side by side, each in a folder of its own.
const CHAINS: u64 = 5;
/// Kills of each.
const KILLS: u64 = 20;
/// What a download may take in, bytes a second: slow enough that a chain of kills fits into one.
const RATE: u64 = 300_000;
/// How far claims may lag behind what is there. Claims follow three seconds behind; the rest is for a loaded machine.
const LAG: u64 = 10 * RATE;

#[test]
fn a_hundred_kills_leave_claims_that_are_true() {
    let shapes: [fn(&Path, u64) -> Payload; 2] =
        [|dir, seed| Payload::one_file_of(dir, seed, 9_000_001), Payload::many_files];
    let works = shapes.map(Work::new);
    let seeds = works.each_ref().map(Work::seed);
    let claims: Vec<u32> = thread::scope(|scope| {
        let chains: Vec<_> = (0..CHAINS)
            .map(|chain| {
                let at = (chain % 2) as usize;
                let (work, seed) = (&works[at], &seeds[at]);
                scope.spawn(move || Chain::new(work, seed, chain).run())
            })
            .collect();
        chains.into_iter().map(|chain| chain.join().expect("its kills left true claims")).collect()
    });
    // Otherwise nothing was shown.
    assert!(claims.iter().all(|claims| *claims > 0), "{claims:?}");
}

/// One download that is killed again and again.
struct Chain<'a> {
    work: &'a Work,
    seed: &'a Seed,
    content: Content,
    home: PathBuf,
    folder: PathBuf,
    random: Prng,
}

/// What the last kill left.
#[derive(Default)]
struct Left {
    /// Numbers of pieces that the resume file claims.
    claimed: Vec<u32>,
    /// Numbers of pieces whose bytes are right.
    good: Vec<u32>,
}

impl<'a> Chain<'a> {
    fn new(work: &'a Work, seed: &'a Seed, chain: u64) -> Chain<'a> {
        let content = Content::of(work);
        let (home, folder) = (work.dir.folder(format!("home {chain}")), work.folder(&format!("get {chain}")));
        Chain { work, seed, content, home, folder, random: Prng::new(chain) }
    }

    /// Kills it again and again, and lets it come to its end at last; how many pieces were claimed, over all kills.
    fn run(mut self) -> u32 {
        let mut left = Left::default();
        let mut claims = 0;
        for kill in 0..KILLS {
            let next = self.kill(&left);
            claims += next.claimed.len() as u32;
            left = next;
            if left.good.len() == self.content.pieces {
                self.finish(&left);
                fs::remove_dir_all(&self.folder).expect("a folder of ours");
                fs::remove_dir_all(&self.home).expect("a folder of ours");
                fs::create_dir(&self.home).expect("a folder of ours");
                left = Left::default();
            } else if kill + 1 == KILLS {
                self.finish(&left);
            }
        }
        claims
    }

    fn command(&self) -> TideCommand {
        self.work.get(&self.folder).args(["--peer", &self.seed.peer()]).home(&self.home)
    }

    /// Starts it, kills it at some moment, and looks at what that left behind.
    fn kill(&mut self, before: &Left) -> Left {
        let mut tide = self.command().args(["--down", &RATE.to_string()]).start();
        // Most die young, while they open, check, or save for the first time; some grow old enough for later saves.
        let life = if self.random.below(4) == 0 { self.random.below(4_500) } else { self.random.below(700) };
        sleep(Duration::from_millis(life));
        tide.kill();
        self.assert_checked_no_more(&tide.events(), before);
        let (content, folder) = (&self.content, &self.folder);
        let left = Left { claimed: self.claimed(), good: content.good_below(folder) };
        let untrue: Vec<_> = left.claimed.iter().filter(|piece| !left.good.contains(piece)).collect();
        assert!(untrue.is_empty(), "claimed, but not there: {untrue:?}");
        let lost: Vec<_> = before.good.iter().filter(|piece| !left.good.contains(piece)).collect();
        assert!(lost.is_empty(), "it was there before the kill: {lost:?}");
        // What was found when it started is claimed at once or has yet to be; the rest came since.
        let lag = left.good.len().saturating_sub(left.claimed.len().max(before.good.len())) as u64;
        assert!(lag * content.piece_len <= LAG, "{lag} pieces are there and not claimed");
        left
    }

    /// Pieces that were claimed are believed, not hashed.
    fn assert_checked_no_more(&self, events: &[Event], before: &Left) {
        let doubtful = self.content.pieces - before.claimed.len();
        for event in events {
            if let Event::Checking { total, .. } = event {
                let pieces = total.div_ceil(self.content.piece_len);
                assert!(pieces <= doubtful as u64, "{pieces} pieces are hashed, {doubtful} are not claimed");
            }
        }
    }

    /// Lets it come to its end: nothing that is there is fetched again.
    fn finish(&self, left: &Left) {
        let mut tide = self.command().start();
        tide.complete(self.work.hash());
        tide.wait_exit(LEAVE).expect_code(0);
        self.assert_checked_no_more(&tide.events(), left);
        self.work.assert_same(&self.folder);
        let missing = (self.content.pieces - left.good.len()) as u64 * self.content.piece_len;
        let Some(Event::Summary(summary)) = tide.events().pop() else { panic!("no summary at the end") };
        let downloaded = summary["downloaded"].as_u64().expect("the summary says how much came");
        // What is asked for from two peers at the end may come twice; here there is one.
        assert!(downloaded <= missing, "{downloaded} bytes came, {missing} were missing");
        let whole = self.checkpoint().expect("saved at its end");
        assert_eq!(whole.ending, Ending::Clean);
        assert_eq!(whole.have.expect("its pieces are known").count() as usize, self.content.pieces);
    }

    /// The pieces that the resume file claims; none if there is no file yet. A file that is torn is a failure.
    fn claimed(&self) -> Vec<u32> {
        let Some(checkpoint) = self.checkpoint() else { return Vec::new() };
        if self.content.pieces > checkpoint.have.as_ref().map_or(0, |have| have.count()) as usize {
            assert_eq!(checkpoint.ending, Ending::Open, "it was killed");
        }
        checkpoint.have.map_or_else(Vec::new, |have| have.iter().collect())
    }

    fn checkpoint(&self) -> Option<Checkpoint> {
        let is_resume = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "resume");
        let path = files_below(&self.home).into_iter().find(is_resume)?;
        let bytes = fs::read(self.home.join(path)).expect("a file of ours");
        Some(Checkpoint::decode(&bytes, None).expect("replaced whole, whenever the kill came"))
    }
}

/// What belongs to each piece.
struct Content {
    bytes: Vec<u8>,
    files: Vec<(PathBuf, u64)>,
    pieces: usize,
    piece_len: u64,
}

impl Content {
    fn of(work: &Work) -> Content {
        let metainfo = Metainfo::parse(&work.torrent.bytes(), &Limits::default()).expect("made by tide");
        let info = &metainfo.info;
        let files =
            info.files().iter().map(|file| (PathBuf::from(file.path.as_str()), file.length)).collect();
        let (pieces, piece_len) = (info.pieces() as usize, u64::from(info.piece_len()));
        let mut content = Content { bytes: Vec::new(), files, pieces, piece_len };
        content.bytes = content.read(work.payload.parent()).0;
        assert_eq!(content.bytes.len() as u64, work.payload.size());
        content
    }

    /// All bytes below a folder, one file behind another, and for each whether it is there at all.
    fn read(&self, folder: &Path) -> (Vec<u8>, Vec<bool>) {
        let (mut bytes, mut there) = (Vec::new(), Vec::new());
        for (path, len) in &self.files {
            let mut file = fs::read(folder.join(path)).unwrap_or_default();
            there.resize(bytes.len() + file.len(), true);
            file.resize(*len as usize, 0);
            bytes.extend_from_slice(&file);
            there.resize(bytes.len(), false);
        }
        (bytes, there)
    }

    /// The pieces below a folder whose every byte is there and right.
    fn good_below(&self, folder: &Path) -> Vec<u32> {
        let (bytes, there) = self.read(folder);
        let range = |piece: usize| {
            let start = piece * self.piece_len as usize;
            start..(start + self.piece_len as usize).min(bytes.len())
        };
        let right = |piece: &usize| {
            let range = range(*piece);
            bytes[range.clone()] == self.bytes[range.clone()] && there[range].iter().all(|there| *there)
        };
        (0..self.pieces).filter(right).map(|piece| piece as u32).collect()
    }
}
