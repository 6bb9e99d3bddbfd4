//! The search for UPnP devices (SSDP: HTTP over multicast datagrams).

use crate::http::header;
use crate::limits::SSDP_MAX;
use crate::place::Place;
use crate::types::Fault;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where searches are sent.
pub const GROUP: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 255, 255, 250)), 1900);

/// What is searched for: both versions of the gateway, since devices of version 1 do not answer to 2. The last one is
/// answered by every device and is for gateways that forget to answer to their type.
pub const TARGETS: [&str; 3] = [
    "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
    "urn:schemas-upnp-org:device:InternetGatewayDevice:2",
    "upnp:rootdevice",
];

/// A search for devices that are a `target`; they answer within two seconds, at random.
pub fn search(target: &str) -> Vec<u8> {
    let search = format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {GROUP}\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\nST: {target}\r\n\r\n"
    );
    search.into_bytes()
}

/// What a search is for, if `bytes` are one.
pub fn parse_search(bytes: &[u8]) -> Option<String> {
    let text = core::str::from_utf8(bytes.get(..bytes.len().min(SSDP_MAX))?).ok()?;
    if !text.starts_with("M-SEARCH * HTTP/1") || !header(text, "man")?.contains("ssdp:discover") {
        return None;
    }
    header(text, "st").map(String::from)
}

/// Where the device that answers a search describes itself.
///
/// # Errors
/// The rule that the datagram breaks.
pub fn parse_answer(bytes: &[u8]) -> Result<Place, Fault> {
    if bytes.len() > SSDP_MAX {
        return Err(Fault("an answer that is too long"));
    }
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.lines().next().unwrap_or_default().split_ascii_whitespace();
    if !words.next().is_some_and(|word| word.starts_with("HTTP/1")) || words.next() != Some("200") {
        return Err(Fault("not an answer to a search"));
    }
    Place::parse(header(&text, "location").ok_or(Fault("an answer without LOCATION"))?)
}
