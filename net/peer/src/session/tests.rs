//! Tests of the wiring: what messages do to each other's parts, and what time does.

mod exchange;
mod faults;
mod learning;
mod rules;
mod streams;

use super::*;
use crate::limits::Limits;
use crate::metadata;
use crate::wire::message::Message;
use alloc::vec;
use tide_base::{InfoHash, PeerId};

pub(super) const NOW: Instant = Instant::from_secs(1000);

/// Ten pieces of 64 bytes (the last of 40) in blocks of 16.
pub(super) fn layout() -> Layout {
    Layout::new(9 * 64 + 40, 64, 16).expect("a legal layout")
}

pub(super) fn block(n: u32) -> Span {
    Span { piece: PieceIndex(n / 4), offset: n % 4 * 16, len: 16 }
}

pub(super) fn limits() -> Limits {
    Limits { extended_len: 1024, ..Limits { block_len: 16, ..Limits::default() } }
}

fn parts(limits: Limits, reserved: Reserved) -> (Arc<SessionConfig>, Met) {
    let config = Arc::new(SessionConfig { limits, extensions: vec!["x_test".into()], offers: Offers::ALL });
    let shake = |id| Handshake { reserved, info_hash: InfoHash([7; 20]), peer_id: PeerId([id; 20]) };
    (config, Met::already(shake(1), shake(2)))
}

pub(super) fn with(limits: Limits, reserved: Reserved) -> Session {
    let (config, met) = parts(limits, reserved);
    Session::new(NOW, &config, layout(), &met)
}

/// A session that does not know the torrent.
pub(super) fn unlearnt() -> Session {
    let (config, met) = parts(limits(), Reserved::OURS);
    Session::without_layout(NOW, &config, &met)
}

pub(super) fn fast() -> Session {
    with(limits(), Reserved::OURS)
}

pub(super) fn plain() -> Session {
    with(limits(), Reserved::NONE)
}

pub(super) fn bytes(messages: &[Message<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for message in messages {
        message.write(&mut out);
        if let Message::Block(span) = message {
            out.extend(content(*span));
        }
    }
    out
}

/// The bytes of a block, which follow from its place.
pub(super) fn content(span: Span) -> Vec<u8> {
    (0..span.len).map(|i| (span.piece.0 * 31 + (span.offset + i) * 7) as u8).collect()
}

/// All events of a stream that came in one read.
pub(super) fn feed_bytes(
    session: &mut Session,
    now: Instant,
    stream: &[u8],
) -> Result<Vec<Event<'static>>, Fault> {
    let mut rest = stream;
    let mut events = Vec::new();
    while let Some(event) = session.receive(now, &mut rest)? {
        if let Event::Payload { span, at, bytes } = event {
            assert_eq!(bytes, &content(span)[at as usize..at as usize + bytes.len()]);
        } else {
            events.push(owned(event));
        }
    }
    assert!(rest.is_empty(), "bytes were left");
    Ok(events)
}

pub(super) fn feed(session: &mut Session, messages: &[Message<'_>]) -> Vec<Event<'static>> {
    feed_bytes(session, NOW, &bytes(messages)).expect("legal messages")
}

/// An event that borrows nothing; a part of a block has no such form.
pub(super) fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Choked { choke, lost } => Event::Choked { choke, lost },
        Event::Interested(interest) => Event::Interested(interest),
        Event::Have(piece) => Event::Have(piece),
        Event::Has(bits) => Event::Has(bits),
        Event::DontHave { piece, lost } => Event::DontHave { piece, lost },
        Event::Payload { .. } => panic!("a part of a block has no owned form"),
        Event::Arrived(span) => Event::Arrived(span),
        Event::Unasked { len } => Event::Unasked { len },
        Event::Rejected(span) => Event::Rejected(span),
        Event::Wanted(span) => Event::Wanted(span),
        Event::Withdrawn(span) => Event::Withdrawn(span),
        Event::AllowedFast(piece) => Event::AllowedFast(piece),
        Event::Suggested(piece) => Event::Suggested(piece),
        Event::Hello(hello) => Event::Hello(hello),
        Event::UploadOnly(on) => Event::UploadOnly(on),
        Event::Metadata(metadata::Message::Request(piece)) => {
            Event::Metadata(metadata::Message::Request(piece))
        }
        Event::Metadata(metadata::Message::Reject(piece)) => {
            Event::Metadata(metadata::Message::Reject(piece))
        }
        Event::Metadata(metadata::Message::Unknown) => Event::Metadata(metadata::Message::Unknown),
        Event::Metadata(metadata::Message::Data { piece, total, bytes }) => {
            Event::Metadata(metadata::Message::Data { piece, total, bytes: bytes.into_owned().into() })
        }
        Event::Pex(delta) => Event::Pex(delta),
        Event::Extended { kind, bytes } => Event::Extended { kind, bytes: bytes.into_owned().into() },
        Event::KeepAlive => Event::KeepAlive,
        Event::Port(port) => Event::Port(port),
    }
}

/// Everything that waits to be sent, taken out.
pub(super) fn drain(session: &mut Session) -> Vec<u8> {
    let bytes: Vec<u8> = session.slices().flatten().copied().collect();
    session.sent(NOW, bytes.len());
    bytes
}

/// A session whose peer has everything and serves us.
pub(super) fn open(mut session: Session) -> Session {
    let all = if session.is_fast() { Message::HaveAll } else { Message::Bitfield(vec![0xff, 0xc0].into()) };
    feed(&mut session, &[all, Message::Unchoke]);
    session
}
