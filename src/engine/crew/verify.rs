//! A whole piece on its way: hashed from memory while it is hot, judged by the torrent, written, reported as stored.

use tide_base::{Chunk, Instant};
use tide_disk::{Answer, Digest, Hashed, Outcome, Task, Trouble};
use tide_hash::Sha1Stream;

use super::Crew;
use super::lease::{Place, Stage};
use crate::desk::Desk;
use crate::desk::gates::{CrewErrand, Errand, LeaseRef};
use crate::mail::ToTorrent;

impl Crew {
    /// The piece has become whole: hash it.
    pub(super) fn begin_verify(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        let Some(lease) = self.leases.find(id) else { return };
        assert!(lease.whole(), "a piece with missing blocks is not hashed");
        let stream = (!lease.all_held()).then(|| Box::new(Sha1Stream::new()));
        lease.stage = Stage::Hashing { next: 0, stream };
        // Whoever waits to write into it need not any more.
        self.unpark_paging(desk, now, id.piece);
        self.hash_more(desk, id);
    }

    /// Hands the next part of a whole piece to the hash pool: all of it if all is in memory, else chunk by chunk.
    pub(super) fn hash_more(&mut self, desk: &mut Desk, id: LeaseRef) {
        let key = self.key;
        let Some(lease) = self.leases.find(id) else { return };
        let Stage::Hashing { next, stream } = &mut lease.stage else { return };
        let (next, stream) = (*next as usize, stream.take());
        let Some(stream) = stream else {
            let chunks = (0..lease.chunks()).map(|i| lease.take_held(i, Place::Lent)).collect();
            lease.jobs += 1;
            desk.gates.hash(chunks, Digest::Sha1, Errand::Crew(key, CrewErrand::Hash(id)));
            return;
        };
        match lease.place(next) {
            Place::Held(_) => {
                let chunk = lease.take_held(next, Place::Lent);
                lease.jobs += 1;
                let errand = Errand::Crew(key, CrewErrand::Hash(id));
                desk.gates.hash(vec![chunk], Digest::Sha1Part(stream), errand);
            }
            place => {
                let away = matches!(place, Place::Away);
                lease.stage = Stage::Hashing { next: next as u32, stream: Some(stream) };
                if away {
                    self.page_in(desk, id, next);
                }
            }
        }
    }

    /// The hash pool is done with a part of a piece.
    pub(super) fn hashed(&mut self, desk: &mut Desk, now: Instant, errand: CrewErrand, hashed: Hashed) {
        match (errand, hashed.answer) {
            (CrewErrand::Hash(id), Answer::Sha1(digest)) => {
                if self.take_back(desk, now, id, 0, hashed.chunks) {
                    self.judge(desk, id, digest);
                }
            }
            (CrewErrand::Hash(id), Answer::Sha1Part(stream)) => {
                self.hashed_part(desk, now, id, stream, hashed.chunks)
            }
            (CrewErrand::HashBlocks(id), Answer::Sha1Blocks(digests)) => {
                self.blamed_part(desk, now, id, digests, hashed.chunks);
            }
            (errand, answer) => unreachable!("{errand:?} is not answered by {answer:?}"),
        }
    }

    fn hashed_part(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: LeaseRef,
        stream: Box<Sha1Stream>,
        chunks: Vec<Chunk>,
    ) {
        let Some(lease) = self.leases.find(id) else { unreachable!("a lease outlives its jobs") };
        let Stage::Hashing { next, .. } = lease.stage else {
            unreachable!("only a piece being hashed is hashed")
        };
        if !self.take_back(desk, now, id, next as usize, chunks) {
            return;
        }
        let Some(lease) = self.leases.find(id) else { return };
        if lease.is_on_disk(next as usize) {
            let chunk = lease.take_held(next as usize, Place::Away);
            desk.give_chunk(chunk);
        }
        if next as usize + 1 == lease.chunks() {
            self.judge(desk, id, stream.finish());
        } else {
            lease.stage = Stage::Hashing { next: next + 1, stream: Some(stream) };
            self.hash_more(desk, id);
        }
    }

    fn judge(&mut self, desk: &mut Desk, id: LeaseRef, digest: [u8; 20]) {
        let Some(lease) = self.leases.find(id) else { return };
        lease.stage = Stage::Judging;
        let senders = lease.senders();
        desk.tell_torrent(self.torrent, ToTorrent::Judge { lease: id, digest, senders });
    }

    /// The torrent has compared.
    pub(super) fn verdict(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef, good: bool, blocks: bool) {
        let Some(lease) = self.leases.find(id) else { return };
        if blocks {
            lease.stage = Stage::Blaming { good, next: 0, digests: Vec::new() };
            self.blame_more(desk, id);
        } else if good {
            self.write(desk, now, id);
        } else {
            self.end_lease(desk, now, id);
        }
    }

    /// Hands the next chunk of a judged piece to the hash pool, block by block.
    pub(super) fn blame_more(&mut self, desk: &mut Desk, id: LeaseRef) {
        let (key, block_len) = (self.key, self.facts.layout.block_len());
        let Some(lease) = self.leases.find(id) else { return };
        let Stage::Blaming { next, .. } = lease.stage else { return };
        match lease.place(next as usize) {
            Place::Held(_) => {
                let chunk = lease.take_held(next as usize, Place::Lent);
                lease.jobs += 1;
                let errand = Errand::Crew(key, CrewErrand::HashBlocks(id));
                desk.gates.hash(vec![chunk], Digest::Sha1Blocks(block_len), errand);
            }
            Place::Away => self.page_in(desk, id, next as usize),
            // It is on its way, and goes on from there.
            Place::Empty | Place::Lent | Place::Leaving | Place::Coming => {}
        }
    }

    fn blamed_part(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: LeaseRef,
        hashes: Vec<[u8; 20]>,
        chunks: Vec<Chunk>,
    ) {
        let Some(lease) = self.leases.find(id) else { unreachable!("a lease outlives its jobs") };
        let Stage::Blaming { next: at, .. } = lease.stage else {
            unreachable!("only a judged piece is blamed")
        };
        if !self.take_back(desk, now, id, at as usize, chunks) {
            return;
        }
        let Some(lease) = self.leases.find(id) else { return };
        if lease.is_on_disk(at as usize) {
            let chunk = lease.take_held(at as usize, Place::Away);
            desk.give_chunk(chunk);
        }
        let last = at as usize + 1 == lease.chunks();
        let Stage::Blaming { good, next, digests } = &mut lease.stage else { return };
        digests.extend(hashes);
        *next += 1;
        if !last {
            return self.blame_more(desk, id);
        }
        let (good, digests) = (*good, core::mem::take(digests));
        let senders = lease.senders();
        desk.tell_torrent(self.torrent, ToTorrent::Blocks { lease: id, good, digests, senders });
        match good {
            true => self.write(desk, now, id),
            false => self.end_lease(desk, now, id),
        }
    }

    fn write(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        let (key, store, volume) = (self.key, self.facts.store, self.facts.volume);
        let Some(lease) = self.leases.find(id) else { return };
        let mut runs: Vec<(u32, Vec<Chunk>)> = Vec::new();
        let mut last = None;
        for i in 0..lease.chunks() {
            if lease.is_on_disk(i) || !matches!(lease.place(i), Place::Held(_)) {
                last = None;
                continue;
            }
            let chunk = lease.take_held(i, Place::Lent);
            match (last, runs.last_mut()) {
                (Some(_), Some(run)) => run.1.push(chunk),
                _ => runs.push((i as u32, vec![chunk])),
            }
            last = Some(i);
        }
        lease.stage = Stage::Writing;
        lease.jobs += runs.len() as u32;
        if runs.is_empty() {
            return self.write_ends(desk, now, id);
        }
        for (first, chunks) in runs {
            let offset = lease.chunk_start(first as usize);
            let task = Task::Write { piece: id.piece, offset, chunks };
            desk.gates.disk(volume, store, task, Errand::Crew(key, CrewErrand::Write(id, first)));
        }
    }

    /// A run of a verified piece is written, or not.
    pub(super) fn written(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: LeaseRef,
        first: u32,
        chunks: Vec<Chunk>,
        result: Result<Outcome, Trouble>,
    ) {
        for chunk in chunks {
            desk.give_chunk(chunk);
        }
        let Some(lease) = self.leases.find(id) else { unreachable!("a lease outlives its jobs") };
        lease.jobs -= 1;
        lease.set_on_disk(first as usize, result.is_ok());
        if let Err(trouble) = result {
            lease.doomed = true;
            desk.tell_torrent(self.torrent, ToTorrent::Trouble(trouble));
        }
        self.write_ends(desk, now, id);
    }

    /// The piece is stored once all of it is written, also what was on its way to the disk before.
    pub(super) fn write_ends(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        match self.leases.find(id) {
            Some(lease) if lease.jobs > 0 => {}
            Some(lease) if lease.doomed => self.end_lease(desk, now, id),
            Some(_) => self.stored(desk, now, id),
            None => {}
        }
    }

    fn stored(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        let mut lease = self.leases.remove(id.piece).expect("the piece was under lease");
        assert_eq!((lease.id, lease.jobs), (id, 0), "a stored piece has no job under way");
        // What was on disk before the piece was whole was not written again, and may still be held.
        for chunk in lease.take_all() {
            desk.give_chunk(chunk);
        }
        desk.tell_torrent(self.torrent, ToTorrent::Stored(id));
        self.unpark_paging(desk, now, id.piece);
        self.roster.all_hungry();
    }

    /// Takes lent memory back; false if the lease has ended with it.
    fn take_back(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: LeaseRef,
        first: usize,
        chunks: Vec<Chunk>,
    ) -> bool {
        let lease = self.leases.find(id).expect("a lease outlives its jobs");
        lease.jobs -= 1;
        for (i, chunk) in chunks.into_iter().enumerate() {
            let was = lease.replace(first + i, Place::Held(chunk));
            assert!(matches!(was, Place::Lent), "what was lent comes back once");
        }
        if lease.doomed && lease.jobs == 0 {
            self.drop_lease(desk, now, id);
            return false;
        }
        !self.leases.find(id).is_none_or(|lease| lease.doomed)
    }

    /// Ends a lease as soon as no job holds its memory: its blocks are not asked for any more, its memory goes home.
    pub(super) fn end_lease(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        let Some(lease) = self.leases.find(id) else { return };
        lease.doomed = true;
        let idle = lease.jobs == 0;
        self.leases.refresh(id.piece);
        for (_, member) in self.roster.iter_mut() {
            let asked: Vec<_> = member.session.asks().spans().filter(|span| span.piece == id.piece).collect();
            for span in asked {
                member.session.cancel(now, span);
            }
            if member.current == Some(id.piece) {
                member.current = None;
            }
            if member.writing.is_some_and(|block| block.piece == id.piece) {
                member.writing = None;
            }
        }
        if idle {
            self.drop_lease(desk, now, id);
        }
    }

    fn drop_lease(&mut self, desk: &mut Desk, now: Instant, id: LeaseRef) {
        let mut lease = self.leases.remove(id.piece).expect("the piece was under lease");
        for chunk in lease.take_all() {
            desk.give_chunk(chunk);
        }
        desk.tell_torrent(self.torrent, ToTorrent::Returned(id));
        self.unpark_paging(desk, now, id.piece);
        self.roster.all_hungry();
    }
}
