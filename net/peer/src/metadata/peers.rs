//! The peers that metadata is fetched from: what each claims, what it was asked, how it was tried.

use super::MetadataLimits;
use alloc::vec::Vec;
use tide_base::{Duration, Instant};

/// One that says it has the metadata.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Bytes of the metadata, as it says.
    pub(super) size: u32,
    /// How often it said another size than before.
    changes: u32,
    /// Its number in the order of coming.
    pub(super) arrival: u64,
    /// Turns in which it was tried alone.
    pub(super) tries: u32,
    asks: Vec<Ask>,
    /// It is left alone until then.
    rests_until: Instant,
    /// For how long it will be left alone next.
    backoff: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    piece: u32,
    at: Instant,
}

impl Peer {
    pub(super) fn new(size: u32, arrival: u64, limits: &MetadataLimits) -> Peer {
        Peer {
            size,
            changes: 0,
            arrival,
            tries: 0,
            asks: Vec::new(),
            rests_until: Instant::ZERO,
            backoff: limits.backoff,
        }
    }

    /// It says another size; whether that is to be borne.
    pub(super) fn change(&mut self, size: u32, limits: &MetadataLimits) -> bool {
        self.size = size;
        self.changes += 1;
        self.changes <= limits.claims
    }

    /// Whether it may be asked for something.
    pub(super) fn is_free(&self, now: Instant, limits: &MetadataLimits) -> bool {
        self.rests_until <= now && self.asks.len() < limits.asks as usize
    }

    /// How little is to be expected of it: how long it would be left alone, and how much it was asked for.
    pub(super) fn burden(&self) -> (Duration, usize) {
        (self.backoff, self.asks.len())
    }

    pub(super) fn was_asked(&self, piece: u32) -> bool {
        self.asks.iter().any(|ask| ask.piece == piece)
    }

    pub(super) fn ask(&mut self, now: Instant, piece: u32) {
        self.asks.push(Ask { piece, at: now });
    }

    /// It answered an ask, well or not; whether there was one.
    pub(super) fn settle(&mut self, piece: u32) -> bool {
        let at = self.asks.iter().position(|ask| ask.piece == piece);
        at.map(|at| self.asks.remove(at)).is_some()
    }

    /// Takes out an ask that is too old.
    pub(super) fn expire(&mut self, now: Instant, limits: &MetadataLimits) -> Option<u32> {
        let at = self.asks.iter().position(|ask| ask.at + limits.timeout <= now)?;
        Some(self.asks.remove(at).piece)
    }

    /// Takes out all asks.
    pub(super) fn forget_asks(&mut self) -> Vec<u32> {
        core::mem::take(&mut self.asks).into_iter().map(|ask| ask.piece).collect()
    }

    /// It is left alone, for longer each time.
    pub(super) fn rest(&mut self, now: Instant, limits: &MetadataLimits) {
        self.rests_until = now + self.backoff;
        self.backoff = (self.backoff * 2).min(limits.backoff_max);
    }

    /// It sent something of use.
    pub(super) fn praise(&mut self, limits: &MetadataLimits) {
        self.backoff = limits.backoff;
        self.rests_until = Instant::ZERO;
    }

    /// When time alone changes something.
    pub(super) fn times(&self, limits: &MetadataLimits) -> impl Iterator<Item = Instant> {
        let timeout = limits.timeout;
        self.asks.iter().map(move |ask| ask.at + timeout).chain([self.rests_until])
    }
}
