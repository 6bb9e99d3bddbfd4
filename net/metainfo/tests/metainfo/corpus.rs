//! Torrents that must be read although, or because, they are odd; and what must come of each.

use crate::build::{Build, limits};
use tide_base::{PieceIndex, WallClock};
use tide_metainfo::{Attributes, FileKind, HostPort, Info, Limits, NameRules, SafePath, Torrent};

#[test]
fn the_plainest_torrent() {
    let build = Build::single();
    let torrent = build.ok();
    assert_eq!(torrent.info.name(), "temp");
    assert_eq!((torrent.info.total(), torrent.info.pieces()), (5, 1));
    assert_eq!(torrent.info.hash(PieceIndex(0)), [0; 20]);
    assert_eq!(torrent.info.raw()[..], build.info_bytes()[..]);
    assert!(torrent.trackers.is_empty() && torrent.web_seeds.is_empty() && torrent.nodes.is_empty());
    assert!(!torrent.info.is_private() && torrent.creation_date.is_none());
    assert_eq!(Info::parse(&build.info_bytes(), &limits()).as_ref(), Ok(&torrent.info));
}

#[test]
fn every_piece_has_its_own_hash() {
    let torrent = Build::single().info("length", "i65537e").hashes(5).ok();
    assert_eq!(torrent.info.hash(PieceIndex(4)), [4; 20]);
    assert_eq!(torrent.info.hash_bytes().len(), 100);
    assert_eq!(torrent.info.layout(16384).len_of(PieceIndex(4)), 1);
}

#[test]
fn the_largest_piece() {
    assert_eq!(Build::single().info("piece length", "i536870912e").ok().info.piece_len(), 512 << 20);
    assert_eq!(Build::single().info("piece length", "i5e").ok().info.pieces(), 1);
}

#[test]
fn paths_that_try_to_leave() {
    let one = |path: &[&[u8]]| Build::paths(&[path]).mended().remove(0);
    assert_eq!(one(&[b"..", b"..", b"bar"]), "temp/_/_/bar");
    assert_eq!(one(&[b"/", b"\\", b"bar"]), "temp/_/_/bar");
    assert_eq!(one(&[b"abc/../../def", b"", b"bar"]), "temp/abc....def/_/bar");
    assert_eq!(one(&[b"/etc/passwd"]), "temp/etcpasswd");
    assert_eq!(one(&[b"C:\\Windows", b"."]), "temp/C:Windows/_");
    assert_eq!(one(&[b""]), "temp/_");
    assert_eq!(one(&["..\u{200b}".as_bytes()]), "temp/_");
    assert_eq!(one(&[b"a\0b", b"c\nd"]), "temp/a_b/c_d");
    assert_eq!(one(&[b"a\xff\xffb"]), "temp/a__b");
    assert_eq!(one(&[b"...", b"a "]), "temp/.../a ");
}

#[test]
fn names_that_try_to_leave() {
    let named = |raw: &str| Build::single().info("name", raw).ok().info.files()[0].path.to_string();
    assert_eq!(named("14:temp/../../abc"), "temp....abc".to_string());
    assert_eq!(named("5:temp "), "temp ");
    for raw in ["0:", "1:.", "2:..", "1:/", "3:/./"] {
        let torrent = Build::single().info("name", raw).ok();
        assert_eq!(torrent.info.name(), torrent.info.info_hash().to_string(), "{raw}");
    }
}

#[test]
fn windows_is_stricter() {
    let windows = Limits { names: NameRules::Windows, ..limits() };
    let bytes = Build::paths(&[&[b"aux.", b"what?. "]]).bytes();
    let torrent = Torrent::parse(&bytes, &windows).expect("a torrent that can be used");
    assert_eq!(torrent.info.files()[0].path.as_str(), "temp/_aux/what_");
}

#[test]
fn colliding_names_get_numbers() {
    let three = Build::paths(&[&[b"foo", b"bar.txt"], &[b"foo", b"BAR.txt"], &[b"Foo", b"bar.TXT"]]);
    assert_eq!(three.mended(), ["temp/foo/bar.txt", "temp/foo/BAR.1.txt", "temp/Foo/bar.2.TXT"]);
    let folder = Build::paths(&[&[b"a"], &[b"A", b"b"], &[b"a", b"b", b"c"]]);
    assert_eq!(folder.mended(), ["temp/a.1", "temp/A/b.1", "temp/a/b/c"]);
    let taken = Build::paths(&[&[b"x.1"], &[b"x"], &[b"x"], &[b"x.1"]]);
    assert_eq!(taken.mended(), ["temp/x.1", "temp/x", "temp/x.2", "temp/x.1.1"]);
    let mended = Build::paths(&[&[b".."], &[b"."], &[b"\xff"]]);
    assert_eq!(mended.mended(), ["temp/_", "temp/_.1", "temp/_.2"]);
    let umlauts = Build::paths(&[&["Ä".as_bytes()], &["ä".as_bytes()]]);
    assert_eq!(umlauts.mended(), ["temp/Ä", "temp/ä.1"]);
}

#[test]
fn utf8_variants_are_preferred() {
    let file = "d6:lengthi5e4:pathl3:\u{fffd}e10:path.utf-8l4:né!ee";
    let torrent = Build::folder(&[file]).info("name.utf-8", "5:übn!").ok();
    assert_eq!(torrent.info.files()[0].path.as_str(), "übn!/né!");
    let wrong = "d6:lengthi5e4:pathl1:ae10:path.utf-8i1ee";
    assert_eq!(Build::folder(&[wrong]).info("name.utf-8", "i1e").mended(), ["temp/a"]);
    let comment = Build::single().outer("comment", "1:a").outer("comment.utf-8", "1:b").ok().comment;
    assert_eq!(comment.as_deref(), Some("b"));
}

#[test]
fn padding_is_known_by_its_mark_or_its_name() {
    let torrent = Build::folder(&[
        "d6:lengthi5e4:pathl1:aee",
        "d4:attr1:p6:lengthi7e4:pathl4:.pad1:7ee",
        "d4:attr2:px6:lengthi3ee",
        "d6:lengthi9e4:pathl4:.pad1:9ee",
        "d6:lengthi8e4:pathl4:.pad1:9ee",
        "d6:lengthi0e4:pathl4:.pad1:0ee",
        "d6:lengthi9e4:pathl1:x4:.pad1:9ee",
    ])
    .ok();
    let files = torrent.info.files();
    let padding: Vec<_> = files.iter().map(|file| file.kind == FileKind::Padding).collect();
    assert_eq!(padding, [false, true, true, true, false, false, false]);
    assert_eq!(files[2].path.as_str(), "temp/.pad/3");
    assert_eq!(files.iter().map(|file| file.offset).collect::<Vec<_>>(), [0, 5, 12, 15, 24, 32, 32]);
    assert_eq!(torrent.info.total(), 41);
}

#[test]
fn padding_collides_with_nothing() {
    let pad = "d4:attr1:p6:lengthi7e4:pathl4:.pad1:7ee";
    let file = "d6:lengthi6e4:pathl4:.pad1:7ee";
    assert_eq!(Build::folder(&[pad, pad, file]).mended(), ["temp/.pad/7"; 3]);
}

#[test]
fn attributes_are_kept() {
    let torrent = Build::folder(&["d4:attr3:xhz6:lengthi5e4:pathl1:aee"]).ok();
    let both = Attributes { executable: true, hidden: true };
    assert_eq!(torrent.info.files()[0].attributes, both);
    let torrent = Build::single().info("attr", "1:x").ok();
    assert_eq!(torrent.info.files()[0].attributes, Attributes { executable: true, hidden: false });
}

fn link(path: &[&str], target: &[&str]) -> String {
    let list = |parts: &[&str]| parts.iter().map(|part| format!("{}:{part}", part.len())).collect::<String>();
    format!("d4:attr1:l6:lengthi0e4:pathl{}e12:symlink pathl{}ee", list(path), list(target))
}

fn links(entries: &[String]) -> Vec<FileKind> {
    let file = "d6:lengthi5e4:pathl1:a1:b3:baree";
    let all: Vec<&str> = [file].into_iter().chain(entries.iter().map(String::as_str)).collect();
    Build::folder(&all).ok().info.files()[1..].iter().map(|file| file.kind.clone()).collect()
}

fn to(path: &str) -> FileKind {
    FileKind::Link(SafePath::new(path).expect("a safe path"))
}

#[test]
fn links_lead_to_what_is_in_the_torrent() {
    let kinds = links(&[
        link(&["to file"], &["a", "b", "bar"]),
        link(&["to folder"], &["a", "b"]),
        link(&["chain"], &["to link", "b", "bar"]),
        link(&["to link"], &["a"]),
        link(&["a", "inner"], &["to folder", "bar"]),
    ]);
    assert_eq!(
        kinds,
        [to("temp/a/b/bar"), to("temp/a/b"), to("temp/a/b/bar"), to("temp/a"), to("temp/a/b/bar")]
    );
}

#[test]
fn links_that_lead_elsewhere_are_dead() {
    let kinds = links(&[
        link(&["out"], &["..", "..", "etc"]),
        link(&["absolute"], &["/etc"]),
        link(&["nowhere"], &["a", "c"]),
        link(&["self"], &["self"]),
        link(&["circle"], &["round"]),
        link(&["round"], &["circle"]),
        link(&["growing"], &["growing", "x"]),
        link(&["through file"], &["a", "b", "bar", "x"]),
        link(&["empty"], &[]),
        "d4:attr1:l4:pathl6:no endee".to_string(),
    ]);
    assert_eq!(kinds, vec![FileKind::DeadLink; 10]);
}

#[test]
fn links_are_followed_within_bounds() {
    // Link 0 leads to a file, and each other one to the one before it.
    let chain = |len: usize| {
        let before = |at: usize| at.checked_sub(1).map_or("file".to_string(), |at| at.to_string());
        let all = (0..len).map(|at| link(&[&at.to_string()], &[&before(at)]));
        let files: Vec<_> = ["d6:lengthi5e4:pathl4:fileee".to_string()].into_iter().chain(all).collect();
        Build::folder(&files.iter().map(String::as_str).collect::<Vec<_>>()).bytes()
    };
    let kinds = |bytes: &[u8], limits: &Limits| {
        let torrent = Torrent::parse(bytes, limits).expect("a torrent that can be used");
        let alive = |file: &tide_metainfo::File| file.kind == to("temp/file");
        torrent.info.files()[1..].iter().map(alive).collect::<Vec<_>>()
    };
    let expected: Vec<_> = (0..20).map(|at| at < 16).collect();
    assert_eq!(kinds(&chain(20), &limits()), expected);
    assert_eq!(kinds(&chain(3), &Limits { links: 2, ..limits() }), [true, true, false]);
}

#[test]
fn a_link_has_no_content_and_gives_way_to_folders() {
    let torrent = Build::folder(&[
        "d4:attr1:l6:lengthi1000e4:pathl1:ae12:symlink pathl1:bee",
        "d6:lengthi5e4:pathl1:a1:bee",
        "d6:lengthi5e4:pathl1:bee",
    ])
    .ok();
    let files = torrent.info.files();
    assert_eq!((files[0].path.as_str(), files[0].length, &files[0].kind), ("temp/a.1", 0, &to("temp/b")));
    assert_eq!((files[1].path.as_str(), files[1].offset), ("temp/a/b", 0));
}

#[test]
fn trackers_come_in_tiers() {
    let trackers = |announce: &str, list: &str| {
        Build::single().outer("announce", announce).outer("announce-list", list).ok().trackers
    };
    assert_eq!(trackers("8:http://a", "ll8:http://bel7:udp://cee"), [["http://b"], ["udp://c"]]);
    assert_eq!(trackers("8:http://a", "le"), [["http://a"]]);
    assert_eq!(trackers("8:http://a", "i1e"), [["http://a"]]);
    assert_eq!(trackers("8:http://a", "ll0:7:ftp://cei3eld1:a1:beee"), [["http://a"]]);
    assert_eq!(trackers("0:", "l8:http://b8:http://c8:http://be"), [["http://b"], ["http://c"]]);
    assert_eq!(trackers("i7e", "le"), Vec::<Vec<String>>::new());
    let spaced = Build::single().outer("announce", "27: udp://test.com/announce \n\n");
    assert_eq!(spaced.ok().trackers, [["udp://test.com/announce"]]);
    let few = Limits { trackers: 1, ..limits() };
    let bytes = Build::single().outer("announce-list", "ll8:http://b8:http://cel8:http://dee").bytes();
    assert_eq!(Torrent::parse(&bytes, &few).expect("a torrent").trackers, [["http://b"]]);
}

#[test]
fn web_seeds_are_a_string_or_a_list() {
    let seeds = |build: Build, raw: &str| build.outer("url-list", raw).ok().web_seeds;
    assert_eq!(seeds(Build::single(), "10:http://a/b"), ["http://a/b"]);
    assert_eq!(seeds(Build::single(), "l10:http://a/b10:http://a/b11:http://a/cc5:ftp:/e").len(), 2);
    assert_eq!(seeds(Build::single(), "0:"), Vec::<String>::new());
    assert_eq!(seeds(Build::paths(&[&[b"a"]]), "12:http://a/b c"), ["http://a/b%20c/"]);
}

#[test]
fn what_is_too_much_around_the_info_dictionary_is_left_out() {
    let bytes = Build::single()
        .outer("url-list", "l8:http://a8:http://b8:http://ce")
        .outer("nodes", "ll1:ai1eel1:bi1eel1:ci1eee")
        .outer("announce", format!("30:http://{}", "a".repeat(23)))
        .bytes();
    let tight = Limits { web_seeds: 2, nodes: 2, url_len: 29, ..limits() };
    let torrent = Torrent::parse(&bytes, &tight).expect("a torrent that can be used");
    assert_eq!((torrent.web_seeds.len(), torrent.nodes.len(), torrent.trackers.len()), (2, 2, 0));
}

#[test]
fn the_rest_around_the_info_dictionary() {
    let torrent = Build::single()
        .outer("nodes", "ll9:127.0.0.1i6881eel3:::1i7eel1:ai0eel1:ai70000eeli1ei1eelee")
        .outer("comment", "6:a\n\x1b[mz")
        .outer("created by", "6:tide 1")
        .outer("creation date", "i1234567e")
        .outer("encoding", "5:UTF-8")
        .info("private", "i1e")
        .info("source", "2:\u{e9}")
        .ok();
    let node = |host: &str, port| HostPort { host: host.to_string(), port };
    assert_eq!(torrent.nodes, [node("127.0.0.1", 6881), node("::1", 7)]);
    assert_eq!(torrent.comment.as_deref(), Some("a\n\u{fffd}[mz"));
    assert_eq!(torrent.created_by.as_deref(), Some("tide 1"));
    assert_eq!(torrent.creation_date, Some(WallClock(1_234_567)));
    assert_eq!(torrent.encoding.as_deref(), Some("UTF-8"));
    assert!(torrent.info.is_private());
    assert_eq!(torrent.info.source(), Some("é"));
    assert!(!Build::single().info("private", "i0e").ok().info.is_private());
}

#[test]
fn a_v1_torrent_need_not_be_canonical() {
    let bytes = b"d4:infod4:name4:temp6:lengthi005e6:pieces20:aaaaaaaaaaaaaaaaaaaa12:piece lengthi4096eee";
    let torrent = Torrent::parse(bytes, &limits()).expect("a torrent that can be used");
    assert_eq!(torrent.info.total(), 5);
    assert_eq!(torrent.info.raw()[..], bytes[7..bytes.len() - 1]);
    assert_eq!(torrent.info.hash(PieceIndex(0)), [b'a'; 20]);
}
