//! The bounds of the session's part in the DHT, beyond those of the node ([`tide_dht::Limits`]).

use tide_base::Duration;

/// How long the state of an earlier run is waited for: a disk that spins up takes ten seconds, and after that it is
/// better to begin without.
pub const LOAD: Duration = Duration::from_secs(15);

/// When the state is saved first: a table is worth something after a few minutes.
pub const FIRST_SAVE: Duration = Duration::from_secs(5 * 60);

/// Between two saves. Nodes that are well stay for hours, so an hour's loss is small.
pub const SAVE: Duration = Duration::from_secs(3600);

/// How long a torrent that misses peers waits for its next lookup, at first; each time twice as long, up to the time
/// between two announces. Swarms that begin are found soon, those that do not exist cost little.
pub const HUNGRY: Duration = Duration::from_secs(60);

/// Lookups that are left to the application while torrents have many.
pub const RESERVED: usize = 4;

/// Queries of the application that are not yet answered: each may hold a thousand peers.
pub const QUERIES: usize = 64;

/// How long a query of the application takes at most; then it is answered with what was found. A lookup takes some
/// seconds, getting into the network as long again.
pub const QUERY: Duration = Duration::from_secs(60);

/// Ways in that the application names; the list of a person is short.
pub const ROUTERS: usize = 32;

/// Ways in that torrents name, remembered until their names are looked up.
pub const NODES: usize = 64;

/// Addresses of one name that are tried.
pub const ADDRESSES: usize = 8;

/// How long after a name was not found it is looked up again, at first; each time twice as long.
pub const NAME_RETRY: Duration = Duration::from_secs(30);

/// The same at most.
pub const NAME_RETRY_MOST: Duration = Duration::from_secs(15 * 60);
