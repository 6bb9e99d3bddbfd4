//! Whether the DHT is to know of a torrent: what is active and not private (BEP 27) is announced there and its peers are
//! looked for, sooner while there are few.

use super::Torrent;
use crate::desk::Desk;
use crate::mail::ToSession;
use crate::session::dht::words::{ToDht, Wish};

/// With fewer peers than this a torrent that misses pieces cannot wait for the next announce. Below the number that a
/// tracker is asked again for: lookups ask dozens of strangers, and swarms are commonly small.
const LONELY: u32 = 5;

impl Torrent {
    /// Tells the session's part in the DHT what has changed.
    pub(super) fn seek(&mut self, desk: &mut Desk) {
        let wish = self.wish(desk);
        if wish == self.sought {
            return;
        }
        let is_first = self.sought.is_none();
        self.sought = wish;
        let (torrent, hash) = (self.key, self.spec.info_hashes.v1);
        match (wish, hash) {
            (Some(wish), Some(info_hash)) => {
                if is_first && !self.spec.nodes.is_empty() {
                    desk.tell_session(ToSession::Dht(ToDht::Nodes(self.spec.nodes.clone())));
                }
                desk.tell_session(ToSession::Dht(ToDht::Seek { torrent, info_hash, wish }));
            }
            _ => desk.tell_session(ToSession::Dht(ToDht::Cease(torrent))),
        }
    }

    fn wish(&self, desk: &Desk) -> Option<Wish> {
        if desk.setup.dht.is_none() || self.spec.private || !self.is_active() {
            return None;
        }
        let is_seed = self.is_complete() && self.stock.have().all();
        let is_hungry = !self.is_complete() && self.swarm.len() < LONELY;
        Some(Wish { is_seed, is_hungry })
    }
}
