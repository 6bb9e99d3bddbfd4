//! What the whole session has only one of: parts on shard 0.

pub mod announcer;
