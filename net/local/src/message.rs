//! The announce: HTTP's form in a multicast datagram (BEP 14).

use crate::limits::{COOKIE_MAX, HASHES_MAX, READ_MAX, SENT_MAX};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tide_base::InfoHash;
use tide_base::id::{hex, unhex};

/// Where announces go, a group for each family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Group {
    /// 239.192.152.143:6771, of the organisation.
    V4,
    /// `[ff15::efc0:988f]:6771`, of the site.
    V6,
}

impl Group {
    /// Both.
    pub const ALL: [Group; 2] = [Group::V4, Group::V6];

    /// The address and port of the group.
    pub const fn addr(self) -> SocketAddr {
        match self {
            Group::V4 => SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 192, 152, 143)), 6771),
            Group::V6 => {
                SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f)), 6771)
            }
        }
    }
}

/// Which rule a datagram breaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Longer than [`READ_MAX`].
    TooLong,
    /// Not an announce at all.
    Foreign,
    /// No port, or one that is not in 1 ..= 65535.
    Port,
    /// No info-hash that can be read.
    InfoHash,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::TooLong => "the announce is too long",
            Fault::Foreign => "the datagram does not begin with BT-SEARCH * HTTP/1",
            Fault::Port => "the announce's port is not a number from 1 to 65535",
            Fault::InfoHash => "the announce has no info-hash of 40 hexadecimal digits",
        })
    }
}

impl core::error::Error for Fault {}

/// A peer that says which torrents it has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Announce {
    /// The port that it listens on.
    pub port: u16,
    /// Its torrents, without doubles, at most [`HASHES_MAX`], never none.
    pub torrents: Vec<InfoHash>,
    /// By what it knows its own announces.
    pub cookie: Option<String>,
}

const HEAD: &str = "BT-SEARCH * HTTP/1.1\r\n";
/// `Infohash: ` and 40 digits and the line's end.
const HASH_LINE: usize = 52;

impl Announce {
    /// How many torrents fit one announce with a cookie of this many bytes.
    pub const fn room(cookie: usize) -> usize {
        // HEAD, the longer Host line, the longest Port line, the cookie's line, the end.
        (SENT_MAX - 22 - 32 - 13 - (10 + cookie) - 4) / HASH_LINE
    }

    /// The bytes of it. The caller keeps to [`Announce::room`].
    pub fn write(&self, group: Group) -> Vec<u8> {
        let mut text = format!("{HEAD}Host: {}\r\nPort: {}\r\n", group.addr(), self.port);
        for torrent in &self.torrents {
            text.push_str(&format!("Infohash: {}\r\n", hex(&torrent.0)));
        }
        if let Some(cookie) = &self.cookie {
            text.push_str(&format!("cookie: {cookie}\r\n"));
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }

    /// Reads an announce: names of headers in any case, unknown ones ignored, as are info-hashes that are none. The
    /// Host header is not looked at, since the group is known from the socket.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(bytes: &[u8]) -> Result<Announce, Fault> {
        if bytes.len() > READ_MAX {
            return Err(Fault::TooLong);
        }
        let text = core::str::from_utf8(bytes).map_err(|_| Fault::Foreign)?;
        let mut lines = text.lines();
        if !lines.next().is_some_and(|line| line.starts_with("BT-SEARCH * HTTP/1")) {
            return Err(Fault::Foreign);
        }
        let (mut port, mut torrents, mut cookie) = (None, Vec::new(), None);
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let (name, value) = (name.trim(), value.trim());
            if name.eq_ignore_ascii_case("port") {
                port = port.or(Some(value));
            } else if name.eq_ignore_ascii_case("infohash") {
                let hash = unhex(value).map(InfoHash).filter(|hash| !torrents.contains(hash));
                torrents.extend(hash.filter(|_| torrents.len() < HASHES_MAX));
            } else if name.eq_ignore_ascii_case("cookie") && value.len() <= COOKIE_MAX {
                cookie = cookie.or(Some(String::from(value)));
            }
        }
        let port = port.and_then(|port| port.parse().ok()).filter(|port| *port != 0).ok_or(Fault::Port)?;
        if torrents.is_empty() {
            return Err(Fault::InfoHash);
        }
        Ok(Announce { port, torrents, cookie })
    }
}
