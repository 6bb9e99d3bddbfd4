//! Messages of which nobody may send so many.

use tide_base::{PieceIndex, Span};

use super::Vice;
use super::mutant::Scene;
use super::speaker::say;
use super::wire::unknown;

/// How much more than what is put up with is sent: what is forgiven while it is on its way.
pub(super) const MARGIN: usize = 40;
/// Bytes that a network and a system may hold for who does not read.
const BUFFERS: usize = 1 << 20;
/// A reject, as it answers a request.
const REJECT: usize = 17;

/// What the vice has a mutant say now; `None` if that is no flood.
pub(super) fn throw(vice: Vice, scene: &mut Scene<'_>) -> Option<Vec<u8>> {
    let patience = &scene.limits.patience;
    let piece = scene.prng.below(u64::from(scene.layout.pieces())) as u32;
    let some = Span { piece: PieceIndex(piece), offset: 0, len: first_block(scene, piece) };
    // Nobody asks for that.
    let odd = Span { piece: PieceIndex(piece), offset: 0, len: some.len.saturating_sub(1).max(1) };
    let asks = scene.limits.asks as usize;
    let (unit, times) = match vice {
        Vice::RequestsChoked => (say::span(6, some), patience.requests_choked.into()),
        Vice::RequestsHuge => (say::span(6, Span { len: 1 << 30, ..some }), patience.requests_invalid.into()),
        Vice::FloodRequests => {
            let full = scene.limits.serves as usize;
            (say::span(6, some), full + usize::from(patience.requests))
        }
        Vice::FloodCancels => (say::span(8, some), patience.cancels.into()),
        Vice::FlapsChoke => ([say::plain(0), say::plain(1)].concat(), patience.chokes.into()),
        Vice::FlapsInterest => ([say::plain(2), say::plain(3)].concat(), patience.interests.into()),
        Vice::FloodKeepAlives => (say::keep_alive(), patience.keep_alives.into()),
        Vice::FloodRejects => (say::span(16, odd), asks + usize::from(patience.rejects)),
        Vice::Unasked => (say::block(odd.piece, odd.offset, &[7]), asks + usize::from(patience.unasked)),
        Vice::FloodSuggestions => (say::piece(13, piece), patience.suggestions.into()),
        Vice::FloodAllowedFast => (say::piece(17, piece), patience.allowed_fast.into()),
        Vice::FloodHaves => (say::piece(4, piece), patience.haves.into()),
        Vice::FloodDontHaves => {
            (say::extended(scene.numbers.dont_have?, &piece.to_be_bytes()), patience.dont_haves.into())
        }
        Vice::FloodHellos => (say::extended(0, b"d1:mdee"), patience.hellos.into()),
        Vice::FloodUnknown => {
            let times = patience.unknown.into();
            (say::message(unknown(scene), b"what is this?"), times)
        }
        Vice::NeverReads => (say::span(6, some), (scene.limits.control_queued + BUFFERS) / REJECT),
        _ => return None,
    };
    Some(unit.repeat(times + MARGIN))
}

/// Bytes of the first block of a piece.
fn first_block(scene: &Scene<'_>, piece: u32) -> u32 {
    scene.layout.len_of(PieceIndex(piece)).min(scene.layout.block_len())
}
