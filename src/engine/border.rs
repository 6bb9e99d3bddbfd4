//! What crosses the border between the engine and whoever drives it: the shell, or a simulated world.
//!
//! **The law of the turn.** Any number of inputs ([`Shard::handle`](crate::Shard::handle) and its kin), then
//! [`Shard::settle`](crate::Shard::settle) once, then [`Shard::poll`](crate::Shard::poll) until it returns `None`.
//! Nothing is decided before `settle`, and nothing is lost if the driver takes many inputs in one turn or one.
//! [`turn`](crate::turn()) is that law as a function.

use core::net::{IpAddr, SocketAddr};

use tide_base::{Instant, ShardId};
use tide_disk::{Done, HashJob, Hashed, Job};

use crate::command::{Command, CommandId, Reply};
use crate::event::Event;
use crate::id::ConnKey;
use crate::mail::Mail;
use crate::stats::Reachable;

/// What the world tells the engine. Bytes of streams do not come this way: see [`Want`].
#[derive(Debug)]
pub enum Input<'a> {
    /// A dialled connection stands (with TLS, where that was asked for).
    Connected {
        /// The connection.
        conn: ConnKey,
        /// Our end of it.
        local: SocketAddr,
    },
    /// A connection is gone, or could not be made. The engine forgets it; the driver has already done so.
    Closed {
        /// The connection.
        conn: ConnKey,
        /// Why.
        why: NetError,
    },
    /// A datagram came in.
    Datagram {
        /// On which socket.
        via: Via,
        /// The sender.
        from: SocketAddr,
        /// The whole datagram.
        data: &'a [u8],
    },
    /// A name was looked up.
    Resolved {
        /// The asker's number.
        id: ResolveId,
        /// The addresses, never empty, or why there are none.
        result: Result<Vec<IpAddr>, NetError>,
    },
    /// A disk job is done.
    Disk(Done),
    /// A hash job is done.
    Hashed(Hashed),
    /// Another shard says something.
    Mail {
        /// Which shard.
        from: ShardId,
        /// What.
        mail: Mail,
    },
    /// The application wants something.
    Command {
        /// Comes back with the reply.
        id: CommandId,
        /// What it wants.
        command: Box<Command>,
    },
    /// Where the session can be reached has become known or has changed.
    Listening(Listening),
    /// Which networks the machine is on has become known or has changed. Only shard 0 is told.
    Networks(Networks),
}

/// Through which socket a datagram comes or goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Via {
    /// The session's UDP socket of the other end's family.
    Session,
    /// One that is in a multicast group on one interface: it hears what is sent to the group there, and sends there.
    Group(Membership),
    /// One at this address of ours, with a port of the system's choice, which nobody else uses. What it sends to a
    /// multicast group leaves by the interface that has the address.
    Address(IpAddr),
}

/// A multicast group, heard on one interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Membership {
    /// The group and its port.
    pub group: SocketAddr,
    /// The interface's address: the one that an IPv4 datagram comes from.
    pub on: IpAddr,
    /// The interface's number, by which IPv6 knows it; 0 if it is not known.
    pub index: u32,
}

/// Which networks the machine is on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Networks {
    /// The addresses of its interfaces that are up, loopback among them, in the system's order.
    pub addresses: Vec<OwnAddress>,
    /// The ways out into the world.
    pub gateways: Vec<Gateway>,
}

/// An address of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct OwnAddress {
    /// The address.
    pub ip: IpAddr,
    /// How many bits of it are its network's.
    pub bits: u8,
    /// The interface's number.
    pub index: u32,
}

/// A default gateway.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Gateway {
    /// Its address.
    pub ip: IpAddr,
    /// The number of the interface that leads to it.
    pub index: u32,
    /// The address of ours that what goes through it comes from.
    pub local: IpAddr,
}

/// Where the session can be reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listening {
    /// TCP sockets that accept peers.
    pub tcp: Vec<SocketAddr>,
    /// The UDP socket for IPv4, if there is one.
    pub udp_v4: Option<SocketAddr>,
    /// The UDP socket for IPv6, if there is one.
    pub udp_v6: Option<SocketAddr>,
}

/// What the engine wants done. Everything is plain data.
#[derive(Debug)]
pub enum Output {
    /// Connect a TCP stream.
    Dial {
        /// Names the stream from now on.
        conn: ConnKey,
        /// Where to.
        to: SocketAddr,
        /// For TLS: the name that the other side must prove.
        tls: Option<Box<str>>,
    },
    /// The connection has bytes to send: gather and write until nothing is left or the socket is full.
    Send(ConnKey),
    /// The connection may be read again after its [`Want`] was [`Want::Nothing`].
    Read(ConnKey),
    /// Close the connection now. No [`Input::Closed`] answers.
    Close(ConnKey),
    /// Take the connection out of this shard and give it, with what has been read of it, to another. If it is gone
    /// already, [`Shard::stranded`](crate::Shard::stranded) must be told here.
    HandOver {
        /// The connection, forgotten here.
        conn: ConnKey,
        /// The new owner.
        to: ShardId,
        /// What its [`Shard::adopt`](crate::Shard::adopt) must be told.
        arrival: Box<Arrival>,
    },
    /// These sockets for datagrams shall exist beside the session's own, and no others: those that are missing are to be
    /// opened, those that are not in the list closed. One that cannot be had is as if it lost all datagrams.
    Sockets(Vec<Via>),
    /// Send a datagram. What goes through a socket that does not exist is lost.
    Datagram {
        /// Through which socket.
        via: Via,
        /// The receiver.
        to: SocketAddr,
        /// The whole datagram.
        data: Vec<u8>,
    },
    /// Look a name up.
    Resolve {
        /// Comes back with the answer.
        id: ResolveId,
        /// The name, never an address.
        host: Box<str>,
    },
    /// A job for the owner of the files.
    Disk(Job),
    /// A job for the hash pool.
    Hash(HashJob),
    /// Mail for another shard.
    Mail {
        /// Which shard; never this one.
        to: ShardId,
        /// What.
        mail: Mail,
    },
    /// Something the application should know.
    Event(Event),
    /// How the world sees and reaches the session has changed; told by shard 0.
    Reachable(Box<Reachable>),
    /// The answer to a command, exactly one.
    Reply {
        /// The command's number.
        id: CommandId,
        /// The answer.
        reply: Reply,
    },
    /// This shard has nothing left and may be dropped: the answer to [`Command::Shutdown`].
    Finished,
}

/// An accepted connection on its way to the shard that owns its torrent.
#[derive(Debug)]
pub struct Arrival {
    /// The other end.
    pub from: SocketAddr,
    /// What has been read so far, whole.
    pub received: Vec<u8>,
    /// When it was accepted: its handshake is still on that clock.
    pub accepted: Instant,
}

/// Where the next bytes of a stream belong.
#[derive(Debug)]
pub enum Want<'a> {
    /// Do not read: no memory, no allowance, or a queue is full. [`Output::Read`] says when to go on.
    Nothing,
    /// Read into the driver's scratch memory, at most this many bytes.
    Scratch(usize),
    /// Read straight into `place`, then on into at most `scratch` bytes of the driver's memory, with one vectored read.
    Place {
        /// The place, not empty.
        place: &'a mut [u8],
        /// How much scratch may follow.
        scratch: usize,
    },
}

/// Names a name to be looked up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ResolveId(pub u64);

/// What went wrong with a connection or a name, as far as anyone can act on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum NetError {
    /// The other side ended the stream in an orderly way.
    Ended,
    /// The other side reset the stream, or it broke.
    Reset,
    /// Nobody listens there.
    Refused,
    /// No route, network down, host unreachable.
    Unreachable,
    /// No answer in time.
    TimedOut,
    /// Our own descriptors, ports or memory are used up.
    Exhausted,
    /// TLS failed: certificate, name, version.
    Tls,
    /// The name does not exist or could not be looked up.
    NoSuchName,
    /// Anything else.
    Other,
}

impl core::fmt::Display for NetError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            NetError::Ended => "connection closed",
            NetError::Reset => "connection reset",
            NetError::Refused => "connection refused",
            NetError::Unreachable => "unreachable",
            NetError::TimedOut => "timed out",
            NetError::Exhausted => "out of sockets",
            NetError::Tls => "TLS failed",
            NetError::NoSuchName => "name not found",
            NetError::Other => "network error",
        })
    }
}
