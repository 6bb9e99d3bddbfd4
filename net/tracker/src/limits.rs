//! Every bound of this crate, with its reason.

use tide_base::Duration;

/// Longest URL in bytes. Private trackers' passkeys need a few hundred; servers refuse request lines beyond 8 KiB.
pub const URL_MAX: usize = 2048;

/// Longest text of a tracker that is kept for people, in bytes: a few lines of a terminal.
pub const TEXT_MAX: usize = 512;

/// Longest tracker id that is kept and sent back, in bytes. Known ones have 8 to 40.
pub const TRACKER_ID_MAX: usize = 256;

/// Most info-hashes of one scrape. BEP 15: about 74 fit a datagram; the same bound keeps HTTP's request line short.
pub const SCRAPE_MAX: usize = 74;

/// How often the connection ids that our own UDP tracker gives become others. The shorter, the closer their lives are to
/// [`CONNECTION_LIFE`], and the more must be tried for each datagram.
pub const CONNECTION_EPOCH: Duration = Duration::from_secs(60);

/// How long a connection id is taken at least, whenever it was given (BEP 15: until two minutes after it was sent). Clients
/// use one for a minute after it came, so this leaves a minute for the path. It is one [`CONNECTION_EPOCH`]
/// longer at most, in which whoever got the address of the one it was given to could use it.
pub const CONNECTION_LIFE: Duration = Duration::from_secs(120);

/// Most peers taken from one reply. Trackers cap at 50 to 200; the address book holds a few thousand in all.
pub const PEERS_MAX: usize = 1000;

/// Bounds of one HTTP exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HttpLimits {
    /// Bytes of status line and headers; what servers themselves accept of us is 8 KiB, so 16 KiB is generous.
    pub header: usize,
    /// Bytes of body, as sent and again as inflated: 1000 peers with ids in the long form need 100 KiB.
    pub body: usize,
    /// Redirects followed in a row.
    pub redirects: u8,
    /// From the first byte sent to the last received; a slow tracker must not hold a connection for ever.
    pub total: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        HttpLimits { header: 16 << 10, body: 1 << 20, redirects: 5, total: Duration::from_secs(30) }
    }
}

/// Bounds of what is asked of one UDP tracker address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UdpLimits {
    /// Requests that wait, beyond those under way: one a torrent and family of a busy session.
    pub queue: usize,
    /// Requests under way at once, so that a fresh connection id does not set off a burst that routers drop.
    pub window: usize,
    /// How long the first transmission waits for its answer; each later one twice as long (BEP 15: 15 s).
    pub first_wait: Duration,
    /// Retransmissions before giving up. BEP 15 allows 8, which is more than two hours; with 2 a dead tracker costs
    /// 105 s, then the tier's next one is asked and the schedule's back-off takes over.
    pub retries: u32,
    /// How long a connection id is used (BEP 15: one minute after it was received).
    pub connection_life: Duration,
}

impl Default for UdpLimits {
    fn default() -> Self {
        UdpLimits {
            queue: 4096,
            window: 32,
            first_wait: Duration::from_secs(15),
            retries: 2,
            connection_life: Duration::from_secs(60),
        }
    }
}

impl UdpLimits {
    /// The longest that one request is under way: all its waits after one another.
    pub fn patience(&self) -> Duration {
        let waits = (1u64 << (self.retries.min(16) + 1)) - 1;
        Duration::from_nanos((self.first_wait.as_nanos() as u64).saturating_mul(waits))
    }
}

/// Bounds of a torrent's announce schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScheduleLimits {
    /// Trackers of one torrent. Published lists have up to about 100.
    pub trackers: usize,
    /// What a tracker's interval is raised to. Its own load is its own business; this guards our side only.
    pub shortest: Duration,
    /// What a tracker's interval is lowered to, so that one absurd number does not silence a torrent for days.
    pub longest: Duration,
    /// The interval where a tracker names none (or 0): what nearly all of them use.
    pub usual: Duration,
    /// Wait after the first failure; doubled by each further one.
    pub first_retry: Duration,
    /// What that wait is lowered to.
    pub longest_retry: Duration,
    /// What must lie between two announces asked for by hand, where the tracker names no minimum.
    pub by_hand: Duration,
    /// How long `stopped` announces may hold up a stop.
    pub stop_budget: Duration,
}

impl Default for ScheduleLimits {
    fn default() -> Self {
        ScheduleLimits {
            trackers: 256,
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(3 * 3600),
            usual: Duration::from_secs(1800),
            first_retry: Duration::from_secs(15),
            longest_retry: Duration::from_secs(3600),
            by_hand: Duration::from_secs(60),
            stop_budget: Duration::from_secs(5),
        }
    }
}

/// Bounds and habits of our own tracker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerLimits {
    /// What clients are told to wait between announces. Tests use a second.
    pub interval: Duration,
    /// A peer not heard of for this long is forgotten: two intervals and some slack for lost packets.
    pub expiry: Duration,
    /// Info-hashes known at once: with small swarms some 10 MB.
    pub swarms: usize,
    /// Peers of one swarm and address family.
    pub peers: usize,
    /// Peers given where the client names no number.
    pub want: usize,
    /// Peers given at most: 200 compact IPv4 and IPv6 peers stay below 4 KiB.
    pub want_max: usize,
    /// Bytes of one HTTP request: [`SCRAPE_MAX`] escaped info-hashes need 6 KiB.
    pub request: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits::with_interval(Duration::from_secs(1800))
    }
}

impl ServerLimits {
    /// The defaults with another announce interval, and an expiry to match.
    pub fn with_interval(interval: Duration) -> ServerLimits {
        ServerLimits {
            interval,
            expiry: interval.saturating_mul(2).saturating_add(Duration::from_secs(60)),
            swarms: 10_000,
            peers: 10_000,
            want: 50,
            want_max: 200,
            request: 8 << 10,
        }
    }
}
