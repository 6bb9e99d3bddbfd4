//! Who has nothing to do sleeps: wake-ups, counted by their reason, stay under a bound.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tide_base::{Duration, Instant};
use tide_engine::{Reason, State, Survey};

use super::oracle::{Finding, Oracle};

/// What one node may wake for in a minute when all is done: so often in any case, for each torrent, and for each
/// connected peer.
const fn bound(reason: Reason) -> (u64, u64, u64) {
    match reason {
        // A UDP exchange has a deadline for each step, and two families; intervals are 5 s at the least.
        Reason::Announce => (4, 26, 0),
        // A seed of whom nobody wants anything has no rounds. Who wanted something and is gone leaves one deadline behind,
        // found early. (With the usual rounds of ten seconds six would be all.) Rounds for those who come, want something
        // and are gone are on top.
        Reason::Choke => (0, 3, 0),
        Reason::Dial => (0, DIALS, 0),
        // Idle resume data wait two minutes; a failed save is tried again after 30 s.
        Reason::Checkpoint => (0, 4, 0),
        // A full disk is tried each ten seconds, too many files each five.
        Reason::Retry => (0, 12, 0),
        // Keep-alives each hundred seconds, deadlines that were pushed back, found early once each; and the same of
        // those who come, find that there is nothing to be had, and are gone.
        Reason::Peer => (0, 8, 12),
        // Those whom it meets come on top.
        Reason::Handshake => (2, 1, 0),
        // Nothing flows, so nothing refills; one was armed before. Dials come on top, and some that found the place
        // for which they had waited taken by somebody else.
        Reason::Refill => (2, 1, 1),
        // One announce a minute at the most, and one found early when a torrent comes.
        Reason::Local => (2, 1, 0),
        // Two ports and an address, each half an hour; a gateway that is silent is asked again in three ways, a dozen
        // datagrams in half a minute, after a minute, two, four and so on.
        Reason::Mapping => (4, 0, 0),
        // A device that is given up is so once.
        Reason::Hung => (8, 1, 0),
        // Who has completed seeks nothing.
        Reason::Metadata => (0, 0, 0),
        // Once in 65 s, and at once for whoever has not been told anything; only if there is news. Those who were still
        // there when all had completed were news once.
        Reason::Gossip => (0, 1, 4),
        Reason::Ban | Reason::Ending => (2, 0, 0),
        // A node of the DHT that looks after its table twice a minute, in two families, while nobody answers: each
        // request becomes slow and then dead, and in these worlds there are ten to be asked. A torrent is announced once
        // a minute, to as many. (With real limits thirty would be all: `src/engine/tests/turns/dht.rs`.)
        Reason::Dht => (120, 40, 0),
    }
}

/// How often a torrent dials in a minute: twenty seconds after a connection that was of use, with a quarter more by lot;
/// each a dial and a retry.
const DIALS: u64 = 8;

/// How many rounds of choking a visitor sees: one whose disk is full, say, wants everything, finds out after some seconds
/// that it cannot be kept, and comes again.
const ROUNDS: u64 = 8;

/// How often an address that does not answer is tried in half an hour, and woken for.
const TRIES: u64 = 8;

/// Counts wake-ups of one node, minute by minute.
#[derive(Clone, Debug)]
pub struct Quiet {
    node: usize,
    from: Instant,
    woke: BTreeMap<Reason, u64>,
    dialled: u64,
    /// Whom it dialled.
    addresses: BTreeSet<SocketAddr>,
    accepted: u64,
}

impl Quiet {
    /// Begins to count.
    pub fn new(now: Instant, node: usize) -> Quiet {
        Quiet { node, from: now, woke: BTreeMap::new(), dialled: 0, addresses: BTreeSet::new(), accepted: 0 }
    }

    /// A shard of the node takes a turn because of a deadline, as [`Shard::wake_at`](tide_engine::Shard::wake_at) told,
    /// and not because of an input. To be told of rounds of choking only if nobody [wants](wants_rounds) them.
    pub fn woke(&mut self, reason: Reason) {
        *self.woke.entry(reason).or_default() += 1;
    }

    /// The node dials a peer.
    pub fn dialled(&mut self, to: SocketAddr) {
        self.dialled += 1;
        self.addresses.insert(to);
    }

    /// A peer has dialled the node.
    pub fn accepted(&mut self) {
        self.accepted += 1;
    }

    /// Wake-ups since it began to count.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.woke.iter().map(|(&reason, &times)| (reason, times))
    }

    /// Whether it was quiet since it began to count, as its shards stand now.
    ///
    /// # Errors
    /// The reason for which it woke too often, or that it dialled too often.
    pub fn judge(&self, now: Instant, surveys: &[Survey]) -> Result<(), Finding> {
        let torrents: u64 = surveys.iter().map(|survey| survey.torrents.len() as u64).sum();
        let crews = surveys.iter().flat_map(|survey| &survey.crews);
        let peers: u64 = crews.map(|crew| crew.members.len() as u64).sum();
        let minutes = now.since(self.from).as_secs().div_ceil(60).max(1);
        let enough = |what: &str, times: u64, most: u64| {
            let text = || {
                format!(
                    "it {what} {times} times in {minutes} min; {most} are enough for {torrents} torrents and {peers} peers"
                )
            };
            let finding = || Finding { oracle: Oracle::Quiet, node: self.node, at: now, text: text() };
            if times > most { Err(finding()) } else { Ok(()) }
        };
        // Trackers name new addresses all the time. Each is tried a few times, ever more rarely, and then forgotten.
        let tries = TRIES * self.addresses.len() as u64;
        enough("dialled", self.dialled, DIALS * torrents * minutes + tries)?;
        for (reason, times) in self.counts() {
            let (always, torrent, peer) = bound(reason);
            let more = match reason {
                Reason::Dial => tries,
                Reason::Choke => ROUNDS * (self.dialled + self.accepted),
                // Dials are few a second, and each may have to wait for its turn.
                Reason::Refill => self.dialled,
                // One deadline until there is a connection, and one until hands are shaken; either may be found early.
                Reason::Handshake => 2 * (self.dialled + self.accepted),
                // Whoever comes and goes is news once to those who are there, or they to him.
                Reason::Gossip => self.dialled + self.accepted,
                _ => 0,
            };
            let most = (always + torrent * torrents + peer * peers) * minutes + more;
            enough(&format!("woke for {reason:?}"), times, most)?;
        }
        Ok(())
    }

    /// How long it has been counting.
    pub fn since(&self, now: Instant) -> Duration {
        now.since(self.from)
    }
}

/// Whether a shard has somebody to choke: a peer that wants something, a slot that is to be dealt out or given back, or
/// peers that a leecher looks at.
pub fn wants_rounds(survey: &Survey) -> bool {
    survey.torrents.iter().any(|torrent| {
        let leeches = torrent.state != State::Seeding && !torrent.peers.is_empty();
        leeches || torrent.peers.iter().any(|peer| peer.interested || peer.unchoked)
    })
}
