//! Numbers about a node.

use super::Node;
use super::quest::Quest;
use crate::table::TableStats;
use tide_base::addr::Family;

/// What a node has counted since its beginning.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counters {
    /// Datagrams handed in.
    pub datagrams_in: u64,
    /// Datagrams handed out.
    pub datagrams_out: u64,
    /// Bytes handed in.
    pub bytes_in: u64,
    /// Bytes handed out.
    pub bytes_out: u64,
    /// Questions of others.
    pub queries_in: u64,
    /// Questions of ours.
    pub queries_out: u64,
    /// Answers and errors to ours, of those who were asked.
    pub answers_in: u64,
    /// Questions of ours that were never answered.
    pub timeouts: u64,
    /// Datagrams that were no message, or of no node.
    pub malformed: u64,
    /// Answers that nobody was asked for.
    pub unsolicited: u64,
    /// Datagrams of hosts that are not listened to.
    pub blocked: u64,
    /// Questions left unanswered, to stay within the rate.
    pub unanswered: u64,
    /// Lookups that ended.
    pub lookups: u64,
    /// Requests that they sent.
    pub lookup_sends: u64,
    /// Hops that they went.
    pub lookup_hops: u64,
}

/// How a node is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Stats {
    /// The IPv4 and the IPv6 table.
    pub tables: [TableStats; 2],
    /// Queries under way and waiting, the node's own ones among them.
    pub queries: usize,
    /// Announces kept up.
    pub announces: usize,
    /// Requests that wait for an answer.
    pub calls: usize,
    /// Torrents stored for others.
    pub torrents: usize,
    /// Their peers.
    pub peers: usize,
    /// Items stored for others.
    pub items: usize,
    /// What was counted.
    pub counters: Counters,
}

impl Node {
    /// How it is.
    pub fn stats(&self) -> Stats {
        let table = |family| self.half(family).map(|half| half.table.stats()).unwrap_or_default();
        let (torrents, peers) = self.peers.counts();
        Stats {
            tables: Family::ALL.map(table),
            queries: self.quests.len() + self.waiting.len(),
            announces: self.standing.len(),
            calls: self.calls.len(),
            torrents,
            peers,
            items: self.items.len(),
            counters: self.counters,
        }
    }

    /// Bytes of memory that it takes, about: what it contains, not what the allocator adds. Lookups under way count
    /// with the most that each may take.
    pub fn memory(&self) -> usize {
        const CANDIDATE: usize = 144;
        const PEER: usize = 64;
        const HOST: usize = 34;
        let limits = self.config.limits;
        let quest = size_of::<Quest>() + 2 * limits.candidates * CANDIDATE + limits.peers_found * PEER;
        let scraped: usize = self.quests.iter().map(|(_, quest)| quest.counted() * HOST).sum();
        let tables: usize = self.halves.iter().flatten().map(|half| half.table.memory()).sum();
        size_of::<Node>()
            + tables
            + self.peers.memory()
            + self.items.memory()
            + self.floods.memory()
            + self.calls.memory()
            + self.quests.len() * quest
            + scraped
    }
}
