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

/// BEP 10: a later extension handshake needs to have no more than what has changed in `m` (as rTorrent's, when peer exchange
/// is turned on or off). Of what it leaves out it says nothing.
#[test]
fn what_a_second_hello_does_not_mention_stays_as_it_was() {
    let mut world = World::new();
    world.node(tiny(1), Memory::default());
    let (spec, _) = torrent(3, &[2048], 256, 64);
    let key = world.add(0, spec.clone());
    let is_ready = |world: &mut World| world.stats(0, key).state == tide_engine::State::Downloading;
    assert!(world.run(PATIENCE, is_ready));
    let upload_only = |world: &World| {
        let crews = world.nodes[0].shards[0].survey().crews;
        crews.iter().flat_map(|crew| &crew.members).map(|member| member.upload_only).collect::<Vec<bool>>()
    };
    let end = extended(&mut world, &spec, 1, b"d1:ei1e1:mde1:pi7000e11:upload_onlyi1ee");
    assert!(world.run(PATIENCE, |world| upload_only(world) == [true]));
    world.say(end, &hello(b"d1:md6:ut_pexi0eee"));
    for _ in 0..10 {
        world.step();
    }
    assert_eq!(upload_only(&world), [true]);
    // Nor is anybody else told otherwise.
    let other = extended(&mut world, &spec, 2, b"d1:md6:ut_pexi1eee");
    assert_eq!(flags_told(&mut world, other), 0x03, "it prefers encryption and wants nothing");
    // The message that takes it back does so here, too.
    world.say(end, &[0, 0, 0, 3, 20, 2, 0]);
    assert!(world.run(PATIENCE, |world| upload_only(world) == [false, false]));
    let third = extended(&mut world, &spec, 3, b"d1:md6:ut_pexi1eee");
    assert_eq!(flags_told(&mut world, third), 0x01);
}

fn hello(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 2).to_be_bytes()[..], &[20, 0], body].concat()
}

/// Somebody who speaks the extension protocol, and says hello.
fn extended(world: &mut World, spec: &AddTorrent, number: u8, body: &[u8]) -> End {
    let addr = SocketAddr::new(IpAddr::from([10, 0, 9, number]), 7000);
    let end = world.stranger(0, addr).expect("there is room");
    let mut bytes = vec![19];
    bytes.extend(b"BitTorrent protocol");
    bytes.extend([0, 0, 0, 0, 0, 0x10, 0, 0]);
    bytes.extend(spec.info_hashes.v1.expect("a v1 torrent").0);
    bytes.extend([number; 20]);
    bytes.extend(hello(body));
    world.say(end, &bytes);
    end
}

/// The flags of the first, and only, peer that the one at `end` is told of.
fn flags_told(world: &mut World, end: End) -> u8 {
    const KEY: &[u8] = b"7:added.f1:";
    let (mut heard, mut flags) = (Vec::new(), None);
    let told = world.run(PATIENCE, |world| {
        heard.extend(world.hear(end).expect("it is connected"));
        let at = heard.windows(KEY.len()).position(|bytes| bytes == KEY);
        flags = at.and_then(|at| heard.get(at + KEY.len())).copied();
        flags.is_some()
    });
    assert!(told, "{heard:?}");
    flags.expect("it was told")
}
