//! Who may fetch pieces while choked (BEP 6): a few at a time, and the next when these have got theirs or are gone.

use std::net::{IpAddr, SocketAddr};

use tide_base::Duration;
use tide_disk::Memory;
use tide_engine::AddTorrent;

use crate::content::{fill, torrent};
use crate::world::{End, World};
use crate::{PATIENCE, SHARDS, tiny};

const ALLOWED_FAST: u8 = 17;
const PIECES: u32 = 8;

/// Somebody who speaks the fast extension, has nothing and says so.
fn meet(world: &mut World, spec: &AddTorrent, number: u8) -> End {
    let addr = SocketAddr::new(IpAddr::from([10, 0, 9, number]), 7000);
    let end = world.stranger(0, addr).expect("there is room");
    let mut bytes = vec![19];
    bytes.extend(b"BitTorrent protocol");
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 4]);
    bytes.extend(spec.info_hashes.v1.expect("a v1 torrent").0);
    bytes.extend([number; 20]);
    bytes.extend([0, 0, 0, 1, 15]);
    world.say(end, &bytes);
    world.run(Duration::from_secs(1), |_| false);
    end
}

/// How many pieces it is told that it may fetch.
fn allowed(world: &mut World, end: End) -> usize {
    let heard = world.hear(end).expect("it is connected");
    let (mut at, mut count) = (68, 0);
    while let Some(len) = heard.get(at..at + 4) {
        count += usize::from(heard.get(at + 4) == Some(&ALLOWED_FAST));
        at += 4 + u32::from_be_bytes(len.try_into().expect("four bytes")) as usize;
    }
    count
}

#[test]
fn in_a_crowd_two_at_a_time_may_fetch_while_choked() {
    for shards in SHARDS {
        let mut world = World::new();
        let disk = Memory::default();
        world.node(tiny(shards), disk.clone());
        let (spec, contents) = torrent(3, &[256 * u64::from(PIECES)], 256, 64);
        fill(&disk, &spec, &contents);
        let key = world.add(0, spec.clone());
        assert!(world.run(PATIENCE, |world| world.has_completed(0, key)));

        let crowd: Vec<End> = (1..=5).map(|number| meet(&mut world, &spec, number)).collect();
        let told: Vec<bool> = crowd.iter().map(|&end| allowed(&mut world, end) > 0).collect();
        assert_eq!(told, [true, true, false, false, false]);

        // One of the two has everything now: it needs no help any more.
        world.say(
            crowd[0],
            &(0..PIECES)
                .flat_map(|piece| [&[0, 0, 0, 5, 4][..], &piece.to_be_bytes()].concat())
                .collect::<Vec<u8>>(),
        );
        world.run(Duration::from_secs(1), |_| false);
        let next = meet(&mut world, &spec, 6);
        assert!(allowed(&mut world, next) > 0);
        // The other is gone.
        world.cut(crowd[1]);
        world.run(Duration::from_secs(1), |_| false);
        let next = meet(&mut world, &spec, 7);
        assert!(allowed(&mut world, next) > 0);
        let last = meet(&mut world, &spec, 8);
        assert_eq!(allowed(&mut world, last), 0);
    }
}
