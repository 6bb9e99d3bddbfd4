//! .torrent files: any bytes.

use crate::Target;
use std::collections::BTreeSet;
use tide_metainfo::names::NameRules;
use tide_metainfo::{Changes, File, FileKind, Info, Limits, Magnet, SafePath, Torrent, rewrite};

pub(crate) const TARGET: Target = Target {
    name: "metainfo",
    run,
    input_max: 1 << 13,
    memory: 16 << 10,
    // The table of tokens; and each file of some twenty bytes has a path of its own that begins with the torrent's
    // name, which alone may have 240.
    memory_per_byte: 192,
};

/// Bytes of a component of a path: what file systems take.
const NAME_MAX: usize = 255;

fn run(data: &[u8]) {
    for names in [NameRules::Posix, NameRules::Windows] {
        // The usual bounds, but for those that an input of this length could not reach.
        let limits = Limits {
            renames: 20,
            links: 8,
            link_hops: 3,
            trackers: 5,
            web_seeds: 5,
            nodes: 5,
            names,
            ..Limits::default()
        };
        judge(data, &limits);
    }
}

fn judge(data: &[u8], limits: &Limits) {
    let alone = Info::parse(data, limits);
    let Ok(torrent) = Torrent::parse(data, limits) else {
        if let Ok(info) = alone {
            check(&info, limits);
        }
        return;
    };
    check(&torrent.info, limits);
    assert!(torrent.trackers.iter().all(|tier| !tier.is_empty()));
    assert!(torrent.trackers.iter().flatten().count() <= limits.trackers as usize);
    assert!(
        torrent.web_seeds.len() <= limits.web_seeds as usize && torrent.nodes.len() <= limits.nodes as usize
    );
    let texts = [&torrent.comment, &torrent.created_by, &torrent.encoding];
    assert!(!texts.into_iter().flatten().any(|text| text.contains('\u{1b}')), "text that moves cursors");

    let changes = Changes {
        trackers: Some(vec![vec!["http://a/".into()]]),
        web_seeds: Some(vec![]),
        comment: Some("c".into()),
    };
    let written = rewrite(data, &changes, limits).expect("what can be read can be rewritten");
    let again = Torrent::parse(&written, limits).expect("what was rewritten can be read");
    assert_eq!(again.info, torrent.info, "rewriting touches no info dictionary");
    assert_eq!((again.trackers, again.comment), (vec![vec!["http://a/".into()]], Some("c".into())));

    let magnet = Magnet::of(&torrent);
    let link = Magnet::parse(&magnet.to_string(), limits).expect("our own links can be read");
    assert_eq!(link.hashes, torrent.info.info_hashes());
}

/// Numbers fit together, and every path stays where it is put.
fn check(info: &Info, limits: &Limits) {
    assert_eq!(Info::parse(info.raw(), limits).as_ref(), Ok(info), "the dictionary stands for itself");
    assert!(info.pieces() > 0 && info.pieces() <= limits.pieces && info.total() <= limits.total);
    assert!(info.piece_len() > 0 && info.piece_len() <= limits.piece_len);
    assert_eq!(u64::from(info.pieces()), info.total().div_ceil(u64::from(info.piece_len())));
    assert_eq!(info.layout(1 << 14).pieces(), info.pieces());
    assert_eq!(info.hash_bytes().len(), info.pieces() as usize * 20);
    let mut at = 0;
    let mut taken = BTreeSet::new();
    let mut folders = BTreeSet::new();
    for file in info.files() {
        assert_eq!(file.offset, at, "files follow each other without a gap");
        at += file.length;
        assert_eq!(SafePath::new(file.path.as_str()).as_ref(), Some(&file.path));
        assert!(
            file.path.components().all(|name| name.len() <= NAME_MAX && !name.contains(char::is_control))
        );
        assert_eq!(
            file.path.components().next(),
            Some(info.name()),
            "everything is under the torrent's name"
        );
        if file.kind != FileKind::Padding {
            assert!(taken.insert(file.path.as_str().to_lowercase()), "{} stands twice", file.path);
            let parents = file
                .path
                .as_str()
                .match_indices('/')
                .map(|(end, _)| file.path.as_str()[..end].to_lowercase());
            folders.extend(parents);
        }
    }
    assert_eq!(at, info.total());
    assert!(taken.is_disjoint(&folders), "a file stands where another needs a folder");
    info.files().iter().for_each(|file| check_link(file, info));
}

/// A link leads to something of the torrent that is no link.
fn check_link(file: &File, info: &Info) {
    let FileKind::Link(end) = &file.kind else { return };
    let is_end = |other: &File| {
        let rest = other.path.as_str().strip_prefix(end.as_str());
        let is_file = rest == Some("") && matches!(other.kind, FileKind::Regular);
        is_file || rest.is_some_and(|rest| rest.starts_with('/'))
    };
    assert!(info.files().iter().any(is_end), "{} leads to {end}, where nothing is", file.path);
}
