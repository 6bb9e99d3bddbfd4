//! Torrents that are removed with their content.

use tide_disk::{Memory, TroubleKind};
use tide_engine::{
    AddTorrent, Answer, Command, CommandError, CommandId, Content, Reply, State, TorrentCommand, TorrentKey,
};

use crate::content::{fill, torrent};
use crate::disk::{Disk, EIO};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

/// A seed of one torrent. Nothing is done beside what is asked for.
struct Scene {
    world: World,
    disk: Disk,
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
    let disk = Disk::from(memory);
    let node = world.node(tiny(shards), disk.clone());
    let key = world.add(node, spec.clone());
    let mut scene = Scene { world, disk, spec, key, node };
    scene.settles_as(State::Seeding);
    scene
}

impl Scene {
    fn remove(&mut self, content: Content) -> CommandId {
        let remove = Command::Torrent(self.key, TorrentCommand::Remove(content));
        self.world.send(self.node, self.key.shard.0, remove)
    }

    fn removed(&mut self, id: CommandId) -> &Reply {
        let node = self.node;
        assert!(self.world.run(PATIENCE, |world| world.reply(node, id).is_some()));
        self.world.reply(node, id).expect("it is there")
    }

    fn add_again(&mut self) {
        self.key = self.world.add(self.node, self.spec.clone());
    }

    fn settles_as(&mut self, state: State) {
        let (node, key) = (self.node, self.key);
        let settled = |world: &mut World| world.stats(node, key).state == state;
        assert!(self.world.run(PATIENCE, settled), "{:?}", self.world.stats(node, key));
    }
}

#[test]
fn a_removal_is_answered_when_the_files_are_let_go_and_says_what_could_not_be_deleted() {
    for (shards, fails) in SHARDS.into_iter().flat_map(|shards| [(shards, false), (shards, true)]) {
        let mut scene = scene(shards);
        let (node, disk) = (scene.node, scene.disk.clone());
        scene.world.nodes[node].by_hand = true;
        let id = scene.remove(Content::Delete);
        let before = |_: &mut World| disk.fail(0, if fails { 1000 } else { 0 }, EIO);
        let meanwhile = |world: &mut World| {
            disk.fail(0, 0, EIO);
            for _ in 0..100 {
                world.step();
            }
            assert!(world.reply(node, id).is_none(), "its files are in use still");
        };
        scene.world.beside(node, before, meanwhile);
        match scene.removed(id) {
            Ok(Answer::Ok) => assert!(!fails),
            Err(CommandError::Trouble(trouble)) => assert!(fails && trouble.path.is_some(), "{trouble}"),
            other => panic!("{other:?}"),
        }
        scene.add_again();
        scene.settles_as(if fails { State::Seeding } else { State::Downloading });
        scene.world.shut_down_all();
    }
}

#[test]
fn what_cannot_be_opened_cannot_be_deleted() {
    for content in [Content::Delete, Content::Keep] {
        let mut scene = scene(1);
        scene.disk.fail(0, 1000, EIO);
        let recheck = Command::Torrent(scene.key, TorrentCommand::Recheck);
        scene.world.ask(scene.node, scene.key.shard.0, recheck).expect("it can be checked");
        scene.settles_as(State::Stopped);
        let id = scene.remove(content);
        match (content, scene.removed(id)) {
            (Content::Keep, Ok(Answer::Ok)) => {}
            (Content::Delete, Err(CommandError::Trouble(trouble))) => {
                assert_eq!(trouble.kind, TroubleKind::Io)
            }
            (_, other) => panic!("{other:?}"),
        }
        scene.disk.fail(0, 0, EIO);
        scene.add_again();
        scene.settles_as(State::Seeding);
        scene.world.shut_down_all();
    }
}
