//! Every implementation that this CPU has, against the standard's vectors and the `sha1` crate.

use proptest::prelude::*;

use crate::{Hasher, Message, Sha1Stream, sha1};

fn hex(digest: [u8; 20]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the `sha1` crate says.
fn oracle(parts: &[&[u8]]) -> [u8; 20] {
    <::sha1::Sha1 as ::sha1::Digest>::digest(parts.concat()).into()
}

/// Hashes with every implementation; all must agree with the oracle.
fn check(messages: &[Vec<&[u8]>]) {
    let expected: Vec<_> = messages.iter().map(|parts| oracle(parts)).collect();
    let messages: Vec<_> = messages.iter().map(|parts| Message { parts }).collect();
    for hasher in Hasher::available() {
        let mut out = vec![[0; 20]; messages.len()];
        hasher.sha1_batch(&messages, &mut out);
        assert_eq!(out, expected, "{}", hasher.name());
    }
}

/// Bytes that differ from message to message and from block to block.
fn bytes(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31 + seed * 97) ^ (i >> 6)) as u8).collect()
}

const VECTORS: [(&str, usize, &str); 5] = [
    ("", 1, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
    ("abc", 1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
    (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        1,
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
    ),
    ("a", 1_000_000, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
    (
        "0123456701234567012345670123456701234567012345670123456701234567",
        10,
        "dea356a2cddd90c7a7ecedc5ebb563934f460452",
    ),
];

#[test]
fn the_standard_vectors() {
    let texts: Vec<_> = VECTORS.iter().map(|(text, times, _)| text.repeat(*times)).collect();
    for (text, (_, _, digest)) in texts.iter().zip(VECTORS) {
        assert_eq!(hex(sha1(&[text.as_bytes()])), digest);
    }
    check(&texts.iter().map(|text| vec![text.as_bytes()]).collect::<Vec<_>>());
    for hasher in Hasher::available() {
        for count in 1..=17 {
            let mut out = vec![[0; 20]; count];
            hasher.sha1_batch(&vec![Message { parts: &[b"abc"] }; count], &mut out);
            assert!(out.into_iter().all(|out| hex(out) == VECTORS[1].2), "{} × {count}", hasher.name());
        }
    }
}

#[test]
fn every_length_around_the_padding() {
    let data: Vec<_> = (0..=2 * 64 + 1).map(|len| bytes(len, len)).collect();
    check(&data.iter().map(|message| vec![&message[..]]).collect::<Vec<_>>());
}

#[test]
fn every_cut_of_a_message_in_two() {
    let data = bytes(7, 3 * 64 + 5);
    let cut: Vec<_> = (0..=data.len()).map(|at| vec![&data[..at], &data[at..]]).collect();
    check(&cut);
}

#[test]
fn pieces_of_blocks_with_a_short_last_one() {
    for count in [1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 33] {
        let data: Vec<_> =
            (0..count).map(|i| bytes(i, if i + 1 == count { 9_999 } else { 4 * 4096 })).collect();
        check(&data.iter().map(|piece| piece.chunks(4096).collect()).collect::<Vec<_>>());
    }
}

#[test]
fn no_part_and_empty_parts_are_the_empty_message() {
    check(&[vec![], vec![&[]], vec![&[], &[]], vec![&[], b"abc", &[]]]);
    check(&[]);
}

#[test]
#[should_panic(expected = "a place for each digest")]
fn too_few_places_are_refused() {
    Hasher::detect().sha1_batch(&[Message { parts: &[] }; 2], &mut [[0; 20]]);
}

#[test]
fn implementations_are_distinct_and_the_best_comes_last() {
    let all = Hasher::available();
    assert_eq!(all[0].name(), "portable");
    assert_eq!(all[0].lanes(), 1);
    assert_eq!(all[all.len() - 1].name(), Hasher::detect().name());
    let mut names: Vec<_> = all.iter().map(Hasher::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|hasher| hasher.lanes() <= crate::states::LANES));
}

#[test]
fn a_stream_can_be_left_and_taken_up_again() {
    fn sendable<T: Send + 'static>(it: T) -> T {
        it
    }
    let data = bytes(3, 1000);
    let mut stream = Sha1Stream::new();
    for (from, to) in [(0, 1), (1, 64), (64, 64), (64, 700)] {
        stream.update(&data[from..to]);
    }
    let mut other = sendable(stream.clone());
    other.update(&data[700..]);
    assert_eq!(other.finish(), oracle(&[&data]));
    assert_eq!(stream.finish(), oracle(&[&data[..700]]));
}

/// A message, and the places where it is cut into slices.
fn message() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    let len = prop_oneof![0..=5 * 64_usize, (0..=5_usize).prop_map(|blocks| blocks * 64), 0..=3000_usize];
    len.prop_flat_map(|len| {
        let cut = prop_oneof![0..=len, (0..=len / 64).prop_map(|block| block * 64)];
        (proptest::collection::vec(any::<u8>(), len), proptest::collection::vec(cut, 0..6))
    })
}

/// The message as slices.
fn slices<'a>(message: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts = cuts.to_vec();
    cuts.sort_unstable();
    let starts = [0].into_iter().chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([message.len()]);
    starts.zip(ends).map(|(from, to)| &message[from..to]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn all_implementations_agree(messages in proptest::collection::vec(message(), 0..=17)) {
        check(&messages.iter().map(|(bytes, cuts)| slices(bytes, cuts)).collect::<Vec<_>>());
    }

    #[test]
    fn one_message_agrees((bytes, cuts) in message()) {
        let parts = slices(&bytes, &cuts);
        prop_assert_eq!(sha1(&parts), oracle(&parts));
    }
}
