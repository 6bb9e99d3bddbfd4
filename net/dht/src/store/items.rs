//! Items that others have put here (BEP 44).

use super::Shares;
use crate::host::Host;
use crate::id::NodeId;
use crate::item::Item;
use crate::krpc::code;
use crate::limits::Limits;
use alloc::collections::BTreeMap;
use core::net::IpAddr;
use tide_base::{Instant, Prng};

#[derive(Debug)]
struct Stored {
    item: Item,
    seen: Instant,
    /// Who brought it first, and is charged for it.
    host: Host,
}

/// Why an item is not stored: the code and text of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    pub(crate) code: i64,
    pub(crate) text: &'static str,
}

/// All items.
#[derive(Debug)]
pub(crate) struct Items {
    limits: Limits,
    map: BTreeMap<NodeId, Stored>,
    shares: Shares,
    swept: Instant,
}

impl Items {
    pub(crate) fn new(limits: Limits, now: Instant) -> Items {
        Items { limits, map: BTreeMap::new(), shares: Shares::default(), swept: now }
    }

    /// The item at `target`.
    pub(crate) fn get(&self, now: Instant, target: &NodeId) -> Option<&Item> {
        let stored = self.map.get(target)?;
        (stored.seen + self.limits.item_life > now).then_some(&stored.item)
    }

    /// Stores an item, which is known to be valid, or refreshes it.
    ///
    /// # Errors
    /// Another or a newer version stands there, or there is no room.
    pub(crate) fn put(
        &mut self,
        now: Instant,
        item: Item,
        cas: Option<i64>,
        from: IpAddr,
        own: &NodeId,
        prng: &mut Prng,
    ) -> Result<(), Refused> {
        let target = item.target();
        if let Some(stored) = self.map.get_mut(&target) {
            if let (Some(new), Some(old)) = (item.seq(), stored.item.seq()) {
                if cas.is_some_and(|cas| cas != old) {
                    return Err(Refused { code: code::CAS, text: "another version is stored" });
                }
                if new < old || (new == old && item.value != stored.item.value) {
                    return Err(Refused { code: code::SEQUENCE, text: "a newer version is stored" });
                }
            }
            (stored.item, stored.seen) = (item, now);
            return Ok(());
        }
        let host = Host::of(from);
        if self.shares.of(host) >= self.limits.items_per_host {
            return Err(Refused { code: code::SERVER, text: "too many items of yours" });
        }
        if self.map.len() >= self.limits.items && !self.make_room(own, &target, prng) {
            return Err(Refused { code: code::SERVER, text: "no room" });
        }
        self.shares.add(host);
        self.map.insert(target, Stored { item, seen: now, host });
        Ok(())
    }

    /// Drops the item farthest from us among a few neighbours in a random place, if it is farther than `target`.
    fn make_room(&mut self, own: &NodeId, target: &NodeId, prng: &mut Prng) -> bool {
        let from = NodeId::random(prng);
        let near = self.map.range(from..).chain(self.map.iter()).take(8);
        let farthest = near.map(|(at, _)| *at).max_by_key(|at| own.distance(at));
        let Some(farthest) = farthest else { return false };
        if own.distance(&farthest) <= own.distance(target) {
            return false;
        }
        if let Some(gone) = self.map.remove(&farthest) {
            self.shares.sub(gone.host);
        }
        true
    }

    /// Forgets what was not put again.
    pub(crate) fn expire(&mut self, now: Instant) {
        if now.since(self.swept) < self.limits.item_life / 8 {
            return;
        }
        self.swept = now;
        let (life, shares) = (self.limits.item_life, &mut self.shares);
        self.map.retain(|_, stored| {
            let stays = stored.seen + life > now;
            if !stays {
                shares.sub(stored.host);
            }
            stays
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// Bytes of memory that its contents take, about.
    pub(crate) fn memory(&self) -> usize {
        let values = self.map.values().map(|stored| {
            stored.item.value.len() + stored.item.signed.as_ref().map_or(0, |signed| signed.salt.len())
        });
        values.sum::<usize>()
            + self.map.len() * 2 * size_of::<(NodeId, Stored)>()
            + self.shares.0.len() * 2 * size_of::<(Host, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Signed;
    use alloc::format;

    const OWN: NodeId = NodeId([0; 20]);

    fn mutable(seq: i64, value: &str) -> Item {
        let signed = Signed { key: [1; 32], salt: [].into(), seq, signature: [0; 64] };
        Item { value: value.as_bytes().into(), signed: Some(signed) }
    }

    fn put(items: &mut Items, item: Item, cas: Option<i64>) -> Result<(), i64> {
        let done = items.put(Instant::ZERO, item, cas, [5, 5, 5, 5].into(), &OWN, &mut Prng::new(1));
        done.map_err(|refused| refused.code)
    }

    #[test]
    fn versions_only_rise_and_cas_must_match() {
        let mut items = Items::new(Limits::default(), Instant::ZERO);
        assert_eq!(put(&mut items, mutable(5, "i5e"), Some(99)), Ok(()), "nothing there: cas is ignored");
        assert_eq!(put(&mut items, mutable(4, "i4e"), None), Err(code::SEQUENCE));
        assert_eq!(put(&mut items, mutable(5, "i6e"), None), Err(code::SEQUENCE));
        assert_eq!(put(&mut items, mutable(5, "i5e"), None), Ok(()), "put again");
        assert_eq!(put(&mut items, mutable(6, "i6e"), Some(4)), Err(code::CAS));
        assert_eq!(put(&mut items, mutable(6, "i6e"), Some(5)), Ok(()));
        let target = mutable(0, "").target();
        assert_eq!(items.get(Instant::ZERO, &target), Some(&mutable(6, "i6e")));
    }

    #[test]
    fn a_host_has_its_share_and_all_together_theirs() {
        let limits = Limits { items: 20, items_per_host: 5, ..Limits::default() };
        let mut items = Items::new(limits, Instant::ZERO);
        let mut prng = Prng::new(1);
        let mut taken = 0;
        for n in 0..200u32 {
            let item = Item::immutable(format!("i{n}e").as_bytes()).expect("an item");
            let from = IpAddr::from([6, 6, 6, (n / 20) as u8]);
            taken += usize::from(items.put(Instant::ZERO, item, None, from, &OWN, &mut prng).is_ok());
            assert!(items.len() <= 20);
        }
        assert!(taken > 20 && taken <= 200, "{taken}");
        assert_eq!(items.shares.0.values().sum::<usize>(), items.len());
    }

    #[test]
    fn a_full_store_weighs_what_is_stated() {
        let mut items = Items::new(Limits::default(), Instant::ZERO);
        let mut prng = Prng::new(1);
        for n in 0..2000u32 {
            let value = format!("996:{n:0>996}");
            let item = Item::immutable(value.as_bytes()).expect("an item");
            let _ = items.put(Instant::ZERO, item, None, n.to_be_bytes().into(), &OWN, &mut prng);
        }
        assert_eq!(items.len(), Limits::default().items);
        assert!(items.memory() < 3 << 19, "{}", items.memory());
    }

    #[test]
    fn what_is_not_put_again_is_forgotten() {
        let mut items = Items::new(Limits::default(), Instant::ZERO);
        put(&mut items, mutable(1, "i1e"), None).expect("room");
        let later = Instant::ZERO + Limits::default().item_life;
        assert_eq!(items.get(later, &mutable(1, "").target()), None);
        items.expire(later);
        assert_eq!((items.len(), items.shares.0.len()), (0, 0));
    }
}
