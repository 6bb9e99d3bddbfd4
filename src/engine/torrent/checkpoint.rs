//! What resume data may claim: pieces whose bytes a finished sync has made durable, and no others.
//!
//! A piece is *written* when its write returned, *syncing* while a sync that began later runs, *claimed* once that
//! sync finished. Only then may it stand in resume data. A file that claims less than there is costs hashing after an
//! unclean end; one that claims more would be silent loss.
//!
//! A sync that fails makes pieces *unsure*: what could not be written is forgotten, but counts as written. It is read
//! back as it should be as long as memory holds it, and no later sync writes it. So what is unsure is written again when
//! it has been found, before it can be called durable.

use crate::survey::CheckpointSurvey;
use tide_base::{Bits, Duration, Instant, PieceIndex};

/// When a checkpoint is due.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointLimits {
    /// How long a written piece waits for a sync. A kill loses the claim to what was written in this time; a sync
    /// every few seconds costs a busy disk about a hundredth of its time.
    pub interval: Duration,
    /// Bytes that wait for a sync at most, whatever the time: more would make the sync itself long, and be a long
    /// hash after a kill.
    pub bytes: u64,
    /// How long what is not about pieces (totals, peers, selection) waits to be saved: nobody misses much of it.
    pub idle_interval: Duration,
    /// How long after a failed save the next is tried: long enough for a full disk to be noticed.
    pub retry: Duration,
}

impl CheckpointLimits {
    /// The numbers with the reasons given at each.
    pub const DEFAULT: CheckpointLimits = CheckpointLimits {
        interval: Duration::from_secs(5),
        bytes: 256 << 20,
        idle_interval: Duration::from_secs(120),
        retry: Duration::from_secs(30),
    };
}

impl Default for CheckpointLimits {
    fn default() -> CheckpointLimits {
        CheckpointLimits::DEFAULT
    }
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Sync the torrent's files, then tell [`Checkpoint::sync_finished`] or [`Checkpoint::sync_failed`].
    Sync,
    /// Write resume data that claims [`Checkpoint::claimed`], then tell [`Checkpoint::saved`] or
    /// [`Checkpoint::save_failed`].
    Save,
}

/// The way of pieces from written to claimed, and of claims to the resume file.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    limits: CheckpointLimits,
    written: Bits,
    /// What is written and neither synced nor being synced.
    waiting: Option<Waiting>,
    /// What the sync that runs captured.
    syncing: Option<Bits>,
    claimed: Bits,
    /// What a sync that failed may have lost, and has not been written since.
    unsure: Bits,
    /// Whether a sync failed since the store was opened: of what was written meanwhile, a part may be from before.
    lapsed: bool,
    /// When the claims, or anything else that resume data holds, are to be saved.
    save_at: Instant,
    saving: bool,
    /// No sync and no save before this, after a save failed.
    not_before: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    /// When it is to be synced.
    due: Instant,
    /// How much it is; pieces lost meanwhile stay counted.
    bytes: u64,
}

impl Checkpoint {
    /// Goes on from resume data that claims `claimed`.
    pub fn new(claimed: Bits, limits: CheckpointLimits) -> Checkpoint {
        Checkpoint {
            limits,
            written: Bits::new(claimed.len()),
            waiting: None,
            syncing: None,
            unsure: Bits::new(claimed.len()),
            lapsed: false,
            claimed,
            save_at: Instant::NEVER,
            saving: false,
            not_before: Instant::ZERO,
        }
    }

    /// The store was opened anew, and `claimed` is what is believed of what its resume data claim.
    pub fn reopened(&mut self, claimed: Bits) {
        assert!(!claimed.intersects(&self.unsure), "what is unsure is not believed");
        let unsure = core::mem::replace(&mut self.unsure, Bits::new(0));
        *self = Checkpoint { unsure, ..Checkpoint::new(claimed, self.limits) };
    }

    /// The write of a verified piece, of `bytes` bytes, returned.
    pub fn written(&mut self, now: Instant, piece: PieceIndex, bytes: u64) {
        // A sync that runs may have passed these bytes already, and an older claim is about older bytes.
        self.unclaim(now, piece);
        match self.lapsed {
            true => self.unsure.set(piece.0),
            false => self.unsure.clear(piece.0),
        };
        if self.written.set(piece.0) {
            self.wait(now, now + self.limits.interval, bytes);
        }
    }

    /// `piece` is not there any more: found bad, or its file is gone.
    pub fn lost(&mut self, now: Instant, piece: PieceIndex) {
        self.unclaim(now, piece);
        self.unsure.clear(piece.0);
        self.written.clear(piece.0);
        if self.written.none() {
            self.waiting = None;
        }
    }

    /// Every file was hashed anew and `have` is what was found. Claims begin anew: reading does not tell whether what
    /// was read is durable. A sync that runs counts for nothing; its end must still be told.
    pub fn rechecked(&mut self, now: Instant, have: &Bits, bytes: u64) {
        assert_eq!(have.len(), self.claimed.len(), "a torrent's pieces");
        self.claimed = Bits::new(have.len());
        self.written = have.clone();
        self.waiting = (!have.none()).then_some(Waiting { due: now, bytes });
        if let Some(syncing) = &mut self.syncing {
            *syncing = Bits::new(have.len());
        }
        self.save_by(now);
    }

    /// Something that resume data holds changed, other than pieces.
    pub fn touched(&mut self, now: Instant) {
        self.save_by(now + self.limits.idle_interval);
    }

    /// Everything is to be synced and saved as soon as possible: the torrent stops.
    pub fn hurry(&mut self, now: Instant) {
        self.not_before = Instant::ZERO;
        if let Some(waiting) = &mut self.waiting {
            waiting.due = now;
        }
        self.save_by(now);
    }

    /// What is due at `now`, if anything. A save waits for a sync that is due or runs, to claim its pieces too.
    pub fn next(&self, now: Instant) -> Option<Step> {
        if self.busy() || self.deadline() > now {
            None
        } else if self.sync_at() <= now {
            Some(Step::Sync)
        } else {
            Some(Step::Save)
        }
    }

    /// When [`next`](Self::next) will say something; never while a sync or a save runs.
    pub fn deadline(&self) -> Instant {
        let due = self.sync_at().min(self.save_at);
        if self.busy() || due == Instant::NEVER { Instant::NEVER } else { due.max(self.not_before) }
    }

    /// A sync begins, of everything written until now.
    pub fn sync_begun(&mut self) {
        assert!(!self.busy(), "one sync or save at a time");
        self.waiting = None;
        let none = Bits::new(self.written.len());
        self.syncing = Some(core::mem::replace(&mut self.written, none));
    }

    /// The sync that began last finished: what it captured may be claimed.
    pub fn sync_finished(&mut self, now: Instant) {
        let syncing = self.syncing.take().expect("a sync that finishes began");
        if !syncing.none() {
            self.claimed.union_with(&syncing);
            self.save_by(now);
        }
    }

    /// A sync failed, the one that [began](Self::sync_begun) or another: also what was written since it began may be lost.
    /// There is no other until the store has been [opened anew](Self::reopened).
    pub fn sync_failed(&mut self) {
        self.lapsed = true;
        self.unsure.union_with(&self.written);
        if let Some(syncing) = self.syncing.take() {
            self.unsure.union_with(&syncing);
        }
    }

    /// Resume data say that these pieces were unsure when their session ended.
    pub fn recall_unsure(&mut self, unsure: &Bits) {
        self.unsure.union_with(unsure);
    }

    /// The bytes of `piece` have been read, and written again.
    pub fn rewritten(&mut self, piece: PieceIndex) {
        self.unsure.clear(piece.0);
    }

    /// The pieces that have to be written again before they can be called durable.
    pub fn unsure(&self) -> &Bits {
        &self.unsure
    }

    /// Resume data with the present claims is being written.
    pub fn save_begun(&mut self) {
        assert!(!self.busy(), "one sync or save at a time");
        self.saving = true;
        self.save_at = Instant::NEVER;
    }

    /// Whether a save that it asked for is under way.
    pub fn is_saving(&self) -> bool {
        self.saving
    }

    /// The resume data is in its place.
    pub fn saved(&mut self) {
        assert!(core::mem::take(&mut self.saving), "a save that finishes began");
    }

    /// The resume data could not be written; it is tried again later.
    pub fn save_failed(&mut self, now: Instant) {
        assert!(core::mem::take(&mut self.saving), "a save that fails began");
        self.save_by(now);
        self.not_before = now + self.limits.retry;
    }

    /// The pieces that resume data may claim.
    pub fn claimed(&self) -> &Bits {
        &self.claimed
    }

    /// Whether there is anything that resume data on disk does not say.
    pub fn is_dirty(&self) -> bool {
        self.waiting.is_some() || self.busy() || self.save_at != Instant::NEVER
    }

    /// How it stands.
    pub fn survey(&self) -> CheckpointSurvey {
        CheckpointSurvey {
            written: self.written.clone(),
            syncing: self.syncing.clone(),
            claimed: self.claimed.clone(),
            unsure: self.unsure.clone(),
            saving: self.saving,
        }
    }

    /// Panics if the table contradicts itself.
    pub fn check_invariants(&self) {
        assert!(!self.written.intersects(&self.claimed), "what waits for a sync is not claimed");
        assert!(!self.unsure.intersects(&self.claimed), "what is unsure is not claimed");
        assert_eq!(self.waiting.is_some(), !self.written.none());
        if let Some(syncing) = &self.syncing {
            assert!(!syncing.intersects(&self.claimed), "what is being synced is not claimed");
            assert!(!syncing.intersects(&self.written), "what is written again is synced again");
            assert!(!self.saving, "one sync or save at a time");
        }
    }

    fn unclaim(&mut self, now: Instant, piece: PieceIndex) {
        if let Some(syncing) = &mut self.syncing {
            syncing.clear(piece.0);
        }
        if self.claimed.clear(piece.0) {
            self.save_by(now);
        }
    }

    fn busy(&self) -> bool {
        self.syncing.is_some() || self.saving
    }

    fn sync_at(&self) -> Instant {
        let waiting = self.waiting.filter(|_| !self.lapsed);
        waiting.map_or(Instant::NEVER, |waiting| waiting.due)
    }

    fn wait(&mut self, now: Instant, due: Instant, bytes: u64) {
        let waiting = self.waiting.get_or_insert(Waiting { due, bytes: 0 });
        waiting.bytes += bytes;
        waiting.due = waiting.due.min(due);
        if waiting.bytes >= self.limits.bytes {
            waiting.due = waiting.due.min(now);
        }
    }

    fn save_by(&mut self, at: Instant) {
        self.save_at = self.save_at.min(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Prng;

    const LIMITS: CheckpointLimits = CheckpointLimits {
        interval: Duration::from_secs(5),
        bytes: 100,
        idle_interval: Duration::from_secs(120),
        retry: Duration::from_secs(30),
    };

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    fn empty() -> Checkpoint {
        Checkpoint::new(Bits::new(10), LIMITS)
    }

    fn claims(checkpoint: &Checkpoint) -> Vec<u32> {
        checkpoint.check_invariants();
        checkpoint.claimed().iter().collect()
    }

    #[test]
    fn exactly_what_was_written_before_a_sync_began_is_claimed_when_it_finished() {
        let mut c = empty();
        assert_eq!((c.deadline(), c.is_dirty()), (Instant::NEVER, false));
        c.written(at(1), PieceIndex(0), 10);
        c.written(at(3), PieceIndex(1), 10);
        assert_eq!((c.deadline(), c.next(at(5)), c.next(at(6))), (at(6), None, Some(Step::Sync)));
        c.sync_begun();
        assert_eq!(c.deadline(), Instant::NEVER);
        c.written(at(7), PieceIndex(2), 10);
        assert_eq!(claims(&c), []);
        c.sync_finished(at(8));
        assert_eq!((claims(&c), c.next(at(8))), (vec![0, 1], Some(Step::Save)));
        c.save_begun();
        c.saved();
        assert_eq!((c.deadline(), c.is_dirty()), (at(12), true));
        c.sync_begun();
        c.sync_finished(at(12));
        c.save_begun();
        c.saved();
        assert_eq!((claims(&c), c.is_dirty()), (vec![0, 1, 2], false));
    }

    #[test]
    fn many_bytes_and_a_stop_do_not_wait() {
        let mut c = empty();
        c.written(at(1), PieceIndex(0), 60);
        c.written(at(2), PieceIndex(1), 60);
        assert_eq!(c.next(at(2)), Some(Step::Sync));
        let mut c = empty();
        c.written(at(1), PieceIndex(0), 1);
        c.hurry(at(2));
        assert_eq!(c.next(at(2)), Some(Step::Sync));
        c.sync_begun();
        c.sync_finished(at(2));
        assert_eq!(c.next(at(2)), Some(Step::Save));
        let mut c = empty();
        c.touched(at(1));
        assert_eq!((c.deadline(), c.next(at(121))), (at(121), Some(Step::Save)));
    }

    #[test]
    fn a_failed_save_is_tried_again() {
        let mut c = Checkpoint::new(Bits::full(10), LIMITS);
        c.hurry(at(37));
        c.save_begun();
        c.save_failed(at(38));
        assert_eq!((c.next(at(67)), c.next(at(68)), c.is_dirty()), (None, Some(Step::Save), true));
    }

    #[test]
    fn what_a_failed_sync_may_have_lost_is_written_again_before_it_is_claimed() {
        let unsure = |c: &Checkpoint| c.unsure().iter().collect::<Vec<_>>();
        let mut c = empty();
        c.written(at(1), PieceIndex(0), 10);
        c.sync_begun();
        c.written(at(6), PieceIndex(1), 10);
        c.sync_failed();
        // A part of it may have been written before.
        c.written(at(8), PieceIndex(2), 10);
        assert_eq!((claims(&c), unsure(&c), c.next(at(90))), (vec![], vec![0, 1, 2], None));
        c.reopened(Bits::new(10));
        c.rewritten(PieceIndex(0));
        c.written(at(91), PieceIndex(2), 10);
        assert_eq!(unsure(&c), [1]);
        c.lost(at(91), PieceIndex(1));
        let mut have = Bits::new(10);
        have.set(0);
        have.set(2);
        c.rechecked(at(92), &have, 0);
        assert_eq!((unsure(&c), c.next(at(92))), (vec![], Some(Step::Sync)));
        c.sync_begun();
        c.sync_finished(at(93));
        assert_eq!(claims(&c), [0, 2]);
    }

    #[test]
    fn what_is_lost_or_written_again_during_a_sync_is_not_claimed() {
        let mut c = empty();
        for piece in 0..3 {
            c.written(at(1), PieceIndex(piece), 10);
        }
        c.sync_begun();
        c.lost(at(2), PieceIndex(0));
        c.written(at(2), PieceIndex(1), 10);
        c.sync_finished(at(3));
        assert_eq!(claims(&c), [2]);
        c.lost(at(4), PieceIndex(2));
        assert_eq!((claims(&c), c.next(at(4))), (vec![], Some(Step::Save)));
    }

    #[test]
    fn after_a_recheck_claims_begin_anew_and_a_running_sync_counts_for_nothing() {
        let mut c = Checkpoint::new(Bits::full(10), LIMITS);
        c.lost(at(0), PieceIndex(9));
        c.written(at(0), PieceIndex(9), 10);
        c.sync_begun();
        let mut have = Bits::new(10);
        have.set(4);
        have.set(9);
        c.rechecked(at(1), &have, 20);
        assert_eq!(claims(&c), []);
        c.sync_finished(at(2));
        assert_eq!((claims(&c), c.next(at(2))), (vec![], Some(Step::Sync)));
        c.sync_begun();
        c.sync_finished(at(3));
        assert_eq!(claims(&c), [4, 9]);
    }

    /// A piece as a medium has it: its version in memory, the durable one, whether the next sync writes it.
    #[derive(Clone, Copy, Default)]
    struct Page {
        now: u32,
        durable: u32,
        dirty: bool,
    }

    impl Page {
        fn write(&mut self) {
            *self = Page { now: self.now + 1, dirty: true, ..*self };
        }
    }

    /// After a sync failed: the store is opened anew, and of what is unsure some is found, and written again.
    fn reopen(c: &mut Checkpoint, now: Instant, disk: &mut [Page; 10], prng: &mut Prng) {
        let mut have = c.claimed().clone();
        c.reopened(have.clone());
        for piece in c.unsure().clone().iter() {
            if prng.chance(1, 2) {
                disk[piece as usize].dirty = true;
                c.rewritten(PieceIndex(piece));
                have.set(piece);
            }
        }
        c.rechecked(now, &have, 0);
    }

    /// The disk as a model: a sync makes durable what it held when it began; one that fails forgets some of it.
    #[test]
    fn no_sequence_claims_what_is_not_durable_or_dawdles() {
        for seed in 0..50 {
            let mut prng = Prng::new(seed);
            let mut c = empty();
            let (mut disk, mut captured, mut failed) = ([Page::default(); 10], None, false);
            let mut saving = false;
            for step in 0..400 {
                let now = at(step);
                let piece = prng.below(10) as u32;
                match prng.below(6) {
                    0..2 => {
                        disk[piece as usize].write();
                        c.written(now, PieceIndex(piece), prng.below(40));
                    }
                    2 => c.lost(now, PieceIndex(piece)),
                    3 if saving => {
                        saving = false;
                        if prng.chance(1, 3) { c.save_failed(now) } else { c.saved() }
                    }
                    4 if captured.is_some() => {
                        let synced: [Page; 10] = captured.take().expect("just looked");
                        failed = prng.chance(1, 3);
                        for (page, then) in disk.iter_mut().zip(synced).filter(|(_, then)| then.dirty) {
                            page.durable = if failed && prng.chance(1, 2) { page.durable } else { then.now };
                        }
                        if failed { c.sync_failed() } else { c.sync_finished(now) }
                    }
                    5 if failed && !saving => {
                        failed = false;
                        reopen(&mut c, now, &mut disk, &mut prng);
                    }
                    _ => match c.next(now) {
                        Some(Step::Sync) => {
                            captured = Some(disk);
                            disk.iter_mut().for_each(|page| page.dirty = false);
                            c.sync_begun();
                        }
                        Some(Step::Save) => {
                            saving = true;
                            c.save_begun();
                        }
                        None => {}
                    },
                }
                for piece in claims(&c) {
                    let page = disk[piece as usize];
                    assert_eq!(page.durable, page.now, "seed {seed} step {step}");
                }
                let idle = captured.is_none() && !saving && !failed;
                assert!(!idle || !c.is_dirty() || c.deadline() <= now + LIMITS.idle_interval);
            }
        }
    }
}
