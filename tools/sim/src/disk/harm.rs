//! Harm that comes from outside of any call: files cut off, deleted or rotten, and resume data that are not ours.

use std::path::{Path, PathBuf};

use tide_base::Instant;

use super::ledger::Cause;
use super::medium::{Medium, State};
use super::names::InodeId;
use crate::mishap::Mishap;

impl Medium {
    /// A moment at which a file may be cut off, deleted, or rot: each is one chance. Only files of known contents are
    /// harmed, that have bytes and are not [spared](Medium::spare). Returns which was, by what.
    pub fn harm(&self, now: Instant) -> Vec<(Mishap, PathBuf)> {
        self.set_now(now);
        let mut guard = self.state();
        let state = &mut *guard;
        let mut done = Vec::new();
        for mishap in [Mishap::BitRot, Mishap::FileShortened, Mishap::FileDeleted] {
            if !state.dice.strikes(mishap) {
                continue;
            }
            if let Some(path) = state.harm_some(mishap) {
                state.dice.hit(mishap);
                done.push((mishap, path));
            }
        }
        done
    }

    /// Between a process's end and its next start: the resume file at `path`, if there is one, may be the one of
    /// earlier, torn, or another torrent's out of `others`: each is one chance, and the first that strikes is all.
    pub fn harm_resume(&self, now: Instant, path: &Path, others: &[Vec<u8>]) -> Option<Mishap> {
        self.set_now(now);
        let current = self.read_file(path)?;
        let mut guard = self.state();
        let state = &mut *guard;
        let (mishap, bytes) = state.other_resume(path, &current, others)?;
        let id = state.names.file(path)?;
        let modified = state.tick();
        let inode = state.inodes.get_mut(&id)?;
        inode.replace(&bytes);
        inode.modified = modified;
        state.dice.hit(mishap);
        Some(mishap)
    }
}

impl State {
    fn harm_some(&mut self, mishap: Mishap) -> Option<PathBuf> {
        let known = |path: &PathBuf| {
            let id = self.names.file(path)?;
            let inode = &self.inodes[&id];
            let harmed = inode.hint.is_some_and(|(content, _)| !self.spared.contains(&content));
            (harmed && inode.body.len > 0).then(|| (path.clone(), id))
        };
        let files: Vec<(PathBuf, InodeId)> = self.names.there.keys().filter_map(known).collect();
        if files.is_empty() {
            return None;
        }
        let (path, id) = files[self.dice.prng().index(files.len())].clone();
        let modified = self.tick();
        let State { inodes, dice, contents, .. } = self;
        let inode = inodes.get_mut(&id)?;
        let len = inode.body.len;
        match mishap {
            Mishap::BitRot => {
                let at = dice.prng().below(len);
                let mut byte = [0];
                inode.body.read(contents, at, &mut byte);
                byte[0] ^= 1 << dice.prng().below(8);
                inode.rot(at, byte.as_slice().into());
            }
            Mishap::FileShortened => {
                inode.shorten(dice.prng().below(len));
                inode.modified = modified;
            }
            _ => {
                self.names.remove(path.clone(), id);
                let strict = self.spec.strict_folders;
                self.names.sync_folder(path.parent().unwrap_or(Path::new("")), strict);
                self.gone.insert(path.clone(), Cause::Deleted);
                self.unlinked(&path, id);
            }
        }
        Some(path)
    }

    /// What a resume file shall hold instead.
    fn other_resume(&mut self, path: &Path, current: &[u8], others: &[Vec<u8>]) -> Option<(Mishap, Vec<u8>)> {
        let earlier = self.earlier.get(path).filter(|earlier| *earlier != current).cloned();
        if let Some(earlier) = earlier
            && self.dice.strikes(Mishap::ResumeStale)
        {
            return Some((Mishap::ResumeStale, earlier));
        }
        let foreign: Vec<&Vec<u8>> = others.iter().filter(|other| *other != current).collect();
        if !foreign.is_empty() && self.dice.strikes(Mishap::ResumeForeign) {
            return Some((Mishap::ResumeForeign, foreign[self.dice.prng().index(foreign.len())].clone()));
        }
        if current.is_empty() || !self.dice.strikes(Mishap::ResumeTorn) {
            return None;
        }
        let prng = self.dice.prng();
        let mut bytes = current.to_vec();
        let cut = prng.index(bytes.len());
        if prng.chance(1, 2) {
            bytes.truncate(cut);
        } else {
            bytes[cut] ^= 1 << prng.below(8);
        }
        Some((Mishap::ResumeTorn, bytes))
    }
}
