//! As much HTTP as it takes to talk to a client on this machine.

use std::io::{Error, ErrorKind, Read as _, Result, Write as _};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

/// A daemon on loopback that does not answer within this time hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header, by its name in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// GETs `path`.
pub(crate) fn get(server: SocketAddrV4, path: &str) -> Result<Answer> {
    exchange(server, &format!("GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n"), &[])
}

/// POSTs `body` to `path`; `headers` are whole lines with their line ends.
pub(crate) fn post(server: SocketAddrV4, path: &str, headers: &str, body: &[u8]) -> Result<Answer> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    exchange(server, &head, body)
}

/// One request on one connection. HTTP/1.0 spares us chunks and connections that stay open.
fn exchange(server: SocketAddrV4, head: &str, body: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| Error::new(ErrorKind::InvalidData, "not an HTTP answer"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer { status, head, body: bytes[end + 4..].to_vec() })
}
