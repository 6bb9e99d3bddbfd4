//! Messages that nobody may send.

use tide_base::PieceIndex;

use super::Vice;
use super::mutant::Scene;
use super::speaker::say;

/// Bytes of an extension dictionary that is far too large.
const HUGE: usize = 1 << 20;

/// What the vice has a mutant say now; `None` if that is not about single messages.
pub(super) fn throw(vice: Vice, scene: &mut Scene<'_>) -> Option<Vec<u8>> {
    let pieces = scene.layout.pieces();
    let field = say::full_field(pieces);
    let some_piece = scene.prng.below(u64::from(pieces)) as u32;
    Some(match vice {
        Vice::HaveOutside => say::piece(4, outside(scene)),
        Vice::BlockOutside => say::block(PieceIndex(outside(scene)), 0, &[7; 16]),
        Vice::BitfieldShort => say::message(5, &field[1..]),
        Vice::BitfieldLong => say::message(5, &[&field[..], &[0]].concat()),
        Vice::BitfieldSpare => spare(&field, pieces),
        Vice::BitfieldLate => [say::piece(4, some_piece), say::message(5, &field)].concat(),
        Vice::BitfieldTwice => say::message(5, &field).repeat(2),
        Vice::AllThenNone => [say::plain(14), say::plain(15)].concat(),
        Vice::HelloHuge => say::extended(0, &huge()),
        Vice::HelloDeep => {
            let depth = (scene.limits.extended_len as usize / 2).saturating_sub(8).clamp(100, 20_000);
            say::extended(0, &[b"d1:m".to_vec(), b"l".repeat(depth), b"e".repeat(depth + 1)].concat())
        }
        Vice::GarbageAfter => {
            let mut noise = vec![0; 1024 + scene.prng.index(32 * 1024)];
            scene.prng.fill(&mut noise);
            noise
        }
        Vice::MessageHuge => {
            let mut bytes = u32::MAX.to_be_bytes().to_vec();
            bytes.push(unknown(scene));
            bytes
        }
        Vice::LengthWrong => wrong_length(scene),
        Vice::FastUnagreed => match scene.prng.below(4) {
            0 => say::plain(14),
            1 => say::piece(13, some_piece),
            2 => say::piece(17, some_piece),
            _ => say::message(16, &[0; 12]),
        },
        Vice::ExtendedUnagreed => say::extended(0, b"d1:mdee"),
        Vice::HashesUnagreed => say::message(21 + scene.prng.below(3) as u8, &[0; 48]),
        _ => return None,
    })
}

/// The number of a piece that does not exist: the first or any.
fn outside(scene: &mut Scene<'_>) -> u32 {
    let pieces = scene.layout.pieces();
    [pieces, u32::MAX, pieces + scene.prng.below(1000) as u32][scene.prng.index(3)]
}

/// A bitfield with a bit behind the last piece; if none fits into it, one byte more.
fn spare(field: &[u8], pieces: u32) -> Vec<u8> {
    let mut field = field.to_vec();
    match field.last_mut() {
        Some(last) if !pieces.is_multiple_of(8) => *last |= 1,
        _ => field.push(0x80),
    }
    say::message(5, &field)
}

/// An extension dictionary that would be legal if it were not for its length.
fn huge() -> Vec<u8> {
    let name = HUGE - 32;
    [format!("d1:mde1:v{name}:").into_bytes(), vec![b'x'; name], b"e".to_vec()].concat()
}

fn wrong_length(scene: &mut Scene<'_>) -> Vec<u8> {
    match scene.prng.below(5) {
        0 => say::message(scene.prng.below(4) as u8, &[0]),
        1 => say::message(4, &[0; 3]),
        2 => say::message(6, &[0; 13]),
        3 => say::message(9, &[]),
        _ => say::message(8, &[0; 11]),
    }
}

/// The number of a message that nobody knows.
pub(super) fn unknown(scene: &mut Scene<'_>) -> u8 {
    [10, 11, 12, 18, 19, 99, 255][scene.prng.index(7)]
}
