//! Every bound of a connection, with its reason. A value, so that a simulation can run tiny numbers through the same
//! code.

use tide_base::Duration;

/// The bounds of one connection. The defaults suit the public swarms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes a block may have, theirs and ours. 16 KiB: what every client asks for; larger requests, up to 128 KiB,
    /// were seen long ago and are refused by everybody today.
    pub block_len: u32,
    /// Bytes a message of no special bound may have, behind its length. 1 MiB as libtorrent; such messages are passed
    /// over without being kept, so this only decides when a stream is believed to be out of step.
    pub message_len: u32,
    /// Bytes a message of the extension protocol may have. The longest that is of use is a peer exchange of some
    /// hundred addresses or 16 KiB of metadata and a header; this is kept in memory while it is incomplete.
    pub extended_len: u32,
    /// Names that are taken from the `m` dictionary of an extension handshake. libtorrent sends about ten.
    pub extension_names: u32,
    /// Bytes kept of a client's name for itself (`v`).
    pub client_name_len: u32,
    /// Bytes that metadata may be claimed to have (`metadata_size`); a larger claim is ignored. 32 MiB cover a torrent
    /// of 1.6 million pieces; the largest that others were asked to allow had 14 MiB, and libtorrent's bound is 30.
    pub metadata_len: u32,

    /// Requests of theirs that wait or are being read, at most: our `reqq`. 2000 as libtorrent: a peer on a long fat
    /// path needs that many, and each costs 12 bytes.
    pub serves: u32,
    /// Requests of ours in flight, at most, whatever the peer's `reqq` and the rate. 1024 blocks are 16 MiB, 100 ms
    /// of 1.3 Gbit/s; more only makes more pieces incomplete at the same time.
    pub asks: u32,
    /// Requests of ours in flight that the peer takes if it does not say (`reqq`). BEP 10: libtorrent's 250.
    pub asks_unsaid: u32,
    /// Requests of ours in flight that the pipeline begins with, and does not shrink below while data flows: a pipeline
    /// that follows a measured rate without a floor feeds on its own shrinking until nothing is left of it. 16 blocks
    /// are 256 KiB, a common piece; four times as many tie a slow seed's next minute to whoever came first, and a swarm
    /// of ten around it takes 1.6 times as long.
    pub asks_floor: u32,
    /// How long the requests in flight should keep the peer busy at the measured rate. 3 s as libtorrent: it covers
    /// the path, the peer's disk, and the turns by which many peers share their upload.
    pub asks_queue: Duration,
    /// How long nothing of an asked block may come before the requests in flight count as overdue. Longer than a
    /// retransmission or a slow disk, shorter than patience.
    pub asks_quiet: Duration,
    /// The shortest age at which a single request counts as overdue although others are answered; the measured
    /// latency can only lengthen it. A peer that dropped a request would otherwise hold its piece up for ever.
    pub ask_age_min: Duration,
    /// The longest age at which a single request counts as overdue.
    pub ask_age_max: Duration,
    /// How long an unchoked peer that we asked may send no block until it counts as snubbing us (BEP 3's anti-snub: a
    /// minute).
    pub snub: Duration,
    /// Asks that a peer who unchoked us rejected in a row, with no block between, after which it is not asked for
    /// [`refused_wait`](Self::refused_wait) and counts as snubbing us. A peer that lost a piece or two rejects fewer.
    pub refusals: u32,
    /// How long it is not asked then: a round of its choker, within which it may know better.
    pub refused_wait: Duration,

    /// How long the handshakes may take together. 10 s as libtorrent.
    pub handshake: Duration,
    /// How long a peer may be silent. Keep-alives are sent every two minutes at most (BEP 3), some clients at exactly
    /// two minutes, and they may be late.
    pub idle: Duration,
    /// How long we are silent before we send a keep-alive: under two minutes, with room for the path.
    pub keep_alive: Duration,
    /// How long bytes for the peer may wait without any of them leaving. A peer that asks and does not read holds
    /// memory.
    pub stall: Duration,
    /// How long after our choke requests that crossed it are not held against the peer. 2 s as libtorrent.
    pub choke_grace: Duration,

    /// Bytes of messages (content aside) that may wait to be sent when another message is accepted. Room for the HAVEs
    /// of a whole large torrent; only a peer that does not read gets here.
    pub control_queued: usize,
    /// Allowed-fast pieces of the peer that are remembered, with those that it refused after all. BEP 6 sends 10; more is
    /// generous.
    pub allowed_fast_in: u32,
    /// Allowed-fast pieces that we grant, at most (BEP 6: k = 10).
    pub allowed_fast_out: u32,
    /// How many times its blocks an allowed-fast piece is served to a choked peer. 3 as libtorrent: lost blocks and
    /// failed pieces may be fetched again, but not for ever.
    pub allowed_fast_repeats: u32,
    /// Suggestions that are remembered, to recognise repeats. 16 as libtorrent.
    pub suggestions: u32,
    /// Bytes a bitfield may have while the number of pieces is not known. 256 KiB are the 2²¹ pieces that a torrent
    /// may have.
    pub early_field: u32,
    /// What a peer may say about single pieces while the number of pieces is not known: 8 bytes each. A swarm's fastest
    /// peers get some hundred pieces in the time that metadata takes; who gets 8192 must come back and say it at once.
    pub early_said: u32,
    /// The bounds of fetching and serving metadata.
    pub metadata: crate::metadata::MetadataLimits,
    /// The bounds of exchanging peers.
    pub pex: crate::pex::PexLimits,
    /// How often each kind of useless message is put up with.
    pub patience: Patience,
}

/// How many useless messages of each kind a peer may send until it loses the connection. One of each is forgiven for
/// every block that moves, and for every [`Patience::refill`] that passes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patience {
    /// The time in which one of each kind is forgiven.
    pub refill: Duration,
    /// Useless allowed-fast messages.
    pub allowed_fast: u16,
    /// Cancels. An endgame cancels as much as a pipeline holds, of every peer, more than once.
    pub cancels: u16,
    /// Chokes and unchokes of us. One each ten seconds is normal.
    pub chokes: u16,
    /// Pieces taken back that were not there.
    pub dont_haves: u16,
    /// Pieces claimed again, and repeated bitfields. Clients that hide pieces in the bitfield ("lazy bitfield") or
    /// send both do so for many.
    pub haves: u16,
    /// Extension handshakes. Clients send a new one when a setting changes.
    pub hellos: u16,
    /// Changes of interest, of which each HAVE of ours permits two more.
    pub interests: u16,
    /// Keep-alives.
    pub keep_alives: u16,
    /// Requests for metadata. The largest there may be has 2048 pieces, each of which is asked for twice at most when
    /// all is well.
    pub metadata_requests: u16,
    /// Pieces of metadata, and rejects, that were not asked for: answers that crossed, and no more.
    pub metadata_unasked: u16,
    /// Rejects of what we did not ask, beyond what we gave up.
    pub rejects: u16,
    /// Requests beyond our `reqq` or made twice.
    pub requests: u16,
    /// Requests that cannot be served. 300 as libtorrent.
    pub requests_invalid: u16,
    /// Requests while choked and after the grace. A pipeline's worth can come late on a slow path.
    pub requests_choked: u16,
    /// Useless suggestions.
    pub suggestions: u16,
    /// Blocks nobody asked for, beyond those that we gave up: 16 are 256 KiB.
    pub unasked: u16,
    /// Messages we do not know.
    pub unknown: u16,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            refill: Duration::from_secs(5),
            allowed_fast: 128,
            cancels: 4000,
            chokes: 100,
            dont_haves: 100,
            haves: 1000,
            hellos: 50,
            interests: 200,
            keep_alives: 100,
            metadata_requests: 4200,
            metadata_unasked: 16,
            rejects: 300,
            requests: 1000,
            requests_invalid: 300,
            requests_choked: 2000,
            suggestions: 300,
            unasked: 16,
            unknown: 300,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            block_len: 16 * 1024,
            message_len: 1024 * 1024,
            extended_len: 128 * 1024,
            extension_names: 64,
            client_name_len: 64,
            metadata_len: 32 * 1024 * 1024,
            serves: 2000,
            asks: 1024,
            asks_unsaid: 250,
            asks_floor: 16,
            asks_queue: Duration::from_secs(3),
            asks_quiet: Duration::from_secs(20),
            ask_age_min: Duration::from_secs(60),
            ask_age_max: Duration::from_secs(600),
            snub: Duration::from_secs(60),
            refusals: 32,
            refused_wait: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(150),
            keep_alive: Duration::from_secs(100),
            stall: Duration::from_secs(120),
            choke_grace: Duration::from_secs(2),
            control_queued: 2 * 1024 * 1024,
            allowed_fast_in: 64,
            allowed_fast_out: 10,
            allowed_fast_repeats: 3,
            suggestions: 16,
            early_field: 256 * 1024,
            early_said: 8192,
            metadata: crate::metadata::MetadataLimits::default(),
            pex: crate::pex::PexLimits::default(),
            patience: Patience::default(),
        }
    }
}

impl Limits {
    /// Whether the bounds fit together, so that two with the same ones can exchange anything; the rule that is broken if
    /// they do not.
    ///
    /// # Errors
    /// The rule.
    pub fn check(&self) -> Result<(), &'static str> {
        let metadata = &self.metadata;
        let times = [self.asks_quiet, self.idle, self.keep_alive, self.stall];
        let rules = [
            (self.serves > 0 && self.asks > 0, "a block may be asked for and served"),
            (self.ask_age_min <= self.ask_age_max, "ask_age_min is at most ask_age_max"),
            (
                times.iter().all(|time| !time.is_zero()),
                "asks_quiet, idle, keep_alive and stall take some time",
            ),
            (self.control_queued >= 1024, "control_queued holds some messages"),
            (self.extended_len >= 17 * 1024, "extended_len holds a piece of metadata and its head"),
            (self.extension_names >= 8, "extension_names holds those that are known"),
            (self.early_said > 0, "something may be said early"),
            (
                metadata.peers > 0 && metadata.asks > 0 && metadata.attempts > 0 && metadata.memory > 0,
                "metadata may be asked for",
            ),
            (metadata.serves > 0 && metadata.serve_queued > 0, "metadata may be served"),
        ];
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(*rule))
    }

    /// Limits for blocks of `block_len` bytes and queues of a handful, with which wrap-around, refusal and back
    /// pressure come about in a few messages.
    pub fn tiny(block_len: u32) -> Limits {
        Limits {
            block_len,
            message_len: 4096,
            // A piece of metadata and its header.
            extended_len: 17 * 1024,
            early_said: 256,
            patience: Patience { metadata_requests: 64, ..Patience::default() },
            serves: 4,
            asks: 8,
            asks_unsaid: 4,
            asks_floor: 2,
            refusals: 4,
            allowed_fast_out: 2,
            allowed_fast_in: 2,
            suggestions: 2,
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_and_the_tiny_fit_together_and_what_does_not_is_named() {
        assert_eq!((Limits::default().check(), Limits::tiny(64).check()), (Ok(()), Ok(())));
        let never = Limits { keep_alive: Duration::ZERO, ..Limits::default() };
        assert_eq!(never.check(), Err("asks_quiet, idle, keep_alive and stall take some time"));
        let ages = Limits { ask_age_max: Duration::ZERO, ..Limits::default() };
        assert_eq!(ages.check(), Err("ask_age_min is at most ask_age_max"));
    }
}
