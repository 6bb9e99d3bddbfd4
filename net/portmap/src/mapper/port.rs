//! PCP and NAT-PMP: datagrams to port 5351 of the gateway, one request under way at a time (RFC 6886, section 3.1).

use super::Network;
use super::Output;
use super::task::{Ask, Ctx, Outcome, Task, Then};
use crate::natpmp::{self, Body};
use crate::pcp::{self, Op};
use crate::types::{Failure, Protocol, Way};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tide_base::{Duration, Instant};

#[derive(Debug)]
struct Current {
    task: Task,
    bytes: Vec<u8>,
    sent: u32,
    wait: Duration,
    again_at: Instant,
}

/// What a datagram from the gateway brought.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// It is one of the protocol at all.
    pub(super) spoken: bool,
    /// The gateway has lost its mappings.
    pub(super) restarted: bool,
    pub(super) outcome: Option<Outcome>,
}

#[derive(Debug)]
pub(super) struct PortLane {
    network: Network,
    way: Way,
    current: Option<Current>,
    /// The gateway's clock when it was last heard.
    epoch: Option<(Instant, u32)>,
}

impl PortLane {
    pub(super) fn new(network: Network) -> PortLane {
        PortLane { network, way: Way::Pcp, current: None, epoch: None }
    }

    /// Speaks `way` from now on; what was under way is forgotten.
    pub(super) fn speak(&mut self, way: Way) {
        self.way = way;
        self.current = None;
    }

    pub(super) fn is_free(&self) -> bool {
        self.current.is_none()
    }

    pub(super) fn again_at(&self) -> Instant {
        self.current.as_ref().map_or(Instant::NEVER, |current| current.again_at)
    }

    pub(super) fn start(&mut self, ctx: &mut Ctx<'_>, task: Task) {
        let first = if self.way == Way::Pcp { ctx.limits.pcp_wait } else { ctx.limits.natpmp_wait };
        let bytes = self.request(ctx, &task);
        self.current = Some(Current { task, bytes, sent: 0, wait: first, again_at: ctx.now });
        let _ = self.wake(ctx);
    }

    /// A mapping that may or may not have been made is removed without waiting for an answer.
    pub(super) fn abandon(&mut self, ctx: &mut Ctx<'_>) {
        if let Some(Current { task: Task::Map(ask), .. }) = self.current.take() {
            let bytes = self.request(ctx, &Task::Unmap(ask));
            self.send(ctx, bytes);
        }
    }

    /// Sends what is due again; what became of the request if it was the last time.
    pub(super) fn wake(&mut self, ctx: &mut Ctx<'_>) -> Option<Outcome> {
        let tries = if self.way == Way::Pcp { ctx.limits.pcp_tries } else { ctx.limits.natpmp_tries };
        let current = self.current.as_mut().filter(|current| current.again_at <= ctx.now)?;
        if current.sent >= tries {
            self.current = None;
            return Some(Outcome::Dead(Failure::Silent(self.way)));
        }
        current.sent += 1;
        // A tenth of jitter both ways (RFC 6887, section 8.1.1), so that a house does not ask in step.
        let least = current.wait - current.wait / 10;
        current.again_at = ctx.now + least + ctx.part_of(current.wait / 5);
        current.wait *= 2;
        let bytes = current.bytes.clone();
        self.send(ctx, bytes);
        None
    }

    fn send(&self, ctx: &mut Ctx<'_>, bytes: Vec<u8>) {
        ctx.out.push_back(Output::Datagram { from: self.network.local, to: self.network.server(), bytes });
    }

    fn request(&self, ctx: &Ctx<'_>, task: &Task) -> Vec<u8> {
        let lifetime = u32::try_from(ctx.limits.lifetime.as_secs()).unwrap_or(u32::MAX);
        let (ask, lifetime) = match task {
            Task::Address => return natpmp::Request::Address.write(),
            Task::Map(ask) => (ask, lifetime),
            Task::Unmap(ask) => (ask, 0),
        };
        let external = if lifetime == 0 { 0 } else { ask.port };
        if self.way == Way::NatPmp {
            let map =
                natpmp::Map { protocol: ask.want.protocol, internal: ask.want.port, external, lifetime };
            return natpmp::Request::Map(map).write();
        }
        let any = match self.network.local {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let map = pcp::Map {
            nonce: ask.nonce,
            protocol: ask.want.protocol,
            internal: ask.want.port,
            external,
            address: ask.ip.filter(|_| lifetime != 0).unwrap_or(any),
        };
        pcp::Request { lifetime, client: self.network.local, op: Op::Map(map) }.write()
    }

    /// Takes in a datagram that came from the gateway's port 5351, an answer or an announcement.
    pub(super) fn receive(&mut self, ctx: &Ctx<'_>, bytes: &[u8]) -> Heard {
        if let Ok(reply) = pcp::Reply::parse(bytes) {
            let restarted = self.hear_epoch(ctx.now, reply.epoch, pcp_restarted);
            return Heard { spoken: true, restarted, outcome: self.hear_pcp(ctx, &reply) };
        }
        let Ok(reply) = natpmp::Reply::parse(bytes) else { return Heard::default() };
        // That it does not speak PCP comes with the epoch as well, but from a clock that may count otherwise.
        let restarted = self.way == Way::NatPmp && self.hear_epoch(ctx.now, reply.epoch, natpmp_restarted);
        Heard { spoken: true, restarted, outcome: self.hear_natpmp(ctx, &reply) }
    }

    fn hear_epoch(&mut self, now: Instant, epoch: u32, restarted: fn(Duration, u32, u32) -> bool) -> bool {
        let before = self.epoch.replace((now, epoch));
        before.is_some_and(|(then, before)| restarted(now.since(then), before, epoch))
    }

    fn hear_pcp(&mut self, ctx: &Ctx<'_>, reply: &pcp::Reply) -> Option<Outcome> {
        if self.way != Way::Pcp {
            return None;
        }
        let task = self.current.as_ref()?.task;
        let (Task::Map(ask) | Task::Unmap(ask)) = task else { return None };
        let life = Duration::from_secs(reply.lifetime.into());
        let granted = match reply.op {
            Op::Map(map) if is_answer(&map, &ask) => Some(map),
            // A refusal may come without what was asked (section 7.2), above all one of the version.
            Op::Other(_) | Op::Announce if reply.code != pcp::code::SUCCESS => None,
            _ => return None,
        };
        self.current = None;
        if matches!(task, Task::Unmap(_)) {
            return Some(Outcome::Unmapped);
        }
        Some(match (reply.code, granted) {
            (pcp::code::SUCCESS, Some(map)) => mapped(ctx, ask, Some(map.address), map.external, life),
            (code, _) => {
                let why = refused(Way::Pcp, code.into());
                let then = match code {
                    pcp::code::NETWORK_FAILURE
                    | pcp::code::NO_RESOURCES
                    | pcp::code::USER_EX_QUOTA
                    | pcp::code::CANNOT_PROVIDE_EXTERNAL => {
                        Then::Later(life.clamp(ctx.limits.first_retry, ctx.limits.longest_retry))
                    }
                    _ => Then::OtherWay,
                };
                Outcome::Refused { task, why, then }
            }
        })
    }

    fn hear_natpmp(&mut self, ctx: &Ctx<'_>, reply: &natpmp::Reply) -> Option<Outcome> {
        let Some(task) = self.current.as_ref().map(|current| current.task) else {
            // The gateway announces its address (RFC 6886, section 3.2.1).
            return match reply.body {
                Body::Address(ip) if self.way == Way::NatPmp && !ip.is_unspecified() => {
                    Some(Outcome::Address(ip.into()))
                }
                _ => None,
            };
        };
        if self.way == Way::Pcp {
            // A gateway that speaks NAT-PMP alone refuses our version in its own words (RFC 6887, appendix A).
            let Body::Refused { code: natpmp::code::UNSUPPORTED_VERSION, .. } = reply.body else {
                return None;
            };
            self.current = None;
            let why = refused(Way::Pcp, natpmp::code::UNSUPPORTED_VERSION);
            return Some(Outcome::Refused { task, why, then: Then::OtherWay });
        }
        let outcome = match (reply.body, task) {
            (Body::Address(ip), Task::Address) if !ip.is_unspecified() => Outcome::Address(ip.into()),
            (Body::Address(_), Task::Address) => {
                let why = Failure::Malformed("the external address is not known");
                Outcome::Refused { task, why, then: Then::Later(ctx.limits.first_retry) }
            }
            // Announced while something else is asked.
            (Body::Address(ip), _) if !ip.is_unspecified() => return Some(Outcome::Address(ip.into())),
            (Body::Map(map), Task::Map(ask)) if is_for(&map, &ask) => {
                mapped(ctx, ask, None, map.external, Duration::from_secs(map.lifetime.into()))
            }
            (Body::Map(map), Task::Unmap(ask)) if is_for(&map, &ask) => Outcome::Unmapped,
            (Body::Refused { opcode, .. }, Task::Unmap(ask)) if opcode_of(ask.want.protocol) == opcode => {
                Outcome::Unmapped
            }
            (Body::Refused { opcode, code }, _) if is_opcode(opcode, &task) => {
                let then = match code {
                    natpmp::code::NETWORK_FAILURE | natpmp::code::OUT_OF_RESOURCES => {
                        Then::Later(ctx.limits.first_retry)
                    }
                    _ => Then::OtherWay,
                };
                Outcome::Refused { task, why: refused(Way::NatPmp, code), then }
            }
            _ => return None,
        };
        self.current = None;
        Some(outcome)
    }
}

fn refused(way: Way, code: u16) -> Failure {
    Failure::Refused { way, code, text: String::new() }
}

fn mapped(ctx: &Ctx<'_>, ask: Ask, ip: Option<IpAddr>, port: u16, life: Duration) -> Outcome {
    if port == 0 || life.is_zero() {
        let why = Failure::Malformed("a mapping without a port or a lifetime");
        return Outcome::Refused { task: Task::Map(ask), why, then: Then::Later(ctx.limits.first_retry) };
    }
    Outcome::Mapped { ask, ip: ip.filter(|ip| !ip.is_unspecified()), port, life: Some(life) }
}

fn is_answer(map: &pcp::Map, ask: &Ask) -> bool {
    (map.nonce, map.protocol, map.internal) == (ask.nonce, ask.want.protocol, ask.want.port)
}

fn is_for(map: &natpmp::Map, ask: &Ask) -> bool {
    (map.protocol, map.internal) == (ask.want.protocol, ask.want.port)
}

fn opcode_of(protocol: Protocol) -> u8 {
    if protocol == Protocol::Udp { 1 } else { 2 }
}

fn is_opcode(opcode: u8, task: &Task) -> bool {
    opcode
        == match task {
            Task::Address => 0,
            Task::Map(ask) | Task::Unmap(ask) => opcode_of(ask.want.protocol),
        }
}

/// RFC 6887, section 8.5: the server's clock went back, or runs other than ours by more than a sixteenth.
fn pcp_restarted(passed: Duration, before: u32, epoch: u32) -> bool {
    if epoch < before.saturating_sub(1) {
        return true;
    }
    let (ours, theirs) = (passed.as_secs(), u64::from(epoch.saturating_sub(before)));
    ours + 2 < theirs - theirs / 16 || theirs + 2 < ours - ours / 16
}

/// RFC 6886, section 3.6: the gateway's clock is behind what at least seven eighths of our time would make it.
fn natpmp_restarted(passed: Duration, before: u32, epoch: u32) -> bool {
    u64::from(epoch) + 2 < u64::from(before) + passed.as_secs() * 7 / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_are_told_from_clocks_that_drift() {
        let secs = Duration::from_secs;
        for restarted in [pcp_restarted, natpmp_restarted] {
            assert!(!restarted(secs(1000), 50, 1050) && !restarted(secs(0), 50, 50));
            assert!(!restarted(secs(1000), 50, 1000) && restarted(secs(1000), 50, 10));
            assert!(restarted(secs(1000), 50, 60));
        }
        assert!(pcp_restarted(secs(10), 50, 1050), "we slept, or it is another server");
        assert!(!natpmp_restarted(secs(10), 50, 1050));
        assert!(!pcp_restarted(secs(0), u32::MAX, u32::MAX) && pcp_restarted(secs(0), u32::MAX, 0));
    }
}
