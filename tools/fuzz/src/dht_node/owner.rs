//! What the owner of the node asks for.

use super::host;
use super::watch::Watch;
use crate::script::Bytes;
use tide_base::{InfoHash, Instant};
use tide_dht::{Announce, Item, Node, NodeId, Port, QueryId, Reach, Wanted};

/// One thing that an owner may do: a kind, a number that names it and its target, a host.
pub(super) fn ask(node: &mut Node, watch: &mut Watch, now: Instant, mut bytes: Bytes<'_>) {
    let (kind, number, at) = (bytes.byte(), bytes.byte(), host(bytes.byte()));
    let id = QueryId(u64::from(number % 16));
    let info_hash = InfoHash([number; 20]);
    let target = NodeId([number; 20]);
    let announce = Announce::at(Port::Named(6881), number.is_multiple_of(2));
    let begun = match kind {
        b'p' => node.get_peers(id, info_hash, None),
        b'P' => node.get_peers(id, info_hash, Some(announce)),
        b's' => node.scrape(id, info_hash),
        b'g' => node.get(id, Wanted::Immutable(target)),
        b'm' => node.get(
            id,
            Wanted::Mutable { key: [number; 32], salt: Box::from(&b"salt"[..]), newer_than: Some(3) },
        ),
        b'i' => {
            let value = tide_bencode::encode(|value| value.int(i64::from(number)));
            node.put(id, Item::immutable(&value).expect("a number is a value"), Some(1))
        }
        b'?' => node.ping(now, id, at),
        b'x' => node.sample(now, id, at, target),
        b'a' => {
            if node.announce(id, info_hash, announce).is_ok() {
                watch.stands(id);
            }
            return;
        }
        b'A' => {
            node.announce_as(id, announce);
            return;
        }
        b'c' => return node.cancel(id),
        b'n' => return node.add_node(now, at),
        b'R' => return node.add_router(now, at),
        b'o' => return node.set_reach(if number.is_multiple_of(2) { Reach::Open } else { Reach::ReadOnly }),
        _ => return,
    };
    if begun.is_ok() {
        watch.begins(id);
    }
}
