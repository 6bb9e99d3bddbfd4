//! The memory that content travels in. The engine passes it on and never looks into it.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

/// Content on its way out: shared, reference-counted, perhaps a lent page of a mapping. Cloning and slicing copy no
/// bytes. The last holder's drop gives the memory back to whoever lent it.
pub type Payload = bytes::Bytes;

/// A run of memory on its way in, owned by exactly one holder at a time: blocks are read straight into it, it is
/// hashed, written, and goes home to the pool it came from in the mail that says so.
pub struct Chunk {
    memory: Box<[u8]>,
    len: u32,
}

impl Chunk {
    /// A new chunk of `capacity` zero bytes, of which none are in use.
    pub fn new(capacity: u32) -> Chunk {
        Chunk { memory: vec![0; capacity as usize].into_boxed_slice(), len: 0 }
    }

    /// A chunk full of these bytes, none of which is copied.
    pub fn holding(bytes: Vec<u8>) -> Chunk {
        let len = u32::try_from(bytes.len()).expect("a chunk is far shorter than 4 GiB");
        Chunk { memory: bytes.into_boxed_slice(), len }
    }

    /// The bytes in use, without a copy if all of them are.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.memory.into_vec();
        bytes.truncate(self.len as usize);
        bytes
    }

    /// Bytes of memory behind it: what a budget is charged for.
    pub fn capacity(&self) -> u32 {
        self.memory.len() as u32
    }

    /// How many bytes, from the first, are in use.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether no byte is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Declares the first `len` bytes, at most the capacity, to be in use. Their values are whatever was there.
    pub fn set_len(&mut self, len: u32) {
        assert!(len <= self.capacity(), "{len} bytes in a chunk of {}", self.capacity());
        self.len = len;
    }

    /// The bytes in use.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[..self.len as usize]
    }

    /// The bytes in use.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[..self.len as usize]
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({}/{})", self.len, self.capacity())
    }
}

/// The bytes of chunks in order, as one sequence of slices.
pub fn slices(chunks: &[Chunk]) -> Vec<&[u8]> {
    chunks.iter().map(Chunk::bytes).collect()
}

/// How many bytes `chunks` have in use together.
pub fn total_len(chunks: &[Chunk]) -> u64 {
    chunks.iter().map(|chunk| u64::from(chunk.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_declared_is_in_use() {
        let mut chunk = Chunk::new(8);
        assert!(chunk.is_empty());
        chunk.set_len(3);
        chunk.bytes_mut().copy_from_slice(b"abc");
        assert_eq!((chunk.bytes(), chunk.capacity()), (&b"abc"[..], 8));
        assert_eq!(total_len(&[chunk, Chunk::new(4)]), 3);
        let mut held = Chunk::holding(vec![1, 2, 3]);
        held.set_len(2);
        assert_eq!((held.capacity(), held.into_bytes()), (3, vec![1, 2]));
    }
}
