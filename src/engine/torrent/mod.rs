//! One torrent, at home on one shard: what it has, what it wants, whom it meets and whom it serves.

pub mod availability;
pub mod bep40;
pub mod book;
pub mod checkpoint;
pub mod choker;
pub mod picker;
pub mod priorities;
pub mod progress;
pub mod trust;
pub mod words;
