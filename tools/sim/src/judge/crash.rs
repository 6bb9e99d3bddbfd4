//! Resume data: what they claim is had, was synced, and is on the medium after a crash.

use tide_base::{Bits, InfoHash, PieceIndex};
use tide_engine::Survey;

use super::oracle::{Compared, ensure};
use super::view::{Truth, View};

/// What resume data on a medium claim is there.
pub(super) fn resume_is_true(
    node: usize,
    torrent: InfoHash,
    claimed: Option<&Bits>,
    view: &dyn View,
) -> Compared {
    let mut compared = 0;
    for piece in claimed.into_iter().flat_map(Bits::iter).map(PieceIndex) {
        let truth = view.truth_of_claim(node, torrent, piece);
        ensure(truth != Truth::Wrong, || {
            format!(
                "resume data of {torrent:?} claim piece {piece}, which is not on the medium or never was for sure"
            )
        })?;
        compared += u64::from(truth == Truth::Right);
    }
    Ok(compared)
}

/// While a torrent transfers, what resume data may claim is had; what waits for a sync is not claimed.
pub(super) fn claims_are_had(survey: &Survey) -> Compared {
    let mut compared = 0;
    for torrent in survey.torrents.iter().filter(|torrent| torrent.is_active()) {
        let (key, steps) = (torrent.key, &torrent.checkpoint);
        if let Some(piece) = steps.claimed.iter().find(|&piece| !torrent.have.has(piece)) {
            return Err(format!("{key:?} claims piece {piece} and does not have it"));
        }
        let unsynced = steps.written.iter().chain(steps.syncing.iter().flat_map(Bits::iter));
        for piece in unsynced {
            ensure(!steps.claimed.has(piece), || format!("{key:?} claims piece {piece} before its sync"))?;
        }
        compared += u64::from(steps.claimed.count());
    }
    Ok(compared)
}
