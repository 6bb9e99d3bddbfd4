//! What SHA-1 remembers from block to block, for every lane at once.

/// Bytes in a block, the unit that SHA-1 works in.
pub(crate) const BLOCK: usize = 64;

/// The most messages that any implementation advances together: the 32-bit words of a 512-bit register.
pub(crate) const LANES: usize = 16;

/// Whole blocks of one message that lie in one place.
pub(crate) type Blocks<'a> = &'a [[u8; BLOCK]];

/// The five words before the first block (FIPS 180-4, 5.3.1).
const START: [u32; 5] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476, 0xC3D2_E1F0];

/// The chaining values of all lanes, word by word, so that a wide register holds one word of each.
#[repr(align(64))]
pub(crate) struct States {
    /// `words[i][lane]` is word *i* of that lane.
    pub(crate) words: [[u32; LANES]; 5],
}

impl States {
    /// Every lane before its first block.
    pub(crate) fn new() -> States {
        States { words: START.map(|word| [word; LANES]) }
    }

    /// Sets `lane` to before its first block.
    pub(crate) fn reset(&mut self, lane: usize) {
        self.set(lane, START);
    }

    /// The five words of `lane`.
    pub(crate) fn get(&self, lane: usize) -> [u32; 5] {
        self.words.map(|word| word[lane])
    }

    /// Sets the five words of `lane`.
    pub(crate) fn set(&mut self, lane: usize, state: [u32; 5]) {
        for (word, value) in self.words.iter_mut().zip(state) {
            word[lane] = value;
        }
    }

    /// The digest of `lane`, whose last block has been taken.
    pub(crate) fn digest(&self, lane: usize) -> [u8; 20] {
        let mut digest = [0; 20];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.get(lane)) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}
