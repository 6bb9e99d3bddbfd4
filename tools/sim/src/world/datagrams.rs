//! Datagrams between the net and whoever has a socket for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use tide_base::ShardId;
use tide_engine::Via;

use super::node::Owned;
use super::{NodeId, Resident, World};
use crate::actor::Heard;
use crate::net::HostId;

/// The port of a node's sockets at single addresses: the system's choice is always the same here.
const OWN_PORT: u16 = 45_000;

impl World {
    pub(super) fn datagram(&mut self, host: HostId, from: SocketAddr, at: SocketAddr, data: &[u8]) {
        match self.residents.get(&host) {
            Some(&Resident::Node(node)) => {
                if let Some(via) = self.socket_at(node, at) {
                    self.put(node, ShardId::FIRST, Owned::Datagram { via, from, data: data.to_vec() });
                }
            }
            Some(&Resident::Actor(actor)) => self.tell_actor(actor, Heard::Datagram { from, at, data }),
            None => {}
        }
    }

    /// The socket of a node to which a datagram comes.
    fn socket_at(&self, node: NodeId, at: SocketAddr) -> Option<Via> {
        let node = &self.nodes[node.0 as usize];
        let sockets = node.life.as_ref().map_or(&[][..], |life| &life.sockets);
        let group = |via: &&Via| matches!(via, Via::Group(on) if on.group == at);
        match at.port() {
            _ if at.ip().is_multicast() => sockets.iter().find(group).copied(),
            OWN_PORT => Some(Via::Address(at.ip())).filter(|via| sockets.contains(via)),
            port => (port == node.spec.port).then_some(Via::Session),
        }
    }

    pub(super) fn send_datagram(&mut self, id: NodeId, via: Via, to: SocketAddr, data: Vec<u8>) {
        let node = &self.nodes[id.0 as usize];
        let exists = node.life.as_ref().is_some_and(|life| life.sockets.contains(&via));
        let from = match via {
            Via::Session => {
                let mut ips = node.spec.host.ips.iter().filter(|ip| ip.is_ipv4() == to.is_ipv4());
                let Some(&ip) = ips.next() else { return };
                SocketAddr::new(ip, node.spec.port)
            }
            Via::Group(_) | Via::Address(_) if !exists => return,
            Via::Group(on) => SocketAddr::new(on.on, on.group.port()),
            Via::Address(ip) => SocketAddr::new(ip, OWN_PORT),
        };
        let host = node.host;
        self.trail.bytes(&data);
        match via {
            Via::Session => {
                self.overhear_announce(id, to, &data);
                self.judge_overlay(id, &data);
            }
            Via::Group(_) => self.judge_multicast(id, &data),
            Via::Address(_) => {}
        }
        self.net.send(self.now, host, from, to, data);
    }

    /// A node wants these sockets beside its session's.
    pub(super) fn set_sockets(&mut self, id: NodeId, sockets: Vec<Via>) {
        let group = |via: &Via| if let Via::Group(on) = via { Some(on.group) } else { None };
        let groups: BTreeSet<SocketAddr> = sockets.iter().filter_map(group).collect();
        let node = &mut self.nodes[id.0 as usize];
        self.net.set_groups(node.host, groups);
        node.life.as_mut().expect("who wants sockets lives").sockets = sockets;
    }
}
