//! Memory is short: content is larger than what the processes may use. Threads that serve peers must not wait for pages.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tide_test_clients::{Payload, Signal, TempDir, Tide, TideCommand, Torrent, compare, wait};

use crate::work::{LEAVE, Seed, at_fresh, create, get};

/// What each process and the pages of its files may take.
const ROOM: u64 = 48 << 20;
/// Content that does not fit.
const CONTENT: u64 = (80 << 20) + 4_321;

/// A group of processes that share [`ROOM`]. Removed on drop, when its processes have ended.
struct Group(PathBuf);

impl Group {
    /// `None`, with a word about why, where there are no such groups.
    fn new(name: &str) -> Option<Group> {
        let path =
            Path::new("/sys/fs/cgroup/memory").join(format!("tide-test-{}-{name}", std::process::id()));
        let made = fs::create_dir(&path)
            .and_then(|()| fs::write(path.join("memory.limit_in_bytes"), ROOM.to_string()));
        if let Err(error) = made {
            let _ = fs::remove_dir(&path);
            // Past the capture of the test runner, as every test that is skipped says.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED shards_wait_for_no_page_while_memory_is_short: no memory cgroup: {}: {error}",
                path.display()
            );
            return None;
        }
        Some(Group(path))
    }

    /// A command of a copy of the program that runs in the group.
    fn tide(&self, dir: &TempDir, program: &Path, arguments: &[&str]) -> TideCommand {
        let script = dir.join("in-group");
        // The flag that the driver puts in front of all comes behind the name of the command.
        let text = "echo $$ >\"$GROUP/cgroup.procs\"; json=$1; command=$2; shift 2; exec \"$TIDE\" $command $json \"$@\"";
        fs::write(&script, text).expect("a file of ours");
        let command = TideCommand::new("sh", [&script]).env("GROUP", &self.0);
        at_fresh(command.env("TIDE", program).args(arguments))
    }

    /// The most that was in use at once.
    fn most(&self) -> u64 {
        let text = fs::read_to_string(self.0.join("memory.max_usage_in_bytes")).expect("it says how much");
        text.trim().parse().expect("a number")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = wait::try_until(LEAVE, || fs::remove_dir(&self.0).ok());
    }
}

/// Major page faults of the threads whose names begin so: how many threads, how many faults.
fn major_faults(tide: &Tide, name: &str) -> (usize, u64) {
    let tasks = fs::read_dir(format!("/proc/{}/task", tide.id())).expect("it runs");
    let faults = tasks.flatten().filter_map(|task| {
        let stat = fs::read_to_string(task.path().join("stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        // Behind the name: state, parent, group, session, terminal, its group, flags, minor faults, those of
        // children, major faults.
        head.split_once('(')?.1.starts_with(name).then(|| fields.split_whitespace().nth(9)?.parse().ok())?
    });
    let faults: Vec<u64> = faults.collect();
    (faults.len(), faults.iter().sum())
}

/// Takes the pages of a file out of memory.
fn forget(file: &Path) {
    let mut of = std::ffi::OsString::from("of=");
    of.push(file);
    let dd = Command::new("dd").arg(of).args(["oflag=nocache", "conv=notrunc,fdatasync", "count=0"]).output();
    assert!(dd.is_ok_and(|dd| dd.status.success()), "dd is there");
}

#[test]
fn shards_wait_for_no_page_while_memory_is_short() {
    let (Some(for_seed), Some(for_leech)) = (Group::new("seed"), Group::new("leech")) else { return };
    let dir = TempDir::new("memory");
    let payload = Payload::one_file_of(&dir.folder("seed"), 1, CONTENT);
    let torrent: Torrent = create(&payload, &dir.join("t.torrent"), &["-l", "256k"]);
    forget(payload.root());
    // Code counts for the group that reads it first. Its pages go when memory is short, unless they are locked.
    let program = dir.join("tide");
    fs::copy(env!("CARGO_BIN_EXE_tide"), &program).expect("copies");
    forget(&program);
    let common = ["--shards", "2", "--hashers", "1", "--memory", "16M"];
    let run = |group: &Group, command: &str, folder: &Path| {
        group.tide(&dir, &program, &[command]).args(common).arg(&torrent.file).arg("-d").arg(folder)
    };
    let seed = Seed::start(&run(&for_seed, "seed", payload.parent()), &torrent.info_hash);
    // Peers that take their time: what is lent to them waits for long.
    let slow = ["one", "two", "three"].map(|name| {
        let slow = get(&torrent, &dir.join(name)).args(["--peer", &seed.peer(), "--down", "500k"]).start();
        slow.progress(&torrent.info_hash, 1);
        slow
    });
    let folder = dir.join("get");
    let get = run(&for_leech, "get", &folder).args(["--seed", "--peer", &seed.peer()]);
    let mut get = Seed::start(&get, &torrent.info_hash);
    for (tide, group) in [(&seed.tide, &for_seed), (&get.tide, &for_leech)] {
        assert!(group.most() * 10 > ROOM * 9, "memory was not short: {}", group.most());
        let (threads, faults) = major_faults(tide, "tide-shard");
        // Disk threads take hundreds.
        assert_eq!((threads, faults), (2, 0), "shards, and major page faults in them");
    }
    get.tide.signal(Signal::Interrupt);
    get.tide.wait_exit(LEAVE).expect_code(130);
    compare::same(payload.root(), &folder.join(payload.name()));
    drop((slow, seed));
}
