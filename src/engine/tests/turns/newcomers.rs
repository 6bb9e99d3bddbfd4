//! Who may fetch pieces while choked (BEP 6): a few at a time, and the next when these have got theirs or are gone.

use std::net::{IpAddr, SocketAddr};

use tide_disk::Memory;
use tide_engine::AddTorrent;

use crate::content::{fill, torrent};
use crate::world::{End, World};
use crate::{PATIENCE, SHARDS, tiny};

const ALLOWED_FAST: u8 = 17;
const PIECES: u32 = 8;

/// Somebody who speaks the fast extension, has nothing and says so: his end, and how many pieces he is told that he may
/// fetch. No time passes meanwhile: whoever came before would be gone.
fn meet(world: &mut World, spec: &AddTorrent, number: u8) -> (End, usize) {
    let addr = SocketAddr::new(IpAddr::from([10, 0, 9, number]), 7000);
    let end = world.stranger(0, addr).expect("there is room");
    let mut bytes = vec![19];
    bytes.extend(b"BitTorrent protocol");
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 4]);
    bytes.extend(spec.info_hashes.v1.expect("a v1 torrent").0);
    bytes.extend([number; 20]);
    bytes.extend([0, 0, 0, 1, 15]);
    world.say(end, &bytes);
    let mut heard = Vec::new();
    // What is said first is said in one go.
    let greeted = world.run(PATIENCE, |world| {
        heard.extend(world.hear(end).expect("it is connected"));
        heard.len() > 68
    });
    assert!(greeted);
    (end, allowed(&heard))
}

fn allowed(heard: &[u8]) -> usize {
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

        let crowd: Vec<(End, usize)> = (1..=5).map(|number| meet(&mut world, &spec, number)).collect();
        let told: Vec<bool> = crowd.iter().map(|&(_, pieces)| pieces > 0).collect();
        assert_eq!(told, [true, true, false, false, false]);

        // One of the two has everything now, and so is let go.
        let (first, second) = (crowd[0].0, crowd[1].0);
        let haves = (0..PIECES).flat_map(|piece| [&[0, 0, 0, 5, 4][..], &piece.to_be_bytes()].concat());
        world.say(first, &haves.collect::<Vec<u8>>());
        assert!(world.run(PATIENCE, |world| world.hear(first).is_none()));
        assert!(meet(&mut world, &spec, 6).1 > 0);
        // The other is gone.
        world.cut(second);
        world.step();
        assert!(meet(&mut world, &spec, 7).1 > 0);
        assert_eq!(meet(&mut world, &spec, 8).1, 0);
    }
}
