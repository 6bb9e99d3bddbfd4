//! Moving bytes between a stream and the engine's end of it: how far, in what order, and when to stop.
//!
//! **The rule.** Readiness comes in edges, so a socket keeps two sticky bits, set by edges and cleared by `WouldBlock`
//! alone. Whoever stops earlier, because a budget is used up, comes again by himself: nobody waits for an edge that
//! has already been.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};

use tide_engine::SLICES;
use tide_engine::{Slices, Want};

use crate::shell::transport::Transport;

/// What a socket can do as far as we know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Ready {
    /// A read has not said `WouldBlock` since the last edge.
    pub(crate) readable: bool,
    /// A write has not said `WouldBlock` since the last edge.
    pub(crate) writable: bool,
}

/// The engine's end of a stream.
pub(crate) trait End {
    /// Where the next bytes belong.
    fn want(&mut self) -> Want<'_>;
    /// `placed` bytes are in the place wanted last, and `scratch` follows.
    fn filled(&mut self, placed: usize, scratch: &[u8]);
    /// Names the next bytes to be written.
    fn gather<'a>(&'a mut self, out: &mut Slices<'a>);
    /// `len` of the bytes gathered last were written.
    fn sent(&mut self, len: usize);
}

/// Why reading stopped.
#[derive(Debug)]
pub(crate) enum Read {
    /// Nothing is there; an edge will tell.
    Dry,
    /// The engine does not want any; it will say when it does.
    Unwanted,
    /// The budget is used up and more may be there: come again.
    Again,
    /// The other side ended the stream.
    Ended,
    /// The stream broke.
    Broken(io::Error),
}

/// Reads while there is something, it is wanted, and fewer than `budget` bytes have come. `scratch` must not be empty.
pub(crate) fn read(
    stream: &mut dyn Transport,
    ready: &mut Ready,
    end: &mut impl End,
    scratch: &mut [u8],
    budget: usize,
) -> Read {
    let mut left = budget;
    while ready.readable {
        if left == 0 {
            return Read::Again;
        }
        let (placed, result) = match end.want() {
            Want::Nothing => return Read::Unwanted,
            Want::Scratch(most) => {
                let most = most.clamp(1, scratch.len());
                (0, stream.read(&mut [IoSliceMut::new(&mut scratch[..most])]))
            }
            Want::Place { place, scratch: most } => {
                let len = place.len();
                let most = most.min(scratch.len());
                (len, stream.read(&mut [IoSliceMut::new(place), IoSliceMut::new(&mut scratch[..most])]))
            }
        };
        match result {
            Ok(0) => return Read::Ended,
            Ok(count) => {
                let placed = placed.min(count);
                end.filled(placed, &scratch[..count - placed]);
                left = left.saturating_sub(count);
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => ready.readable = false,
                ErrorKind::Interrupted => {}
                _ => return Read::Broken(error),
            },
        }
    }
    Read::Dry
}

/// What writing did.
#[derive(Debug, Default)]
pub(crate) struct Wrote {
    /// Bytes of the engine's that went.
    pub(crate) count: usize,
    /// What broke the stream.
    pub(crate) broken: Option<io::Error>,
}

/// Writes until the engine has nothing more for this stream, or the stream takes no more. What a transport holds back
/// goes first, so a writable edge is followed by this call even when the engine has nothing to say.
pub(crate) fn write(stream: &mut dyn Transport, ready: &mut Ready, end: &mut impl End) -> Wrote {
    let mut wrote = Wrote::default();
    while ready.writable {
        let result = match stream.flush() {
            Ok(()) => write_some(stream, end),
            Err(error) => Err(error),
        };
        match result {
            Ok(None) => break,
            Ok(Some(count)) => {
                end.sent(count);
                wrote.count += count;
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => ready.writable = false,
                ErrorKind::Interrupted => {}
                _ => {
                    wrote.broken = Some(error);
                    break;
                }
            },
        }
    }
    wrote
}

/// One vectored write of what the engine names; `None` if it names nothing.
fn write_some(stream: &mut dyn Transport, end: &mut impl End) -> io::Result<Option<usize>> {
    let mut slices = Slices::new();
    end.gather(&mut slices);
    let parts = slices.parts();
    if parts.iter().all(|part| part.is_empty()) {
        return Ok(None);
    }
    let mut vector = [IoSlice::new(&[]); SLICES];
    for (slot, part) in vector.iter_mut().zip(parts) {
        *slot = IoSlice::new(part);
    }
    match stream.write(&vector[..parts.len()])? {
        0 => Err(ErrorKind::WriteZero.into()),
        count => Ok(Some(count)),
    }
}

#[cfg(test)]
mod tests;
