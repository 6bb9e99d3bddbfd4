//! The announcer's own bounds. How many requests may be under way over streams in the whole session is
//! [`Limits::announces`](crate::limits::Limits::announces); what one exchange may cost is the tracker crate's.

use tide_base::Duration;

/// Streams to one tracker at a time: enough to get through a few hundred torrents in a minute, few enough that a small
/// tracker does not take us for an attack.
pub const STREAMS_PER_HOST: usize = 4;

/// Requests to one UDP tracker that are taken out of its lane at a time: twice what its client has under way, so that
/// the next ones are there when a window of answers comes in.
pub const DATAGRAMS_PER_HOST: usize = 64;

/// Requests over UDP at a time in all: they cost no socket, only memory, and lists of public trackers have some hundred
/// hosts, of which most are dead and hold theirs for minutes.
pub const DATAGRAMS: usize = 1024;

/// UDP tracker addresses remembered at a time. As many as there can be requests, so that one without any can always be
/// dropped for a new one.
pub const UDP_CLIENTS: usize = DATAGRAMS;

/// How long a UDP tracker's address is remembered after its last request: as long as its connection id is good.
pub const UDP_CLIENT_KEPT: Duration = Duration::from_secs(60);

/// Addresses of one tracker tried over streams, each for as long as a connection may take.
pub const STREAM_ADDRESSES: usize = 4;

/// Addresses of one tracker tried over UDP, where a silent one costs more than a minute.
pub const UDP_ADDRESSES: usize = 2;

/// How long a name may take: resolvers try each of three servers for five seconds.
pub const RESOLVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Bytes read at once of a reply; most are smaller.
pub const READ: usize = 16 << 10;
