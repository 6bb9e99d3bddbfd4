//! Peer exchange (BEP 11): members are told of each other, about once a minute.
//!
//! Whoever comes, goes or says where he listens is news to all others, and only news wakes anybody: a crew in which
//! nothing changes says nothing and sleeps.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use tide_base::{Instant, SlotKey};
use tide_peer::pex::{Contact, Delta, Flags};

use super::Crew;
use super::member::Member;
use crate::desk::{Desk, Reason};
use crate::id::ConnKey;
use crate::mail::ToTorrent;
use crate::torrent::book::Sources;

impl Crew {
    /// Who is here has changed: everybody is to be told.
    pub(super) fn everybody_is_news(&mut self, desk: &mut Desk) {
        if !self.facts.offers.pex {
            return;
        }
        let waiting = self.roster.iter_mut().filter(|(_, member)| !member.news);
        let woken: Vec<(ConnKey, Instant)> = waiting
            .map(|(_, member)| {
                member.news = true;
                (member.conn, member.gossip.due_at())
            })
            .collect();
        for (conn, at) in woken {
            desk.wake_conn(conn, at, Reason::Gossip);
        }
    }

    /// Tells a member what is news to it, if it is time.
    pub(super) fn gossip(&mut self, desk: &mut Desk, now: Instant, key: SlotKey) {
        let due = |member: &&Member| member.news && member.gossip.due_at() <= now;
        if self.roster.get(key).filter(due).is_none() {
            return;
        }
        let contacts = self.contacts();
        let Some(member) = self.roster.get_mut(key) else { return };
        if !member.session.takes_pex() {
            // Its extension handshake may come yet, and is news.
            member.news = false;
            return;
        }
        let limits = &self.config.limits.pex;
        match member.gossip.delta(now, &contacts, &mut desk.prng, limits) {
            Some(delta) => {
                let (came, went) = (delta.added.len(), delta.dropped.len());
                log::debug!(
                    "{:?}: {} is told of {came} peers, and that {went} are gone",
                    self.torrent,
                    member.addr
                );
                member.session.tell_peers(now, &delta);
                self.roster.busy(key);
            }
            None => member.news = false,
        }
    }

    /// Whom we are connected to, as far as it is known where they listen.
    fn contacts(&self) -> Vec<Contact> {
        let contact = |member: &Member| {
            let reachable = if member.outgoing { Flags::REACHABLE } else { Flags::NONE };
            let seed = if member.gives_only() { Flags::SEED } else { Flags::NONE };
            Some((member.listens?, member.flags | reachable | seed))
        };
        let all: BTreeMap<SocketAddr, Flags> =
            self.roster.iter().filter_map(|(_, member)| contact(member)).collect();
        all.into_iter().map(|(addr, flags)| Contact { addr, flags }).collect()
    }

    /// A member tells of its peers. Only what it can mean is listened to.
    pub(super) fn peers_came(&self, desk: &mut Desk, key: SlotKey, mut delta: Delta) {
        let Some(member) = self.roster.get(key).filter(|_| self.facts.offers.pex) else { return };
        delta.keep_for(member.addr.ip());
        let peers: Vec<SocketAddr> = delta.added.iter().map(|contact| contact.addr).collect();
        log::debug!("{:?}: {} tells of {peers:?}", self.torrent, member.addr);
        if !peers.is_empty() {
            desk.tell_torrent(self.torrent, ToTorrent::Found { source: Sources::PEX, peers });
        }
    }
}
