//! Streams cut at random: the cuts change nothing, whatever comes.

use super::*;
use alloc::collections::VecDeque;
use proptest::prelude::*;
use tide_base::{Payload, Prng};

fn any_span() -> impl Strategy<Value = Span> {
    (0u32..40).prop_map(block).prop_filter("a block of the torrent", |span| layout().holds(*span))
}

/// Bodies of messages of the exchanges, for themselves and for each other.
const EXCHANGES: &[&[u8]] = &[
    b"d8:msg_typei0e5:piecei0ee",
    b"d8:msg_typei1e5:piecei0e10:total_sizei9eexxxxxxxxx",
    b"d8:msg_typei2e5:piecei0ee",
    b"d8:msg_typei7ee",
    b"d5:added12:\x01\x02\x03\x04\0\x05\x01\x02\x03\x04\0\x06e",
];

fn any_message() -> impl Strategy<Value = Message<'static>> {
    prop_oneof![
        4 => any_span().prop_map(Message::Block),
        1 => any_span().prop_map(Message::Request),
        1 => any_span().prop_map(Message::Cancel),
        1 => any_span().prop_map(Message::Reject),
        1 => (0u32..10).prop_map(|piece| Message::Have(PieceIndex(piece))),
        1 => (0u32..10).prop_map(|piece| Message::Suggest(PieceIndex(piece))),
        1 => (0u32..10).prop_map(|piece| Message::AllowedFast(PieceIndex(piece))),
        1 => (any::<u8>(), 0u8..4).prop_map(|(a, b)| Message::Bitfield(vec![a, b << 6].into())),
        1 => prop::collection::vec(any::<u8>(), 0..60)
            .prop_map(|body| Message::Extended { id: 5, body: body.into() }),
        1 => (3u8..5, prop::sample::select(EXCHANGES)).prop_map(|(id, body)| Message::Extended { id, body: body.into() }),
        1 => Just(Message::Choke),
        1 => Just(Message::Unchoke),
        1 => Just(Message::Interested),
        1 => Just(Message::KeepAlive),
        1 => any::<u16>().prop_map(Message::Port),
    ]
}

/// A session that asked for a third of all blocks.
fn asking() -> Session {
    let mut session = open(fast());
    for n in (0..38).step_by(3).filter(|n| layout().holds(block(*n))) {
        assert!(session.ask(NOW, block(n)));
    }
    session
}

/// Feeds the stream in reads of random lengths, each into the rest of the wanted block first and then into a chunk,
/// as a vectored read does; the events without the parts, and the assembled blocks.
fn feed_cut(
    session: &mut Session,
    stream: &[u8],
    prng: &mut Prng,
    most: usize,
) -> Result<(Vec<Event<'static>>, Vec<Vec<u8>>), Fault> {
    let mut rest = stream;
    let (mut events, mut blocks, mut place) = (Vec::new(), Vec::new(), vec![0; 16]);
    while !rest.is_empty() {
        let mut read = take(&mut rest, 1 + prng.index(most));
        if let Want::Payload { span, at } = session.want() {
            let part = take(&mut read, (span.len - at) as usize);
            place[at as usize..at as usize + part.len()].copy_from_slice(part);
            if let Some(event) = session.filled(NOW, part.len() as u32) {
                events.push(event);
                blocks.push(place.clone());
            }
        }
        while let Some(event) = session.receive(NOW, &mut read)? {
            match event {
                Event::Payload { at, bytes, .. } => {
                    place[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
                }
                event => {
                    if matches!(event, Event::Arrived(_)) {
                        blocks.push(place.clone());
                    }
                    events.push(owned(event));
                }
            }
        }
        assert!(read.is_empty());
    }
    Ok((events, blocks))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_no_event(
        messages in prop::collection::vec(any_message(), 1..40),
        seed: u64,
        most in 1usize..64,
    ) {
        let stream = bytes(&messages);
        let whole = feed_bytes(&mut asking(), NOW, &stream);
        let cut = feed_cut(&mut asking(), &stream, &mut Prng::new(seed), most);
        if let Ok((events, blocks)) = &cut {
            let arrived = events.iter().filter_map(|event| match event {
                Event::Arrived(span) => Some(content(*span)),
                _ => None,
            });
            prop_assert!(arrived.eq(blocks.iter().cloned()));
        }
        prop_assert_eq!(cut.map(|(events, _)| events), whole);
    }

    #[test]
    fn hostile_bytes_end_in_a_fault_or_stay_within_bounds(
        parts in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..64),
                any_message().prop_map(|message| bytes(&[message])),
                (any::<u8>(), 0u8..32, prop::collection::vec(any::<u8>(), 0..32))
                    .prop_map(|(len, id, body)| [&[0, 0, 0, len, id][..], &body].concat()),
            ],
            1..60,
        ),
        seed: u64,
        tiny: bool,
        extended: bool,
    ) {
        let limits = if tiny { Limits::tiny(16) } else { limits() };
        let mut session = with(limits, if extended { Reserved::OURS } else { Reserved::NONE });
        session.unchoke(NOW);
        let mut session = open(session);
        for n in 0..3 {
            prop_assert!(session.ask(NOW, block(n)));
        }
        let mut prng = Prng::new(seed);
        for part in parts {
            if feed_cut(&mut session, &part, &mut prng, 30).is_err() {
                break;
            }
            prop_assert!(session.reader.memory() <= 2 * 1024);
            prop_assert!(session.serves.len() <= session.limits().serves);
            prop_assert!(session.outgoing() <= 64 * 1024);
            session.deadline();
            while let Some(due) = session.due(NOW) {
                prop_assert!(matches!(due, crate::event::Due::KeepAlive), "{:?}", due);
            }
        }
    }

    #[test]
    fn two_sessions_carry_every_block_over_whatever_the_cuts(seed: u64, most in 1usize..200, extended: bool) {
        let reserved = if extended { Reserved::OURS } else { Reserved::NONE };
        let mut prng = Prng::new(seed);
        let (mut seed_side, mut leech) = (with(limits(), reserved), with(Limits::tiny(16), reserved));
        let mut wanted: VecDeque<Span> = (0..40).map(block).filter(|span| layout().holds(*span)).collect();
        wanted.push_back(Span { piece: PieceIndex(9), offset: 32, len: 8 });
        let all = wanted.len();
        seed_side.have_field(NOW, &Bits::full(10));
        seed_side.hello(NOW, &crate::Hello { reqq: Some(5), ..Default::default() });
        leech.have_field(NOW, &Bits::new(10));
        leech.interested(NOW);
        seed_side.unchoke(NOW);
        let mut got = Vec::new();
        for _ in 0..20_000 {
            if got.len() == all {
                break;
            }
            while leech.room(NOW) > 0 && let Some(span) = wanted.pop_front() {
                prop_assert!(leech.ask(NOW, span));
            }
            let stream = part_of(&mut leech, &mut prng, most);
            feed_cut(&mut seed_side, &stream, &mut prng, most).expect("legal");
            while let Some(span) = seed_side.next_wanted() {
                prop_assert!(seed_side.serve(NOW, span, Payload::from(content(span))));
            }
            let stream = part_of(&mut seed_side, &mut prng, most);
            for event in feed_cut(&mut leech, &stream, &mut prng, most).expect("legal").0 {
                if let Event::Arrived(span) = event {
                    got.push(span);
                }
            }
        }
        prop_assert_eq!(got.len(), all);
        prop_assert!(got.is_sorted());
        prop_assert_eq!((leech.total_in(), seed_side.total_out()), (layout().total(), layout().total()));
        prop_assert!(leech.asks().is_empty() && seed_side.serves().is_empty());
    }
}

/// A part of what waits to be sent, taken out.
fn part_of(session: &mut Session, prng: &mut Prng, most: usize) -> Vec<u8> {
    let n = session.outgoing().min(1 + prng.index(most));
    let mut slices = [&[][..]; 4];
    let filled = session.gather(&mut slices, n);
    let part = slices[..filled].concat();
    session.sent(NOW, part.len());
    part
}
