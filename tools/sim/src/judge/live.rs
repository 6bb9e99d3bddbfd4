//! Whoever can complete does; if not, who waits for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

use tide_base::{Bits, Duration, InfoHash, Instant, PeerId, PieceIndex};
use tide_disk::TroubleKind;
use tide_engine::survey::{
    AddressState, CrewSurvey, LeaseStage, MemberSurvey, Paused, PieceState, RoleSurvey, TorrentSurvey,
};
use tide_engine::{State, Survey};
use tide_peer::{Choke, Interest};

use super::oracle::{Finding, Oracle};

/// A node, as it stands now.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    /// Its number.
    pub node: usize,
    /// Its shards; none if it is down.
    pub surveys: &'a [Survey],
    /// Where it can be dialled.
    pub listens: &'a [SocketAddr],
    /// By which it calls itself.
    pub peer_id: PeerId,
}

impl NodeView<'_> {
    fn torrent(&self, hash: InfoHash) -> Option<(&Survey, &TorrentSurvey)> {
        let mut all = self.surveys.iter().flat_map(|survey| survey.torrents.iter().map(move |t| (survey, t)));
        all.find(|(_, torrent)| torrent.info_hash == hash)
    }
}

/// Why something does not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// The leecher itself does not transfer: what it does instead, and its trouble.
    Leecher(State, Option<TroubleKind>),
    /// Nobody of the core has the piece.
    NoHolder,
    /// That node has it and does not transfer: what it does instead, and its trouble.
    Holder(usize, State, Option<TroubleKind>),
    /// That node has it; no address of it is known, and it knows none of ours.
    NoAddress(usize),
    /// That node has it; it will be dialled then.
    DialledAt(usize, Instant),
    /// That node has it; hands are being shaken.
    Greeting(usize),
    /// That node has it and is known, and not connected.
    NotConnected(usize),
    /// That node has it; we do not know that it does.
    Unknown(usize),
    /// That node has it; we are not interested.
    NotInterested(usize),
    /// That node has it and chokes us; whether it knows of our interest, and how many of its slots are taken.
    Chokes(usize, bool, u32, u32),
    /// That node has it and was asked for so many blocks of the piece.
    Asked(usize, usize),
    /// That node has it, and its socket is not read: why.
    NotRead(usize, Paused),
    /// That node has it and was asked for blocks of other pieces only.
    Busy(usize, usize),
    /// That node has it and nobody asks for it: whether it was told that there is nothing for it, whether somebody asks
    /// on its behalf, and how many pieces are under lease.
    Idle(usize, bool, bool, usize),
    /// The piece is being worked on: so many jobs of it are under way.
    Worked(LeaseStage, u32),
    /// The piece is being checked.
    Checking,
    /// The device does not answer.
    Hung,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = |trouble: &Option<TroubleKind>| trouble.map_or(String::new(), |t| format!(" ({})", t.name()));
        match self {
            Why::Leecher(state, trouble) => write!(f, "it is {state:?}{}", kind(trouble)),
            Why::NoHolder => f.write_str("nobody of the core has it"),
            Why::Holder(n, state, trouble) => write!(f, "holder {n} is {state:?}{}", kind(trouble)),
            Why::NoAddress(n) => write!(f, "holder {n}: neither knows an address of the other"),
            Why::DialledAt(n, at) => write!(f, "holder {n} is to be dialled at {at:?}"),
            Why::Greeting(n) => write!(f, "holder {n}: hands are being shaken"),
            Why::NotConnected(n) => write!(f, "holder {n} is not connected"),
            Why::Unknown(n) => write!(f, "holder {n} is not known to have it"),
            Why::NotInterested(n) => write!(f, "holder {n}: we are not interested"),
            Why::Chokes(n, knows, taken, slots) => {
                write!(f, "holder {n} chokes us, knows of our interest: {knows}, {taken} of {slots} slots taken")
            }
            Why::Asked(n, blocks) => write!(f, "holder {n} was asked for {blocks} blocks"),
            Why::NotRead(n, why) => write!(f, "holder {n} is not read: {why:?}"),
            Why::Busy(n, blocks) => write!(f, "holder {n} was asked for {blocks} blocks of other pieces"),
            Why::Idle(n, barren, demanding, leases) => write!(
                f,
                "holder {n} is asked for nothing; barren: {barren}, demanding: {demanding}, {leases} leases"
            ),
            Why::Worked(stage, jobs) => write!(f, "it is {stage:?}, {jobs} jobs are out"),
            Why::Checking => f.write_str("it is being checked"),
            Why::Hung => f.write_str("the device does not answer"),
        }
    }
}

/// Somebody waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Who.
    pub node: usize,
    /// For pieces of which torrent.
    pub torrent: InfoHash,
    /// For which.
    pub pieces: Vec<PieceIndex>,
    /// Why they do not come.
    pub why: Vec<Why>,
}

impl Waiting {
    /// Why nobody is to blame, if so: no honest holder is left, or trouble that only a person can end has stopped who
    /// would be needed.
    pub fn excused(&self) -> Option<&Why> {
        let needs_person = |trouble: &Option<TroubleKind>| {
            trouble.is_some_and(|kind| kind.retry() == tide_disk::Retry::OnDemand)
        };
        let excuse = |why: &&Why| match why {
            Why::NoHolder | Why::Hung => true,
            Why::Leecher(State::Stopped, trouble) => needs_person(trouble),
            Why::Leecher(State::Paused, _) => true,
            _ => false,
        };
        let holders = self.why.iter().all(|why| match why {
            Why::Holder(_, State::Stopped, trouble) => needs_person(trouble),
            Why::Holder(_, State::Paused, _) => true,
            _ => false,
        });
        self.why.iter().find(excuse).or_else(|| self.why.first().filter(|_| holders))
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some: Vec<String> = self.pieces.iter().take(8).map(ToString::to_string).collect();
        let more = if self.pieces.len() > 8 { ", …" } else { "" };
        write!(f, "node {} lacks {} pieces of ", self.node, self.pieces.len())?;
        write!(f, "{:?} ({}{more})", self.torrent, some.join(", "))?;
        for why in &self.why {
            write!(f, "; {why}")?;
        }
        Ok(())
    }
}

/// Watches a core of nodes that suffices: each of its leechers is to complete before the budget of time without any
/// progress is used up.
#[derive(Clone, Debug)]
pub struct Liveness {
    core: BTreeSet<usize>,
    budget: Duration,
    moved_at: Instant,
    measure: u64,
}

impl Liveness {
    /// The second act begins: these nodes suffice, and may stand still for `budget`.
    pub fn new(now: Instant, core: impl IntoIterator<Item = usize>, budget: Duration) -> Liveness {
        Liveness { core: core.into_iter().collect(), budget, moved_at: now, measure: 0 }
    }

    /// Who is in the core.
    pub fn core(&self) -> impl Iterator<Item = usize> + '_ {
        self.core.iter().copied()
    }

    /// How much there is in the core by now: anything that only grows as it gets on, as the number of pieces had. A
    /// change resets the budget.
    pub fn progress(&mut self, now: Instant, measure: u64) {
        if self.measure != measure {
            self.measure = measure;
            self.moved_at = now;
        }
    }

    /// Whether the budget is used up.
    pub fn is_stalled(&self, now: Instant) -> bool {
        now.since(self.moved_at) > self.budget
    }

    /// Who of the core waits for whom, and why. Nobody if all have what they want.
    pub fn pending(&self, nodes: &[NodeView<'_>]) -> Vec<Waiting> {
        let core: Vec<&NodeView<'_>> = nodes.iter().filter(|view| self.core.contains(&view.node)).collect();
        let mut waiting = Vec::new();
        for view in &core {
            for (survey, torrent) in view.surveys.iter().flat_map(|s| s.torrents.iter().map(move |t| (s, t))) {
                let lacking = torrent.lacking();
                if lacking.is_empty() || torrent.state == State::Leaving {
                    continue;
                }
                waiting.extend(why_all(&core, view, survey, torrent, &lacking));
            }
        }
        waiting
    }

    /// The verdict once it [is stalled](Liveness::is_stalled): what is not excused.
    ///
    /// # Errors
    /// Those who wait without an excuse.
    pub fn judge(&self, now: Instant, nodes: &[NodeView<'_>]) -> Result<Vec<Waiting>, Finding> {
        let (excused, blamed): (Vec<Waiting>, Vec<Waiting>) =
            self.pending(nodes).into_iter().partition(|waiting| waiting.excused().is_some());
        let Some(first) = blamed.first() else { return Ok(excused) };
        let lines: Vec<String> = blamed.iter().take(10).map(ToString::to_string).collect();
        let text = format!("nothing got on for {:?}: {}", self.budget, lines.join("\n    "));
        Err(Finding { oracle: Oracle::Alive, node: first.node, at: now, text })
    }
}

/// Why pieces do not come, those with one explanation together.
fn why_all(
    core: &[&NodeView<'_>],
    view: &NodeView<'_>,
    survey: &Survey,
    torrent: &TorrentSurvey,
    lacking: &[PieceIndex],
) -> Vec<Waiting> {
    let mut by_reason: Vec<(Vec<Why>, Vec<PieceIndex>)> = Vec::new();
    for &piece in lacking {
        let why = why(core, view, survey, torrent, piece);
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, pieces)) => pieces.push(piece),
            None => by_reason.push((why, vec![piece])),
        }
    }
    let waiting = |(why, pieces)| Waiting { node: view.node, torrent: torrent.info_hash, pieces, why };
    by_reason.into_iter().map(waiting).collect()
}

fn why(
    core: &[&NodeView<'_>],
    view: &NodeView<'_>,
    survey: &Survey,
    torrent: &TorrentSurvey,
    piece: PieceIndex,
) -> Vec<Why> {
    let trouble = torrent.trouble.as_ref().map(|trouble| trouble.kind);
    if torrent.piece(piece) == PieceState::Checking {
        return vec![Why::Checking];
    }
    if !torrent.is_active() {
        return vec![Why::Leecher(torrent.state, trouble)];
    }
    let crew = survey.crew_of(torrent);
    if let Some(lease) = crew.and_then(|crew| crew.lease(piece))
        && lease.stage != LeaseStage::Filling
    {
        let hung = survey.desk.volumes.iter().any(|volume| volume.hung);
        return vec![if hung { Why::Hung } else { Why::Worked(lease.stage, lease.jobs) }];
    }
    let mut all = Vec::new();
    for other in core.iter().filter(|other| other.node != view.node) {
        let Some((there, theirs)) = other.torrent(torrent.info_hash) else { continue };
        if theirs.have.has(piece.0) {
            all.push(why_not_from((view, survey, torrent), (other, there, theirs), piece));
        }
    }
    if all.is_empty() {
        all.push(Why::NoHolder);
    }
    all
}

type Side<'a> = (&'a NodeView<'a>, &'a Survey, &'a TorrentSurvey);

fn why_not_from(leecher: Side<'_>, holder: Side<'_>, piece: PieceIndex) -> Why {
    let ((_, survey, torrent), (other, there, theirs)) = (leecher, holder);
    let n = other.node;
    if !theirs.is_active() {
        return Why::Holder(n, theirs.state, theirs.trouble.as_ref().map(|trouble| trouble.kind));
    }
    let crew = survey.crew_of(torrent);
    let member = crew.and_then(|crew| member_called(crew, other.peer_id));
    let (Some(crew), Some(member)) = (crew, member) else {
        return why_not_met(leecher, holder);
    };
    if !member.has.has(piece.0) {
        return Why::Unknown(n);
    }
    if member.choking.our_interest == Interest::NotInterested {
        return Why::NotInterested(n);
    }
    if member.choking.theirs == Choke::Choked {
        let us = there.crew_of(theirs).and_then(|crew| member_called(crew, leecher.0.peer_id));
        let knows = us.is_some_and(|us| us.choking.their_interest == Interest::Interested);
        return Why::Chokes(n, knows, theirs.choker.taken.len() as u32, theirs.choker.slots);
    }
    if let Some(paused) = member.paused {
        return Why::NotRead(n, paused);
    }
    let asked = member.asks.iter().filter(|span| span.piece == piece).count();
    match (asked, member.asks.len()) {
        (0, 0) => Why::Idle(n, member.barren, member.demanding, crew.leases.len()),
        (0, others) => Why::Busy(n, others),
        (asked, _) => Why::Asked(n, asked),
    }
}

fn member_called(crew: &CrewSurvey, peer_id: PeerId) -> Option<&MemberSurvey> {
    crew.members.iter().find(|member| member.peer_id == peer_id)
}

/// Two that are not connected: does either know the other, and when will it dial?
fn why_not_met(leecher: Side<'_>, holder: Side<'_>) -> Why {
    let n = holder.0.node;
    let mut soonest: Option<Instant> = None;
    let mut known = false;
    for ((_, survey, torrent), to) in [(leecher, holder.0), (holder, leecher.0)] {
        let listens = |addr: &SocketAddr| to.listens.contains(addr);
        let shaking = survey.desk.conns.iter().any(|conn| {
            matches!(conn.role, RoleSurvey::Greeting(..) | RoleSurvey::Dialling(_)) && listens(&conn.addr)
        });
        if shaking {
            return Why::Greeting(n);
        }
        for address in torrent.book.iter().filter(|address| listens(&address.addr)) {
            known = true;
            if let AddressState::Idle(at) = address.state {
                soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
            }
        }
    }
    match (known, soonest) {
        (_, Some(at)) => Why::DialledAt(n, at),
        (true, None) => Why::NotConnected(n),
        (false, None) => Why::NoAddress(n),
    }
}

/// How much a core has by now: a measure for [`Liveness::progress`].
pub fn measure(nodes: &[NodeView<'_>]) -> u64 {
    let torrents = nodes.iter().flat_map(|view| view.surveys).flat_map(|survey| &survey.torrents);
    let here = |torrent: &TorrentSurvey| u64::from(torrent.have.count()) + u64::from(torrent.is_active());
    torrents.map(here).sum()
}

/// The pieces that somebody of the core has, by torrent: whether it suffices.
pub fn union(nodes: &[NodeView<'_>]) -> BTreeMap<InfoHash, Bits> {
    let mut all: BTreeMap<InfoHash, Bits> = BTreeMap::new();
    for torrent in nodes.iter().flat_map(|view| view.surveys).flat_map(|survey| &survey.torrents) {
        let bits = all.entry(torrent.info_hash).or_insert_with(|| Bits::new(torrent.have.len()));
        bits.union_with(&torrent.have);
    }
    all
}
