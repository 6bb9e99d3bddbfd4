//! Peers without a tracker on one network, and the gateway that leads out of it.

use std::net::{Ipv4Addr, SocketAddr};

use tide_base::Duration;
use tide_base::id::hex;
use tide_disk::Memory;
use tide_engine::{Setup, Via};
use tide_portmap::gateway::{Config, Gateway};
use tide_portmap::{Protocol, Want, Way};

use crate::content::{fill, holds, torrent};
use crate::trackers::Tracker;
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(5, 6, 7, 8);

fn local(shards: u16) -> Setup {
    Setup { local: Some(tide_local::limits::Limits::default()), ..tiny(shards) }
}

fn mapping(shards: u16) -> Setup {
    Setup { mapping: Some(tide_portmap::limits::Limits::default()), ..tiny(shards) }
}

#[test]
fn neighbours_find_each_other_and_complete() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[700, 2500], 256, 64);
        let disks = [Memory::default(), Memory::default(), Memory::default()];
        fill(&disks[0], &spec, &contents);
        let nodes = disks.clone().map(|disk| world.node(local(shards), disk));
        assert!(world.nodes.iter().all(|node| node.sockets.is_empty()));
        let keys = nodes.map(|node| world.add(node, spec.clone()));
        let all = |world: &mut World| nodes.iter().all(|&node| world.has_completed(node, keys[node]));
        assert!(world.run(PATIENCE, all), "{shards}: {:?}", world.stats(1, keys[1]));
        assert!(disks.iter().all(|disk| holds(disk, &spec, &contents)));
        assert!(world.nodes.iter().all(|node| matches!(node.sockets[..], [Via::Group(_)])));
        world.shut_down_all();
    }
}

#[test]
fn a_private_torrent_is_not_spoken_of() {
    for shards in SHARDS {
        let mut world = World::new();
        let (public, contents) = torrent(3, &[700], 256, 64);
        let (mut private, others) = torrent(4, &[700], 256, 64);
        private.private = true;
        let disks = [Memory::default(), Memory::default()];
        fill(&disks[0], &public, &contents);
        fill(&disks[0], &private, &others);
        let nodes = disks.map(|disk| world.node(local(shards), disk));
        let open = nodes.map(|node| world.add(node, public.clone()));
        let closed = nodes.map(|node| world.add(node, private.clone()));
        assert!(world.run(PATIENCE, |world| world.has_completed(1, open[1])));
        assert!(!world.run(Duration::from_secs(1000), |world| world.has_completed(1, closed[1])));
        let said: Vec<String> =
            world.multicast.iter().map(|data| String::from_utf8_lossy(data).into_owned()).collect();
        let names = |hash: [u8; 20]| said.iter().filter(|text| text.contains(&hex(&hash))).count();
        let hash = |spec: &tide_engine::AddTorrent| spec.info_hashes.v1.expect("a v1 torrent").0;
        assert!(names(hash(&public)) >= 4, "every five minutes: {said:?}");
        assert_eq!(names(hash(&private)), 0);
        world.shut_down_all();
    }
}

#[test]
fn a_gateway_opens_a_port_which_is_told_and_closes_it_in_the_end() {
    for shards in SHARDS {
        let mut world = World::new();
        let mut gateway =
            Gateway::new(Config { upnp: None, ..Config::new(INSIDE.into(), OUTSIDE) }, world.now);
        let taken = Want { protocol: Protocol::Tcp, port: 6881 };
        gateway.reserve(taken, "10.77.0.1:6881".parse().expect("an address"));
        world.gateway = Some(gateway);
        world.tracker = Some(Tracker::new(SocketAddr::from(([10, 0, 8, 1], 6969))));
        let (mut spec, contents) = torrent(3, &[700], 256, 64);
        spec.own_trackers = vec![vec!["udp://10.0.8.1:6969/announce".to_owned()]];
        let disk = Memory::default();
        fill(&disk, &spec, &contents);
        let node = world.node(mapping(shards), disk);
        world.add(node, spec);
        let addr = world.nodes[node].addr;
        assert!(world.run(PATIENCE, |world| world.nodes[node].reachable.mapped.len() == 2));
        let reachable = world.nodes[node].reachable.clone();
        assert_eq!((reachable.external_v4, reachable.external_v6), (Some(OUTSIDE.into()), None));
        assert_eq!(reachable.trouble, None);
        let port = reachable.mapped.iter().find(|port| port.protocol == Protocol::Tcp).expect("a port");
        assert_ne!(port.external_port, 6881, "somebody else has it");
        assert_eq!((port.internal, port.way), (addr, Way::Pcp));
        let told = |world: &mut World| {
            world.tracker.as_ref().is_some_and(|tracker| tracker.port == port.external_port)
        };
        assert!(world.run(PATIENCE, told), "who was told another port is told anew");
        let rows = |world: &World| world.gateway.as_ref().expect("it stays").rows(world.now).count();
        assert_eq!(rows(&world), 3);
        world.shut_down_all();
        assert_eq!(rows(&world), 1, "what is not ours");
        assert!(told(&mut world), "leave is taken under the same name");
    }
}

#[test]
fn a_gateway_that_opens_another_port_each_minute_makes_no_storm_of_announces() {
    for shards in SHARDS {
        let mut world = World::new();
        let config =
            Config { upnp: None, longest: Duration::from_secs(60), ..Config::new(INSIDE.into(), OUTSIDE) };
        world.gateway = Some(Gateway::new(config, world.now));
        world.tracker = Some(Tracker::new(SocketAddr::from(([10, 0, 8, 1], 6969))));
        let (mut spec, contents) = torrent(3, &[700], 256, 64);
        spec.own_trackers = vec![vec!["udp://10.0.8.1:6969/announce".to_owned()]];
        let disk = Memory::default();
        fill(&disk, &spec, &contents);
        let node = world.node(mapping(shards), disk);
        world.add(node, spec);
        assert!(world.run(PATIENCE, |world| world.nodes[node].reachable.mapped.len() == 2));
        let port = |world: &World| {
            let mapped = &world.nodes[node].reachable.mapped;
            mapped.iter().find(|port| port.protocol == Protocol::Tcp).map(|port| port.external_port)
        };
        let mut ports = 0;
        for _ in 0..120 {
            let (before, now) = (port(&world), world.now);
            if let (Some(gateway), Some(taken)) = (&mut world.gateway, before) {
                gateway.restart(now);
                let taken = Want { protocol: Protocol::Tcp, port: taken };
                gateway.reserve(taken, "10.77.0.1:6881".parse().expect("an address"));
            }
            world.run(Duration::from_secs(60), |_| false);
            ports += usize::from(port(&world) != before);
        }
        assert!(ports > 60, "{shards} shards: {ports} ports in two hours");
        let announces = world.tracker.as_ref().map_or(0, Tracker::announces);
        assert!(announces <= 20, "{shards} shards: {announces} announces in two hours");
        let told = |world: &mut World| world.tracker.as_ref().map(|tracker| tracker.port) == port(world);
        assert!(world.run(Duration::from_secs(1000), told), "{shards} shards: in the end it is known");
        world.shut_down_all();
    }
}
