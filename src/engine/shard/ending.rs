//! The session ends: torrents leave, and when all have, or their time is over, so does the shard.

use tide_base::{Duration, Instant, Slots};

use super::Shard;
use crate::border::Output;
use crate::command::{Answer, CommandId};
use crate::desk::{Owner, Reason};
use crate::id::ConnKey;

impl Shard {
    /// The session ends: everybody leaves.
    pub(super) fn shut_down(&mut self, now: Instant, id: CommandId, budget: Duration) {
        let until = now + budget;
        self.ending = Some(self.ending.map_or(until, |ending| ending.min(until)));
        self.desk.timers.arm(Owner::Session, until, Reason::Ending);
        for (slot, torrent) in self.torrents.iter_mut() {
            torrent.shut_down(&mut self.desk, now);
            self.touched.insert(Owner::Torrent(slot));
        }
        if let Some(central) = &mut self.central {
            central.shut_down(&mut self.desk, now);
        }
        self.desk.reply(id, Ok(Answer::Ok));
    }

    /// Ends when everybody has left, or when the time for it is over.
    pub(super) fn end(&mut self, now: Instant) {
        let Some(until) = self.ending else { return };
        if until <= now && !self.finished {
            for (_, torrent) in self.torrents.iter_mut() {
                torrent.abandon(&mut self.desk);
            }
            self.torrents = Slots::new();
        }
        let announced = self.central.as_ref().is_none_or(|central| central.is_idle());
        if !self.finished && self.torrents.is_empty() && (announced || until <= now) {
            self.finished = true;
            let conns: Vec<ConnKey> = self.desk.conns.iter().map(|(key, _)| key).collect();
            for conn in conns {
                self.desk.close(conn);
            }
            self.desk.put(Output::Finished);
        } else if !self.finished {
            self.desk.timers.arm(Owner::Session, until, Reason::Ending);
        }
    }
}
