//! What is had is on the medium, stays, and was written before anybody was told of it.

use std::collections::{BTreeMap, BTreeSet};

use tide_base::{Bits, InfoHash, PieceIndex};
use tide_engine::survey::TorrentSurvey;
use tide_engine::{Event, Happening, State, Survey, TorrentKey};

use super::oracle::{Compared, ensure};
use super::view::{Truth, View};

/// Pieces had for long that are compared with the medium at a time, beside those that are new: comparing costs the world
/// a hash.
const SAMPLE: usize = 4;

/// Which bytes of a piece were answered as written: beginnings and ends of runs that do not touch.
#[derive(Clone, Debug, Default)]
struct Runs(BTreeMap<u32, u32>);

impl Runs {
    fn add(&mut self, mut from: u32, mut to: u32) {
        let touching: Vec<(u32, u32)> =
            self.0.range(..=to).filter(|&(_, &end)| end >= from).map(|(&begin, &end)| (begin, end)).collect();
        for (begin, end) in touching {
            self.0.remove(&begin);
            (from, to) = (from.min(begin), to.max(end));
        }
        self.0.insert(from, to);
    }

    fn cover(&self, len: u32) -> bool {
        self.0.get(&0).is_some_and(|&end| end >= len)
    }
}

/// What a torrent had when it was looked at last.
#[derive(Clone, Debug)]
struct Known {
    key: TorrentKey,
    have: Bits,
    /// Whether everything was looked at anew since, so that nothing follows from what was had.
    anew: bool,
    /// Where the sample goes on.
    cursor: u32,
}

/// The pieces of one node's torrents.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    known: BTreeMap<InfoHash, Known>,
    written: BTreeMap<(InfoHash, PieceIndex), Runs>,
}

impl Pieces {
    pub(super) fn written(&mut self, torrent: InfoHash, piece: PieceIndex, offset: u32, len: u64) {
        let end = offset.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        self.written.entry((torrent, piece)).or_default().add(offset, end);
    }

    pub(super) fn event(&mut self, event: &Event) {
        let Some(hash) = event.info_hashes.v1 else { return };
        if let Some(known) = self.known.get_mut(&hash) {
            let looks = matches!(
                event.what,
                Happening::Added { .. }
                    | Happening::Checking { .. }
                    | Happening::Started { .. }
                    // By what was found when it was looked at, perhaps.
                    | Happening::Stopped(_)
                    | Happening::Removed
            );
            known.anew |= looks;
        }
    }

    /// Somebody was told of a piece.
    pub(super) fn told(&self, torrent: InfoHash, piece: PieceIndex) -> Compared {
        self.may_speak_of(torrent, piece, "peers are told of")
    }

    /// Bytes of a piece are read for a peer.
    pub(super) fn serves(&self, torrent: InfoHash, piece: PieceIndex) -> Compared {
        self.may_speak_of(torrent, piece, "peers are served")
    }

    fn may_speak_of(&self, torrent: InfoHash, piece: PieceIndex, what: &str) -> Compared {
        let Some(known) = self.known.get(&torrent).filter(|known| !known.anew) else { return Ok(0) };
        let some = self.written.contains_key(&(torrent, piece));
        ensure(known.have.has(piece.0) || some, || {
            format!("{what} piece {piece} of {torrent:?}, of which no byte was answered as written")
        })?;
        Ok(1)
    }

    /// What was had is had.
    pub(super) fn keeps(&self, survey: &Survey) -> Compared {
        let mut compared = 0;
        for torrent in &survey.torrents {
            let Some(before) = self.before(torrent) else { continue };
            if let Some(lost) = before.have.iter().find(|&piece| !torrent.have.has(piece)) {
                return Err(format!(
                    "{:?} had piece {lost} and does not have it any more, and nothing was looked at anew",
                    torrent.key
                ));
            }
            compared += u64::from(before.have.count());
        }
        Ok(compared)
    }

    /// Every byte of what is had in addition was answered as written.
    pub(super) fn all_written(&self, survey: &Survey) -> Compared {
        let mut compared = 0;
        for torrent in &survey.torrents {
            let Some(before) = self.before(torrent) else { continue };
            for piece in torrent.have.iter().filter(|&piece| !before.have.has(piece)).map(PieceIndex) {
                let runs = self.written.get(&(torrent.info_hash, piece));
                let len = torrent.layout.len_of(piece);
                ensure(runs.is_some_and(|runs| runs.cover(len)), || {
                    let runs = runs.map(|runs| &runs.0);
                    format!(
                        "{:?} has piece {piece} of {len} bytes, of which were answered as written: {runs:?}",
                        torrent.key
                    )
                })?;
                compared += 1;
            }
        }
        Ok(compared)
    }

    /// What is had in addition is on the medium, and of what was had before some of it.
    pub(super) fn truth(&mut self, node: usize, survey: &Survey, view: &dyn View) -> Compared {
        let mut compared = 0;
        for torrent in survey.torrents.iter().filter(|torrent| is_settled(torrent)) {
            let known = self.known.get_mut(&torrent.info_hash);
            let mut pieces: BTreeSet<u32> = BTreeSet::new();
            if let Some(known) = known.filter(|known| known.key == torrent.key) {
                pieces.extend(torrent.have.iter().filter(|&piece| !known.have.has(piece)));
                let from = known.cursor;
                let old = torrent.have.iter().filter(|&piece| piece >= from).take(SAMPLE);
                let old: Vec<u32> = old.collect();
                known.cursor = old.last().map_or(0, |last| last + 1);
                pieces.extend(old);
            } else {
                pieces.extend(torrent.have.iter());
            }
            compared += true_pieces(node, torrent, pieces.into_iter(), view)?;
        }
        Ok(compared)
    }

    /// This is what was had last from now on.
    pub(super) fn remember(&mut self, survey: &Survey) {
        for torrent in &survey.torrents {
            let cursor = self.known.get(&torrent.info_hash).map_or(0, |known| known.cursor);
            let settled = is_settled(torrent);
            if settled {
                let had = |piece: &PieceIndex| torrent.have.has(piece.0);
                self.written.retain(|(hash, piece), _| *hash != torrent.info_hash || !had(piece));
            }
            let known = Known { key: torrent.key, have: torrent.have.clone(), anew: !settled, cursor };
            self.known.insert(torrent.info_hash, known);
        }
    }

    /// What is known of a torrent from before, if anything follows from it.
    fn before(&self, torrent: &TorrentSurvey) -> Option<&Known> {
        let known = self.known.get(&torrent.info_hash)?;
        (!known.anew && known.key == torrent.key && is_settled(torrent)).then_some(known)
    }
}

/// Whether it is known what is here, and that can only grow.
fn is_settled(torrent: &TorrentSurvey) -> bool {
    matches!(torrent.state, State::Downloading | State::Seeding | State::Paused)
}

fn true_pieces(
    node: usize,
    torrent: &TorrentSurvey,
    pieces: impl Iterator<Item = u32>,
    view: &dyn View,
) -> Result<u64, String> {
    let mut compared = 0;
    for piece in pieces.map(PieceIndex) {
        let truth = view.truth(node, torrent.info_hash, piece);
        ensure(truth != Truth::Wrong, || {
            format!("{:?} has piece {piece}, and what is on the medium does not hash to it", torrent.key)
        })?;
        compared += u64::from(truth == Truth::Right);
    }
    Ok(compared)
}

/// All that is had of a torrent is on the medium. Nothing excuses what is not, where everything was hashed anew.
pub(super) fn all_true(node: usize, torrent: &TorrentSurvey, view: &dyn View) -> Compared {
    for piece in torrent.have.iter().map(PieceIndex) {
        let truth = view.truth(node, torrent.info_hash, piece);
        ensure(truth == Truth::Right, || {
            format!(
                "{:?} was hashed anew and has piece {piece}, which is {truth:?} on the medium",
                torrent.key
            )
        })?;
    }
    Ok(u64::from(torrent.have.count()))
}

/// Each wanted piece is had, open or leased, and nothing is two of these.
pub(super) fn one_state(survey: &Survey) -> Compared {
    let mut compared = 0;
    for torrent in &survey.torrents {
        let leased: BTreeSet<u32> = torrent.leased.iter().map(|(lease, _)| lease.piece.0).collect();
        ensure(leased.len() == torrent.leased.len(), || format!("{:?} leases a piece twice", torrent.key))?;
        for piece in 0..torrent.layout.pieces() {
            let states = [torrent.have.has(piece), torrent.open.has(piece), leased.contains(&piece)];
            let count = states.iter().filter(|&&is| is).count();
            let wanted = torrent.wanted.has(piece);
            ensure(count <= 1 && (count == 1 || !wanted), || {
                let [had, open, leased] = states;
                format!(
                    "{:?}: piece {piece}, {}wanted, is had: {had}, open: {open}, leased: {leased}",
                    torrent.key,
                    if wanted { "" } else { "not " }
                )
            })?;
            compared += u64::from(wanted);
        }
    }
    Ok(compared)
}
