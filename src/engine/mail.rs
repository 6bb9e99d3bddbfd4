//! What torrents, crews and the session's shared parts say to one another: plain data, first in first out between any
//! two shards, and in no other order.

/// Mail from one shard to another.
#[derive(Debug)]
pub enum Mail {}
