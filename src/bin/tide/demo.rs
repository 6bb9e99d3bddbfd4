//! `tide demo`: a whole swarm in one process, on loopback.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tide::make::{Options, make};
use tide::metainfo::{Magnet, Torrent as Metainfo};
use tide::tracker::{ServerLimits, Tracker, TrackerConfig};
use tide::verify::verify;
use tide::{Add, Config, Listen, RateLimits, Session, Torrent};
use tide_base::Prng;

use crate::console::Ink;
use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;
use crate::show::info_hash;
use crate::transfer::line;
use crate::units;

/// What is shared: names and bytes, odd ones, so that pieces cross files.
const PAYLOAD: [(&str, usize); 5] = [
    ("large.bin", (24 << 20) + 12_345),
    ("folder/medium.bin", (7 << 20) - 777),
    ("folder/deeper/small.bin", 54_321),
    ("empty.bin", 0),
    ("one byte.bin", 1),
];
/// What the seed gives in a second: slow enough to be watched, and to make the downloaders help each other.
const SEED_RATE: u64 = 16 << 20;
/// How often the screen is refreshed.
const LOOK: Duration = Duration::from_millis(100);
/// How often something short is looked for.
const GLANCE: Duration = Duration::from_millis(10);
/// Far more than it takes: something is wrong then.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a session has for its leave.
const LEAVE: Duration = Duration::from_secs(2);

/// A folder that goes when it is not needed any more.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> io::Result<Scratch> {
        for attempt in 0..100 {
            let path = parent.join(format!("tide-demo-{}-{attempt}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// A new folder in it.
    fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.0.join(name);
        fs::create_dir(&path).map(|()| path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            log::warn!("{}: {error}", self.0.display());
        }
    }
}

/// Somebody in the swarm.
struct Member {
    name: &'static str,
    dir: PathBuf,
    session: Session,
    torrent: Torrent,
}

/// What the swarm did.
struct Outcome {
    took: Duration,
    /// Bytes that the seed gave, and that the downloaders gave each other.
    by_seed: u64,
    by_others: u64,
}

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    context.stop.be_gentle();
    let parent = std::env::temp_dir();
    let scratch = Scratch::new(&parent).map_err(|error| Failure::file(parent.display(), &error))?;
    let failed = |error: io::Error| Failure::file(scratch.0.display(), &error);
    tell(context, &format!("A payload of {} files is made and hashed …", PAYLOAD.len()));
    let origin = scratch.folder("seed").map_err(failed)?;
    write_payload(&origin.join("payload")).map_err(failed)?;
    let tracker = tracker()?;
    let urls =
        [format!("http://{}/announce", tracker.http()[0]), format!("udp://{}/announce", tracker.udp()[0])];
    let options = Options { trackers: vec![urls[..1].to_vec(), urls[1..].to_vec()], ..Options::default() };
    let made = make(&origin.join("payload"), &options, &mut |_| {})?.torrent;
    let info = &made.info;
    tell(context, &format!("  {}", Magnet::of(&made)));
    tell(
        context,
        &format!(
            "  {} in {} pieces; trackers: {}",
            units::size(info.total()),
            info.pieces(),
            urls.join(", ")
        ),
    );
    tell(context, "A seed and two downloaders meet through the trackers …");
    let mut members = vec![Member::join(
        "seed",
        Add::metainfo(made.clone()).dir(&origin).skip_check(),
        origin,
        Some(SEED_RATE),
    )?];
    if let Some(exit) = wait_for_announce(context, &members[0])? {
        return Ok(exit);
    }
    for name in ["ann", "bob"] {
        let dir = scratch.folder(name).map_err(failed)?;
        members.push(Member::join(name, Add::metainfo(made.clone()).dir(&dir), dir, None)?);
    }
    let outcome = match watch(context, &members) {
        Ok(outcome) => outcome,
        Err(exit) => return Ok(exit),
    };
    for member in &members[1..] {
        compare(&made, &members[0].dir, &member.dir)?;
    }
    report(context, &made, &outcome);
    for member in members {
        if !member.session.shutdown(LEAVE) {
            log::warn!("{} did not end in time", member.name);
        }
    }
    Ok(Exit::Done)
}

/// Tells people; programs get figures alone.
fn tell(context: &mut Context<'_>, text: &str) {
    context.console.say(text);
}

fn write_payload(root: &Path) -> io::Result<()> {
    // The same bytes every time, so that the same torrent comes of it.
    let mut random = Prng::new(0x7469_6465);
    let mut part = vec![0; 1 << 16];
    for (name, len) in PAYLOAD {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        let mut file = BufWriter::new(File::create(path)?);
        let mut left = len;
        while left > 0 {
            let next = left.min(part.len());
            random.fill(&mut part[..next]);
            file.write_all(&part[..next])?;
            left -= next;
        }
        file.flush()?;
    }
    Ok(())
}

fn tracker() -> Result<Tracker, Failure> {
    let local = ([127, 0, 0, 1], 0).into();
    let limits = ServerLimits::with_interval(Duration::from_secs(60));
    Ok(Tracker::start(TrackerConfig { http: vec![local], udp: vec![local], limits })?)
}

impl Member {
    fn join(name: &'static str, add: Add, dir: PathBuf, up: Option<u64>) -> Result<Member, Failure> {
        let config = Config {
            listen: Listen::At(vec![([127, 0, 0, 1], 0).into()]),
            shards: 1,
            hashers: 1,
            rates: RateLimits { down: None, up },
            ..Config::default()
        };
        let session = Session::start(config)?;
        let torrent = session.add(add)?;
        Ok(Member { name, dir, session, torrent })
    }
}

/// Waits until the trackers know the seed: whoever asks before has to wait for the next time. How to exit, if somebody
/// wants that.
fn wait_for_announce(context: &Context<'_>, seed: &Member) -> Result<Option<Exit>, Failure> {
    let started = context.clock.elapsed();
    while !seed.torrent.trackers()?.iter().any(|tracker| tracker.working) {
        if let Some(exit) = context.stop.asked() {
            return Ok(Some(exit));
        }
        if context.clock.elapsed() - started > PATIENCE {
            let message = "the seed could not announce itself to its trackers".to_owned();
            return Err(Failure { exit: Exit::Stalled, kind: "timeout", message });
        }
        std::thread::sleep(GLANCE);
    }
    Ok(None)
}

/// Shows how it goes until the downloaders have everything.
fn watch(context: &mut Context<'_>, members: &[Member]) -> Result<Outcome, Exit> {
    let started = context.clock.elapsed();
    loop {
        let mut stats = Vec::new();
        for member in members {
            match member.torrent.stats() {
                Ok(figures) => stats.push(tide::TorrentStats { name: member.name.to_owned(), ..figures }),
                Err(error) => return Err(give_up(context, Failure::from(error))),
            }
        }
        let took = context.clock.elapsed() - started;
        if stats.iter().all(|stats| stats.state == tide::State::Seeding) {
            context.console.clear();
            let given = |stats: &tide::TorrentStats| stats.uploaded;
            return Ok(Outcome {
                took,
                by_seed: given(&stats[0]),
                by_others: stats[1..].iter().map(given).sum(),
            });
        }
        if let Some(window) = context.console.window() {
            let lines: Vec<_> = stats.iter().map(|stats| line::on_terminal(stats, window.columns)).collect();
            context.console.status(&lines);
        }
        if let Some(exit) = context.stop.asked() {
            return Err(exit);
        }
        if let Some(trouble) = stats.iter().find_map(|stats| stats.trouble.clone()) {
            return Err(give_up(context, tide::Error::Trouble(trouble).into()));
        }
        if took > PATIENCE {
            let lines: Vec<_> = stats.iter().map(line::plain).collect();
            let message = format!("no end after {}: {}", units::span(took), lines.join("; "));
            return Err(give_up(context, Failure { exit: Exit::Stalled, kind: "timeout", message }));
        }
        std::thread::sleep(LOOK);
    }
}

fn give_up(context: &mut Context<'_>, failure: Failure) -> Exit {
    context.console.fail(&failure, None);
    failure.exit
}

/// Checks every byte: by the hashes, and against the original.
fn compare(made: &Metainfo, original: &Path, copy: &Path) -> Result<(), Failure> {
    let verdict = verify(made, copy, None, &mut |_| {});
    if let Some(file) = verdict.files.iter().find(|file| !file.is_ok()) {
        return Err(Failure::data(format!(
            "{}: {} of {} pieces are bad",
            file.path.display(),
            file.bad,
            file.pieces
        )));
    }
    for file in &verdict.files {
        let (one, two) = (original.join(&file.path), copy.join(&file.path));
        let same = same_bytes(&one, &two).map_err(|error| Failure::file(two.display(), &error))?;
        if !same {
            return Err(Failure::data(format!("{} differs from {}", two.display(), one.display())));
        }
    }
    Ok(())
}

fn same_bytes(one: &Path, two: &Path) -> io::Result<bool> {
    let (mut one, mut two) = (BufReader::new(File::open(one)?), BufReader::new(File::open(two)?));
    let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let len = one.read(&mut a)?;
        if len == 0 {
            return Ok(two.read(&mut b)? == 0);
        }
        match two.read_exact(&mut b[..len]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result?,
        }
        if a[..len] != b[..len] {
            return Ok(false);
        }
    }
}

fn report(context: &mut Context<'_>, made: &Metainfo, outcome: &Outcome) {
    let total = made.info.total();
    let rate = (2.0 * total as f64 / outcome.took.as_secs_f64().max(0.001)) as u64;
    context.console.emit(&Json::event(
        "summary",
        [
            ("exit", Exit::Done.code().into()),
            ("info_hash", info_hash(made.info.info_hashes()).into()),
            ("bytes", (2 * total).into()),
            ("seconds", outcome.took.as_secs_f64().into()),
            ("by_seed", outcome.by_seed.into()),
            ("by_downloaders", outcome.by_others.into()),
        ],
    ));
    let same = context.console.paint(Ink::Good, "every byte is the same");
    tell(
        context,
        &format!(
            "Two copies of {} arrived in {:.1} s ({}), and {same}.\n\
             The seed gave {} of it, limited to {}; the downloaders gave each other {}.",
            units::size(total),
            outcome.took.as_secs_f64(),
            units::rate(rate),
            units::size(outcome.by_seed),
            units::rate(SEED_RATE),
            units::size(outcome.by_others),
        ),
    );
}
