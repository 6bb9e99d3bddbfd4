//! What a mutant serves, and how.

use tide_base::Span;

use super::Vice;
use super::mutant::Scene;
use super::speaker::say;

/// What follows a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// These bytes; whether they are the vice's doing.
    Say(Vec<u8>, bool),
    /// These bytes, one a minute.
    Drip(Vec<u8>),
    /// These bytes, and then the end.
    Cut(Vec<u8>),
    /// These bytes: the piece is taken back. If it was before, only a reject.
    TakeBack(Vec<u8>),
    /// Nothing, by vice.
    Nothing,
}

/// Answers a request for a block that exists. `shown` tells whether the vice has shown on this connection.
pub(super) fn answer(vice: Option<Vice>, span: Span, shown: bool, scene: &mut Scene<'_>) -> Answer {
    let mut content = vec![0; span.len as usize];
    scene.content.fill(scene.layout.start(span.piece) + u64::from(span.offset), &mut content);
    let block = |content: &[u8]| say::block(span.piece, span.offset, content);
    let lies = match vice {
        Some(Vice::Liar) => true,
        Some(Vice::LiesSometimes) => scene.prng.chance(1, 3),
        Some(Vice::OneBit) => !shown && scene.prng.chance(1, 4),
        _ => false,
    };
    if lies {
        let at = scene.prng.index(content.len());
        content[at] ^= 1 << scene.prng.below(8);
        return Answer::Say(block(&content), true);
    }
    match vice {
        Some(Vice::BlockShort) => Answer::Say(short(span, &content, shown, scene), true),
        Some(Vice::BlockLong) => {
            content.resize(scene.limits.block_len as usize + 1 + scene.prng.index(100), 0);
            Answer::Say(block(&content), true)
        }
        Some(Vice::BlockEmpty) => Answer::Say(block(&[]), true),
        Some(Vice::CutsBlock) => {
            let mut bytes = block(&content);
            bytes.truncate(1 + scene.prng.index(bytes.len() - 1));
            Answer::Cut(bytes)
        }
        Some(Vice::NeverServes) => Answer::Nothing,
        Some(Vice::Drips) => Answer::Drip(block(&content)),
        Some(Vice::RejectsAll) => Answer::Say(say::span(16, span), true),
        Some(Vice::TakesBack) => {
            let Some(number) = scene.numbers.dont_have else { return Answer::Say(block(&content), false) };
            let mut bytes = say::extended(number, &span.piece.0.to_be_bytes());
            bytes.extend(say::span(16, span));
            Answer::TakeBack(bytes)
        }
        _ => Answer::Say(block(&content), false),
    }
}

/// Shorter than what was asked for: the first time so often that nobody takes it for late answers to what he gave up.
fn short(span: Span, content: &[u8], shown: bool, scene: &mut Scene<'_>) -> Vec<u8> {
    if content.len() < 2 {
        return say::block(span.piece, span.offset, content);
    }
    let times = if shown { 1 } else { u32::from(scene.limits.patience.unasked) + scene.limits.asks + 2 };
    let len = 1 + scene.prng.index((content.len() - 1).min(64));
    say::block(span.piece, span.offset, &content[..len]).repeat(times as usize)
}
