//! Whatever bytes come, the result is an error or a torrent whose numbers fit together and whose paths stay inside.

use crate::build::{Build, limits};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tide_base::{InfoHash, InfoHashV2, InfoHashes, PieceIndex};
use tide_bencode::encode;
use tide_metainfo::{
    Changes, Contents, FileKind, Limits, Magnet, NameRules, NewFile, Recipe, SafePath, Torrent, create,
    names, rewrite,
};

fn stays_inside(path: &SafePath) -> bool {
    path.components().all(|part| {
        !matches!(part, "" | "." | "..")
            && !part.contains(['/', '\\', '\0'])
            && !part.chars().any(char::is_control)
    })
}

fn folded(path: &str) -> String {
    path.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn check(torrent: &Torrent) {
    let info = &torrent.info;
    let layout = info.layout(16 << 10);
    assert_eq!(layout.pieces(), info.pieces());
    info.hash(PieceIndex(info.pieces() - 1));
    let mut offset = 0;
    let mut seen = BTreeSet::new();
    for file in info.files() {
        assert_eq!(file.offset, offset);
        offset += file.length;
        assert!(stays_inside(&file.path), "{:?}", file.path);
        assert_eq!(file.path.components().next(), Some(info.name()));
        if file.kind != FileKind::Padding {
            assert!(seen.insert(folded(file.path.as_str())), "{:?} stands twice", file.path);
        }
        if let FileKind::Link(target) = &file.kind {
            assert!(stays_inside(target) && target.components().next() == Some(info.name()));
        }
    }
    for file in info.files().iter().filter(|file| file.kind != FileKind::Padding) {
        let mut parent = file.path.parent();
        while let Some(folder) = parent {
            assert!(!seen.contains(&folded(folder)), "{folder} is a file and a folder");
            parent = folder.rsplit_once('/').map(|(outer, _)| outer);
        }
    }
    assert_eq!(offset, info.total());
    let link = Magnet::of(torrent).to_string();
    assert_eq!(link.parse::<Magnet>().expect("our own link").hashes, info.info_hashes());
}

/// A torrent with something of everything, for mutation.
fn rich() -> Vec<u8> {
    Build::folder(&[
        "d4:attr2:xh6:lengthi5e4:pathl1:a4:b.cxee",
        "d4:attr1:p6:lengthi16379e4:pathl4:.pad5:16379ee",
        "d6:lengthi5e4:pathl1:A4:B.CXe10:path.utf-8l1:a4:b.cxee",
        "d4:attr1:l6:lengthi0e4:pathl1:le12:symlink pathl1:a4:b.cxee",
        "d4:attr1:l6:lengthi0e4:pathl1:a1:me12:symlink pathl1:l2:..ee",
    ])
    .hashes(2)
    .info("private", "i1e")
    .outer("announce-list", "ll10:http://a/1el11:udp://b:2/xee")
    .outer("url-list", "l9:http://w/e")
    .outer("nodes", "ll1:hi1eee")
    .bytes()
}

/// Pieces of names that have harmed somebody.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<&[u8]> = vec![
        b".",
        b"..",
        b"/",
        b"\\",
        b"a",
        b"A",
        b"b",
        b".1",
        b"",
        b"\0",
        b"\n",
        b"\xff",
        b" ",
        b":",
        b"con",
        b"\xe2\x80\x8b",
        "é".as_bytes(),
        "É".as_bytes(),
        "Σ".as_bytes(),
        "ς".as_bytes(),
        "\u{202e}".as_bytes(),
        &[b'x'; 250],
    ];
    let parts: Vec<Vec<u8>> = parts.into_iter().map(<[u8]>::to_vec).collect();
    prop::collection::vec(prop::sample::select(parts), 0..4).prop_map(|parts| parts.concat())
}

fn paths() -> impl Strategy<Value = Vec<(u8, Vec<Vec<u8>>)>> {
    prop::collection::vec((0..3u8, prop::collection::vec(name(), 1..4)), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn changed_torrents_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..6),
    ) {
        let mut bytes = rich();
        for (at, byte, how) in changes {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"0123456789ilde:"[usize::from(byte) % 15],
                2 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        if let Ok(torrent) = Torrent::parse(&bytes, &limits()) {
            check(&torrent);
        }
        let _ = rewrite(&bytes, &Changes::default(), &limits());
    }

    #[test]
    fn hostile_names_stay_inside(name in name(), files in paths(), windows in any::<bool>()) {
        let list = encode(|v| v.list(|list| {
            for (kind, path) in &files {
                let write = |list: &mut tide_bencode::List<'_>| path.iter().for_each(|part| list.bytes(part));
                list.dict(|d| {
                    if *kind == 1 {
                        d.bytes(b"attr", b"l");
                    }
                    d.int(b"length", 3);
                    d.list(b"path", write);
                    if *kind == 1 {
                        let (_, target) = &files[path.len() % files.len()];
                        d.list(b"symlink path", |list| target.iter().for_each(|part| list.bytes(part)));
                    }
                });
            }
        }));
        let build = Build::single().without("length").info("files", list).info("name", encode(|v| v.bytes(&name)));
        let rules = if windows { NameRules::Windows } else { NameRules::Posix };
        let links = files.iter().filter(|(kind, _)| *kind == 1).count();
        match Torrent::parse(&build.bytes(), &Limits { names: rules, ..limits() }) {
            Ok(torrent) => check(&torrent),
            Err(error) => {
                prop_assert_eq!(error, tide_metainfo::Error::Empty);
                prop_assert_eq!(links, files.len());
            }
        }
    }

    #[test]
    fn a_mended_name_is_mended_already(name in prop::collection::vec(any::<u8>(), 0..300), windows in any::<bool>()) {
        let rules = if windows { NameRules::Windows } else { NameRules::Posix };
        let mended = names::mend(&name, rules);
        prop_assert!(mended.len() <= 241);
        prop_assert!(SafePath::new(&mended).is_some_and(|path| stays_inside(&path)));
        prop_assert_eq!(names::mend(mended.as_bytes(), rules), mended);
    }

    #[test]
    fn what_is_created_is_read_back(
        lengths in prop::collection::btree_map("[a-z]{1,3}(/[A-Z]{1,2}x)?", 0..100_000u64, 1..8),
        private in any::<bool>(),
        source in prop::option::of("[ -~]{1,9}"),
    ) {
        let files: Vec<_> =
            lengths.iter().map(|(path, &length)| NewFile { path: path.clone().into(), length }).collect();
        let contents = Contents::folder(files);
        let total = contents.total().expect("a few bytes");
        prop_assume!(total > 0);
        let pieces: Vec<u8> = (0..total.div_ceil(16384) * 20).map(|at| at as u8).collect();
        let bytes = create(&Recipe {
            name: b"made",
            contents: &contents,
            piece_len: 16384,
            pieces: &pieces,
            private,
            source: source.as_deref(),
            trackers: &[],
            web_seeds: &[],
            comment: None,
            created_by: None,
            date: None,
        }).expect("a good recipe");
        prop_assert!(tide_bencode::decode(&bytes, tide_bencode::Limits::MESSAGE).expect("bencoding").root().is_canonical());
        let torrent = Torrent::parse(&bytes, &limits()).expect("our own torrent");
        check(&torrent);
        prop_assert_eq!(torrent.info.hash_bytes(), &pieces[..]);
        prop_assert_eq!((torrent.info.total(), torrent.info.is_private()), (total, private));
        prop_assert_eq!(torrent.info.source(), source.as_deref());
    }

    #[test]
    fn a_link_goes_both_ways(
        v1 in prop::option::of(any::<[u8; 20]>()),
        v2 in any::<[u8; 32]>(),
        name in prop::option::of("[a-zé&=%+# .]{1,20}"),
        trackers in prop::collection::btree_set("(http|udp)://[a-z]{1,8}(:[1-9][0-9]{0,3})?(/[a-z?&=%]{0,8})?", 0..4),
        peers in prop::collection::btree_set("([a-z]{1,9}|\\[::[1-9a-f]{1,4}\\]):[1-9][0-9]{0,3}", 0..4),
        select in prop::collection::btree_set(0u32..=10_000, 0..40),
    ) {
        let peers = peers.iter().map(|peer| tide_metainfo::HostPort::parse(peer).expect("an address")).collect();
        let magnet = Magnet {
            hashes: InfoHashes { v1: v1.map(InfoHash), v2: Some(InfoHashV2(v2)) },
            name,
            trackers: trackers.into_iter().collect(),
            web_seeds: Vec::new(),
            peers,
            select: select.into_iter().collect(),
        };
        prop_assert_eq!(magnet.to_string().parse::<Magnet>(), Ok(magnet));
    }

    #[test]
    fn any_text_is_a_link_or_none(rest in "[a-z0-9%=&:.,+\\-é]{0,60}") {
        let _ = rest.parse::<Magnet>();
        let _ = format!("magnet:?{rest}").parse::<Magnet>();
        let _ = format!("magnet:?xt=urn:btih:{}&so={rest}&x.pe={rest}&tr=http://{rest}&dn={rest}", "0".repeat(40)).parse::<Magnet>();
    }
}
