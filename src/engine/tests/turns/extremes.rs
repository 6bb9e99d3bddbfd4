//! Limits at their ends: whatever is accepted works, however little or much it leaves.

use tide_base::Duration;
use tide_disk::Memory;
use tide_engine::{Limits, RateLimits};

use crate::content::{fill, genuine, holds, sought, torrent};
use crate::tiny;
use crate::world::World;

/// What an embedder may set.
struct Bounds {
    limits: Limits,
    rates: RateLimits,
    disk: tide_disk::Limits,
}

/// A seed and two leeches, of whom one has a link only, within those bounds: they complete, come to rest, and end.
fn all_goes(name: &str, shards: u16, set: fn(&mut Bounds)) {
    let base = tiny(shards);
    let mut bounds = Bounds { limits: base.limits, rates: base.rates, disk: tide_disk::Limits::default() };
    set(&mut bounds);
    assert_eq!(bounds.limits.check(), Ok(()), "{name}");
    let mut world = World::new();
    world.bounds = bounds.disk;
    let (spec, contents) = torrent(3, &[1000, 3000, 10, 777], 192, 64);
    let spec = genuine(spec);
    let disks: Vec<Memory> = (0..3).map(|_| Memory::default()).collect();
    fill(&disks[0], &spec, &contents);
    let mut keys = Vec::new();
    for disk in &disks {
        let mut setup = tiny(shards);
        (setup.limits, setup.rates) = (bounds.limits.clone(), bounds.rates);
        let node = world.node(setup, disk.clone());
        let mut spec = if node == 2 { sought(&spec) } else { spec.clone() };
        spec.peers = world.nodes[..node].iter().map(|other| other.addr).collect();
        keys.push(world.add(node, spec));
    }
    let all = |world: &mut World| (0..3).all(|node| world.has_completed(node, keys[node]));
    assert!(world.run(Duration::from_secs(4 * 3600), all), "{name}: {shards} shards");
    assert!(disks.iter().all(|disk| holds(disk, &spec, &contents)), "{name}");
    let wakes = |world: &World| world.nodes.iter().map(|node| node.wakes).sum::<usize>();
    let before = wakes(&world);
    world.run(Duration::from_secs(600), |_| false);
    assert!(wakes(&world) - before < 2000, "{name}: {} wakes", wakes(&world) - before);
    world.shut_down_all();
}

/// Each bound by itself, at its end.
macro_rules! ends {
    ($($($field:ident).+ = $end:expr;)*) => {
        [$((
            concat!(stringify!($($field).+), " = ", stringify!($end)),
            (|bounds: &mut Bounds| bounds.$($field).+ = $end) as fn(&mut Bounds),
        )),*]
    };
}

#[test]
fn the_least_that_is_accepted_works() {
    let ends = ends! {
        limits.memory = 256; limits.leases = 1; limits.disk_bytes = 0; limits.read_per_turn = 1;
        limits.peers = 2; limits.half_open = 1; limits.strangers = 1; limits.peers_per_torrent = 1;
        limits.peers_per_ip = 1; limits.upload_slots = 1; limits.newcomers = 0; limits.announces = 0;
        limits.dials_per_second = 1; limits.endgame_copies = 1; limits.upload_ahead = 64;
        limits.upload_wait = Duration::ZERO; limits.turnover = Duration::ZERO;
        limits.checkpoint_after = Duration::ZERO; limits.choke_round = Duration::from_nanos(1);
        limits.peer.serves = 1; limits.peer.asks = 1; limits.peer.asks_unsaid = 0; limits.peer.asks_floor = 0;
        limits.peer.asks_queue = Duration::ZERO; limits.peer.ask_age_min = Duration::ZERO;
        limits.peer.snub = Duration::ZERO; limits.peer.refusals = 0; limits.peer.refused_wait = Duration::ZERO;
        limits.peer.message_len = 0; limits.peer.pex.interval = Duration::ZERO; limits.peer.pex.told = 0;
        limits.peer.pex.most = 0; limits.peer.patience.refill = Duration::ZERO;
        limits.peer.metadata.timeout = Duration::ZERO; limits.peer.metadata.turn = Duration::ZERO;
        limits.peer.metadata.serve_factor = 0; rates.up = Some(1); rates.down = Some(100);
        disk.slices = 0; disk.open_files = 0; disk.write_run = 0; disk.read_run = 0; disk.small_buffer = 0;
        disk.idle_buffers = 0; disk.turns_before_control = 0; disk.reads_before_write = 0;
    };
    for ((name, set), shards) in ends.into_iter().zip([1, 2].into_iter().cycle()) {
        all_goes(name, shards, set);
    }
}

#[test]
fn the_most_that_can_be_said_works() {
    let ends = ends! {
        limits.memory = u64::MAX; limits.upload_memory = u64::MAX; limits.metadata_memory = u64::MAX;
        limits.upload_ahead = u32::MAX; limits.disk_bytes = u64::MAX; limits.leases = u32::MAX;
        limits.peers = u32::MAX; limits.half_open = u32::MAX; limits.strangers = u32::MAX;
        limits.peers_per_torrent = u32::MAX; limits.peers_per_ip = u32::MAX; limits.upload_slots = u32::MAX;
        limits.newcomers = u32::MAX; limits.dials_per_second = u32::MAX; limits.read_per_turn = u32::MAX;
        limits.hung = Duration::MAX; limits.choke_round = Duration::MAX; limits.turnover = Duration::MAX;
        limits.connect_timeout = Duration::MAX; limits.handshake_timeout = Duration::MAX;
        limits.peer.extension_names = u32::MAX; limits.peer.serves = u32::MAX; limits.peer.asks = u32::MAX;
        limits.peer.keep_alive = Duration::MAX; limits.peer.idle = Duration::MAX;
        limits.peer.ask_age_max = Duration::MAX; limits.peer.patience.refill = Duration::MAX;
        limits.peer.metadata.timeout = Duration::MAX; limits.peer.metadata.memory = u32::MAX;
        rates.up = Some(u64::MAX); rates.down = Some(u64::MAX); disk.idle_buffers = usize::MAX;
        disk.write_run = u64::MAX; disk.read_run = u32::MAX; disk.open_files = usize::MAX;
    };
    for (name, set) in ends {
        all_goes(name, 2, set);
    }
}
