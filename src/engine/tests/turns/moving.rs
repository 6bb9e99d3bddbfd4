//! Content that moves to another folder, and what is wanted of the torrent meanwhile.

use std::path::PathBuf;

use tide_disk::{Memory, Trouble, VolumeId};
use tide_engine::{
    AddTorrent, Answer, Command, CommandError, CommandId, Happening, State, TorrentCommand, TorrentKey,
};

use crate::content::{fill, holds, torrent};
use crate::disk::{Disk, EIO, ENOSPC};
use crate::world::World;
use crate::{PATIENCE, SHARDS, tiny};

/// The node whose content moves; a seed is there besides.
const LEECH: usize = 1;

const ELSEWHERE: &str = "/elsewhere";

struct Scene {
    world: World,
    memory: Memory,
    disk: Disk,
    spec: AddTorrent,
    contents: Vec<Vec<u8>>,
    key: TorrentKey,
}

/// A leech that has all it wants: all but the file in the middle. Nothing is saved beside what is asked for.
fn scene(shards: u16) -> Scene {
    let mut world = World::new();
    let (mut spec, contents) = torrent(3, &[700, 1100, 900], 192, 64);
    spec.resume = None;
    let (seeds, memory) = (Memory::default(), Memory::default());
    fill(&seeds, &spec, &contents);
    let from = world.node(tiny(shards), seeds);
    world.add(from, spec.clone());
    let disk = Disk::from(memory.clone());
    assert_eq!(world.node(tiny(shards), disk.clone()), LEECH);
    spec.peers = vec![world.nodes[from].addr];
    let wanted = AddTorrent { priorities: Some(vec![4, 0, 4]), ..spec.clone() };
    let key = world.add(LEECH, wanted);
    let mut scene = Scene { world, memory, disk, spec, contents, key };
    scene.settles_as(State::Seeding);
    scene
}

fn to_elsewhere() -> TorrentCommand {
    TorrentCommand::Move { to: PathBuf::from(ELSEWHERE), volume: VolumeId(0) }
}

fn everything() -> TorrentCommand {
    TorrentCommand::SetPriorities(vec![4; 3])
}

impl Scene {
    fn send(&mut self, what: TorrentCommand) -> CommandId {
        self.world.send(LEECH, self.key.shard.0, Command::Torrent(self.key, what))
    }

    fn ask(&mut self, what: TorrentCommand) -> Result<Answer, CommandError> {
        self.world.ask(LEECH, self.key.shard.0, Command::Torrent(self.key, what))
    }

    fn settles_as(&mut self, state: State) {
        let key = self.key;
        let settled = |world: &mut World| world.stats(LEECH, key).state == state;
        assert!(self.world.run(PATIENCE, settled), "{:?}", self.world.stats(LEECH, key));
    }

    /// What the trouble is with a torrent that was stopped, and then paused.
    fn pauses_in_trouble(&mut self) -> Trouble {
        self.settles_as(State::Stopped);
        self.ask(TorrentCommand::Pause).expect("it waits");
        self.disk.fail(0, 0, EIO);
        self.world.nodes[LEECH].events.clear();
        self.world.stats(LEECH, self.key).trouble.expect("it says why")
    }

    /// Whether it still waits, and has not said that the trouble is over.
    fn is_still_in(&mut self, trouble: Trouble) {
        let stats = self.world.stats(LEECH, self.key);
        assert_eq!((stats.state, stats.trouble), (State::Paused, Some(trouble)));
        assert!(!self.has_recovered());
    }

    fn has_recovered(&self) -> bool {
        let mut events = self.world.nodes[LEECH].events.iter();
        events.any(|event| matches!(event.what, Happening::Recovered))
    }

    /// Whether everything is below a folder in the end.
    fn completes_at(mut self, root: &str) {
        self.settles_as(State::Seeding);
        assert_eq!(self.world.stats(LEECH, self.key).trouble, None);
        self.spec.root = PathBuf::from(root);
        assert!(holds(&self.memory, &self.spec, &self.contents));
        self.world.shut_down_all();
    }
}

#[test]
fn files_are_chosen_while_the_content_moves() {
    for (shards, fails) in SHARDS.into_iter().flat_map(|shards| [(shards, false), (shards, true)]) {
        let mut scene = scene(shards);
        scene.world.nodes[LEECH].by_hand = true;
        let (key, disk) = (scene.key, scene.disk.clone());
        let id = scene.send(to_elsewhere());
        let choose = |world: &mut World| {
            assert_eq!(world.stats(LEECH, key).state, State::Moving);
            let chosen = world.ask(LEECH, key.shard.0, Command::Torrent(key, everything()));
            assert!(matches!(chosen, Ok(Answer::Ok)), "{chosen:?}");
            disk.fail(0, i64::from(fails), EIO);
        };
        scene.world.beside(LEECH, choose, |_| {});
        assert!(scene.world.run(PATIENCE, |world| world.reply(LEECH, id).is_some()));
        let moved = scene.world.reply(LEECH, id).expect("it is there");
        match fails {
            false => assert!(moved.is_ok(), "{moved:?}"),
            true => assert!(matches!(moved, Err(CommandError::Trouble(_))), "{moved:?}"),
        }
        scene.settles_as(State::Downloading);
        scene.completes_at(if fails { "/content" } else { ELSEWHERE });
    }
}

#[test]
fn trouble_before_a_move_has_begun_calls_it_off() {
    for shards in SHARDS {
        let mut scene = scene(shards);
        scene.world.nodes[LEECH].hangs = true;
        // The disk is told to select files, and then to move them.
        let ids = [everything(), to_elsewhere()].map(|what| {
            let id = scene.send(what);
            scene.ask(TorrentCommand::Stats).expect("it is known");
            id
        });
        assert_eq!(scene.world.stats(LEECH, scene.key).state, State::Moving);
        scene.disk.fail(0, 1000, EIO);
        scene.world.nodes[LEECH].hangs = false;
        scene.settles_as(State::Stopped);
        scene.disk.fail(0, 0, EIO);
        for id in ids {
            let reply = scene.world.reply(LEECH, id);
            assert!(matches!(reply, Some(Err(CommandError::Trouble(_)))), "{reply:?}");
        }
        scene.ask(TorrentCommand::Resume).expect("it goes on");
        scene.completes_at("/content");
    }
}

#[test]
fn what_could_not_be_opened_is_not_moved() {
    for shards in SHARDS {
        let mut scene = scene(shards);
        scene.disk.fail(0, 1000, EIO);
        scene.ask(TorrentCommand::Recheck).expect("it can be checked");
        let trouble = scene.pauses_in_trouble();
        let moved = scene.ask(to_elsewhere());
        assert!(matches!(&moved, Err(CommandError::Trouble(why)) if *why == trouble), "{moved:?}");
        scene.is_still_in(trouble);
        for what in [everything(), TorrentCommand::Resume] {
            scene.ask(what).expect("it goes on");
        }
        scene.completes_at("/content");
    }
}

#[test]
fn what_stopped_can_be_moved_and_goes_on_only_if_it_was() {
    for (shards, fails) in SHARDS.into_iter().flat_map(|shards| [(shards, false), (shards, true)]) {
        let mut scene = scene(shards);
        scene.disk.fail(20, 1000, ENOSPC);
        // It may be that the files cannot be selected, or that they can, and not be written.
        let _ = scene.ask(everything());
        let trouble = scene.pauses_in_trouble();
        scene.disk.fail(0, i64::from(fails), EIO);
        let moved = scene.ask(to_elsewhere());
        match fails {
            false => {
                assert!(moved.is_ok(), "{moved:?}");
                scene.settles_as(State::Paused);
                assert!(scene.has_recovered());
            }
            true => {
                assert!(matches!(moved, Err(CommandError::Trouble(_))), "{moved:?}");
                scene.is_still_in(trouble);
            }
        }
        scene.ask(TorrentCommand::Resume).expect("it goes on");
        scene.completes_at(if fails { "/content" } else { ELSEWHERE });
    }
}
