//! Each rule that a peer can break in a session, broken. (What concerns the handshakes is tested in `opening.rs`.)

use super::*;
use crate::event::{Due, Timer};
use crate::limits::Patience;
use alloc::borrow::Cow;
use tide_base::Payload;

/// Feeds the stream again and again until a fault.
fn fault(mut session: Session, messages: &[Message<'_>]) -> Fault {
    let stream = bytes(messages);
    for _ in 0..9000 {
        if let Err(fault) = feed_bytes(&mut session, NOW, &stream) {
            return fault;
        }
        let waiting = session.outgoing();
        session.sent(NOW, waiting);
    }
    panic!("no fault");
}

fn raw(mut session: Session, stream: &[u8]) -> Fault {
    feed_bytes(&mut session, NOW, stream).expect_err("a fault")
}

#[test]
fn floods_end_each_in_its_own_fault() {
    let unchoked = || {
        let mut session = fast();
        session.unchoke(NOW);
        session
    };
    let extended = |id, body: &'static [u8]| Message::Extended { id, body: Cow::Borrowed(body) };
    let late = || {
        let mut session = fast();
        session.choked_at = Instant::ZERO;
        session
    };
    for (session, messages, expected) in [
        (fast(), vec![Message::AllowedFast(PieceIndex(1))], Fault::AllowedFastFlood),
        (fast(), vec![Message::AllowedFast(PieceIndex(99))], Fault::AllowedFastFlood),
        (fast(), vec![Message::Block(block(1))], Fault::BlocksUnasked),
        (fast(), vec![Message::Cancel(block(1))], Fault::CancelFlood),
        (fast(), vec![Message::Choke, Message::Unchoke], Fault::ChokeFlapping),
        (fast(), vec![extended(1, b"\0\0\0\x01")], Fault::DontHaveFlood),
        (fast(), vec![Message::Have(PieceIndex(1))], Fault::HaveFlood),
        (fast(), vec![Message::HaveNone], Fault::HaveFlood),
        (fast(), vec![extended(0, b"de")], Fault::HelloFlood),
        (fast(), vec![extended(2, b"\x01")], Fault::HelloFlood),
        (fast(), vec![Message::Interested, Message::NotInterested], Fault::InterestFlapping),
        (fast(), vec![Message::KeepAlive], Fault::KeepAliveFlood),
        (fast(), vec![extended(3, b"d8:msg_typei0e5:piecei0ee")], Fault::MetadataFlood),
        (fast(), vec![extended(3, b"d8:msg_typei1e5:piecei0ee")], Fault::MetadataUnasked),
        (fast(), vec![extended(3, b"d8:msg_typei2e5:piecei0ee")], Fault::MetadataUnasked),
        (fast(), vec![extended(3, b"d8:msg_typei9ee")], Fault::UnknownFlood),
        (fast(), vec![extended(4, b"de")], Fault::PexFlood),
        (unlearnt(), vec![Message::Have(PieceIndex(1))], Fault::EarlyFlood),
        (unlearnt(), vec![Message::Bitfield(vec![1].into())], Fault::EarlyFlood),
        (unlearnt(), vec![Message::HaveNone], Fault::EarlyFlood),
        (unlearnt(), vec![extended(1, b"\0\0\0\x01")], Fault::EarlyFlood),
        (unlearnt(), vec![Message::Request(block(1))], Fault::RequestsInvalid),
        (unlearnt(), vec![Message::Block(block(1))], Fault::BlocksUnasked),
        (fast(), vec![Message::Reject(block(1))], Fault::RejectFlood),
        (unchoked(), vec![Message::Request(block(1))], Fault::RequestFlood),
        (unchoked(), vec![Message::Request(Span { len: 17, ..block(1) })], Fault::RequestsInvalid),
        (late(), vec![Message::Request(block(1))], Fault::RequestsWhileChoked),
        (fast(), vec![Message::Suggest(PieceIndex(1))], Fault::SuggestFlood),
        (fast(), vec![extended(99, b"")], Fault::UnknownFlood),
    ] {
        assert_eq!(fault(session, &messages), expected);
    }
    assert_eq!(fault_of_unknown(), Fault::UnknownFlood);
}

fn fault_of_unknown() -> Fault {
    let mut session = fast();
    loop {
        if let Err(fault) = feed_bytes(&mut session, NOW, b"\0\0\0\x03\x63ab") {
            return fault;
        }
    }
}

#[test]
fn a_broken_rule_ends_it_at_once() {
    assert_eq!(raw(fast(), b"\0\0\0\x02\x05\xff"), Fault::BitfieldLength);
    assert_eq!(raw(fast(), b"\0\0\0\x03\x05\xff\xff"), Fault::BitfieldLength);
    assert_eq!(raw(fast(), b"\0\0\0\x19\x07\0\0\0\x0a\0\0\0\0"), Fault::BlockOutOfRange);
    assert_eq!(raw(fast(), b"\0\0\0\x19\x07\0\0\0\x09\xff\xff\xff\xff"), Fault::BlockOutOfRange);
    assert_eq!(raw(fast(), b"\0\0\0\x1a\x07\0\0\0\x00\0\0\0\0"), Fault::BlockTooLong);
    assert_eq!(raw(plain(), b"\0\0\0\x02\x14\0"), Fault::ExtendedNotNegotiated);
    assert_eq!(raw(plain(), b"\0\0\0\x01\x0e"), Fault::FastNotNegotiated);
    assert_eq!(raw(fast(), b"\0\0\0\x31\x15"), Fault::HashesNotNegotiated);
    assert_eq!(raw(fast(), b"\0\0\0\x04\x14\0le"), Fault::HelloMalformed);
    assert_eq!(raw(fast(), b"\0\0\0\x04\x14\x03de"), Fault::MetadataMalformed);
    assert_eq!(raw(fast(), b"\0\0\0\x04\x14\x04le"), Fault::PexMalformed);
    assert_eq!(raw(unlearnt(), b"\0\x04\0\x02\x05\xff"), Fault::BitfieldLength);
    assert_eq!(raw(unlearnt(), b"\0\0\0\x01\x05"), Fault::BitfieldLength);
    assert_eq!(raw(fast(), b"\0\0\0\x02\x00\0"), Fault::MessageLength);
    assert_eq!(raw(fast(), b"\0\0\0\x04\x14\x01\0\0"), Fault::MessageLength);
    assert_eq!(raw(fast(), b"\0\0\0\x02\x14\x02"), Fault::MessageLength);
    assert_eq!(raw(fast(), b"\xff\xff\xff\xff\x63"), Fault::MessageTooLong);
    assert_eq!(raw(fast(), b"\0\0\x04\x02\x14"), Fault::MessageTooLong);
    assert_eq!(raw(fast(), b"\0\0\0\x05\x04\0\0\0\x0a"), Fault::PieceOutOfRange);
    assert_eq!(raw(fast(), b"\0\0\0\x06\x14\x01\0\0\0\x0a"), Fault::PieceOutOfRange);
}

#[test]
fn who_makes_us_answer_and_does_not_read_is_let_go() {
    let patience = Patience { requests_choked: u16::MAX, ..Patience::default() };
    let limits = Limits { control_queued: 1000, patience, ..limits() };
    let mut session = with(limits, Reserved::OURS);
    let stream = bytes(&[Message::Request(block(0))]);
    let fault = core::iter::repeat_with(|| feed_bytes(&mut session, NOW, &stream)).find_map(Result::err);
    assert_eq!(fault, Some(Fault::NotReading));
    assert!(session.outgoing() < 1100);
}

#[test]
fn useful_work_earns_patience_back() {
    let patience = Patience { cancels: 3, ..Patience::default() };
    let mut session = with(Limits { patience, ..limits() }, Reserved::OURS);
    session.unchoke(NOW);
    for _ in 0..50 {
        feed(&mut session, &[Message::Cancel(block(9)), Message::Request(block(0))]);
        assert_eq!(session.next_wanted(), Some(block(0)));
        assert!(session.serve(NOW, block(0), Payload::from(content(block(0)))));
        drain(&mut session);
    }
}

#[test]
fn who_rejects_everything_is_asked_again_only_after_a_while() {
    let mut session = with(Limits { refusals: 3, ..limits() }, Reserved::OURS);
    feed(&mut session, &[Message::HaveAll, Message::Unchoke]);
    let reject = |session: &mut Session, now, n| {
        assert!(session.ask(now, block(n)));
        let stream = bytes(&[Message::Reject(block(n))]);
        assert_eq!(feed_bytes(session, now, &stream), Ok(vec![Event::Rejected(block(n))]));
    };
    reject(&mut session, NOW, 0);
    reject(&mut session, NOW, 1);
    assert!(session.room(NOW) > 1);
    reject(&mut session, NOW, 2);
    let later = NOW + limits().refused_wait;
    assert!(session.snubbed() && session.room(NOW) == 0);
    assert_eq!(session.deadline(), (later, Timer::Refused));
    assert_eq!(session.due(later), Some(Due::AskAgain));
    assert_eq!((session.due(later), session.room(later)), (None, 1));
    reject(&mut session, later, 3);
    assert_eq!(session.room(later), 0);
    let much_later = later + limits().refused_wait;
    assert_eq!(session.due(much_later), Some(Due::AskAgain));
    assert!(session.ask(much_later, block(4)));
    feed_bytes(&mut session, much_later, &bytes(&[Message::Block(block(4))])).expect("a block is welcome");
    assert!(!session.snubbed() && session.room(much_later) > 1);
    reject(&mut session, much_later, 5);
    assert!(session.room(much_later) > 1, "the row begins anew with a block");
}

#[test]
fn what_a_choke_rejects_is_not_held_against_the_peer() {
    let mut session = with(Limits { refusals: 3, ..limits() }, Reserved::OURS);
    feed(&mut session, &[Message::HaveAll, Message::Unchoke]);
    assert!((0..5).all(|n| session.ask(NOW, block(n))));
    feed(&mut session, &[Message::Choke]);
    let rejects: Vec<_> = (0..5).map(|n| Message::Reject(block(n))).collect();
    assert_eq!(feed(&mut session, &rejects).len(), 5);
    feed(&mut session, &[Message::Unchoke]);
    assert!(!session.snubbed() && session.room(NOW) > 1);
}

#[test]
fn a_piece_that_comes_and_goes_costs_patience_and_many_that_go_once_do_not() {
    let patience = Patience { dont_haves: 2, ..Patience::default() };
    let mut session = with(Limits { patience, ..limits() }, Reserved::OURS);
    feed(&mut session, &[Message::HaveAll]);
    let gone = |n: u8| bytes(&[Message::Extended { id: 1, body: Cow::Owned(vec![0, 0, 0, n]) }]);
    for n in 0..10 {
        feed_bytes(&mut session, NOW, &gone(n)).expect("a disk may lose much");
    }
    let mut flaps = 0;
    let fault = loop {
        feed(&mut session, &[Message::Have(PieceIndex(3))]);
        match feed_bytes(&mut session, NOW, &gone(3)) {
            Ok(_) => flaps += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!((flaps, fault), (2, Fault::DontHaveFlood));
}

/// BEP 6: "A peer MAY reject requests for already Allowed Fast pieces [...] if the requesting peer is not a starting peer",
/// and the reference implementation does "whenever the requesting peer has more than k pieces".
#[test]
fn who_chokes_us_and_rejects_what_it_allowed_fast_does_not_snub_us() {
    let mut session = with(Limits { refusals: 3, ..limits() }, Reserved::OURS);
    feed(&mut session, &[Message::HaveAll, Message::AllowedFast(PieceIndex(0))]);
    for n in 0..4 {
        assert!(session.ask(NOW, block(n)), "it is allowed");
    }
    for n in 0..4 {
        assert_eq!(feed(&mut session, &[Message::Reject(block(n))]), [Event::Rejected(block(n))]);
    }
    assert!(!session.snubbed(), "it chokes us, and said so");
    // It is not asked for the piece again, whatever it says, or the two would go on like this for ever.
    assert_eq!(feed(&mut session, &[Message::AllowedFast(PieceIndex(0))]), []);
    assert_eq!((session.may_ask(PieceIndex(0)), session.room(NOW)), (false, 0));
    // And when it serves us, it does so at once and to the full depth.
    feed(&mut session, &[Message::Unchoke]);
    assert!(session.may_ask(PieceIndex(0)));
    assert!(session.room(NOW) > 1, "{}", session.room(NOW));
    // Then what it rejects is refused.
    for n in 0..3 {
        assert!(session.ask(NOW, block(n)));
        feed(&mut session, &[Message::Reject(block(n))]);
    }
    assert!(session.snubbed());
}
