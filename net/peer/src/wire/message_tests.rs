//! Literals of every message, both ways, through the frame reader; and what is refused by number and length.

use super::*;
use crate::wire::frame::Reader;
use alloc::vec;

const BOUNDS: Bounds = Bounds {
    block: 16384,
    bitfield: FieldLen::Exactly(2),
    extended: 100,
    other: 1000,
    fast: true,
    extended_on: true,
};

fn at(piece: u32, offset: u32, len: u32) -> Span {
    Span { piece: PieceIndex(piece), offset, len }
}

fn literals() -> Vec<(&'static [u8], Message<'static>)> {
    vec![
        (b"\0\0\0\0", Message::KeepAlive),
        (b"\0\0\0\x01\x00", Message::Choke),
        (b"\0\0\0\x01\x01", Message::Unchoke),
        (b"\0\0\0\x01\x02", Message::Interested),
        (b"\0\0\0\x01\x03", Message::NotInterested),
        (b"\0\0\0\x05\x04\0\0\x01\x02", Message::Have(PieceIndex(258))),
        (b"\0\0\0\x03\x05\xa5\x80", Message::Bitfield(Cow::Borrowed(b"\xa5\x80"))),
        (b"\0\0\0\x0d\x06\0\0\0\x01\0\0\x40\0\0\0\x40\0", Message::Request(at(1, 16384, 16384))),
        (b"\0\0\x40\x09\x07\0\0\0\x01\0\0\x40\0", Message::Block(at(1, 16384, 16384))),
        (b"\0\0\0\x0d\x08\0\0\0\x01\0\0\x40\0\0\0\x40\0", Message::Cancel(at(1, 16384, 16384))),
        (b"\0\0\0\x03\x09\x1a\xe1", Message::Port(6881)),
        (b"\0\0\0\x05\x0d\0\0\0\x07", Message::Suggest(PieceIndex(7))),
        (b"\0\0\0\x01\x0e", Message::HaveAll),
        (b"\0\0\0\x01\x0f", Message::HaveNone),
        (b"\0\0\0\x0d\x10\0\0\0\x01\0\0\x40\0\0\0\x40\0", Message::Reject(at(1, 16384, 16384))),
        (b"\0\0\0\x05\x11\xff\xff\xff\xff", Message::AllowedFast(PieceIndex(u32::MAX))),
        (b"\0\0\0\x04\x14\0de", Message::Extended { id: 0, body: Cow::Borrowed(b"de") }),
        (b"\0\0\0\x02\x14\x07", Message::Extended { id: 7, body: Cow::Borrowed(b"") }),
    ]
}

#[test]
fn every_message_is_written_as_its_literal() {
    for (bytes, message) in literals() {
        let mut out = Vec::new();
        message.write(&mut out);
        assert_eq!(out, bytes, "{message:?}");
    }
}

#[test]
fn every_literal_is_read_whole_and_byte_by_byte() {
    for (bytes, message) in literals() {
        let mut reader = Reader::new();
        let mut rest = bytes;
        assert_eq!(reader.next(&mut rest, &BOUNDS), Ok(Some(message.clone())));
        assert!(rest.is_empty());
        assert_eq!(reader.memory(), 0);
        let mut found = None;
        for byte in bytes.chunks(1) {
            let mut rest = byte;
            assert_eq!(found, None);
            found = reader.next(&mut rest, &BOUNDS).expect("a legal message");
        }
        assert_eq!(found, Some(message));
        assert_eq!(reader.memory(), 0);
    }
}

#[test]
fn numbers_and_lengths_that_break_a_rule_are_named() {
    let plain = Bounds { fast: false, extended_on: false, ..BOUNDS };
    let unlearnt = Bounds { bitfield: FieldLen::AtMost(3), ..BOUNDS };
    assert_eq!(shape(id::BITFIELD, 4, &unlearnt), Ok(Shape::Long));
    for (id, len, bounds, fault) in [
        (id::CHOKE, 2, BOUNDS, Fault::MessageLength),
        (id::HAVE, 4, BOUNDS, Fault::MessageLength),
        (id::REQUEST, 12, BOUNDS, Fault::MessageLength),
        (id::PORT, 5, BOUNDS, Fault::MessageLength),
        (id::BLOCK, 9, BOUNDS, Fault::MessageLength),
        (id::BLOCK, 9 + 16385, BOUNDS, Fault::BlockTooLong),
        (id::BLOCK, u32::MAX, BOUNDS, Fault::BlockTooLong),
        (id::BITFIELD, 2, BOUNDS, Fault::BitfieldLength),
        (id::BITFIELD, 4, BOUNDS, Fault::BitfieldLength),
        (id::BITFIELD, 1, unlearnt, Fault::BitfieldLength),
        (id::BITFIELD, 5, unlearnt, Fault::BitfieldLength),
        (id::EXTENDED, 1, BOUNDS, Fault::MessageLength),
        (id::EXTENDED, 102, BOUNDS, Fault::MessageTooLong),
        (99, 1001, BOUNDS, Fault::MessageTooLong),
        (id::HASHES, 50, BOUNDS, Fault::HashesNotNegotiated),
        (id::EXTENDED, 3, plain, Fault::ExtendedNotNegotiated),
        (id::SUGGEST, 5, plain, Fault::FastNotNegotiated),
        (id::HAVE_ALL, 1, plain, Fault::FastNotNegotiated),
        (id::HAVE_NONE, 1, plain, Fault::FastNotNegotiated),
        (id::REJECT, 13, plain, Fault::FastNotNegotiated),
        (id::ALLOWED_FAST, 5, plain, Fault::FastNotNegotiated),
    ] {
        assert_eq!(shape(id, len, &bounds), Err(fault), "{id} {len}");
    }
}

#[test]
fn an_unknown_message_is_passed_over_without_being_kept() {
    let mut stream = Vec::from(*b"\0\0\0\xc9\x63");
    stream.extend_from_slice(&[7; 200]);
    stream.extend_from_slice(b"\0\0\0\x01\x01");
    let mut reader = Reader::new();
    let mut found = Vec::new();
    for part in stream.chunks(9) {
        let mut rest = part;
        while let Some(message) = reader.next(&mut rest, &BOUNDS).expect("a legal message") {
            found.push(message);
        }
        assert_eq!(reader.memory(), 0);
    }
    assert_eq!(found, [Message::Unknown { id: 99, len: 200 }, Message::Unchoke]);
}

#[test]
fn what_may_be_read_before_content_never_ends_behind_the_head_of_a_block() {
    let block: &[u8] = b"\0\0\x40\x09\x07\0\0\0\x01\0\0\x40\0";
    for (before, _) in literals().into_iter().filter(|(bytes, _)| bytes[..] != *block) {
        let stream = [before, block, b"content"].concat();
        // However little comes at a time.
        for gulp in 1..=stream.len() {
            let (mut reader, mut at) = (Reader::new(), 0);
            loop {
                let end = at + reader.before_content().min(gulp);
                assert!(end <= before.len() + block.len(), "{before:?} in gulps of {gulp}");
                let mut rest = &stream[at..end];
                let mut found = None;
                while let Some(message) = reader.next(&mut rest, &BOUNDS).expect("legal messages") {
                    found = Some(message);
                }
                at = end;
                if matches!(found, Some(Message::Block(_))) {
                    break;
                }
            }
            assert_eq!(at, before.len() + block.len());
        }
    }
}
