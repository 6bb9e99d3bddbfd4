//! The bounds of fetching and serving metadata, with their reasons.

use tide_base::Duration;

/// The bounds of fetching and serving metadata. How large it may be is
/// [`Limits::metadata_len`](crate::Limits::metadata_len).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MetadataLimits {
    /// Peers that metadata is fetched from, at most; others are not looked at. Each costs some 100 bytes and a few
    /// look-ups a piece, and more would bring nothing sooner.
    pub peers: u32,
    /// Pieces asked of one peer at a time. 2 as libtorrent: enough to cover the path, and what a client serves without
    /// taking it for a flood.
    pub asks: u32,
    /// How long an ask may take. A piece of 16 KiB takes seconds on the slowest path that is of use.
    pub timeout: Duration,
    /// How old the last ask for a piece must be until it is asked of one more peer, when there is no other to ask for.
    pub hedge: Duration,
    /// How long a peer is left alone after it did not answer or refused; doubled each time, up to
    /// [`backoff_max`](MetadataLimits::backoff_max).
    pub backoff: Duration,
    /// The longest that a peer is left alone: a client that refuses a flood forgives it in about a minute.
    pub backoff_max: Duration,
    /// Attempts side by side: peers that disagree about the size, or that are tried alone. Whoever lies holds one up
    /// for a turn, so that nine liars of ten cost three turns.
    pub attempts: u32,
    /// Bytes that all attempts together may have received; beyond, only the best goes on. Two of the largest.
    pub memory: u32,
    /// How long an attempt goes on while others wait; doubled for each turn that it had. Some seconds are enough for
    /// nearly everything, and doubling ends for everything.
    pub turn: Duration,
    /// How long an attempt may bring nothing while others wait.
    pub quiet: Duration,
    /// Times that a peer may change the size that it claims; from then on it is not listened to. A correction is
    /// possible, flip-flop is a way to stall others.
    pub claims: u32,
    /// Requests of one peer that wait to be served. 2048 pieces are the largest metadata, which some clients ask for
    /// at once; each costs 4 bytes.
    pub serves: u32,
    /// Bytes that wait to be sent to a peer when another piece of metadata is queued for it: enough to keep its
    /// connection busy, and little to lose if it goes. 160 KiB as libtorrent.
    pub serve_queued: usize,
    /// How many times the whole may be served to one peer at once. BEP 9 leaves the factor open: 2 forgives a fetch that
    /// failed and one that was done over.
    pub serve_factor: u32,
    /// How often a piece beyond that is served to one peer.
    pub serve_every: Duration,
}

impl Default for MetadataLimits {
    fn default() -> MetadataLimits {
        MetadataLimits {
            peers: 256,
            asks: 2,
            timeout: Duration::from_secs(10),
            hedge: Duration::from_secs(3),
            backoff: Duration::from_secs(5),
            backoff_max: Duration::from_secs(80),
            attempts: 4,
            memory: 64 * 1024 * 1024,
            turn: Duration::from_secs(20),
            quiet: Duration::from_secs(8),
            claims: 3,
            serves: 2048,
            serve_queued: 160 * 1024,
            serve_factor: 2,
            serve_every: Duration::from_secs(1),
        }
    }
}
