//! Over datagrams, when nothing goes wrong.

use super::*;

const CONNECT: &[u8] = b"\x00\x00\x04\x17\x27\x10\x19\x80\x00\x00\x00\x00\x00\x00\x00\x07";

fn send(lab: &mut Lab, from: &str, data: &[u8]) -> Vec<Vec<u8>> {
    let mark = lab.deeds.len();
    lab.hear(Heard::Datagram { from: at(from), at: at("10.9.0.1:80"), data });
    lab.datagrams(mark).into_iter().map(|(.., data)| data).collect()
}

#[test]
fn announces_and_scrapes_are_answered() {
    let mut lab = calm();
    let first = lab.udp_announce("10.0.0.1:5000", &ask(1, 0, Event::Started)).expect("an answer");
    assert_eq!(
        (first.interval, first.seeds, first.leechers),
        (Some(Duration::from_secs(1800)), Some(1), Some(0))
    );
    let second = lab.udp_announce("10.0.0.2:5000", &ask(2, 9, Event::Started)).expect("an answer");
    assert_eq!(second.peers, [at("10.0.0.1:7001")]);
    let known = tide_tracker::Scraped { info_hash: HASH, seeds: 1, leechers: 1, downloads: 0 };
    let other = InfoHash([1; 20]);
    let unknown = tide_tracker::Scraped { info_hash: other, seeds: 0, leechers: 0, downloads: 0 };
    let scraped = lab.udp("10.0.0.1:5000", vec![Request::Scrape(vec![other, HASH])]);
    assert_eq!(scraped, [Ok(Answer::Scraped(vec![unknown, known]))]);
    assert_eq!(lab.tracker.log().scrapes, 1);
}

#[test]
fn a_connection_id_is_its_askers_and_grows_old() {
    let mut lab = calm();
    let reply = send(&mut lab, "10.0.0.1:5000", CONNECT).remove(0);
    assert_eq!((reply.len(), &reply[..8]), (16, &[0, 0, 0, 0, 0, 0, 0, 7][..]));
    let scrape = [&reply[8..], &[0, 0, 0, 2, 0, 0, 0, 8]].concat();
    let refused = |reply: &[Vec<u8>]| reply[0].starts_with(&[0, 0, 0, 3, 0, 0, 0, 8]);
    assert_eq!(send(&mut lab, "10.0.0.1:5000", &scrape), [vec![0, 0, 0, 2, 0, 0, 0, 8]]);
    assert!(refused(&send(&mut lab, "10.0.0.1:5001", &scrape)));
    lab.run(Instant::from_secs(119));
    assert!(!refused(&send(&mut lab, "10.0.0.1:5000", &scrape)));
    lab.run(Instant::from_secs(120));
    assert!(refused(&send(&mut lab, "10.0.0.1:5000", &scrape)));
    assert_eq!(lab.tracker.log().strange, 2);
}

#[test]
fn what_is_no_request_is_not_answered() {
    let mut lab = calm();
    let reply = send(&mut lab, "10.0.0.1:5000", CONNECT).remove(0);
    let header = |action: u8| [&reply[8..], &[0, 0, 0, action, 0, 0, 0, 8]].concat();
    let announce = [header(1), vec![0; 81]].concat();
    let event = [header(1), vec![0; 64 + 3], vec![9], vec![0; 14]].concat();
    let mut prng = Prng::new(3);
    let mut cases = vec![vec![], CONNECT[..15].to_vec(), header(3), header(4), header(255), announce, event];
    cases.extend((0..200).map(|len| {
        let mut bytes = vec![0; len];
        prng.fill(&mut bytes);
        bytes
    }));
    for case in &cases {
        assert_eq!(send(&mut lab, "10.0.0.1:5000", case), Vec::<Vec<u8>>::new(), "{case:?}");
    }
    assert_eq!(lab.tracker.log().senseless, cases.len() as u64);
}

#[test]
fn an_announce_that_is_sent_again_is_one() {
    let mut lab = calm();
    let id = send(&mut lab, "10.0.0.1:5000", CONNECT).remove(0)[8..].to_vec();
    let rest = [&[0; 24][..], &[0, 0, 0, 2], &[0; 8], &[0xff; 4], &[0x1a, 0xe1]].concat();
    let announce = [&id, &[0, 0, 0, 1, 0, 0, 0, 8][..], &HASH.0, &[1; 20], &rest].concat();
    assert_eq!(send(&mut lab, "10.0.0.1:5000", &announce)[0].len(), 20);
    assert_eq!(send(&mut lab, "10.0.0.1:5000", &announce)[0].len(), 20);
    let (line, seen) = lab.tracker.log().lines().next().expect("it was seen");
    assert_eq!((line.carrier, line.at, line.peer_id), (Carrier::Udp, at("10.9.0.1:80"), PeerId([1; 20])));
    assert_eq!((seen.announces, seen.started, seen.repeated), (1, 1, 1));
    assert_eq!(seen.peer, at("10.0.0.1:6881"));
}
