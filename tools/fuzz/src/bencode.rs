//! Bencoding: any bytes, and what is read of them written again.

use crate::Target;
use tide_bencode::{Kind, Limits, One, Value, decode, decode_prefix, encode};

pub(crate) const TARGET: Target = Target {
    name: "bencode",
    run,
    input_max: 1 << 13,
    memory: 4 << 10,
    // A token a byte (`lelele`), 16 bytes each and half as much again while the table grows; and what is written.
    memory_per_byte: 56,
};

const LIMITS: Limits = Limits { depth: 60, tokens: 1 << 16, bytes: 1 << 16 };

fn run(data: &[u8]) {
    let Ok((document, len)) = decode_prefix(data, LIMITS) else {
        assert!(decode(data, LIMITS).is_err());
        return;
    };
    assert!(len <= data.len() && document.len() == len);
    assert_eq!(decode(data, LIMITS).is_ok(), len == data.len(), "only exactly one value is a document");
    let root = document.root();
    assert_eq!(root.raw(), &data[..len]);
    let mut keeps = true;
    let written = encode(|one| write(one, root, &mut keeps));
    let again = decode(&written, LIMITS).expect("what the writer writes can be read");
    assert!(again.root().is_canonical(), "{:?}", again.root());
    // Numbers that do not fit 64 bits are written as they were, and repeated keys once.
    assert_eq!(keeps && written == root.raw(), root.is_canonical(), "{root:?} became {:?}", again.root());
}

/// Writes a value anew, keys in order and each once.
fn write(one: One<'_>, value: Value<'_, '_>, keeps: &mut bool) {
    match value.kind() {
        Kind::Int => match value.as_int() {
            Some(int) => one.int(int),
            None if value.is_canonical() => one.value(value),
            None => {
                *keeps = false;
                one.int(0);
            }
        },
        Kind::Bytes => one.bytes(value.as_bytes().expect("a string has content")),
        Kind::List => one.list(|list| {
            value.as_list().expect("a list").for_each(|value| write(list.item(), value, keeps));
        }),
        Kind::Dict => {
            let mut entries: Vec<_> = value.as_dict().expect("a dictionary").collect();
            let found = entries.len();
            entries.sort_by_key(|(key, _)| *key);
            entries.dedup_by_key(|(key, _)| *key);
            *keeps &= entries.len() == found;
            for (key, first) in &entries {
                assert_eq!(
                    value.get(key).map(Value::offset),
                    Some(first.offset()),
                    "the first of a key counts"
                );
            }
            one.dict(|dict| entries.iter().for_each(|(key, value)| write(dict.entry(key), *value, keeps)));
        }
    }
}
