//! What the session has only one of: parts on shard 0 that hand out shares, keep the directory of torrents and the bans,
//! and carry out announces.

pub mod announcer;
pub mod dht;
pub mod treasury;
