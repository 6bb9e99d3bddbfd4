//! One query that needs lookups, from its start to its end.

use crate::event::{Effort, QueryId, Swarm};
use crate::id::NodeId;
use crate::item::{self, Item, PublicKey, Signed, Verify};
use crate::krpc::{Ask, Filters, Port, PutSigned, Reply};
use crate::limits::SCRAPE_HOSTS_MAX;
use crate::lookup::{Lookup, Place};
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use tide_base::addr::Family;
use tide_base::{InfoHash, Instant};

/// How we want to be known as a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    /// Under which port, over IPv4 and over IPv6.
    pub ports: [Port; 2],
    /// Whether we have all of the torrent (BEP 33).
    pub is_seed: bool,
}

impl Announce {
    /// The same port over both families.
    pub fn at(port: Port, is_seed: bool) -> Announce {
        Announce { ports: [port; 2], is_seed }
    }
}

/// Which item is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The immutable one of this digest.
    Immutable(NodeId),
    /// The newest version of a mutable one.
    Mutable {
        /// Whose.
        key: PublicKey,
        /// Which of the owner's.
        salt: Box<[u8]>,
        /// Only if it is newer than this version.
        newer_than: Option<i64>,
    },
}

/// What a quest is for.
#[derive(Clone, Debug)]
pub(super) enum Goal {
    /// The closest nodes: of ourselves, to get into a network, or of a quiet place in the table.
    Nodes(NodeId, Family, Joining),
    /// A torrent's peers.
    Peers { info_hash: InfoHash, announce: Option<Announce>, scrape: bool },
    /// An item.
    Get(Wanted),
    /// A place for an item.
    Put { item: Box<Item>, cas: Option<i64> },
}

/// Whether a lookup of nodes is the one that gets us into a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Joining {
    Yes,
    No,
}

impl Goal {
    pub(super) fn target(&self) -> NodeId {
        match self {
            Goal::Nodes(target, ..) => *target,
            Goal::Peers { info_hash, .. } => NodeId::from(*info_hash),
            Goal::Get(Wanted::Immutable(target)) => *target,
            Goal::Get(Wanted::Mutable { key, salt, .. }) => item::mutable_target(key, salt),
            Goal::Put { item, .. } => item.target(),
        }
    }

    /// Whether it looks in this family.
    pub(super) fn is_in(&self, family: Family) -> bool {
        !matches!(self, Goal::Nodes(_, only, _) if *only != family)
    }

    /// The question that its lookups ask.
    pub(super) fn ask(&self) -> Ask<'static> {
        match self {
            Goal::Nodes(target, ..) => Ask::FindNode { target: *target },
            Goal::Peers { info_hash, announce, scrape } => Ask::GetPeers {
                info_hash: *info_hash,
                no_seeds: announce.is_some_and(|announce| announce.is_seed),
                scrape: *scrape,
            },
            Goal::Get(Wanted::Mutable { newer_than, .. }) => {
                Ask::Get { target: self.target(), newer_than: *newer_than }
            }
            Goal::Get(_) | Goal::Put { .. } => Ask::Get { target: self.target(), newer_than: None },
        }
    }

    /// Whether something is stored with the closest nodes once they are known.
    fn stores(&self) -> bool {
        matches!(self, Goal::Peers { announce: Some(_), .. } | Goal::Put { .. })
    }
}

/// What an answer brought.
pub(super) enum News {
    None,
    Peers(Vec<SocketAddr>),
    Item(Item),
}

/// Who shares a torrent, as far as a scrape has heard (BEP 33).
#[derive(Debug, Default)]
struct Count {
    filters: Filters,
    /// Of answers without filters: seeds or not, only all filters together can tell.
    unsaid: BTreeSet<IpAddr>,
}

impl Count {
    /// Takes an answer: its filters if it has some, or else its peers.
    fn take(&mut self, filters: Option<&Filters>, peers: &[SocketAddr]) {
        let Some(filters) = filters else {
            let room = SCRAPE_HOSTS_MAX - self.unsaid.len();
            // At most as many as there is room for, though some of them may be here already: there will be others.
            return self.unsaid.extend(peers.iter().map(SocketAddr::ip).take(room));
        };
        self.filters.seeds.merge(&filters.seeds);
        self.filters.peers.merge(&filters.peers);
    }

    /// About how many there are. Whoever is somewhere known for a seed is none of the others.
    fn swarm(&self) -> Swarm {
        let Filters { seeds, mut peers } = self.filters.clone();
        self.unsaid.iter().filter(|ip| !seeds.has(**ip)).for_each(|ip| peers.insert(*ip));
        Swarm { seeds: seeds.estimate(), peers: peers.estimate() }
    }
}

/// One query under way.
#[derive(Debug)]
pub(super) struct Quest {
    pub(super) goal: Goal,
    /// The owner's name for it; none for the node's own ones.
    pub(super) name: Option<QueryId>,
    pub(super) lookups: [Option<Lookup>; 2],
    began: Instant,
    /// Whether the lookups are over, and the closest are being told.
    is_storing: bool,
    /// Who is still to be told.
    stores: VecDeque<Place>,
    /// Stores under way.
    pub(super) pending: usize,
    /// Nodes that took what was to be stored.
    pub(super) stored: usize,
    /// The last refusal's code.
    pub(super) refused: Option<i64>,
    peers: BTreeSet<SocketAddr>,
    count: Option<Box<Count>>,
    pub(super) item: Option<Item>,
    /// Who has a version of the item that is to be put: only there `cas` makes sense.
    holders: BTreeSet<SocketAddr>,
}

impl Quest {
    pub(super) fn new(goal: Goal, name: Option<QueryId>, now: Instant) -> Quest {
        let count = matches!(goal, Goal::Peers { scrape: true, .. }).then(Box::default);
        Quest {
            goal,
            name,
            lookups: [None, None],
            began: now,
            is_storing: false,
            stores: VecDeque::new(),
            pending: 0,
            stored: 0,
            refused: None,
            peers: BTreeSet::new(),
            count,
            item: None,
            holders: BTreeSet::new(),
        }
    }

    pub(super) fn lookup(&mut self, family: Family) -> Option<&mut Lookup> {
        self.lookups[family as usize].as_mut()
    }

    fn is_found(&self) -> bool {
        // Of an immutable item there is only one version.
        matches!(self.goal, Goal::Get(Wanted::Immutable(_))) && self.item.is_some()
    }

    /// Goes on to telling the closest when the lookups are over. Returns whether there is nothing left to do.
    pub(super) fn advance(&mut self) -> bool {
        if self.is_found() {
            return true;
        }
        if !self.is_storing && self.lookups.iter().flatten().all(Lookup::is_done) {
            self.is_storing = true;
            if self.goal.stores() {
                self.stores = self.lookups.iter().flatten().flat_map(Lookup::places).collect();
            }
        }
        self.is_storing && self.stores.is_empty() && self.pending == 0
    }

    /// Whom to ask next, and in which family.
    pub(super) fn next_ask(&mut self) -> Option<(SocketAddr, Family)> {
        if self.is_storing {
            return None;
        }
        let mut lookups = Family::ALL.into_iter().zip(&mut self.lookups);
        lookups.find_map(|(family, lookup)| Some((lookup.as_mut()?.next()?, family)))
    }

    /// Whom to tell next.
    pub(super) fn next_store(&mut self) -> Option<Place> {
        let place = self.stores.pop_front()?;
        self.pending += 1;
        Some(place)
    }

    /// Whether there is something to send now.
    pub(super) fn is_ready(&self) -> bool {
        !self.stores.is_empty() || (!self.is_storing && self.lookups.iter().flatten().any(Lookup::is_ready))
    }

    /// What to tell the node at `place`.
    pub(super) fn store<'q>(&'q self, place: &'q Place) -> Option<Ask<'q>> {
        match &self.goal {
            Goal::Peers { info_hash, announce: Some(announce), .. } => Some(Ask::Announce {
                info_hash: *info_hash,
                port: announce.ports[Family::of(place.contact.addr.ip()) as usize],
                is_seed: announce.is_seed,
                token: &place.token,
            }),
            Goal::Put { item, cas } => Some(Ask::Put {
                token: &place.token,
                value: &item.value,
                signed: item.signed.as_ref().map(|signed| PutSigned {
                    key: signed.key,
                    salt: &signed.salt,
                    seq: signed.seq,
                    cas: cas.filter(|_| self.holders.contains(&place.contact.addr)),
                    signature: signed.signature,
                }),
            }),
            _ => None,
        }
    }

    /// Takes what an answer from `from` says about the goal; `peers` are those of its values that may be believed.
    pub(super) fn take(
        &mut self,
        from: SocketAddr,
        reply: &Reply<'_>,
        peers: Vec<SocketAddr>,
        most: usize,
        verify: Verify,
    ) -> News {
        match &self.goal {
            Goal::Nodes(..) => News::None,
            Goal::Peers { .. } => {
                if let Some(count) = &mut self.count {
                    count.take(reply.filters.as_deref(), &peers);
                }
                self.take_peers(peers, most)
            }
            Goal::Get(wanted) => match valid_item(wanted, self.item.as_ref(), reply, verify) {
                Some(item) => {
                    self.item = Some(item.clone());
                    News::Item(item)
                }
                None => News::None,
            },
            Goal::Put { .. } => {
                if reply.seq.is_some() {
                    self.holders.insert(from);
                }
                News::None
            }
        }
    }

    /// Those of `peers` that are new, as long as there are not too many.
    pub(super) fn take_peers(&mut self, mut peers: Vec<SocketAddr>, most: usize) -> News {
        peers.retain(|peer| self.peers.len() < most && self.peers.insert(*peer));
        if peers.is_empty() { News::None } else { News::Peers(peers) }
    }

    /// The item that we have stored ourselves, if it is wanted.
    pub(super) fn take_own(&mut self, item: &Item) -> News {
        let Goal::Get(wanted) = &self.goal else { return News::None };
        if let Wanted::Mutable { newer_than: Some(known), .. } = wanted
            && item.seq().is_none_or(|seq| seq <= *known)
        {
            return News::None;
        }
        self.item = Some(item.clone());
        News::Item(item.clone())
    }

    /// Counts those that we have stored ourselves, if it counts.
    pub(super) fn count_own(&mut self, stored: impl FnOnce() -> Option<Box<Filters>>) {
        if let Some(count) = &mut self.count {
            count.take(stored().as_deref(), &[]);
        }
    }

    pub(super) fn found(&self) -> usize {
        self.peers.len()
    }

    /// Hosts that a scrape keeps for its end.
    pub(super) fn counted(&self) -> usize {
        self.count.as_ref().map_or(0, |count| count.unsaid.len())
    }

    pub(super) fn swarm(&self) -> Option<Swarm> {
        self.count.as_ref().map(|count| count.swarm())
    }

    pub(super) fn effort(&self, now: Instant) -> Effort {
        let mut effort = Effort { took: now.since(self.began), ..Effort::default() };
        for lookup in self.lookups.iter().flatten() {
            let (sends, answers) = lookup.counts();
            effort.sends += sends;
            effort.answers += answers;
            effort.hops = effort.hops.max(lookup.hops());
        }
        effort
    }
}

/// The item in `reply`, if it is the wanted one, newer than `have`, and valid.
fn valid_item(wanted: &Wanted, have: Option<&Item>, reply: &Reply<'_>, verify: Verify) -> Option<Item> {
    let value = reply.value?;
    match wanted {
        Wanted::Immutable(target) => {
            let item = Item::immutable(value).ok()?;
            (item.target() == *target).then_some(item)
        }
        Wanted::Mutable { key, salt, newer_than } => {
            let (seq, (_, signature)) = (reply.seq?, reply.signed.filter(|(of, _)| of == key)?);
            // What is not newer is not worth a verification.
            let known = have.and_then(Item::seq).max(*newer_than);
            if known.is_some_and(|known| seq <= known) {
                return None;
            }
            Item::mutable(value, Signed { key: *key, salt: salt.clone(), seq, signature }, verify).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(n: u32) -> SocketAddr {
        SocketAddr::from(((0x3000_0000 + n).to_be_bytes(), 6881))
    }

    #[test]
    fn whom_nodes_without_filters_tell_of_counts_once_and_for_what_others_know() {
        let mut count = Count::default();
        count.take(None, &[addr(1), addr(2)]);
        let mut filters = Filters::default();
        filters.seeds.insert(addr(1).ip());
        filters.peers.insert(addr(3).ip());
        count.take(Some(&filters), &[addr(4)]);
        count.take(None, &[addr(2), addr(1)]);
        let (seeds, mut peers) = (filters.seeds.estimate(), filters.peers);
        peers.insert(addr(2).ip());
        assert_eq!(count.swarm(), Swarm { seeds, peers: peers.estimate() });
    }

    #[test]
    fn what_a_scrape_keeps_is_bounded() {
        let mut count = Count::default();
        for n in 0..2 * SCRAPE_HOSTS_MAX as u32 / 100 {
            count.take(None, &(n * 100..(n + 1) * 100).map(addr).collect::<Vec<_>>());
        }
        assert_eq!(count.unsaid.len(), SCRAPE_HOSTS_MAX);
    }
}
