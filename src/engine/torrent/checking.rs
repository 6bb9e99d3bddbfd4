//! Hashing what is there: the disk reads, the pool hashes, the pieces that match are had.
//!
//! What a failed sync may have lost is written back between the two: from there on a later sync makes it durable.

use tide_base::{Bits, Chunk, Instant, PieceIndex};
use tide_disk::{Answer, Digest, Done, Hashed, Outcome, Task};
use tide_hash::Sha1Stream;

use super::Torrent;
use super::check::{Looking, WINDOW};
use super::life::Phase;
use crate::desk::gates::{Errand, TorrentErrand};
use crate::desk::{Desk, Owner};
use crate::event::Happening;

impl Torrent {
    /// Reads the next pieces, as far as memory goes; ends the check when all have been looked at.
    pub(super) fn check_more(&mut self, desk: &mut Desk, now: Instant) {
        while let Some(checker) = &mut self.checker {
            if checker.is_done() && matches!(self.phase, Phase::Checking) {
                self.tell_checking(desk, true);
                self.checkpoint.rechecked(now, self.stock.have(), 0);
                return self.start(desk, now);
            }
            let Some(piece) = checker.next_piece(self.spec.layout.piece_len().min(WINDOW)) else { return };
            let len = self.spec.layout.len_of(piece);
            let window = window(desk);
            let stream = (len > window).then(|| Box::new(Sha1Stream::new()));
            let Some(chunks) = take_chunks(desk, len.min(window)) else {
                return desk.wait_for_shares_as(Owner::Torrent(self.slot()));
            };
            checker.begin(piece, Looking { next: 0, stream });
            self.load(desk, piece, 0, chunks);
        }
    }

    fn load(&self, desk: &mut Desk, piece: PieceIndex, offset: u32, chunks: Vec<Chunk>) {
        let errand = Errand::Torrent(self.slot(), TorrentErrand::CheckLoad(piece));
        desk.gates.disk(self.spec.volume, self.spec.store, Task::Load { piece, offset, chunks }, errand);
    }

    /// A part of a piece has been read, or what was read has been written back.
    pub(super) fn check_loaded(&mut self, desk: &mut Desk, now: Instant, piece: PieceIndex, done: Done) {
        let Done { chunks, result, .. } = done;
        let looking = self.checker.as_mut().and_then(|checker| checker.get_mut(piece));
        match (result, looking) {
            (Ok(Outcome::Loaded { complete: true }), Some(looking))
                if self.checkpoint.unsure().has(piece.0) =>
            {
                let task = Task::Write { piece, offset: looking.next, chunks };
                let errand = Errand::Torrent(self.slot(), TorrentErrand::CheckRewrite(piece));
                desk.gates.disk(self.spec.volume, self.spec.store, task, errand);
            }
            (Ok(Outcome::Loaded { complete: true } | Outcome::Written), Some(looking)) => {
                let digest = looking.stream.take().map_or(Digest::Sha1, Digest::Sha1Part);
                let errand = Errand::Torrent(self.slot(), TorrentErrand::CheckHash(piece));
                desk.gates.hash(chunks, digest, errand);
            }
            (Ok(_), _) => self.looked_at(desk, piece, chunks, false),
            (Err(trouble), _) => {
                self.looked_at(desk, piece, chunks, false);
                self.troubled(desk, now, trouble);
            }
        }
    }

    /// A part of a piece has been hashed.
    pub(super) fn check_hashed(&mut self, desk: &mut Desk, _now: Instant, piece: PieceIndex, hashed: Hashed) {
        let Hashed { chunks, answer, .. } = hashed;
        let len = self.spec.layout.len_of(piece);
        match answer {
            Answer::Sha1(digest) => {
                let good = digest == self.expected(piece);
                self.looked_at(desk, piece, chunks, good);
            }
            Answer::Sha1Part(stream) => {
                let Some(looking) = self.checker.as_mut().and_then(|checker| checker.get_mut(piece)) else {
                    return self.looked_at(desk, piece, chunks, false);
                };
                looking.next += tide_base::buffer::total_len(&chunks) as u32;
                let next = looking.next;
                if next == len {
                    let good = stream.finish() == self.expected(piece);
                    return self.looked_at(desk, piece, chunks, good);
                }
                looking.stream = Some(stream);
                let chunks = cut(desk, chunks, len - next);
                self.load(desk, piece, next, chunks);
            }
            Answer::Sha1Blocks(_) | Answer::Studied(_) => unreachable!("a check asks for whole pieces"),
        }
    }

    fn looked_at(&mut self, desk: &mut Desk, piece: PieceIndex, chunks: Vec<Chunk>, good: bool) {
        for chunk in chunks {
            desk.give_chunk(chunk);
        }
        if good {
            self.stock.found(piece);
            self.checkpoint.rewritten(piece);
        }
        if let Some(checker) = &mut self.checker {
            checker.end(piece);
        }
        self.tell_checking(desk, false);
    }

    fn tell_checking(&mut self, desk: &mut Desk, last: bool) {
        let Some((done, total)) = self.checker.as_ref().map(super::check::Checker::progress) else { return };
        let step = (total / 200).max(1);
        if total > 0 && (last || done >= self.told_checked + step) {
            self.told_checked = done;
            self.event(desk, Happening::Checking { done, total });
        }
    }

    /// The hash that the torrent file gives for a piece.
    pub(super) fn expected(&self, piece: PieceIndex) -> [u8; 20] {
        let at = piece.at() * 20;
        self.spec.piece_hashes[at..at + 20].try_into().expect("there is one hash a piece: checked when added")
    }

    /// Begins with these pieces and no others.
    pub(super) fn take_stock(&mut self, have: &Bits) {
        for piece in (0..self.spec.layout.pieces()).map(PieceIndex) {
            match have.has(piece.0) {
                true => self.stock.found(piece),
                false => drop(self.stock.lost(piece, self.priorities.piece(piece))),
            }
        }
    }
}

/// Bytes read and hashed as one job: whole chunks, and no more than half of all memory.
fn window(desk: &Desk) -> u32 {
    let (half, chunk) = (desk.limits.memory / 2, u64::from(desk.limits.chunk_len));
    WINDOW.min(u32::try_from(half / chunk * chunk).unwrap_or(u32::MAX)).max(desk.limits.chunk_len)
}

/// Memory for `len` bytes in chunks, all or nothing.
fn take_chunks(desk: &mut Desk, len: u32) -> Option<Vec<Chunk>> {
    let room = u64::from(len.next_multiple_of(desk.limits.block_len));
    if !desk.purses.has(crate::desk::Stock::Memory, room) {
        return None;
    }
    let mut chunks = Vec::new();
    let mut left = len;
    while left > 0 {
        let want = left.min(desk.limits.chunk_len);
        let capacity = want.next_multiple_of(desk.limits.block_len).min(desk.limits.chunk_len);
        let Some(mut chunk) = desk.take_chunk(capacity) else {
            for chunk in chunks {
                desk.give_chunk(chunk);
            }
            return None;
        };
        chunk.set_len(want);
        chunks.push(chunk);
        left -= want;
    }
    Some(chunks)
}

/// The chunks, cut to `left` bytes together; those that are not needed go home.
fn cut(desk: &mut Desk, chunks: Vec<Chunk>, mut left: u32) -> Vec<Chunk> {
    let mut kept = Vec::new();
    for mut chunk in chunks {
        let len = left.min(chunk.capacity());
        if len == 0 {
            desk.give_chunk(chunk);
            continue;
        }
        chunk.set_len(len);
        left -= len;
        kept.push(chunk);
    }
    kept
}
