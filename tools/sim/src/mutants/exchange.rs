//! Metadata and peers: what nobody may send of them, and lies.

use std::net::SocketAddr;

use super::Vice;
use super::floods::MARGIN;
use super::mutant::Scene;
use super::speaker::say;

/// Bytes of a piece of metadata (BEP 9).
const PIECE: usize = 16 * 1024;
/// The number under which a liar hears requests for metadata.
pub(super) const METADATA: u8 = 2;

/// What the vice has a mutant say now; `None` if that is not about exchanges, or its victim takes part in none.
pub(super) fn throw(vice: Vice, at: SocketAddr, scene: &mut Scene<'_>) -> Option<Vec<u8>> {
    let (metadata, pex) = (scene.numbers.metadata, scene.numbers.pex);
    let patience = &scene.limits.patience;
    let (unit, times) = match vice {
        Vice::FloodEarly => {
            let have = say::piece(4, scene.prng.below(u64::from(scene.layout.pieces())) as u32);
            (have, scene.limits.early_said as usize + MARGIN)
        }
        Vice::FloodMetadata => {
            (say::extended(metadata?, &request(0)), usize::from(patience.metadata_requests) + MARGIN)
        }
        Vice::UnaskedMetadata => {
            let message = if scene.prng.chance(1, 2) { data(0, 5, b"bytes") } else { reject(7) };
            (say::extended(metadata?, &message), usize::from(patience.metadata_unasked) + MARGIN)
        }
        Vice::NonsenseMetadata => {
            let nonsense: &[u8] = [&b""[..], b"le", b"d8:msg_typei0ee", b"d5:piecei0ee", b"d8:msg_typei1e"]
                [scene.prng.index(5)];
            (say::extended(metadata?, nonsense), 1)
        }
        Vice::FloodPeers => {
            let message = say::extended(pex?, &peers(at));
            (message, scene.limits.pex.burst_in as usize + MARGIN)
        }
        Vice::NonsensePeers => {
            let nonsense: &[u8] = [&b""[..], b"le", b"i1e", b"d5:added6:abce", b"d"][scene.prng.index(5)];
            (say::extended(pex?, nonsense), 1)
        }
        _ => return None,
    };
    Some(unit.repeat(times))
}

/// A piece of what is not the metadata, though as long.
pub(super) fn lie(truth: &[u8], piece: u32) -> Vec<u8> {
    let start = (piece as usize).saturating_mul(PIECE).min(truth.len());
    let mut bytes = truth[start..truth.len().min(start + PIECE)].to_vec();
    if let Some(byte) = bytes.first_mut() {
        *byte ^= 1;
    }
    data(piece, truth.len(), &bytes)
}

fn request(piece: u32) -> Vec<u8> {
    format!("d8:msg_typei0e5:piecei{piece}ee").into_bytes()
}

fn reject(piece: u32) -> Vec<u8> {
    format!("d8:msg_typei2e5:piecei{piece}ee").into_bytes()
}

fn data(piece: u32, total: usize, bytes: &[u8]) -> Vec<u8> {
    [format!("d8:msg_typei1e5:piecei{piece}e10:total_sizei{total}ee").as_bytes(), bytes].concat()
}

/// Somebody that a mutant is connected to, as it says: itself.
fn peers(at: SocketAddr) -> Vec<u8> {
    let mut compact = Vec::new();
    tide_base::addr::write_compact(at, &mut compact);
    let key = if at.is_ipv4() { "5:added" } else { "6:added6" };
    [format!("d{key}{}:", compact.len()).as_bytes(), &compact, b"e"].concat()
}
