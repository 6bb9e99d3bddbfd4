//! What the session has only one of: parts on shard 0 that hand out shares, keep the directory of torrents and the bans,
//! carry out announces, look for neighbours, have ports opened, and find out how the world sees us.

pub mod announcer;
pub mod dht;
pub mod local;
pub mod mapping;
pub mod outside;
pub mod treasury;
