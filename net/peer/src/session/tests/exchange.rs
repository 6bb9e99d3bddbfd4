//! The exchanges of metadata and of peers, between two sessions and against a hostile one.

use super::*;
use crate::metadata::{Message as Metadata, Serve, Taken};
use crate::pex::{Contact, Delta, Flags};
use crate::wire::extended::Hello;
use alloc::borrow::Cow;
use tide_base::Duration;

/// Two sessions that have said hello; the first knows the torrent.
fn pair() -> (Session, Session) {
    let (mut knows, mut learns) = (fast(), unlearnt());
    knows.hello(NOW, &Hello { metadata_size: Some(20_000), ..Hello::default() });
    learns.hello(NOW, &Hello::default());
    let events = carry(&mut knows, &mut learns);
    assert!(matches!(&events[..], [Event::Hello(hello)] if hello.metadata_size == Some(20_000)));
    let events = carry(&mut learns, &mut knows);
    assert!(matches!(&events[..], [Event::Hello(hello)] if hello.metadata_size.is_none()));
    (knows, learns)
}

fn carry(from: &mut Session, to: &mut Session) -> Vec<Event<'static>> {
    let stream = drain(from);
    feed_bytes(to, NOW, &stream).expect("legal messages")
}

fn limits_of_frames() -> Limits {
    Limits { extended_len: 20_000, ..limits() }
}

#[test]
fn metadata_is_asked_for_served_and_refused() {
    let (mut knows, mut learns) = pair();
    let metadata: Vec<u8> = (0..700u32).map(|i| i as u8).collect();
    assert!(knows.takes_metadata() && learns.takes_metadata());
    assert!(learns.ask_metadata(NOW, 0) && learns.ask_metadata(NOW, 9));
    let (mut serve, mut asked) = (Serve::new(), Vec::new());
    for event in carry(&mut learns, &mut knows) {
        let Event::Metadata(Metadata::Request(piece)) = event else { panic!("{event:?}") };
        asked.push(piece);
        if serve.request(NOW, piece, Some(700), knows.limits()) == Taken::Refused {
            assert!(knows.answer_metadata(NOW, &Metadata::Reject(piece)));
        }
    }
    assert_eq!(asked, [0, 9]);
    while let Some(answer) = serve.next(&metadata, knows.outgoing(), &limits_of_frames()) {
        assert!(knows.answer_metadata(NOW, &answer));
    }
    let data = Metadata::Data { piece: 0, total: Some(700), bytes: Cow::Owned(metadata) };
    let events = carry(&mut knows, &mut learns);
    assert_eq!(events, [Event::Metadata(Metadata::Reject(9)), Event::Metadata(data.clone())]);
    // It was answered: again is unasked.
    assert!(knows.answer_metadata(NOW, &data));
    assert_eq!(carry(&mut knows, &mut learns), []);
}

#[test]
fn peers_are_exchanged_at_the_pace_of_the_bep() {
    let (mut knows, mut learns) = pair();
    let addr = "1.2.3.4:5".parse().expect("an address");
    let delta = Delta { added: vec![Contact { addr, flags: Flags::SEED }], dropped: vec![] };
    assert!(!knows.tell_peers(NOW, &Delta::default()));
    let mut now = NOW;
    for _ in 0..100 {
        assert!(knows.tell_peers(now, &delta));
        let stream = drain(&mut knows);
        assert_eq!(feed_bytes(&mut learns, now, &stream), Ok(vec![Event::Pex(Box::new(delta.clone()))]));
        now += Duration::from_secs(55);
    }
    let mut flood = || {
        assert!(knows.tell_peers(now, &delta));
        let stream = drain(&mut knows);
        feed_bytes(&mut learns, now, &stream).err()
    };
    assert_eq!((0..7).filter_map(|_| flood()).collect::<Vec<_>>(), [Fault::PexFlood]);
}

#[test]
fn a_private_torrent_takes_no_part_and_says_so() {
    let (mut knows, mut learns) = pair();
    let addr = "1.2.3.4:5".parse().expect("an address");
    let delta = Delta { added: vec![], dropped: vec![addr] };
    learns.set_offers(Offers::NONE);
    assert!(!learns.takes_pex() && !learns.takes_metadata());
    assert!(!learns.tell_peers(NOW, &delta) && !learns.ask_metadata(NOW, 0));
    assert!(!learns.answer_metadata(NOW, &Metadata::Reject(0)));
    // What crosses is passed over.
    assert!(knows.tell_peers(NOW, &delta) && knows.ask_metadata(NOW, 0));
    assert_eq!(carry(&mut knows, &mut learns), []);
    learns.hello(NOW, &Hello::default());
    assert_eq!(carry(&mut learns, &mut knows).len(), 1);
    assert!(!knows.takes_pex() && !knows.takes_metadata() && !knows.tell_peers(NOW, &delta));
    // What was never offered is not mentioned.
    let (config, met) = parts(limits(), Reserved::OURS);
    let config = Arc::new(SessionConfig { offers: Offers::NONE, ..SessionConfig::clone(&config) });
    let mut private = Session::new(NOW, &config, layout(), &met);
    private.hello(NOW, &Hello::default());
    let said = drain(&mut private);
    assert!(said.windows(3).all(|word| word != b"ut_"), "{}", said.escape_ascii());
}

#[test]
fn asks_for_metadata_are_remembered_within_bounds() {
    let (_, mut learns) = pair();
    for piece in 0..100 {
        assert!(learns.ask_metadata(NOW, piece));
    }
    let reject = |piece| Message::Extended { id: 3, body: Metadata::Reject(piece).to_bytes().into() };
    assert_eq!(feed(&mut learns, &[reject(0), reject(35)]), []);
    assert_eq!(feed(&mut learns, &[reject(36)]), [Event::Metadata(Metadata::Reject(36))]);
}

/// BEP 11: a message a minute is what a peer may send; that we did not read for long is not its fault.
#[test]
fn peers_told_of_while_nobody_read_are_no_flood() {
    let (mut knows, mut learns) = pair();
    let addr = "1.2.3.4:5".parse().expect("an address");
    let delta = Delta { added: vec![Contact { addr, flags: Flags::SEED }], dropped: vec![] };
    learns.hold(NOW);
    let mut now = NOW;
    for _ in 0..10 {
        assert!(knows.tell_peers(now, &delta));
        now += Duration::from_secs(65);
    }
    let stream = drain(&mut knows);
    learns.release(now);
    assert_eq!(feed_bytes(&mut learns, now, &stream).map(|events| events.len()), Ok(10));
}

/// Tells of peers so often at once; whether all of it is taken.
fn tell_often(knows: &mut Session, learns: &mut Session, now: Instant, times: usize) -> bool {
    let addr = "1.2.3.4:5".parse().expect("an address");
    let delta = Delta { added: vec![Contact { addr, flags: Flags::SEED }], dropped: vec![] };
    for _ in 0..times {
        assert!(knows.tell_peers(now, &delta));
    }
    let taken = feed_bytes(learns, now, &drain(knows)).map(|events| events.len());
    assert!(taken == Ok(times) || taken == Err(Fault::PexFlood), "{taken:?}");
    taken.is_ok()
}

#[test]
fn of_a_wait_comes_one_message_for_each_pace_and_no_more_however_long_it_was() {
    let (every, burst) = (Duration::from_secs(30), 6);
    for (held, extra) in [(0, 0), (1, 0), (29, 0), (30, 1), (95, 3), (3600, 120), (36_000, 120)] {
        let (mut knows, mut learns) = pair();
        // Many short waits are as a long one.
        let mut now = NOW;
        for _ in 0..10 {
            learns.hold(now);
            now += Duration::from_secs(held) / 10;
            learns.release(now);
        }
        assert!(tell_often(&mut knows, &mut learns, now, burst + extra), "held for {held} s");
        assert!(!tell_often(&mut knows, &mut learns.clone(), now, 1), "held for {held} s");
        // What was used is gone.
        now += every;
        assert!(tell_often(&mut knows, &mut learns, now, 1));
        assert!(!tell_often(&mut knows, &mut learns, now, 1));
    }
}
