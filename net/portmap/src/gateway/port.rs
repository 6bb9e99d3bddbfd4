//! The gateway's side of PCP and NAT-PMP.

use super::Gateway;
use super::table::Row;
use crate::natpmp::{self, Body};
use crate::pcp::{self, Op, code};
use crate::types::Want;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::{Duration, Instant};

impl Gateway {
    pub(super) fn answer_port(&mut self, now: Instant, from: IpAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        let (version, opcode) = (*bytes.first()?, *bytes.get(1)?);
        if opcode & 0x80 != 0 {
            return None; // an answer; two gateways must not talk to each other for ever
        }
        let epoch = self.epoch(now);
        if version == 0 && self.config.natpmp && from.is_ipv4() {
            return Some(self.answer_natpmp(now, from, bytes).write());
        }
        if self.config.pcp {
            return Some(self.answer_pcp(now, from, bytes).write());
        }
        if self.config.natpmp {
            let code = natpmp::code::UNSUPPORTED_VERSION;
            return Some(natpmp::Reply { epoch, body: Body::Refused { opcode, code } }.write());
        }
        None
    }

    fn answer_natpmp(&mut self, now: Instant, from: IpAddr, bytes: &[u8]) -> natpmp::Reply {
        let epoch = self.epoch(now);
        let opcode = bytes.get(1).copied().unwrap_or(0);
        let refused = |code| natpmp::Reply { epoch, body: Body::Refused { opcode, code } };
        let map = match natpmp::Request::parse(bytes) {
            Ok(natpmp::Request::Address) => {
                return natpmp::Reply { epoch, body: Body::Address(self.config.outside) };
            }
            Ok(natpmp::Request::Map(map)) => map,
            Err(_) => return refused(natpmp::code::UNSUPPORTED_OPCODE),
        };
        let inner = Want { protocol: map.protocol, port: map.internal };
        let client = SocketAddr::new(from, map.internal);
        if map.lifetime == 0 {
            if let Some(outer) = self.table.of(now, inner, client).map(|row| row.outer) {
                self.table.remove(outer);
            }
            let body = Body::Map(natpmp::Map { external: 0, ..map });
            return natpmp::Reply { epoch, body };
        }
        match self.grant(now, inner, client, map.external, map.lifetime, None) {
            Some((outer, lifetime)) => {
                let body = Body::Map(natpmp::Map { external: outer.port, lifetime, ..map });
                natpmp::Reply { epoch, body }
            }
            None => refused(natpmp::code::OUT_OF_RESOURCES),
        }
    }

    fn answer_pcp(&mut self, now: Instant, from: IpAddr, bytes: &[u8]) -> pcp::Reply {
        let epoch = self.epoch(now);
        let opcode = bytes.get(1).copied().unwrap_or(0);
        let refused = |code, op| pcp::Reply { code, lifetime: 30, epoch, op };
        if bytes.first() != Some(&pcp::VERSION) {
            return refused(code::UNSUPP_VERSION, Op::Other(opcode));
        }
        let Ok(request) = pcp::Request::parse(bytes) else {
            return refused(code::MALFORMED_REQUEST, Op::Other(opcode));
        };
        let mut map = match request.op {
            Op::Announce => return pcp::Reply { code: code::SUCCESS, lifetime: 0, epoch, op: Op::Announce },
            Op::Map(_) if request.client != from => return refused(code::ADDRESS_MISMATCH, request.op),
            Op::Map(map) => map,
            Op::Other(_) => return refused(code::UNSUPP_OPCODE, request.op),
        };
        let inner = Want { protocol: map.protocol, port: map.internal };
        let client = SocketAddr::new(from, map.internal);
        let standing = self.table.of(now, inner, client).copied();
        if standing.is_some_and(|row| row.nonce.is_some_and(|nonce| nonce != map.nonce)) {
            return refused(code::NOT_AUTHORIZED, request.op);
        }
        if request.lifetime == 0 {
            if let Some(row) = standing {
                self.table.remove(row.outer);
            }
            return pcp::Reply { code: code::SUCCESS, lifetime: 0, epoch, op: Op::Map(map) };
        }
        match self.grant(now, inner, client, map.external, request.lifetime, Some(map.nonce)) {
            Some((outer, lifetime)) => {
                map.external = outer.port;
                // Of IPv6 nothing is translated; the firewall lets it in.
                map.address = if from.is_ipv6() { from } else { self.config.outside.into() };
                pcp::Reply { code: code::SUCCESS, lifetime, epoch, op: Op::Map(map) }
            }
            None => refused(code::NO_RESOURCES, request.op),
        }
    }

    /// Makes or renews a mapping; where it is, and for how many seconds.
    fn grant(
        &mut self,
        now: Instant,
        inner: Want,
        client: SocketAddr,
        external: u16,
        lifetime: u32,
        nonce: Option<pcp::Nonce>,
    ) -> Option<(Want, u32)> {
        let standing = self.table.of(now, inner, client).map(|row| row.outer);
        let outer = match standing {
            Some(outer) => outer,
            None => self.table.free(now, Want { port: external, ..inner })?,
        };
        let longest = u32::try_from(self.config.longest.as_secs()).unwrap_or(u32::MAX);
        let lifetime = lifetime.min(longest);
        let until = now + Duration::from_secs(lifetime.into());
        self.table.put(Row { outer, client, until, nonce });
        Some((outer, lifetime))
    }
}
