//! One message as a sequence of blocks: the whole ones where they lie, the others put together in a small space of
//! its own (those that straddle two slices, and the last one or two with the padding).

use crate::states::{BLOCK, Blocks};

/// The byte that begins the padding.
const PADDING: u8 = 0x80;

/// Where in its block the message's length stands.
const LENGTH_AT: usize = BLOCK - 8;

/// What is left of a message.
pub(crate) struct Feed<'a> {
    /// The bytes of the current slice that no run has taken yet.
    rest: &'a [u8],
    /// The slices behind it.
    parts: core::slice::Iter<'a, &'a [u8]>,
    /// Bytes in the whole message.
    len: u64,
    /// Where the next blocks are.
    source: Source<'a>,
    /// Blocks put together here.
    own: [[u8; BLOCK]; 2],
}

/// Where the next blocks of a message are; never empty.
enum Source<'a> {
    /// In the message's memory.
    Lent(Blocks<'a>),
    /// One block, put together in `own`.
    Joined,
    /// The padded end, in `own` from the first index to before the second.
    End(usize, usize),
}

impl<'a> Feed<'a> {
    /// The whole message.
    pub(crate) fn new(parts: &'a [&'a [u8]]) -> Feed<'a> {
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let mut feed =
            Feed { rest: &[], parts: parts.iter(), len, source: Source::Joined, own: [[0; BLOCK]; 2] };
        feed.refill();
        feed
    }

    /// The next blocks that lie in one place: at least one, as long as the message is not over.
    pub(crate) fn run(&self) -> Blocks<'_> {
        match self.source {
            Source::Lent(blocks) => blocks,
            Source::Joined => &self.own[..1],
            Source::End(from, to) => &self.own[from..to],
        }
    }

    /// Passes over the first `count` blocks of the run, at most all of it. Says whether there are more.
    pub(crate) fn advance(&mut self, count: usize) -> bool {
        match &mut self.source {
            Source::Lent(blocks) if count < blocks.len() => *blocks = &blocks[count..],
            Source::Lent(_) | Source::Joined => self.refill(),
            Source::End(from, to) => {
                *from += count;
                return from < to;
            }
        }
        true
    }

    /// Finds the next run behind the one that is used up.
    fn refill(&mut self) {
        let mut filled = 0;
        loop {
            if filled == 0 && self.rest.len() >= BLOCK {
                let (blocks, rest) = self.rest.as_chunks();
                self.rest = rest;
                self.source = Source::Lent(blocks);
                return;
            }
            let (taken, rest) = self.rest.split_at(self.rest.len().min(BLOCK - filled));
            self.own[0][filled..filled + taken.len()].copy_from_slice(taken);
            filled += taken.len();
            self.rest = rest;
            if filled == BLOCK {
                self.source = Source::Joined;
                return;
            }
            match self.parts.next() {
                Some(part) => self.rest = part,
                None => return self.pad(filled),
            }
        }
    }

    /// Ends the message behind the `filled` bytes of it that `own` holds, less than a block (FIPS 180-4, 5.1.1).
    fn pad(&mut self, filled: usize) {
        self.own[0][filled..].fill(0);
        self.own[0][filled] = PADDING;
        self.own[1] = [0; BLOCK];
        let last = usize::from(filled >= LENGTH_AT);
        self.own[last][LENGTH_AT..].copy_from_slice(&(self.len * 8).to_be_bytes());
        self.source = Source::End(0, last + 1);
    }
}
