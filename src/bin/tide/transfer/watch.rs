//! Watching a session until its torrents are where they shall be, or somebody or something ends it.

use std::path::PathBuf;
use std::time::Duration;

use tide::{Add, Error, Happening, Session, Torrent, What};

use crate::exit::{Exit, Failure, of_trouble};
use crate::json::Json;
use crate::run::Context;
use crate::source;
use crate::transfer::entry::{Entry, Learnt, Phase, Plan};
use crate::transfer::hook::Hooks;
use crate::transfer::line;
use crate::transfer::news::{self, News};
use crate::transfer::overlay::Overlay;
use crate::transfer::select;
use crate::units;

/// How long a signal may go unnoticed.
const GLANCE: Duration = Duration::from_millis(50);
/// How often figures are asked for.
const LOOK: Duration = Duration::from_millis(250);
/// How often programs are told of progress.
const TELL: Duration = Duration::from_secs(1);
/// How often a log gets a line.
const LOG: Duration = Duration::from_secs(10);
/// How long a session has for its leave.
const LEAVE: Duration = Duration::from_secs(5);

/// A session that is watched.
pub(crate) struct Watch {
    session: Session,
    plan: Plan,
    dir: PathBuf,
    entries: Vec<Entry>,
    news: News,
    hooks: Hooks,
    overlay: Overlay,
    /// When figures were asked for, programs told, and the log written last.
    looked: Duration,
    told: Duration,
    logged: Duration,
}

/// What it came to.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Totals {
    torrents: u64,
    complete: u64,
    downloaded: u64,
    uploaded: u64,
}

impl Watch {
    /// Watches `session`, whose torrents are in `dir`.
    pub(crate) fn new(session: Session, plan: Plan, dir: PathBuf, now: Duration) -> Watch {
        Watch {
            session,
            plan,
            dir: std::path::absolute(&dir).unwrap_or(dir),
            entries: Vec::new(),
            news: News::default(),
            hooks: Hooks::default(),
            overlay: Overlay::default(),
            looked: now,
            told: now,
            logged: now,
        }
    }

    /// Adds a torrent, of whose files its link names those. One that is there already is no error: somebody named it
    /// twice.
    pub(crate) fn add(&mut self, context: &mut Context<'_>, add: Add, select: &[u32]) -> Result<(), Failure> {
        let torrent = match self.session.add(add.clone()) {
            Err(error @ Error::Duplicate(hash)) => {
                context.console.warn(&format!("{}: {error}", add.name().unwrap_or_default()));
                // Who named a link and then the file need not wait for peers to tell.
                if let (Some(torrent), Some(metainfo)) = (self.session.get(&hash), add.torrent()) {
                    torrent.learn(metainfo)?;
                }
                return Ok(());
            }
            result => result?,
        };
        let mut entry = Entry::new(torrent, &add, context.clock.elapsed());
        entry.select = select.to_vec();
        news::added(&mut context.console, &entry);
        self.entries.push(entry);
        Ok(())
    }

    /// What was learnt of links.
    pub(crate) fn learnt(&self) -> impl Iterator<Item = &Learnt> {
        self.entries.iter().filter_map(|entry| entry.learnt.as_ref())
    }

    /// Watches until it is over: how the program shall exit.
    pub(crate) fn run(&mut self, context: &mut Context<'_>) -> Exit {
        let events = self.session.events();
        loop {
            while let Some(event) = events.next_timeout(GLANCE) {
                match event.what {
                    What::Torrent(torrent, what) => self.happened(context, &torrent, &what),
                    What::Broken(why) => {
                        context.console.fail(&Error::Broken(why).into(), None);
                        return Exit::Other;
                    }
                    What::Reachable(reachable) => self.news.reachable(&mut context.console, &reachable),
                    What::Listening(_) => {}
                }
                if self.is_due(context) {
                    break;
                }
            }
            if let Some(exit) = context.stop.asked() {
                return exit;
            }
            if context.console.is_lost() {
                return Exit::Other;
            }
            if self.is_due(context)
                && let Some(exit) = self.look(context)
            {
                return exit;
            }
        }
    }

    fn is_due(&self, context: &Context<'_>) -> bool {
        context.stop.asked().is_some() || context.clock.elapsed() >= self.looked + LOOK
    }

    fn happened(&mut self, context: &mut Context<'_>, torrent: &Torrent, what: &Happening) {
        let Some(at) = self.entries.iter().position(|entry| entry.torrent == *torrent) else { return };
        if matches!(what, Happening::Metadata { .. }) {
            self.learn(context, at);
        }
        self.news.happened(&mut context.console, &self.entries[at], what);
        if let Happening::Complete { bytes, downloaded, took } = what {
            self.complete(context, at, *bytes, *downloaded, *took);
        }
    }

    /// The metadata of a torrent has come: its files are chosen, and it goes on.
    fn learn(&mut self, context: &mut Context<'_>, at: usize) {
        let entry = &mut self.entries[at];
        if entry.pieces.is_some() {
            return;
        }
        let parsed = match entry.torrent.metainfo() {
            Ok(Some(bytes)) => source::parse(&bytes).map(|torrent| Learnt { bytes, torrent }),
            Ok(None) => return,
            Err(error) => Err(error.into()),
        };
        let chosen = parsed.and_then(|learnt| {
            let wanted = select::of_link(&learnt.torrent, &context.matches, &entry.select);
            entry.learn(learnt);
            news::metadata(&mut context.console, entry);
            if self.plan.learn {
                entry.phase = Phase::Over;
                return Ok(());
            }
            if let Some(priorities) = wanted? {
                entry.torrent.set_priorities(priorities)?;
            }
            Ok(entry.torrent.resume()?)
        });
        if let Err(failure) = chosen {
            self.fail(context, at, failure);
        }
    }

    /// Notes that a torrent has all it wants.
    fn complete(
        &mut self,
        context: &mut Context<'_>,
        at: usize,
        bytes: u64,
        downloaded: u64,
        took: Duration,
    ) {
        let entry = &mut self.entries[at];
        // A recheck may find again what had been found before.
        if !entry.is_under() || self.plan.whole {
            return;
        }
        entry.phase = Phase::Complete(context.clock.elapsed());
        news::complete(&mut context.console, entry, bytes, downloaded, took);
        if let Some(command) = &self.plan.on_complete {
            self.hooks.start(command, &entry.name, &self.dir, &entry.hash, &mut context.console);
        }
        if self.plan.seed {
            news::seeding(&mut context.console, entry);
        }
    }

    /// Asks for figures and draws conclusions from them.
    fn look(&mut self, context: &mut Context<'_>) -> Option<Exit> {
        let now = context.clock.elapsed();
        self.looked = now;
        self.hooks.glance(&mut context.console);
        for at in 0..self.entries.len() {
            match self.entries[at].torrent.stats() {
                Ok(stats) => self.entries[at].update(stats, now),
                // What the session failed of comes as an event, if it failed.
                Err(Error::Broken(_)) => return None,
                Err(error) => {
                    self.fail(context, at, error.into());
                    continue;
                }
            }
            self.conclude(context, at, now);
        }
        self.give_up(context, now);
        self.overlay.look(&self.session, &mut context.console, now);
        self.show(context, now);
        self.is_over()
    }

    fn conclude(&mut self, context: &mut Context<'_>, at: usize, now: Duration) {
        if self.entries[at].is_news() {
            self.learn(context, at);
        }
        let entry = &self.entries[at];
        if self.plan.whole && entry.is_under() {
            self.serve(context, at, now);
        } else if entry.is_under() && entry.pieces.is_some() && entry.has_all() {
            // The event that says so is on its way, or there was nothing to complete.
            let (done, downloaded) =
                entry.stats.as_ref().map_or((0, 0), |stats| (stats.done, stats.downloaded));
            self.complete(context, at, done, downloaded, now.saturating_sub(entry.since));
        }
        let entry = &mut self.entries[at];
        if entry.has_given(&self.plan, now) {
            entry.phase = Phase::Over;
            if let Err(error) = entry.torrent.pause() {
                log::warn!("{}: {error}", entry.name);
            }
        }
    }

    /// Begins to serve what was checked, if all of it is there.
    fn serve(&mut self, context: &mut Context<'_>, at: usize, now: Duration) {
        let entry = &mut self.entries[at];
        if entry.has_all() {
            entry.phase = Phase::Complete(now);
            news::seeding(&mut context.console, entry);
            if let Err(error) = entry.torrent.resume() {
                self.fail(context, at, error.into());
            }
        } else if entry.is_lacking() {
            let stats = entry.stats.as_ref();
            let (have, all) = stats.map_or((0, 0), |stats| (stats.pieces_done, stats.pieces));
            let message = format!(
                "{}: {have} of {all} pieces are good in {}: tide verify says which files are not, tide get fetches them",
                entry.name,
                self.dir.display()
            );
            self.fail(context, at, Failure { kind: "incomplete", ..Failure::data(message) });
        }
    }

    fn fail(&mut self, context: &mut Context<'_>, at: usize, failure: Failure) {
        let entry = &mut self.entries[at];
        if !matches!(entry.phase, Phase::Failed(_)) {
            entry.phase = Phase::Failed(failure.exit);
            context.console.fail(&failure, Some(&entry.hash));
        }
    }

    /// Gives up on what has not got on for too long, once none has.
    fn give_up(&mut self, context: &mut Context<'_>, now: Duration) {
        let Some(timeout) = self.plan.timeout else { return };
        let under = || (0..self.entries.len()).filter(|at| self.entries[*at].is_under());
        if under().any(|at| now.saturating_sub(self.entries[at].moved) < timeout) {
            return;
        }
        for at in under().collect::<Vec<_>>() {
            let message = format!("{}: no progress for {}", self.entries[at].name, units::span(timeout));
            self.fail(context, at, Failure { exit: Exit::Stalled, kind: "timeout", message });
        }
    }

    /// How to exit, if nothing is left to wait for.
    fn is_over(&self) -> Option<Exit> {
        let over = self.entries.iter().all(|entry| entry.is_settled(&self.plan) || entry.is_stuck());
        over.then(|| {
            let failed = self.entries.iter().find_map(|entry| match entry.phase {
                Phase::Failed(exit) => Some(exit),
                _ if entry.is_stuck() => entry.stats.as_ref()?.trouble.as_ref().map(of_trouble),
                _ => None,
            });
            failed.unwrap_or(Exit::Done)
        })
    }

    fn show(&mut self, context: &mut Context<'_>, now: Duration) {
        let tell = now >= self.told + TELL;
        let log = now >= self.logged + LOG;
        for entry in self.entries.iter().filter(|entry| !matches!(entry.phase, Phase::Failed(_))) {
            let Some(stats) = &entry.stats else { continue };
            if tell {
                news::progress(&mut context.console, entry, stats);
            }
            if log && context.console.window().is_none() && !context.console.json() {
                context.console.say(&line::plain(stats));
            }
        }
        self.told = if tell { now } else { self.told };
        self.logged = if log { now } else { self.logged };
        if let Some(window) = context.console.window() {
            let all = self.entries.iter().filter_map(|entry| entry.stats.as_ref());
            let mut lines: Vec<_> = all.map(|stats| line::on_terminal(stats, window.columns)).collect();
            // It is of interest as long as somebody is looked for.
            let is_looking = self.entries.iter().any(Entry::is_under);
            let of_dht = self.overlay.line().filter(|_| is_looking);
            let room = window.rows.saturating_sub(2 + usize::from(of_dht.is_some())).max(1);
            if lines.len() > room {
                let more = lines.len() + 1 - room;
                lines.truncate(room - 1);
                lines.push(format!("… and {more} more"));
            }
            lines.extend(of_dht);
            context.console.status(&lines);
        }
    }

    /// Ends the session politely. What it came to.
    pub(crate) fn end(mut self, context: &mut Context<'_>) -> Totals {
        context.console.clear();
        self.hooks.finish(context.stop, &mut context.console);
        let figures = self.session.stats().unwrap_or_default();
        let complete = |entry: &&Entry| matches!(entry.phase, Phase::Complete(_) | Phase::Over);
        let totals = Totals {
            torrents: self.entries.len() as u64,
            complete: self.entries.iter().filter(complete).count() as u64,
            downloaded: figures.downloaded,
            uploaded: figures.uploaded,
        };
        if !self.session.shutdown(LEAVE) {
            log::warn!("the session did not end in time: something hangs");
        }
        totals
    }
}

impl Totals {
    /// Whether there were any torrents.
    pub(crate) fn any(&self) -> bool {
        self.torrents > 0
    }

    /// The last words of a command: to programs always, to people if anything moved.
    pub(crate) fn tell(&self, context: &mut Context<'_>, exit: Exit) {
        let took = context.clock.elapsed();
        context.console.emit(&Json::event(
            "summary",
            [
                ("exit", exit.code().into()),
                ("torrents", self.torrents.into()),
                ("complete", self.complete.into()),
                ("downloaded", self.downloaded.into()),
                ("uploaded", self.uploaded.into()),
                ("seconds", news::seconds(took)),
            ],
        ));
        if self.downloaded + self.uploaded > 0 {
            let rate = self.downloaded as f64 / took.as_secs_f64().max(0.001);
            let ratio = self.uploaded as f64 / self.downloaded.max(1) as f64;
            let ratio = if self.downloaded > 0 { format!(", ratio {ratio:.2}") } else { String::new() };
            context.console.say(&format!(
                "Downloaded {} in {} ({}), uploaded {}{ratio}",
                units::size(self.downloaded),
                units::span(took),
                units::rate(rate as u64),
                units::size(self.uploaded),
            ));
        }
    }
}
