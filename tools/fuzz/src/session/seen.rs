//! What must hold of a session, seen from outside.

use super::{BLOCK, OUT_MAX, layout, limits};
use tide_peer::wire::frame::Reader;
use tide_peer::wire::message::{Bounds, FieldLen, Message};
use tide_peer::{Event, Session};

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    /// What left and was not a whole message yet.
    said: Reader,
    /// Bytes of the block that is leaving.
    content: usize,
    /// What is left of our handshake.
    handshake: usize,
}

/// One event, while the session stands as it made it.
pub(super) fn one(session: &Session, event: &Event<'_>) {
    match event {
        Event::Payload { span, at, bytes } => {
            assert!(layout().holds(*span) && span.len <= BLOCK && !bytes.is_empty());
            assert!(*at as usize + bytes.len() <= span.len as usize, "content beyond its block");
        }
        Event::Arrived(span) | Event::Rejected(span) => {
            assert!(!session.asks().contains(*span), "{span:?} is still asked for");
        }
        Event::Wanted(span) => assert!(layout().holds(*span) && span.len <= BLOCK),
        Event::Has(bits) => assert!(session.layout().is_some_and(|layout| bits.len() == layout.pieces())),
        Event::Have(piece) | Event::AllowedFast(piece) | Event::Suggested(piece) => {
            assert!(layout().contains(*piece), "there is no piece {piece}");
        }
        Event::Hello(hello) => {
            let client = hello.client.as_deref().unwrap_or_default();
            assert!(client.len() <= limits().client_name_len as usize && !client.contains(char::is_control));
            assert!(hello.metadata_size.is_none_or(|size| size <= limits().metadata_len));
        }
        Event::Pex(delta) => {
            let limits = limits().pex;
            assert!(
                delta.added.len() <= limits.added_in as usize
                    && delta.dropped.len() <= limits.dropped_in as usize
            );
        }
        Event::Unasked { len } => assert!(*len <= BLOCK),
        _ => {}
    }
}

impl Seen {
    /// Nothing was said but so many bytes of a handshake, which wait.
    pub(super) fn behind(handshake: usize) -> Seen {
        Seen { handshake, ..Seen::default() }
    }

    /// Tables within their bounds.
    pub(super) fn holds(&self, session: &Session) {
        let limits = limits();
        assert!(session.serves().len() <= limits.serves && session.asks().len() <= limits.asks);
        assert!(session.allowed_fast().len() <= limits.allowed_fast_in as usize);
        assert!(session.outgoing() <= OUT_MAX, "{} bytes wait to be sent", session.outgoing());
        assert_eq!(session.outgoing(), session.slices().map(<[u8]>::len).sum::<usize>());
        let pieces = session.layout().map_or(0, |layout| layout.pieces());
        assert_eq!(session.has().len(), pieces);
        assert!(session.asks().spans().all(|span| layout().holds(span)));
    }

    /// What we say is whole messages, one behind the other.
    pub(super) fn said(&mut self, bytes: &[u8]) {
        let bounds = Bounds {
            block: BLOCK,
            bitfield: FieldLen::Exactly(layout().pieces().div_ceil(8)),
            extended: limits().extended_len,
            other: limits().message_len,
            fast: true,
            extended_on: true,
        };
        let mut rest = &bytes[self.handshake.min(bytes.len())..];
        self.handshake -= bytes.len() - rest.len();
        while !rest.is_empty() {
            if self.content > 0 {
                let part = self.content.min(rest.len());
                self.content -= part;
                rest = &rest[part..];
                continue;
            }
            match self.said.next(&mut rest, &bounds).expect("what we say breaks no rule") {
                Some(Message::Block(span)) => self.content = span.len as usize,
                Some(Message::Unknown { id, .. }) => panic!("we said a message {id}"),
                Some(_) => {}
                None => assert!(rest.is_empty()),
            }
        }
    }
}
