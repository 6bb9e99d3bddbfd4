//! The exchange of metadata (BEP 9): a peer's info dictionary, in pieces of 16 KiB.
//!
//! [`Fetch`] gets it from many peers at a time, most of whom may lie; [`Serve`] is what one peer gets of us. Neither
//! hashes: what [`Fetch`] has put together it hands out to be judged, because a digest over 32 MiB would make
//! everybody else on the thread wait.

mod attempt;
mod fetch;
mod limits;
mod message;
mod peers;
mod serve;
#[cfg(test)]
mod tests;

pub use fetch::{Fetch, Order, Progress, Ticket, Verdict};
pub use limits::MetadataLimits;
pub use message::Message;
pub use serve::{Serve, Taken};

/// The extension's name.
pub const NAME: &[u8] = b"ut_metadata";
/// The number by which we receive it.
pub const ID: u8 = 3;
/// Bytes of a piece of metadata; the last one may be shorter (BEP 9).
pub const PIECE: u32 = 16 * 1024;

/// How many pieces metadata of `size` bytes has.
pub const fn pieces(size: u32) -> u32 {
    size.div_ceil(PIECE)
}

/// Bytes of a piece of metadata of `size` bytes; 0 if there is no such piece.
pub fn piece_len(size: u32, piece: u32) -> u32 {
    let start = u64::from(piece) * u64::from(PIECE);
    u64::from(size).saturating_sub(start).min(u64::from(PIECE)) as u32
}
