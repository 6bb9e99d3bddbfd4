//! A file: what is there, what is durable, and what was written in between.

use std::sync::Arc;

use tide_base::Prng;

use super::body::{Body, Contents, Run, Stuff};
use super::ledger::Cause;
use crate::dice::{Dice, Odds};
use crate::mishap::Mishap;

/// Writes that are remembered until a sync; beyond it the oldest reach the disk by themselves, as they do on any system.
const LOG: usize = 1 << 14;
/// How many of them do then: together, so that it is cheap.
const FLUSHED: usize = 1 << 10;

/// Something done to a file that is not durable yet.
#[derive(Clone, Debug)]
enum Change {
    /// One write call: runs that follow each other.
    Write { at: u64, end: u64, runs: Vec<Run> },
    /// It became at least so long.
    Reach(u64),
}

/// A file, whatever it is called.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    /// What is there.
    pub(crate) body: Body,
    /// What survives everything.
    pub(crate) durable: Body,
    log: Vec<Change>,
    /// The time of change, there and durable.
    pub(crate) modified: i128,
    durable_modified: i128,
    /// Which content's bytes are probably written to it, and the place in the torrent of its first byte.
    pub(crate) hint: Option<(u32, u64)>,
    /// Bytes from the beginning on for which space is reserved.
    pub(crate) reserved: u64,
    /// Whether it has a name.
    pub(crate) named: bool,
    /// Shared with all who have it open.
    pub(crate) token: Arc<()>,
}

impl Inode {
    pub(crate) fn new(modified: i128, hint: Option<(u32, u64)>) -> Inode {
        let (body, durable) = (Body::default(), Body::default());
        let (log, token) = (Vec::new(), Arc::new(()));
        Inode {
            body,
            durable,
            log,
            modified,
            durable_modified: modified,
            hint,
            reserved: 0,
            named: true,
            token,
        }
    }

    /// The runs that `bytes`, written at `at`, are kept as.
    pub(crate) fn runs_of(&self, contents: &Contents, at: u64, bytes: &[u8]) -> Run {
        let len = bytes.len() as u64;
        let stuff = match self.hint {
            Some((content, base)) if contents[content as usize].is(base + at, bytes) => {
                Stuff::Made { content, from: base + at }
            }
            _ => Stuff::Bytes { bytes: bytes.into(), from: 0 },
        };
        Run { len, stuff }
    }

    /// One write call.
    pub(crate) fn write(&mut self, at: u64, runs: Vec<Run>) {
        let mut end = at;
        for run in &runs {
            self.body.put(end, run.clone());
            end += run.len;
        }
        if end > at {
            self.log(Change::Write { at, end, runs });
        }
    }

    /// Makes the file at least so long, of reserved space.
    pub(crate) fn reach(&mut self, len: u64) {
        self.reserved = self.reserved.max(len);
        if len > self.body.len {
            self.body.set_len(len);
            self.log(Change::Reach(len));
        }
    }

    fn log(&mut self, change: Change) {
        self.log.push(change);
        if self.log.len() > LOG {
            let oldest: Vec<Change> = self.log.drain(..FLUSHED).collect();
            oldest.iter().for_each(|change| change.apply(&mut self.durable));
        }
    }

    /// Makes everything durable.
    pub(crate) fn sync(&mut self) {
        for change in std::mem::take(&mut self.log) {
            change.apply(&mut self.durable);
        }
        self.durable_modified = self.modified;
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn cost(&self) -> usize {
        let runs = |change: &Change| if let Change::Write { runs, .. } = change { runs.len() } else { 0 };
        let log: usize = self.log.iter().map(|change| 64 + 40 * runs(change)).sum();
        256 + log + self.body.cost() + self.durable.cost()
    }

    /// A sync fails: of what was to be written, some is durable, and some is called clean and is not. Some of that is
    /// forgotten at once, as if memory had been short.
    pub(crate) fn fail_sync(&mut self, prng: &mut Prng) {
        let mut forgotten = Vec::new();
        for change in std::mem::take(&mut self.log) {
            if prng.chance(1, 2) {
                change.apply(&mut self.durable);
            } else if let Change::Write { at, end, .. } = change {
                // Whatever was lost there before, this is what is lost now.
                self.durable.unharm(at, end);
                self.durable.harm(at, end, Cause::FailedSync);
                if prng.chance(1, 4) {
                    forgotten.push((at, end));
                }
            }
        }
        for (at, end) in forgotten {
            self.body.revert(&self.durable, at, end);
            self.body.harm(at, end, Cause::FailedSync);
        }
    }

    /// The machine stops: of what is not durable, each write is kept, lost or torn.
    pub(crate) fn crash(&mut self, dice: &mut Dice, fates: Fates, sector: u64) {
        let mut kept_any = false;
        for change in std::mem::take(&mut self.log) {
            let fate = fates.draw(dice.prng());
            match (&change, fate) {
                (_, Fate::Kept) => change.apply(&mut self.durable),
                (&Change::Write { at, end, ref runs }, Fate::Torn) if sectors(at, end, sector) > 1 => {
                    let cut = (at / sector + 1 + dice.prng().below(sectors(at, end, sector) - 1)) * sector;
                    let head = dice.prng().chance(1, 2);
                    let (kept, lost) = if head { ((at, cut), (cut, end)) } else { ((cut, end), (at, cut)) };
                    self.durable.harm(lost.0, lost.1, Cause::Crash);
                    apply_runs(&mut self.durable, at, runs, kept);
                    kept_any = true;
                    dice.hit(Mishap::CrashTorn);
                    continue;
                }
                (&Change::Write { at, end, .. }, _) => self.durable.harm(at, end, Cause::Crash),
                (Change::Reach(_), _) => {}
            }
            kept_any |= fate == Fate::Kept;
            if let Change::Write { .. } = change {
                // What lies in one sector cannot be torn.
                dice.hit(if fate == Fate::Kept { Mishap::CrashKept } else { Mishap::CrashLost });
            }
        }
        self.body = self.durable.clone();
        self.reserved = self.reserved.min(self.body.len);
        if !kept_any {
            self.modified = self.durable_modified;
        }
        self.durable_modified = self.modified;
    }

    /// Whether the file's bytes `at .. end` are the content's in the durable image, and stay so whatever becomes of
    /// what is not durable.
    pub(crate) fn surely_is(&self, contents: &Contents, span: (u64, u64), content: u32, from: u64) -> bool {
        let wrong = |change: &Change| {
            let Change::Write { at, end, runs } = change else { return false };
            let (begin, stop) = ((*at).max(span.0), (*end).min(span.1));
            if begin >= stop {
                return false;
            }
            let mut written = Body::default();
            apply_runs(&mut written, *at, runs, (begin, stop));
            !written.is(contents, (begin, stop), content, from + (begin - span.0))
        };
        self.durable.is(contents, span, content, from) && !self.log.iter().any(wrong)
    }

    /// Everything that is not durable is gone.
    pub(crate) fn lose_all(&mut self) {
        for change in std::mem::take(&mut self.log) {
            if let Change::Write { at, end, .. } = change {
                self.durable.harm(at, end, Cause::Crash);
            }
        }
        self.body = self.durable.clone();
        self.modified = self.durable_modified;
    }

    /// Becomes so long, by somebody else's hand, at once and for good.
    pub(crate) fn shorten(&mut self, len: u64) {
        self.sync();
        for body in [&mut self.body, &mut self.durable] {
            let end = body.len;
            body.set_len(len);
            body.harm(len, end, Cause::Shortened);
        }
        self.reserved = self.reserved.min(len);
    }

    /// Where nothing is written, the medium has harmed what was.
    pub(crate) fn harm_holes(&mut self, cause: Cause) {
        for body in [&mut self.body, &mut self.durable] {
            let written: Vec<(u64, u64)> =
                body.runs(0, u64::MAX).map(|(at, run)| (at, at + run.len)).collect();
            let ends = written.iter().map(|run| run.1);
            let begins = written.iter().map(|run| run.0);
            let holes: Vec<(u64, u64)> =
                core::iter::once(0).chain(ends).zip(begins.chain(core::iter::once(u64::MAX))).collect();
            for (from, to) in holes.into_iter().filter(|(from, to)| from < to) {
                body.harm(from, to, cause);
            }
        }
    }

    /// Bytes change silently, for good.
    pub(crate) fn rot(&mut self, at: u64, bytes: Arc<[u8]>) {
        self.sync();
        let end = at + bytes.len() as u64;
        for body in [&mut self.body, &mut self.durable] {
            body.put(at, Run { len: end - at, stuff: Stuff::Bytes { bytes: bytes.clone(), from: 0 } });
            body.harm(at, end, Cause::Rot);
        }
    }

    /// Has exactly these bytes from now on, durably.
    pub(crate) fn replace(&mut self, bytes: &[u8]) {
        self.body = Body::default();
        if !bytes.is_empty() {
            self.body.put(
                0,
                Run { len: bytes.len() as u64, stuff: Stuff::Bytes { bytes: bytes.into(), from: 0 } },
            );
        }
        self.log.clear();
        self.durable = self.body.clone();
    }
}

impl Change {
    fn apply(&self, body: &mut Body) {
        match self {
            Change::Write { at, end, runs } => apply_runs(body, *at, runs, (*at, *end)),
            Change::Reach(len) => body.set_len(body.len.max(*len)),
        }
    }
}

/// Puts those parts of runs into a body, the first of which begins at `at`, that lie within `kept`.
fn apply_runs(body: &mut Body, at: u64, runs: &[Run], kept: (u64, u64)) {
    let mut begin = at;
    for run in runs {
        let (from, to) = (begin.max(kept.0), (begin + run.len).min(kept.1));
        if from < to {
            body.put(from, run.part(from - begin, to - from));
        }
        begin += run.len;
    }
}

/// In how many sectors `at .. end` lies.
fn sectors(at: u64, end: u64, sector: u64) -> u64 {
    (end - 1) / sector - at / sector + 1
}

/// What becomes of something that was not durable when the machine stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Kept,
    Lost,
    Torn,
}

/// How probable each of them is, against the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fates {
    kept: u32,
    lost: u32,
    torn: u32,
}

impl Fates {
    pub(crate) fn of(odds: &Odds) -> Fates {
        let of = |mishap| odds.of(mishap);
        Fates { kept: of(Mishap::CrashKept), lost: of(Mishap::CrashLost), torn: of(Mishap::CrashTorn) }
    }

    /// Draws one. Where none of them can be, all is kept.
    pub(crate) fn draw(self, prng: &mut Prng) -> Fate {
        let Fates { kept, lost, torn } = self;
        let all = u64::from(kept) + u64::from(lost) + u64::from(torn);
        let drawn = if all == 0 { 0 } else { prng.below(all) };
        if all == 0 || drawn < u64::from(kept) {
            Fate::Kept
        } else if drawn < u64::from(kept) + u64::from(lost) {
            Fate::Lost
        } else {
            Fate::Torn
        }
    }
}
