//! When there is no room for another peer, now and then the ones that nobody gains from make room for fresh addresses:
//! a torrent that kept its first hundred peers for ever would never meet better ones.

use tide_base::{Duration, Instant};

use super::Torrent;
use crate::desk::Desk;
use crate::id::PeerKey;
use crate::mail::{ToCrew, Whom};

/// The part of the connections that is replaced at a time: one in so many.
const PART: u32 = 25;

/// How full a torrent is, in tenths, when peers make room.
const FULL: u64 = 9;

/// How long a peer may take to show what it is worth.
const GRACE: Duration = Duration::from_secs(60);

impl Torrent {
    /// When peers make room next.
    pub(super) fn turnover_deadline(&self, most: u32) -> Instant {
        if self.is_active() && self.is_full(most) { self.next_turnover } else { Instant::NEVER }
    }

    fn is_full(&self, most: u32) -> bool {
        u64::from(self.swarm.len()) * 10 >= u64::from(most) * FULL
    }

    /// Lets the least useful peers go, if it is time and there is somebody to meet instead.
    pub(super) fn turn_over(&mut self, desk: &mut Desk, now: Instant) {
        let most = desk.limits.peers_per_torrent;
        if self.turnover_deadline(most) > now {
            return;
        }
        self.next_turnover = now + desk.limits.turnover;
        if self.book.deadline() > now {
            return;
        }
        let mut idle: Vec<(u64, PeerKey)> = self
            .swarm
            .iter()
            .filter(|(_, peer)| now.since(peer.joined) >= GRACE && !peer.unchoked)
            .map(|(_, peer)| {
                (peer.rates.as_ref().map_or(0, |rates| rates.down_rate + rates.up_rate), peer.key)
            })
            .collect();
        idle.sort_unstable();
        for &(_, peer) in idle.iter().take((self.swarm.len() / PART).max(1) as usize) {
            self.tell_crew(desk, ToCrew::Drop(Whom::Peer(peer)));
        }
    }
}
