//! Memory for blocks under way: chunks that go out to leases and come home in completion mail.

use std::collections::BTreeMap;

use tide_base::Chunk;

/// Bytes of idle chunks kept for the next block while transfers run. The fastest transfers hold less at a time
/// (measured); beyond it, memory goes back to the system.
const KEEP: u64 = 16 << 20;

/// The chunks of one shard: which are free, and how many bytes are out. The allowance is a stock of the purses.
#[derive(Debug, Default)]
pub struct Memory {
    free: BTreeMap<u32, Vec<Chunk>>,
    kept: u64,
    out: u64,
}

impl Memory {
    /// No chunks.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// A chunk of `capacity` bytes; whoever takes it has been granted as much.
    pub fn take(&mut self, capacity: u32) -> Chunk {
        self.out += u64::from(capacity);
        match self.free.get_mut(&capacity).and_then(Vec::pop) {
            Some(chunk) => {
                self.kept -= u64::from(capacity);
                chunk
            }
            None => Chunk::new(capacity),
        }
    }

    /// Takes a chunk home; returns the bytes that the stock gets back.
    pub fn give(&mut self, mut chunk: Chunk) -> u64 {
        let capacity = u64::from(chunk.capacity());
        assert!(self.out >= capacity, "a chunk came home twice");
        self.out -= capacity;
        if self.kept + capacity <= KEEP {
            chunk.set_len(0);
            self.kept += capacity;
            self.free.entry(chunk.capacity()).or_default().push(chunk);
        }
        capacity
    }

    /// Gives idle memory back to the system if nothing is under way.
    pub fn trim(&mut self) {
        if self.out == 0 && self.kept > 0 {
            self.free.clear();
            self.kept = 0;
        }
    }

    /// Bytes in chunks that are out.
    pub fn out(&self) -> u64 {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_used_again_and_given_back_when_all_is_quiet() {
        let mut memory = Memory::new();
        let a = memory.take(256);
        let b = memory.take(256);
        assert_eq!(memory.out(), 512);
        assert_eq!(memory.give(a), 256);
        memory.trim();
        assert_eq!((memory.out(), memory.kept), (256, 256));
        let a = memory.take(256);
        assert_eq!(memory.kept, 0);
        memory.give(a);
        memory.give(b);
        memory.trim();
        assert_eq!((memory.out(), memory.kept), (0, 0));
    }
}
