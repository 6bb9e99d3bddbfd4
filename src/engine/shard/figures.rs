//! What can be told about a shard, at any time and without asking anybody.

use super::Shard;
use crate::desk::Role;
use crate::faults::Faults;
use crate::stats::SessionStats;

impl Shard {
    /// Which rules peers broke on this shard, and how often.
    pub fn faults(&self) -> &Faults {
        &self.desk.faults
    }

    pub(super) fn stats(&self) -> SessionStats {
        let settled = |role: &Role| matches!(role, Role::Member(..));
        let peers = self.desk.conns.iter().filter(|(_, conn)| settled(&conn.role)).count() as u32;
        let tracker = |role: &Role| matches!(role, Role::Tracker(_) | Role::Gateway(_));
        let trackers = self.desk.conns.iter().filter(|(_, conn)| tracker(&conn.role)).count() as u32;
        SessionStats {
            torrents: self.torrents.len() as u32,
            peers,
            half_open: self.desk.conns.len() as u32 - peers - trackers,
            downloaded: self.traffic.0,
            uploaded: self.traffic.1,
            memory: self.desk.memory.out(),
            turns: self.turns,
            faults: self.desk.faults,
            dht_nodes: self.central.as_ref().map_or(0, |central| central.dht_nodes()),
        }
    }
}
