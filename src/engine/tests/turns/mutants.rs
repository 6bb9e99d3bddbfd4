//! Peers that lie, stall, flap and flood: honest ones complete all the same, and nothing is left behind.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use tide_base::{Duration, Instant, Prng};
use tide_disk::Memory;
use tide_engine::{AddTorrent, Happening, Setup};

use crate::content::{fill, holds, torrent};
use crate::world::{End, World};
use crate::{PATIENCE, SHARDS, tiny};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vice {
    Lies,
    LiesSometimes,
    NeverServes,
    Flaps,
    EndsInABlock,
    SendsUnasked,
    Floods,
    Stalls,
    Drips,
    /// Lies now and then, and chokes us for good when it has been asked again: what it alone was to send.
    Sulks,
}

/// Somebody who speaks the protocol by hand and has a vice.
struct Mutant {
    end: End,
    vice: Vice,
    heard: Vec<u8>,
    prng: Prng,
    greeted: bool,
    /// What is on its way, a byte a minute, and when the next byte goes.
    dripping: VecDeque<u8>,
    drips_at: Instant,
    /// Blocks that it was asked for.
    asked: u32,
    sulks_after: u32,
}

fn message(id: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32 + 1).to_be_bytes().to_vec();
    bytes.push(id);
    bytes.extend(body);
    bytes
}

fn at(last: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::from([10, 0, 9, last]), 7000)
}

impl Mutant {
    fn meet(world: &mut World, node: usize, spec: &AddTorrent, vice: Vice, number: u8) -> Option<Mutant> {
        let end = world.stranger(node, at(number))?;
        let mutant = Mutant {
            end,
            vice,
            heard: Vec::new(),
            prng: Prng::new(u64::from(number)),
            greeted: false,
            dripping: VecDeque::new(),
            drips_at: world.now,
            asked: 0,
            sulks_after: u32::MAX,
        };
        if vice == Vice::Stalls {
            world.say(end, &[19]);
            return Some(mutant);
        }
        let mut bytes = vec![19];
        bytes.extend(b"BitTorrent protocol");
        bytes.extend([0; 8]);
        bytes.extend(spec.info_hashes.v1.expect("a v1 torrent").0);
        bytes.extend([number; 20]);
        let pieces = spec.layout.pieces();
        let mut field = vec![0; pieces.div_ceil(8) as usize];
        for piece in 0..pieces {
            field[piece as usize / 8] |= 0x80 >> (piece % 8);
        }
        bytes.extend(message(5, &field));
        bytes.extend(message(1, &[]));
        world.say(end, &bytes);
        Some(mutant)
    }

    /// Answers what was heard. False once nobody talks to it.
    fn act(&mut self, world: &mut World, contents: &[u8], piece_len: usize) -> bool {
        let Some(bytes) = world.hear(self.end) else { return false };
        self.heard.extend(bytes);
        if !self.greeted && self.heard.len() >= 68 {
            self.heard.drain(..68);
            self.greeted = true;
        }
        match self.vice {
            Vice::Flaps if self.greeted && self.prng.chance(1, 4) => {
                let flap = [message(0, &[]), message(1, &[])].concat();
                world.say(self.end, &flap);
            }
            Vice::Drips if self.drips_at <= world.now => {
                if let Some(byte) = self.dripping.pop_front() {
                    world.say(self.end, &[byte]);
                }
                self.drips_at = world.now + Duration::from_secs(60);
            }
            Vice::Sulks if self.drips_at <= world.now => {
                world.say(self.end, &[0; 4]);
                self.drips_at = world.now + Duration::from_secs(60);
            }
            Vice::Floods if self.greeted => world.say(self.end, &message(4, &[0, 0, 0, 1]).repeat(20)),
            Vice::SendsUnasked if self.greeted => {
                world.say(self.end, &message(7, &[&[0; 8][..], &[7; 64][..]].concat()));
            }
            _ => {}
        }
        while self.greeted && self.heard.len() >= 4 {
            let len = u32::from_be_bytes(self.heard[..4].try_into().expect("four bytes")) as usize;
            if self.heard.len() < 4 + len {
                break;
            }
            let frame: Vec<u8> = self.heard.drain(..4 + len).skip(4).collect();
            if frame.first() == Some(&6) {
                self.serve(world, &frame[1..13], contents, piece_len);
            }
        }
        true
    }

    fn serve(&mut self, world: &mut World, request: &[u8], contents: &[u8], piece_len: usize) {
        let number =
            |i: usize| u32::from_be_bytes(request[i..i + 4].try_into().expect("four bytes")) as usize;
        let from = number(0) * piece_len + number(4);
        let mut block = contents[from..from + number(8)].to_vec();
        self.asked += 1;
        match self.vice {
            Vice::NeverServes | Vice::Stalls => return,
            Vice::Sulks if self.asked > self.sulks_after => {
                world.say(self.end, &message(0, &[]));
                return;
            }
            Vice::Lies => block[0] ^= 1,
            Vice::LiesSometimes if self.prng.chance(1, 3) => block[0] ^= 1,
            _ => {}
        }
        let bytes = message(7, &[&request[..8], &block].concat());
        match self.vice {
            Vice::EndsInABlock => {
                world.say(self.end, &bytes[..bytes.len() / 2]);
                world.cut(self.end);
            }
            Vice::Drips => self.dripping.extend(bytes),
            _ => world.say(self.end, &bytes),
        }
    }
}

fn among_mutants(vices: &[Vice], shards: u16, seed: u64) -> World {
    let mut setup = tiny(shards);
    setup.limits.memory = 1024 << (seed % 3);
    among_mutants_with(vices, setup, seed)
}

fn among_mutants_with(vices: &[Vice], setup: Setup, seed: u64) -> World {
    let mut world = World::new();
    world.gulp = [1 << 20, 50][(seed % 2) as usize];
    let (spec, contents) = torrent(3, &[700, 0, 2500, 900], 256, 64);
    let (seeds, disk) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    let mut slow = tiny(setup.shards);
    slow.rates.up = Some(200);
    let from = world.node(slow, seeds);
    world.add(from, spec.clone());
    let leech = world.node(setup, disk.clone());
    let key = world.add(leech, spec.clone());
    world.run(Duration::from_secs(1), |_| false);
    let mut mutants: Vec<Mutant> = Vec::new();
    for (i, &vice) in vices.iter().enumerate() {
        let sulks_after = (seed as u32 * 5 + i as u32 * 3) % 31;
        let mutant = Mutant::meet(&mut world, leech, &spec, vice, i as u8 + 1);
        mutants.extend(mutant.map(|mutant| Mutant { sulks_after, ..mutant }));
    }
    let whole = contents.concat();
    let act = |mutants: &mut Vec<Mutant>, world: &mut World| {
        mutants.retain_mut(|mutant| mutant.act(world, &whole, 256));
    };
    for _ in 0..200 {
        world.step();
        act(&mut mutants, &mut world);
    }
    let honest = tide_engine::TorrentCommand::AddPeers(vec![world.nodes[from].addr]);
    world.ask(leech, key.shard.0, tide_engine::Command::Torrent(key, honest)).expect("it is known");
    let end = world.now + PATIENCE * 3;
    while !world.has_completed(leech, key) {
        assert!(world.now < end, "{vices:?}: {:?}", world.stats(leech, key));
        for _ in 0..5 {
            world.step();
        }
        act(&mut mutants, &mut world);
    }
    assert!(holds(&disk, &spec, &contents), "{vices:?}");
    world
}

fn shards_and_seeds(seeds: u64) -> impl Iterator<Item = (u16, u64)> {
    SHARDS.into_iter().flat_map(move |shards| (0..seeds).map(move |seed| (shards, seed)))
}

fn banned(world: &World) -> Vec<IpAddr> {
    let ban = |event: &tide_engine::Event| match event.what {
        Happening::Banned(ip) => Some(ip),
        _ => None,
    };
    world.nodes[1].events.iter().filter_map(ban).collect()
}

#[test]
fn a_liar_is_banned_and_the_honest_complete() {
    for (shards, seed) in shards_and_seeds(6) {
        let mut world = among_mutants(&[Vice::Lies], shards, seed);
        assert_eq!(banned(&world), [at(1).ip()], "{shards} shards, seed {seed}");
        world.shut_down_all();
    }
}

#[test]
fn who_is_banned_is_neither_kept_waiting_at_the_door_nor_dialled_by_other_torrents() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[700], 256, 64);
        let leech = world.node(tiny(shards), Memory::default());
        let key = world.add(leech, spec.clone());
        world.run(Duration::from_secs(1), |_| false);
        // He stands at the door a second time, silent.
        let silent = world.stranger(leech, at(1)).expect("there is room");
        let mut liar = Mutant::meet(&mut world, leech, &spec, Vice::Lies, 1).expect("there is room");
        let whole = contents.concat();
        let end = world.now + PATIENCE;
        let is_banned = |world: &World| {
            let banned =
                |event: &tide_engine::Event| matches!(event.what, Happening::Banned(ip) if ip == at(1).ip());
            world.nodes[leech].events.iter().any(banned)
        };
        while !is_banned(&world) {
            assert!(world.now < end, "{:?}", world.stats(leech, key));
            world.step();
            liar.act(&mut world, &whole, 256);
        }
        let gone = |world: &mut World| world.hear(silent).is_none();
        assert!(world.run(Duration::from_secs(1), gone), "{shards} shards");
        let (mut other, _) = torrent(4, &[900], 256, 64);
        other.peers = vec![SocketAddr::new(at(1).ip(), 9000)];
        let other = world.add(leech, other);
        let dialled = |world: &mut World| {
            let stats = world.stats(leech, other);
            assert!(stats.peers == 0);
            stats.connecting > 0
        };
        assert!(!world.run(Duration::from_secs(300), dialled), "{shards} shards");
        world.shut_down_all();
    }
}

#[test]
fn a_liar_among_honest_senders_of_one_piece_is_found_by_his_blocks() {
    for (shards, seed) in shards_and_seeds(6) {
        let vices = [Vice::LiesSometimes, Vice::Flaps, Vice::EndsInABlock];
        let mut world = among_mutants(&vices, shards, seed);
        let banned = banned(&world);
        assert!(banned.iter().all(|ip| *ip == at(1).ip()), "{shards} shards, seed {seed}: {banned:?}");
        world.shut_down_all();
    }
}

#[test]
fn whoever_stalls_flaps_or_floods_keeps_nobody_from_completing() {
    use Vice::{EndsInABlock, Flaps, Floods, NeverServes, SendsUnasked, Stalls};
    for vice in [NeverServes, Flaps, EndsInABlock, SendsUnasked, Floods, Stalls] {
        for (shards, seed) in shards_and_seeds(3) {
            let mut world = among_mutants(&[vice, vice, vice], shards, seed);
            // A block that nobody asked this peer for may be one that it was asked for in that very moment.
            assert!(banned(&world).is_empty() || vice == SendsUnasked, "{vice:?}");
            world.shut_down_all();
        }
    }
}

/// Whoever may have lied is to send whole pieces alone, and chokes us instead, and stays.
#[test]
fn a_piece_that_a_suspect_was_to_send_alone_is_asked_of_others_when_it_chokes_us() {
    for (shards, seed) in shards_and_seeds(12) {
        let mut world = among_mutants(
            &[Vice::LiesSometimes, Vice::LiesSometimes, Vice::Sulks, Vice::Sulks, Vice::Sulks, Vice::Sulks],
            shards,
            seed,
        );
        world.shut_down_all();
    }
}

/// A block of theirs takes an hour and more, and the one lease that there is stands or falls with it.
#[test]
fn blocks_that_drip_in_are_asked_of_others_when_there_are_no_more_leases() {
    for copies in [1, 3] {
        for (shards, seed) in shards_and_seeds(3) {
            let mut setup = tiny(shards);
            setup.limits.leases = 1;
            setup.limits.endgame_copies = copies;
            let mut world = among_mutants_with(&[Vice::Drips, Vice::Drips], setup, seed);
            assert!(banned(&world).is_empty());
            world.shut_down_all();
        }
    }
}

#[test]
fn a_flood_of_connections_from_one_address_is_capped_and_silent_ones_time_out() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[700], 256, 64);
        let disk = Memory::default();
        fill(&disk, &spec, &contents);
        let setup = tiny(shards);
        let (cap, patience) = (setup.limits.peers_per_ip as usize, setup.limits.handshake_timeout);
        let node = world.node(setup, disk);
        world.add(node, spec);
        let all: Vec<End> = (0..100).filter_map(|_| world.stranger(node, at(1))).collect();
        assert_eq!(all.len(), cap);
        let gone = |world: &mut World| all.iter().all(|&end| world.hear(end).is_none());
        assert!(world.run(patience + Duration::from_secs(1), gone), "who says nothing is not kept");
        assert!(world.stranger(node, at(1)).is_some());
        world.shut_down_all();
    }
}

#[test]
fn nobody_talks_to_himself() {
    for shards in SHARDS {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[700], 256, 64);
        let disk = Memory::default();
        fill(&disk, &spec, &contents[..0]);
        let node = world.node(tiny(shards), disk);
        let mut spec = spec;
        spec.peers = vec![world.nodes[node].addr];
        let key = world.add(node, spec);
        world.run(Duration::from_secs(3600), |_| false);
        let stats = world.stats(node, key);
        assert_eq!((stats.peers, stats.connecting), (0, 0));
        world.shut_down_all();
    }
}

#[test]
fn many_who_come_in_one_turn_are_let_in_and_reach_their_torrents_shard() {
    for shards in [1, 2, 5, 64] {
        let mut world = World::new();
        let (spec, _) = torrent(3, &[700], 256, 64);
        let node = world.node(tiny(shards), Memory::default());
        let key = world.add(node, spec.clone());
        world.run(Duration::from_secs(1), |_| false);
        let meet = |number| Mutant::meet(&mut world, node, &spec, Vice::NeverServes, number);
        assert_eq!((1..=24).filter_map(meet).count(), 24, "{shards} shards");
        let all = |world: &mut World| world.stats(node, key).peers == 24;
        assert!(world.run(Duration::from_secs(60), all), "{shards}: {:?}", world.stats(node, key));
        world.shut_down_all();
    }
}
