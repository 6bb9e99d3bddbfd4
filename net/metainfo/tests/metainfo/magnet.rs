//! Magnet links, both ways.

use crate::build::Build;
use tide_base::{InfoHash, InfoHashV2};
use tide_metainfo::{Magnet, MagnetError};

const HEX: &str = "0123456789abcdef0123456789abcdef01234567";

fn parse(link: &str) -> Result<Magnet, MagnetError> {
    link.parse()
}

fn with(rest: &str) -> Result<Magnet, MagnetError> {
    parse(&format!("magnet:?xt=urn:btih:{HEX}{rest}"))
}

#[test]
fn a_torrents_link_reads_back() {
    let build = Build::paths(&[&[b"a"]])
        .info("name", "7:a b&c/d")
        .outer("announce-list", "ll10:http://a/?el9:udp://b:1ee")
        .outer("url-list", "12:http://w/é?");
    let torrent = build.ok();
    let magnet = Magnet::of(&torrent);
    let expected = format!(
        "magnet:?xt=urn:btih:{}&dn=a%20b%26cd&tr=http%3A%2F%2Fa%2F%3F&tr=udp%3A%2F%2Fb%3A1\
         &ws=http%3A%2F%2Fw%2F%25C3%25A9%3F%2F",
        torrent.info.info_hash()
    );
    assert_eq!(magnet.to_string(), expected);
    assert_eq!(parse(&expected), Ok(magnet));
}

#[test]
fn every_parameter_goes_both_ways() {
    let link = format!(
        "magnet:?xt=urn:btih:{HEX}&xt=urn:btmh:1220{}&dn=x&tr=udp%3A%2F%2Fb%3A1&ws=http%3A%2F%2Fw%2F\
         &x.pe=1.2.3.4:5&x.pe=[::1]:6&x.pe=a.example:7&so=0,2,4,6-8",
        "ab".repeat(32)
    );
    let magnet = parse(&link).expect("a link");
    assert_eq!(magnet.hashes.v2, Some(InfoHashV2([0xab; 32])));
    assert_eq!(magnet.select, [0, 2, 4, 6, 7, 8]);
    assert_eq!(magnet.peers[1].host, "::1");
    assert_eq!(magnet.to_string(), link);
}

#[test]
fn hashes_come_in_three_forms() {
    let upper = HEX.to_uppercase();
    let base32 = "AERUKZ4JVPG66AJDIVTYTK6N54ASGRLH";
    for form in [HEX, &upper, base32, &base32.to_lowercase()] {
        let magnet = parse(&format!("MAGNET:?xt=urn:btih:{form}")).expect("a link");
        assert_eq!(magnet.hashes.v1.map(|hash| hash.to_string()).as_deref(), Some(HEX));
    }
    let v2 = parse(&format!("magnet:?xt.1=urn:btmh:1220{}", "0F".repeat(32))).expect("a link");
    assert_eq!((v2.hashes.v1, v2.hashes.v2), (None, Some(InfoHashV2([15; 32]))));
    let escaped = parse(&format!("magnet:?xt=urn%3Abtih%3A{HEX}&xt=urn:ed2k:x")).expect("a link");
    assert_eq!(escaped.hashes.v1.map(|InfoHash(bytes)| bytes[1]), Some(0x23));
}

#[test]
fn links_that_are_none() {
    assert_eq!(parse("http://a"), Err(MagnetError::Scheme));
    assert_eq!(parse("magnet:"), Err(MagnetError::Scheme));
    assert_eq!(parse("magnet:é?"), Err(MagnetError::Scheme));
    assert_eq!(parse("magnet:?dn=x"), Err(MagnetError::NoHash));
    assert_eq!(parse("magnet:?xt=urn:sha1:x"), Err(MagnetError::NoHash));
    assert_eq!(parse("magnet:?xt=urn:btih:"), Err(MagnetError::HashV1));
    assert_eq!(parse(&format!("magnet:?xt=urn:btih:{}", "1".repeat(32))), Err(MagnetError::HashV1));
    assert_eq!(parse(&format!("magnet:?xt=urn:btih:{HEX}0")), Err(MagnetError::HashV1));
    assert_eq!(parse("magnet:?xt=urn:btmh:1220ab"), Err(MagnetError::HashV2));
    assert_eq!(parse(&format!("magnet:?xt=urn:btmh:1114{HEX}")), Err(MagnetError::HashV2));
    let other = HEX.replace('7', "8");
    assert_eq!(with(&format!("&xt=urn:btih:{other}")), Err(MagnetError::TwoHashes));
    assert!(with(&format!("&xt=urn:btih:{HEX}")).is_ok());
    assert_eq!(with(&format!("&dn={}", "x".repeat(1 << 16))), Err(MagnetError::TooLong));
}

#[test]
fn selections_have_a_bound() {
    assert_eq!(with("&so=10000").expect("a link").select, [10_000]);
    assert_eq!(with("&so=3,0-2&so=1-4").expect("a link").select, [0, 1, 2, 3, 4]);
    for text in ["10001", "0-4294967295", "4-3", "a", "", "1,", "-1", "1-", "+1", "99999999999"] {
        assert_eq!(with(&format!("&so={text}")), Err(MagnetError::Select), "{text:?}");
    }
    let all = format!("&so={}", ["0-10000"; 8000].join(","));
    assert_eq!(with(&all).expect("a link").select.len(), 10_001);
}

#[test]
fn what_is_useless_is_left_out() {
    let magnet =
        with("&tr=ftp://a&tr=&tr.0=http://b&tr=http://b&ws=x&x.pe=nowhere&dn=&dn=a+b%2Bc%1b&dn=z&x.y=1&&=&q")
            .expect("a link");
    assert_eq!(magnet.trackers, ["http://b"]);
    assert_eq!(magnet.name.as_deref(), Some("a b+c\u{fffd}"));
    assert!(magnet.web_seeds.is_empty() && magnet.peers.is_empty());
}

#[test]
fn a_link_out_of_a_pages_source_is_read() {
    let magnet = with("&amp;dn=a&amp;tr.1=udp%3A%2F%2Fb%3A1&amp;so=1").expect("a link");
    assert_eq!((magnet.name.as_deref(), &magnet.select[..]), (Some("a"), &[1][..]));
    assert_eq!(magnet.trackers, ["udp://b:1"]);
}

#[test]
fn peers_come_in_three_forms_and_escaped() {
    let magnet = with(
        "&x.pe=1.2.3.4:5&x.pe=%5B2001%3Adb8%3A%3A1%5D%3A6&x.pe=host.example:7&x.pe=1.2.3.4:5\
         &x.pe=1.2.3.4&x.pe=1.2.3.4:0&x.pe=1.2.3.4:65536&x.pe=::1:5&x.pe=[::1&x.pe=a%00b:1&x.pe=%ff:1&x.pe=:1&x.pe=",
    )
    .expect("a link");
    let peers: Vec<_> = magnet.peers.iter().map(ToString::to_string).collect();
    assert_eq!(peers, ["1.2.3.4:5", "[2001:db8::1]:6", "host.example:7"]);
}

#[test]
fn a_v2_link_and_a_hybrid_one_are_recognised() {
    let v2 = format!("xt=urn:btmh:1220{}", "ab".repeat(32));
    let only = parse(&format!("magnet:?{v2}&dn=x")).expect("a link");
    assert_eq!((only.hashes.v1, only.hashes.v2), (None, Some(InfoHashV2([0xab; 32]))));
    let both = with(&format!("&{v2}")).expect("a link");
    assert!(both.hashes.v1.is_some() && both.hashes.v2 == only.hashes.v2);
    let other = format!("&{v2}&xt=urn:btmh:1220{}", "ac".repeat(32));
    assert_eq!(with(&other), Err(MagnetError::TwoHashes));
    for digits in ["ab".repeat(31), "ab".repeat(33), "zz".repeat(32), "é".repeat(32)] {
        assert_eq!(parse(&format!("magnet:?xt=urn:btmh:1220{digits}")), Err(MagnetError::HashV2));
    }
}

#[test]
fn hostile_links_cost_little_and_say_nothing_harmful() {
    let many = |key: &str, value: &dyn Fn(u32) -> String| {
        let pairs: Vec<_> = (0..3000).map(|n| format!("&{key}={}", value(n))).collect();
        with(&pairs.concat()).expect("a link")
    };
    assert_eq!(many("tr", &|n| format!("udp://a:{n}")).trackers.len(), 500);
    assert_eq!(many("ws", &|n| format!("http://a/{n}")).web_seeds.len(), 100);
    assert_eq!(many("x.pe", &|n| format!("a:{}", n + 1)).peers.len(), 100);
    assert_eq!(many("dn", &|n| format!("{n}")).name.as_deref(), Some("0"));
    let long = "x".repeat(3000);
    assert!(with(&format!("&tr=http://{long}&x.pe={long}:1")).expect("a link").trackers.is_empty());
    let name = with("&dn=%1b%5b2J%0d..%2f..%2fetc%00%c2%9b").expect("a link").name.expect("a name");
    assert!(!name.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{name:?}");
    for link in
        ["magnet:?", "magnet:?xt", "magnet:?xt=", "magnet:?xt=%", "magnet:?&&&&", "magnet:?xt=urn:btih"]
    {
        assert!(parse(link).is_err(), "{link}");
    }
    for text in ["%", "%f", "%ff", "%00", "%2c", "0%2C1-", "0--1", "1-2-3", "０", " 1"] {
        assert_eq!(with(&format!("&so={text}")), Err(MagnetError::Select), "{text:?}");
    }
    assert_eq!(with("&so=0%2C2").expect("a link").select, [0, 2]);
}
