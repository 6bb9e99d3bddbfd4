//! The file system of one machine: who it is, and what happens to it as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tide_base::{Bits, Instant, PieceIndex, Prng};

use super::body::{Run, Stuff};
use super::content::Content;
use super::held::{Held, Told};
use super::inode::{Fates, Inode};
use super::ledger::Cause;
use super::names::{InodeId, Names};
use crate::dice::{Dice, Odds};
use crate::mishap::{Mishap, Tally};

/// Nanoseconds from 1970 to the beginning of the world: files look as if they were of our days.
const BEGINNING: i128 = 1_700_000_000_000_000_000;
/// Files without a name that are kept until somebody looks for them.
const LITTER: usize = 64;

/// What kind of file system it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediumSpec {
    /// Bytes that are written whole or not at all: 512, or fewer in tiny worlds.
    pub sector: u32,
    /// Whether a folder that was synced may still be lost together with all in it as long as the folder above it was
    /// not synced. POSIX allows it; no journalling file system does it.
    pub strict_folders: bool,
}

impl Default for MediumSpec {
    fn default() -> MediumSpec {
        MediumSpec { sector: 512, strict_folders: false }
    }
}

/// The file system of one machine. Clones are the same one. A volume is the first folder of a path: files cannot be
/// renamed from one to another, and each has its own space. All backings are the same to it: even memory survives.
///
/// A chance for each mishap is: for `ReadFails` a call that reads; for `WriteFails` a call that writes or reserves; for
/// `SyncFails` a call that syncs a file or a folder; for `NoFiles` a call that opens a file; for `ShortTransfer` a call
/// that reads or writes more than one byte; for `NoSpace` a call that writes, reserves or creates on a volume that has
/// space, for `SpaceBack` one on a volume that has none; for `FileShortened`, `FileDeleted` and `BitRot` a call of
/// [`harm`](Medium::harm); for `ResumeStale`, `ResumeTorn` and `ResumeForeign` a call of
/// [`harm_resume`](Medium::harm_resume). `CrashKept`, `CrashLost` and `CrashTorn` are weights against each other, drawn
/// for each write call and each change of a name that is not durable at a crash; if all three are 0, all is kept.
#[derive(Clone, Debug)]
pub struct Medium {
    pub(crate) state: Arc<Mutex<State>>,
    /// Whether this one only looks.
    pub(crate) quiet: bool,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) spec: MediumSpec,
    pub(crate) dice: Dice,
    pub(crate) fates: Fates,
    pub(crate) contents: Vec<Arc<Content>>,
    /// Where contents' files would lie: which content, and the place in the torrent of the file's first byte.
    pub(crate) known: BTreeMap<PathBuf, (u32, u64)>,
    /// Contents whose files are not harmed.
    pub(crate) spared: BTreeSet<u32>,
    pub(crate) names: Names,
    pub(crate) inodes: BTreeMap<InodeId, Inode>,
    next_inode: InodeId,
    /// Names that are gone by the medium's own doing, and what it was.
    pub(crate) gone: BTreeMap<PathBuf, Cause>,
    /// What small files that were replaced held before.
    pub(crate) earlier: BTreeMap<PathBuf, Vec<u8>>,
    pub(crate) locks: BTreeSet<PathBuf>,
    /// The process that runs on it; handles of an earlier one are dead.
    pub(crate) process: u64,
    /// Calls that still change something before the process is no more.
    pub(crate) fuse: Option<u64>,
    /// What is free on volumes that have not enough; on all others there is always space.
    pub(crate) free: BTreeMap<PathBuf, u64>,
    pub(crate) dead: bool,
    clock: i128,
    pub(super) told: Told,
}

impl Medium {
    /// An empty file system, whose mishaps have these odds.
    pub fn new(spec: MediumSpec, prng: Prng, odds: Odds) -> Medium {
        assert!(spec.sector > 0, "a sector has bytes");
        let state = State {
            spec,
            fates: Fates::of(&odds),
            dice: Dice::new(prng, odds),
            contents: Vec::new(),
            known: BTreeMap::new(),
            spared: BTreeSet::new(),
            names: Names::default(),
            inodes: BTreeMap::new(),
            next_inode: 1,
            gone: BTreeMap::new(),
            earlier: BTreeMap::new(),
            locks: BTreeSet::new(),
            process: 1,
            fuse: None,
            free: BTreeMap::new(),
            dead: false,
            clock: BEGINNING,
            told: Told::default(),
        };
        Medium { state: Arc::new(Mutex::new(state)), quiet: false }
    }

    /// Nothing here panics while it holds the lock but for bugs of the simulator, which end the run anyway.
    pub(crate) fn state(&self) -> Held<'_> {
        Held(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is `now`: what is changed from now on is changed then.
    pub fn set_now(&self, now: Instant) {
        let mut held = self.state();
        let state = held.aside();
        state.clock = state.clock.max(BEGINNING + i128::from(now.as_nanos()));
    }

    /// The files of `content` would lie below `root`: what is written there as the content has it takes no memory. To
    /// be told of another volume before content is moved there; on one volume files stay known wherever they go.
    pub fn know(&self, content: &Arc<Content>, root: &Path) {
        self.state().know(content, root);
    }

    /// From now on [`harm`](Medium::harm) leaves the files of a known content below `root` alone.
    pub fn spare(&self, content: &Arc<Content>, root: &Path) {
        let mut state = self.state();
        let number = state.know(content, root);
        state.spared.insert(number);
    }

    /// Puts the whole content below `root`, durably; it takes no memory.
    pub fn fill(&self, content: &Arc<Content>, root: &Path) {
        self.fill_some(content, root, &Bits::full(content.layout().pieces()));
    }

    /// Puts these pieces of a content below `root`, durably; what is between them is zero.
    ///
    /// # Panics
    /// If something that is no file has the name of one of its files.
    pub fn fill_some(&self, content: &Arc<Content>, root: &Path, pieces: &Bits) {
        let mut state = self.state();
        let number = state.know(content, root);
        for (file, entry) in content.files().files().iter().enumerate().filter(|(_, entry)| !entry.padding) {
            let path = content.path(root, file);
            let folder = path.parent().unwrap_or(Path::new(""));
            state.names.make_folders(folder).expect("nothing is in the way of a seed's folders");
            let id = state.create(path);
            let inode = state.inodes.get_mut(&id).expect("it was just made");
            let layout = content.layout();
            let end = entry.offset + entry.len;
            let mut at = entry.offset;
            while at < end {
                let piece = PieceIndex((at / u64::from(layout.piece_len())) as u32);
                let stop = (layout.start(piece) + u64::from(layout.len_of(piece))).min(end);
                if pieces.has(piece.0) {
                    let stuff = Stuff::Made { content: number, from: at };
                    inode.body.put(at - entry.offset, Run { len: stop - at, stuff });
                }
                at = stop;
            }
            if pieces.all() {
                inode.body.set_len(entry.len);
            }
            inode.durable = inode.body.clone();
        }
        state.names.sync();
    }

    /// The process dies: handles and locks are gone, and everything written is there. Its keepers must be gone, too.
    pub fn kill(&self) {
        self.state().end_process();
    }

    /// The machine stops at `now` and starts again: what was not durable is kept, lost or torn, handles and locks are
    /// gone. The keepers of its process must be gone, too.
    pub fn crash(&self, now: Instant) {
        self.set_now(now);
        let mut guard = self.state();
        let state = &mut *guard;
        state.end_process();
        let sector = u64::from(state.spec.sector);
        for inode in state.inodes.values_mut() {
            inode.crash(&mut state.dice, state.fates, sector);
        }
        let gone = state.names.crash(&mut state.dice, state.fates);
        state.lost_names(gone);
    }

    /// What a crash in which nothing is kept that is not durable would leave: another medium, that only looks.
    #[must_use]
    pub fn durable(&self) -> Medium {
        let mut state = self.state().copy();
        for inode in state.inodes.values_mut() {
            inode.lose_all();
        }
        let gone = state.names.lose_all();
        state.lost_names(gone);
        Medium { state: Arc::new(Mutex::new(state)), quiet: true }
    }

    /// The same files for a judge: it never fails, changes nothing, and takes no lock.
    #[must_use]
    pub fn quiet(&self) -> Medium {
        Medium { state: self.state.clone(), quiet: true }
    }

    /// After so many more calls that change something, all fail until [`kill`](Medium::kill) or
    /// [`crash`](Medium::crash): the process ends in the midst of a job.
    pub fn stop_after(&self, calls: u64) {
        self.state().fuse = Some(calls);
    }

    /// The disk is dead from now on: every call fails.
    pub fn die(&self) {
        self.state().dead = true;
    }

    /// So many bytes are free on a volume from now on; `None` is as many as anybody wants.
    pub fn set_free(&self, volume: &Path, free: Option<u64>) {
        let volume = volume_of(volume);
        match free {
            Some(free) => self.state().free.insert(volume, free),
            None => self.state().free.remove(&volume),
        };
    }

    /// The second act: no new mishaps. In the core there is space again and a dead disk is alive; elsewhere all stays
    /// as it is: a full volume full, a dead disk dead.
    pub fn calm(&self, core: bool) {
        let mut state = self.state();
        state.dice.calm();
        if core {
            state.free.clear();
            state.dead = false;
        }
    }

    /// How often each mishap has changed something.
    pub fn tally(&self) -> Tally<Mishap> {
        self.state().dice.tally().clone()
    }

    /// The bytes of a small file, if it is there.
    pub fn read_file(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let inode = &state.inodes[&state.names.file(path)?];
        let mut bytes = vec![0; inode.body.len as usize];
        inode.body.read(&state.contents, 0, &mut bytes);
        Some(bytes)
    }

    /// Puts a small file there, durably, with all folders above it.
    ///
    /// # Panics
    /// If something that is no file has its name, or that of a folder above it.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        let folder = path.parent().unwrap_or(Path::new(""));
        state.names.make_folders(folder).expect("nothing is in the way of the file's folders");
        let id = state.create(path.to_path_buf());
        state.inodes.get_mut(&id).expect("it was just made").replace(bytes);
        state.names.sync();
    }

    /// The files that are there, with their lengths.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let state = self.state();
        let len =
            |path: &PathBuf| state.names.file(path).map(|id| (path.clone(), state.inodes[&id].body.len));
        state.names.there.keys().filter_map(len).collect()
    }

    /// Bytes of memory that it takes, about.
    pub fn cost(&self) -> usize {
        self.state().inodes.values().map(Inode::cost).sum()
    }
}

/// The volume of a path: its first folder.
pub(crate) fn volume_of(path: &Path) -> PathBuf {
    let first = path.components().find(|part| matches!(part, Component::Normal(_)));
    first.map_or_else(PathBuf::new, |part| Path::new(part.as_os_str()).to_path_buf())
}

impl State {
    fn know(&mut self, content: &Arc<Content>, root: &Path) -> u32 {
        let found = self.contents.iter().position(|known| known.info_hash() == content.info_hash());
        let number = found.unwrap_or_else(|| {
            self.contents.push(content.clone());
            self.contents.len() - 1
        }) as u32;
        for (file, entry) in content.files().files().iter().enumerate().filter(|(_, entry)| !entry.padding) {
            self.known.insert(content.path(root, file), (number, entry.offset));
        }
        number
    }

    /// Whose bytes a file of this name probably has.
    pub(crate) fn hint(&self, path: &Path) -> Option<(u32, u64)> {
        let gathered = path.extension().is_some_and(|ending| ending == "~tide");
        self.known
            .get(path)
            .or_else(|| self.known.get(&path.with_extension("")).filter(|_| gathered))
            .copied()
    }

    /// A file of this name, empty if it was not there.
    pub(crate) fn create(&mut self, path: PathBuf) -> InodeId {
        if let Some(id) = self.names.file(&path) {
            return id;
        }
        let id = self.next_inode;
        self.next_inode += 1;
        let mut inode = Inode::new(self.tick(), self.hint(&path));
        if let Some(&cause) = self.gone.get(&path) {
            inode.body.harm(0, u64::MAX, cause);
            inode.durable.harm(0, u64::MAX, cause);
        }
        self.inodes.insert(id, inode);
        self.names.create(path, id);
        id
    }

    /// The next moment at which something is changed: no two are the same.
    pub(crate) fn tick(&mut self) -> i128 {
        self.clock += 1;
        self.clock
    }

    /// A file has lost its name.
    pub(crate) fn unlinked(&mut self, path: &Path, id: InodeId) {
        if let Some(inode) = self.inodes.get_mut(&id) {
            inode.named = false;
            if let Some(free) = self.free.get_mut(&volume_of(path)) {
                *free += inode.body.covered(0, inode.body.len).max(inode.reserved);
            }
        }
        if self.inodes.len() > self.names.there.len() + LITTER {
            let all = self.names.all_files();
            self.inodes.retain(|id, inode| all.contains(id) || Arc::strong_count(&inode.token) > 1);
        }
    }

    fn end_process(&mut self) {
        self.process += 1;
        self.locks.clear();
        self.fuse = None;
    }

    fn lost_names(&mut self, gone: Vec<PathBuf>) {
        for path in gone {
            self.gone.entry(path).or_insert(Cause::Crash);
        }
        let all = self.names.all_files();
        self.inodes.retain(|id, _| all.contains(id));
        for inode in self.inodes.values_mut() {
            inode.named = true;
        }
    }

    /// Everything as it is, but for handles and locks.
    fn copy(&self) -> State {
        State {
            spec: self.spec,
            dice: self.dice.clone(),
            fates: self.fates,
            contents: self.contents.clone(),
            known: self.known.clone(),
            spared: self.spared.clone(),
            names: self.names.clone(),
            inodes: self.inodes.clone(),
            next_inode: self.next_inode,
            gone: self.gone.clone(),
            earlier: self.earlier.clone(),
            locks: BTreeSet::new(),
            process: self.process,
            fuse: None,
            free: self.free.clone(),
            dead: self.dead,
            clock: self.clock,
            told: Told::default(),
        }
    }
}
