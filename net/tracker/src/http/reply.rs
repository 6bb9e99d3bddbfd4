//! The bencoded bodies of HTTP trackers (BEP 3, 7, 23, 24, 31, 48).

use crate::error::{Error, Refusal, Retry};
use crate::limits::{PEERS_MAX, TRACKER_ID_MAX};
use crate::request::{Answer, Reply, Scraped};
use crate::text;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tide_base::{Duration, InfoHash, addr};
use tide_bencode::{Document, Limits, Value, decode_prefix};

/// The document in `body`. What stands behind it (a line feed, some server's advertisement) is let pass.
fn read(body: &[u8]) -> Result<Document<'_>, Error> {
    match decode_prefix(body, Limits::MESSAGE) {
        Ok((document, _)) if document.root().as_dict().is_some() => Ok(document),
        _ => Err(Error::Malformed("the reply is not a bencoded dictionary")),
    }
}

/// The refusal in `body`, whatever else is wrong with it.
pub(super) fn refusal(body: &[u8]) -> Option<Refusal> {
    refused(read(body).ok()?.root())
}

fn refused(root: Value<'_, '_>) -> Option<Refusal> {
    let reason = text::sanitise(root.get(b"failure reason")?.as_bytes()?);
    let retry = root.get(b"retry in").and_then(|retry| match retry.as_u64() {
        Some(minutes) => Some(Retry::After(Duration::from_secs(minutes.saturating_mul(60)))),
        None => (retry.as_bytes() == Some(b"never")).then_some(Retry::Never),
    });
    Some(Refusal { reason, retry })
}

/// The answer to an announce.
pub(super) fn announced(body: &[u8]) -> Result<Answer, Error> {
    let document = read(body)?;
    let root = document.root();
    if let Some(refusal) = refused(root) {
        return Err(Error::Refused(refusal));
    }
    let (peers, peers6) = (root.get(b"peers"), root.get(b"peers6"));
    if root.get(b"interval").is_none() && peers.is_none() && peers6.is_none() {
        return Err(Error::Malformed("the reply has neither an interval nor peers"));
    }
    let seconds = |key: &[u8]| root.get(key).and_then(Value::as_u64).map(Duration::from_secs);
    Ok(Answer::Announced(Reply {
        interval: seconds(b"interval"),
        min_interval: seconds(b"min interval"),
        seeds: count(root, b"complete"),
        leechers: count(root, b"incomplete"),
        downloads: count(root, b"downloaded"),
        peers: read_peers(peers, peers6),
        external_ip: root.get(b"external ip").and_then(Value::as_bytes).and_then(packed_ip),
        warning: root
            .get(b"warning message")
            .and_then(Value::as_bytes)
            .map(text::sanitise)
            .filter(|text| !text.is_empty()),
        tracker_id: root
            .get(b"tracker id")
            .and_then(Value::as_bytes)
            .filter(|id| !id.is_empty() && id.len() <= TRACKER_ID_MAX)
            .map(Box::from),
    }))
}

/// The answer to a scrape for `hashes`.
pub(super) fn scraped(body: &[u8], hashes: &[InfoHash]) -> Result<Answer, Error> {
    let document = read(body)?;
    let root = document.root();
    if let Some(refusal) = refused(root) {
        return Err(Error::Refused(refusal));
    }
    let files = root.get(b"files").filter(|files| files.as_dict().is_some());
    let files = files.ok_or(Error::Malformed("the scrape reply has no files"))?;
    let known = hashes.iter().filter_map(|&info_hash| {
        let file = files.get(&info_hash.0)?;
        Some(Scraped {
            info_hash,
            seeds: count(file, b"complete").unwrap_or(0),
            leechers: count(file, b"incomplete").unwrap_or(0),
            downloads: count(file, b"downloaded").unwrap_or(0),
        })
    });
    Ok(Answer::Scraped(known.collect()))
}

fn count(dict: Value<'_, '_>, key: &[u8]) -> Option<u32> {
    dict.get(key)?.as_u64().map(|count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn packed_ip(bytes: &[u8]) -> Option<IpAddr> {
    let ip = match bytes.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    (!ip.is_unspecified()).then(|| ip.to_canonical())
}

/// The peers of both keys, in either form. A list entry without an IP address (BEP 3 allows a name, nobody writes one)
/// or without a port is left out.
fn read_peers(peers: Option<Value<'_, '_>>, peers6: Option<Value<'_, '_>>) -> Vec<SocketAddr> {
    let compact_v4 = peers.and_then(Value::as_bytes).unwrap_or_default();
    let compact_v6 = peers6.and_then(Value::as_bytes).unwrap_or_default();
    let listed = [peers, peers6].into_iter().flatten().filter_map(Value::as_list).flatten();
    let listed = listed.filter_map(|peer| {
        let ip: IpAddr = peer.get(b"ip")?.as_str()?.parse().ok()?;
        let port = u16::try_from(peer.get(b"port")?.as_u64()?).ok()?;
        Some(addr::canonical(SocketAddr::new(ip, port)))
    });
    // IPv6 first: there are fewer of them, and they must not fall to the bound.
    addr::compact_v6(compact_v6)
        .chain(addr::compact_v4(compact_v4))
        .chain(listed)
        .filter(|&peer| !addr::is_bogus(peer))
        .take(PEERS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec;

    fn reply(body: &[u8]) -> Reply {
        match announced(body) {
            Ok(Answer::Announced(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    fn shown(peers: &[SocketAddr]) -> Vec<String> {
        peers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_that_a_reply_can_hold_is_read() {
        let reply = reply(
            b"d8:completei3e10:downloadedi9e11:external ip4:\x05\x06\x07\x0810:incompletei4e8:intervali1800e\
              12:min intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe16:peers618:\x20\x01\x0d\xb9\0\0\0\0\0\0\0\0\0\0\0\x01\
              \x1a\xe110:tracker id3:abc15:warning message4:slowe\n",
        );
        assert_eq!(reply.interval, Some(Duration::from_secs(1800)));
        assert_eq!(reply.min_interval, Some(Duration::from_secs(900)));
        assert_eq!((reply.seeds, reply.leechers, reply.downloads), (Some(3), Some(4), Some(9)));
        assert_eq!(shown(&reply.peers), ["[2001:db9::1]:6881", "1.2.3.4:6881"]);
        assert_eq!(reply.external_ip, Some(IpAddr::from([5, 6, 7, 8])));
        assert_eq!(reply.warning.as_deref(), Some("slow"));
        assert_eq!(reply.tracker_id.as_deref(), Some(&b"abc"[..]));
    }

    #[test]
    fn the_long_form_is_read_and_what_is_no_peer_left_out() {
        let reply = reply(
            b"d8:intervali0e5:peersld2:ip7:1.2.3.47:peer id20:aaaaaaaaaaaaaaaaaaaa4:porti1eed2:ip3:::14:porti2ee\
              d2:ip4:name4:porti3eed2:ip7:1.2.3.44:porti0eed2:ip7:1.2.3.44:porti65536eed4:porti4eei7eee",
        );
        assert_eq!(shown(&reply.peers), ["1.2.3.4:1", "[::1]:2"]);
    }

    #[test]
    fn a_refusal_is_read_with_its_retry() {
        let cases: [(&[u8], Option<Retry>); 4] = [
            (b"d14:failure reason2:noe", None),
            (b"d14:failure reason2:no8:retry ini5ee", Some(Retry::After(Duration::from_secs(300)))),
            (b"d14:failure reason2:no8:retry in5:nevere", Some(Retry::Never)),
            (b"d14:failure reason2:no8:retry ini-1ee", None),
        ];
        for (body, retry) in cases {
            let refusal = Refusal { reason: "no".into(), retry };
            assert_eq!(announced(body), Err(Error::Refused(refusal.clone())));
            assert_eq!(scraped(body, &[]), Err(Error::Refused(refusal)));
        }
    }

    #[test]
    fn what_is_no_reply_is_refused_by_its_rule() {
        for body in [&b""[..], b"le", b"<html>", b"d8:interval", b"i1e", b"de", b"d3:foo3:bare"] {
            assert!(matches!(announced(body), Err(Error::Malformed(_))), "{}", body.escape_ascii());
        }
        assert!(matches!(scraped(b"de", &[]), Err(Error::Malformed(_))));
    }

    #[test]
    fn odd_values_are_as_if_they_were_not_there() {
        let reply = reply(
            b"d8:completei-1e10:incompletei99999999999e8:interval3:foo5:peers7:\x01\x02\x03\x04\0\x05xe",
        );
        assert_eq!((reply.interval, reply.seeds, reply.leechers), (None, None, Some(u32::MAX)));
        assert_eq!(shown(&reply.peers), ["1.2.3.4:5"]);
    }

    #[test]
    fn the_number_of_peers_is_bounded() {
        let mut body = b"d5:peers12000:".to_vec();
        body.extend([1, 2, 3, 4, 5, 6].repeat(2000));
        body.push(b'e');
        assert_eq!(reply(&body).peers.len(), PEERS_MAX);
    }

    #[test]
    fn a_scrape_tells_of_those_asked_for_only() {
        let body = b"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1e10:downloadedi2e10:incompletei3ee\
                     20:bbbbbbbbbbbbbbbbbbbbd8:completei4eeee";
        let (a, b, c) = (InfoHash([b'a'; 20]), InfoHash([b'b'; 20]), InfoHash([b'c'; 20]));
        let expected = vec![
            Scraped { info_hash: b, seeds: 4, leechers: 0, downloads: 0 },
            Scraped { info_hash: a, seeds: 1, leechers: 3, downloads: 2 },
        ];
        assert_eq!(scraped(body, &[b, c, a]), Ok(Answer::Scraped(expected)));
    }
}
