//! What the rules of the BEPs come to, message by message.

use super::*;
use crate::choking::{Choke, Interest};
use crate::event::{Due, ExtensionKind, Timer};
use crate::wire::extended::Hello;
use alloc::borrow::Cow;
use alloc::boxed::Box;
use tide_base::{Duration, Payload};

fn ask(session: &mut Session, n: u32) {
    assert!(session.ask(NOW, block(n)), "block {n} was not asked for");
}

#[test]
fn availability_adds_up_however_it_is_told() {
    let mut session = fast();
    assert_eq!(feed(&mut session, &[Message::Have(PieceIndex(3))]), [Event::Have(PieceIndex(3))]);
    let events = feed(&mut session, &[Message::Bitfield(vec![0b0011_0000, 0].into())]);
    let mut gained = Bits::new(10);
    gained.set(2);
    assert_eq!(events, [Event::Has(gained)]);
    assert_eq!(feed(&mut session, &[Message::HaveNone, Message::Have(PieceIndex(2))]), []);
    assert!(matches!(&feed(&mut session, &[Message::HaveAll])[..], [Event::Has(bits)] if bits.count() == 8));
    assert!(session.has().all());
}

#[test]
fn a_choke_without_the_fast_extension_loses_the_asks_and_forgives_their_blocks() {
    let mut session = open(plain());
    ask(&mut session, 0);
    ask(&mut session, 1);
    let events = feed(&mut session, &[Message::Choke, Message::Block(block(1))]);
    let lost = vec![block(0), block(1)];
    assert_eq!(events, [Event::Choked { choke: Choke::Choked, lost }, Event::Unasked { len: 16 }]);
    assert!(session.asks().is_empty() && !session.ask(NOW, block(0)) && session.room(NOW) == 0);
}

#[test]
fn a_choke_with_the_fast_extension_leaves_each_ask_to_its_own_answer() {
    let mut session = open(fast());
    for n in 0..3 {
        ask(&mut session, n);
    }
    let events = feed(
        &mut session,
        &[Message::Choke, Message::Reject(block(0)), Message::Block(block(1)), Message::Reject(block(2))],
    );
    assert_eq!(
        events,
        [
            Event::Choked { choke: Choke::Choked, lost: vec![] },
            Event::Rejected(block(0)),
            Event::Arrived(block(1)),
            Event::Rejected(block(2)),
        ]
    );
    assert!(!session.ask(NOW, block(0)));
    assert_eq!(
        feed(&mut session, &[Message::AllowedFast(PieceIndex(0))]),
        [Event::AllowedFast(PieceIndex(0))]
    );
    assert!(session.may_ask(PieceIndex(0)) && !session.may_ask(PieceIndex(1)));
    assert!(session.room(NOW) > 0 && session.ask(NOW, block(0)) && !session.ask(NOW, block(4)));
}

#[test]
fn a_block_is_read_into_place_and_what_follows_is_control() {
    let mut session = open(fast());
    ask(&mut session, 5);
    drain(&mut session);
    let stream = bytes(&[Message::Block(block(5)), Message::Choke]);
    let mut head = &stream[..15];
    let part = Event::Payload { span: block(5), at: 0, bytes: &content(block(5))[..2] };
    assert_eq!(session.receive(NOW, &mut head), Ok(Some(part)));
    assert_eq!(session.receive(NOW, &mut head), Ok(None));
    assert_eq!(session.want(), Want::Payload { span: block(5), at: 2 });
    assert_eq!(session.filled(NOW, 10), None);
    assert_eq!(session.want(), Want::Payload { span: block(5), at: 12 });
    assert_eq!(session.filled(NOW, 4), Some(Event::Arrived(block(5))));
    assert_eq!(session.want(), Want::Control);
    assert!(matches!(feed_bytes(&mut session, NOW, &stream[29..]).as_deref(), Ok([Event::Choked { .. }])));
    assert_eq!((session.total_in(), session.asks().len()), (16, 0));
}

#[test]
fn an_ask_cancelled_while_its_block_comes_frees_the_place_and_skips_the_rest() {
    let mut session = open(fast());
    ask(&mut session, 5);
    drain(&mut session);
    let stream = bytes(&[Message::Block(block(5)), Message::KeepAlive]);
    let mut head = &stream[..20];
    while session.receive(NOW, &mut head).expect("legal").is_some() {}
    assert!(session.cancel(NOW, block(5)) && !session.cancel(NOW, block(5)));
    assert_eq!(session.outgoing(), 0);
    assert_eq!(session.want(), Want::Control);
    let events = feed_bytes(&mut session, NOW, &stream[20..]);
    assert_eq!(events, Ok(vec![Event::Unasked { len: 16 }, Event::KeepAlive]));
}

#[test]
fn a_cancelled_ask_may_still_be_answered_either_way() {
    let mut session = open(with(
        Limits {
            patience: crate::limits::Patience { unasked: 0, rejects: 0, ..Default::default() },
            ..limits()
        },
        Reserved::OURS,
    ));
    ask(&mut session, 0);
    ask(&mut session, 1);
    drain(&mut session);
    assert!(session.cancel(NOW, block(0)) && session.cancel(NOW, block(1)) && !session.cancel(NOW, block(2)));
    assert_eq!(drain(&mut session), bytes(&[Message::Cancel(block(0)), Message::Cancel(block(1))]));
    let events = feed(&mut session, &[Message::Block(block(0)), Message::Reject(block(1))]);
    assert_eq!(events, [Event::Unasked { len: 16 }]);
    let mut rest = &bytes(&[Message::Reject(block(1))])[..];
    assert_eq!(session.receive(NOW, &mut rest), Err(Fault::RejectFlood));
}

#[test]
fn requests_are_served_in_order_and_cancels_are_answered() {
    let mut session = fast();
    session.unchoke(NOW);
    drain(&mut session);
    let events = feed(&mut session, &[0, 1, 2, 3].map(|n| Message::Request(block(n))));
    assert_eq!(events, [0, 1, 2, 3].map(|n| Event::Wanted(block(n))));
    assert_eq!(session.next_wanted(), Some(block(0)));
    assert_eq!(session.next_wanted(), Some(block(1)));
    assert_eq!(feed(&mut session, &[Message::Cancel(block(1))]), [Event::Withdrawn(block(1))]);
    assert_eq!(feed(&mut session, &[Message::Cancel(block(2)), Message::Cancel(block(9))]), []);
    assert!(session.serve(NOW, block(0), Payload::from(content(block(0)))));
    assert!(!session.serve(NOW, block(1), Payload::from(content(block(1)))));
    assert_eq!(session.next_wanted(), Some(block(3)));
    assert!(session.refuse(NOW, block(3)) && !session.refuse(NOW, block(3)));
    assert_eq!(session.outgoing_blocks(), 1);
    assert_eq!(
        drain(&mut session),
        bytes(&[
            Message::Reject(block(1)),
            Message::Reject(block(2)),
            Message::Block(block(0)),
            Message::Reject(block(3)),
        ])
    );
    assert_eq!(session.total_out(), 16);
}

#[test]
fn a_choke_of_ours_rejects_what_is_not_granted_and_silently_without_the_fast_extension() {
    let mut session = fast();
    session.allow_fast(NOW, &[PieceIndex(0)]);
    session.unchoke(NOW);
    feed(&mut session, &[Message::Request(block(4)), Message::Request(block(0)), Message::Request(block(5))]);
    assert_eq!(session.next_wanted(), Some(block(4)));
    drain(&mut session);
    session.choke(NOW);
    session.choke(NOW);
    let expected = [Message::Choke, Message::Reject(block(4)), Message::Reject(block(5))];
    assert_eq!(drain(&mut session), bytes(&expected));
    assert!(!session.serve(NOW, block(4), Payload::from(content(block(4)))));
    assert_eq!(session.next_wanted(), Some(block(0)));
    let late = feed(&mut session, &[Message::Request(block(6)), Message::Request(block(1))]);
    assert_eq!(late, [Event::Wanted(block(1))]);
    assert_eq!(drain(&mut session), bytes(&[Message::Reject(block(6))]));

    let mut session = plain();
    session.unchoke(NOW);
    feed(&mut session, &[Message::Request(block(4))]);
    drain(&mut session);
    session.choke(NOW);
    assert_eq!(feed(&mut session, &[Message::Request(block(5))]), []);
    assert_eq!(drain(&mut session), bytes(&[Message::Choke]));
    assert_eq!(session.next_wanted(), None);
}

#[test]
fn requests_beyond_the_queue_or_the_torrent_are_rejected_and_repeats_ignored() {
    let mut session = with(Limits { serves: 2, ..limits() }, Reserved::OURS);
    session.unchoke(NOW);
    drain(&mut session);
    let long = Span { len: 17, ..block(0) };
    let outside = Span { piece: PieceIndex(9), offset: 32, len: 16 };
    let none = Span { len: 0, ..block(0) };
    let events = feed(&mut session, &[0, 0, 1, 2].map(|n| Message::Request(block(n))));
    assert_eq!(events, [Event::Wanted(block(0)), Event::Wanted(block(1))]);
    assert_eq!(feed(&mut session, &[long, outside, none].map(Message::Request)), []);
    assert_eq!(drain(&mut session), bytes(&[block(2), long, outside, none].map(Message::Reject)));
}

#[test]
fn hellos_set_the_bounds_and_the_numbers() {
    let mut session = open(fast());
    let kind = ExtensionKind(0);
    assert!(!session.takes(kind) && !session.extended(NOW, kind, b"x"));
    let theirs = Hello { reqq: Some(3), upload_only: Some(true), ..Hello::default() };
    let body = theirs.to_bytes(&[(b"lt_donthave", 9), (b"upload_only", 8), (b"x_test", 7)]);
    let events = feed(&mut session, &[Message::Extended { id: 0, body: body.into() }]);
    assert_eq!(events, [Event::Hello(Box::new(theirs))]);
    assert!(session.upload_only() && session.room(NOW) == 3);
    for n in 0..3 {
        ask(&mut session, n);
    }
    assert!(!session.ask(NOW, block(3)));
    drain(&mut session);
    assert!(session.extended(NOW, kind, b"hi"));
    session.dont_have(NOW, PieceIndex(1));
    session.tell_upload_only(NOW, false);
    assert_eq!(drain(&mut session), *b"\0\0\0\x04\x14\x07hi\0\0\0\x06\x14\x09\0\0\0\x01\0\0\0\x03\x14\x08\0");
    session.hello(NOW, &Hello::default());
    let names = b"d1:md11:lt_donthavei1e11:upload_onlyi2e11:ut_metadatai3e6:ut_pexi4e6:x_testi5eee";
    assert_eq!(drain(&mut session), [&b"\0\0\0\x52\x14\0"[..], names].concat());
    let events = feed(
        &mut session,
        &[
            Message::Extended { id: 5, body: Cow::Borrowed(b"yo") },
            Message::Extended { id: 2, body: Cow::Borrowed(&[0]) },
            Message::Extended { id: 1, body: Cow::Borrowed(&[0, 0, 0, 1]) },
            Message::Extended { id: 77, body: Cow::Borrowed(b"?") },
        ],
    );
    assert_eq!(
        events,
        [
            Event::Extended { kind, bytes: Cow::Borrowed(b"yo") },
            Event::UploadOnly(false),
            Event::DontHave { piece: PieceIndex(1), lost: vec![] },
        ]
    );
    assert!(!session.may_ask(PieceIndex(1)));
}

#[test]
fn a_piece_taken_back_without_the_fast_extension_loses_its_asks() {
    let only_extended = Reserved([0, 0, 0, 0, 0, 0x10, 0, 0]);
    let mut session = open(with(limits(), only_extended));
    ask(&mut session, 4);
    ask(&mut session, 8);
    let body = Cow::Borrowed(&[0, 0, 0, 1][..]);
    let events = feed(&mut session, &[Message::Extended { id: 1, body }]);
    assert_eq!(events, [Event::DontHave { piece: PieceIndex(1), lost: vec![block(4)] }]);
    assert_eq!(session.asks().len(), 1);
}

#[test]
fn the_rest_of_the_messages_become_their_events() {
    let mut session = fast();
    let events = feed(
        &mut session,
        &[
            Message::Interested,
            Message::Interested,
            Message::NotInterested,
            Message::Suggest(PieceIndex(4)),
            Message::Suggest(PieceIndex(4)),
            Message::Port(6881),
            Message::KeepAlive,
        ],
    );
    assert_eq!(
        events,
        [
            Event::Interested(Interest::Interested),
            Event::Interested(Interest::NotInterested),
            Event::Suggested(PieceIndex(4)),
            Event::Port(6881),
            Event::KeepAlive,
        ]
    );
}

#[test]
fn commands_say_nothing_twice_and_nothing_that_was_not_agreed_on() {
    let mut session = plain();
    session.have_field(NOW, &Bits::new(10));
    session.allow_fast(NOW, &[PieceIndex(1)]);
    session.suggest(NOW, PieceIndex(1));
    session.hello(NOW, &Hello::default());
    session.dont_have(NOW, PieceIndex(1));
    session.port(NOW, 1);
    session.choke(NOW);
    session.not_interested(NOW);
    assert_eq!(session.outgoing(), 0);
    session.have_field(NOW, &Bits::full(10));
    session.interested(NOW);
    session.interested(NOW);
    session.unchoke(NOW);
    session.unchoke(NOW);
    session.have(NOW, PieceIndex(2));
    let bitfield = Message::Bitfield(vec![0xff, 0xc0].into());
    let expected = [bitfield, Message::Interested, Message::Unchoke, Message::Have(PieceIndex(2))];
    assert_eq!(drain(&mut session), bytes(&expected));

    let mut session = with(limits(), Reserved::OURS.with_dht());
    session.have_field(NOW, &Bits::new(10));
    session.have_field(NOW, &Bits::full(10));
    session.suggest(NOW, PieceIndex(1));
    session.port(NOW, 1);
    session.not_interested(NOW);
    let expected = [Message::HaveNone, Message::HaveAll, Message::Suggest(PieceIndex(1)), Message::Port(1)];
    assert_eq!(drain(&mut session), bytes(&expected));
}

#[test]
fn interest_that_follows_our_haves_is_no_flapping() {
    let mut session = fast();
    for _ in 0..1000 {
        session.have(NOW, PieceIndex(1));
        drain(&mut session);
        assert_eq!(feed(&mut session, &[Message::Interested, Message::NotInterested]).len(), 2);
    }
}

#[test]
fn a_session_without_traffic_is_small_and_events_are_too() {
    assert!(size_of::<Session>() <= 1024, "{}", size_of::<Session>());
    assert!(size_of::<Event<'_>>() <= 48, "{}", size_of::<Event<'_>>());
    let session = fast();
    assert_eq!((session.reader.memory(), session.outgoing()), (0, 0));
}

#[test]
fn what_was_not_sent_of_the_handshake_is_sent_first() {
    use crate::opening::{Greeted, Greeting};
    let shake =
        |id| Handshake { reserved: Reserved::OURS, info_hash: InfoHash([7; 20]), peer_id: PeerId([id; 20]) };
    let mut greeting = Greeting::dial(shake(1));
    greeting.sent(50);
    let Ok(Greeted::Met(met)) = greeting.receive(&mut &shake(2).to_bytes()[..]) else { panic!("not met") };
    let mut session = Session::new(NOW, &Arc::default(), layout(), &met);
    session.interested(NOW);
    let mut expected = Vec::from(&shake(1).to_bytes()[50..]);
    expected.extend_from_slice(b"\0\0\0\x01\x02");
    assert_eq!(drain(&mut session), expected);
    assert_eq!(session.handshake(), &shake(2));
}

#[test]
fn gather_stops_at_its_bounds() {
    let mut session = fast();
    session.unchoke(NOW);
    feed(&mut session, &[Message::Request(block(0))]);
    session.next_wanted();
    assert!(session.serve(NOW, block(0), Payload::from(content(block(0)))));
    session.keep_alive(NOW);
    let mut slices = [&[][..]; 8];
    assert_eq!(session.gather(&mut slices, usize::MAX), 3);
    assert_eq!(slices[..3].iter().map(|slice| slice.len()).collect::<Vec<_>>(), [18, 16, 4]);
    assert_eq!(session.gather(&mut slices, 20), 2);
    assert_eq!(slices[1].len(), 2);
    assert_eq!(session.gather(&mut slices[..1], usize::MAX), 1);
}

#[test]
fn silence_snubs_and_stalls_come_due_with_their_reasons() {
    let after = |secs| NOW + Duration::from_secs(secs);
    let mut session = open(fast());
    assert_eq!(session.deadline(), (after(100), Timer::KeepAlive));
    assert_eq!(session.due(after(99)), None);
    assert_eq!(session.due(after(100)), Some(Due::KeepAlive));
    assert_eq!(session.due(after(100)), None);
    assert_eq!(drain(&mut session), [0; 4]);
    assert_eq!(session.deadline().0, after(100));
    session.keep_alive(after(149));
    assert_eq!(session.deadline(), (after(150), Timer::Idle));
    assert_eq!(session.due(after(150)), Some(Due::Idle));

    let mut session = open(fast());
    ask(&mut session, 0);
    ask(&mut session, 1);
    drain(&mut session);
    assert_eq!(session.deadline(), (after(20), Timer::Overdue));
    session.hold(after(10));
    assert_eq!(session.deadline(), (after(100), Timer::KeepAlive));
    assert_eq!(session.due(after(40)), None);
    session.release(after(40));
    assert_eq!(session.deadline(), (after(50), Timer::Overdue));
    assert_eq!(session.due(after(50)), Some(Due::Overdue(block(0))));
    assert_eq!(session.due(after(50)), Some(Due::Overdue(block(1))));
    assert_eq!(session.due(after(50)), None);
    assert_eq!(session.deadline(), (after(90), Timer::Snub));
    assert_eq!(session.due(after(90)), Some(Due::Snubbed));
    assert!(session.snubbed() && session.due(after(90)).is_none() && session.room(after(90)) == 0);
    let stream = bytes(&[Message::Block(block(0))]);
    assert_eq!(feed_bytes(&mut session, after(95), &stream), Ok(vec![Event::Arrived(block(0))]));
    assert!(!session.snubbed() && session.room(after(95)) > 1);

    let mut session = fast();
    session.interested(NOW);
    session.sent(after(50), 2);
    assert_eq!(session.due(after(151)), Some(Due::Idle));
    let mut rest = &[0; 4][..];
    assert_eq!(session.receive(after(151), &mut rest), Ok(Some(Event::KeepAlive)));
    assert_eq!(session.due(after(151)), Some(Due::KeepAlive));
    assert_eq!(session.deadline(), (after(170), Timer::Stall));
    assert_eq!(session.due(after(170)), Some(Due::Stalled));
}
