//! Our own tracker, asked by strangers. Steps begin with a letter each:
//!
//! * `d`, a host, bytes: a datagram. `CCCCCCCC` in it becomes the connection id that the host was given last.
//! * `g`, a host, bytes: a stream over which these come.
//! * `t`, a [time](Bytes::time): time passes.

use crate::script::Bytes;
use std::net::SocketAddr;
use tide_base::{Instant, Prng};
use tide_tracker::limits::ServerLimits;
use tide_tracker::server::{Registry, UdpServer, http};

const STEPS: usize = 256;
const HOSTS: usize = 4;

pub(super) fn run<'a>(steps: impl Iterator<Item = &'a [u8]>) {
    let limits =
        ServerLimits { swarms: 3, peers: 5, want_max: 4, want: 2, request: 1024, ..ServerLimits::default() };
    let mut registry = Registry::new(limits, Prng::new(1));
    let server = UdpServer::new([7; 16]);
    let mut ids = [[0; 8]; HOSTS];
    let mut now = Instant::from_secs(1000);
    for step in steps.take(STEPS) {
        let mut bytes = Bytes(step);
        let kind = bytes.byte();
        match kind {
            b't' => now += bytes.time(),
            b'd' | b'g' => {
                let number = usize::from(bytes.byte()) % HOSTS;
                let from = host(number);
                if kind == b'g' {
                    stream(&mut registry, now, from, bytes.0);
                } else {
                    datagram(&server, &mut registry, now, from, &mut ids[number], bytes.0);
                }
            }
            _ => {}
        }
        if registry.deadline() <= now {
            registry.expire(now);
            assert!(registry.deadline() > now, "it would be woken at once");
        }
        assert!(registry.len() <= limits.swarms);
    }
}

fn host(number: usize) -> SocketAddr {
    match number {
        0 => SocketAddr::from(([8, 8, 8, 8], 4000)),
        1 => SocketAddr::from(([8, 8, 8, 9], 4000)),
        2 => SocketAddr::from(([0x2001, 0xdb9, 0, 0, 0, 0, 0, 1], 4000)),
        _ => SocketAddr::from(([0, 0, 0, 0, 0, 0xffff, 0x0808, 0x0808], 4000)),
    }
}

fn datagram(
    server: &UdpServer,
    registry: &mut Registry,
    now: Instant,
    from: SocketAddr,
    id: &mut [u8; 8],
    bytes: &[u8],
) {
    const PLACE: &[u8] = b"CCCCCCCC";
    let mut bytes = bytes.to_vec();
    if bytes.starts_with(PLACE) {
        bytes[..PLACE.len()].copy_from_slice(id);
    }
    let mut out = Vec::new();
    if !server.answer(registry, now, from, &bytes, &mut out) {
        assert!(out.is_empty(), "something is said although nothing is");
        return;
    }
    if let [0, 0, 0, 0, _, _, _, _, given @ ..] = &out[..] {
        // Whoever has not shown that it is where it says is told no more than it sent.
        assert!(out.len() <= bytes.len(), "{} bytes for {}", out.len(), bytes.len());
        *id = given.try_into().expect("an id has eight bytes");
        return;
    }
    assert!(out.len() <= 1024, "{} bytes", out.len());
}

fn stream(registry: &mut Registry, now: Instant, from: SocketAddr, bytes: &[u8]) {
    let mut out = Vec::new();
    match http::serve(registry, now, from.ip(), bytes, &mut out) {
        http::Served::More => assert!(out.is_empty() && bytes.len() < registry.limits().request),
        http::Served::Close => {
            assert!(out.starts_with(b"HTTP/1.1 ") && out.len() <= 8192);
            let head = out.windows(4).position(|end| end == b"\r\n\r\n").expect("a response has a head");
            let head = String::from_utf8(out[..head].to_vec()).expect("heads are text");
            assert!(head.lines().count() <= 4, "somebody else's header: {head}");
        }
    }
}
