//! Announces as others write them, and as we do.

use proptest::prelude::*;
use tide_base::InfoHash;
use tide_local::limits::{HASHES_MAX, READ_MAX, SENT_MAX};
use tide_local::{Announce, Fault, Group};

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

fn parse(text: &str) -> Result<Announce, Fault> {
    Announce::parse(text.as_bytes())
}

#[test]
fn an_announce_is_written_as_bep_14_has_it() {
    let announce = Announce {
        port: 6881,
        torrents: vec![InfoHash([0xaa; 20]), InfoHash([0xbb; 20])],
        cookie: Some("c00c1e".into()),
    };
    let text = |group| String::from_utf8(announce.write(group)).expect("ASCII");
    assert_eq!(
        text(Group::V4),
        format!(
            "BT-SEARCH * HTTP/1.1\r\nHost: 239.192.152.143:6771\r\nPort: 6881\r\nInfohash: {A}\r\nInfohash: {}\r\n\
             cookie: c00c1e\r\n\r\n\r\n",
            B.to_lowercase()
        )
    );
    assert!(text(Group::V6).contains("\r\nHost: [ff15::efc0:988f]:6771\r\n"));
    assert_eq!(parse(&text(Group::V6)), Ok(announce));
}

#[test]
fn what_others_send_is_read() {
    // Transmission and µTorrent: one blank line more or less, other cases, no cookie.
    let old = format!("BT-SEARCH * HTTP/1.0\r\nHOST: x\r\nPORT:51413\r\nINFOHASH: {B}\r\n\r\n");
    let read = parse(&old).expect("an announce");
    assert_eq!((read.port, read.torrents, read.cookie), (51413, vec![InfoHash([0xbb; 20])], None));
    let odd = format!(
        "BT-SEARCH * HTTP/1.1\nPort: 1\nX: y\nno colon\nInfohash: zz\nInfohash: {A}\nInfohash: {A}\n\
         Infohash: {B}\nCookie: one\nCookie: two\nPort: 2"
    );
    let read = parse(&odd).expect("an announce");
    assert_eq!((read.port, read.torrents.len(), read.cookie.as_deref()), (1, 2, Some("one")));
}

#[test]
fn each_fault_has_its_name() {
    let head = "BT-SEARCH * HTTP/1.1\r\n";
    assert_eq!(parse(""), Err(Fault::Foreign));
    assert_eq!(parse("M-SEARCH * HTTP/1.1\r\nPort: 1\r\n"), Err(Fault::Foreign));
    assert_eq!(Announce::parse(b"BT-SEARCH * HTTP/1.1\r\n\xff"), Err(Fault::Foreign));
    assert_eq!(parse(&format!("{head}Infohash: {A}\r\n")), Err(Fault::Port));
    for port in ["0", "65536", "-1", "x", "", "99999999999999999999"] {
        assert_eq!(parse(&format!("{head}Port: {port}\r\nInfohash: {A}\r\n")), Err(Fault::Port), "{port}");
    }
    assert_eq!(parse(&format!("{head}Port: 1\r\n")), Err(Fault::InfoHash));
    assert_eq!(parse(&format!("{head}Port: 1\r\nInfohash: {A}a\r\n")), Err(Fault::InfoHash));
    assert_eq!(parse(&"x".repeat(READ_MAX + 1)), Err(Fault::TooLong));
}

#[test]
fn a_full_announce_keeps_to_the_length() {
    let room = Announce::room(16);
    let torrents = (0..room as u8).map(|n| InfoHash([n; 20])).collect();
    let announce = Announce { port: 65535, torrents, cookie: Some("0123456789abcdef".into()) };
    for group in Group::ALL {
        let bytes = announce.write(group);
        assert!(bytes.len() <= SENT_MAX && bytes.len() + 52 > SENT_MAX - 10, "{}", bytes.len());
        assert_eq!(Announce::parse(&bytes).as_ref(), Ok(&announce));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Announce::parse(&bytes);
    }

    #[test]
    fn anything_like_an_announce_keeps_the_bounds(
        text in "BT-SEARCH \\* HTTP/1.1\r\n((Port|Infohash|cookie|X): ([0-9]{1,6}|[0-9a-fA-F]{40}|\\PC{0,9})\r\n){0,30}",
    ) {
        if let Ok(announce) = Announce::parse(text.as_bytes()) {
            prop_assert!(announce.port != 0 && !announce.torrents.is_empty());
            prop_assert!(announce.torrents.len() <= HASHES_MAX);
        }
    }
}
