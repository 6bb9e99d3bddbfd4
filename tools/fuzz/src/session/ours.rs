//! What we do of ourselves, by numbers: only what a caller may do.

use super::layout;
use super::seen::one;
use crate::script::Bytes;
use std::borrow::Cow;
use std::net::SocketAddr;
use tide_base::{Bits, BlockIndex, BlockRef, Instant, Payload, PieceIndex};
use tide_peer::pex::{Contact, Delta, Flags};
use tide_peer::{Event, Fault, Hello, Offers, Session, metadata};

/// Does something, named by a letter, with a piece.
pub(super) fn act(session: &mut Session, now: Instant, mut bytes: Bytes<'_>) -> Result<(), Fault> {
    let (what, number) = (bytes.byte(), u32::from(bytes.byte()));
    let piece = PieceIndex(number % layout().pieces());
    match what {
        b'c' => session.choke(now),
        b'u' => session.unchoke(now),
        b'i' => session.interested(now),
        b'n' => session.not_interested(now),
        b'a' => ask(session, now, number),
        b'k' => {
            let asked = session.asks().spans().nth(number as usize % 8);
            if let Some(span) = asked {
                assert!(session.cancel(now, span) && !session.asks().contains(span));
            }
        }
        b'w' | b'r' => serve(session, now, what == b'w'),
        b'h' if session.layout().is_some() => session.have(now, piece),
        b'd' if session.layout().is_some() => session.dont_have(now, piece),
        b'f' => session.allow_fast(now, &[piece]),
        b's' => session.suggest(now, piece),
        b'H' => session.hello(now, &Hello { reqq: Some(4), client: Some("tide".into()), ..Hello::default() }),
        b'F' => match session.layout() {
            Some(layout) => session.have_field(now, &Bits::new(layout.pieces())),
            None => session.have_nothing(now),
        },
        b'M' => {
            session.ask_metadata(now, number);
        }
        b'A' => {
            let answer = metadata::Message::Data { piece: 0, total: Some(5), bytes: Cow::Borrowed(b"hello") };
            session.answer_metadata(now, &answer);
        }
        b'P' => {
            let contact = Contact { addr: SocketAddr::from(([9, 9, 9, 9], 6881)), flags: Flags::SEED };
            session.tell_peers(now, &Delta { added: vec![contact], dropped: Vec::new() });
        }
        b'o' => session.set_offers(if number.is_multiple_of(2) { Offers::ALL } else { Offers::NONE }),
        b'U' => session.tell_upload_only(now, number.is_multiple_of(2)),
        b'K' => session.keep_alive(now),
        b'D' => session.port(now, 6881),
        b'z' => session.hold(now),
        b'Z' => session.release(now),
        b'L' if session.layout().is_none() => learn(session, now)?,
        _ => {}
    }
    Ok(())
}

fn ask(session: &mut Session, now: Instant, number: u32) {
    session.room(now);
    let layout = layout();
    let piece = PieceIndex(number / 4 % layout.pieces());
    let at = BlockRef { piece, block: BlockIndex(number % layout.blocks_in(piece)) };
    let span = layout.span(at);
    let may = session.layout().is_some() && session.may_ask(piece) && !session.asks().contains(span);
    if may {
        let asked = session.ask(now, span);
        assert_eq!(asked, session.asks().contains(span));
    }
}

/// Answers the next request, if there is one: with its content or without.
fn serve(session: &mut Session, now: Instant, well: bool) {
    let Some(span) = session.next_wanted() else { return };
    assert!(layout().holds(span));
    let was = match well {
        true => session.serve(now, span, Payload::from(vec![7; span.len as usize])),
        false => session.refuse(now, span),
    };
    assert!(was, "it was wanted a moment ago");
}

fn learn(session: &mut Session, now: Instant) -> Result<(), Fault> {
    let events = session.learn(now, layout())?;
    assert!(events.iter().skip(1).all(|event| !matches!(event, Event::Has(_))));
    for event in &events {
        one(session, event);
    }
    Ok(())
}
