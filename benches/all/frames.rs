//! What one connection costs: blocks that come in, and small messages.

use std::sync::Arc;

use tide_base::{Duration, InfoHash, Instant, Layout, PeerId, PieceIndex, Span};
use tide_peer::opening::Met;
use tide_peer::wire::message::Message;
use tide_peer::{Event, Handshake, Reserved, Session, SessionConfig, Want};

use crate::timing::{best, report, time};

const BLOCK: u32 = 16 << 10;
/// Requests under way.
const DEPTH: u32 = 128;
const BLOCKS: u32 = 64 * DEPTH;
const HAVES: u32 = 1_000_000;
/// Bytes that one read brings beside a block.
const READ: usize = 64;

pub(crate) fn run() {
    let start = Instant::from_secs(1000);
    for (name, in_place) in [("blocks, read into place", true), ("blocks, all through a buffer", false)] {
        let seconds = best(|| blocks(start, in_place));
        let (rate, ns) = (f64::from(BLOCKS) / seconds, seconds * 1e9 / f64::from(BLOCKS));
        let gb = rate * f64::from(BLOCK) / 1e9;
        let figures =
            format!("{:.1} M messages/s, {ns:.0} ns each ({gb:.0} GB/s, named and not copied)", rate / 1e6);
        report(name, &figures);
    }
    let mut stream = Vec::new();
    for piece in 0..HAVES {
        Message::Have(PieceIndex(piece)).write(&mut stream);
    }
    let seconds = best(|| haves(start, &stream));
    let (rate, mb) = (f64::from(HAVES) / seconds, stream.len() as f64 / 1e6 / seconds);
    let figures = format!("{:.1} M messages/s, {:.0} ns each ({mb:.0} MB/s)", rate / 1e6, 1e9 / rate);
    report("HAVE", &figures);
}

/// A session whose peer has everything and serves us, over this many pieces of a block each.
fn session(now: Instant, pieces: u32, has: Message<'_>) -> Session {
    let config = Arc::new(SessionConfig::default());
    let layout = Layout::new(u64::from(pieces) * u64::from(BLOCK), BLOCK, BLOCK).expect("a legal layout");
    let shake =
        |id| Handshake { reserved: Reserved::OURS, info_hash: InfoHash([7; 20]), peer_id: PeerId([id; 20]) };
    let mut session = Session::new(now, &config, layout, &Met::already(shake(1), shake(2)));
    let mut bytes = Vec::new();
    has.write(&mut bytes);
    Message::Unchoke.write(&mut bytes);
    let mut rest = bytes.as_slice();
    while session.receive(now, &mut rest).expect("legal messages").is_some() {}
    session
}

/// Seconds for receiving blocks, not for asking for them.
fn blocks(mut now: Instant, in_place: bool) -> f64 {
    let mut session = session(now, BLOCKS, Message::HaveAll);
    let mut seconds = 0.0;
    for round in 0..BLOCKS / DEPTH {
        let mut stream = Vec::new();
        for piece in round * DEPTH..(round + 1) * DEPTH {
            let span = Span { piece: PieceIndex(piece), offset: 0, len: BLOCK };
            assert!(session.ask(now, span), "the peer takes {DEPTH} requests");
            Message::Block(span).write(&mut stream);
            stream.resize(stream.len() + BLOCK as usize, 0);
        }
        session.sent(now, session.outgoing());
        now += Duration::from_millis(10);
        seconds += time(|| assert_eq!(receive(&mut session, now, &stream, in_place), DEPTH));
    }
    seconds
}

/// Takes a stream of blocks in; how many were whole.
fn receive(session: &mut Session, now: Instant, stream: &[u8], in_place: bool) -> u32 {
    let (mut at, mut arrived) = (0, 0);
    while at < stream.len() {
        if let (true, Want::Payload { span, at: got }) = (in_place, session.want()) {
            at += (span.len - got) as usize;
            arrived += u32::from(session.filled(now, span.len - got).is_some());
            continue;
        }
        let len = if in_place { READ } else { BLOCK as usize };
        let mut part = &stream[at..stream.len().min(at + len)];
        at += part.len();
        while let Some(event) = session.receive(now, &mut part).expect("legal messages") {
            arrived += u32::from(matches!(event, Event::Arrived(_)));
        }
    }
    arrived
}

/// Seconds for receiving a HAVE for each piece.
fn haves(now: Instant, stream: &[u8]) -> f64 {
    let mut session = session(now, HAVES, Message::HaveNone);
    time(|| {
        for mut part in stream.chunks(BLOCK as usize) {
            while session.receive(now, &mut part).expect("legal messages").is_some() {}
        }
        assert!(session.has().all(), "each was taken in");
    })
}
