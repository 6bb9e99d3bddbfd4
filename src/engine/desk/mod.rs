//! What the torrents and crews of one shard share: the way out, memory, jobs under way, allowances, deadlines.
//!
//! Everybody who decides something is handed the desk, puts what is to be done on it, and takes what it needs from it.

pub mod bans;
pub mod conns;
pub mod gates;
pub mod line;
pub mod memory;
pub mod names;
pub mod purse;
mod survey;

use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeSet, VecDeque};

use tide_base::timers::Timers;
use tide_base::{Chunk, Instant, Prng, ShardId, SlotKey, addr};

use crate::border::{Listening, Output};
use crate::command::{CommandId, Reply, Setup};
use crate::event::Event;
use crate::faults::Faults;
use crate::id::{ConnKey, TorrentKey};
use crate::limits::Limits;
use crate::mail::{Mail, Outside, ToCrew, ToSession, ToTorrent};
use tide_tracker::Family;

pub use bans::Bans;
pub use conns::{Conns, Role};
pub use gates::{Errand, Gates};
pub use line::Line;
pub use memory::Memory;
pub use names::{Asker, Names};
pub use purse::{Flow, Purses, Stock};

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Owner {
    /// The session's parts, on shard 0.
    Session,
    /// A torrent.
    Torrent(SlotKey),
    /// A crew.
    Crew(SlotKey),
    /// A connection.
    Conn(ConnKey),
}

/// Why the engine wants to be woken. An idle session that wakes often says why.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// A tracker is to be asked, or did not answer.
    Announce,
    /// An address may be dialled.
    Dial,
    /// A round of choking.
    Choke,
    /// Resume data are to be written.
    Checkpoint,
    /// Trouble may be over.
    Retry,
    /// A peer's own deadlines.
    Peer,
    /// A handshake takes too long.
    Handshake,
    /// An allowance refills.
    Refill,
    /// Torrents are announced on the local network.
    Local,
    /// A gateway is to be asked, or did not answer.
    Mapping,
    /// A device does not answer.
    Hung,
    /// A ban ends.
    Ban,
    /// A peer was asked for metadata, or may be asked again.
    Metadata,
    /// Peers are told of each other.
    Gossip,
    /// The session has used up its time for ending.
    Ending,
    /// The DHT: a node did not answer, or is to be asked.
    Dht,
}

/// What the torrents and crews of one shard share.
#[derive(Debug)]
pub struct Desk {
    /// Which shard this is.
    pub shard: ShardId,
    /// The bounds.
    pub limits: Limits,
    /// How the engine is set up.
    pub setup: Setup,
    /// This shard's randomness.
    pub prng: Prng,
    /// Connections.
    pub conns: Conns,
    /// Addresses that nobody talks to.
    pub bans: Bans,
    /// Memory for blocks under way.
    pub memory: Memory,
    /// Jobs under way.
    pub gates: Gates,
    /// Shares of what the session has only one of.
    pub purses: Purses,
    /// Deadlines.
    pub timers: Timers<Owner, Reason>,
    /// Where the session can be reached.
    pub listening: Listening,
    /// How the world sees and reaches it.
    pub outside: Outside,
    /// Which rules peers broke.
    pub faults: Faults,
    /// Torrents that wait for an upload slot.
    pub line: Line,
    /// Crews that wait to dial.
    pub dialers: Line,
    /// Torrents that wait for room for metadata and have none.
    pub seekers: Line,
    /// Names being looked up, on shard 0.
    pub names: Names,
    /// Crews that wait to serve: for the session's rate, or its memory for uploads.
    pub servers: Line,
    /// Crews whose members are not read for want of the session's rate.
    pub readers: Line,
    /// Crews and torrents that wait for a share.
    waiting: BTreeSet<Owner>,
    outbox: VecDeque<Output>,
    local: VecDeque<Mail>,
}

impl Desk {
    /// The desk of shard `shard`.
    pub fn new(shard: ShardId, setup: &Setup) -> Desk {
        Desk {
            shard,
            limits: setup.limits.clone(),
            prng: Prng::new(setup.seed).split("shard").split(&shard.0.to_string()),
            conns: Conns::new(),
            bans: Bans::new(),
            memory: Memory::new(),
            gates: Gates::new(shard, &setup.limits),
            purses: Purses::new(shard, setup),
            timers: Timers::new(),
            listening: Listening::default(),
            outside: Outside::default(),
            faults: Faults::default(),
            line: Line::default(),
            dialers: Line::default(),
            seekers: Line::default(),
            names: Names::default(),
            servers: Line::default(),
            readers: Line::default(),
            waiting: BTreeSet::new(),
            outbox: VecDeque::new(),
            local: VecDeque::new(),
            setup: setup.clone(),
        }
    }

    /// Puts something to be done on the way out.
    pub fn put(&mut self, output: Output) {
        self.outbox.push_back(output);
    }

    /// The next thing to be done.
    pub fn take(&mut self) -> Option<Output> {
        self.outbox.pop_front()
    }

    /// Mail that stays in this shard.
    pub fn take_local(&mut self) -> Option<Mail> {
        self.local.pop_front()
    }

    /// Whether there is mail that stays in this shard.
    pub fn has_local(&self) -> bool {
        !self.local.is_empty()
    }

    /// Sends mail to a shard, which may be this one.
    pub fn mail(&mut self, to: ShardId, mail: Mail) {
        if to == self.shard {
            self.local.push_back(mail);
        } else {
            self.outbox.push_back(Output::Mail { to, mail });
        }
    }

    /// Tells a torrent something, in the name of this shard's crew.
    pub fn tell_torrent(&mut self, torrent: TorrentKey, what: ToTorrent) {
        let crew = self.shard;
        self.mail(torrent.shard, Mail::ToTorrent { torrent, crew, what });
    }

    /// Tells a torrent's crew on shard `crew` something.
    pub fn tell_crew(&mut self, crew: ShardId, torrent: TorrentKey, what: ToCrew) {
        self.mail(crew, Mail::ToCrew { torrent, what });
    }

    /// Tells the session's parts something.
    pub fn tell_session(&mut self, what: ToSession) {
        let from = self.shard;
        self.mail(ShardId::FIRST, Mail::ToSession { from, what });
    }

    /// Has a name looked up, unless that is under way for somebody else: the answer is for both.
    pub fn look_up(&mut self, name: &str, asker: Asker) {
        if let Some(id) = self.names.ask(name, asker) {
            self.put(Output::Resolve { id, host: name.into() });
        }
    }

    /// Answers a command.
    pub fn reply(&mut self, id: CommandId, reply: Reply) {
        self.put(Output::Reply { id, reply });
    }

    /// The port on which peers with addresses of `family` can reach us, if there is one: as the user says, as a gateway says,
    /// as we listen.
    pub fn listen_port(&self, family: Family) -> Option<u16> {
        let outside = self.outside.ports[family as usize];
        self.setup.announce_port.or(outside).or_else(|| self.inner_port(family))
    }

    /// The port on which we listen for such peers, or, if for none, for others.
    fn inner_port(&self, family: Family) -> Option<u16> {
        let tcp = &self.listening.tcp;
        let of_it = tcp.iter().find(|at| Family::of(at.ip()) == family);
        of_it.or_else(|| tcp.first()).map(SocketAddr::port)
    }

    /// The port that a peer at `ip` is told: one of our own network reaches us without the gateway.
    pub fn port_for(&self, ip: IpAddr) -> Option<u16> {
        let family = Family::of(ip);
        let near = self.inner_port(family).filter(|_| addr::is_local(ip));
        self.setup.announce_port.or(near).or_else(|| self.listen_port(family))
    }

    /// The ports on which peers can reach us over IPv4 and over IPv6, if there is any.
    pub fn listen_ports(&self) -> Option<[u16; 2]> {
        let ports = Family::ALL.map(|family| self.listen_port(family));
        let any = ports.into_iter().flatten().next()?;
        Some(ports.map(|port| port.unwrap_or(any)))
    }

    /// The ports that trackers are told over IPv4 and over IPv6.
    pub fn announce_ports(&self) -> [u16; 2] {
        self.listen_ports().unwrap_or([0; 2])
    }

    /// The port on which nodes of the DHT at addresses like `ip` reach us, if they can.
    pub fn dht_port(&self, ip: IpAddr) -> Option<u16> {
        self.setup.dht.as_ref().filter(|dht| dht.reach == tide_dht::Reach::Open)?;
        let socket = if ip.is_ipv4() { self.listening.udp_v4 } else { self.listening.udp_v6 };
        let outside = self.outside.udp_ports[Family::of(ip) as usize].filter(|_| !addr::is_local(ip));
        socket.map(|at| self.setup.announce_port.or(outside).unwrap_or(at.port()))
    }

    /// The families of addresses on which peers can reach us; both if they cannot at all.
    pub fn families(&self) -> Vec<Family> {
        let on = |family: &Family| self.listening.tcp.iter().any(|at| Family::of(at.ip()) == *family);
        let families: Vec<Family> = Family::ALL.into_iter().filter(on).collect();
        if families.is_empty() { Family::ALL.to_vec() } else { families }
    }

    /// Tells the application something.
    pub fn event(&mut self, event: Event) {
        self.put(Output::Event(event));
    }

    /// Makes sure that the connection is looked at no later than `at`.
    pub fn wake_conn(&mut self, conn: ConnKey, at: Instant, why: Reason) {
        self.timers.arm(Owner::Conn(conn), at, why);
    }

    /// The crew is to be looked at again when a share has come or something was given back.
    pub fn wait_for_shares(&mut self, crew: SlotKey) {
        self.waiting.insert(Owner::Crew(crew));
    }

    /// The torrent, or crew, is to be looked at again when a share has come or something was given back.
    pub fn wait_for_shares_as(&mut self, owner: Owner) {
        self.waiting.insert(owner);
    }

    /// Those that wait for a share.
    pub fn take_waiting(&mut self) -> BTreeSet<Owner> {
        core::mem::take(&mut self.waiting)
    }

    /// An upload slot for a torrent, if there is one for which nobody else waits; else the torrent waits in line.
    pub fn take_upload_slot(&mut self, torrent: SlotKey) -> bool {
        let taken = self.line.is_empty() && self.may_keep_slots() && self.purses.take(Stock::UploadSlots, 1);
        if !taken {
            self.line.join(torrent);
        }
        taken
    }

    /// Whether somebody else waits for an upload slot, here or on another shard.
    pub fn others_want_slots(&self, torrent: SlotKey) -> bool {
        self.line.has_others(torrent) || !self.may_keep_slots()
    }

    /// The torrent that waits longest for an upload slot, with one taken for it, if there is one.
    pub fn next_in_line(&mut self) -> Option<SlotKey> {
        if self.line.is_empty() {
            return None;
        }
        // What is recalled is for whoever waits on another shard: we ask anew, and wait behind him.
        if self.may_keep_slots() && self.purses.take(Stock::UploadSlots, 1) {
            return self.line.next();
        }
        self.purses.lack(Stock::UploadSlots, 1);
        None
    }

    fn may_keep_slots(&self) -> bool {
        !self.purses.is_recalled(Stock::UploadSlots)
    }

    /// Room for metadata, if there is some for which nobody waits; else the torrent waits, in line if it `has` none yet.
    pub fn take_metadata_room(&mut self, torrent: SlotKey, bytes: u64, has: bool) -> bool {
        let taken = !self.seekers.has_others(torrent)
            && self.may_keep_metadata(bytes)
            && self.purses.take(Stock::Metadata, bytes);
        match (taken, has) {
            (true, _) => self.seekers.leave(torrent),
            (false, true) => self.wait_for_shares_as(Owner::Torrent(torrent)),
            (false, false) => self.seekers.join(torrent),
        }
        taken
    }

    /// Whether the room that is free here is ours. What is recalled is for whoever waits on another shard: we ask anew,
    /// and wait behind him.
    pub fn may_keep_metadata(&mut self, bytes: u64) -> bool {
        let recalled = self.purses.is_recalled(Stock::Metadata);
        if recalled {
            self.purses.lack(Stock::Metadata, bytes);
        }
        !recalled
    }

    /// A chunk, if there is an allowance for it.
    pub fn take_chunk(&mut self, capacity: u32) -> Option<Chunk> {
        self.purses.take(Stock::Memory, u64::from(capacity)).then(|| self.memory.take(capacity))
    }

    /// Takes a chunk home.
    pub fn give_chunk(&mut self, chunk: Chunk) {
        let bytes = self.memory.give(chunk);
        self.purses.give(Stock::Memory, bytes);
    }

    /// Closes a connection and forgets it; the one that owned it has been told or tells itself.
    pub fn close(&mut self, conn: ConnKey) {
        if self.conns.contains(conn) {
            self.forget_conn(conn);
            self.put(Output::Close(conn));
        }
    }

    /// Takes room for one more who comes to us and may become a peer, if there is some.
    pub fn meet_stranger(&mut self) -> bool {
        let has_room = self.purses.has(Stock::Strangers, 1);
        // Not in short circuit: both are noted as wanted.
        let has_room = self.purses.has(Stock::Peers, 1) && has_room;
        has_room && self.purses.take(Stock::Strangers, 1) && self.purses.take(Stock::Peers, 1)
    }

    /// The crew that waits longest to dial, if it may; it is to dial, and waits no more.
    pub fn next_to_dial(&mut self, now: Instant) -> Option<SlotKey> {
        // One after the other, and what is here is kept: those who wait would pass what each of them has to and fro.
        // The place for a dial comes first: while it is kept for want of a place for a peer, nobody else could dial
        // either, but one for a peer, kept for want of a dial, would be missed by somebody who comes to us.
        let mut place = !self.dialers.is_empty();
        for stock in [Stock::HalfOpen, Stock::Peers] {
            place = place && self.may_keep_place(stock) && self.purses.has(stock, 1);
            self.purses.keep_place(stock, place);
        }
        if !place {
            return None;
        }
        if self.purses.at_hand(now, Flow::Dials) == 0 {
            self.purses.want(now, Flow::Dials, 1);
            return None;
        }
        self.dialers.next()
    }

    /// Whether a place that is free here is ours. What is recalled is for whoever waits on another shard: we ask anew,
    /// and wait behind him.
    fn may_keep_place(&mut self, stock: Stock) -> bool {
        let recalled = !self.purses.keeps_place(stock) && self.purses.is_recalled(stock);
        if recalled {
            self.purses.lack(stock, 1);
        }
        !recalled
    }

    /// Takes what a crew needs whose [turn it is to dial](Self::next_to_dial).
    pub fn take_dial(&mut self, now: Instant) {
        let taken = self.purses.draw(now, Flow::Dials, 1) == 1
            && self.purses.take(Stock::HalfOpen, 1)
            && self.purses.take(Stock::Peers, 1);
        assert!(taken, "whose turn it is has what it needs");
        self.purses.keep_place(Stock::Peers, false);
        self.purses.keep_place(Stock::HalfOpen, false);
    }

    /// A stranger goes to another shard, and his place with him: nobody shall be let in here and turned away there.
    pub fn send_stranger_on(&mut self, conn: ConnKey) {
        self.forget_conn(conn);
        self.purses.hand_over(Stock::Strangers, 1);
        self.purses.hand_over(Stock::Peers, 1);
    }

    /// The place of a stranger who comes from another shard, or did not get there.
    pub fn take_strangers_place(&mut self) {
        self.purses.take_over(Stock::Strangers, 1);
        self.purses.take_over(Stock::Peers, 1);
    }

    /// Hands are shaken, or never will be, on a connection that we made (`outgoing`) or another.
    pub fn end_greeting(&mut self, outgoing: bool) {
        self.purses.give(if outgoing { Stock::HalfOpen } else { Stock::Strangers }, 1);
    }

    /// Forgets a connection that is gone already.
    pub fn forget_conn(&mut self, conn: ConnKey) {
        let Some(gone) = self.conns.remove(conn) else { return };
        self.timers.disarm(Owner::Conn(conn));
        match gone.role {
            Role::Dialling(_) | Role::Incoming(..) | Role::Greeting(..) => {
                let outgoing = matches!(gone.role, Role::Dialling(_) | Role::Greeting(_, _, true));
                self.end_greeting(outgoing);
                self.purses.give(Stock::Peers, 1);
            }
            Role::Member(..) => self.purses.give(Stock::Peers, 1),
            Role::Tracker(_) | Role::Gateway(_) => {}
        }
    }

    /// Asks shard 0 for what the purses are short of.
    pub fn ask_for_shares(&mut self) {
        for need in self.purses.take_asks() {
            self.tell_session(ToSession::Ask(need));
        }
        for (stock, amount) in self.purses.take_hints() {
            self.tell_session(ToSession::Hint(stock, amount));
        }
        for (resource, amount) in self.purses.take_returns() {
            self.tell_session(ToSession::Return(resource, amount));
        }
    }
}
