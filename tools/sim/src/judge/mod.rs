//! Judges: whether what an engine does is right, seen from outside of it.
//!
//! The world tells what goes in and out of each engine, and hands a [`Survey`] of its tables over now and then. Each
//! family of oracles is a file, and is told only what it needs:
//!
//! ```text
//! pieces.rs   what is had is there, stays, was written     asks.rs     blocks asked for, leases
//! copies.rs   availability, roster                         slots.rs    slots, and everybody's turn
//! bounds.rs   queues and connections                       credit.rs   memory, shares
//! jobs.rs     jobs and commands, each answered once        rates.rs    bytes and dials a second
//! bans.rs     who is banned                                crash.rs    resume data
//! trackers.rs etiquette, private torrents                  events.rs   what applications are told
//! live.rs     does everybody complete, and why not         quiet.rs    who wakes for nothing
//! overlay.rs  an engine's part in the DHT                  places.rs   a node of the DHT alone, and all together
//! ```
//! [`oracle.rs`](Oracle) has the table of them, [`view.rs`](View) what they ask of the world.

mod oracle;
mod view;

use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, InfoHash, Instant, PieceIndex, Prng, ShardId};
use tide_disk::JobId;
use tide_engine::survey::{Glance, TorrentSurvey};
use tide_engine::{CommandId, Event, Reply, Survey, TorrentKey};

use crate::mishap::Tally;
use crate::tracker::Statement;

pub use oracle::{Finding, Oracle};
pub use view::{Said, Truth, View, Way};

mod asks;
mod bans;
mod bounds;
mod copies;
mod crash;
mod credit;
mod events;
mod jobs;
pub mod live;
mod overlay;
mod pieces;
pub mod places;
pub mod quiet;
mod rates;
mod slots;
#[cfg(test)]
mod tests;
mod trackers;

pub use live::{Liveness, NodeView, Waiting, Why};
pub use quiet::{Quiet, wants_rounds};

use oracle::Compared;
use rates::Passing;

/// Turns that are looked at closely, all if need be, before it is done less often: most worlds have fewer.
const SURVEYS: u64 = 50_000;

/// Nothing to object, or what.
pub type Verdict = Result<(), Finding>;

/// All oracles over all nodes of one world. Whatever it is told comes in the order of time.
///
/// The calls of one turn of a node's shard: `job_done`, `bytes(Way::Down)` and so on as its inputs are handed in; after
/// `settle` and `poll` until `None`: `job_out`, `event` and so on as outputs come; then [`glance`](Judge::glance), and
/// if [`wants_survey`](Judge::wants_survey) says so, [`after_turn`](Judge::after_turn).
#[derive(Debug)]
pub struct Judge {
    prng: Prng,
    now: Instant,
    /// One turn in so many is surveyed, and fewer the more were.
    every: u64,
    /// Turns that were.
    surveyed: u64,
    tally: Tally<Oracle>,
    /// Whether datagrams are changed on their way, so that nobody knows whom a tracker seems to have named.
    mangled: bool,
    nodes: Vec<Node>,
}

/// What is kept of one node.
#[derive(Debug, Default)]
struct Node {
    jobs: jobs::Jobs,
    spins: jobs::Spins,
    pieces: pieces::Pieces,
    events: events::Events,
    rates: rates::Rates,
    trackers: trackers::Trackers,
    slots: slots::Patience,
    bans: bans::Banned,
    /// When it ends, come what may.
    until: Option<Instant>,
}

impl Judge {
    /// Judges of a world of `nodes` nodes, of whose turns about one in `every` is looked at closely; which is drawn
    /// from `prng`.
    pub fn new(prng: Prng, nodes: usize, every: u64) -> Judge {
        let nodes = (0..nodes).map(|_| Node::default()).collect();
        Judge {
            prng,
            now: Instant::ZERO,
            every: every.max(1),
            surveyed: 0,
            tally: Tally::default(),
            mangled: false,
            nodes,
        }
    }

    /// Something was said to everybody on a network; what is wrong with that, if anything is.
    pub fn overheard_by_all(&mut self, now: Instant, node: usize, wrong: Option<String>) -> Verdict {
        self.tally.count(Oracle::Private);
        match wrong {
            Some(text) => Err(Finding { oracle: Oracle::Private, node, at: now, text }),
            None => Ok(()),
        }
    }

    /// A node says that the world sees it at these addresses, of which `wrong` are not its own. Where datagrams are changed
    /// on their way, a gateway's may be the one that was.
    pub fn seen_at(&mut self, now: Instant, node: usize, all: u64, wrong: &[IpAddr]) -> Verdict {
        if self.mangled {
            return Ok(());
        }
        for _ in 0..all {
            self.tally.count(Oracle::Address);
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let text = format!("it believes to be at {wrong:?}");
        Err(Finding { oracle: Oracle::Address, node, at: now, text })
    }

    /// Datagrams are changed on their way: whom a tracker seems to have named, and what a gateway seems to have said, is
    /// not known.
    pub fn mangled(&mut self) {
        self.mangled = true;
    }

    /// How often each oracle compared something that was not empty.
    pub fn tally(&self) -> &Tally<Oracle> {
        &self.tally
    }

    /// A node begins, or begins anew after it ended or was killed: nothing of before is under way. What a crash left
    /// behind is judged by [`resumed`](Judge::resumed).
    pub fn started(&mut self, now: Instant, node: usize) -> Verdict {
        self.passes(now, node)?;
        let Node { trackers, .. } = std::mem::take(&mut self.nodes[node]);
        // Trackers do not care whether we were killed, and addresses are known whoever runs.
        self.nodes[node].trackers = trackers;
        self.nodes[node].trackers.restarted();
        Ok(())
    }

    /// A node has ended in good order: every shard of it said [`Output::Finished`](tide_engine::Output::Finished).
    pub fn finished(&mut self, now: Instant, node: usize) -> Verdict {
        self.passes(now, node)?;
        // Who has used up the time for ending goes without what a device still owes.
        if self.nodes[node].until.is_none_or(|until| now < until) {
            let left = self.nodes[node].jobs.left();
            self.compare(Oracle::Jobs, node, left)?;
        }
        let unanswered = self.nodes[node].jobs.unanswered();
        self.compare(Oracle::Commands, node, unanswered)
    }

    /// A node begins anew after a crash: what resume data on its medium claim (nothing if there are none, or they are
    /// not this torrent's as far as [`Checkpoint::decode`](tide_disk::resume::Checkpoint::decode) can tell). To be
    /// called before the engine sees it; not if the world itself made the resume data stale, torn or foreign.
    pub fn resumed(
        &mut self,
        now: Instant,
        node: usize,
        torrent: InfoHash,
        claimed: Option<&tide_base::Bits>,
        view: &dyn View,
    ) -> Verdict {
        self.passes(now, node)?;
        let compared = crash::resume_is_true(node, torrent, claimed, view);
        self.compare(Oracle::Resume, node, compared)
    }

    /// A node is told to end by then, come what may.
    pub fn ends_by(&mut self, node: usize, until: Instant) {
        let known = &mut self.nodes[node].until;
        *known = Some(known.map_or(until, |known| known.min(until)));
    }

    /// A disk job ([`Output::Disk`](tide_engine::Output::Disk)) or hash job leaves a shard.
    pub fn job_out(&mut self, now: Instant, node: usize, shard: ShardId, id: JobId) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].jobs.out(now, shard, id);
        self.compare(Oracle::Jobs, node, compared)
    }

    /// The answer to a job is handed to its shard, right before [`Shard::handle`](tide_engine::Shard::handle).
    pub fn job_done(&mut self, now: Instant, node: usize, shard: ShardId, id: JobId) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].jobs.done(now, shard, id);
        self.compare(Oracle::Jobs, node, compared)
    }

    /// The answer to a write ([`Outcome::Written`](tide_disk::Outcome::Written)) is handed in: so many bytes of a
    /// piece, from `offset` on.
    pub fn written(&mut self, node: usize, torrent: InfoHash, piece: PieceIndex, offset: u32, len: u64) {
        self.nodes[node].pieces.written(torrent, piece, offset, len);
    }

    /// A node tells somebody by HAVE that it has a piece. (For a world that reads along what its nodes say.)
    pub fn told_have(&mut self, now: Instant, node: usize, torrent: InfoHash, piece: PieceIndex) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].pieces.told(torrent, piece);
        self.compare(Oracle::Written, node, compared)
    }

    /// Bytes of a piece are read for a peer: the job leaves the engine.
    pub fn serves(&mut self, now: Instant, node: usize, torrent: InfoHash, piece: PieceIndex) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].pieces.serves(torrent, piece);
        self.compare(Oracle::Written, node, compared)
    }

    /// A command is handed in.
    pub fn commanded(&mut self, now: Instant, node: usize, id: CommandId) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].jobs.commanded(id);
        self.compare(Oracle::Commands, node, compared)
    }

    /// A command is answered.
    pub fn replied(&mut self, now: Instant, node: usize, id: CommandId, _reply: &Reply) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].jobs.replied(id);
        self.compare(Oracle::Commands, node, compared)
    }

    /// An engine tells its application something.
    pub fn event(&mut self, now: Instant, node: usize, event: &Event) -> Verdict {
        self.passes(now, node)?;
        let of = &mut self.nodes[node];
        of.pieces.event(event);
        of.bans.event(now, event);
        of.trackers.event(event);
        let compared = of.events.event(event);
        self.compare(Oracle::Events, node, compared)
    }

    /// A user wants other files of a torrent from now on.
    pub fn wants_else(&mut self, node: usize, torrent: TorrentKey, info_hash: InfoHash) {
        self.nodes[node].events.wants_else(torrent);
        self.nodes[node].trackers.wants_else(info_hash);
    }

    /// A user has a torrent go on, or has it checked.
    pub fn tries(&mut self, node: usize, torrent: TorrentKey) {
        self.nodes[node].events.tries(torrent);
    }

    /// Bytes go by; `torrent` if it is known whose. See [`Way`] for what is to be counted when.
    pub fn bytes(
        &mut self,
        now: Instant,
        node: usize,
        torrent: Option<InfoHash>,
        way: Way,
        len: u64,
        view: &dyn View,
    ) -> Verdict {
        self.go_by(now, node, Passing { torrent, way, len, waited: Duration::ZERO }, view)
    }

    /// Bytes are read for a peer: a job leaves a shard, right after [`job_out`](Self::job_out). They were allowed when
    /// the job was made, and it may have waited for others since.
    pub fn read(
        &mut self,
        now: Instant,
        node: usize,
        shard: ShardId,
        torrent: Option<InfoHash>,
        len: u64,
        view: &dyn View,
    ) -> Verdict {
        let waited = self.nodes[node].jobs.waited(now, shard);
        self.go_by(now, node, Passing { torrent, way: Way::Up, len, waited }, view)
    }

    fn go_by(&mut self, now: Instant, node: usize, bytes: Passing, view: &dyn View) -> Verdict {
        self.passes(now, node)?;
        if let (Way::Up, Some(torrent)) = (bytes.way, bytes.torrent) {
            self.nodes[node].trackers.read(torrent, bytes.len);
        }
        let compared = self.nodes[node].rates.bytes(now, node, bytes, view);
        self.compare(Oracle::Rates, node, compared)
    }

    /// A user orders other rates, of a node or of one of its torrents: the view tells the new ones from now on, and the
    /// command is on its way.
    pub fn rates_ordered(&mut self, node: usize, torrent: Option<InfoHash>) {
        self.nodes[node].rates.ordered(torrent);
    }

    /// A connection to or from a peer stands (its handshake is not subject to rates).
    pub fn met(&mut self, node: usize) {
        self.nodes[node].rates.met();
    }

    /// A node dials a peer ([`Output::Dial`](tide_engine::Output::Dial), trackers aside).
    pub fn dialled(&mut self, now: Instant, node: usize, to: SocketAddr, view: &dyn View) -> Verdict {
        self.passes(now, node)?;
        let of = &mut self.nodes[node];
        let compared = of.rates.dialled(now, node, view);
        let banned = of.bans.dialled(now, to.ip());
        self.compare(Oracle::Dials, node, compared)?;
        self.compare(Oracle::Bans, node, banned)
    }

    /// A node sends a datagram of the DHT's; `private` are all private torrents that there are.
    pub fn told_overlay(
        &mut self,
        now: Instant,
        node: usize,
        datagram: &[u8],
        private: &[InfoHash],
    ) -> Verdict {
        self.passes(now, node)?;
        self.compare(Oracle::Private, node, overlay::names_nobody(datagram, private))
    }

    /// A node tells a peer of a private torrent what it must not: that there is a node of the DHT, or an exchange of peers.
    pub fn told_secret(&mut self, now: Instant, node: usize, torrent: InfoHash, what: &str) -> Verdict {
        self.passes(now, node)?;
        self.compare(Oracle::Private, node, Err(format!("{torrent} is private, and {what}")))
    }

    /// Whoever may, told a node of addresses of a torrent's peers: a tracker, its user, the resume data.
    pub fn told_of(&mut self, node: usize, torrent: InfoHash, addrs: impl IntoIterator<Item = SocketAddr>) {
        self.nodes[node].trackers.told_of(torrent, addrs);
    }

    /// A node asks a tracker (repeats of one UDP transaction, and redirects, do not count). `tracker` is anything that
    /// tells trackers and address families apart.
    pub fn announced(
        &mut self,
        now: Instant,
        node: usize,
        torrent: InfoHash,
        tracker: u64,
        said: Said,
    ) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].trackers.announced(now, torrent, tracker, said);
        self.compare(Oracle::Trackers, node, compared)
    }

    /// A tracker hears what a node says of itself.
    pub fn told_tracker(&mut self, now: Instant, node: usize, said: &Statement) -> Verdict {
        self.passes(now, node)?;
        if self.mangled {
            return Ok(());
        }
        let compared = self.nodes[node].trackers.told(said);
        self.compare(Oracle::Announced, node, compared)
    }

    /// A tracker's answer reaches a node: how long it is to wait at least (`min interval`, or else nothing), and by
    /// itself (`interval`); `None` in place of both for an error.
    pub fn answered(
        &mut self,
        now: Instant,
        node: usize,
        torrent: InfoHash,
        tracker: u64,
        intervals: Option<(Option<Duration>, Duration)>,
    ) {
        self.nodes[node].trackers.answered(now, torrent, tracker, intervals);
    }

    /// A tracker's answer may have reached a node in time or not: whatever it said earlier counts no longer.
    pub fn unsure(&mut self, node: usize, torrent: InfoHash, tracker: u64) {
        self.nodes[node].trackers.unsure(torrent, tracker);
    }

    /// Whether this turn is to be looked at closely. In a world of a million turns of a byte each they are looked at ever
    /// less often: the square root of them tells as much, and all of them would take the time of ten other worlds.
    pub fn wants_survey(&mut self) -> bool {
        let wants = self.prng.below(self.every.max(self.surveyed / SURVEYS)) == 0;
        self.surveyed += u64::from(wants);
        wants
    }

    /// A shard has taken a turn: what can be compared at next to no cost. `mail` is never compared with another turn.
    pub fn glance(&mut self, now: Instant, node: usize, glance: &Glance) -> Verdict {
        self.passes(now, node)?;
        let compared = self.nodes[node].spins.turn(now, glance);
        self.compare(Oracle::Time, node, compared)?;
        self.compare(Oracle::Stocks, node, credit::within_grants(&glance.stocks))?;
        let jobs = self.nodes[node].jobs.at_most(glance);
        self.compare(Oracle::Jobs, node, jobs)
    }

    /// A shard has taken a turn: everything is compared that one shard's tables tell.
    pub fn after_turn(
        &mut self,
        now: Instant,
        node: usize,
        shard: ShardId,
        survey: &Survey,
        view: &dyn View,
    ) -> Verdict {
        self.passes(now, node)?;
        assert_eq!(survey.shard, shard, "the survey is of another shard");
        let limits = view.limits(node);
        self.compare(Oracle::OneState, node, pieces::one_state(survey))?;
        self.compare(Oracle::Leases, node, asks::leases_agree(survey))?;
        self.compare(Oracle::Asks, node, asks::asks_agree(survey))?;
        self.compare(Oracle::Endgame, node, asks::endgame_only(survey, limits))?;
        self.compare(Oracle::Roster, node, copies::roster_agrees(survey))?;
        self.compare(Oracle::Copies, node, copies::copies_counted(survey))?;
        self.compare(Oracle::Slots, node, slots::slots_kept(survey, limits))?;
        self.compare(Oracle::Queues, node, bounds::queues_bounded(survey, limits))?;
        self.compare(Oracle::Queues, node, overlay::overlay_bounded(survey))?;
        self.compare(Oracle::Conns, node, bounds::conns_bounded(survey, limits))?;
        self.compare(Oracle::Memory, node, credit::memory_balance(survey))?;
        self.compare(Oracle::Stocks, node, credit::shares_balance(survey))?;
        self.compare(Oracle::Resume, node, crash::claims_are_had(survey))?;
        let of = &mut self.nodes[node];
        let jobs = of.jobs.agree(survey);
        let bans = of.bans.survey(now, survey);
        let unchoked = of.slots.unchoked(now, survey, limits);
        let fair = of.slots.survey(now, survey, limits);
        let private = if self.mangled { Ok(0) } else { of.trackers.private(survey) };
        let kept = of.pieces.keeps(survey);
        let written = of.pieces.all_written(survey);
        let truth = of.pieces.truth(node, survey, view);
        of.pieces.remember(survey);
        self.compare(Oracle::Jobs, node, jobs)?;
        self.compare(Oracle::Bans, node, bans)?;
        self.compare(Oracle::Slots, node, unchoked)?;
        self.compare(Oracle::Fair, node, fair)?;
        self.compare(Oracle::Private, node, private)?;
        self.compare(Oracle::Written, node, written)?;
        self.compare(Oracle::Truth, node, truth)?;
        self.compare(Oracle::Keeps, node, kept)
    }

    /// All shards of a node, surveyed at one moment: what they hold together.
    pub fn session(&mut self, now: Instant, node: usize, surveys: &[Survey], view: &dyn View) -> Verdict {
        self.passes(now, node)?;
        let limits = view.limits(node);
        self.compare(Oracle::Session, node, credit::session_shares(surveys))?;
        self.compare(Oracle::Private, node, overlay::announces_no_private(surveys))?;
        self.compare(Oracle::Conns, node, bounds::session_conns(surveys, limits))
    }

    /// What is had of a torrent that was hashed anew, and whose files nobody harms any more, is on the medium: all of it.
    pub fn all_true(
        &mut self,
        now: Instant,
        node: usize,
        torrent: &TorrentSurvey,
        view: &dyn View,
    ) -> Verdict {
        self.passes(now, node)?;
        let compared = pieces::all_true(node, torrent, view);
        self.compare(Oracle::Truth, node, compared)
    }

    /// Time does not go back.
    fn passes(&mut self, now: Instant, node: usize) -> Verdict {
        let before = std::mem::replace(&mut self.now, now);
        if now < before {
            let text = format!("{now:?} comes after {before:?}");
            return Err(Finding { oracle: Oracle::Time, node, at: now, text });
        }
        Ok(())
    }

    fn compare(&mut self, oracle: Oracle, node: usize, compared: Compared) -> Verdict {
        match compared {
            Ok(0) => Ok(()),
            Ok(_) => {
                self.tally.count(oracle);
                Ok(())
            }
            Err(text) => Err(Finding { oracle, node, at: self.now, text }),
        }
    }

    /// Another judge, of [`Quiet`] or [`Liveness`], has compared something.
    pub fn also(&mut self, oracle: Oracle) {
        self.tally.count(oracle);
    }
}

/// What a bound of an address is about.
fn same_ip(a: IpAddr, b: IpAddr) -> bool {
    a.to_canonical() == b.to_canonical()
}
