//! Each rule that a peer can break in a session, broken. (What concerns the handshakes is tested in `opening.rs`.)

use super::*;
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
