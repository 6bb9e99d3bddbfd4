//! Everything that is asked of one UDP tracker. Steps begin with a letter each:
//!
//! * `a`, `s`: an announce, a scrape. `x`, a number: that one is cancelled.
//! * `r`, a number, an action, bytes: an answer to the datagram with that number, of the last eight, with its transaction.
//! * `w`, the same: an answer of somebody else. `d`, bytes: any datagram of the tracker.
//! * `t`, a [time](Bytes::time): time passes.

use super::{HASHES, ask, check};
use crate::script::Bytes;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use tide_base::{Duration, Instant, Prng};
use tide_tracker::limits::UdpLimits;
use tide_tracker::udp::{Request, RequestId, UdpClient};

const STEPS: usize = 256;
/// Datagrams that can still be answered.
const SENT: usize = 8;

pub(super) fn run<'a>(steps: impl Iterator<Item = &'a [u8]>) {
    let mut scene = Scene::new();
    for step in steps.take(STEPS) {
        scene.step(step);
    }
    // Silence: everything comes to an end.
    for _ in 0..64 {
        if scene.open.is_empty() {
            break;
        }
        scene.now += scene.limits.patience();
        scene.drain();
    }
    assert!(scene.open.is_empty() && scene.client.is_idle(), "asked and never ended: {:?}", scene.open);
}

struct Scene {
    now: Instant,
    limits: UdpLimits,
    client: UdpClient,
    open: BTreeSet<RequestId>,
    next: u64,
    sent: Vec<Vec<u8>>,
}

fn tracker() -> SocketAddr {
    SocketAddr::from(([8, 8, 8, 8], 80))
}

impl Scene {
    fn new() -> Scene {
        let limits = UdpLimits { queue: 4, window: 3, ..UdpLimits::default() };
        let client = UdpClient::new(tracker(), limits, Prng::new(1));
        let now = Instant::from_secs(1000);
        Scene { now, limits, client, open: BTreeSet::new(), next: 0, sent: Vec::new() }
    }

    fn step(&mut self, step: &[u8]) {
        let mut bytes = Bytes(step);
        match bytes.byte() {
            b'a' => self.submit(Request::Announce { ask: Box::new(ask()), target: "/announce?key".into() }),
            b's' => self.submit(Request::Scrape(HASHES.to_vec())),
            b'x' => {
                let id = RequestId(u64::from(bytes.byte().wrapping_sub(b'0')));
                assert_eq!(self.client.cancel(self.now, id), self.open.remove(&id));
            }
            kind @ (b'r' | b'w') => {
                let number = usize::from(bytes.byte().wrapping_sub(b'0'));
                let Some(asked) = self.sent.get(number % self.sent.len().max(1)) else { return };
                let action = u32::from(bytes.byte() % 8);
                let reply = [&action.to_be_bytes()[..], &asked[12..16], bytes.0].concat();
                if kind == b'r' {
                    self.client.receive(self.now, tracker(), &reply);
                } else {
                    let other = SocketAddr::from(([8, 8, 8, 9], 80));
                    assert!(!self.client.receive(self.now, other, &reply), "somebody else is believed");
                }
            }
            b'd' => {
                self.client.receive(self.now, tracker(), bytes.0);
            }
            b't' => self.now += bytes.time(),
            _ => {}
        }
        self.drain();
    }

    fn submit(&mut self, request: Request) {
        let id = RequestId(self.next);
        if self.client.submit(self.now, id, request).is_ok() {
            self.open.insert(id);
            self.next += 1;
        }
        assert!(self.open.len() <= self.limits.queue + self.limits.window);
    }

    fn drain(&mut self) {
        let mut count = 0;
        loop {
            let mut datagram = Vec::new();
            if !self.client.poll_send(self.now, &mut datagram) {
                break;
            }
            count += 1;
            // A connect and each request once; a refused connection id makes it twice.
            assert!(count <= 4 * (self.limits.window + 1), "datagrams without end");
            assert!((16..=1500).contains(&datagram.len()));
            self.sent.push(datagram);
            if self.sent.len() > SENT {
                self.sent.remove(0);
            }
        }
        while let Some((id, result)) = self.client.poll_done() {
            assert!(self.open.remove(&id), "{id:?} ended twice");
            check(&result);
        }
        assert!(self.open.is_empty() || self.client.deadline() > self.now, "it would be woken at once");
        assert!(self.client.deadline() <= self.now + Duration::from_secs(3600) || self.open.is_empty());
    }
}
