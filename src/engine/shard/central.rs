//! On shard 0: what the session has only one of, and the routes to it.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use tide_base::{Duration, InfoHash, Instant, Prng, ShardId, SlotKey};

use tide_disk::Done;

use super::Slices;
use crate::border::{NetError, ResolveId};
use crate::command::{CommandError, CommandId, Setup};
use crate::desk::gates::SessionErrand;
use crate::desk::purse::{Resource, Stock};
use crate::desk::{Asker, Desk, Owner, Reason};
use crate::id::TorrentKey;
use crate::mail::{FromSession, Mail, ToSession};
use crate::session::announcer::Announcer;
use crate::session::dht::Dht;
use crate::session::dht::words::{DhtCommand, DhtSurvey};
use crate::session::treasury::{Grant, Treasury};

/// How long an address that sent bad data is not talked to.
const BAN: Duration = Duration::from_secs(24 * 3600);

/// What the session has only one of.
#[derive(Debug)]
pub(super) struct Central {
    treasury: Treasury,
    announcer: Announcer,
    /// The part in the DHT, if it is taken.
    dht: Option<Box<Dht>>,
    directory: BTreeMap<InfoHash, TorrentKey>,
}

impl Central {
    pub(super) fn new(setup: &Setup, prng: &Prng) -> Central {
        Central {
            treasury: Treasury::new(setup),
            announcer: Announcer::new(setup, prng.split("announcer")),
            dht: setup.dht.as_ref().map(|dht| Box::new(Dht::new(dht, prng.split("dht"), setup.now))),
            directory: BTreeMap::new(),
        }
    }

    /// A shard says something.
    pub(super) fn told(&mut self, desk: &mut Desk, now: Instant, from: ShardId, what: ToSession) {
        match what {
            ToSession::Listed(hash, key) => {
                self.directory.insert(hash, key);
                broadcast(desk, || FromSession::Listed(hash, key));
            }
            ToSession::Unlisted(hash, key) => {
                if self.directory.get(&hash) == Some(&key) {
                    self.directory.remove(&hash);
                }
                broadcast(desk, || FromSession::Unlisted(hash, key));
            }
            ToSession::Ask(resource, amount) => {
                let grants = self.treasury.ask(now, from, resource, amount);
                send(desk, grants);
                self.recall(desk, resource);
            }
            ToSession::Hint(stock, amount) => {
                let grants = self.treasury.spare(from, stock, amount);
                send(desk, grants);
            }
            ToSession::Return(Resource::Stock(stock), amount) => {
                let grants = self.treasury.take_back(now, stock, amount);
                send(desk, grants);
                self.recall(desk, Resource::Stock(stock));
            }
            ToSession::Return(Resource::Flow(_), _) => {}
            ToSession::SetRates(rates) => {
                let grants = self.treasury.set_rates(now, rates);
                send(desk, grants);
                broadcast(desk, || FromSession::Rates(rates));
            }
            ToSession::Ban(ip) => broadcast(desk, || FromSession::Ban(ip, now + BAN)),
            ToSession::Announce(job) => self.announcer.submit(desk, now, *job),
            ToSession::Forget(torrent) => {
                self.announcer.forget(torrent);
                if let Some(dht) = &mut self.dht {
                    dht.forget(torrent);
                }
            }
            ToSession::Dht(what) => {
                if let Some(dht) = &mut self.dht {
                    dht.told(now, what);
                }
            }
        }
    }

    /// While somebody waits for a stock, everybody else gives back what is not in use. Of upload slots and of places for
    /// connections so does the one who waits, if others wait behind: what gets free with him is the next one's, and not
    /// his own torrents' for ever.
    fn recall(&self, desk: &mut Desk, resource: Resource) {
        let Resource::Stock(stock) = resource else { return };
        let Some(short) = self.treasury.is_short_of(stock) else { return };
        let in_turn = matches!(stock, Stock::UploadSlots | Stock::HalfOpen | Stock::Peers);
        let all = in_turn && self.treasury.is_contended(stock);
        for shard in (0..desk.setup.shards).map(ShardId).filter(|&shard| all || shard != short) {
            desk.mail(shard, Mail::FromSession(FromSession::Recall(stock)));
        }
    }

    /// Grants what refilled, looks after announces, and says when to be looked at again.
    pub(super) fn settle(&mut self, desk: &mut Desk, now: Instant) {
        let grants = self.treasury.grants(now);
        send(desk, grants);
        if self.announcer.deadline() <= now {
            self.announcer.due(desk, now);
        }
        if let Some(dht) = &mut self.dht {
            dht.settle(desk, now);
            desk.timers.arm(Owner::Session, dht.deadline(), Reason::Dht);
        }
        desk.timers.arm(Owner::Session, self.treasury.deadline(now), Reason::Refill);
        desk.timers.arm(Owner::Session, self.announcer.deadline(), Reason::Announce);
    }

    /// The application wants something of the DHT.
    pub(super) fn command_dht(&mut self, desk: &mut Desk, now: Instant, id: CommandId, what: DhtCommand) {
        match &mut self.dht {
            Some(dht) => dht.command(desk, now, id, what),
            None => desk.reply(id, Err(CommandError::NoDht)),
        }
    }

    /// A job of the session's own is done.
    pub(super) fn disk_done(&mut self, desk: &mut Desk, errand: SessionErrand, done: Done) {
        if let Some(dht) = &mut self.dht {
            dht.disk_done(desk, errand, done.result);
        }
    }

    /// The session ends.
    pub(super) fn shut_down(&mut self, desk: &mut Desk, now: Instant) {
        if let Some(dht) = &mut self.dht {
            dht.shut_down(desk, now);
        }
    }

    /// Whether no torrent of any shard is left, no announce is waited for, and all that was to be saved is.
    pub(super) fn is_idle(&self) -> bool {
        let is_saved = self.dht.as_ref().is_none_or(|dht| dht.is_done());
        is_saved && !self.announcer.is_awaited() && self.directory.is_empty()
    }

    /// Nodes of the DHT that answered lately.
    pub(super) fn dht_nodes(&self) -> u32 {
        self.dht.as_ref().map_or(0, |dht| dht.nodes())
    }

    /// How the part in the DHT stands.
    pub(super) fn survey_dht(&self) -> Option<DhtSurvey> {
        self.dht.as_ref().map(|dht| dht.survey())
    }

    /// How what is shared stands.
    pub(super) fn survey(&self) -> crate::survey::TreasurySurvey {
        self.treasury.survey()
    }

    pub(super) fn resolved(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        id: ResolveId,
        result: Result<Vec<IpAddr>, NetError>,
    ) {
        for asker in desk.names.answered(id) {
            match asker {
                Asker::Announce(request) => self.announcer.resolved(desk, now, request, &result),
                Asker::Router(router) => {
                    if let Some(dht) = &mut self.dht {
                        dht.resolved(now, router, &result);
                    }
                }
            }
        }
    }

    pub(super) fn connected(&mut self, desk: &mut Desk, now: Instant, request: SlotKey) {
        self.announcer.connected(desk, now, request);
    }

    pub(super) fn closed(&mut self, desk: &mut Desk, now: Instant, request: SlotKey, why: NetError) {
        self.announcer.closed(desk, now, request, why);
    }

    pub(super) fn want(&self, request: SlotKey) -> usize {
        self.announcer.want(request)
    }

    pub(super) fn filled(&mut self, desk: &mut Desk, now: Instant, request: SlotKey, bytes: &[u8]) {
        self.announcer.filled(desk, now, request, bytes);
    }

    pub(super) fn gather<'a>(&'a self, request: SlotKey, out: &mut Slices<'a>) {
        self.announcer.gather(request, out);
    }

    pub(super) fn sent(&mut self, request: SlotKey, len: usize) {
        self.announcer.sent(request, len);
    }

    pub(super) fn datagram(&mut self, desk: &mut Desk, now: Instant, from: SocketAddr, data: &[u8]) {
        // What begins a dictionary is no tracker's.
        match &mut self.dht {
            Some(dht) if tide_dht::krpc::is_likely(data) => dht.datagram(now, from, data),
            _ => drop(self.announcer.datagram(desk, now, from, data)),
        }
    }
}

fn send(desk: &mut Desk, grants: Vec<Grant>) {
    for (to, resource, amount) in grants {
        desk.mail(to, Mail::FromSession(FromSession::Grant(resource, amount)));
    }
}

fn broadcast(desk: &mut Desk, what: impl Fn() -> FromSession) {
    for shard in (0..desk.setup.shards).map(ShardId) {
        desk.mail(shard, Mail::FromSession(what()));
    }
}
