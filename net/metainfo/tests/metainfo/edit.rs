//! Rewriting what stands around the info dictionary.

use crate::build::{Build, limits};
use tide_metainfo::{Changes, Error, Torrent, rewrite};

fn text(text: &str) -> String {
    text.to_string()
}

#[test]
fn unknown_keys_and_the_info_dictionary_stay() {
    let info = "d1:zi01e1:ai2ee"; // neither sorted nor canonical, and no torrent that could be downloaded
    let bytes = format!("d4:info{info}8:announce8:http://a12:piece layersde1:xi0ee");
    let changes = Changes {
        trackers: Some(vec![vec![text("http://b")], vec![], vec![text("udp://c")]]),
        web_seeds: Some(vec![text("http://w/")]),
        comment: Some(text("new")),
    };
    let out = rewrite(bytes.as_bytes(), &changes, &limits()).expect("a dictionary with an info dictionary");
    let expected = format!(
        "d8:announce8:http://b13:announce-listll8:http://bel7:udp://cee7:comment3:new4:info{info}12:piece layersde\
         8:url-list9:http://w/1:xi0ee"
    );
    assert_eq!(String::from_utf8(out).expect("text"), expected);
}

#[test]
fn nothing_changed_is_nothing_changed() {
    let build = Build::single().outer("announce", "8:http://a").outer("zz", "li1ee").outer("comment", "1:c");
    let same = rewrite(&build.bytes(), &Changes::default(), &limits()).expect("a torrent");
    assert_eq!(same, build.bytes());
    let bare = Changes { trackers: Some(vec![]), web_seeds: Some(vec![]), comment: Some(String::new()) };
    let out = rewrite(&build.outer("comment.utf-8", "1:d").bytes(), &bare, &limits()).expect("a torrent");
    assert_eq!(out, Build::single().outer("zz", "li1ee").bytes());
    let torrent = Torrent::parse(&out, &limits()).expect("a torrent");
    assert_eq!(torrent.info, Build::single().ok().info);
}

#[test]
fn what_is_no_torrent_is_not_rewritten() {
    let refused = |bytes: &[u8]| rewrite(bytes, &Changes::default(), &limits()).expect_err("no torrent");
    assert_eq!(refused(b"le"), Error::NotADict);
    assert_eq!(refused(b"d4:infolee"), Error::Info);
    assert!(matches!(refused(b"d4:infode"), Error::Encoding(_)));
}
