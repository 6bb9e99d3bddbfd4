//! One engine and mutants, with pipes between them and a clock set by hand. Every read takes as much as chance lets it.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tide_base::{Duration, InfoHash, InfoHashes, Instant, Layout, Prng, ShardId};
use tide_disk::{Access, FileEntry, FileTable, Memory, Place, Storage, StorageFile, Stores};
use tide_engine::{
    AddTorrent, Command, CommandId, ConnKey, Event, Happening, Input, Listening, Metadata, NetError, Output,
    Setup, Shard, Slices, TorrentKey, Want,
};

use crate::actor::{Actor, Deed, EndId, Hands, Heard};
use crate::mutants::{Bytes, Mutant, MutantSpec, Vice};
use crate::trail::Trail;

/// Blocks and pieces of the torrent.
const BLOCK: u32 = 64;
const PIECE: u32 = 192;
/// Its length: the last piece and the last block are short.
pub(crate) const TOTAL: u64 = 2500;

/// The torrent's content.
#[derive(Debug)]
pub(crate) struct Made;

impl Bytes for Made {
    fn fill(&self, at: u64, into: &mut [u8]) {
        for (i, byte) in (at..).zip(into) {
            *byte = (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        }
    }
}

#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    ended: bool,
}

/// Bytes that wait between the engine and a mutant, at most.
const PIPE: usize = 16 * 1024;

struct Stream {
    mutant: usize,
    end: EndId,
    conn: ConnKey,
    to_mutant: Pipe,
    to_engine: Pipe,
    mutant_reads: bool,
}

/// One engine and mutants.
pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) mutants: Vec<(Mutant, SocketAddr)>,
    pub(crate) now: Instant,
    pub(crate) trail: Trail,
    pub(crate) banned: Vec<std::net::IpAddr>,
    pub(crate) complete: bool,
    /// Bytes that the engine sent to mutants.
    pub(crate) told: u64,
    disk: Memory,
    stores: Stores<Memory>,
    inputs: VecDeque<Input<'static>>,
    streams: BTreeMap<u64, Stream>,
    next_stream: u64,
    gulp: usize,
    prng: Prng,
    torrent: Option<TorrentKey>,
}

/// Where the engine is.
pub(crate) fn victim() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 6881))
}

fn layout() -> Layout {
    Layout::new(TOTAL, PIECE, BLOCK).expect("a legal layout")
}

/// What every mutant knows.
pub(crate) fn spec(victims: Vec<SocketAddr>, at: SocketAddr) -> MutantSpec {
    let (layout, content) = (layout(), Arc::new(Made));
    MutantSpec {
        info_hash: info_hash(),
        layout,
        metadata: Some(metadata()),
        content,
        victims,
        at,
        listens: true,
        limits: limits(),
    }
}

/// What the engine puts up with.
fn limits() -> tide_peer::Limits {
    tide_peer::Limits { control_queued: 64 * 1024, ..tide_peer::Limits::tiny(BLOCK) }
}

fn info_hash() -> InfoHash {
    InfoHash([7; 20])
}

/// What is given out as the torrent's metadata; nobody here can check it.
fn metadata() -> Arc<[u8]> {
    Arc::from(*b"d4:name4:madee")
}

fn torrent() -> AddTorrent {
    let mut whole = vec![0; TOTAL as usize];
    Made.fill(0, &mut whole);
    let hashes: Vec<u8> = whole.chunks(PIECE as usize).flat_map(|piece| tide_hash::sha1(&[piece])).collect();
    let path = PathBuf::from("content");
    AddTorrent {
        metadata: Metadata::Known(metadata()),
        name: "made".into(),
        files: Arc::new(FileTable::new(vec![FileEntry {
            path,
            offset: 0,
            len: TOTAL,
            padding: false,
            executable: false,
        }])),
        layout: layout(),
        piece_hashes: hashes.into(),
        ..AddTorrent::plain(InfoHashes::v1(info_hash()), PathBuf::from("/content"))
    }
}

impl World {
    /// An engine that has the first `has` bytes of the torrent.
    pub(crate) fn new(seed: u64, has: u64) -> World {
        World::of(seed, has, torrent())
    }

    /// An engine that has nothing, and knows the torrent's info-hash only.
    pub(crate) fn seeking(seed: u64) -> World {
        let known = torrent();
        World::of(seed, 0, AddTorrent::plain(known.info_hashes, known.root))
    }

    fn of(seed: u64, has: u64, spec: AddTorrent) -> World {
        let mut prng = Prng::new(seed);
        let mut setup = Setup::plain(1);
        setup.seed = seed;
        setup.now = Instant::from_secs(1);
        setup.peer_id = tide_peer::client::our_id([1; 12]);
        setup.limits = tide_engine::Limits {
            block_len: BLOCK,
            chunk_len: 128,
            memory: 1024,
            upload_memory: 512,
            upload_ahead: 256,
            read_len: 256,
            leases: 4,
            disk_jobs: 2,
            hash_jobs: 1,
            peer: limits(),
            ..tide_engine::Limits::default()
        };
        let disk = Memory::default();
        let (root, made) = (spec.root.clone(), torrent());
        let at = Place { backing: spec.backing, root: &root, below: &made.files.files()[0].path };
        disk.make_folders(at.folder()).expect("memory has room");
        let file = disk.open(at, Access::Create { executable: false }).expect("memory has room");
        let mut content = vec![0; has as usize];
        Made.fill(0, &mut content);
        file.write_at(&[std::io::IoSlice::new(&content)], 0).expect("memory has room");
        let mut shard = Shard::new(ShardId(0), &setup);
        let listening = Listening { tcp: vec![victim()], udp_v4: None, udp_v6: None };
        shard.handle(setup.now, Input::Listening(listening));
        shard.handle(
            setup.now,
            Input::Command { id: CommandId(1), command: Box::new(Command::Add(Box::new(spec))) },
        );
        let mut world = World {
            shard,
            mutants: Vec::new(),
            now: setup.now,
            trail: Trail::default(),
            banned: Vec::new(),
            complete: false,
            told: 0,
            stores: Stores::new(disk.clone(), tide_disk::Limits::default()),
            disk,
            inputs: VecDeque::new(),
            streams: BTreeMap::new(),
            next_stream: 1,
            gulp: [1, 3, 50, 1 << 20][prng.index(4)],
            prng,
            torrent: None,
        };
        world.run(Duration::from_millis(100), |_| false);
        world
    }

    /// A mutant comes into the world; its number.
    pub(crate) fn add(&mut self, vice: Vice, dials: bool) -> usize {
        let number = self.mutants.len();
        let at = SocketAddr::from(([10, 0, 9, number as u8 + 1], 7000));
        let spec = spec(if dials { vec![victim()] } else { Vec::new() }, at);
        let prng = self.prng.split(vice.name()).split(&number.to_string());
        self.mutants.push((Mutant::new(vice, spec, prng), at));
        self.with(number, |mutant, now, hands| mutant.wake(now, hands));
        number
    }

    /// The engine hears of all mutants' addresses.
    pub(crate) fn introduce(&mut self) {
        let peers = self.mutants.iter().map(|(_, at)| *at).collect();
        let torrent = self.torrent.expect("it was added");
        let command = Command::Torrent(torrent, tide_engine::TorrentCommand::AddPeers(peers));
        self.inputs.push_back(Input::Command { id: CommandId(2), command: Box::new(command) });
    }

    /// Whether what is on the disk is the torrent, whole.
    pub(crate) fn holds(&self) -> bool {
        let spec = torrent();
        let at = Place { backing: spec.backing, root: &spec.root, below: &spec.files.files()[0].path };
        let (mut content, mut bytes) = (vec![0; TOTAL as usize], vec![0; TOTAL as usize]);
        Made.fill(0, &mut content);
        let file = self.disk.open(at, Access::Read).expect("it was made");
        file.read_at(&mut [std::io::IoSliceMut::new(&mut bytes)], 0).is_ok() && bytes == content
    }

    /// Runs until `until` holds, or `limit` has passed.
    pub(crate) fn run(&mut self, limit: Duration, mut until: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now + limit;
        while self.now <= end {
            if until(self) {
                return true;
            }
            if self.step() {
                // What goes to and fro takes its time.
                self.now += Duration::from_micros(100);
                continue;
            }
            let mutants =
                self.mutants.iter().map(|(mutant, _)| mutant.wake_at()).min().unwrap_or(Instant::NEVER);
            let engine = self.shard.wake_at().map_or(Instant::NEVER, |(at, _)| at);
            self.now = mutants
                .min(engine)
                .min(end + Duration::from_millis(1))
                .max(self.now + Duration::from_millis(1));
        }
        false
    }

    /// A turn for everybody; whether anything happened.
    fn step(&mut self) -> bool {
        let mut progress = false;
        while let Some(input) = self.inputs.pop_front() {
            progress = true;
            self.shard.handle(self.now, input);
        }
        let keys: Vec<u64> = self.streams.keys().copied().collect();
        for &key in &keys {
            while self.read(key) {
                progress = true;
            }
        }
        self.shard.settle(self.now);
        self.shard.check_invariants();
        while let Some(output) = self.shard.poll() {
            progress = true;
            self.carry(output);
        }
        let mut done = Vec::new();
        while self.stores.work(&mut |answer| done.push(answer)) {}
        while let Some(job) = self.stores.next_sync() {
            done.push(job.run());
        }
        progress |= !done.is_empty();
        self.inputs.extend(done.into_iter().map(Input::Disk));
        for &key in &keys {
            progress |= self.write(key) | self.tell(key);
        }
        for number in 0..self.mutants.len() {
            if self.mutants[number].0.wake_at() <= self.now {
                progress = true;
                self.with(number, |mutant, now, hands| mutant.wake(now, hands));
            }
        }
        progress
    }

    /// The engine reads what waits for it, once.
    fn read(&mut self, key: u64) -> bool {
        let Some(stream) = self.streams.get_mut(&key) else { return false };
        if stream.to_engine.bytes.is_empty() {
            if stream.to_engine.ended {
                let conn = self.streams.remove(&key).expect("it is there").conn;
                self.shard.handle(self.now, Input::Closed { conn, why: NetError::Ended });
                return true;
            }
            return false;
        }
        let most = 1 + self.prng.index(self.gulp);
        let bytes = &mut stream.to_engine.bytes;
        let (placed, scratch) = match self.shard.want(self.now, stream.conn) {
            Want::Nothing => return false,
            Want::Scratch(scratch) => (0, scratch.min(most)),
            Want::Place { place, scratch } => {
                let len = place.len().min(bytes.len()).min(most);
                place.iter_mut().zip(bytes.drain(..len)).for_each(|(to, from)| *to = from);
                (len, scratch.min(most - len))
            }
        };
        let len = scratch.min(bytes.len());
        let scratch: Vec<u8> = bytes.drain(..len).collect();
        if placed == 0 && scratch.is_empty() {
            return false;
        }
        self.shard.filled(self.now, stream.conn, placed, &scratch);
        true
    }

    /// The engine writes as much as there is room for.
    fn write(&mut self, key: u64) -> bool {
        let mut progress = false;
        while let Some(stream) = self.streams.get_mut(&key) {
            let mut slices = Slices::new();
            self.shard.gather(stream.conn, &mut slices);
            let bytes = slices.parts().concat();
            let room = PIPE - stream.to_mutant.bytes.len();
            let len = bytes.len().min(room).min(self.gulp);
            if len == 0 {
                break;
            }
            progress = true;
            self.told += len as u64;
            stream.to_mutant.bytes.extend(&bytes[..len]);
            self.shard.sent(self.now, stream.conn, len);
        }
        progress
    }

    /// A mutant hears what waits for it.
    fn tell(&mut self, key: u64) -> bool {
        let mut progress = false;
        while let Some(stream) = self.streams.get_mut(&key).filter(|stream| stream.mutant_reads) {
            let (number, end) = (stream.mutant, stream.end);
            let len = stream.to_mutant.bytes.len().min(1 + self.prng.index(self.gulp));
            let data: Vec<u8> = stream.to_mutant.bytes.drain(..len).collect();
            if data.is_empty() {
                if stream.to_mutant.ended {
                    self.streams.remove(&key);
                    self.with(number, |mutant, now, hands| {
                        mutant.hear(now, Heard::Closed { end, why: NetError::Ended }, hands);
                    });
                    return true;
                }
                break;
            }
            progress = true;
            self.with(number, |mutant, now, hands| {
                mutant.hear(now, Heard::Bytes { end, data: &data }, hands)
            });
        }
        progress
    }

    /// Lets a mutant do something, and does what it does.
    fn with(&mut self, number: usize, what: impl FnOnce(&mut Mutant, Instant, &mut Hands<'_>)) {
        let mut hands = Hands::new(&mut self.next_stream);
        what(&mut self.mutants[number].0, self.now, &mut hands);
        for deed in hands.take() {
            self.trail.number(self.now.as_nanos());
            self.trail.bytes(format!("{deed:?}").as_bytes());
            match deed {
                Deed::Dial { end, .. } => self.connect(number, end),
                Deed::Send { end, data } => {
                    if let Some(stream) = self.streams.get_mut(&end.stream) {
                        stream.to_engine.bytes.extend(data);
                    }
                }
                Deed::Listen { end, reads } => {
                    if let Some(stream) = self.streams.get_mut(&end.stream) {
                        stream.mutant_reads = reads;
                    }
                }
                Deed::Close { end } => {
                    if let Some(stream) = self.streams.get_mut(&end.stream) {
                        (stream.to_engine.ended, stream.mutant_reads) = (true, false);
                    }
                }
                Deed::Reset { end } => {
                    if let Some(stream) = self.streams.remove(&end.stream) {
                        self.shard
                            .handle(self.now, Input::Closed { conn: stream.conn, why: NetError::Reset });
                    }
                }
                Deed::Datagram { .. } => panic!("mutants speak TCP"),
            }
        }
    }

    /// A mutant connects to the engine.
    fn connect(&mut self, number: usize, end: EndId) {
        let from = SocketAddr::new(self.mutants[number].1.ip(), 40_000 + (end.stream % 20_000) as u16);
        let conn = self.shard.accept(self.now, from, victim());
        let heard = match conn {
            Some(_) => Heard::Connected { end },
            None => Heard::Closed { end, why: NetError::Refused },
        };
        if let Some(conn) = conn {
            self.stream(number, end, conn);
        }
        self.with(number, |mutant, now, hands| mutant.hear(now, heard, hands));
    }

    fn stream(&mut self, mutant: usize, end: EndId, conn: ConnKey) {
        let (to_mutant, to_engine) = (Pipe::default(), Pipe::default());
        self.streams
            .insert(end.stream, Stream { mutant, end, conn, to_mutant, to_engine, mutant_reads: true });
    }

    fn carry(&mut self, output: Output) {
        match output {
            Output::Dial { conn, to, tls: _ } => {
                let Some(number) = self.mutants.iter().position(|(_, at)| *at == to) else {
                    return self.inputs.push_back(Input::Closed { conn, why: NetError::Refused });
                };
                let end = EndId { stream: self.next_stream, dialler: false };
                self.next_stream += 1;
                self.stream(number, end, conn);
                self.inputs.push_back(Input::Connected { conn, local: victim() });
                self.with(number, |mutant, now, hands| {
                    mutant.hear(now, Heard::Accepted { end, from: victim(), at: to }, hands);
                });
            }
            Output::Close(conn) => {
                let gone = self.streams.values_mut().find(|stream| stream.conn == conn);
                if let Some(stream) = gone {
                    stream.to_mutant.ended = true;
                    stream.to_engine = Pipe::default();
                    // Who does not read hears of the end all the same, by a reset.
                    stream.mutant_reads = true;
                }
            }
            Output::Disk(job) => self.stores.submit(job),
            Output::Hash(job) => self.inputs.push_back(Input::Hashed(job.run())),
            Output::Event(Event { what, .. }) => match what {
                Happening::Banned(ip) => self.banned.push(ip),
                Happening::Complete { .. } => self.complete = true,
                _ => {}
            },
            Output::Reply { reply, .. } => {
                if let Ok(tide_engine::Answer::Added(key)) = reply {
                    self.torrent = Some(key);
                }
            }
            Output::Mail { .. } | Output::HandOver { .. } => panic!("there is one shard"),
            Output::Send(_)
            | Output::Read(_)
            | Output::Datagram { .. }
            | Output::Sockets(_)
            | Output::Reachable(_)
            | Output::Resolve { .. }
            | Output::Finished => {}
        }
    }
}
