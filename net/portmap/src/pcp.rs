//! PCP messages (RFC 6887): version 2, big-endian, the opcodes ANNOUNCE and MAP. Options are neither sent nor read.

use crate::limits::PCP_MAX;
use crate::types::{Fault, Protocol};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

/// The version that is spoken here.
pub const VERSION: u8 = 2;

/// Result codes (section 7.4), those that matter to a client or to the gateway of this crate.
pub mod code {
    /// The request was granted.
    pub const SUCCESS: u8 = 0;
    /// The server does not speak this version.
    pub const UNSUPP_VERSION: u8 = 1;
    /// It can, but shall not; or the mapping is another one's by its nonce.
    pub const NOT_AUTHORIZED: u8 = 2;
    /// The request breaks the format.
    pub const MALFORMED_REQUEST: u8 = 3;
    /// The opcode is unknown.
    pub const UNSUPP_OPCODE: u8 = 4;
    /// The server or a device it controls is in trouble; later it may work.
    pub const NETWORK_FAILURE: u8 = 7;
    /// There is no room; later it may work.
    pub const NO_RESOURCES: u8 = 8;
    /// This client has too many mappings; later it may work.
    pub const USER_EX_QUOTA: u8 = 10;
    /// The external port cannot be had; later it may work.
    pub const CANNOT_PROVIDE_EXTERNAL: u8 = 11;
    /// The request came from another address than the one inside: a NAT stands between.
    pub const ADDRESS_MISMATCH: u8 = 12;
}

/// What identifies a mapping to the server, so that only its owner changes it.
pub type Nonce = [u8; 12];

/// The body of MAP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Map {
    /// Chosen by the client, repeated by the server.
    pub nonce: Nonce,
    /// Of which protocol.
    pub protocol: Protocol,
    /// The client's port.
    pub internal: u16,
    /// The external port: suggested in a request, assigned in a reply; 0 for any.
    pub external: u16,
    /// The external address: suggested in a request, assigned in a reply; unspecified for any.
    pub address: IpAddr,
}

/// What a message is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Whether the server lives, and its epoch (section 14.1).
    Announce,
    /// A mapping.
    Map(Map),
    /// An opcode without a readable body, as replies that refuse have it.
    Other(u8),
}

impl Op {
    fn number(&self) -> u8 {
        match self {
            Op::Announce => 0,
            Op::Map(_) => 1,
            Op::Other(number) => *number,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Op::Map(map) = self else { return };
        out.extend_from_slice(&map.nonce);
        out.extend_from_slice(&[map.protocol.number(), 0, 0, 0]);
        out.extend_from_slice(&map.internal.to_be_bytes());
        out.extend_from_slice(&map.external.to_be_bytes());
        out.extend_from_slice(&octets(map.address));
    }

    fn read(number: u8, bytes: &[u8]) -> Result<Op, Fault> {
        match number {
            0 => Ok(Op::Announce),
            1 => {
                let body: &[u8; 36] = bytes.first_chunk().ok_or(Fault("MAP has 36 bytes"))?;
                let mut nonce = Nonce::default();
                nonce.copy_from_slice(&body[..12]);
                Ok(Op::Map(Map {
                    nonce,
                    protocol: Protocol::of_number(body[12]).ok_or(Fault("neither TCP nor UDP"))?,
                    internal: u16::from_be_bytes([body[16], body[17]]),
                    external: u16::from_be_bytes([body[18], body[19]]),
                    address: address(&body[20..]),
                }))
            }
            other => Ok(Op::Other(other)),
        }
    }
}

/// The 16 bytes of an address, IPv4 as IPv4-mapped IPv6 (section 5).
fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn address(bytes: &[u8]) -> IpAddr {
    let octets: [u8; 16] = *bytes.first_chunk().expect("the caller cut sixteen bytes or more");
    Ipv6Addr::from(octets).to_canonical()
}

fn check(bytes: &[u8]) -> Result<&[u8; 24], Fault> {
    if bytes.len() > PCP_MAX {
        return Err(Fault("a message has 1100 bytes at most"));
    }
    if !bytes.len().is_multiple_of(4) {
        return Err(Fault("a message's length is a multiple of four"));
    }
    bytes.first_chunk().ok_or(Fault("a message has 24 bytes at least"))
}

fn word(bytes: &[u8; 24], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// What a client asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Seconds; 0 removes the mapping.
    pub lifetime: u32,
    /// The address that the client sends from.
    pub client: IpAddr,
    /// What about.
    pub op: Op,
}

impl Request {
    /// The bytes of it: 60 for MAP, 24 for ANNOUNCE.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::from([VERSION, self.op.number(), 0, 0]);
        out.extend_from_slice(&self.lifetime.to_be_bytes());
        out.extend_from_slice(&octets(self.client));
        self.op.write(&mut out);
        out
    }

    /// Reads a request; options behind it are ignored.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Request, Fault> {
        let head = check(bytes)?;
        if head[0] != VERSION {
            return Err(Fault("not version 2"));
        }
        if head[1] & 0x80 != 0 {
            return Err(Fault("a reply, not a request"));
        }
        let op = Op::read(head[1], &bytes[24..])?;
        Ok(Request { lifetime: word(head, 4), client: address(&head[8..]), op })
    }
}

/// A server's answer, or its announcement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// See [`code`].
    pub code: u8,
    /// Seconds: how long the mapping, or the refusal, holds.
    pub lifetime: u32,
    /// Seconds since the server's mappings began anew.
    pub epoch: u32,
    /// What about.
    pub op: Op,
}

impl Reply {
    /// The bytes of it.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::from([VERSION, self.op.number() | 0x80, 0, self.code]);
        out.extend_from_slice(&self.lifetime.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&[0; 12]);
        self.op.write(&mut out);
        out
    }

    /// Reads a reply; options behind it are ignored, and a refusal may lack its body.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Reply, Fault> {
        let head = check(bytes)?;
        if head[0] != VERSION {
            return Err(Fault("not version 2"));
        }
        if head[1] & 0x80 == 0 {
            return Err(Fault("a request, not a reply"));
        }
        let number = head[1] & 0x7f;
        let op = match Op::read(number, &bytes[24..]) {
            Err(_) if head[3] != code::SUCCESS => Op::Other(number),
            op => op?,
        };
        Ok(Reply { code: head[3], lifetime: word(head, 4), epoch: word(head, 8), op })
    }
}
