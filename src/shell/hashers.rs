//! The hash pool: the only place where pieces are hashed. Its threads take batches, because several pieces side by
//! side cost less than half of what they cost one after the other.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use tide_base::buffer::slices;
use tide_disk::{Answer, Digest, HashJob, Hashed};
use tide_hash::{Hasher, Message};

use crate::shell::links::{Letter, Post};
use crate::shell::threads::Shared;

/// Starts `threads` threads that answer through `post`. They end when the last sender is dropped.
///
/// # Errors
/// The system has no more threads.
pub(crate) fn start(shared: &Arc<Shared>, threads: u16, post: &Post) -> std::io::Result<Sender<HashJob>> {
    let hasher = Hasher::detect();
    log::debug!("hashing with {}, {} pieces at once", hasher.name(), hasher.lanes());
    // What may wait is bounded by the engine's tokens, shard by shard; they are checked where jobs are sent.
    let (sender, jobs) = crossbeam_channel::unbounded();
    for number in 0..threads {
        let (jobs, post) = (jobs.clone(), post.clone());
        shared.spawn(&format!("tide-hash-{number}"), move || work(hasher, &jobs, post))?;
    }
    Ok(sender)
}

/// A thread's life.
fn work(hasher: Hasher, jobs: &Receiver<HashJob>, mut post: Post) {
    let mut batch = Vec::with_capacity(hasher.lanes());
    while let Ok(job) = jobs.recv() {
        take(hasher, job, &mut batch, &mut post);
        // What waits already goes along; nothing is waited for.
        while batch.len() < hasher.lanes()
            && let Ok(job) = jobs.try_recv()
        {
            take(hasher, job, &mut batch, &mut post);
        }
        hash(hasher, &mut batch, &mut post);
        post.flush();
    }
}

/// Puts a whole piece into the batch. Anything else is done at once: a part of a stream depends on what came before,
/// and the blocks of a piece are a batch of their own.
fn take(hasher: Hasher, job: HashJob, batch: &mut Vec<HashJob>, post: &mut Post) {
    let HashJob { id, shard, chunks, digest } = job;
    let answer = match digest {
        Digest::Sha1 => return batch.push(HashJob { id, shard, chunks, digest: Digest::Sha1 }),
        Digest::Sha1Part(mut stream) => {
            chunks.iter().for_each(|chunk| stream.update(chunk.bytes()));
            Answer::Sha1Part(stream)
        }
        Digest::Sha1Blocks(len) => {
            let runs = runs(&slices(&chunks), len as usize);
            let messages: Vec<Message<'_>> = runs.iter().map(|parts| Message { parts }).collect();
            let mut digests = vec![[0; 20]; messages.len()];
            hasher.sha1_batch(&messages, &mut digests);
            Answer::Sha1Blocks(digests)
        }
        Digest::Study(study) => Answer::Studied(study.study(&slices(&chunks))),
    };
    post.send(shard, Letter::Hashed(Hashed { id, shard, chunks, answer }));
}

/// The bytes of `parts`, one behind the other, in runs of `len`, the last perhaps shorter.
fn runs<'a>(parts: &[&'a [u8]], len: usize) -> Vec<Vec<&'a [u8]>> {
    assert!(len > 0, "a block is not empty");
    let mut runs: Vec<Vec<&[u8]>> = Vec::new();
    let mut room = 0;
    for part in parts {
        let mut rest = *part;
        while !rest.is_empty() {
            if room == 0 {
                runs.push(Vec::new());
                room = len;
            }
            let (head, tail) = rest.split_at(room.min(rest.len()));
            runs.last_mut().expect("there is room in it").push(head);
            room -= head.len();
            rest = tail;
        }
    }
    runs
}

/// Hashes whole pieces side by side, and answers each.
fn hash(hasher: Hasher, batch: &mut Vec<HashJob>, post: &mut Post) {
    let mut digests = vec![[0; 20]; batch.len()];
    {
        let parts: Vec<Vec<&[u8]>> = batch.iter().map(|job| slices(&job.chunks)).collect();
        let messages: Vec<Message<'_>> = parts.iter().map(|parts| Message { parts }).collect();
        hasher.sha1_batch(&messages, &mut digests);
    }
    for (job, digest) in batch.drain(..).zip(digests) {
        let HashJob { id, shard, chunks, .. } = job;
        post.send(shard, Letter::Hashed(Hashed { id, shard, chunks, answer: Answer::Sha1(digest) }));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mio::{Poll, Token, Waker};
    use tide_base::{Chunk, Instant, ShardId};
    use tide_disk::JobId;
    use tide_hash::{Sha1Stream, sha1};

    use super::*;
    use crate::shell::clock::Clock;
    use crate::shell::links::{Bell, Inbox, way};

    fn chunk(bytes: &[u8]) -> Chunk {
        let mut chunk = Chunk::new(bytes.len() as u32);
        chunk.set_len(bytes.len() as u32);
        chunk.bytes_mut().copy_from_slice(bytes);
        chunk
    }

    fn shard() -> (Poll, Arc<Shared>, Post, Inbox) {
        let poll = Poll::new().expect("a poll");
        let (door, inbox) = way(Bell::new(Waker::new(poll.registry(), Token(0)).expect("a waker")), 1000);
        let doors: Arc<[_]> = [door].into();
        let shared = Shared::new(Clock::start(), Arc::clone(&doors));
        (poll, shared, Post::new(doors), inbox)
    }

    #[test]
    fn every_job_is_answered_with_its_own_digest_and_chunks() {
        let (_poll, shared, post, inbox) = shard();
        let pool = start(&shared, 2, &post).expect("threads");
        let piece = |n: u64| vec![n as u8; (n as usize * 37) % 5000];
        for n in 0..100 {
            let chunks = piece(n).chunks(1000).map(chunk).collect();
            let job = HashJob { id: JobId(n), shard: ShardId(0), chunks, digest: Digest::Sha1 };
            pool.send(job).expect("the pool is there");
        }
        let mut got = BTreeMap::new();
        for _ in 0..100 {
            let Ok(Letter::Hashed(hashed)) = inbox.letters.recv() else { panic!("an answer") };
            let Answer::Sha1(digest) = hashed.answer else { panic!("a digest") };
            assert_eq!(slices(&hashed.chunks).concat(), piece(hashed.id.0));
            got.insert(hashed.id.0, digest);
        }
        let expected: BTreeMap<_, _> = (0..100).map(|n| (n, sha1(&[&piece(n)]))).collect();
        assert_eq!(got, expected);
        drop(pool);
        assert!(shared.join("tide-hash", Instant::NEVER));
    }

    #[test]
    fn blocks_are_hashed_one_by_one_wherever_chunks_end() {
        let (_poll, shared, post, inbox) = shard();
        let pool = start(&shared, 1, &post).expect("threads");
        let chunks = [&b"abcde"[..], b"", b"f", b"ghij"].map(chunk).into();
        let job = HashJob { id: JobId(1), shard: ShardId(0), chunks, digest: Digest::Sha1Blocks(4) };
        pool.send(job).expect("the pool is there");
        let Ok(Letter::Hashed(hashed)) = inbox.letters.recv() else { panic!("an answer") };
        let Answer::Sha1Blocks(digests) = hashed.answer else { panic!("digests") };
        assert_eq!(digests, [sha1(&[b"abcd"]), sha1(&[b"efgh"]), sha1(&[b"ij"])]);
    }

    #[derive(Debug)]
    struct Count;

    impl tide_disk::Study for Count {
        fn study(self: Box<Self>, bytes: &[&[u8]]) -> Box<dyn std::any::Any + Send> {
            Box::new(bytes.iter().map(|part| part.len()).sum::<usize>())
        }
    }

    #[test]
    fn what_takes_long_is_done_here_whatever_it_is() {
        let (_poll, shared, post, inbox) = shard();
        let pool = start(&shared, 1, &post).expect("threads");
        let (chunks, digest) = ([&b"abcde"[..], b"ij"].map(chunk).into(), Digest::Study(Box::new(Count)));
        pool.send(HashJob { id: JobId(1), shard: ShardId(0), chunks, digest }).expect("the pool is there");
        let Ok(Letter::Hashed(hashed)) = inbox.letters.recv() else { panic!("an answer") };
        let Answer::Studied(count) = hashed.answer else { panic!("what came of it") };
        assert_eq!((count.downcast_ref(), hashed.chunks.len()), (Some(&7_usize), 2));
    }

    #[test]
    fn a_stream_goes_on_where_its_last_part_ended() {
        let (_poll, shared, post, inbox) = shard();
        let pool = start(&shared, 1, &post).expect("threads");
        let mut stream = Box::new(Sha1Stream::new());
        for part in [&b"one "[..], b"two ", b"three"] {
            let digest = Digest::Sha1Part(stream);
            let job = HashJob { id: JobId(1), shard: ShardId(0), chunks: vec![chunk(part)], digest };
            pool.send(job).expect("the pool is there");
            let Ok(Letter::Hashed(hashed)) = inbox.letters.recv() else { panic!("an answer") };
            let Answer::Sha1Part(advanced) = hashed.answer else { panic!("a stream") };
            stream = advanced;
        }
        assert_eq!(stream.finish(), sha1(&[b"one two three"]));
    }
}
