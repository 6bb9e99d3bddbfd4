//! Peers on the local network (BEP 14): which torrents look for them, on which interfaces, and who is told what was
//! found. When torrents are announced and who is believed is [`Discovery`]'s.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use tide_base::{InfoHash, Instant, Prng, ShardId, addr};
use tide_local::limits::Limits;
use tide_local::{Discovery, Group, Visibility};

use crate::border::{Listening, Membership, Networks, Output, OwnAddress, Via};
use crate::desk::Desk;
use crate::id::TorrentKey;
use crate::mail::{Mail, ToTorrent};
use crate::torrent::book::Sources;

/// Interfaces that are spoken on; each costs a socket. A laptop has a handful, a machine full of containers hundreds.
const INTERFACES: usize = 16;

/// Looks for peers on the local network.
#[derive(Debug)]
pub struct Local {
    discovery: Discovery,
    /// The torrents that look for peers, and where they live.
    torrents: BTreeMap<InfoHash, TorrentKey>,
    memberships: Vec<Membership>,
}

impl Local {
    /// One without torrents. The cookie and the moments of announces are drawn from `prng`.
    pub fn new(limits: Limits, prng: Prng) -> Local {
        Local { discovery: Discovery::new(limits, prng), torrents: BTreeMap::new(), memberships: Vec::new() }
    }

    /// A public torrent looks for peers from now on.
    pub fn add(&mut self, now: Instant, hash: InfoHash, key: TorrentKey) {
        self.torrents.insert(hash, key);
        self.discovery.add(now, hash, Visibility::Public);
    }

    /// A torrent looks for no more peers. One that was added anew since, under another key, does.
    pub fn remove(&mut self, hash: InfoHash, key: TorrentKey) {
        if self.torrents.get(&hash) == Some(&key) {
            self.torrents.remove(&hash);
            self.discovery.remove(hash);
        }
    }

    /// Where we listen, or which networks there are, has become known or has changed.
    pub fn place(&mut self, listening: &Listening, networks: &Networks) {
        self.memberships = memberships(listening, networks);
        let port = listening.tcp.first().map(SocketAddr::port);
        let heard = |group: &Group| self.memberships.iter().any(|on| on.group == group.addr());
        let groups: Vec<Group> = Group::ALL.into_iter().filter(heard).collect();
        self.discovery.listen(port, &groups);
        let own: Vec<(_, u8)> = networks.addresses.iter().map(|own| (own.ip, own.bits)).collect();
        self.discovery.set_addresses(&own);
    }

    /// The sockets that are needed now: none while no torrent looks for peers.
    pub fn sockets(&self) -> impl Iterator<Item = Via> + '_ {
        let wanted = if self.torrents.is_empty() { &[] } else { self.memberships.as_slice() };
        wanted.iter().map(|on| Via::Group(*on))
    }

    /// Whether datagrams of this group are for us.
    pub fn is_ours(&self, group: SocketAddr) -> bool {
        Group::ALL.iter().any(|ours| ours.addr() == group)
    }

    /// A datagram came to one of the groups.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, data: &[u8]) {
        self.discovery.receive(now, from, data);
    }

    /// Announces what is due, and tells torrents whom they have found.
    pub fn settle(&mut self, desk: &mut Desk, now: Instant) {
        self.discovery.wake(now);
        while let Some(send) = self.discovery.poll_send() {
            let to = send.group.addr();
            for on in self.memberships.iter().filter(|on| on.group == to) {
                desk.put(Output::Datagram { via: Via::Group(*on), to, data: send.bytes.clone() });
            }
        }
        while let Some(found) = self.discovery.poll_found() {
            let Some(&torrent) = self.torrents.get(&found.torrent) else { continue };
            let what = ToTorrent::Found { source: Sources::LSD, peers: vec![found.peer] };
            desk.mail(torrent.shard, Mail::ToTorrent { torrent, crew: ShardId::FIRST, what });
        }
    }

    /// When [`settle`](Self::settle) must be called, at the latest.
    pub fn deadline(&self) -> Instant {
        self.discovery.wake_at().0
    }
}

/// The groups to be in: on each interface that we listen on. Loopback is only among them if we listen on an address of
/// it by name: whoever is on this machine hears what goes out by the others, too.
fn memberships(listening: &Listening, networks: &Networks) -> Vec<Membership> {
    let mut found: Vec<Membership> = Vec::new();
    for at in listening.tcp.iter().map(|at| at.ip()) {
        let named = OwnAddress { ip: at, bits: 0, index: 0 };
        let known = networks.addresses.iter().copied().filter(|own| own.ip == at).chain([named]).take(1);
        let any = networks.addresses.iter().copied();
        let any = any.filter(|own| own.ip.is_ipv4() == at.is_ipv4() && !own.ip.is_loopback());
        let on: Vec<OwnAddress> = if at.is_unspecified() { any.collect() } else { known.collect() };
        for own in on {
            let group = if own.ip.is_ipv4() { Group::V4 } else { Group::V6 }.addr();
            // IPv6 is spoken on an interface, whichever address it has.
            let same = |it: &Membership| {
                it.group == group && (it.on == own.ip || group.is_ipv6() && it.index == own.index)
            };
            if !found.iter().any(same) {
                found.push(Membership { group, on: own.ip, index: own.index });
            }
        }
    }
    // The nearest first: machines with more interfaces than that have many for containers.
    found.sort_by_key(|on| !addr::is_local(on.on));
    found.truncate(INTERFACES);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listening(at: &[&str]) -> Listening {
        let tcp = at.iter().map(|at| at.parse().expect("an address")).collect();
        Listening { tcp, ..Listening::default() }
    }

    fn networks(own: &[(&str, u32)]) -> Networks {
        let own = own.iter().map(|&(ip, index)| OwnAddress {
            ip: ip.parse().expect("an address"),
            bits: 24,
            index,
        });
        Networks { addresses: own.collect(), gateways: Vec::new() }
    }

    fn on(at: &[&str], own: &[(&str, u32)]) -> Vec<(String, u32)> {
        let found = memberships(&listening(at), &networks(own));
        found.iter().map(|it| (format!("{}@{}", it.on, it.group.port()), it.index)).collect()
    }

    #[test]
    fn a_wildcard_is_each_interface_but_loopback_once_a_family() {
        let own = [
            ("127.0.0.1", 1),
            ("::1", 1),
            ("10.0.0.5", 2),
            ("fe80::1", 2),
            ("fd00::1", 2),
            ("192.168.1.5", 3),
        ];
        let v4 = [("10.0.0.5@6771".to_owned(), 2), ("192.168.1.5@6771".to_owned(), 3)];
        assert_eq!(on(&["0.0.0.0:1"], &own), v4);
        assert_eq!(on(&["[::]:1"], &own), [("fe80::1@6771".to_owned(), 2)]);
        assert_eq!(on(&["0.0.0.0:1", "[::]:1"], &own).len(), 3);
    }

    #[test]
    fn an_address_is_its_own_interface_even_loopback() {
        let own = [("127.0.0.1", 1), ("10.0.0.5", 2), ("10.0.0.6", 2)];
        assert_eq!(on(&["10.0.0.6:1"], &own), [("10.0.0.6@6771".to_owned(), 2)]);
        assert_eq!(on(&["127.0.0.1:1", "127.0.0.1:2"], &own), [("127.0.0.1@6771".to_owned(), 1)]);
        assert_eq!(on(&["127.0.0.7:1"], &own), [("127.0.0.7@6771".to_owned(), 0)], "all of 127/8 is here");
        assert_eq!(on(&[], &own), []);
    }

    #[test]
    fn there_is_an_end_to_interfaces() {
        let own: Vec<(String, u32)> = (0..200).map(|n| (format!("172.17.{n}.1"), n + 2)).collect();
        let own: Vec<(&str, u32)> = own.iter().map(|(ip, index)| (ip.as_str(), *index)).collect();
        assert_eq!(on(&["0.0.0.0:1"], &own).len(), INTERFACES);
    }
}
