//! Whoever uses a node's program: torrents, commands, and what the engine says to them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Bits, Duration, InfoHash, InfoHashes, Layout, ShardId};
use tide_disk::{FileTable, StoreKey, VolumeId};
use tide_engine::{
    AddTorrent, Answer, Command, CommandError, CommandId, Event, Facts, Happening, Metadata, RateLimits,
    Reply, Then, TorrentCommand, TorrentKey,
};

use super::node::{Node, Owned};
use super::{NodeId, World};
use crate::disk::Content;

/// How much of a torrent lies on a node's disk in the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holding {
    /// Nothing.
    Nothing,
    /// Each piece with this probability, in thousandths.
    Some(u32),
    /// All of it.
    Everything,
}

/// A torrent as a node's user knows it.
#[derive(Clone, Debug)]
pub struct UserTorrent {
    /// The number of its content.
    pub content: usize,
    /// Its content.
    pub(super) made: Arc<Content>,
    /// Whether the world has spoilt its resume data.
    pub(super) resume_spoilt: bool,
    /// Whether a sync failed, and what it lost was forgotten before it was written again.
    pub(super) forgotten: bool,
    /// As it is added, and added again after a restart.
    pub spec: AddTorrent,
    /// Its name in the engine, once it has one.
    pub key: Option<TorrentKey>,
    /// Whether it is the copy that nobody and nothing harms.
    pub spared: bool,
    /// Whether the user has it; one that was removed can be added again.
    pub present: bool,
    /// Whether the engine said in this life that it is complete.
    pub complete: bool,
    /// The command that adds it, until it is answered.
    adding: Option<CommandId>,
    /// The command that removes it, until it is answered.
    removing: Option<CommandId>,
    /// Where it may lie as well, after moves that were given up.
    pub(super) elsewhere: Vec<PathBuf>,
    /// The command that moves it, where to, until it is answered.
    moving: Option<(CommandId, PathBuf, VolumeId)>,
}

impl UserTorrent {
    /// Its info-hash.
    pub fn info_hash(&self) -> InfoHash {
        self.made.info_hash()
    }

    /// How many files it has, padding included.
    pub fn files(&self) -> usize {
        self.made.files().files().len()
    }

    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Whether nothing is under way that changes whether it is there.
    pub fn is_settled(&self) -> bool {
        self.adding.is_none() && self.removing.is_none() && self.moving.is_none()
    }
}

impl Node {
    /// The names of torrents and the answers to commands die with a process.
    pub(super) fn forget_keys(&mut self) {
        for number in 0..self.torrents.len() {
            if self.torrents[number].removing.take().is_some() {
                self.torrents[number].present = false;
                self.doubt_what_is_left(number);
            }
            let torrent = &mut self.torrents[number];
            (torrent.key, torrent.adding, torrent.complete) = (None, None, false);
            // What was being moved lies partly here and partly there: what is claimed of it is not, as the engine sees
            // by its files.
            torrent.resume_spoilt |= torrent.moving.take().is_some();
        }
    }

    /// Whether a command was answered, and not refused.
    pub fn has_done(&self, id: CommandId) -> bool {
        self.replies.get(&id).is_some_and(Reply::is_ok)
    }

    /// The answer to a command, once it is there.
    pub fn take_reply(&mut self, id: CommandId) -> Option<Reply> {
        self.replies.remove(&id)
    }
}

impl World {
    /// A torrent as a session would add it: everything wanted, below a folder of its own, with resume data.
    pub fn spec_of(&self, content: usize, peers: Vec<SocketAddr>) -> AddTorrent {
        let made = &self.contents[content];
        AddTorrent {
            metadata: made.metadata().map_or(Metadata::Withheld, |bytes| Metadata::Known(bytes.clone())),
            name: format!("t{content}"),
            files: made.files().clone(),
            layout: made.layout(),
            piece_hashes: made.piece_hashes(),
            store: StoreKey(content as u64),
            resume: Some(PathBuf::from(format!("/v0/state/{content}.resume"))),
            aside: Some(PathBuf::from(format!("/v0/state/{content}.aside"))),
            priorities: Some(Vec::new()),
            sequential: Some(false),
            paused: Some(false),
            peers,
            limits: Some(RateLimits::default()),
            ..AddTorrent::plain(InfoHashes::v1(made.info_hash()), format!("/v0/content{content}").into())
        }
    }

    /// The same by a magnet link: the info-hash is known, and what else a link says.
    pub fn magnet_of(&self, content: usize, peers: Vec<SocketAddr>) -> AddTorrent {
        AddTorrent {
            metadata: Metadata::Sought { named: Vec::new(), select: None, then: Then::Transfer },
            files: Arc::new(FileTable::new(Vec::new())),
            layout: Layout::UNKNOWN,
            piece_hashes: Arc::from([]),
            ..self.spec_of(content, peers)
        }
    }

    /// A node's user gets a torrent, of which so much lies on the disk: its number there. It is added now, if the node
    /// runs, and whenever it starts.
    pub fn add_torrent(&mut self, id: NodeId, content: usize, spec: AddTorrent, holding: Holding) -> usize {
        let made = self.contents[content].clone();
        let node = &mut self.nodes[id.0 as usize];
        node.medium.know(&made, &spec.root);
        match holding {
            Holding::Nothing => {}
            Holding::Everything => node.medium.fill(&made, &spec.root),
            Holding::Some(thousandths) => {
                let prng = node.dice.prng();
                let count = made.layout().pieces();
                let mut pieces = Bits::new(count);
                for piece in (0..count).filter(|_| prng.chance(u64::from(thousandths), 1000)) {
                    pieces.set(piece);
                }
                node.medium.fill_some(&made, &spec.root, &pieces);
            }
        }
        let (key, adding, removing, moving) = (None, None, None, None);
        node.torrents.push(UserTorrent {
            content,
            made,
            resume_spoilt: false,
            forgotten: false,
            spec,
            key,
            spared: false,
            present: true,
            complete: false,
            adding,
            removing,
            elsewhere: Vec::new(),
            moving,
        });
        let number = node.torrents.len() - 1;
        self.tell_to_add(id, number);
        number
    }

    /// A node's copy of a content is the one that nobody and nothing harms: its files are not cut off, deleted or
    /// spoilt, and its user neither moves nor deletes them. So each content can be completed by whoever meets it.
    pub fn spare(&mut self, id: NodeId, number: usize) {
        let node = &mut self.nodes[id.0 as usize];
        let torrent = &mut node.torrents[number];
        torrent.spared = true;
        node.medium.spare(&torrent.made, &torrent.spec.root);
    }

    /// A removed torrent is added again.
    pub fn add_again(&mut self, id: NodeId, number: usize) {
        let node = &mut self.nodes[id.0 as usize];
        let torrent = &mut node.torrents[number];
        assert!(!torrent.present && torrent.is_settled(), "only what was removed can be added again");
        torrent.present = true;
        node.forget_failed_syncs(number);
        self.tell_to_add(id, number);
    }

    /// A torrent is removed; it is gone once the engine says so.
    pub fn remove_torrent(&mut self, id: NodeId, number: usize, content: tide_engine::Content) {
        if let Some(command) = self.command_torrent(id, number, TorrentCommand::Remove(content)) {
            self.nodes[id.0 as usize].torrents[number].removing = Some(command);
        }
    }

    pub(super) fn add_torrents(&mut self, id: NodeId) {
        for number in 0..self.nodes[id.0 as usize].torrents.len() {
            self.tell_to_add(id, number);
        }
    }

    fn tell_to_add(&mut self, id: NodeId, number: usize) {
        let node = &self.nodes[id.0 as usize];
        let torrent = &node.torrents[number];
        if !node.is_alive() || !torrent.present || torrent.key.is_some() {
            return;
        }
        let spec = torrent.spec.clone();
        let hash = spec.info_hashes.v1.expect("contents have v1 info-hashes").0;
        let shard = ShardId(u16::from(hash[19]) % node.spec.setup.shards);
        let command = self.command(id, shard, Command::Add(Box::new(spec)));
        self.nodes[id.0 as usize].torrents[number].adding = Some(command);
    }

    /// Hands a command to a shard of a running node.
    pub fn command(&mut self, id: NodeId, shard: ShardId, command: Command) -> CommandId {
        let command_id = CommandId(self.next_command);
        self.next_command += 1;
        self.put(id, shard, Owned::Command { id: command_id, command: Box::new(command) });
        command_id
    }

    /// Hands a command about a torrent in, if the engine knows the torrent.
    pub fn command_torrent(&mut self, id: NodeId, number: usize, what: TorrentCommand) -> Option<CommandId> {
        let key = self.nodes[id.0 as usize].torrents[number].key?;
        match what {
            TorrentCommand::SetPriorities(_) => {
                let hash = self.nodes[id.0 as usize].torrents[number].info_hash();
                self.judge_wish(id, key, hash);
            }
            TorrentCommand::Resume | TorrentCommand::Recheck => self.judge_tries(id, key),
            _ => {}
        }
        Some(self.command(id, key.shard, Command::Torrent(key, what)))
    }

    /// Asks a node to end in good order within `budget`.
    pub fn shut_down(&mut self, id: NodeId, budget: Duration) {
        for shard in 0..self.nodes[id.0 as usize].spec.setup.shards {
            self.command(id, ShardId(shard), Command::Shutdown(budget));
        }
        self.judge_ending(id, self.now + budget);
    }

    /// Hands a command in and runs until it is answered, `patience` at the most.
    pub fn ask(&mut self, id: NodeId, shard: ShardId, command: Command, patience: Duration) -> Option<Reply> {
        let command = self.command(id, shard, command);
        let end = self.now + patience;
        loop {
            if let Some(reply) = self.nodes[id.0 as usize].take_reply(command) {
                return Some(reply);
            }
            if !self.step(end) {
                return None;
            }
        }
    }

    /// Other files are wanted from now on, and after a restart.
    pub fn set_priorities(&mut self, id: NodeId, number: usize, priorities: Vec<u8>) {
        let torrent = &mut self.nodes[id.0 as usize].torrents[number];
        torrent.spec.priorities = Some(priorities.clone());
        self.command_torrent(id, number, TorrentCommand::SetPriorities(priorities));
    }

    /// Moves the content to a new folder of a volume; after a restart it is added where it lies.
    pub fn move_torrent(&mut self, id: NodeId, number: usize, volume: u16, folder: u32) {
        let to = PathBuf::from(format!(
            "/v{volume}/moved{folder}-{}",
            self.nodes[id.0 as usize].torrents[number].content
        ));
        let node = &mut self.nodes[id.0 as usize];
        let torrent = &node.torrents[number];
        if torrent.moving.is_some() {
            return;
        }
        node.medium.know(&self.contents[torrent.content], &to);
        self.nodes[id.0 as usize].scar_damaged(number);
        let what = TorrentCommand::Move { to: to.clone(), volume: VolumeId(volume) };
        if let Some(command) = self.command_torrent(id, number, what) {
            self.nodes[id.0 as usize].torrents[number].moving = Some((command, to, VolumeId(volume)));
        }
    }

    /// Whether a torrent's metadata is sought, and can be told.
    pub fn can_learn(&self, id: NodeId, number: usize) -> bool {
        let node = &self.nodes[id.0 as usize];
        let torrent = &node.torrents[number];
        let mut surveys = node.shards().flat_map(|shard| shard.survey().torrents);
        torrent.made.metadata().is_some()
            && surveys.any(|survey| Some(survey.key) == torrent.key && !survey.layout.is_known())
    }

    /// A torrent by a link is told its metadata.
    pub fn learn(&mut self, id: NodeId, number: usize) {
        let spec = self.spec_of(self.nodes[id.0 as usize].torrents[number].content, Vec::new());
        let Metadata::Known(metadata) = spec.metadata else { panic!("there is no metadata to be told") };
        let facts = Box::new(Facts {
            info_hashes: spec.info_hashes,
            name: spec.name,
            files: spec.files,
            layout: spec.layout,
            piece_hashes: spec.piece_hashes,
            private: spec.private,
            metadata,
        });
        self.command_torrent(id, number, TorrentCommand::Learn { facts, web_seeds: Vec::new() });
    }

    /// A torrent's trackers are to be asked at once.
    pub fn reannounce(&mut self, id: NodeId, number: usize) {
        let (now, hash) = (self.now, self.nodes[id.0 as usize].torrents[number].info_hash());
        if let Some(life) = &mut self.nodes[id.0 as usize].life {
            life.docket.ears.wanted(now, hash);
        }
        self.command_torrent(id, number, TorrentCommand::Reannounce);
    }

    /// A torrent is told of somebody to meet.
    pub fn meet(&mut self, id: NodeId, number: usize, addr: SocketAddr) {
        let hash = self.nodes[id.0 as usize].torrents[number].info_hash();
        self.judge_named(id, hash, addr);
        self.command_torrent(id, number, TorrentCommand::AddPeers(vec![addr]));
    }

    /// The session's rates from now on, and after a restart.
    pub fn set_rates(&mut self, id: NodeId, rates: RateLimits) {
        self.nodes[id.0 as usize].spec.setup.rates = rates;
        self.judge_rates_ordered(id, None);
        self.command(id, ShardId::FIRST, Command::SetLimits(rates));
    }

    /// A torrent's rates from now on, and after a restart.
    pub fn set_torrent_rates(&mut self, id: NodeId, number: usize, rates: RateLimits) {
        let torrent = &mut self.nodes[id.0 as usize].torrents[number];
        torrent.spec.limits = Some(rates);
        let hash = torrent.info_hash();
        self.judge_rates_ordered(id, Some(hash));
        self.command_torrent(id, number, TorrentCommand::SetLimits(rates));
    }

    pub(super) fn told_user(&mut self, id: NodeId, event: Event) {
        let now = self.now;
        let node = &mut self.nodes[id.0 as usize];
        self.trail.number(0xe000 + event.what.kind() as u64);
        let known = node.torrents.iter_mut().find(|torrent| torrent.key == Some(event.torrent));
        if let (Some(torrent), Happening::Complete { .. }) = (known, &event.what) {
            torrent.complete = true;
        }
        node.events.push((now, event));
    }

    pub(super) fn replied(&mut self, id: NodeId, command: CommandId, reply: Reply) {
        let node = &mut self.nodes[id.0 as usize];
        self.trail.number(0xf000 + u64::from(reply.is_ok()));
        for (number, torrent) in node.torrents.iter_mut().enumerate() {
            if torrent.adding == Some(command) {
                torrent.adding = None;
                torrent.key = match &reply {
                    Ok(Answer::Added(key)) | Err(CommandError::Duplicate(key)) => Some(*key),
                    _ => None,
                };
                return;
            }
            if let Some((_, to, volume)) = torrent.moving.take_if(|(moving, ..)| *moving == command) {
                match reply {
                    Ok(_) => (torrent.spec.root, torrent.spec.volume) = (to, volume),
                    // It was given up in the middle, and the disk may still be at it: the engine will learn where the
                    // content came to lie, the user does not.
                    Err(_) => {
                        torrent.resume_spoilt = true;
                        torrent.elsewhere.push(to);
                    }
                }
                return;
            }
            if torrent.removing == Some(command) {
                torrent.removing = None;
                // With trouble it is gone as well; and whoever ends has no use for it any more.
                if let Ok(_) | Err(CommandError::Trouble(_) | CommandError::Ending) = reply {
                    (torrent.present, torrent.key) = (false, None);
                    node.doubt_what_is_left(number);
                }
                return;
            }
        }
        let old = node.replies.insert(command, reply);
        assert!(old.is_none(), "a command is answered once");
    }
}
