//! Upload slots: as many as there are, and everybody gets one in turn.

use std::collections::BTreeMap;

use tide_base::{Duration, Instant};
use tide_engine::survey::{PeerSurvey, TorrentSurvey};
use tide_engine::{Limits, PeerKey, Survey, TorrentKey};
use tide_peer::Choke;

use super::oracle::{Compared, ensure};

/// No more peers are unchoked than there are slots, and who has one is unchoked.
pub(super) fn slots_kept(survey: &Survey, limits: &Limits) -> Compared {
    let mut compared = 0;
    for torrent in survey.torrents.iter().filter(|torrent| torrent.is_active()) {
        let (key, choker) = (torrent.key, &torrent.choker);
        ensure(choker.slots <= limits.upload_slots, || {
            format!("{key:?} has {} slots of {} in the session", choker.slots, limits.upload_slots)
        })?;
        ensure(choker.taken.len() as u32 <= choker.slots, || {
            format!("{key:?}: {} peers have one of {} slots", choker.taken.len(), choker.slots)
        })?;
        ensure(choker.optimistic.is_none_or(|peer| choker.taken.contains(&peer)), || {
            format!("{key:?}: the optimistic peer has no slot")
        })?;
        let Some(crew) = survey.crew_of(torrent) else { continue };
        for member in &crew.members {
            let Some(peer) = torrent.peers.iter().find(|peer| peer.key == member.peer) else { continue };
            let unchoked = member.choking.ours == Choke::Unchoked;
            ensure(unchoked == peer.unchoked, || {
                format!("{}: unchoked: {unchoked}, and the torrent believes otherwise", member.addr)
            })?;
            // Who ceased to be interested keeps what nobody else needs until the next round.
            let slot = choker.taken.contains(&peer.key);
            ensure(!slot || unchoked, || format!("{} has a slot and is choked", member.addr))?;
            ensure(!unchoked || slot || !peer.interested || torrent.peers.len() > 1, || {
                format!("{} is unchoked without a slot", member.addr)
            })?;
            compared += u64::from(unchoked);
        }
        let used = torrent.peers.iter().filter(|peer| peer.unchoked && peer.interested).count() as u32;
        ensure(used <= choker.slots, || {
            format!("{key:?}: {used} peers that want something are unchoked, and there are {} slots", choker.slots)
        })?;
    }
    Ok(compared)
}

/// How long a peer may wait for its turn, by whom it waits with. A tour of the optimistic slot is 30 s for each; a
/// seed turns to the next after 60 s at the latest; both happen at rounds.
fn patience(torrent: &TorrentSurvey, limits: &Limits) -> Duration {
    let waiting = torrent.peers.iter().filter(|peer| waits(peer)).count() as u32;
    let turn = Duration::from_secs(60).max(limits.choke_round * 3);
    // Half a turn more for each, since who is drawn by lot may be drawn twice before a tour is over.
    (turn + limits.choke_round) * (waiting + 2) * 3 / 2
}

fn waits(peer: &PeerSurvey) -> bool {
    peer.interested && !peer.unchoked && !peer.upload_only
}

/// Who waits since when.
#[derive(Debug, Default)]
pub(super) struct Patience {
    since: BTreeMap<(TorrentKey, PeerKey), Instant>,
}

impl Patience {
    pub(super) fn survey(&mut self, now: Instant, survey: &Survey, limits: &Limits) -> Compared {
        let mut waiting = BTreeMap::new();
        let mut compared = 0;
        for torrent in survey.torrents.iter().filter(|torrent| torrent.is_active()) {
            let patience = patience(torrent, limits);
            let served = torrent.choker.slots > 0;
            for peer in torrent.peers.iter().filter(|peer| served && waits(peer)) {
                let since = self.since.get(&(torrent.key, peer.key)).copied().unwrap_or(now);
                let since = since.max(peer.since);
                ensure(now.since(since) <= patience, || {
                    format!(
                        "{:?}: {} waits for a slot since {since:?}, and {patience:?} are enough for everybody",
                        torrent.key, peer.addr
                    )
                })?;
                waiting.insert((torrent.key, peer.key), since);
                compared += 1;
            }
        }
        // Those of other shards keep their place.
        self.since.retain(|(torrent, _), _| torrent.shard != survey.shard);
        self.since.append(&mut waiting);
        Ok(compared)
    }
}
