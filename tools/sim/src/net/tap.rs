//! A tap on all lines: every packet that arrives, for whoever writes it into a file.

use std::net::SocketAddr;

use tide_base::Instant;

/// A packet that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tapped {
    /// When.
    pub at: Instant,
    /// The sender.
    pub from: SocketAddr,
    /// The receiver.
    pub to: SocketAddr,
    /// What it is.
    pub what: TappedPacket,
}

/// What a packet is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TappedPacket {
    /// One of a stream.
    Tcp {
        /// The stream.
        stream: u64,
        /// What it is for.
        flags: Flags,
        /// The offset of its first byte in its direction of the stream; a SYN is not counted.
        offset: u64,
        /// How many bytes its sender has got in the other direction.
        acked: u64,
        /// Its bytes.
        data: Vec<u8>,
    },
    /// A datagram.
    Udp {
        /// Its bytes.
        data: Vec<u8>,
    },
}

/// What a packet of a stream is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// It begins the stream.
    pub syn: bool,
    /// It answers: all but the first.
    pub ack: bool,
    /// Nothing comes after it.
    pub fin: bool,
    /// It breaks the stream.
    pub rst: bool,
}
