//! Buffers for content on its way out where pages cannot be lent.
//!
//! The pool is a shelf of idle buffers, not a ration: an empty shelf means a new buffer, never a read that waits. Who
//! asks for reads bounds how much of them is under way (the engine's upload budget), so a second bound here could only
//! disagree with the first and, since a waiting read needs a buffer that waits for a socket, deadlock one volume on the
//! slowest peer of another.

use crossbeam_channel::{Receiver, Sender, bounded};
use tide_base::Payload;

use crate::limits::Limits;

/// Idle buffers of two lengths. Buffers come home by being dropped, from any thread.
#[derive(Debug)]
pub(crate) struct Pool {
    small: Shelf,
    large: Shelf,
}

#[derive(Debug)]
struct Shelf {
    len: usize,
    idle: Receiver<Box<[u8]>>,
    home: Sender<Box<[u8]>>,
}

/// A buffer that goes back to its shelf when the last payload made of it is dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Box<[u8]>,
    len: usize,
    home: Option<Sender<Box<[u8]>>>,
}

/// What any number of idle buffers is lowered to: a shelf takes memory for all that it might hold.
const IDLE_MOST: usize = 1 << 16;

impl Pool {
    pub(crate) fn new(limits: &Limits) -> Pool {
        let shelf = |len: u32| {
            let (home, idle) = bounded(limits.idle_buffers.min(IDLE_MOST));
            Shelf { len: len as usize, idle, home }
        };
        Pool { small: shelf(limits.small_buffer), large: shelf(limits.read_run) }
    }

    /// A buffer with `len` bytes in use, of whatever values. One longer than any on the shelves is made for the
    /// occasion.
    pub(crate) fn take(&self, len: usize) -> Buffer {
        let shelf = if len <= self.small.len { &self.small } else { &self.large };
        if len > shelf.len {
            return Buffer { memory: vec![0; len].into(), len, home: None };
        }
        let memory = shelf.idle.try_recv().unwrap_or_else(|_| vec![0; shelf.len].into());
        Buffer { memory, len, home: Some(shelf.home.clone()) }
    }
}

impl Buffer {
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len]
    }

    pub(crate) fn into_payload(self) -> Payload {
        Payload::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            // A full shelf, or one that is gone, means that the memory is not needed.
            let _ = home.try_send(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_home_with_their_last_payload_and_only_so_many_are_kept() {
        let limits = Limits { idle_buffers: 1, read_run: 64, small_buffer: 16, ..Limits::default() };
        let pool = Pool::new(&limits);
        let mut buffer = pool.take(10);
        buffer.bytes_mut().copy_from_slice(b"0123456789");
        let payload = buffer.into_payload();
        let slice = payload.slice(2..4);
        drop(payload);
        assert_eq!((&slice[..], pool.small.idle.len()), (&b"23"[..], 0));
        drop(slice);
        assert_eq!((pool.small.idle.len(), pool.large.idle.len()), (1, 0));
        let (a, b) = (pool.take(16), pool.take(17));
        assert_eq!((a.memory.len(), b.memory.len(), pool.small.idle.len()), (16, 64, 0));
        drop((pool.take(16), a, b));
        assert_eq!((pool.small.idle.len(), pool.large.idle.len()), (1, 1));
        assert_eq!(pool.take(100).into_payload().len(), 100);
        let outlives = pool.take(1);
        drop(pool);
        drop(outlives);
    }
}
