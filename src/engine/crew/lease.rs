//! One leased piece: which of its blocks are here, asked for or free, who sent them, and the memory they wait in.

use core::net::SocketAddr;

use tide_base::{BlockIndex, BlockRef, Chunk, Layout, PieceIndex, SlotKey};

use crate::desk::gates::LeaseRef;
use crate::mail::Sender;
use crate::survey::BlockState;

/// How a block stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Block {
    /// Nobody is asked, or whoever was does not answer.
    Free,
    /// That many members are asked.
    Asked(u8),
    /// It is here, from the sender of this number.
    Here(u16),
}

/// Where the bytes of a run of blocks are.
#[derive(Debug)]
pub enum Place {
    /// Nothing of it has come.
    Empty,
    /// In memory.
    Held(Chunk),
    /// In memory, lent to a job under way: the disk or the hash pool reads it.
    Lent,
    /// On its way to the disk, to free its memory.
    Leaving,
    /// On disk.
    Away,
    /// On its way back from the disk.
    Coming,
}

/// What a complete piece is going through.
#[derive(Debug)]
pub enum Stage {
    /// Blocks are coming.
    Filling,
    /// The piece is being hashed: the next chunk to hash, and what was hashed before it.
    Hashing {
        /// The next chunk.
        next: u32,
        /// The hash of what comes before it; `None` if the piece is hashed as one job.
        stream: Option<Box<tide_hash::Sha1Stream>>,
    },
    /// The torrent compares.
    Judging,
    /// The blocks are being hashed one by one, chunk after chunk, to learn who sent a bad one.
    Blaming {
        /// Whether the piece is good.
        good: bool,
        /// The next chunk.
        next: u32,
        /// The hash of each block before it.
        digests: Vec<[u8; 20]>,
    },
    /// The piece is good and being written.
    Writing,
}

/// What a block's arrival came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// It was needed; that many others are asked for it as well.
    Taken {
        /// Others asked.
        others: u8,
    },
    /// It was here already, or somebody else is writing it.
    Needless,
}

/// One leased piece.
#[derive(Debug)]
pub struct Lease {
    /// Which lease of which piece.
    pub id: LeaseRef,
    /// The only member that shall be asked, if any.
    pub alone: Option<SlotKey>,
    /// What the piece is going through.
    pub stage: Stage,
    /// When memory was last touched, by the crew's count.
    pub touched: u64,
    /// Jobs under way that hold its memory.
    pub jobs: u32,
    /// Whether it ends as soon as no job is under way.
    pub doomed: bool,
    on_disk: Vec<bool>,
    blocks: Vec<Block>,
    places: Vec<Place>,
    /// Who is writing which block at the moment.
    writers: Vec<(BlockIndex, SlotKey)>,
    senders: Vec<SocketAddr>,
    free: u32,
    here: u32,
    hint: u32,
    /// Whether anybody was ever asked for a block: a new lease waits for the turn of whom it was demanded for.
    begun: bool,
    layout: Layout,
    chunk_len: u32,
}

impl Lease {
    /// A lease of which nothing is here.
    pub fn new(id: LeaseRef, layout: Layout, chunk_len: u32, alone: Option<SlotKey>) -> Lease {
        let len = layout.len_of(id.piece);
        let blocks = layout.blocks_in(id.piece);
        Lease {
            id,
            alone,
            stage: Stage::Filling,
            touched: 0,
            jobs: 0,
            doomed: false,
            on_disk: vec![false; len.div_ceil(chunk_len) as usize],
            blocks: vec![Block::Free; blocks as usize],
            places: (0..len.div_ceil(chunk_len)).map(|_| Place::Empty).collect(),
            writers: Vec::new(),
            senders: Vec::new(),
            free: blocks,
            here: 0,
            hint: 0,
            begun: false,
            layout,
            chunk_len,
        }
    }

    /// The piece.
    pub fn piece(&self) -> PieceIndex {
        self.id.piece
    }

    /// Blocks that nobody is asked for.
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Whether every block is here.
    pub fn whole(&self) -> bool {
        self.here as usize == self.blocks.len()
    }

    fn block_ref(&self, block: u32) -> BlockRef {
        BlockRef { piece: self.id.piece, block: BlockIndex(block) }
    }

    /// A free block, now asked for; the lowest one, so that a member's requests follow each other.
    pub fn ask_next(&mut self) -> Option<BlockRef> {
        if self.free == 0 {
            return None;
        }
        let from = self.hint as usize;
        let at = (from..self.blocks.len())
            .chain(0..from)
            .find(|&i| self.blocks[i] == Block::Free)
            .expect("a free block was counted");
        self.hint = at as u32 + 1;
        self.free -= 1;
        self.begun = true;
        self.blocks[at] = Block::Asked(1);
        Some(self.block_ref(at as u32))
    }

    /// Blocks that are asked for by fewer than `copies` members, fewest first: candidates for the endgame. Nothing is
    /// asked for a lease that ends as soon as its jobs come back: the asks would outlive it.
    pub fn doubtful(&self, copies: u8) -> impl Iterator<Item = BlockRef> + '_ {
        (1..if self.doomed { 1 } else { copies }).flat_map(move |n| {
            let asked = move |(_, block): &(usize, &Block)| **block == Block::Asked(n);
            self.blocks.iter().enumerate().filter(asked).map(|(i, _)| self.block_ref(i as u32))
        })
    }

    /// How many members are asked for a block.
    pub fn asked(&self, block: BlockIndex) -> u8 {
        match self.blocks[block.0 as usize] {
            Block::Asked(n) => n,
            Block::Free | Block::Here(_) => 0,
        }
    }

    /// One more member is asked for a block that is not here.
    pub fn ask_again(&mut self, block: BlockIndex) {
        match &mut self.blocks[block.0 as usize] {
            Block::Asked(n) => *n = n.saturating_add(1),
            slot @ Block::Free => {
                *slot = Block::Asked(1);
                self.free -= 1;
            }
            Block::Here(_) => unreachable!("a block that is here is not asked for"),
        }
    }

    /// A member will not send the block after all.
    pub fn unask(&mut self, block: BlockIndex) {
        let slot = &mut self.blocks[block.0 as usize];
        match *slot {
            Block::Asked(n) if n > 1 => *slot = Block::Asked(n - 1),
            Block::Asked(_) => {
                *slot = Block::Free;
                self.free += 1;
                self.hint = self.hint.min(block.0);
            }
            Block::Free | Block::Here(_) => {}
        }
    }

    /// Which chunk a block is in, and where in that chunk it begins.
    pub fn chunk_of(&self, block: BlockIndex) -> (usize, usize) {
        let offset = block.0 * self.layout.block_len();
        ((offset / self.chunk_len) as usize, (offset % self.chunk_len) as usize)
    }

    /// Bytes of the piece in chunk number `chunk`.
    pub fn chunk_bytes(&self, chunk: usize) -> u32 {
        let start = chunk as u32 * self.chunk_len;
        self.chunk_len.min(self.layout.len_of(self.id.piece) - start)
    }

    /// Offset in the piece of chunk number `chunk`.
    pub fn chunk_start(&self, chunk: usize) -> u32 {
        chunk as u32 * self.chunk_len
    }

    /// Bytes of memory that chunk number `chunk` takes: whole blocks, so that chunks of a few sizes serve all pieces.
    pub fn chunk_capacity(&self, chunk: usize) -> u32 {
        self.chunk_bytes(chunk).next_multiple_of(self.layout.block_len()).min(self.chunk_len)
    }

    /// Where chunk number `chunk` is.
    pub fn place(&self, chunk: usize) -> &Place {
        &self.places[chunk]
    }

    /// Puts chunk number `chunk` somewhere else; returns where it was.
    pub fn replace(&mut self, chunk: usize, place: Place) -> Place {
        core::mem::replace(&mut self.places[chunk], place)
    }

    /// Takes the memory of chunk number `chunk`, which must be held, and leaves `place` in its stead.
    pub fn take_held(&mut self, chunk: usize, place: Place) -> Chunk {
        match self.replace(chunk, place) {
            Place::Held(memory) => memory,
            other => unreachable!("chunk {chunk} of {:?} is not held but {other:?}", self.id),
        }
    }

    /// Whether the disk has all bytes of chunk number `chunk` that are here.
    pub fn is_on_disk(&self, chunk: usize) -> bool {
        self.on_disk[chunk]
    }

    /// Notes whether the disk has all bytes of chunk number `chunk` that are here.
    pub fn set_on_disk(&mut self, chunk: usize, on_disk: bool) {
        self.on_disk[chunk] = on_disk;
    }

    /// The bytes of chunk number `chunk`, if it is held.
    pub fn held_mut(&mut self, chunk: usize) -> Option<&mut [u8]> {
        match &mut self.places[chunk] {
            Place::Held(memory) => Some(memory.bytes_mut()),
            _ => None,
        }
    }

    /// Takes all memory that no job holds.
    pub fn take_all(&mut self) -> Vec<Chunk> {
        let take = |place: &mut Place| match core::mem::replace(place, Place::Empty) {
            Place::Held(memory) => Some(memory),
            other => {
                *place = other;
                None
            }
        };
        self.places.iter_mut().filter_map(take).collect()
    }

    /// How many chunks the piece has.
    pub fn chunks(&self) -> usize {
        self.places.len()
    }

    /// Whether every byte is in memory.
    pub fn all_held(&self) -> bool {
        self.places.iter().all(|place| matches!(place, Place::Held(_)))
    }

    /// A held chunk that nobody needs at once, to be brought to disk: one that nobody is writing into, or is about to
    /// (`awaited`), or of a piece being hashed chunk by chunk one whose turn is over, or else the one whose turn comes
    /// last.
    pub fn idle_chunk(&self, awaited: impl Fn(usize) -> bool) -> Option<usize> {
        let held = |i: &usize| matches!(self.places[*i], Place::Held(_));
        match self.stage {
            _ if self.doomed => None,
            Stage::Filling => {
                let busy = |i: usize| self.writers.iter().any(|&(block, _)| self.chunk_of(block).0 == i);
                (0..self.places.len()).find(|i| held(i) && !busy(*i) && !awaited(*i))
            }
            Stage::Hashing { next, stream: Some(_) } | Stage::Blaming { next, .. } => {
                let next = next as usize;
                (0..next).chain((next + 1..self.places.len()).rev()).find(held)
            }
            Stage::Hashing { .. } | Stage::Judging | Stage::Writing => None,
        }
    }

    /// Whether blocks are to come and nobody is asked for any, so that it may wait for a peer that never comes.
    pub fn is_abandoned(&self) -> bool {
        matches!(self.stage, Stage::Filling)
            && self.begun
            && !self.doomed
            && self.jobs == 0
            && self.writers.is_empty()
            && !self.whole()
            && !self.blocks.iter().any(|block| matches!(block, Block::Asked(_)))
    }

    /// Whether the block is still to come.
    pub fn needs(&self, block: BlockIndex) -> bool {
        matches!(self.stage, Stage::Filling) && !self.doomed && !self.is_here(block)
    }

    /// `member` may write the block, of which `at` bytes came before. Whoever begins last writes: a member that was
    /// writing it may not go on.
    pub fn begin_write(&mut self, block: BlockIndex, member: SlotKey, at: u32) -> bool {
        if !self.needs(block) {
            return false;
        }
        let standing = self.writers.iter_mut().find(|(b, _)| *b == block);
        match standing {
            Some((_, writer)) if *writer == member => true,
            Some((_, writer)) if at == 0 => {
                *writer = member;
                true
            }
            Some(_) => false,
            None if at == 0 => {
                self.writers.push((block, member));
                true
            }
            None => false,
        }
    }

    /// `member` writes the block no more, finished or not.
    pub fn end_write(&mut self, block: BlockIndex, member: SlotKey) -> bool {
        let before = self.writers.len();
        self.writers.retain(|&writer| writer != (block, member));
        self.writers.len() < before
    }

    /// The block came whole from `member` at `from`.
    pub fn arrived(&mut self, block: BlockIndex, member: SlotKey, from: SocketAddr) -> Arrival {
        if !self.end_write(block, member) {
            return Arrival::Needless;
        }
        let sender = self.senders.iter().position(|&addr| addr == from).unwrap_or_else(|| {
            self.senders.push(from);
            self.senders.len() - 1
        });
        let slot = &mut self.blocks[block.0 as usize];
        let others = match *slot {
            Block::Here(_) => return Arrival::Needless,
            Block::Asked(n) => n.saturating_sub(1),
            Block::Free => {
                self.free -= 1;
                0
            }
        };
        *slot = Block::Here(u16::try_from(sender).unwrap_or(u16::MAX));
        self.here += 1;
        Arrival::Taken { others }
    }

    /// Whether the block is here.
    pub fn is_here(&self, block: BlockIndex) -> bool {
        matches!(self.blocks[block.0 as usize], Block::Here(_))
    }

    /// Who sent which blocks.
    pub fn senders(&self) -> Vec<Sender> {
        let mut senders: Vec<Sender> =
            self.senders.iter().map(|&addr| Sender { addr, blocks: Vec::new() }).collect();
        for (i, block) in self.blocks.iter().enumerate() {
            if let Block::Here(sender) = block
                && let Some(sender) = senders.get_mut(usize::from(*sender))
            {
                sender.blocks.push(BlockIndex(i as u32));
            }
        }
        senders.retain(|sender| !sender.blocks.is_empty());
        senders
    }

    /// How each block stands.
    pub fn block_states(&self) -> Vec<BlockState> {
        let state = |block: &Block| match *block {
            Block::Free => BlockState::Free,
            Block::Asked(n) => BlockState::Asked(n),
            Block::Here(_) => BlockState::Here,
        };
        self.blocks.iter().map(state).collect()
    }

    /// Who is writing which block right now.
    pub fn writers(&self) -> &[(BlockIndex, SlotKey)] {
        &self.writers
    }

    /// Panics if the counts and the tables disagree.
    pub fn check_invariants(&self) {
        let free = self.blocks.iter().filter(|block| **block == Block::Free).count();
        let here = self.blocks.iter().filter(|block| matches!(block, Block::Here(_))).count();
        assert_eq!((free as u32, here as u32), (self.free, self.here), "{:?}", self.id);
        for &(block, _) in &self.writers {
            assert!(!self.is_here(block), "a block that is here is being written");
            let (chunk, _) = self.chunk_of(block);
            assert!(
                matches!(self.places[chunk], Place::Held(_)),
                "a block is written into memory that is not held"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tide_base::Slots;

    fn lease() -> Lease {
        let layout = Layout::new(1000, 640, 64).expect("a legal layout");
        Lease::new(LeaseRef { piece: PieceIndex(1), generation: 7 }, layout, 128, None)
    }

    fn members() -> (SlotKey, SlotKey) {
        let mut slots = Slots::new();
        (slots.insert(()), slots.insert(()))
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_last_piece_has_short_chunks_and_blocks() {
        let lease = lease();
        assert_eq!((lease.chunks(), lease.free()), (3, 6));
        assert_eq!((lease.chunk_bytes(2), lease.chunk_capacity(2), lease.chunk_start(2)), (104, 128, 256));
        assert_eq!(lease.chunk_of(BlockIndex(3)), (1, 64));
    }

    #[test]
    fn blocks_are_asked_in_order_and_come_back_when_refused() {
        let mut lease = lease();
        let first: Vec<u32> = (0..3).filter_map(|_| lease.ask_next()).map(|at| at.block.0).collect();
        assert_eq!(first, [0, 1, 2]);
        lease.unask(BlockIndex(1));
        assert_eq!(lease.ask_next().map(|at| at.block.0), Some(1));
        assert_eq!(lease.ask_next().map(|at| at.block.0), Some(3));
        lease.ask_again(BlockIndex(0));
        assert_eq!(lease.doubtful(2).map(|at| at.block.0).collect::<Vec<_>>(), [1, 2, 3]);
        lease.check_invariants();
        lease.doomed = true;
        assert_eq!(lease.doubtful(2).count(), 0);
    }

    #[test]
    fn whoever_begins_last_writes_and_only_the_writer_delivers() {
        let (a, b) = members();
        let mut lease = lease();
        lease.replace(0, Place::Held(Chunk::new(128)));
        let block = lease.ask_next().expect("a free block").block;
        lease.ask_again(block);
        assert!(lease.begin_write(block, a, 0));
        assert!(!lease.begin_write(block, b, 10));
        assert!(lease.begin_write(block, b, 0));
        assert!(!lease.begin_write(block, a, 30));
        lease.check_invariants();
        assert_eq!(lease.arrived(block, a, at(1)), Arrival::Needless);
        assert_eq!(lease.arrived(block, b, at(2)), Arrival::Taken { others: 1 });
        assert!(!lease.begin_write(block, a, 0));
        assert_eq!(lease.senders(), [Sender { addr: at(2), blocks: vec![BlockIndex(0)] }]);
        lease.unask(block);
        lease.check_invariants();
    }
}
