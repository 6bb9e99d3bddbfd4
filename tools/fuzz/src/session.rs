//! One connection of the peer protocol: any bytes, cut in any way, while we do what we may do.
//!
//! The first step chooses the session: bits of one byte (1 the torrent is not known yet, 2 without the fast extension, 4
//! without the extension protocol, 8 the handshakes are in the stream), then the bytes of the peer's handshake. Steps
//! begin with a letter each:
//!
//! * `b`, bytes: they come. `c`, a number, bytes: they come, in reads of so many.
//! * `m`, a message's number, bytes: a message, its length in front.
//! * `p`, a number: the block asked for with that number, of those that did not come.
//! * `x`, a number, a piece: we do something (`ours.rs`).
//! * `o`, a number: so many bytes leave.
//! * `t`, a [time](Bytes::time): time passes.

mod ours;
mod seen;

use crate::Target;
use crate::script::{Bytes, steps};
use seen::Seen;
use std::sync::Arc;
use tide_base::{Duration, InfoHash, Instant, Layout, PeerId, Span};
use tide_peer::opening::{Greeted, Heard, Listening, Met};
use tide_peer::wire::message::Message;
use tide_peer::{Fault, Handshake, Limits, Offers, Reserved, Session, SessionConfig, Want};

pub(crate) const TARGET: Target = Target {
    name: "session",
    run,
    input_max: 1 << 13,
    // Long messages, what waits to be sent, and a second session that reads the same in one go.
    memory: 192 << 10,
    memory_per_byte: 96,
};

const STEPS: usize = 256;
/// Bytes of a block.
const BLOCK: u32 = 16;
/// What a session may have waiting to be sent: the bound of messages, and blocks of all requests that it bears.
const OUT_MAX: usize = 96 << 10;

/// Ten pieces of 64 bytes, the last of 40.
fn layout() -> Layout {
    Layout::new(9 * 64 + 40, 64, BLOCK).expect("a legal layout")
}

fn limits() -> Limits {
    Limits { control_queued: 64 << 10, early_field: 64, ..Limits::tiny(BLOCK) }
}

fn run(data: &[u8]) {
    let mut steps = steps(data);
    let Some(mut scene) = Scene::new(steps.next().unwrap_or_default()) else { return };
    for step in steps.take(STEPS) {
        if scene.step(step).is_err() {
            return;
        }
        scene.seen.holds(&scene.session);
    }
}

struct Scene {
    now: Instant,
    session: Session,
    seen: Seen,
}

/// The handshakes, from the peer's bytes in reads of three and in one; both come to the same.
fn met(ours: Handshake, bytes: &[u8]) -> Option<Met> {
    let open = |most: usize| -> Result<Option<Met>, Fault> {
        let mut reads = bytes.chunks(most).flat_map(|read| read.chunks(most));
        let mut listening = Listening::new();
        let (introduced, mut rest) = loop {
            let Some(mut read) = reads.next() else { return Ok(None) };
            match listening.receive(&mut read)? {
                Heard::More(more) => listening = more,
                Heard::Introduced(introduced) => break (introduced, read),
            }
        };
        let mut greeting = introduced.answer(ours);
        loop {
            match greeting.receive(&mut rest)? {
                Greeted::Met(met) => return Ok(Some(met)),
                Greeted::More(more) => greeting = more,
            }
            let Some(read) = reads.next() else { return Ok(None) };
            rest = read;
        }
    };
    let (cut, whole) = (open(3), open(usize::MAX));
    let theirs = |met: &Result<Option<Met>, Fault>| met.clone().map(|met| met.map(|met| met.theirs));
    assert_eq!(theirs(&cut), theirs(&whole));
    whole.ok().flatten()
}

impl Scene {
    fn new(header: &[u8]) -> Option<Scene> {
        let mut header = Bytes(header);
        let bits = header.byte();
        let mut reserved = Reserved::OURS.with_dht();
        if bits & 2 != 0 {
            reserved.0[7] &= !4;
        }
        if bits & 4 != 0 {
            reserved.0[5] = 0;
        }
        let shake = |id| Handshake { reserved, info_hash: InfoHash([7; 20]), peer_id: PeerId([id; 20]) };
        let met = match bits & 8 {
            0 => Met::already(shake(1), shake(2)),
            _ => met(shake(1), header.0)?,
        };
        let config =
            SessionConfig { limits: limits(), extensions: vec!["x_test".into()], offers: Offers::ALL };
        let now = Instant::from_secs(1000);
        let session = match bits & 1 {
            0 => Session::new(now, &Arc::new(config), layout(), &met),
            _ => Session::without_layout(now, &Arc::new(config), &met),
        };
        let handshake = session.outgoing();
        Some(Scene { now, session, seen: Seen::behind(handshake) })
    }

    fn step(&mut self, step: &[u8]) -> Result<(), Fault> {
        let mut bytes = Bytes(step);
        match bytes.byte() {
            b'b' => self.receive(bytes.0, usize::MAX),
            b'c' => {
                let most = usize::from(bytes.byte() % 32) + 1;
                self.receive(bytes.0, most)
            }
            b'm' => {
                let message = [&(bytes.0.len() as u32).to_be_bytes()[..], bytes.0].concat();
                self.receive(&message, 7)
            }
            b'p' => {
                let number = usize::from(bytes.byte());
                let asked: Vec<Span> = self.session.asks().spans().collect();
                let Some(span) = asked.get(number % asked.len().max(1)) else { return Ok(()) };
                let mut message = Vec::new();
                Message::Block(*span).write(&mut message);
                message.extend((0..span.len).map(|at| at as u8));
                self.receive(&message, 11)
            }
            b'x' => ours::act(&mut self.session, self.now, bytes),
            b'o' => {
                let most = usize::from(bytes.byte()) * 64;
                self.leaves(most);
                Ok(())
            }
            b't' => {
                self.pass(bytes.time());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Bytes come in reads of at most so many; a session that reads them in one go sees the same.
    fn receive(&mut self, bytes: &[u8], most: usize) -> Result<(), Fault> {
        let mut other = self.session.clone();
        let whole = Scene::feed(&mut other, self.now, bytes, usize::MAX);
        let cut = Scene::feed(&mut self.session, self.now, bytes, most);
        assert_eq!(cut, whole, "cuts change what happens");
        assert!(other.slices().flatten().eq(self.session.slices().flatten()), "cuts change what is said");
        cut.map(drop)
    }

    /// What happened, in words, the content of blocks apart from it.
    fn feed(session: &mut Session, now: Instant, bytes: &[u8], most: usize) -> Result<Vec<String>, Fault> {
        let mut events = Vec::new();
        for mut read in bytes.chunks(most.max(1)) {
            if let Want::Payload { span, at } = session.want() {
                assert_eq!(session.before_content(), 0);
                let (part, rest) = read.split_at(read.len().min((span.len - at) as usize));
                let whole = session.filled(now, part.len() as u32);
                events.extend(whole.map(|event| format!("{event:?}")));
                read = rest;
            }
            // Whoever reads no more than is known to be no content has a place for whatever comes.
            let safe = session.before_content();
            while let Some(event) = session.receive(now, &mut read)? {
                seen::one(session, &event);
                if !matches!(event, tide_peer::Event::Payload { .. }) {
                    events.push(format!("{event:?}"));
                }
            }
            assert!(read.is_empty(), "bytes were left, of a read where {safe} were safe");
        }
        Ok(events)
    }

    fn leaves(&mut self, most: usize) {
        let mut slices = [&[][..]; 8];
        let filled = self.session.gather(&mut slices, most);
        let bytes: Vec<u8> = slices[..filled].concat();
        assert!(bytes.len() <= most && !slices[..filled].iter().any(|slice| slice.is_empty()));
        self.session.sent(self.now, bytes.len());
        self.seen.said(&bytes);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let mut things = 0;
        while let Some(due) = self.session.due(self.now) {
            if matches!(due, tide_peer::Due::Idle | tide_peer::Due::Stalled) {
                return; // The connection would end; what follows is a peer that comes back in time.
            }
            things += 1;
            assert!(things < 100, "due without end: {due:?}");
        }
        let (at, why) = self.session.deadline();
        assert!(at > self.now, "it would be woken at once, again and again: {why:?}");
    }
}
