//! Turns of one shard with a torrent that 1,000 peers fetch from it. Streams are bytes at hand and the disk is memory;
//! only what the engine does is timed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Duration, InfoHash, InfoHashes, Instant, Layout, PeerId, PieceIndex, ShardId, Span};
use tide_disk::{Access, Backing, Done, FileEntry, FileTable, Memory, Place, Storage, StorageFile, Stores};
use tide_engine::{
    AddTorrent, Check, Command, CommandId, ConnKey, Input, Listening, Metadata, Output, Setup, Shard, Slices,
};
use tide_peer::wire::message::Message;
use tide_peer::{Handshake, Reserved};

use crate::timing::{best, report, time};

const MEMBERS: usize = 1_000;
const PIECES: u32 = 1_024;
const PIECE: u32 = 64 << 10;
const BLOCK: u32 = 16 << 10;
const HASH: InfoHash = InfoHash([7; 20]);
const US: ([u8; 4], u16) = ([10, 0, 0, 1], 6881);

const IDLE_TURNS: u32 = 100_000;
const REQUESTS: u32 = 4_000;
const HAVE_TURNS: u32 = 500;
const CHOKE_ROUNDS: u32 = 5;

pub(crate) fn run() {
    let mut world = World::new();
    for n in 0..MEMBERS {
        world.join(n);
    }
    // A few rounds of choking, until slots are given out.
    for _ in 0..3 {
        world.pass(Duration::from_secs(10));
        world.rest();
    }
    let unchoked: Vec<ConnKey> = world.members.iter().filter(|m| m.unchoked).map(|m| m.conn).collect();
    assert!(!unchoked.is_empty(), "somebody is unchoked");
    let name = format!("turn, {MEMBERS} members, {} unchoked: ", unchoked.len());

    let seconds = best(|| time(|| (0..IDLE_TURNS).for_each(|_| world.turn())));
    report(&format!("{name}idle"), &format!("{:.0} ns", per(seconds, IDLE_TURNS)));

    world.spent = 0.0;
    for n in 0..REQUESTS {
        let piece = PieceIndex(n / 4 % PIECES);
        let span = Span { piece, offset: n % 4 * BLOCK, len: BLOCK };
        world.receive(&[unchoked[n as usize % unchoked.len()]], &Message::Request(span));
        world.rest();
        world.pass(Duration::from_millis(1));
    }
    assert_eq!(world.blocks, REQUESTS, "each request is served");
    let ns = per(world.spent, REQUESTS);
    report(&format!("{name}a request, served"), &format!("{ns:.0} ns in all its turns"));

    let everybody: Vec<ConnKey> = world.members.iter().map(|member| member.conn).collect();
    world.spent = 0.0;
    for n in 0..HAVE_TURNS {
        world.receive(&everybody, &Message::Have(PieceIndex(n)));
        world.turn();
        world.pass(Duration::from_millis(1));
    }
    let ns = per(world.spent, HAVE_TURNS);
    let each = ns / MEMBERS as f64;
    report(&format!("{name}all say HAVE"), &format!("{:.0} us, {each:.0} ns a member", ns / 1e3));

    world.rest();
    world.spent = 0.0;
    for _ in 0..CHOKE_ROUNDS {
        world.pass(Duration::from_secs(10));
        world.rest();
    }
    let ns = per(world.spent, CHOKE_ROUNDS);
    let each = ns / MEMBERS as f64;
    report(&format!("{name}a choke round"), &format!("{:.0} us, {each:.0} ns a member", ns / 1e3));
    assert_eq!(world.closed, 0, "nobody was lost");
}

fn per(seconds: f64, times: u32) -> f64 {
    seconds * 1e9 / f64::from(times)
}

struct Member {
    conn: ConnKey,
    unchoked: bool,
}

struct World {
    shard: Shard,
    stores: Stores<Memory>,
    now: Instant,
    /// Disk jobs that are done and not told yet.
    done: Vec<Done>,
    members: Vec<Member>,
    /// Seconds that the engine took.
    spent: f64,
    /// Blocks that were sent.
    blocks: u32,
    closed: u32,
}

impl World {
    fn new() -> World {
        let mut setup = Setup::plain(1);
        let room = MEMBERS as u32 + 10;
        setup.limits.peers = room;
        setup.limits.peers_per_torrent = room;
        (setup.limits.half_open, setup.limits.strangers) = (room, room);
        setup.now = Instant::from_secs(1);
        let disk = Memory::default();
        let spec = torrent(&disk);
        let mut world = World {
            shard: Shard::new(ShardId(0), &setup),
            stores: Stores::new(disk, tide_disk::Limits::default()),
            now: setup.now,
            done: Vec::new(),
            members: Vec::new(),
            spent: 0.0,
            blocks: 0,
            closed: 0,
        };
        let listening = Listening { tcp: vec![SocketAddr::from(US)], ..Listening::default() };
        world.shard.handle(world.now, Input::Listening(listening));
        let command = Box::new(Command::Add(Box::new(spec)));
        world.shard.handle(world.now, Input::Command { id: CommandId(1), command });
        world.rest();
        world
    }

    /// Lets time pass.
    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Somebody connects, shakes hands, has nothing and is interested.
    fn join(&mut self, n: usize) {
        let from = SocketAddr::from(([10, 1, (n >> 8) as u8, n as u8], 6881));
        let mut conn = None;
        for _ in 0..10 {
            // Room for another is granted by mail.
            conn = self.shard.accept(self.now, from, SocketAddr::from(US));
            if conn.is_some() {
                break;
            }
            self.rest();
        }
        let conn = conn.expect("there is room for everybody");
        let mut peer_id = *b"-XX0001-............";
        peer_id[8..16].copy_from_slice(&(n as u64).to_be_bytes());
        let hands = Handshake { reserved: Reserved::OURS, info_hash: HASH, peer_id: PeerId(peer_id) };
        self.members.push(Member { conn, unchoked: false });
        self.shard.filled(self.now, conn, 0, &hands.to_bytes());
        self.rest();
        self.receive(&[conn], &Message::HaveNone);
        self.receive(&[conn], &Message::Interested);
        self.rest();
    }

    /// A message comes in from each of these.
    fn receive(&mut self, conns: &[ConnKey], message: &Message<'_>) {
        let mut bytes = Vec::new();
        message.write(&mut bytes);
        let (shard, now) = (&mut self.shard, self.now);
        self.spent += time(|| {
            for &conn in conns {
                shard.want(now, conn);
                shard.filled(now, conn, 0, &bytes);
            }
        });
    }

    /// Turns until nothing is under way.
    fn rest(&mut self) {
        self.turn();
        while !self.done.is_empty() {
            self.turn();
        }
    }

    /// One turn, after the inputs that were given already.
    fn turn(&mut self) {
        let mut outputs = Vec::new();
        let (shard, now, done) = (&mut self.shard, self.now, &mut self.done);
        self.spent += time(|| {
            for done in done.drain(..) {
                shard.handle(now, Input::Disk(done));
            }
            shard.settle(now);
            outputs.extend(std::iter::from_fn(|| shard.poll()));
        });
        for output in outputs {
            match output {
                Output::Send(conn) => self.write(conn),
                Output::Disk(job) => {
                    self.stores.submit(job);
                    while self.stores.work(&mut |done| self.done.push(done)) {}
                    while let Some(sync) = self.stores.next_sync() {
                        self.done.push(sync.run());
                    }
                }
                Output::Close(_) => self.closed += 1,
                _ => {}
            }
        }
    }

    /// Takes what the engine has for a connection, as much at once as it names.
    fn write(&mut self, conn: ConnKey) {
        loop {
            let mut slices = Slices::new();
            let shard = &self.shard;
            self.spent += time(|| shard.gather(conn, &mut slices));
            let len: usize = slices.parts().iter().map(|part| part.len()).sum();
            if len == 0 {
                return;
            }
            self.blocks += slices.parts().iter().filter(|part| part.len() == BLOCK as usize).count() as u32;
            let says = |message: &[u8]| {
                slices.parts().iter().any(|part| part.len() < 1024 && part.windows(5).any(|at| at == message))
            };
            let (choke, unchoke) = (says(&[0, 0, 0, 1, 0]), says(&[0, 0, 0, 1, 1]));
            if (choke || unchoke)
                && let Some(member) = self.members.iter_mut().find(|member| member.conn == conn)
            {
                member.unchoked = unchoke;
            }
            let (shard, now) = (&mut self.shard, self.now);
            self.spent += time(|| shard.sent(now, conn, len));
        }
    }
}

/// A torrent whose content is there.
fn torrent(disk: &Memory) -> AddTorrent {
    let (total, path) = (u64::from(PIECES * PIECE), PathBuf::from("content"));
    let root = PathBuf::from("/seed");
    let at = Place { backing: Backing::File, root: &root, below: &path };
    disk.make_folders(at.folder()).expect("memory has room for folders");
    let file = disk.open(at, Access::Create { executable: false }).expect("memory has room for files");
    let content = vec![1; total as usize];
    let wrote = file.write_at(&[std::io::IoSlice::new(&content)], 0).expect("memory has room");
    assert_eq!(wrote, content.len());
    let entry = FileEntry { path, offset: 0, len: total, padding: false, executable: false };
    AddTorrent {
        metadata: Metadata::Withheld,
        name: "content".to_owned(),
        files: Arc::new(FileTable::new(vec![entry])),
        layout: Layout::new(total, PIECE, BLOCK).expect("a legal layout"),
        piece_hashes: vec![0; PIECES as usize * 20].into(),
        check: Check::Skip,
        ..AddTorrent::plain(InfoHashes::v1(HASH), root)
    }
}
