//! Every bound of this crate, with its reason. What only the wire fixes is a constant; what a small simulation or an
//! embedder may want otherwise is a field of [`Limits`].

use tide_base::Duration;

/// Nodes in an answer, nodes that a lookup must have heard, nodes that hold a copy (BEP 5: K).
pub const K: usize = 8;

/// Longest datagram that is read. BEP 32 says that 1024 bytes must be received and more should be; nobody sends more
/// than an Ethernet frame holds.
pub const DATAGRAM_IN_MAX: usize = 1500;

/// Longest datagram that is sent (BEP 32).
pub const DATAGRAM_OUT_MAX: usize = 1024;

/// Shortest datagram that can be a message: `d1:t1:x1:y1:qe` has 14 bytes.
pub const DATAGRAM_IN_MIN: usize = 14;

/// Longest transaction id that is echoed. Known nodes use 2 to 8 bytes, a few 20.
pub const TRANSACTION_MAX: usize = 32;

/// Longest write token that is kept and sent back. Known ones have 4 to 20 bytes.
pub const TOKEN_MAX: usize = 64;

/// Longest text of an error that is kept for people.
pub const ERROR_TEXT_MAX: usize = 128;

/// Peers taken from one answer: a datagram of 1500 bytes has at most 186.
pub const VALUES_MAX: usize = 200;

/// Hosts of answers without filters that a scrape keeps until it ends: 300 KiB. The filters into which they then go tell no
/// more apart (BEP 33: 6000).
pub const SCRAPE_HOSTS_MAX: usize = 6000;

/// Nodes taken from one answer and family. BEP 5 has eight; twice that is generous, and more is flooding.
pub const NODES_IN_MAX: usize = 16;

/// Longest value of an item, bencoded (BEP 44).
pub const VALUE_MAX: usize = 1000;

/// Longest salt of a mutable item (BEP 44).
pub const SALT_MAX: usize = 64;

/// Info-hashes in an answer to `sample_infohashes`: beside both lists of nodes they stay within
/// [`DATAGRAM_OUT_MAX`].
pub const SAMPLES_OUT_MAX: usize = 20;

/// Info-hashes taken from such an answer: what fits a datagram.
pub const SAMPLES_IN_MAX: usize = 72;

/// Saved nodes of one family. A table of the usual depth has 250; a lookup needs eight.
pub const SAVED_MAX: usize = 200;

/// Longest saved state that is read: both families full are 13 KiB.
pub const SAVED_BYTES_MAX: usize = 64 << 10;

/// Nodes that the first, second and third bucket hold; the others hold [`K`]. The first buckets are where half, a
/// quarter and an eighth of all lookups begin, and with more nodes in them those begin up to three bits closer.
pub const WIDE_BUCKETS: [usize; 3] = [64, 32, 16];

/// Buckets of one table. A bucket a bit is what 2³² nodes would need; what lies deeper shares the last one.
pub const BUCKETS_MAX: usize = 32;

/// Bounds and habits of one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Requests of one lookup that wait for an answer at once (Kademlia's α). Those that took too long do not count.
    pub alpha: usize,
    /// Requests of one lookup in all. An honest lookup sends 20 to 40; liars can draw it out, but only so far.
    pub lookup_sends: usize,
    /// Nodes that a lookup remembers, the closest ones: 16 KiB.
    pub candidates: usize,
    /// Peers that one query reports: what a torrent's address book takes at once.
    pub peers_found: usize,
    /// Lookups under way at once; more wait. At α = 4 they keep some hundred requests in flight. Beside them goes, in
    /// each network, the one that gets us in: it cannot wait for those that find nobody without it.
    pub active: usize,
    /// Queries that wait for their turn, those kept up included: one a torrent of a large session.
    pub waiting: usize,
    /// Requests in flight altogether.
    pub calls: usize,
    /// The shortest and the longest that a request holds its place among a lookup's α. Between them it is measured.
    pub slow: (Duration, Duration),
    /// After that an answer no longer counts, and the node has failed to answer.
    pub dead: Duration,
    /// A node not heard of for this long is questionable (BEP 5), and a bucket that did not change is looked up.
    pub fresh: Duration,
    /// Failures in a row after which a node is bad (BEP 5: multiple; it suggests two).
    pub fails_bad: u8,
    /// Failures after which it is dropped although nobody takes its place. An outage of our own must not empty the
    /// table at once.
    pub fails_drop: u8,
    /// Nodes that wait for a place in a bucket.
    pub replacements: usize,
    /// Nodes of one /24 or /64 in a whole table; one bucket takes one.
    pub per_subnet: usize,
    /// Between two rounds of upkeep: the node's one wake-up while nothing happens.
    pub upkeep: Duration,
    /// Questionable nodes asked in one round. A full table of 280 in 15 minutes needs 19 a minute.
    pub upkeep_pings: usize,
    /// Unknown nodes that wait to be pinged before they may enter the table.
    pub verify: usize,
    /// First and longest wait between two attempts to get into the network.
    pub bootstrap: (Duration, Duration),
    /// Routers and other seeds that are remembered while the table is empty.
    pub seeds: usize,
    /// How often a torrent is announced; other nodes forget after 30 to 45 minutes.
    pub announce: Duration,
    /// First wait after a round of announces that reached nobody; doubled up to `announce`.
    pub announce_retry: Duration,
    /// How long a write token is good for, once over: libtorrent and others change theirs every five minutes, too.
    pub token_life: Duration,
    /// Torrents whose peers are stored.
    pub torrents: usize,
    /// Peers stored for one torrent and family. BEP 33's filters break down at 6000; an answer holds about 100.
    pub peers: usize,
    /// Peers stored altogether: 9 MiB with all that is counted about them.
    pub peers_total: usize,
    /// Torrents that one IP (or /64) may be stored under: hosts with thousands of torrents spread them over the network.
    pub peers_per_host: usize,
    /// A peer not announced again is forgotten.
    pub peer_life: Duration,
    /// Items stored: 1.5 MiB when all are of the longest.
    pub items: usize,
    /// Items that one IP (or /64) may have stored.
    pub items_per_host: usize,
    /// An item not put again is forgotten (BEP 44: two hours).
    pub item_life: Duration,
    /// How long a sample of info-hashes stays the same (BEP 51).
    pub sample_life: Duration,
    /// Queries that one host may send in ten seconds. A large household behind one address sends some ten.
    pub flood: u32,
    /// How long a host that sent more is not listened to.
    pub flood_block: Duration,
    /// Hosts whose queries are counted, a power of two: 40 KiB. Others share their places.
    pub flood_hosts: usize,
    /// Requests sent a second, and saved up: a home router's table of connections must survive it.
    pub requests: (u64, u64),
    /// Bytes of answers a second, and saved up: libtorrent gives 8 kB/s; a busy node on the Internet needs about 20.
    pub answers: (u64, u64),
    /// Datagrams and events that wait to be fetched. Who polls each turn has a few.
    pub outputs: usize,
    /// Hosts that must agree about our address before it is believed (BEP 42).
    pub votes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Limits {
            alpha: 4,
            lookup_sends: 120,
            candidates: 100,
            peers_found: 1000,
            active: 32,
            waiting: 10_000,
            calls: 512,
            slow: (Duration::from_millis(400), Duration::from_millis(2000)),
            dead: Duration::from_secs(10),
            fresh: MINUTE * 15,
            fails_bad: 2,
            fails_drop: 8,
            replacements: 8,
            per_subnet: 4,
            upkeep: MINUTE,
            upkeep_pings: 20,
            verify: 32,
            bootstrap: (Duration::from_secs(5), MINUTE * 5),
            seeds: 64,
            announce: MINUTE * 15,
            announce_retry: Duration::from_secs(20),
            token_life: MINUTE * 5,
            torrents: 4096,
            peers: 1000,
            peers_total: 1 << 16,
            peers_per_host: 256,
            peer_life: MINUTE * 45,
            items: 1024,
            items_per_host: 32,
            item_life: MINUTE * 120,
            sample_life: MINUTE * 5,
            flood: 100,
            flood_block: MINUTE * 5,
            flood_hosts: 1024,
            requests: (200, 200),
            answers: (32 << 10, 128 << 10),
            outputs: 8192,
            votes: 4,
        }
    }
}
