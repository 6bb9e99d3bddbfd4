//! Sessions that begin before the torrent is known.

use super::*;
use crate::choking::Choke;
use alloc::borrow::Cow;
use proptest::prelude::*;

fn bits(pieces: &[u32]) -> Bits {
    let mut bits = Bits::new(10);
    for piece in pieces {
        bits.set(*piece);
    }
    bits
}

fn gone(piece: u32) -> Message<'static> {
    Message::Extended { id: 1, body: piece.to_be_bytes().to_vec().into() }
}

#[test]
fn what_was_said_before_counts_when_the_torrent_is_known() {
    let mut session = unlearnt();
    session.have_nothing(NOW);
    assert_eq!(drain(&mut session), bytes(&[Message::HaveNone]));
    let events = feed(
        &mut session,
        &[
            Message::Bitfield(vec![0b1100_0000, 0b0100_0000].into()),
            Message::Unchoke,
            Message::Have(PieceIndex(4)),
            gone(0),
            Message::AllowedFast(PieceIndex(5)),
            Message::AllowedFast(PieceIndex(10)),
            Message::Suggest(PieceIndex(6)),
        ],
    );
    assert_eq!(events, [Event::Choked { choke: Choke::Unchoked, lost: vec![] }]);
    assert!(session.layout().is_none() && session.has().is_empty() && session.room(NOW) == 0);
    assert!(!session.may_ask(PieceIndex(1)) && !session.ask(NOW, block(4)));
    session.allow_fast(NOW, &[PieceIndex(1)]);
    assert_eq!(session.outgoing(), 0);
    let has = bits(&[1, 4, 9]);
    let events = session.learn(NOW, layout());
    let said = [Event::Has(has.clone()), Event::AllowedFast(PieceIndex(5)), Event::Suggested(PieceIndex(6))];
    assert_eq!(events.as_deref(), Ok(&said[..]));
    assert!(*session.has() == has && session.room(NOW) > 0 && session.ask(NOW, block(4)));
    assert_eq!(feed(&mut session, &[Message::Have(PieceIndex(2))]), [Event::Have(PieceIndex(2))]);
    assert_eq!(feed(&mut session, &[Message::Block(block(4))]), [Event::Arrived(block(4))]);
}

#[test]
fn what_does_not_fit_the_torrent_is_found_out_then() {
    for (messages, fault) in [
        (vec![Message::Have(PieceIndex(10))], Fault::PieceOutOfRange),
        (vec![gone(u32::MAX)], Fault::PieceOutOfRange),
        (vec![Message::Bitfield(vec![0xff].into())], Fault::BitfieldLength),
        (vec![Message::Bitfield(vec![0xff, 0xe0].into())], Fault::BitfieldLength),
        (vec![Message::HaveAll, Message::Bitfield(vec![0xff, 0xc0, 0].into())], Fault::BitfieldLength),
    ] {
        let mut session = unlearnt();
        assert_eq!(feed(&mut session, &messages), []);
        assert_eq!(session.learn(NOW, layout()), Err(fault));
    }
}

#[test]
fn a_bitfield_that_is_coming_in_is_judged_by_the_torrent_it_turns_out_to_be() {
    for (field, expected) in [
        (&[0xff, 0xc0][..], Ok(vec![Event::Has(Bits::full(10))])),
        (&[0xff, 0xc0, 0], Err(Fault::BitfieldLength)),
    ] {
        let mut session = unlearnt();
        let stream = bytes(&[Message::Bitfield(Cow::Borrowed(field))]);
        assert_eq!(feed_bytes(&mut session, NOW, &stream[..6]), Ok(vec![]));
        assert_eq!(session.learn(NOW, layout()), Ok(vec![]));
        assert_eq!(feed_bytes(&mut session, NOW, &stream[6..]), expected);
    }
}

#[test]
fn requests_are_refused_and_nothing_is_promised() {
    let mut session = unlearnt();
    session.unchoke(NOW);
    drain(&mut session);
    assert_eq!(feed(&mut session, &[Message::Interested, Message::Request(block(0))]).len(), 1);
    assert_eq!(drain(&mut session), bytes(&[Message::Reject(block(0))]));
    assert_eq!(session.next_wanted(), None);
}

#[test]
#[should_panic(expected = "the torrent was known")]
fn a_torrent_is_learnt_once() {
    let _ = fast().learn(NOW, layout());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_makes_no_difference_when_the_torrent_is_known(
        said in prop::collection::vec((0u8..6, 0u32..12), 0..30),
        at in any::<prop::sample::Index>(),
    ) {
        let mut fields = 0;
        let messages: Vec<Message<'_>> = said
            .into_iter()
            .filter_map(|(kind, piece)| match kind {
                0 => Some(Message::HaveAll),
                1 => Some(Message::HaveNone),
                2 => {
                    fields += 1;
                    (fields <= 2).then(|| Message::Bitfield(vec![piece as u8 * 21, piece as u8 % 2 * 0x40].into()))
                }
                3 => Some(gone(piece)),
                _ => Some(Message::Have(PieceIndex(piece))),
            })
            .collect();
        let mut known = fast();
        let expected = feed_bytes(&mut known, NOW, &bytes(&messages)).map(|_| known.has().clone());
        let at = at.index(messages.len() + 1);
        let mut session = unlearnt();
        feed(&mut session, &messages[..at]);
        let found = session
            .learn(NOW, layout())
            .and_then(|_| feed_bytes(&mut session, NOW, &bytes(&messages[at..])))
            .map(|_| session.has().clone());
        prop_assert_eq!(found, expected);
    }
}
