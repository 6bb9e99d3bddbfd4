//! What users ask of the DHT, beside the torrents that are announced by themselves: from dice of its own.

use tide_base::{InfoHash, Prng, ShardId};
use tide_dht::{Item, NodeId as Place, Wanted};
use tide_engine::{Command, DhtCommand};

use crate::world::{NodeId, World};

/// One in so many ticks of a node that takes part.
const SELDOM: u64 = 8;

/// Users who ask.
#[derive(Debug)]
pub(super) struct Askers {
    prng: Prng,
    /// What may be asked about: torrents that are no secret.
    torrents: Vec<InfoHash>,
}

impl Askers {
    pub(super) fn new(prng: Prng, torrents: Vec<InfoHash>) -> Askers {
        Askers { prng, torrents }
    }

    /// A tick: for each node that takes part a chance.
    pub(super) fn tick(&mut self, world: &mut World) {
        let nodes = world.nodes().filter(|(_, node)| node.is_alive() && node.spec().setup.dht.is_some());
        for id in nodes.map(|(id, _)| id).collect::<Vec<NodeId>>() {
            if self.prng.chance(1, SELDOM)
                && let Some(what) = self.question()
            {
                world.command(id, ShardId::FIRST, Command::Dht(what));
            }
        }
    }

    fn question(&mut self) -> Option<DhtCommand> {
        // Few keys, so that what one stores another finds, and replaces.
        let value = format!("i{}e", self.prng.below(5));
        let item = Item::immutable(value.as_bytes()).expect("a number is a value");
        let owner = [1 + self.prng.below(2) as u8; 32];
        let seq = self.prng.below(4) as i64;
        let signed = Item::sign(&owner, b"", seq, value.as_bytes()).expect("a number is a value");
        let torrent =
            (!self.torrents.is_empty()).then(|| self.torrents[self.prng.index(self.torrents.len())]);
        Some(match self.prng.below(7) {
            0 => DhtCommand::GetPeers(torrent?),
            1 => DhtCommand::Announce { info_hash: torrent?, port: self.prng.chance(1, 2).then_some(7) },
            2 => DhtCommand::Get(Wanted::Immutable(item.target())),
            3 => {
                let (key, salt) = (signed.signed?.key, Box::default());
                DhtCommand::Get(Wanted::Mutable { key, salt, newer_than: None })
            }
            4 => DhtCommand::Put { item: Box::new(item), cas: None },
            5 => DhtCommand::Put { item: Box::new(signed), cas: self.prng.chance(1, 2).then_some(seq) },
            _ => DhtCommand::Get(Wanted::Immutable(Place::random(&mut self.prng))),
        })
    }
}
