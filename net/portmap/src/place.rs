//! Where a gateway's description and controls are: HTTP URLs whose host is an address.
//!
//! Names are refused. They would have to be resolved, and what they resolve to is not what sent the datagram.

use crate::limits::PATH_MAX;
use crate::types::Fault;
use alloc::format;
use alloc::string::String;
use core::net::{IpAddr, SocketAddr};

/// An HTTP URL with an address for a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where to connect.
    pub addr: SocketAddr,
    /// What to ask for: begins with `/`, printable ASCII without spaces, at most [`PATH_MAX`] bytes.
    pub path: String,
}

impl Place {
    /// Reads `http://ADDRESS[:PORT][/PATH]`.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<Place, Fault> {
        let text = text.trim();
        let scheme = text.get(..7).ok_or(Fault("a URL without a scheme"))?;
        if !scheme.eq_ignore_ascii_case("http://") {
            return Err(Fault("a URL that is not http"));
        }
        let rest = &text[7..];
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let addr = host.parse().or_else(|_| {
            let host = host.trim_end_matches(':');
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            bare.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 80))
        });
        let addr: SocketAddr = addr.map_err(|_| Fault("a URL whose host is no address"))?;
        if addr.port() == 0 {
            return Err(Fault("a URL with port 0"));
        }
        Ok(Place { addr, path: clean(path)? })
    }

    /// Reads a URL that may be relative to this one; it may not lead to another host.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn join(&self, text: &str) -> Result<Place, Fault> {
        let text = text.trim();
        if text.contains("://") {
            let place = Place::parse(text)?;
            if place.addr.ip() != self.addr.ip() {
                return Err(Fault("a URL that leads to another host"));
            }
            return Ok(place);
        }
        let path = match text.starts_with('/') {
            true => clean(text)?,
            false => {
                let base = self.path.split('?').next().unwrap_or_default();
                let folder = base.rfind('/').map_or("", |end| &base[..end]);
                clean(&format!("{folder}/{text}"))?
            }
        };
        Ok(Place { addr: self.addr, path })
    }
}

/// A path as it may stand in a request line.
fn clean(path: &str) -> Result<String, Fault> {
    if path.len() >= PATH_MAX {
        return Err(Fault("a URL that is too long"));
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault("a URL with a character that must be escaped"));
    }
    let path = path.split('#').next().unwrap_or_default();
    Ok(if path.starts_with('/') { String::from(path) } else { format!("/{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_addresses_and_paths() {
        let place = |text: &str| Place::parse(text).map(|place| format!("{} {}", place.addr, place.path));
        assert_eq!(
            place("http://192.168.1.1:5000/rootDesc.xml").as_deref(),
            Ok("192.168.1.1:5000 /rootDesc.xml")
        );
        assert_eq!(place(" HTTP://10.0.0.1 ").as_deref(), Ok("10.0.0.1:80 /"));
        assert_eq!(place("http://10.0.0.1:/a?b#c").as_deref(), Ok("10.0.0.1:80 /a?b"));
        assert_eq!(place("http://[fe80::1]:80?x").as_deref(), Ok("[fe80::1]:80 /?x"));
        for text in
            ["", "http:/", "https://10.0.0.1/", "http://router/", "http://u@10.0.0.1/", "http://10.0.0.1:0/"]
        {
            assert!(place(text).is_err(), "{text}");
        }
        assert!(place("http://10.0.0.1/a b").is_err() && place("http://10.0.0.1/\r\nHost: x").is_err());
        assert!(place(&format!("http://10.0.0.1/{}", "a".repeat(PATH_MAX))).is_err());
    }

    #[test]
    fn relative_places_stay_on_the_host() {
        let base = Place::parse("http://10.0.0.1:5000/igd/desc.xml?x=/y").expect("a place");
        let join = |text: &str| base.join(text).map(|place| format!("{} {}", place.addr, place.path));
        assert_eq!(join("/ctl").as_deref(), Ok("10.0.0.1:5000 /ctl"));
        assert_eq!(join("ctl/IPConn").as_deref(), Ok("10.0.0.1:5000 /igd/ctl/IPConn"));
        assert_eq!(join("http://10.0.0.1:49152/c").as_deref(), Ok("10.0.0.1:49152 /c"));
        assert!(join("http://8.8.8.8/c").is_err());
    }
}
