//! On shard 0: what the session has only one of, and the routes to it.

use core::net::{IpAddr, SocketAddr};
use std::collections::BTreeMap;

use tide_base::{Duration, InfoHash, Instant, Prng, ShardId, SlotKey};
use tide_portmap::Source;

use tide_disk::Done;

use super::Slices;
use crate::border::{NetError, Networks, Output, ResolveId, Via};
use crate::command::{CommandError, CommandId, Setup};
use crate::desk::gates::SessionErrand;
use crate::desk::purse::{Resource, Stock};
use crate::desk::{Asker, Desk, Owner, Reason};
use crate::id::TorrentKey;
use crate::mail::{FromSession, Mail, Outside, ToSession};
use crate::session::announcer::Announcer;
use crate::session::dht::Dht;
use crate::session::dht::words::{DhtCommand, DhtSurvey};
use crate::session::local::Local;
use crate::session::mapping::Mapping;
use crate::session::outside::View;
use crate::session::treasury::{Grant, Treasury};

/// How long an address that sent bad data is not talked to.
const BAN: Duration = Duration::from_secs(24 * 3600);

/// Who votes on behalf of the DHT, whose nodes have voted among themselves.
const DHT_VOTER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED);

/// What the session has only one of.
#[derive(Debug)]
pub(super) struct Central {
    treasury: Treasury,
    announcer: Announcer,
    /// The part in the DHT, if it is taken.
    dht: Option<Box<Dht>>,
    directory: BTreeMap<InfoHash, TorrentKey>,
    local: Option<Local>,
    mapping: Option<Mapping>,
    view: View,
    networks: Networks,
    /// The sockets that were asked for last, and whether others may be needed.
    sockets: (Vec<Via>, bool),
    /// What shards were told last.
    outside: Outside,
    ending: bool,
}

impl Central {
    pub(super) fn new(setup: &Setup, prng: &Prng) -> Central {
        Central {
            treasury: Treasury::new(setup),
            announcer: Announcer::new(setup, prng.split("announcer")),
            dht: setup.dht.as_ref().map(|dht| Box::new(Dht::new(dht, prng.split("dht"), setup.now))),
            directory: BTreeMap::new(),
            local: setup.local.map(|limits| Local::new(limits, prng.split("local"))),
            mapping: setup.mapping.map(|limits| Mapping::new(limits, prng.split("mapping"))),
            view: View::new(),
            networks: Networks::default(),
            sockets: (Vec::new(), false),
            outside: Outside::default(),
            ending: false,
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
            ToSession::Ask(need) => {
                let grants = self.treasury.ask(now, from, need);
                send(desk, grants);
                self.recall(desk, need.resource);
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
            ToSession::Near(hash, key) => {
                self.sockets.1 = true;
                if let Some(local) = &mut self.local {
                    local.add(now, hash, key);
                }
            }
            ToSession::Far(hash, key) => {
                self.sockets.1 = true;
                if let Some(local) = &mut self.local {
                    local.remove(hash, key);
                }
            }
            ToSession::Seen { by, voter, ip } => self.view.vote(now, by, voter, ip),
        }
    }

    /// While somebody waits for a stock, everybody else gives back what is not in use. Of upload slots and of places for
    /// connections so does the one who waits, if others wait behind: what gets free with him is the next one's, and not
    /// his own torrents' for ever.
    fn recall(&self, desk: &mut Desk, resource: Resource) {
        let Resource::Stock(stock) = resource else { return };
        let Some(short) = self.treasury.is_short_of(stock) else { return };
        let in_turn = matches!(stock, Stock::UploadSlots | Stock::HalfOpen | Stock::Strangers | Stock::Peers);
        let all = in_turn && self.treasury.is_contended(stock);
        for shard in (0..desk.setup.shards).map(ShardId).filter(|&shard| all || shard != short) {
            desk.mail(shard, Mail::FromSession(FromSession::Recall(stock)));
        }
    }

    /// Which networks the machine is on has changed.
    pub(super) fn networks_changed(&mut self, desk: &Desk, now: Instant, networks: Networks) {
        if self.networks != networks {
            self.view.place(&networks);
            self.networks = networks;
            self.place(desk, now);
        }
    }

    /// Where we listen, or which networks there are, has changed.
    pub(super) fn place(&mut self, desk: &Desk, now: Instant) {
        self.sockets.1 = true;
        if let Some(local) = &mut self.local {
            local.place(&desk.listening, &self.networks);
        }
        if let Some(mapping) = &mut self.mapping {
            mapping.place(now, &desk.listening, &self.networks);
        }
    }

    /// Looks after neighbours and gateways, and tells what is new.
    fn look_around(&mut self, desk: &mut Desk, now: Instant) {
        self.ask_for_sockets(desk);
        if let Some(local) = &mut self.local {
            local.settle(desk, now);
            desk.timers.arm(Owner::Session, local.deadline(), Reason::Local);
        }
        for (voter, ip) in self.announcer.take_seen() {
            self.view.vote(now, Source::Tracker, voter, ip);
        }
        for ip in self.dht.iter_mut().flat_map(|dht| dht.take_seen()) {
            self.view.vote(now, Source::Dht, DHT_VOTER, ip);
        }
        let mut changed = false;
        if let Some(mapping) = &mut self.mapping {
            let news = mapping.settle(desk, now);
            for (gateway, ip) in news.addresses {
                self.view.vote(now, Source::Gateway, gateway, ip);
            }
            changed = news.changed;
            desk.timers.arm(Owner::Session, mapping.deadline(), Reason::Mapping);
        }
        // Who takes his leave of trackers does it under the name that they know.
        if (self.view.take_changed() || changed) && !self.ending {
            self.tell_outside(desk);
        }
    }

    fn tell_outside(&mut self, desk: &mut Desk) {
        let mapped = self.mapping.as_ref().map(Mapping::mapped).unwrap_or_default();
        let outside = self.view.outside(&mapped);
        if self.outside != outside {
            self.outside = outside;
            broadcast(desk, || FromSession::Outside(outside));
        }
        self.view.tell(desk, mapped, self.mapping.as_ref().and_then(Mapping::trouble));
    }

    /// Peers reach us at another port, as this shard knows by now.
    pub(super) fn moved(&mut self, now: Instant) {
        if let Some(dht) = &mut self.dht {
            dht.moved(now);
        }
    }

    /// Has the sockets opened that are needed now.
    fn ask_for_sockets(&mut self, desk: &mut Desk) {
        if !core::mem::take(&mut self.sockets.1) {
            return;
        }
        let local = self.local.iter().flat_map(Local::sockets);
        let mut sockets: Vec<Via> = local.chain(self.mapping.iter().flat_map(Mapping::sockets)).collect();
        sockets.sort();
        sockets.dedup();
        if sockets != self.sockets.0 {
            self.sockets.0.clone_from(&sockets);
            desk.put(Output::Sockets(sockets));
        }
    }

    /// Grants what refilled, looks after announces, and says when to be looked at again.
    pub(super) fn settle(&mut self, desk: &mut Desk, now: Instant) {
        let grants = self.treasury.grants(now);
        send(desk, grants);
        if self.announcer.deadline() <= now {
            self.announcer.due(desk, now);
        }
        self.look_around(desk, now);
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

    /// The session ends: what gateways opened for it is closed.
    pub(super) fn shut_down(&mut self, desk: &mut Desk, now: Instant) {
        self.ending = true;
        if let Some(dht) = &mut self.dht {
            dht.shut_down(desk, now);
        }
        if let Some(mapping) = &mut self.mapping {
            mapping.stop(now);
        }
    }

    /// Whether no torrent of any shard is left, no announce is waited for, all that was to be saved is, and no port is open
    /// any more.
    pub(super) fn is_idle(&self) -> bool {
        let is_saved = self.dht.as_ref().is_none_or(|dht| dht.is_done());
        let is_closed = self.mapping.as_ref().is_none_or(Mapping::is_stopped);
        is_saved && is_closed && !self.announcer.is_awaited() && self.directory.is_empty()
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

    pub(super) fn datagram(
        &mut self,
        desk: &mut Desk,
        now: Instant,
        via: Via,
        from: SocketAddr,
        data: &[u8],
    ) {
        match via {
            // What begins a dictionary is no tracker's.
            Via::Session => match &mut self.dht {
                Some(dht) if tide_dht::krpc::is_likely(data) => dht.datagram(now, from, data),
                _ => drop(self.announcer.datagram(desk, now, from, data)),
            },
            Via::Group(on) => {
                if let Some(local) = self.local.as_mut().filter(|local| local.is_ours(on.group)) {
                    local.receive(now, from, data);
                } else if let Some(mapping) = self.mapping.as_mut().filter(|it| it.is_ours(on.group)) {
                    mapping.receive(now, from, data);
                }
            }
            Via::Address(_) => {
                if let Some(mapping) = &mut self.mapping {
                    mapping.receive(now, from, data);
                }
            }
        }
    }

    /// The streams to gateways, if there can be any.
    pub(super) fn mapping(&self) -> Option<&Mapping> {
        self.mapping.as_ref()
    }

    /// The streams to gateways, if there can be any.
    pub(super) fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        self.mapping.as_mut()
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
