//! Answers that are in order, to be spoilt.

/// The answer of a gateway that does what it is asked.
pub(super) fn datagram(request: &[u8], seconds: u32) -> Vec<u8> {
    match request {
        // PCP: the request with its bit, no error, the same lifetime, the gateway's clock, and an outer address.
        [2, ..] if request.len() >= 24 => {
            let mut reply = request.to_vec();
            reply[1] |= 0x80;
            reply[2..4].fill(0);
            reply[8..12].copy_from_slice(&seconds.to_be_bytes());
            reply[12..24].fill(0);
            if let Some(address) = reply.get_mut(44..60) {
                address.copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 81, 2, 3, 4]);
            }
            reply
        }
        // NAT-PMP: a mapping, as asked for; or the outer address.
        [0, op, _, _, ports @ ..] if request.len() >= 12 => {
            [&[0, op | 0x80, 0, 0][..], &seconds.to_be_bytes(), &ports[..8]].concat()
        }
        _ => [&[0, 0x80, 0, 0][..], &seconds.to_be_bytes(), &[81, 2, 3, 4]].concat(),
    }
}

/// An answer with this body.
pub(super) fn http(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What we write is one request: a head of our own lines, and a body as long as it says.
pub(super) fn check_request(bytes: &[u8]) {
    let end = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("a request has a head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let known =
        ["GET ", "POST ", "Host: ", "Connection: ", "Content-Length: ", "Content-Type: ", "SOAPAction: "];
    for line in head.lines() {
        assert!(known.iter().any(|name| line.starts_with(name)), "somebody else's line: {line}");
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    assert_eq!(bytes.len(), end + 4 + length);
}
