//! Addresses for the programs under test, all on loopback.
//!
//! Linux answers on all of 127.0.0.0/8, so each client gets an address of its own: no port can be taken by a test that
//! runs beside, peers can be told apart by their address, and a client that takes only one connection from an address
//! (Transmission, libtorrent by default) meets several others.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Ports are taken from here: below the range from which Linux picks ports for outgoing connections.
const FIRST_PORT: u16 = 20_000;
/// How many there are before they start again.
const PORTS: u16 = 12_000;

/// An address 127.x.y.z that no other driver in any test process running now has, with a port that is free there for
/// TCP and UDP.
#[must_use]
pub fn fresh() -> SocketAddrV4 {
    static COUNT: AtomicU16 = AtomicU16::new(1);
    let pid = std::process::id();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // 64 and above, so that 127.0.0.1 and 127.0.1.1 (Debian's own name) stay out of it.
    let [_, a, b, c] = (pid.wrapping_mul(256) | u32::from(count % 254 + 1)).to_be_bytes();
    free_port(Ipv4Addr::new(127, 64 | (a & 63), b, c))
}

/// 127.0.0.1 with a port that is free there for TCP and UDP.
#[must_use]
pub fn localhost() -> SocketAddrV4 {
    free_port(Ipv4Addr::LOCALHOST)
}

fn free_port(address: Ipv4Addr) -> SocketAddrV4 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side start far apart.
    let start = u16::try_from(std::process::id() * 61 % u32::from(PORTS)).expect("PORTS fits");
    for _ in 0..PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = FIRST_PORT + (start + step) % PORTS;
        let candidate = SocketAddrV4::new(address, port);
        if TcpListener::bind(candidate).is_ok() && UdpSocket::bind(candidate).is_ok() {
            return candidate;
        }
    }
    panic!("no free port on {address}")
}
