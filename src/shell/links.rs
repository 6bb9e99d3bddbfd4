//! The ways between threads: who may tell whom what, how much at the most, and who wakes whom.
//!
//! Every shard has one inbox. What one thread sends there arrives in the order in which it was sent; of two threads
//! nothing is promised. Nobody waits for room: everything that is sent holds a token or is one of few, so a full inbox
//! is a bug, and says so. A bell wakes the receiver, at most once a turn of the sender, and not at all if it has been
//! rung since the receiver last looked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender};
use tide_base::ShardId;
use tide_disk::{Done, Hashed};
use tide_engine::{Arrival, Command, Limits, Listening, Mail, NetError, Reply, ResolveId};

use crate::shell::transport::Transport;

/// Mail that may wait from one shard to another. The engine's tokens bound it far below; this is where a leak shows.
const MAIL: usize = 1 << 16;
/// Commands of the application that may be under way at once, over all its threads.
pub(crate) const COMMANDS: usize = 4096;
/// News of where the session listens; a handful in a lifetime.
const NEWS: usize = 256;
/// Volumes that a session tells apart. More share the last one.
pub(crate) const VOLUMES: usize = 64;

/// What arrives in a shard's inbox.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Of another shard's engine.
    Mail {
        /// Whose.
        from: ShardId,
        /// What it says.
        mail: Mail,
    },
    /// A connection of another shard that belongs here.
    HandOver {
        /// What the engine must know.
        arrival: Box<Arrival>,
        /// The stream, watched by nobody.
        stream: Box<dyn Transport>,
    },
    /// A disk job is done.
    Disk(Done),
    /// A hash job is done.
    Hashed(Hashed),
    /// A name was looked up.
    Resolved {
        /// The asker's number.
        id: ResolveId,
        /// What was found.
        result: Result<Vec<std::net::IpAddr>, NetError>,
    },
    /// The application wants something.
    Command {
        /// What.
        command: Box<Command>,
        /// Where the answer goes. Dropped unanswered, it tells the asker that the session is over.
        reply: Sender<Reply>,
    },
    /// Where the session listens.
    Listening(Listening),
}

/// What wakes a shard.
#[derive(Debug)]
pub(crate) struct Bell {
    waker: mio::Waker,
    rung: AtomicBool,
}

impl Bell {
    /// A bell that wakes through `waker`.
    pub(crate) fn new(waker: mio::Waker) -> Bell {
        Bell { waker, rung: AtomicBool::new(false) }
    }

    /// Wakes the shard, unless it has been woken and has not looked yet.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst)
            && let Err(error) = self.waker.wake()
        {
            log::error!("a thread cannot be woken: {error}");
        }
    }

    /// The shard looks now: whoever sends from here on must ring again.
    pub(crate) fn answer(&self) {
        self.rung.store(false, Ordering::SeqCst);
    }
}

/// The sender's end of the way to a shard.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    letters: Sender<Letter>,
    bell: Arc<Bell>,
    capacity: usize,
}

/// The receiver's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// What has arrived.
    pub(crate) letters: Receiver<Letter>,
    /// What woke us.
    pub(crate) bell: Arc<Bell>,
}

/// How many letters may wait for one shard.
pub(crate) fn inbox_capacity(limits: &Limits, shards: u16) -> usize {
    let (disk, hash) = (limits.disk_jobs as usize * VOLUMES, limits.hash_jobs as usize);
    let names = limits.announces as usize + limits.half_open as usize;
    let others = usize::from(shards) - 1;
    // A session that ends says `stopped` to every tracker of every torrent in one turn.
    let announces = limits.torrents as usize * 8;
    others * (MAIL + announces + limits.strangers as usize) + disk + hash + names + COMMANDS + NEWS
}

/// A way to a shard whose bell is `bell`, for at most `capacity` letters.
///
/// The channel takes memory for what waits and not for what might: between many shards the latter would be most of
/// a session's memory. The capacity is kept by assertion.
pub(crate) fn way(bell: Bell, capacity: usize) -> (Door, Inbox) {
    let (sender, receiver) = crossbeam_channel::unbounded();
    let bell = Arc::new(bell);
    (Door { letters: sender, bell: Arc::clone(&bell), capacity }, Inbox { letters: receiver, bell })
}

impl Door {
    /// Puts a letter in, without waking anybody. If the shard is gone, so is the letter.
    ///
    /// # Panics
    /// If the inbox is full: somebody sent without a token.
    fn put(&self, letter: Letter) {
        assert_room(&self.letters, self.capacity, "the inbox of a shard");
        // A shard that has finished needs no letters, and its askers see that their reply is dropped.
        let _ = self.letters.send(letter);
    }

    /// Puts a letter in and wakes the shard.
    pub(crate) fn deliver(&self, letter: Letter) {
        self.put(letter);
        self.bell.ring();
    }

    /// Wakes the shard.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }
}

/// Asserts that one more fits into `channel`.
pub(crate) fn assert_room<T>(channel: &Sender<T>, capacity: usize, what: &str) {
    let waiting = channel.len();
    assert!(waiting < capacity, "{what} is full ({capacity}): something was sent without a token");
}

/// One thread's ways to all shards, with its memory of whom to wake.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    doors: Arc<[Door]>,
    to_wake: Vec<bool>,
}

impl Post {
    /// Ways through these doors.
    pub(crate) fn new(doors: Arc<[Door]>) -> Post {
        Post { to_wake: vec![false; doors.len()], doors }
    }

    /// Sends a letter; [`flush`](Self::flush) wakes its receiver.
    pub(crate) fn send(&mut self, to: ShardId, letter: Letter) {
        self.doors[usize::from(to.0)].put(letter);
        self.to_wake[usize::from(to.0)] = true;
    }

    /// Wakes everybody who was sent something since the last time.
    pub(crate) fn flush(&mut self) {
        for (door, wake) in self.doors.iter().zip(&mut self.to_wake) {
            if std::mem::take(wake) {
                door.ring();
            }
        }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> u16 {
        u16::try_from(self.doors.len()).expect("shards are numbered with 16 bits")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token, Waker};

    use super::*;

    fn news(port: u16) -> Letter {
        Letter::Listening(Listening { tcp: vec![([127, 0, 0, 1], port).into()], ..Listening::default() })
    }

    fn port(letter: Letter) -> u16 {
        match letter {
            Letter::Listening(listening) => listening.tcp[0].port(),
            other => panic!("not news: {other:?}"),
        }
    }

    fn line(capacity: usize) -> (Poll, Post, Inbox) {
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
        let (door, inbox) = way(Bell::new(waker), capacity);
        (poll, Post::new([door].into()), inbox)
    }

    fn wakes(poll: &mut Poll) -> usize {
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::ZERO)).expect("a poll");
        events.iter().count()
    }

    #[test]
    fn letters_keep_their_order_and_wake_once_a_flush() {
        let (mut poll, mut post, inbox) = line(10);
        for n in 0..5 {
            post.send(ShardId(0), news(n));
        }
        assert_eq!(wakes(&mut poll), 0);
        post.flush();
        assert_eq!(wakes(&mut poll), 1);
        post.flush();
        assert_eq!(wakes(&mut poll), 0, "nothing was sent since");
        assert_eq!(inbox.letters.try_iter().map(port).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_bell_that_was_not_answered_is_not_rung_again() {
        let (mut poll, mut post, inbox) = line(10);
        post.send(ShardId(0), news(1));
        post.flush();
        assert_eq!(wakes(&mut poll), 1);
        post.send(ShardId(0), news(2));
        post.flush();
        assert_eq!(wakes(&mut poll), 0);
        inbox.bell.answer();
        post.send(ShardId(0), news(3));
        post.flush();
        assert_eq!(wakes(&mut poll), 1);
    }

    #[test]
    #[should_panic(expected = "without a token")]
    fn a_full_inbox_is_a_bug() {
        let (_poll, mut post, _inbox) = line(2);
        for n in 0..3 {
            post.send(ShardId(0), news(n));
        }
    }

    #[test]
    fn a_letter_to_a_shard_that_is_gone_is_dropped_and_its_asker_told() {
        let (_poll, mut post, inbox) = line(2);
        let (reply, answer) = crossbeam_channel::bounded(1);
        let ask = |reply| Letter::Command { command: Box::new(Command::SessionStats), reply };
        post.send(ShardId(0), ask(reply));
        drop(inbox);
        assert!(answer.recv().is_err(), "also what had arrived already");
        let (reply, answer) = crossbeam_channel::bounded(1);
        post.send(ShardId(0), ask(reply));
        assert!(answer.recv().is_err());
    }
}
