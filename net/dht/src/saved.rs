//! What a node remembers between two runs: ids and nodes, bencoded.

use crate::id::{Contact, NodeId};
use crate::limits::{SAVED_BYTES_MAX, SAVED_MAX};
use alloc::vec::Vec;
use core::fmt;
use tide_base::addr;
use tide_base::addr::Family;
use tide_bencode::{Limits, Value, decode, encode};

/// A node's state as plain data.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Saved {
    /// The ids in the IPv4 and in the IPv6 network.
    pub ids: [Option<NodeId>; 2],
    /// Nodes of both families that were well.
    pub nodes: Vec<Contact>,
}

/// Bytes that are no saved state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotSaved;

impl fmt::Display for NotSaved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a saved DHT state must be a bencoded dictionary of at most 64 KiB")
    }
}

impl core::error::Error for NotSaved {}

impl Saved {
    /// Its bytes, for a file.
    pub fn encode(&self) -> Vec<u8> {
        let compact = |family: Family| {
            let mut out = Vec::new();
            let nodes = self.nodes.iter().filter(|node| Family::of(node.addr.ip()) == family);
            nodes.take(SAVED_MAX).for_each(|node| node.write_compact(&mut out));
            out
        };
        encode(|v| {
            v.dict(|d| {
                for (key, id) in [b"id4", b"id6"].iter().zip(self.ids) {
                    if let Some(id) = id {
                        d.bytes(*key, &id.0);
                    }
                }
                d.bytes(b"nodes", &compact(Family::V4));
                d.bytes(b"nodes6", &compact(Family::V6));
            });
        })
    }

    /// Reads such bytes. What is in them is believed no more than what a stranger says: nodes must answer before they
    /// count.
    ///
    /// # Errors
    /// [`NotSaved`].
    pub fn decode(bytes: &[u8]) -> Result<Saved, NotSaved> {
        if bytes.len() > SAVED_BYTES_MAX {
            return Err(NotSaved);
        }
        let document = decode(bytes, Limits::DATAGRAM).map_err(|_| NotSaved)?;
        let root = document.root();
        root.as_dict().ok_or(NotSaved)?;
        let bytes = |key: &[u8]| root.get(key).and_then(Value::as_bytes).unwrap_or_default();
        let id = |key: &[u8]| bytes(key).try_into().ok().map(NodeId);
        let is_good = |node: &Contact| !addr::is_bogus(node.addr);
        let v4 = Contact::compact_v4(bytes(b"nodes")).filter(is_good).take(SAVED_MAX);
        let v6 = Contact::compact_v6(bytes(b"nodes6"));
        let v6 = v6.filter(is_good).filter(|node| node.addr.is_ipv6()).take(SAVED_MAX);
        Ok(Saved { ids: [id(b"id4"), id(b"id6")], nodes: v4.chain(v6).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_goes_both_ways_within_bounds() {
        let node = |n: u32, v6: bool| {
            let addr = if v6 {
                alloc::format!("[2001:db9::{n:x}]:7")
            } else {
                alloc::format!("9.8.{}.{}:7", n / 256, n % 256)
            };
            Contact { id: NodeId([n as u8; 20]), addr: addr.parse().expect("an address") }
        };
        let nodes = (1..5).map(|n| node(n, false)).chain((1..5).map(|n| node(n, true))).collect();
        let saved = Saved { ids: [Some(NodeId([1; 20])), None], nodes };
        assert_eq!(Saved::decode(&saved.encode()), Ok(saved));
        let many = Saved { nodes: (1..2000).map(|n| node(n, false)).collect(), ..Saved::default() };
        assert_eq!(Saved::decode(&many.encode()).map(|saved| saved.nodes.len()), Ok(SAVED_MAX));
        assert_eq!(Saved::decode(b"de"), Ok(Saved::default()));
        assert_eq!(Saved::decode(&[b'x'; SAVED_BYTES_MAX + 1]), Err(NotSaved));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Saved::decode(&bytes);
        }
    }
}
