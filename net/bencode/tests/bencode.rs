//! The reader and the writer from outside: literals, hostile input, and properties over random documents.

use proptest::prelude::*;
use tide_bencode::{
    Dict, Error, Kind, Limits, List, Oddity, One, Rule, Value, decode, decode_prefix, encode, encode_into,
};

const LIMITS: Limits = Limits { depth: 100, tokens: 1000, bytes: 1 << 20 };

#[test]
fn values_are_read_as_what_they_are() {
    let document = decode(b"d1:ai-7e1:bli0e3:onee1:cdee", LIMITS).unwrap();
    let root = document.root();
    assert_eq!(root.kind(), Kind::Dict);
    assert_eq!(root.get(b"a").unwrap().as_int(), Some(-7));
    assert_eq!(root.get(b"a").unwrap().as_u64(), None);
    let list: Vec<_> = root.get(b"b").unwrap().as_list().unwrap().collect();
    assert_eq!(list[0].as_u64(), Some(0));
    assert_eq!(list[1].as_str(), Some("one"));
    assert_eq!(root.get(b"b").unwrap().raw(), b"li0e3:onee");
    assert_eq!(root.get(b"b").unwrap().offset(), 11);
    assert_eq!(root.get(b"c").unwrap().as_dict().unwrap().count(), 0);
    assert!(root.get(b"d").is_none() && list[1].get(b"x").is_none());
    assert!(list[0].as_bytes().is_none() && list[1].as_int().is_none() && root.as_list().is_none());
    assert_eq!(document.len(), 27);
}

#[test]
fn strings_outlive_the_table() {
    let bytes = b"3:one".to_vec();
    let text = decode(&bytes, LIMITS).unwrap().root().as_str().unwrap();
    assert_eq!(text, "one");
}

#[test]
fn a_broken_rule_is_named_with_its_place() {
    let cases: &[(&[u8], Rule, usize)] = &[
        (b"", Rule::Unfinished, 0),
        (b"e", Rule::ValueExpected, 0),
        (b"x", Rule::ValueExpected, 0),
        (b"-1:", Rule::ValueExpected, 0),
        (b"l", Rule::Unfinished, 1),
        (b"lx", Rule::ValueExpected, 1),
        (b"d", Rule::Unfinished, 1),
        (b"di1ei2ee", Rule::KeyExpected, 1),
        (b"dlei2ee", Rule::KeyExpected, 1),
        (b"d1:ae", Rule::ValueMissing, 4),
        (b"d1:ai1e1:be", Rule::ValueMissing, 10),
        (b"ie", Rule::Digits, 1),
        (b"i-e", Rule::Digits, 2),
        (b"i--1e", Rule::Digits, 2),
        (b"i+1e", Rule::Digits, 1),
        (b"i1.5e", Rule::Digits, 2),
        (b"i12", Rule::Unfinished, 3),
        (b"i", Rule::Unfinished, 1),
        (b"3", Rule::Unfinished, 1),
        (b"3x", Rule::Colon, 1),
        (b"4:abc", Rule::StringLength, 0),
        (b"l4294967295:abce", Rule::StringLength, 1),
        (b"9999999999:", Rule::StringLength, 0),
        (b"99999999999999999999:", Rule::LengthDigits, 0),
        (b"00000000003:abc", Rule::LengthDigits, 0),
        (b"i1ei2e", Rule::Trailing, 3),
        (b"le\n", Rule::Trailing, 2),
    ];
    for &(bytes, rule, at) in cases {
        let found = decode(bytes, LIMITS).unwrap_err();
        assert_eq!(found, Error { rule, at }, "{}", bytes.escape_ascii());
    }
    let said = decode(b"i1ei2e", LIMITS).unwrap_err().to_string();
    assert_eq!(said, "bencoding: there are bytes behind the value (byte 3)");
}

#[test]
fn numbers_of_any_size_are_read_and_given_out_if_they_fit() {
    let int = |text: &str| decode(text.as_bytes(), LIMITS).unwrap().root().as_int();
    assert_eq!(int("i9223372036854775807e"), Some(i64::MAX));
    assert_eq!(int("i-9223372036854775808e"), Some(i64::MIN));
    assert_eq!(int("i9223372036854775808e"), None);
    assert_eq!(int("i-9223372036854775809e"), None);
    assert_eq!(int("i99999999999999999999999999999999e"), None);
    assert_eq!(int("i-0e"), Some(0));
    assert_eq!(int("i007e"), Some(7));
}

#[test]
fn limits_hold_at_their_values() {
    let deep = |n: usize| [vec![b'l'; n], vec![b'e'; n]].concat();
    assert!(decode(&deep(100), LIMITS).is_ok());
    assert_eq!(decode(&deep(101), LIMITS).unwrap_err(), Error { rule: Rule::Depth, at: 100 });
    let wide = |n: usize| [&b"l"[..], &b"0:".repeat(n), b"e"].concat();
    assert!(decode(&wide(999), LIMITS).is_ok());
    assert_eq!(decode(&wide(1000), LIMITS).unwrap_err().rule, Rule::Tokens);
    let tight = Limits { bytes: 3, ..LIMITS };
    assert!(decode(b"1:a", tight).is_ok());
    assert_eq!(decode(b"2:ab", tight).unwrap_err().rule, Rule::Bytes);
    assert_eq!(decode(b"2:ab", Limits { tokens: 0, ..LIMITS }).unwrap_err().rule, Rule::Tokens);
}

#[test]
fn depth_bombs_neither_overflow_the_stack_nor_the_table() {
    let unlimited = Limits { depth: u32::MAX, tokens: u32::MAX, bytes: u32::MAX };
    for opening in [&b"l"[..], b"d1:a"] {
        let bomb = opening.repeat(1_000_000);
        assert_eq!(decode(&bomb, unlimited).unwrap_err().rule, Rule::Unfinished);
        let closed = [&bomb[..], b"i1e", &vec![b'e'; 1_000_000]].concat();
        let document = decode(&closed, unlimited).unwrap();
        assert!(document.root().is_canonical());
        assert_eq!(document.root().raw().len(), closed.len());
    }
}

#[test]
fn what_is_not_canonical_is_read_and_reported() {
    let cases: &[(&[u8], Oddity)] = &[
        (b"i-0e", Oddity::NegativeZero),
        (b"i00e", Oddity::LeadingZero),
        (b"i-01e", Oddity::LeadingZero),
        (b"03:abc", Oddity::LeadingZero),
        (b"00:", Oddity::LeadingZero),
        (b"d1:bi1e1:ai2ee", Oddity::UnsortedKeys),
        (b"d2:aai1e1:ai2ee", Oddity::UnsortedKeys),
        (b"d1:ai1e1:ai2ee", Oddity::RepeatedKey),
        (b"ld1:ad1:xi1e1:xi2eeee", Oddity::RepeatedKey),
    ];
    for &(bytes, oddity) in cases {
        let document = decode(bytes, LIMITS).unwrap();
        assert_eq!(document.root().oddity(), Some(oddity), "{}", bytes.escape_ascii());
    }
    let document = decode(b"d1:ai1e1:ai2e1:bli0e0:i-1eee", LIMITS).unwrap();
    assert_eq!(document.root().get(b"a").unwrap().as_int(), Some(1), "the first one counts");
    assert!(document.root().get(b"b").unwrap().is_canonical(), "each value answers for itself");
}

#[test]
fn a_prefix_leaves_what_follows_it() {
    let bytes = b"d8:msg_typei1eexxxx";
    let (document, len) = decode_prefix(bytes, LIMITS).unwrap();
    assert_eq!((document.root().raw(), &bytes[len..]), (&b"d8:msg_typei1ee"[..], &b"xxxx"[..]));
    assert!(decode_prefix(b"d8:msg_typei1e", LIMITS).is_err());
}

#[test]
fn the_writer_writes_the_canonical_form() {
    let mut out = b"x".to_vec();
    encode_into(&mut out, |v| {
        v.dict(|d| {
            d.int(b"a", i64::MIN);
            d.list(b"aa", |l| {
                l.int(0);
                l.bytes(b"");
                l.list(|_| ());
                l.dict(|d| d.entry(b"").raw(b"i007e"));
            });
            d.dict(b"b", |d| d.bytes(b"k", b"v"));
        });
    });
    assert_eq!(out, b"xd1:ai-9223372036854775808e2:aali0e0:led0:i007eee1:bd1:k1:vee");
}

#[test]
#[should_panic(expected = "key `a` may not follow `b`")]
fn the_writer_insists_on_ascending_keys() {
    encode(|v| {
        v.dict(|d| {
            d.int(b"b", 1);
            d.int(b"a", 1);
        })
    });
}

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Tree>),
    Dict(std::collections::BTreeMap<Vec<u8>, Tree>),
}

fn tree() -> impl Strategy<Value = Tree> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..12);
    let leaf = prop_oneof![any::<i64>().prop_map(Tree::Int), bytes().prop_map(Tree::Bytes)];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::List),
            prop::collection::btree_map(bytes(), inner, 0..6).prop_map(Tree::Dict),
        ]
    })
}

fn write(tree: &Tree, place: One<'_>) {
    match tree {
        Tree::Int(int) => place.int(*int),
        Tree::Bytes(bytes) => place.bytes(bytes),
        Tree::List(items) => {
            place.list(|l: &mut List<'_>| items.iter().for_each(|item| write(item, l.item())));
        }
        Tree::Dict(map) => {
            place.dict(|d: &mut Dict<'_>| map.iter().for_each(|(key, item)| write(item, d.entry(key))));
        }
    }
}

fn read(value: Value<'_, '_>) -> Tree {
    match value.kind() {
        Kind::Int => Tree::Int(value.as_int().expect("it fits")),
        Kind::Bytes => Tree::Bytes(value.as_bytes().expect("its kind").to_vec()),
        Kind::List => Tree::List(value.as_list().expect("its kind").map(read).collect()),
        Kind::Dict => {
            Tree::Dict(value.as_dict().expect("its kind").map(|(k, v)| (k.to_vec(), read(v))).collect())
        }
    }
}

/// Touches everything that a reader offers.
fn walk(value: Value<'_, '_>) -> usize {
    let _ = (value.as_int(), value.as_u64(), value.as_str(), value.oddity(), value.get(b"a"));
    let inner: usize = value.as_list().map_or(0, |list| list.map(walk).sum())
        + value.as_dict().map_or(0, |dict| dict.map(|(_, value)| walk(value)).sum());
    inner + value.raw().len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(tree in tree(), tail in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut bytes = encode(|place| write(&tree, place));
        let document = decode(&bytes, LIMITS).unwrap();
        prop_assert!(document.root().is_canonical());
        prop_assert_eq!(&read(document.root()), &tree);
        let again = encode(|place| place.value(document.root()));
        prop_assert_eq!(&again, &bytes);
        let len = bytes.len();
        bytes.extend(&tail);
        prop_assert_eq!(decode_prefix(&bytes, LIMITS).unwrap().1, len);
    }

    #[test]
    fn every_cut_is_an_error(tree in tree(), cut in any::<prop::sample::Index>()) {
        let bytes = encode(|place| write(&tree, place));
        prop_assert!(decode(&bytes[..cut.index(bytes.len())], LIMITS).is_err());
    }

    #[test]
    fn changed_bytes_are_read_or_refused(
        tree in tree(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encode(|place| write(&tree, place));
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(document) = decode(&bytes, LIMITS) {
            prop_assert!(walk(document.root()) >= bytes.len());
        }
    }

    #[test]
    fn likely_bytes_are_read_or_refused(bytes in prop::collection::vec(prop::sample::select(&b"idle0123:-a"[..]), 0..80)) {
        if let Ok((document, len)) = decode_prefix(&bytes, LIMITS) {
            prop_assert!(len <= bytes.len());
            prop_assert!(walk(document.root()) >= len);
            // Longer ones might hold a number that does not fit.
            if len < 22 && document.root().is_canonical() {
                let again = encode(|place| write(&read(document.root()), place));
                prop_assert_eq!(&again[..], &bytes[..len]);
            }
        }
    }
}
