//! Every bound of the engine, with its reason. A value, so that tests and simulations can run tiny ones.

use tide_base::Duration;

/// The engine's bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The bounds of one connection.
    pub peer: tide_peer::Limits,
    /// Bytes in a block. BEP 3 leaves it open; 16 KiB is what everybody asks for and the most that everybody serves.
    pub block_len: u32,
    /// Bytes of memory for blocks under way, in the whole session. A fast transfer fills what it is given, and this keeps
    /// the process well below 64 MiB. What does not fit is paged to the disk.
    pub memory: u64,
    /// Bytes of memory in one chunk, a multiple of the block length. 256 KiB makes four chunks of a common piece and
    /// a vectored write of few parts.
    pub chunk_len: u32,
    /// Bytes read or lent for uploads and not yet sent, in the whole session. Small write queues are faster than
    /// large ones; this is room for some hundred unchoked peers.
    pub upload_memory: u64,
    /// Bytes of metadata that are sought, as much as peers claim, in the whole session: four of the largest, or hundreds of
    /// usual ones. Whoever lies about a size holds as much for a turn of some seconds; other torrents wait.
    pub metadata_memory: u64,
    /// Bytes read or lent for one peer and not yet sent: two vectored writes of eight blocks. Who reads slowly has less.
    pub upload_ahead: u32,
    /// How long content for a peer may wait to leave while others wait for the memory. Nobody has more waiting than he took
    /// in the four seconds before, so who has not taken it after five times as long has stopped.
    pub upload_wait: Duration,
    /// Bytes of one read for an upload: what the disk thread does in one go, and the most that one handle pins.
    pub read_len: u32,
    /// Connections to peers in the whole session.
    pub peers: u32,
    /// Connections to peers of one torrent.
    pub peers_per_torrent: u32,
    /// Connections that we make, until hands are shaken, in the whole session: home routers choke on more. They take half
    /// of the places for peers at the most, so that the dead addresses of a book do not keep those out who come to us.
    pub half_open: u32,
    /// Connections that others make, until hands are shaken, in the whole session: who says nothing costs little, and
    /// shall cost no place for those whom we dial.
    pub strangers: u32,
    /// Connections to one address. Several are normal behind a NAT; a flood is not.
    pub peers_per_ip: u32,
    /// Peers of one torrent that are at pieces which they may fetch while choked (BEP 6), at a time. Two find out that it
    /// helps; when everybody of a crowd of fifty was allowed it, their seed's line gave none of them a whole piece for
    /// fifty seconds, and all of them took four times as long.
    pub newcomers: u32,
    /// New connections a second in the whole session.
    pub dials_per_second: u32,
    /// How long a connection may take to stand.
    pub connect_timeout: Duration,
    /// How long a handshake may take, from accepting or from standing.
    pub handshake_timeout: Duration,
    /// Pieces one crew may have under lease at a time: enough for many slow peers on pieces of their own.
    pub leases: u32,
    /// How many peers may be asked for one block in the endgame: more costs the swarm and gains nothing.
    pub endgame_copies: u8,
    /// Disk jobs under way, a shard and volume: the capacity of the way to the disk thread.
    pub disk_jobs: u32,
    /// Bytes of memory that disk jobs under way hold, a shard and volume. More only waits in the device's queue; and this
    /// is what a device that never answers again keeps for ever.
    pub disk_bytes: u64,
    /// How long a device may leave jobs unanswered before its torrents are stopped. Disks that spin up take ten seconds,
    /// and a retried sector as long.
    pub hung: Duration,
    /// Hash jobs under way, a shard: the capacity of the way to the hash pool.
    pub hash_jobs: u32,
    /// Bytes read at once from one peer in a turn, so that one fast peer does not starve the others.
    pub read_per_turn: u32,
    /// Upload slots in the whole session, at the most.
    pub upload_slots: u32,
    /// HTTP announces under way in the whole session. Small trackers suffer from more, and a name that hangs holds one.
    pub announces: u32,
    /// Torrents in the session.
    pub torrents: u32,
    /// Content that may be lost by a kill: a checkpoint follows this soon after the first piece it would claim.
    pub checkpoint_after: Duration,
    /// Between rounds of choking (BEP 3: ten seconds dampen flapping).
    pub choke_round: Duration,
    /// How often the least useful peers of a full torrent make room for fresh addresses.
    pub turnover: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            peer: tide_peer::Limits::default(),
            block_len: 16 * 1024,
            memory: 32 << 20,
            chunk_len: 256 * 1024,
            upload_memory: 16 << 20,
            metadata_memory: 128 << 20,
            upload_ahead: 512 * 1024,
            upload_wait: Duration::from_secs(20),
            read_len: 128 * 1024,
            peers: 500,
            peers_per_torrent: 100,
            half_open: 64,
            strangers: 64,
            peers_per_ip: 8,
            newcomers: 2,
            dials_per_second: 30,
            connect_timeout: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            leases: 256,
            endgame_copies: 3,
            disk_jobs: 256,
            disk_bytes: 8 << 20,
            hung: Duration::from_secs(45),
            hash_jobs: 64,
            read_per_turn: 1 << 20,
            upload_slots: 200,
            announces: 50,
            torrents: 1_000_000,
            checkpoint_after: Duration::from_secs(3),
            choke_round: Duration::from_secs(10),
            turnover: Duration::from_secs(300),
        }
    }
}

impl Limits {
    /// How many dials may be under way in the whole session.
    pub fn dials(&self) -> u32 {
        self.half_open.min(self.peers / 2).max(1)
    }

    /// Whether the bounds fit together; the rule that is broken if they do not.
    ///
    /// # Errors
    /// The rule.
    pub fn check(&self) -> Result<(), &'static str> {
        let times = [self.connect_timeout, self.handshake_timeout, self.hung, self.choke_round];
        let rules = [
            (self.block_len > 0 && self.block_len.is_multiple_of(64), "block_len is a multiple of 64"),
            (self.chunk_len.is_multiple_of(self.block_len), "chunk_len is a multiple of block_len"),
            (self.chunk_len > 0, "chunk_len is not zero"),
            (self.memory >= 2 * u64::from(self.chunk_len), "memory holds two chunks at least"),
            (self.read_len >= self.block_len, "read_len holds a block"),
            (self.upload_ahead >= self.block_len, "upload_ahead holds a block"),
            (self.upload_memory >= u64::from(self.read_len), "upload_memory holds a read"),
            (
                self.leases > 0 && self.disk_jobs > 1 && self.hash_jobs > 0,
                "there is room for a piece and its jobs",
            ),
            (
                self.metadata_memory >= u64::from(self.peer.metadata_len),
                "metadata_memory holds the largest metadata",
            ),
            (self.endgame_copies > 0, "a block may be asked for once"),
            (self.dials_per_second > 0 && self.half_open > 0, "dialling is possible"),
            (self.strangers > 0 && self.peers > 1, "somebody can come while somebody is dialled"),
            (self.peers_per_torrent > 0 && self.peers_per_ip > 0, "a torrent and an address may have a peer"),
            (self.read_per_turn > 0, "something is read in a turn"),
            (
                times.iter().all(|time| !time.is_zero()),
                "connect_timeout, handshake_timeout, hung and choke_round take some time",
            ),
        ];
        self.peer.check()?;
        rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, rule)| Err(*rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let usual = Limits::default;
        assert_eq!(usual().check(), Ok(()));
        let refused = |limits: Limits| limits.check().expect_err("it cannot work");
        assert_eq!(
            refused(Limits { choke_round: Duration::ZERO, ..usual() }),
            "connect_timeout, handshake_timeout, hung and choke_round take some time"
        );
        assert_eq!(refused(Limits { read_per_turn: 0, ..usual() }), "something is read in a turn");
        assert_eq!(
            refused(Limits { peers_per_ip: 0, ..usual() }),
            "a torrent and an address may have a peer"
        );
        let peer = tide_peer::Limits { asks: 0, ..tide_peer::Limits::default() };
        assert_eq!(refused(Limits { peer, ..usual() }), "a block may be asked for and served");
    }
}
