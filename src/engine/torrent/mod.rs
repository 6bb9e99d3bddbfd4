//! One torrent, at home on one shard: what it has, what it wants, whom it meets and whom it serves.
