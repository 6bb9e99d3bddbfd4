//! One torrent in one line: what people watch.

use tide::{MetadataInfo, State, TorrentStats};

use crate::meter::{bar, percent};
use crate::table::{cut, width};
use crate::units;

/// Cells of the bar.
const BAR: usize = 12;
/// Cells that a name keeps; the bar goes before it gets fewer.
const NAME: usize = 16;

/// A line for a terminal of so many columns.
pub(crate) fn on_terminal(stats: &TorrentStats, columns: usize) -> String {
    // A full last column makes some terminals wrap.
    let columns = columns.saturating_sub(1);
    let (with_bar, without) = (figures(stats, true), figures(stats, false));
    let room = |figures: &str| columns.saturating_sub(width(figures) + 2);
    let wish = width(&stats.name).min(NAME);
    let figures = if room(&with_bar) >= wish { with_bar } else { without };
    let name = cut(&stats.name, room(&figures).max(wish));
    cut(&format!("{name}  {figures}"), columns)
}

/// A line for a log.
pub(crate) fn plain(stats: &TorrentStats) -> String {
    format!("{}: {}", stats.name, figures(stats, false))
}

fn figures(stats: &TorrentStats, with_bar: bool) -> String {
    let bar = |done, total| if with_bar { format!(" {}", bar(done, total, BAR)) } else { String::new() };
    match stats.state {
        State::Opening => "opening".to_owned(),
        State::Metadata => metadata(stats),
        State::Checking => {
            let (done, total) = (u64::from(stats.checked), u64::from(stats.to_check));
            format!("checking {}{}", percent(done, total), bar(done, total))
        }
        State::Downloading => {
            let eta = stats.eta.map_or(String::new(), |eta| format!("  ETA {}", units::span(eta)));
            format!(
                "{}{} {}  {}{eta}",
                percent(stats.done, stats.wanted),
                bar(stats.done, stats.wanted),
                units::size_of(stats.done, stats.wanted),
                traffic(stats),
            )
        }
        State::Seeding => {
            let ratio = stats.uploaded as f64 / stats.size.max(1) as f64;
            format!("seeding  {}  uploaded {}  ratio {ratio:.2}", traffic(stats), units::size(stats.uploaded))
        }
        State::Paused => format!("paused at {}", percent(stats.done, stats.wanted)),
        State::Stopped => {
            let why = stats.trouble.as_ref().map_or(String::new(), |trouble| format!(": {trouble}"));
            format!("stopped at {}{why}", percent(stats.done, stats.wanted))
        }
        State::Moving => "moving".to_owned(),
        State::Leaving => "closing".to_owned(),
    }
}

/// How far the search for metadata is.
fn metadata(stats: &TorrentStats) -> String {
    let MetadataInfo { peers, got, pieces } = stats.metadata.unwrap_or_default();
    if peers == 0 {
        let known = stats.known.max(stats.peers);
        return format!("looking for peers that have the metadata, connected to {} of {known}", stats.peers);
    }
    let whom = if peers == 1 { "1 peer".to_owned() } else { format!("{peers} peers") };
    let far = if pieces > 0 { format!(", {got} of {pieces} pieces") } else { String::new() };
    format!("asking {whom} for metadata{far}")
}

fn traffic(stats: &TorrentStats) -> String {
    let seeds = if stats.seeds > 0 { format!(" (seeds {})", stats.seeds) } else { String::new() };
    let known = stats.known.max(stats.peers);
    let (down, up) = (units::rate(stats.down_rate), units::rate(stats.up_rate));
    match stats.state {
        State::Seeding => format!("↑{up}  peers {}/{known}", stats.peers),
        _ => format!("↓{down} ↑{up}  peers {}/{known}{seeds}", stats.peers),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use tide::{InfoHashes, Trouble, TroubleKind};

    use super::*;

    /// A torrent in the middle of its download.
    pub(crate) fn stats() -> TorrentStats {
        TorrentStats {
            info_hashes: InfoHashes::default(),
            name: "ubuntu-24.04.iso".to_owned(),
            state: State::Downloading,
            metadata: None,
            size: 3 << 30,
            wanted: 3 << 30,
            done: 3 << 29,
            pieces: 3072,
            pieces_done: 1536,
            checked: 0,
            to_check: 0,
            downloaded: 3 << 29,
            uploaded: 3 << 28,
            corrupt: 0,
            wasted: 0,
            down_rate: 98 << 20,
            up_rate: 3 << 19,
            peers: 43,
            seeds: 31,
            connecting: 0,
            known: 118,
            unchoked: 4,
            copies: (31, 500),
            eta: Some(Duration::from_secs(17)),
            trouble: None,
        }
    }

    #[test]
    fn a_line_has_everything_where_there_is_room() {
        let figures =
            "50.0% ▕██████      ▏ 1.5/3.0 GiB  ↓98.0 MiB/s ↑1.5 MiB/s  peers 43/118 (seeds 31)  ETA 0:17";
        assert_eq!(on_terminal(&stats(), 200), format!("ubuntu-24.04.iso  {figures}"));
        let plain =
            "ubuntu-24.04.iso: 50.0% 1.5/3.0 GiB  ↓98.0 MiB/s ↑1.5 MiB/s  peers 43/118 (seeds 31)  ETA 0:17";
        assert_eq!(super::plain(&stats()), plain);
    }

    #[test]
    fn a_line_never_leaves_its_terminal() {
        let long = TorrentStats { name: "名".repeat(300), ..stats() };
        for columns in 0..200 {
            assert!(width(&on_terminal(&stats(), columns)) <= columns.saturating_sub(1));
            assert!(width(&on_terminal(&long, columns)) <= columns.saturating_sub(1));
        }
        assert!(!on_terminal(&stats(), 100).contains('▕'));
    }

    #[test]
    fn every_state_has_its_words() {
        let of = |state| plain(&TorrentStats { state, checked: 1, to_check: 4, ..stats() });
        assert!(of(State::Checking).ends_with("checking 25.0%"));
        let seeking = |peers, got, pieces| {
            let metadata = Some(MetadataInfo { peers, got, pieces });
            plain(&TorrentStats { state: State::Metadata, metadata, peers: 5, known: 9, ..stats() })
        };
        let nobody = "looking for peers that have the metadata, connected to 5 of 9";
        assert!(seeking(0, 0, 0).ends_with(nobody));
        assert!(seeking(1, 0, 0).ends_with("asking 1 peer for metadata"));
        assert!(seeking(3, 4, 12).ends_with("asking 3 peers for metadata, 4 of 12 pieces"));
        assert!(
            of(State::Seeding).ends_with("seeding  ↑1.5 MiB/s  peers 43/118  uploaded 768 MiB  ratio 0.25")
        );
        assert!(of(State::Paused).ends_with("paused at 50.0%"));
        let trouble = Some(Trouble::with(TroubleKind::Full, "/x"));
        let stopped = plain(&TorrentStats { state: State::Stopped, trouble, ..stats() });
        assert!(stopped.contains("stopped at 50.0%: /x: no space left"));
    }
}
