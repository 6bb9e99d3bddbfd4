//! Whatever comes over the wire: nothing panics, and where the bytes are split makes no difference.

mod common;

use common::{ask, at, secs, url};
use proptest::prelude::*;
use tide_base::Duration;
use tide_base::{Instant, Prng};
use tide_tracker::limits::{ScheduleLimits, ServerLimits, UdpLimits};
use tide_tracker::server::{Registry, UdpServer, http::serve};
use tide_tracker::udp::{Request, RequestId, UdpClient};
use tide_tracker::{Error, Event, Need, Policy, Reply, Schedule, TrackerUrl};

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_url_or_an_error(text in "(http|https|udp)?(://)?[ -~\u{80}-\u{ff}]{0,60}") {
        if let Ok(url) = TrackerUrl::parse(&text) {
            prop_assert!(url.target().bytes().all(|byte| byte.is_ascii_graphic()));
            if url.credentials().is_none() {
                prop_assert_eq!(TrackerUrl::parse(&url.to_string()), Ok(url.clone()));
            }
            let _ = (url.scrape(), url.fit_for_local());
        }
    }

    #[test]
    fn a_udp_client_survives_any_datagram(
        packets in prop::collection::vec((0u32..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..60)), 1..20),
    ) {
        let tracker = at("192.0.2.1:1");
        let mut client = UdpClient::new(tracker, UdpLimits::default(), Prng::new(1));
        let mut now = secs(0);
        for (id, (action, matching, body)) in (0..).zip(packets) {
            let ask = Box::new(ask(1, 1, Event::None));
            client.submit(now, RequestId(id), Request::Announce { ask, target: "".into() }).expect("room");
            let mut transaction = vec![0; 4];
            let mut out = Vec::new();
            while client.poll_send(now, &mut out) {
                transaction = out[12..16].to_vec();
                out.clear();
            }
            if !matching {
                transaction[0] ^= 1;
            }
            client.receive(now, tracker, &[&action.to_be_bytes()[..], &transaction, &body].concat());
            client.receive(now, tracker, &body);
            while client.poll_done().is_some() {}
            now += Duration::from_secs(7);
        }
        // Everything comes to an end.
        for second in 0..2000 {
            let mut out = Vec::new();
            while client.poll_send(now + Duration::from_secs(second), &mut out) {}
            while client.poll_done().is_some() {}
        }
        prop_assert!(client.is_idle());
    }

    #[test]
    fn our_tracker_survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), action in 0u32..5) {
        let mut registry = Registry::new(ServerLimits::default(), Prng::new(1));
        let server = UdpServer::new([1; 16]);
        let from = at("127.0.0.1:1");
        let mut out = Vec::new();
        server.answer(&mut registry, secs(1), from, &bytes, &mut out);
        // With a valid connection id too.
        out.clear();
        let connect = [&0x0417_2710_1980u64.to_be_bytes()[..], &[0; 8]].concat();
        prop_assert!(server.answer(&mut registry, secs(1), from, &connect, &mut out));
        let packet = [&out[8..16], &action.to_be_bytes(), &bytes].concat();
        out.clear();
        server.answer(&mut registry, secs(1), from, &packet, &mut out);
        serve(&mut registry, secs(1), from.ip(), &bytes, &mut out);
        let request = [b"GET /announce?info_hash=", &bytes[..], b" HTTP/1.1\r\n\r\n"].concat();
        serve(&mut registry, secs(1), from.ip(), &request, &mut out);
    }

    #[test]
    fn a_schedule_always_has_a_next_step_and_never_hurries(
        seed: u64,
        each_tier: bool,
        steps in prop::collection::vec((0u8..6, 0u64..5000, prop::option::of(any::<u64>())), 1..60),
    ) {
        let tiers = [vec![url("udp://a"), url("udp://b")], vec![url("http://c/announce")]];
        let policy = if each_tier { Policy::EachTier } else { Policy::FirstThatAnswers };
        let mut schedule = Schedule::new(ScheduleLimits::default(), policy, &tiers, Prng::new(seed));
        schedule.start(secs(0));
        let mut now = secs(0);
        for (step, wait, interval) in steps {
            let need = if step % 2 == 0 { Need::Peers } else { Need::Nothing };
            let mut open = Vec::new();
            while let Some(due) = schedule.due(now, need, [1; 2]) {
                open.push(due);
                prop_assert!(open.len() <= 6, "no more than one a tracker and family at once");
            }
            prop_assert!(schedule.deadline(need) > now);
            for due in open {
                if step < 3 {
                    let span = interval.map(Duration::from_nanos);
                    schedule.replied(now, due, &Reply { interval: span, min_interval: span, ..Reply::default() });
                } else {
                    schedule.failed(now, due, Error::TimedOut);
                }
            }
            if step == 5 {
                schedule.reannounce(now);
            }
            prop_assert!(schedule.deadline(need) < Instant::NEVER, "nothing is under way, so something is next");
            prop_assert_eq!(schedule.inspect().count(), 3);
            now += Duration::from_millis(wait);
        }
    }
}

#[cfg(feature = "http")]
mod over_http {
    use super::*;
    use tide_tracker::http::{Exchange, Progress, Terms};
    use tide_tracker::limits::HttpLimits;

    fn exchange() -> Exchange {
        let limits = HttpLimits { header: 400, body: 2000, ..HttpLimits::default() };
        let terms = Terms { agent: "tide".into(), keep_alive: true, limits };
        Exchange::announce(secs(0), &url("http://t.example/announce"), &ask(1, 1, Event::None), &terms)
            .expect("a request")
    }

    /// Feeds `bytes` in parts cut at `cuts`, then their end.
    fn feed(bytes: &[u8], cuts: &[usize]) -> Result<Progress, Error> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut exchange = exchange();
        for pair in cuts.windows(2) {
            match exchange.receive(secs(1), &bytes[pair[0]..pair[1]], false) {
                Ok(Progress::More) => {}
                other => return other,
            }
        }
        exchange.receive(secs(1), b"", true)
    }

    fn responses() -> impl Strategy<Value = Vec<u8>> {
        let heads = prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.0 200 OK\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /x\r\n",
            "HTTP/1.1 404 No\r\n",
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
        ]);
        let body = prop_oneof![
            Just(b"d8:intervali9e5:peers6:\x01\x02\x03\x04\x05\x06e".to_vec()),
            Just(b"d14:failure reason2:noe".to_vec()),
            prop::collection::vec(any::<u8>(), 0..100),
        ];
        (heads, body, 0u8..3, 1usize..30).prop_map(|(head, body, form, size)| {
            let mut out = head.as_bytes().to_vec();
            match form {
                0 => {
                    out.extend([format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat())
                }
                1 => {
                    out.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                    for part in body.chunks(size) {
                        out.extend([format!("{:X}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
                    }
                    out.extend(b"0\r\n\r\n");
                }
                _ => out.extend([b"\r\n", &body[..]].concat()),
            }
            out
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        #[test]
        fn splits_make_no_difference(bytes in responses(), cuts in prop::collection::vec(any::<usize>(), 0..12)) {
            prop_assert_eq!(feed(&bytes, &cuts), feed(&bytes, &[]));
            let everywhere: Vec<usize> = (0..bytes.len()).collect();
            prop_assert_eq!(feed(&bytes, &everywhere), feed(&bytes, &[]));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = feed(&bytes, &[]);
            for head in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
                let _ = feed(&[head.as_bytes(), &bytes].concat(), &[]);
            }
        }

        #[test]
        fn bent_responses_do_not_panic(bytes in responses(), at: usize, bit in 0u8..8) {
            let mut bytes = bytes;
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = feed(&bytes, &[3, 50]);
        }
    }
}
