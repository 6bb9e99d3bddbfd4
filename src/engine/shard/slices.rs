//! Bytes to be sent, named in place.

/// The most slices that one gathering names: eight blocks with their headers, and room for small messages.
pub const SLICES: usize = 64;

/// Bytes to be sent in one vectored write, in order.
#[derive(Debug)]
pub struct Slices<'a> {
    parts: [&'a [u8]; SLICES],
    len: usize,
}

impl<'a> Slices<'a> {
    /// No bytes.
    pub fn new() -> Slices<'a> {
        Slices { parts: [&[]; SLICES], len: 0 }
    }

    /// Adds `part` behind the others; false, and nothing added, if there is no room.
    pub fn push(&mut self, part: &'a [u8]) -> bool {
        if self.len == SLICES {
            return false;
        }
        self.parts[self.len] = part;
        self.len += 1;
        true
    }

    /// The slices.
    pub fn parts(&self) -> &[&'a [u8]] {
        &self.parts[..self.len]
    }
}

impl Default for Slices<'_> {
    fn default() -> Self {
        Slices::new()
    }
}
