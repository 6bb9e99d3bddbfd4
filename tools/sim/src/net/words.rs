//! The words of the net: who is connected to it and how, what it tells, what it counted.

use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant};
use tide_engine::NetError;
use tide_portmap::Protocol;

use crate::actor::EndId;

/// Names a host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostId(pub u32);

/// How a host is connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostSpec {
    /// Its addresses, of one family or both; IPv4-mapped ones count as IPv4. No two hosts share one.
    pub ips: Vec<IpAddr>,
    /// Bytes a second that it can send; 0 counts as 1.
    pub up: u64,
    /// Bytes a second that it can receive; 0 counts as 1.
    pub down: u64,
    /// The most bytes that wait at each of its two links; what comes then is dropped. One packet always fits.
    pub queue: u32,
    /// How long a packet takes between it and the middle of the net; between two hosts these add up.
    pub delay: Duration,
    /// Whether it is behind a NAT: it cannot be dialled, and datagrams reach it only as answers.
    pub nat: bool,
    /// Which local network it is in, if it is in one: hosts of one hear each other's multicast, and no NAT is between
    /// them.
    pub lan: Option<u32>,
    /// How many streams it can have at a time, those that it dials included.
    pub sockets: u32,
}

impl HostSpec {
    /// An ordinary line: a MB/s each way, 20 ms from the next such host, no NAT.
    pub fn ordinary(ip: impl Into<IpAddr>) -> HostSpec {
        HostSpec {
            ips: vec![ip.into()],
            up: 1_000_000,
            down: 1_000_000,
            queue: 128 << 10,
            delay: Duration::from_millis(10),
            nat: false,
            lan: None,
            sockets: 1000,
        }
    }
}

/// A port that a host's NAT lets in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Forward {
    /// Of what.
    pub protocol: Protocol,
    /// The port that the world sees.
    pub outer: u16,
    /// The host's own.
    pub inner: u16,
    /// Until when.
    pub until: Instant,
}

/// What is the same for all hosts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetSpec {
    /// The most bytes of a stream in one packet; 0 counts as 1.
    pub mss: u32,
    /// The most bytes of a datagram that every way takes for sure: larger ones are what
    /// [`Mishap::UdpMtu`](crate::Mishap::UdpMtu) is about.
    pub mtu: u32,
    /// How many bytes of a stream wait for their reader; 0 counts as 1.
    pub window: u32,
    /// How many bytes of a stream wait for being acknowledged: what a writer gets rid of; 0 counts as 1.
    pub send_buffer: u32,
}

impl Default for NetSpec {
    /// What an ordinary machine on the internet has.
    fn default() -> NetSpec {
        NetSpec { mss: 1460, mtu: 1472, window: 256 << 10, send_buffer: 256 << 10 }
    }
}

/// What happens to those who are connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum News {
    /// Somebody's dial was accepted.
    Accepted {
        /// Who accepted.
        host: HostId,
        /// Its end.
        end: EndId,
        /// Where the dialler is.
        from: SocketAddr,
        /// Where it was dialled.
        at: SocketAddr,
    },
    /// A dialled stream stands.
    Connected {
        /// Who dialled.
        host: HostId,
        /// Its end.
        end: EndId,
        /// The address of its end.
        local: SocketAddr,
    },
    /// Bytes have come. Said once for each arrival at most, so read until there are none left; nothing is said if they
    /// were read already.
    Readable {
        /// Whose end.
        host: HostId,
        /// The end.
        end: EndId,
    },
    /// There is room again after a write that took less than it was offered.
    Writable {
        /// Whose end.
        host: HostId,
        /// The end.
        end: EndId,
    },
    /// A stream has ended, or could not be made. After [`NetError::Ended`], which comes once all bytes before it were
    /// read, the end still stands, and can be written to, until it is closed; after anything else it is forgotten.
    Closed {
        /// Whose end.
        host: HostId,
        /// The end.
        end: EndId,
        /// Why.
        why: NetError,
    },
    /// A datagram came. Whether anybody has that port is for the host to know.
    Datagram {
        /// Whom it reached.
        host: HostId,
        /// The sender.
        from: SocketAddr,
        /// Where it was sent to.
        at: SocketAddr,
        /// The datagram.
        data: Vec<u8>,
    },
}

impl News {
    /// Whom it concerns.
    pub fn host(&self) -> HostId {
        match self {
            News::Accepted { host, .. }
            | News::Connected { host, .. }
            | News::Readable { host, .. }
            | News::Writable { host, .. }
            | News::Closed { host, .. }
            | News::Datagram { host, .. } => *host,
        }
    }
}

/// What the net has carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Packets that were sent, the lost ones included; acknowledgements are not counted.
    pub packets: u64,
    /// Bytes of those packets, with headers.
    pub wire_bytes: u64,
    /// Packets that were lost, for whatever reason.
    pub lost: u64,
    /// Bytes of streams that arrived in order.
    pub stream_bytes: u64,
    /// Datagrams that arrived, copies included.
    pub datagrams: u64,
    /// Bytes of those datagrams.
    pub datagram_bytes: u64,
    /// Dials.
    pub dials: u64,
    /// Dials that were accepted.
    pub streams: u64,
}
