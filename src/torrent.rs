//! One torrent of a session.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tide_base::{InfoHash, InfoHashes};
use tide_engine::{
    Answer, Command, Content, Facts, FileInfo, PeerInfo, PieceInfo, RateLimits, State, TorrentCommand,
    TorrentKey, TorrentStats, TrackerInfo,
};
use tide_metainfo::Torrent as Metainfo;

use crate::error::Error;
use crate::session::{Inner, absolute};
use crate::shell::board::Standing;

/// One torrent of a [`Session`](crate::Session). A handle: clones are the same torrent, and outlive it harmlessly.
///
/// Every call waits for the session's reply. That takes some microseconds, but where the disk has to answer first:
/// [`set_priorities`](Torrent::set_priorities), [`remove`](Torrent::remove), and above all
/// [`move_to`](Torrent::move_to). All fail with [`Error::Gone`] once the torrent has been removed, and with
/// [`Error::Ended`] or [`Error::Broken`] once the session is over.
#[derive(Clone)]
pub struct Torrent {
    inner: Arc<Inner>,
    key: TorrentKey,
    info_hashes: InfoHashes,
}

impl fmt::Debug for Torrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Torrent({:?} {})", self.key, self.hash())
    }
}

impl PartialEq for Torrent {
    fn eq(&self, other: &Torrent) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner) && self.key == other.key
    }
}

impl Eq for Torrent {}

/// Asks for figures: the answer of one kind, and what is in it.
macro_rules! figures {
    ($self:ident, $kind:ident) => {
        match $self.ask(TorrentCommand::$kind)? {
            Answer::$kind(figures) => Ok(figures),
            other => Err(Error::unexpected(&other)),
        }
    };
}

impl Torrent {
    pub(crate) fn new(inner: Arc<Inner>, key: TorrentKey, info_hashes: InfoHashes) -> Torrent {
        Torrent { inner, key, info_hashes }
    }

    fn ask(&self, command: TorrentCommand) -> Result<Answer, Error> {
        self.inner.ask(self.key.shard, Command::Torrent(self.key, command), self.hash())
    }

    fn tell(&self, command: TorrentCommand) -> Result<(), Error> {
        self.ask(command).map(drop)
    }

    fn hash(&self) -> InfoHash {
        self.info_hashes.v1.unwrap_or(InfoHash([0; 20]))
    }

    /// Its identities, as far as they are known: of a torrent by a link that turns out to have another one, both.
    pub fn info_hashes(&self) -> InfoHashes {
        let listed = self.inner.shell.shared.board.torrent(&self.hash());
        listed.filter(|(key, _)| *key == self.key).map_or(self.info_hashes, |(_, known)| known)
    }

    /// Its name, for people.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn name(&self) -> Result<String, Error> {
        Ok(self.stats()?.name)
    }

    /// Its figures.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn stats(&self) -> Result<TorrentStats, Error> {
        figures!(self, Stats).map(|stats: Box<TorrentStats>| *stats)
    }

    /// The bytes of a .torrent file of it, with its trackers and web seeds; nothing while the metadata is sought.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn metainfo(&self) -> Result<Option<Vec<u8>>, Error> {
        figures!(self, Metainfo)
    }

    /// Its connected peers.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn peers(&self) -> Result<Vec<PeerInfo>, Error> {
        figures!(self, Peers)
    }

    /// Its pieces.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn pieces(&self) -> Result<PieceInfo, Error> {
        figures!(self, Pieces)
    }

    /// Its files.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn files(&self) -> Result<Vec<FileInfo>, Error> {
        figures!(self, Files)
    }

    /// Its trackers.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn trackers(&self) -> Result<Vec<TrackerInfo>, Error> {
        figures!(self, Trackers)
    }

    /// Stops transferring; it stays known.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn pause(&self) -> Result<(), Error> {
        self.tell(TorrentCommand::Pause)
    }

    /// Goes on, also after trouble.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn resume(&self) -> Result<(), Error> {
        self.tell(TorrentCommand::Resume)
    }

    /// Hashes everything that is there.
    ///
    /// # Errors
    /// [`Error::Invalid`] while the metadata is sought or the content is moved. The torrent or the session is gone.
    pub fn recheck(&self) -> Result<(), Error> {
        self.tell(TorrentCommand::Recheck)
    }

    /// Moves the content below another folder. Returns when all of it lies there, which takes minutes where it must be
    /// copied; [`Happening::Moved`](crate::Happening::Moved) says so, too. Whoever cannot wait calls it from a thread of
    /// its own: other calls are answered meanwhile.
    ///
    /// # Errors
    /// [`Error::Trouble`]: everything is where it was; nothing is moved of a torrent whose files cannot be opened.
    /// [`Error::Invalid`] for one that neither runs nor waits. [`Error::File`] if `dir` is empty, or relative and there is no
    /// current folder. The torrent or the session is gone.
    pub fn move_to(&self, dir: impl Into<PathBuf>) -> Result<(), Error> {
        let to = absolute(dir.into())?;
        let volume = self.inner.volumes.of(&to);
        self.tell(TorrentCommand::Move { to, volume })
    }

    /// Asks all its trackers as soon as they allow.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn reannounce(&self) -> Result<(), Error> {
        self.tell(TorrentCommand::Reannounce)
    }

    /// Asks the trackers for the swarm's numbers (BEP 48). They are in [`trackers`](Self::trackers) when they have come.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn scrape(&self) -> Result<(), Error> {
        self.tell(TorrentCommand::Scrape)
    }

    /// Adds a tracker in a tier of its own behind the others.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it can be no tracker's, [`Error::Full`] if the torrent has as many as it may have. The torrent
    /// or the session is gone.
    pub fn add_tracker(&self, url: impl Into<String>) -> Result<(), Error> {
        self.tell(TorrentCommand::AddTracker(url.into()))
    }

    /// Removes a tracker from all tiers.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it can be no tracker's, or the torrent has no such tracker. The torrent or the session is gone.
    pub fn remove_tracker(&self, url: impl Into<String>) -> Result<(), Error> {
        self.tell(TorrentCommand::RemoveTracker(url.into()))
    }

    /// Meets these peers.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn add_peers(&self, peers: impl IntoIterator<Item = SocketAddr>) -> Result<(), Error> {
        self.tell(TorrentCommand::AddPeers(peers.into_iter().collect()))
    }

    /// Limits its rates.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn set_limits(&self, limits: RateLimits) -> Result<(), Error> {
        self.tell(TorrentCommand::SetLimits(limits))
    }

    /// Sets priorities, one a file from the first: 0 is unwanted, 1 … 7 ascending. Missing ones stay.
    ///
    /// # Errors
    /// [`Error::Invalid`] for other numbers, for more of them than there are files, and while the metadata is sought.
    /// [`Error::Trouble`] if the files cannot be prepared for that. The torrent or the session is gone.
    pub fn set_priorities(&self, priorities: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.tell(TorrentCommand::SetPriorities(priorities.into()))
    }

    /// Whether pieces are fetched in order instead of rarest first.
    ///
    /// # Errors
    /// The torrent or the session is gone.
    pub fn set_sequential(&self, sequential: bool) -> Result<(), Error> {
        self.tell(TorrentCommand::SetSequential(sequential))
    }

    /// Tells a torrent by a link what its .torrent file says, so that nobody need be asked for it: the metadata, and
    /// trackers and web seeds beside those it has. Where its content lies and what is wanted of it stays as it was added.
    /// If the metadata is known already, its trackers are added all the same.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), tide::Error> {
    /// # let (session, bytes) = (tide::Session::start(tide::Config::default())?, Vec::new());
    /// let metainfo = tide::metainfo::Torrent::parse(&bytes, &tide::metainfo::Limits::default())?;
    /// match session.add(tide::Add::metainfo(metainfo.clone())) {
    ///     Err(tide::Error::Duplicate(hash)) => session.get(&hash).map(|torrent| torrent.learn(&metainfo)),
    ///     added => added.map(|_| None)?,
    /// };
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] if the file is that of another torrent. The torrent or the session is gone.
    pub fn learn(&self, metainfo: &Metainfo) -> Result<(), Error> {
        let facts = Box::new(Facts::of(&metainfo.info, self.inner.config.limits.block_len));
        self.tell(TorrentCommand::Learn { facts, web_seeds: metainfo.web_seeds.clone() })?;
        for url in metainfo.trackers.iter().flatten() {
            match self.add_tracker(url) {
                Err(Error::Invalid(why) | Error::Full(why)) => log::warn!("tracker {url}: {why}"),
                result => result?,
            }
        }
        Ok(())
    }

    /// Forgets it. Returns when nothing of it is outstanding: its files are closed, or deleted.
    ///
    /// # Errors
    /// [`Error::Trouble`] if content could not be deleted: the torrent is gone all the same, and what is left of its
    /// content stays where it is. [`Error::Ended`] if the session's time to end was over before.
    pub fn remove(&self, content: Content) -> Result<(), Error> {
        self.tell(TorrentCommand::Remove(content))
    }

    /// Waits until everything wanted is verified and written, and it is known to be. A torrent that is paused may have to be
    /// [resumed](Self::resume) for that.
    ///
    /// # Errors
    /// [`Error::TimedOut`] after `timeout`. [`Error::Trouble`] when its files make trouble, even if that may pass by
    /// itself: wait again if you like. What made trouble before somebody had it go on counts only if it does so again.
    /// The torrent or the session is gone.
    pub fn wait_complete(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let board = &self.inner.shell.shared.board;
        let until = board.until(timeout);
        // Watch first, then look: what happens in between is seen.
        let watch = board.watch(self.key);
        loop {
            let stats = self.stats()?;
            if let Some(trouble) = stats.trouble {
                return Err(Error::Trouble(trouble));
            }
            let is_whole = stats.metadata.is_none() && stats.done == stats.wanted;
            if stats.state == State::Seeding || stats.state == State::Paused && is_whole {
                return Ok(());
            }
            match watch.wait(until) {
                Some(Standing::Complete) => return Ok(()),
                Some(Standing::Paused) => {}
                Some(Standing::Stopped(trouble)) => return Err(Error::Trouble(trouble)),
                Some(Standing::Removed) => return Err(Error::Gone),
                Some(Standing::Under) => return Err(Error::TimedOut),
                None => return Err(self.inner.over()),
            }
        }
    }
}
