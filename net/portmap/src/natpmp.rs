//! NAT-PMP messages (RFC 6886): version 0, big-endian, 2 to 16 bytes.

use crate::types::{Fault, Protocol};
use alloc::vec::Vec;
use core::net::Ipv4Addr;

/// The port of the gateway that requests go to; PCP has the same.
pub const PORT: u16 = 5351;

/// The port of ours that a gateway's announcements come to, at 224.0.0.1 (and, for PCP, ff02::1).
pub const CLIENT_PORT: u16 = 5350;

/// Result codes (section 3.5).
pub mod code {
    /// The request was granted.
    pub const SUCCESS: u16 = 0;
    /// The gateway does not speak this version.
    pub const UNSUPPORTED_VERSION: u16 = 1;
    /// It can, but shall not.
    pub const NOT_AUTHORIZED: u16 = 2;
    /// It has no address itself yet.
    pub const NETWORK_FAILURE: u16 = 3;
    /// It has no room for more mappings.
    pub const OUT_OF_RESOURCES: u16 = 4;
    /// It does not know the opcode.
    pub const UNSUPPORTED_OPCODE: u16 = 5;
}

/// A mapping as it stands in requests and replies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Map {
    /// Of which protocol.
    pub protocol: Protocol,
    /// The client's port.
    pub internal: u16,
    /// The gateway's port: suggested in a request, assigned in a reply.
    pub external: u16,
    /// Seconds; 0 removes the mapping.
    pub lifetime: u32,
}

impl Map {
    fn opcode(&self) -> u8 {
        if self.protocol == Protocol::Udp { 1 } else { 2 }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.internal.to_be_bytes());
        out.extend_from_slice(&self.external.to_be_bytes());
        out.extend_from_slice(&self.lifetime.to_be_bytes());
    }

    /// Reads the eight bytes that end a mapping's request or reply.
    fn read(protocol: Protocol, bytes: &[u8]) -> Option<Map> {
        let [a, b, c, d, e, f, g, h] = *bytes.first_chunk()?;
        Some(Map {
            protocol,
            internal: u16::from_be_bytes([a, b]),
            external: u16::from_be_bytes([c, d]),
            lifetime: u32::from_be_bytes([e, f, g, h]),
        })
    }
}

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// The gateway's external address.
    Address,
    /// A mapping, or its removal.
    Map(Map),
}

impl Request {
    /// The bytes of it.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Request::Address => Vec::from([0, 0]),
            Request::Map(map) => {
                let mut out = Vec::from([0, map.opcode(), 0, 0]);
                map.write(&mut out);
                out
            }
        }
    }

    /// Reads a request.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Request, Fault> {
        match bytes {
            [0, 0, ..] => Ok(Request::Address),
            [0, 1, _, _, rest @ ..] => Map::read(Protocol::Udp, rest)
                .map(Request::Map)
                .ok_or(Fault("a mapping request has 12 bytes")),
            [0, 2, _, _, rest @ ..] => Map::read(Protocol::Tcp, rest)
                .map(Request::Map)
                .ok_or(Fault("a mapping request has 12 bytes")),
            [0, _, ..] => Err(Fault("an unknown opcode")),
            _ => Err(Fault("not version 0")),
        }
    }
}

/// What a reply says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    /// The external address.
    Address(Ipv4Addr),
    /// The mapping as made, or as removed (lifetime 0).
    Map(Map),
    /// The request with this opcode was refused, with a result code other than 0.
    Refused {
        /// The request's opcode.
        opcode: u8,
        /// See [`code`].
        code: u16,
    },
}

/// A gateway's answer, or its announcement of its address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Seconds since the gateway's mappings began anew.
    pub epoch: u32,
    /// What it says.
    pub body: Body,
}

impl Reply {
    /// The bytes of it. A refusal of a mapping is padded to the length of its reply.
    pub fn write(&self) -> Vec<u8> {
        let (opcode, result) = match self.body {
            Body::Address(_) => (0, code::SUCCESS),
            Body::Map(map) => (map.opcode(), code::SUCCESS),
            Body::Refused { opcode, code } => (opcode, code),
        };
        let mut out = Vec::from([0, opcode | 0x80]);
        out.extend_from_slice(&result.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        match self.body {
            Body::Address(ip) => out.extend_from_slice(&ip.octets()),
            Body::Map(map) => map.write(&mut out),
            Body::Refused { opcode: 1 | 2, code } if code != self::code::UNSUPPORTED_VERSION => {
                out.resize(16, 0);
            }
            Body::Refused { .. } => {}
        }
        out
    }

    /// Reads a reply; bytes behind it are ignored.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Reply, Fault> {
        let Some(&[version, opcode, a, b, c, d, e, f]) = bytes.first_chunk() else {
            return Err(Fault("a reply has 8 bytes at least"));
        };
        if version != 0 {
            return Err(Fault("not version 0"));
        }
        if opcode & 0x80 == 0 {
            return Err(Fault("a request, not a reply"));
        }
        let opcode = opcode & 0x7f;
        let rest = &bytes[8..];
        let body = match (u16::from_be_bytes([a, b]), opcode) {
            (code::SUCCESS, 0) => rest.first_chunk().map(|ip: &[u8; 4]| Body::Address(Ipv4Addr::from(*ip))),
            (code::SUCCESS, 1) => Map::read(Protocol::Udp, rest).map(Body::Map),
            (code::SUCCESS, 2) => Map::read(Protocol::Tcp, rest).map(Body::Map),
            (code::SUCCESS, _) => return Err(Fault("an unknown opcode")),
            (code, opcode) => Some(Body::Refused { opcode, code }),
        };
        let body = body.ok_or(Fault("the reply is too short for its opcode"))?;
        Ok(Reply { epoch: u32::from_be_bytes([c, d, e, f]), body })
    }
}
