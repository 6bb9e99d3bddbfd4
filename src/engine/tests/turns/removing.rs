//! Torrents that are removed with their content.

use tide_disk::Memory;
use tide_engine::{AddTorrent, Answer, Command, Content, State, TorrentCommand, TorrentKey};

use crate::content::{fill, torrent};
use crate::disk::Disk;
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

/// A seed of one torrent. Nothing is done beside what is asked for.
struct Scene {
    world: World,
    spec: AddTorrent,
    key: TorrentKey,
    node: usize,
}

fn scene(shards: u16) -> Scene {
    let mut world = World::new();
    let (mut spec, contents) = torrent(3, &[700, 900], 192, 64);
    spec.resume = None;
    let memory = Memory::default();
    fill(&memory, &spec, &contents);
    let node = world.node(tiny(shards), Disk::from(memory));
    let key = world.add(node, spec.clone());
    let mut scene = Scene { world, spec, key, node };
    scene.settles_as(State::Seeding);
    scene
}

impl Scene {
    fn settles_as(&mut self, state: State) {
        let (node, key) = (self.node, self.key);
        let settled = |world: &mut World| world.stats(node, key).state == state;
        assert!(self.world.run(PATIENCE, settled), "{:?}", self.world.stats(node, key));
    }
}

#[test]
fn a_removal_is_answered_when_the_files_are_let_go() {
    for shards in SHARDS {
        let mut scene = scene(shards);
        let (node, key) = (scene.node, scene.key);
        scene.world.nodes[node].by_hand = true;
        let remove = Command::Torrent(key, TorrentCommand::Remove(Content::Delete));
        let id = scene.world.send(node, key.shard.0, remove);
        let meanwhile = |world: &mut World| {
            for _ in 0..100 {
                world.step();
            }
            assert!(world.reply(node, id).is_none(), "its files are in use still");
        };
        scene.world.beside(node, |_| {}, meanwhile);
        assert!(scene.world.run(PATIENCE, |world| world.reply(node, id).is_some()));
        assert!(matches!(scene.world.reply(node, id), Some(Ok(Answer::Ok))));
        scene.key = scene.world.add(node, scene.spec.clone());
        scene.settles_as(State::Downloading);
        scene.world.shut_down_all();
    }
}
