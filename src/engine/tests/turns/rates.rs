//! Limits on rates are kept over any second, and nobody starves under them.

use tide_base::{Duration, Instant};
use tide_disk::Memory;
use tide_engine::{Answer, Command, RateLimits, Setup, TorrentCommand, TorrentKey};

use crate::content::{fill, genuine, holds, metadata_of, sought, torrent};
use crate::world::World;
use crate::{PATIENCE, SHARDS, setup};

struct Transfer {
    world: World,
    disk: Memory,
    spec: tide_engine::AddTorrent,
    contents: Vec<Vec<u8>>,
    key: TorrentKey,
}

const LEECH: usize = 1;

fn transfer(
    session: RateLimits,
    own: RateLimits,
    shards: u16,
    upload: RateLimits,
    own_up: RateLimits,
) -> Transfer {
    let mut world = World::new();
    let (spec, contents) = torrent(3, &[300_000, 150_000], 65_536, 16_384);
    let (seeds, disk) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    let from = world.node(Setup { rates: upload, ..setup(shards) }, seeds);
    world.add(from, tide_engine::AddTorrent { limits: Some(own_up), ..spec.clone() });
    world.node(Setup { rates: session, ..setup(shards) }, disk.clone());
    let peers = vec![world.nodes[from].addr];
    let key = world.add(LEECH, tide_engine::AddTorrent { limits: Some(own), peers, ..spec.clone() });
    Transfer { world, disk, spec, contents, key }
}

impl Transfer {
    fn downloaded(&mut self) -> u64 {
        let key = self.key;
        self.world.stats(LEECH, key).downloaded
    }

    /// Runs to the end; no second may see more than `rate` and a burst, and all must be there in time.
    fn keeps(&mut self, rate: u64, burst: u64) {
        let mut seen: Vec<(Instant, u64)> = Vec::new();
        let began = self.world.now;
        let key = self.key;
        while !self.world.has_completed(LEECH, key) {
            let now = self.world.now;
            let took = now.since(began).as_secs();
            assert!(took < 450_000 / rate * 2 + 20, "{took} s at {rate}: {:?}", self.world.stats(LEECH, key));
            let all = self.downloaded();
            seen.retain(|&(at, _)| at + Duration::from_secs(1) > now);
            seen.push((now, all));
            assert!(all - seen[0].1 <= rate + burst, "{} in a second", all - seen[0].1);
            self.world.step();
        }
        assert!(holds(&self.disk, &self.spec, &self.contents));
        self.world.shut_down_all();
    }
}

const NONE: RateLimits = RateLimits { down: None, up: None };

const fn limit(rate: u64) -> RateLimits {
    RateLimits { down: Some(rate), up: Some(rate) }
}

#[test]
fn every_limit_is_kept_and_reached() {
    let rate = 50_000;
    for shards in SHARDS {
        for place in 0..4 {
            let at = |here: usize| if here == place { limit(rate) } else { NONE };
            // A torrent's own burst is a second's worth.
            transfer(at(0), at(1), shards, at(2), at(3)).keeps(rate, rate + 3 * 16_384);
        }
    }
}

#[test]
fn limits_below_a_block_a_second_let_blocks_through() {
    for shards in SHARDS {
        for place in 0..4 {
            let at = |here: usize| if here == place { limit(9_000) } else { NONE };
            transfer(at(0), at(1), shards, at(2), at(3)).keeps(9_000, 3 * 16_384);
        }
    }
}

#[test]
fn all_limits_at_once_are_no_deadlock() {
    for shards in SHARDS {
        transfer(limit(30_000), limit(40_000), shards, limit(50_000), limit(35_000))
            .keeps(30_000, 5 * 16_384);
    }
}

#[test]
fn nothing_goes_at_rate_zero_until_the_limit_is_lifted() {
    for (shards, own) in SHARDS.into_iter().flat_map(|shards| [(shards, false), (shards, true)]) {
        let (session, torrents) = if own { (NONE, limit(0)) } else { (limit(0), NONE) };
        let mut transfer = transfer(session, torrents, shards, NONE, NONE);
        transfer.world.run(Duration::from_secs(20), |_| false);
        assert_eq!(transfer.downloaded(), 0);
        let wakes = |transfer: &Transfer| transfer.world.nodes[LEECH].wakes;
        let before = wakes(&transfer);
        transfer.world.run(Duration::from_secs(60), |_| false);
        let woken = wakes(&transfer) - before;
        assert!(woken < 60, "{shards} shards, own {own}: woken {woken} times for nothing");
        let key = transfer.key;
        let command = match own {
            true => Command::Torrent(key, TorrentCommand::SetLimits(NONE)),
            false => Command::SetLimits(NONE),
        };
        let shard = if own { key.shard.0 } else { 0 };
        transfer.world.ask(LEECH, shard, command).expect("legal limits");
        assert!(
            transfer.world.run(PATIENCE, |world| world.has_completed(LEECH, key)),
            "{shards} shards, own {own}"
        );
        transfer.world.shut_down_all();
    }
}

#[test]
fn torrents_of_one_session_share_its_rate() {
    for shards in SHARDS {
        for (up, down) in [(limit(50_000), NONE), (NONE, limit(50_000))] {
            let mut world = World::new();
            let (seeds, disk) = (Memory::default(), Memory::default());
            world.node(Setup { rates: up, ..setup(shards) }, seeds.clone());
            world.node(Setup { rates: down, ..setup(shards) }, disk);
            let peers = vec![world.nodes[0].addr];
            let mut keys = Vec::new();
            // All of them at home on the same shard.
            for seed in [10, 20, 30] {
                let (spec, contents) = torrent(seed, &[2_000_000], 65_536, 16_384);
                fill(&seeds, &spec, &contents);
                world.add(0, spec.clone());
                keys.push(world.add(LEECH, tide_engine::AddTorrent { peers: peers.clone(), ..spec }));
            }
            world.run(Duration::from_secs(60), |_| false);
            let got: Vec<u64> = keys.iter().map(|&key| world.stats(LEECH, key).downloaded).collect();
            let all: u64 = got.iter().sum();
            assert!(got.iter().all(|&got| got * 5 > all), "{shards} shards, {up:?}, {down:?}: {got:?}");
        }
    }
}

/// One seed sends as fast as it may; what others say, who come later, is read soon all the same, and they get their share
/// of what there is.
#[test]
fn a_greedy_peer_under_a_low_rate_keeps_nobody_from_being_heard() {
    let low = RateLimits { down: Some(16_000), up: None };
    for (shards, own) in [(1, false), (2, false), (1, true)] {
        let mut world = World::new();
        let (spec, contents) = torrent(3, &[8_000_000], 65_536, 16_384);
        let seeds = [0; 4].map(|_| {
            let disk = Memory::default();
            fill(&disk, &spec, &contents);
            let node = world.node(setup(shards), disk);
            let key = world.add(node, spec.clone());
            assert!(world.run(PATIENCE, |world| world.has_completed(node, key)));
            node
        });
        let (session, torrent) = if own { (NONE, low) } else { (low, NONE) };
        let leech = world.node(Setup { rates: session, ..setup(shards) }, Memory::default());
        let peers = vec![world.nodes[seeds[0]].addr];
        let key = world.add(leech, tide_engine::AddTorrent { limits: Some(torrent), peers, ..spec });
        world.run(Duration::from_secs(60), |_| false);
        assert!(world.stats(leech, key).downloaded > 500_000);
        let others = seeds[1..].iter().map(|&seed| world.nodes[seed].addr).collect();
        let meet = Command::Torrent(key, TorrentCommand::AddPeers(others));
        world.ask(leech, key.shard.0, meet).expect("it is told");
        let heard = |world: &mut World| world.stats(leech, key).seeds == 4;
        assert!(world.run(Duration::from_secs(15), heard), "{shards} shards, own {own}");
        world.run(Duration::from_secs(120), |_| false);
        let ask = Command::Torrent(key, TorrentCommand::Peers);
        let Ok(Answer::Peers(peers)) = world.ask(leech, key.shard.0, ask) else { panic!("it has peers") };
        let given: Vec<u64> = peers.iter().map(|peer| peer.downloaded).collect();
        assert!(given.len() == 4 && given.iter().all(|&given| given > 100_000), "{shards}, {own}: {given:?}");
        world.shut_down_all();
    }
}

/// Metadata (BEP 9) is no content, and fills the line as much.
#[test]
fn metadata_goes_out_within_the_limits_too() {
    for (shards, own) in [(1, false), (2, false), (1, true)] {
        let mut world = World::new();
        let (spec, contents) = torrent(9, &[200_000], 64, 64);
        let spec = genuine(spec);
        let len = metadata_of(&spec).len() as u64;
        assert!(len > 60_000);
        let (seeds, rate) = (Memory::default(), 3_000);
        fill(&seeds, &spec, &contents);
        let (session, torrent) = if own { (NONE, limit(0)) } else { (limit(0), NONE) };
        world.node(Setup { rates: session, ..setup(shards) }, seeds);
        let seeding = world.add(0, tide_engine::AddTorrent { limits: Some(torrent), ..spec.clone() });
        assert!(world.run(PATIENCE, |world| world.has_completed(0, seeding)));
        world.node(setup(shards), Memory::default());
        let peers = vec![world.nodes[0].addr];
        let key = world.add(LEECH, tide_engine::AddTorrent { peers, ..sought(&spec) });
        let knows = |world: &mut World| world.stats(LEECH, key).size > 0;
        assert!(!world.run(Duration::from_secs(30), knows), "{shards} shards, own {own}");
        let (shard, command) = match own {
            true => (seeding.shard.0, Command::Torrent(seeding, TorrentCommand::SetLimits(limit(rate)))),
            false => (0, Command::SetLimits(limit(rate))),
        };
        world.ask(0, shard, command).expect("legal limits");
        let began = world.now;
        assert!(world.run(PATIENCE, knows), "{shards} shards, own {own}");
        let took = world.now.since(began).as_secs();
        // Less what a session may save up; and what had been asked for in vain before is sent as well.
        let least = (len - 33_000) / rate;
        assert!((least..=least * 4 + 20).contains(&took), "{took} s for {len} bytes");
        world.shut_down_all();
    }
}
