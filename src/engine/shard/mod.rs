//! A set of torrents and peers that one thread drives: inputs are routed in, decisions are drained out.
//!
//! ```text
//! mod.rs      the tables, the turn, the routes                opening.rs  connections before hands are shaken
//! central.rs  on shard 0: what the session has only one of    slices.rs   bytes to be sent, named in place
//! figures.rs  what can be told about a shard                  survey.rs   how its tables stand
//! ending.rs   the session ends                            streams.rs  bytes of streams, and whose they are
//! sharing.rs  whose turn it is to take what there is little of
//! moves.rs    announcing again at another port
//! ```

mod central;
mod ending;
mod figures;
mod moves;
mod opening;
mod sharing;
mod slices;
mod streams;
mod survey;

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tide_base::{InfoHash, Instant, ShardId, SlotKey, Slots};
use tide_disk::{Done, Hashed, Trouble, TroubleKind};
use tide_peer::SessionConfig;

use crate::border::{Input, Output, Via};
use crate::command::{Answer, Command, CommandError, CommandId, Setup, TorrentCommand};
use crate::crew::Crew;
use crate::desk::gates::TorrentErrand;
use crate::desk::{Desk, Errand, Owner, Reason, Stock};
use crate::id::TorrentKey;
use crate::mail::{FromSession, Mail, ToCrew, ToSession, ToTorrent};
use crate::torrent::Torrent;

use central::Central;
use moves::Moves;
pub use slices::{SLICES, Slices};

/// A set of torrents and peers that one thread drives. See [`border`](crate::border) for the law of the turn.
#[derive(Debug)]
pub struct Shard {
    desk: Desk,
    torrents: Slots<Torrent>,
    crews: Slots<Crew>,
    crew_of: BTreeMap<TorrentKey, SlotKey>,
    /// The torrents that are at home here.
    by_hash: BTreeMap<InfoHash, SlotKey>,
    /// Where every torrent of the session is at home.
    directory: BTreeMap<InfoHash, TorrentKey>,
    peer_config: Arc<SessionConfig>,
    /// What the session has only one of; on shard 0.
    central: Option<Box<Central>>,
    /// Whom something happened to since the last turn was settled.
    touched: BTreeSet<Owner>,
    /// Who of them is settled first: of those who wait for shares, each in turn.
    first: Owner,
    /// What was dealt out in this turn of the rate at which may be read.
    rationed: u64,
    /// When to look next who holds memory for uploads that others wait for.
    hoarders_at: Instant,
    /// The port that peers reach us at has changed, perhaps.
    moves: Moves,
    ending: Option<Instant>,
    finished: bool,
    turns: u64,
    traffic: (u64, u64),
}

impl Shard {
    /// The shard number `id` of an engine that is set up like that.
    pub fn new(id: ShardId, setup: &Setup) -> Shard {
        assert!(id.0 < setup.shards, "shard {} of {}", id.0, setup.shards);
        if let Err(rule) = setup.limits.check() {
            panic!("the limits do not fit together: {rule}");
        }
        let desk = Desk::new(id, setup);
        let mut limits = tide_peer::Limits { block_len: setup.limits.block_len, ..setup.limits.peer.clone() };
        limits.handshake = setup.limits.handshake_timeout;
        Shard {
            central: (id == ShardId::FIRST).then(|| Box::new(Central::new(setup, &desk.prng))),
            peer_config: Arc::new(SessionConfig { limits, ..SessionConfig::default() }),
            torrents: Slots::new(),
            crews: Slots::new(),
            crew_of: BTreeMap::new(),
            by_hash: BTreeMap::new(),
            directory: BTreeMap::new(),
            touched: BTreeSet::new(),
            first: Owner::Session,
            rationed: 0,
            hoarders_at: Instant::ZERO,
            moves: Moves::new(),
            ending: None,
            finished: false,
            turns: 0,
            traffic: (0, 0),
            desk,
        }
    }

    /// Which shard this is.
    pub fn id(&self) -> ShardId {
        self.desk.shard
    }

    /// Takes one input in.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Connected { conn, local: _ } => self.connected(now, conn),
            Input::Closed { conn, why } => self.closed(now, conn, why),
            Input::Datagram { via, from, data } => self.datagram(now, via, from, data),
            Input::Resolved { id, result } => {
                if let Some(central) = &mut self.central {
                    central.resolved(&mut self.desk, now, id, result);
                }
            }
            Input::Disk(done) => self.disk_done(now, done),
            Input::Hashed(hashed) => self.hashed(now, hashed),
            Input::Mail { from: _, mail } => self.mail(now, mail),
            Input::Command { id, command } => self.command(now, id, *command),
            Input::Listening(listening) => {
                self.desk.listening = listening;
                if let Some(central) = &mut self.central {
                    central.place(&self.desk, now);
                }
                for (slot, torrent) in self.torrents.iter_mut() {
                    torrent.listening_changed(&self.desk);
                    self.touched.insert(Owner::Torrent(slot));
                }
            }
            Input::Networks(networks) => {
                if let Some(central) = &mut self.central {
                    central.networks_changed(&self.desk, now, networks);
                }
            }
        }
    }

    fn disk_done(&mut self, now: Instant, done: Done) {
        let errand = self.desk.gates.disk_done(now, done.id, done.volume);
        self.run_errand(now, errand, done);
    }

    fn run_errand(&mut self, now: Instant, errand: Errand, done: Done) {
        match errand {
            Errand::Torrent(slot, errand) => {
                self.touched.insert(Owner::Torrent(slot));
                match self.torrents.get_mut(slot) {
                    Some(torrent) => torrent.disk_done(&mut self.desk, now, errand, done),
                    None => self.take_home(done.chunks),
                }
            }
            Errand::Crew(slot, errand) => {
                self.touched.insert(Owner::Crew(slot));
                match self.crews.get_mut(slot) {
                    Some(crew) => crew.disk_done(&mut self.desk, now, errand, done),
                    None => self.take_home(done.chunks),
                }
            }
            Errand::Session(errand) => {
                if let Some(central) = &mut self.central {
                    central.disk_done(&mut self.desk, errand, done);
                }
            }
        }
    }

    fn hashed(&mut self, now: Instant, hashed: Hashed) {
        match self.desk.gates.hash_done(hashed.id) {
            Errand::Torrent(slot, errand) => {
                self.touched.insert(Owner::Torrent(slot));
                match self.torrents.get_mut(slot) {
                    Some(torrent) => torrent.hash_done(&mut self.desk, now, errand, hashed),
                    // Metadata are no memory for blocks.
                    None if matches!(
                        errand,
                        TorrentErrand::JudgeMetadata(_) | TorrentErrand::RecallMetadata
                    ) => {}
                    None => self.take_home(hashed.chunks),
                }
            }
            Errand::Crew(slot, errand) => {
                self.touched.insert(Owner::Crew(slot));
                match self.crews.get_mut(slot) {
                    Some(crew) => crew.hash_done(&mut self.desk, now, errand, hashed),
                    None => self.take_home(hashed.chunks),
                }
            }
            Errand::Session(_) => unreachable!("the session's parts hash nothing"),
        }
    }

    /// Memory of a job whose asker is gone.
    fn take_home(&mut self, chunks: Vec<tide_base::Chunk>) {
        for chunk in chunks {
            self.desk.give_chunk(chunk);
        }
    }

    fn mail(&mut self, now: Instant, mail: Mail) {
        match mail {
            Mail::ToTorrent { torrent, crew, what } => {
                if let ToTorrent::Traffic(traffic) = &what {
                    self.traffic.0 += traffic.downloaded;
                    self.traffic.1 += traffic.uploaded;
                }
                self.touched.insert(Owner::Torrent(torrent.slot));
                if let Some(known) = self.torrents.get_mut(torrent.slot) {
                    known.told(&mut self.desk, now, crew, what);
                }
            }
            Mail::ToCrew { torrent, what } => self.tell_crew(now, torrent, what),
            Mail::ToSession { from, what } => {
                let central = self.central.as_mut().expect("only shard 0 is told what is the session's");
                central.told(&mut self.desk, now, from, what);
            }
            Mail::FromSession(what) => self.hear_session(now, what),
        }
    }

    fn tell_crew(&mut self, now: Instant, torrent: TorrentKey, what: ToCrew) {
        if let ToCrew::Muster(muster) = what {
            let config = Arc::clone(&self.peer_config);
            let slot = self.crews.insert_with(|key| Crew::new(now, key, torrent, *muster, config));
            let old = self.crew_of.insert(torrent, slot);
            assert!(old.is_none(), "a torrent has one crew a shard");
            self.touched.insert(Owner::Crew(slot));
            return;
        }
        let Some(&slot) = self.crew_of.get(&torrent) else { return };
        self.touched.insert(Owner::Crew(slot));
        if let Some(crew) = self.crews.get_mut(slot) {
            crew.told(&mut self.desk, now, what);
        }
    }

    fn hear_session(&mut self, now: Instant, what: FromSession) {
        match what {
            FromSession::Listed(hash, key) => drop(self.directory.insert(hash, key)),
            FromSession::Unlisted(hash, key) => {
                if self.directory.get(&hash) == Some(&key) {
                    self.directory.remove(&hash);
                }
            }
            FromSession::Grant(resource, amount) => {
                self.desk.purses.granted(now, resource, amount);
                self.wake_waiting();
                // At once: behind a grant there may come a recall, and slots would go to and fro, used by nobody.
                self.deal_out_slots(now);
                self.deal_out_dials(now);
                self.deal_out_metadata(now);
            }
            FromSession::Recall(stock) => self.desk.purses.recall(stock),
            FromSession::Rates(rates) => {
                self.desk.setup.rates = rates;
                self.desk.purses.set_unlimited(crate::desk::Flow::Down, rates.down.is_none());
                self.desk.purses.set_unlimited(crate::desk::Flow::Up, rates.up.is_none());
                self.wake_waiting();
            }
            FromSession::Ban(ip, until) => self.ban(now, ip, until),
            FromSession::Outside(outside) => {
                let before = self.desk.announce_ports();
                self.desk.outside = outside;
                if self.desk.announce_ports() != before {
                    self.moves.moved();
                }
                for (_, torrent) in self.torrents.iter_mut() {
                    torrent.outside_changed(&self.desk);
                }
            }
        }
    }

    /// Peers reach us at another port: all that was announced is announced again, if it is time.
    fn announce_anew(&mut self, now: Instant) {
        if self.moves.take(now) {
            if let Some(central) = &mut self.central {
                central.moved(now);
            }
            for (slot, torrent) in self.torrents.iter_mut() {
                torrent.moved(&self.desk);
                self.touched.insert(Owner::Torrent(slot));
            }
        }
        self.desk.timers.arm(Owner::Session, self.moves.deadline(), Reason::Announce);
    }

    fn command(&mut self, now: Instant, id: CommandId, command: Command) {
        if self.ending.is_some() && !matches!(command, Command::Shutdown(_)) {
            return self.desk.reply(id, Err(CommandError::Ending));
        }
        match command {
            Command::Add(spec) => self.add(now, id, *spec),
            Command::Torrent(key, what) => self.command_torrent(now, id, key, what),
            Command::SetLimits(rates) => {
                self.desk.tell_session(ToSession::SetRates(rates));
                self.desk.reply(id, Ok(Answer::Ok));
            }
            Command::SessionStats => {
                let stats = self.stats();
                self.desk.reply(id, Ok(Answer::Session(stats)));
            }
            Command::Dht(what) => match &mut self.central {
                Some(central) => central.command_dht(&mut self.desk, now, id, what),
                None => self.desk.reply(id, Err(CommandError::NoDht)),
            },
            Command::Shutdown(budget) => self.shut_down(now, id, budget),
        }
    }

    fn add(&mut self, now: Instant, id: CommandId, spec: crate::command::AddTorrent) {
        let Some(hash) = spec.info_hashes.v1 else {
            return self.desk.reply(id, Err(CommandError::Invalid("a torrent has a v1 info-hash")));
        };
        if let Some(&slot) = self.by_hash.get(&hash) {
            let key = TorrentKey { shard: self.desk.shard, slot };
            return self.desk.reply(id, Err(CommandError::Duplicate(key)));
        }
        if self.torrents.len() as u32 >= self.desk.limits.torrents {
            return self.desk.reply(id, Err(CommandError::Full("torrents of a session")));
        }
        let shard = self.desk.shard;
        let desk = &mut self.desk;
        let mut refused = None;
        let slot = self.torrents.try_insert_with(|slot| {
            Torrent::new(desk, now, TorrentKey { shard, slot }, spec)
                .map_err(|error| refused = Some(error))
                .ok()
        });
        match (slot, refused) {
            (Some(slot), _) => {
                let key = TorrentKey { shard: self.desk.shard, slot };
                self.by_hash.insert(hash, slot);
                self.desk.tell_session(ToSession::Listed(hash, key));
                self.touched.insert(Owner::Torrent(slot));
                self.desk.reply(id, Ok(Answer::Added(key)));
            }
            (None, refused) => {
                let error = refused.expect("a torrent that is not taken in says why");
                self.desk.reply(id, Err(error));
            }
        }
    }

    fn command_torrent(&mut self, now: Instant, id: CommandId, key: TorrentKey, what: TorrentCommand) {
        match self.torrents.get_mut(key.slot) {
            Some(torrent) => {
                self.touched.insert(Owner::Torrent(key.slot));
                torrent.command(&mut self.desk, now, id, what);
            }
            None => self.desk.reply(id, Err(CommandError::Gone)),
        }
    }

    /// Decides: to be called once a turn, after its inputs.
    pub fn settle(&mut self, now: Instant) {
        self.turns += 1;
        self.rationed = 0;
        self.deadlines(now);
        // Mail within the shard wakes whom it reaches, who may write again; it ends when nobody has anything to say.
        for round in 0.. {
            assert!(round < ROUNDS, "torrents and crews talk in circles");
            while let Some(mail) = self.desk.take_local() {
                self.mail(now, mail);
            }
            self.announce_anew(now);
            while let Some(owner) = self.next_touched() {
                self.settle_one(now, owner);
            }
            if self.desk.purses.take_freed() {
                self.wake_waiting();
            }
            self.deal_out_slots(now);
            self.deal_out_dials(now);
            self.deal_out_reads(now);
            self.deal_out_rations(now);
            self.deal_out_metadata(now);
            self.ease_memory();
            self.ease_uploads(now);
            self.desk.ask_for_shares();
            if let Some(central) = &mut self.central {
                central.settle(&mut self.desk, now);
            }
            if !self.desk.has_local() && self.touched.is_empty() {
                break;
            }
        }
        self.desk.memory.trim();
        self.end(now);
        while let Some(job) = self.desk.gates.next_job(now) {
            self.desk.put(job);
        }
    }

    fn settle_one(&mut self, now: Instant, owner: Owner) {
        match owner {
            Owner::Torrent(slot) => {
                let Some(torrent) = self.torrents.get_mut(slot) else { return };
                torrent.settle(&mut self.desk, now);
                if torrent.is_gone() {
                    if let Some(hash) = torrent.spec().info_hashes.v1 {
                        self.by_hash.remove(&hash);
                    }
                    self.torrents.remove(slot);
                    self.desk.timers.disarm(owner);
                }
            }
            Owner::Crew(slot) => {
                let Some(crew) = self.crews.get_mut(slot) else { return };
                crew.settle(&mut self.desk, now);
                if crew.is_gone() {
                    self.crew_of.remove(&crew.torrent());
                    self.crews.remove(slot);
                    self.desk.timers.disarm(owner);
                }
            }
            Owner::Session | Owner::Conn(_) => {}
        }
    }

    fn deadlines(&mut self, now: Instant) {
        while let Some((owner, _why)) = self.desk.timers.pop_due(now) {
            match owner {
                Owner::Torrent(_) => drop(self.touched.insert(owner)),
                Owner::Crew(slot) => {
                    self.touched.insert(owner);
                    if let Some(crew) = self.crews.get_mut(slot) {
                        crew.wake(&mut self.desk, now);
                    }
                }
                Owner::Conn(conn) => self.conn_due(now, conn),
                Owner::Session => {}
            }
        }
        self.desk.bans.expire(now);
        self.give_up_hung(now);
        self.desk.timers.arm(Owner::Session, self.desk.gates.deadline(), Reason::Hung);
    }

    /// Stops the torrents of volumes that do not answer, and takes back what waits for them.
    fn give_up_hung(&mut self, now: Instant) {
        for (volume, jobs) in self.desk.gates.take_hung(now) {
            let trouble = Trouble { kind: TroubleKind::Hung, path: None, errno: None };
            for (slot, torrent) in
                self.torrents.iter_mut().filter(|(_, torrent)| torrent.spec().volume == volume)
            {
                let path = Some(torrent.spec().root.clone());
                torrent.troubled(&mut self.desk, now, Trouble { path, ..trouble.clone() });
                self.touched.insert(Owner::Torrent(slot));
            }
            for job in jobs {
                let errand = self.desk.gates.give_up(job.id);
                self.run_errand(now, errand, job.give_up(trouble.clone()));
            }
        }
    }

    /// What is to be done, one thing at a time, until `None`.
    pub fn poll(&mut self) -> Option<Output> {
        self.desk.take()
    }

    /// When the next turn must come even without an input, and why.
    pub fn wake_at(&self) -> Option<(Instant, Reason)> {
        self.desk.timers.next()
    }

    fn datagram(&mut self, now: Instant, via: Via, from: SocketAddr, data: &[u8]) {
        if let Some(central) = &mut self.central {
            central.datagram(&mut self.desk, now, via, from, data);
        }
    }

    /// Panics if the parts disagree: for tests and simulations, between turns.
    pub fn check_invariants(&self) {
        for (_, torrent) in self.torrents.iter() {
            torrent.check_invariants();
        }
        for (_, crew) in self.crews.iter() {
            crew.check_invariants();
        }
        let slots: u64 = self.torrents.iter().map(|(_, torrent)| torrent.upload_slots()).sum();
        assert_eq!(slots, self.desk.purses.used(Stock::UploadSlots), "each slot is some torrent's");
        let room: u64 = self.torrents.iter().map(|(_, torrent)| torrent.metadata_room()).sum();
        assert_eq!(room, self.desk.purses.used(Stock::Metadata), "room for metadata is some torrent's");
    }

    /// Panics unless everything that was borrowed has been given back: for tests and simulations, after
    /// [`Output::Finished`].
    pub fn check_quiet(&self) {
        assert!(self.torrents.is_empty() && self.crews.is_empty(), "somebody is left");
        assert!(self.desk.conns.is_empty(), "a connection is left");
        assert_eq!(self.desk.memory.out(), 0, "memory is out");
        assert_eq!(self.desk.gates.outstanding(), 0, "jobs are under way");
        self.desk.purses.check_unused();
    }
}

/// Rounds of mail within a turn: a dozen are common, thousands are a circle.
const ROUNDS: u32 = 10_000;
