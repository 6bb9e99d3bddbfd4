//! What the owner asks for.

use super::quest::{Announce, Goal, Wanted};
use super::{Node, Purpose};
use crate::event::{Event, Failure, Outcome, QueryId, Refused};
use crate::id::NodeId;
use crate::item::Item;
use crate::krpc::{Ask, Want};
use alloc::boxed::Box;
use core::net::SocketAddr;
use tide_base::addr::Family;
use tide_base::{Duration, InfoHash, Instant, SlotKey, addr};

/// What a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Holder {
    /// A quest that waits for its turn.
    Waiting,
    /// A quest under way.
    Quest(SlotKey),
    /// A single request, under way.
    Single,
    /// An announce that is kept up.
    Standing,
}

/// An announce that is kept up.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) info_hash: InfoHash,
    pub(super) announce: Announce,
    /// The round under way.
    pub(super) quest: Option<SlotKey>,
    /// The entry in the list of what is due; never while a round is under way.
    pub(super) next: Instant,
    /// How long to wait if the round reaches nobody.
    pub(super) retry: Duration,
}

impl Node {
    /// Looks for peers of a torrent, and announces us once if so asked. Progress: [`Event::Peers`]; end:
    /// [`Outcome::Peers`].
    ///
    /// # Errors
    /// [`Refused::NameTaken`], [`Refused::Busy`].
    pub fn get_peers(
        &mut self,
        id: QueryId,
        info_hash: InfoHash,
        announce: Option<Announce>,
    ) -> Result<(), Refused> {
        self.take_on(id, Goal::Peers { info_hash, announce, scrape: false })
    }

    /// Counts the peers of a torrent (BEP 33), telling of those found. Ends with [`Outcome::Peers`].
    ///
    /// # Errors
    /// [`Refused::NameTaken`], [`Refused::Busy`].
    pub fn scrape(&mut self, id: QueryId, info_hash: InfoHash) -> Result<(), Refused> {
        self.take_on(id, Goal::Peers { info_hash, announce: None, scrape: true })
    }

    /// Announces us, now and again and again until it is [cancelled](Self::cancel). Each round tells of the peers it
    /// finds ([`Event::Peers`]) and ends with [`Event::Round`].
    ///
    /// # Errors
    /// [`Refused::NameTaken`], [`Refused::Busy`].
    pub fn announce(&mut self, id: QueryId, info_hash: InfoHash, announce: Announce) -> Result<(), Refused> {
        self.claim(id)?;
        let retry = self.config.limits.announce_retry;
        self.names.insert(id, Holder::Standing);
        // The first round goes before all that are merely due again.
        let next = Instant::ZERO;
        self.standing.insert(id, Standing { info_hash, announce, quest: None, next, retry });
        self.due.insert((next, id));
        Ok(())
    }

    /// Changes what a kept announce says; the next round says it. Returns whether there is one of this name.
    pub fn announce_as(&mut self, id: QueryId, announce: Announce) -> bool {
        let standing = self.standing.get_mut(&id);
        standing.map(|standing| standing.announce = announce).is_some()
    }

    /// Looks for an item (BEP 44). Progress: [`Event::Item`]; end: [`Outcome::Item`].
    ///
    /// # Errors
    /// [`Refused::NameTaken`], [`Refused::Busy`].
    pub fn get(&mut self, id: QueryId, wanted: Wanted) -> Result<(), Refused> {
        self.take_on(id, Goal::Get(wanted))
    }

    /// Stores an item with the nodes closest to it (BEP 44), over version `cas` only if that is given. Ends with
    /// [`Outcome::Stored`]. Nodes forget it after two hours; whoever wants it kept puts it again each hour.
    ///
    /// # Errors
    /// [`Refused::NameTaken`], [`Refused::Busy`].
    pub fn put(&mut self, id: QueryId, item: Item, cas: Option<i64>) -> Result<(), Refused> {
        self.take_on(id, Goal::Put { item: Box::new(item), cas })
    }

    /// Asks one node whether it is there. Ends with [`Outcome::Pong`].
    ///
    /// # Errors
    /// Any [`Refused`].
    pub fn ping(&mut self, now: Instant, id: QueryId, to: SocketAddr) -> Result<(), Refused> {
        self.single(now, id, to, Purpose::Ping(id), Ask::Ping, Want::Same)
    }

    /// Asks one node for some of the info-hashes it knows, and for nodes close to `target` (BEP 51). Ends with
    /// [`Outcome::Sampled`].
    ///
    /// # Errors
    /// Any [`Refused`].
    pub fn sample(
        &mut self,
        now: Instant,
        id: QueryId,
        to: SocketAddr,
        target: NodeId,
    ) -> Result<(), Refused> {
        self.single(now, id, to, Purpose::Sample(id), Ask::Sample { target }, Want::Same)
    }

    /// Ends a query. Its [`Event::Done`] comes with [`Failure::Canceled`]; what is still answered helps the table only.
    pub fn cancel(&mut self, id: QueryId) {
        let Some(holder) = self.names.remove(&id) else { return };
        match holder {
            Holder::Waiting => self.waiting.retain(|(_, name)| *name != id),
            Holder::Quest(key) => drop(self.quests.remove(key)),
            Holder::Single => {}
            Holder::Standing => {
                if let Some(standing) = self.standing.remove(&id) {
                    self.due.remove(&(standing.next, id));
                    if let Some(key) = standing.quest {
                        self.quests.remove(key);
                    }
                }
            }
        }
        self.tell(Event::Done { query: id, outcome: Outcome::Failed(Failure::Canceled) });
    }

    fn claim(&self, id: QueryId) -> Result<(), Refused> {
        if self.names.contains_key(&id) {
            return Err(Refused::NameTaken);
        }
        if self.names.len() >= self.config.limits.waiting {
            return Err(Refused::Busy);
        }
        Ok(())
    }

    fn take_on(&mut self, id: QueryId, goal: Goal) -> Result<(), Refused> {
        self.claim(id)?;
        self.names.insert(id, Holder::Waiting);
        self.waiting.push_back((goal, id));
        Ok(())
    }

    fn single(
        &mut self,
        now: Instant,
        id: QueryId,
        to: SocketAddr,
        purpose: Purpose,
        ask: Ask<'_>,
        want: Want,
    ) -> Result<(), Refused> {
        self.claim(id)?;
        let to = addr::canonical(to);
        if addr::is_bogus(to) || self.half(Family::of(to.ip())).is_none() {
            return Err(Refused::Address);
        }
        if !self.may_ask(now) {
            return Err(Refused::Busy);
        }
        self.names.insert(id, Holder::Single);
        self.ask(now, to, purpose, ask, want);
        Ok(())
    }

    /// A query of one request has ended.
    pub(super) fn single_ended(&mut self, id: QueryId, outcome: Outcome) {
        if self.names.get(&id) == Some(&Holder::Single) {
            self.names.remove(&id);
            self.tell(Event::Done { query: id, outcome });
        }
    }
}
