//! How a shard stands: its parts describe themselves, this puts it together.

use super::Shard;
use crate::survey::{Glance, Survey};

impl Shard {
    /// How all its tables stand. Meant for between turns, after [`poll`](Shard::poll) returned `None`; costs as much as
    /// the tables are large.
    pub fn survey(&self) -> Survey {
        Survey {
            shard: self.desk.shard,
            turns: self.turns,
            ending: self.ending,
            finished: self.finished,
            torrents: self.torrents.iter().map(|(_, torrent)| torrent.survey()).collect(),
            crews: self.crews.iter().map(|(_, crew)| crew.survey(self.desk.shard)).collect(),
            desk: self.desk.survey(),
            bans: self.desk.bans.iter().collect(),
            treasury: self.central.as_ref().map(|central| central.survey()),
            dht: self.central.as_ref().and_then(|central| central.survey_dht()),
        }
    }

    /// What can be told of it at next to no cost.
    pub fn glance(&self) -> Glance {
        self.desk.glance(self.turns)
    }
}
