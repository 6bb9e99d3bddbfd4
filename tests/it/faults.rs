//! Disks in trouble: full, cut short, gone, hung, out of descriptors. The torrent says what is wrong, the process lives,
//! the other torrents go on, and it continues when the cause is gone.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread;

use tide::{Add, Config, Listen, Session};
use tide_test_clients::{
    Call, Event, HangingMount, InfoHash, Payload, Signal, SmallTmpfs, TempDir, Tide, TideCommand, Tool,
    Torrent, compare, have, net, wait,
};

use crate::work::{LEAVE, Seed, Work, at_fresh, summary_code, tide};

/// How content is kept on disk.
const STORAGES: [&str; 2] = ["mapped", "file"];

/// Waits until the program tells of trouble with a torrent; of what kind.
fn trouble(tide: &Tide, hash: &InfoHash) -> String {
    tide.wait("trouble", |event| match event {
        Event::Error { info_hash: Some(of), kind, .. } if of == hash => Some(kind.clone()),
        _ => None,
    })
}

/// Two torrents in one folder, and one program that has both.
struct Pair {
    one: Work,
    two: Work,
    folder: PathBuf,
}

impl Pair {
    fn new() -> Pair {
        let one = Work::new(|dir, seed| Payload::one_file_of(dir, seed, 3_000_017));
        let two = Work::new(Payload::many_files);
        let folder = one.dir.folder("both");
        Pair { one, two, folder }
    }

    /// A program that gets both, and seeds them.
    fn command(&self) -> TideCommand {
        let command = tide(["get", "--seed"]).args([&self.one.torrent.file, &self.two.torrent.file]);
        at_fresh(command.arg("-d").arg(&self.folder))
    }

    /// A program that seeds both; the content is in its folder.
    fn seed(&self, storage: &str, flags: &[&str]) -> Seed {
        let (one, two) = (self.one.seed(), self.two.seed());
        let peers = ["--peer", &one.peer(), "--peer", &two.peer(), "--storage", storage];
        let command = self.command().args(peers).args(flags);
        let both = Seed::start(&command, self.one.hash());
        both.tide.seeding(self.two.hash());
        both
    }

    /// Someone else still gets the other torrent from it, and it ends in order.
    fn assert_goes_on(&self, mut both: Seed) {
        let folder = self.two.folder("later");
        self.two.get(&folder).args(["--peer", &both.peer()]).run().expect_code(0);
        self.two.assert_same(&folder);
        both.tide.signal(Signal::Interrupt);
        both.tide.wait_exit(LEAVE).expect_code(130);
        assert_eq!(summary_code(&both.tide.events()), Some(130));
    }
}

#[test]
fn a_full_disk_is_code_5_and_the_next_run_brings_the_rest() {
    if !have(&[Tool::Mounts]) {
        return;
    }
    let work = Work::new(Payload::one_file);
    let seed = work.seed();
    for storage in STORAGES {
        let disk = SmallTmpfs::new(2 << 20);
        let home = work.dir.folder(format!("home {storage}"));
        let command = work.get(disk.path()).args(["--peer", &seed.peer(), "--storage", storage]).home(&home);
        let mut get = command.start();
        get.wait_exit(LEAVE).expect_code(5);
        assert_eq!(trouble(&get, work.hash()), "disk-full");
        assert_eq!(summary_code(&get.events()), Some(5));
        disk.resize(16 << 20);
        let mut get = command.start();
        get.wait_exit(LEAVE).expect_code(0);
        work.assert_same(disk.path());
        let Some(Event::Summary(summary)) = get.events().pop() else { panic!("no summary at the end") };
        let came = summary["downloaded"].as_u64().expect("it says how much came");
        assert!(came < work.payload.size(), "what was there came again");
    }
}

#[test]
fn a_full_disk_stops_one_torrent_until_there_is_room() {
    if !have(&[Tool::Mounts]) {
        return;
    }
    let pair = Pair { folder: PathBuf::new(), ..Pair::new() };
    let disk = SmallTmpfs::new(5 << 20);
    let pair = Pair { folder: disk.path().to_owned(), ..pair };
    let (one, two) = (pair.one.seed(), pair.two.seed());
    pair.two.get(disk.path()).args(["--peer", &two.peer()]).run().expect_code(0);
    let command = pair.command().args(["--peer", &one.peer(), "--peer", &two.peer()]);
    let both = Seed::start(&command, pair.two.hash());
    assert_eq!(trouble(&both.tide, pair.one.hash()), "disk-full");
    let folder = pair.two.folder("from it");
    pair.two.get(&folder).args(["--peer", &both.peer()]).run().expect_code(0);
    // Without a word from anybody.
    disk.resize(16 << 20);
    both.tide.complete(pair.one.hash());
    pair.one.assert_same(disk.path());
    drop((one, two));
    pair.assert_goes_on(both);
}

#[test]
fn a_file_cut_short_while_it_is_served_stops_its_torrent_alone() {
    for storage in STORAGES {
        let pair = Pair::new();
        // Slow, so that it is cut in the midst of uploads.
        let both = pair.seed(storage, &["--up", "256k"]);
        let leech = pair.one.get(&pair.one.folder("leech")).args(["--peer", &both.peer()]).start();
        leech.progress(pair.one.hash(), 1);
        let file = File::options().write(true).open(pair.folder.join(pair.one.payload.name()));
        file.and_then(|file| file.set_len(1_000)).expect("a file of ours");
        assert_eq!(trouble(&both.tide, pair.one.hash()), "shrunk", "{storage}");
        pair.assert_goes_on(both);
    }
}

#[test]
fn a_file_cut_short_ends_a_seed_of_it_with_code_5() {
    let work = Work::new(Payload::one_file);
    let mut seed = Seed::start(&work.seed_command().args(["--up", "256k"]), work.hash());
    let leech = work.get(&work.folder("leech")).args(["--peer", &seed.peer()]).start();
    leech.progress(work.hash(), 1);
    let file = File::options().write(true).open(work.payload.root());
    file.and_then(|file| file.set_len(0)).expect("a file of ours");
    seed.tide.wait_exit(LEAVE).expect_code(5);
    assert_eq!(trouble(&seed.tide, work.hash()), "shrunk");
    assert_eq!(summary_code(&seed.tide.events()), Some(5));
}

#[test]
fn a_file_deleted_while_it_is_served_harms_no_other_torrent() {
    for storage in STORAGES {
        let pair = Pair::new();
        let both = pair.seed(storage, &[]);
        fs::remove_file(pair.folder.join(pair.one.payload.name())).expect("a file of ours");
        // Who holds a deleted file open can serve it still; who opens it anew cannot.
        let folder = pair.one.folder("later");
        let mut get = pair.one.get(&folder).args(["--peer", &both.peer(), "--timeout", "3s"]).start();
        match get.wait_exit(LEAVE).code {
            Some(0) => pair.one.assert_same(&folder),
            _ => assert_eq!(trouble(&both.tide, pair.one.hash()), "missing", "{storage}"),
        }
        pair.assert_goes_on(both);
    }
}

#[test]
fn a_folder_replaced_while_it_is_served_harms_no_other_torrent() {
    let pair = Pair::new();
    let both = pair.seed("mapped", &[]);
    let path = pair.folder.join(pair.one.payload.name());
    fs::remove_file(&path).expect("a file of ours");
    fs::create_dir(&path).expect("a folder of ours");
    let folder = pair.one.folder("later");
    let mut get = pair.one.get(&folder).args(["--peer", &both.peer(), "--timeout", "3s"]).start();
    if get.wait_exit(LEAVE).code == Some(0) {
        pair.one.assert_same(&folder);
    }
    pair.assert_goes_on(both);
}

#[test]
fn a_file_that_changes_while_it_is_served_does_not_spread() {
    let pair = Pair::new();
    let both = pair.seed("mapped", &[]);
    let path = pair.folder.join(pair.one.payload.name());
    fs::write(&path, vec![7; 3_000_017]).expect("a file of ours");
    let folder = pair.one.folder("later");
    let mut get = pair.one.get(&folder).args(["--peer", &both.peer(), "--timeout", "3s"]).start();
    get.wait_exit(LEAVE).expect_code(3);
    pair.assert_goes_on(both);
}

/// A number of shards, and file calls that hang for one torrent of a session with so many.
#[derive(Clone, Copy, Debug)]
struct Hang {
    shards: u16,
    calls: &'static [Call],
}

impl Hang {
    /// Gets the first of the works into a folder whose calls hang, and the others beside it.
    fn run(self, works: &[Work], peers: &[SocketAddr]) {
        let mut mount = HangingMount::new();
        mount.hang(self.calls);
        let dir = TempDir::new("hang");
        let config = Config {
            listen: Listen::At(vec![net::fresh().into()]),
            shards: self.shards,
            hashers: 1,
            state_dir: Some(dir.folder("state")),
            ..Config::default()
        };
        let session = Session::start(config).expect("a fresh address is free");
        let get = |work: &Work, folder: &Path, peer: SocketAddr| {
            let add = Add::file(&work.torrent.file).expect("made by tide").dir(folder);
            session.add(add.peer(peer)).expect("taken in")
        };
        let hung = get(&works[0], mount.path(), peers[0]);
        mount.wait_held();
        // Only now, so that they find it hanging.
        let folder = dir.folder("get");
        let rest = || works.iter().zip(peers).skip(1);
        let others: Vec<_> = rest().map(|(work, &peer)| get(work, &folder, peer)).collect();
        for (other, (work, _)) in others.iter().zip(rest()) {
            if let Err(error) = other.wait_complete(Some(wait::GENEROUS)) {
                panic!("{self:?}: {error}: {:#?}", other.stats());
            }
            work.assert_same(&folder);
        }
        assert!(
            self.calls == [Call::Sync] || hung.stats().is_ok_and(|stats| stats.done < stats.wanted),
            "{self:?}"
        );
        // It returns, whatever it says.
        session.shutdown(LEAVE / 10);
        mount.release();
    }
}

#[test]
fn a_hung_disk_stops_its_torrent_alone_and_the_session_ends() {
    if !have(&[Tool::Fuse]) {
        return;
    }
    // The number of a payload is in its name, so each is another torrent, and they are at home here and there.
    let works: Vec<Work> = (1..=6)
        .map(|number| match number {
            6 => Work::new(Payload::many_files),
            _ => Work::new(|dir, _| Payload::one_file_of(dir, number, 1_000_000 + number)),
        })
        .collect();
    for shards in [2, 5] {
        let with_it = works[1..].iter().filter(|work| home(work, shards) == home(&works[0], shards)).count();
        assert!((1..=4).contains(&with_it), "of {shards} shards, all others are with it, or none is");
    }
    let seeds: Vec<Seed> = works.iter().map(Work::seed).collect();
    let peers: Vec<SocketAddr> = seeds.iter().map(|seed| seed.addr).collect();
    // Nothing is read on the way of a download, and a file gets its length by being written.
    const CALLS: [&[Call]; 4] = [&[Call::Open], &[Call::Write], &[Call::Sync], &Call::ALL];
    // Most of the time is spent in waiting for a shutdown's budget to be over.
    thread::scope(|scope| {
        for shards in [1, 2, 5] {
            for calls in CALLS {
                let (works, peers) = (&works, &peers);
                scope.spawn(move || Hang { shards, calls }.run(works, peers));
            }
        }
    });
}

/// The shard, of so many, that a torrent is at home on.
fn home(work: &Work, shards: u64) -> u64 {
    let digits = &work.hash().to_string()[..16];
    u64::from_str_radix(digits, 16).expect("hexadecimal digits") % shards
}

#[test]
fn interrupted_while_the_disk_hangs_it_leaves_in_time() {
    if !have(&[Tool::Fuse]) {
        return;
    }
    let mut mount = HangingMount::new();
    let work = Work::new(Payload::one_file);
    let seed = work.seed();
    mount.hang(&Call::ALL);
    let mut get = work.get(mount.path()).args(["--peer", &seed.peer()]).start();
    mount.wait_held();
    get.signal(Signal::Interrupt);
    // The kernel keeps a process whose call hangs; all that it can do itself is done by then.
    let code = wait::until_within(LEAVE, "it says its last word", || match get.events().last() {
        Some(Event::Summary(summary)) => summary["exit"].as_u64(),
        _ => None,
    });
    assert_eq!(code, 130);
    mount.release();
    get.wait_exit(LEAVE).expect_code(130);
}

/// A folder of many small files, and a torrent of it.
fn many_small_files(work: &Work) -> (PathBuf, Torrent) {
    let root = work.dir.folder("seed/many small files");
    for number in 0..300_usize {
        let bytes: Vec<u8> = (0..9_000).map(|at| (at * (number + 3) % 251) as u8).collect();
        fs::write(root.join(format!("{number:03}")), bytes).expect("a file of ours");
    }
    let file = work.dir.join("small.torrent");
    tide(["create", "-l", "32k", "-q", "-o"]).arg(&file).arg(&root).run().expect_code(0);
    (root, Torrent::read(&file))
}

#[test]
fn few_descriptors_are_enough_for_many_files() {
    let work = Work::new(|dir, seed| Payload::one_file_of(dir, seed, 100_000));
    let (root, torrent) = many_small_files(&work);
    // The flag that the driver puts in front of all comes behind the name of the command.
    let script = work.dir.join("few");
    let text = format!(
        "ulimit -n 64; json=$1; command=$2; shift 2; exec '{}' \"$command\" \"$json\" \"$@\"",
        env!("CARGO_BIN_EXE_tide")
    );
    fs::write(&script, text).expect("a file of ours");
    let few =
        |arguments: &[&str]| at_fresh(TideCommand::new("sh", [&script]).args(arguments).arg(&torrent.file));
    for storage in STORAGES {
        let folder = work.dir.join(format!("get {storage}"));
        let seed =
            few(&["seed", "--storage", storage]).arg("-d").arg(root.parent().expect("inside a folder"));
        let seed = Seed::start(&seed, &torrent.info_hash);
        let get = few(&["get", "--storage", storage, "--peer", &seed.peer()]).arg("-d").arg(&folder);
        let mut get = get.start();
        get.wait_exit(wait::GENEROUS).expect_code(0);
        compare::same(&root, &folder.join("many small files"));
        assert_eq!(summary_code(&get.events()), Some(0));
    }
}
