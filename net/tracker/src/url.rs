//! Tracker URLs: where to ask, taken apart once, so that nothing later meets an unchecked character.

use crate::error::UrlError;
use crate::limits::URL_MAX;
use crate::percent;
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tide_base::addr::Family;

/// How a tracker is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scheme {
    /// HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
    /// BEP 15 over UDP.
    Udp,
}

impl Scheme {
    /// The word before `://`.
    pub const fn word(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Udp => "udp",
        }
    }

    /// The port where a URL names none. BEP 15 has no default; 80 is what others assume.
    pub const fn default_port(self) -> u16 {
        match self {
            Scheme::Http | Scheme::Udp => 80,
            Scheme::Https => 443,
        }
    }
}

/// Who a tracker is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Host {
    /// A name to be resolved, lower case, ASCII (international names as punycode).
    Name(Box<str>),
    /// An address.
    Ip(IpAddr),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}"),
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
        }
    }
}

/// User name and password of a URL. Never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Credentials {
    user: Box<[u8]>,
    password: Box<[u8]>,
}

impl Credentials {
    /// The user name, its escapes resolved.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The password, its escapes resolved; empty if there is none.
    pub fn password(&self) -> &[u8] {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A tracker's URL. Two are equal if they ask the same of the same host; `Display` shows all but the credentials.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackerUrl {
    scheme: Scheme,
    host: Host,
    port: u16,
    target: Box<str>,
    credentials: Option<Credentials>,
}

impl TrackerUrl {
    /// Reads a URL of at most [`URL_MAX`] bytes, white space around it ignored, a fragment dropped.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(text: &str) -> Result<TrackerUrl, UrlError> {
        let text = text.trim_ascii();
        if text.len() > URL_MAX {
            return Err(UrlError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = [Scheme::Http, Scheme::Https, Scheme::Udp]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.word()))
            .ok_or(UrlError::Scheme)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, endpoint) = match authority.rsplit_once('@') {
            Some((userinfo, endpoint)) => (Some(userinfo), endpoint),
            None => (None, authority),
        };
        let credentials = userinfo.map(|text| parse_credentials(scheme, text)).transpose()?;
        let (host, port) = parse_endpoint(endpoint)?;
        let target = normal_target(scheme, target);
        if target.len() > URL_MAX * 3 {
            return Err(UrlError::TooLong);
        }
        Ok(TrackerUrl { scheme, host, port: port.unwrap_or(scheme.default_port()), target, credentials })
    }

    /// How it is spoken to.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Who it is.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Its port, 1 ..= 65535.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, in ASCII. Begins with `/`; with UDP it is empty where the URL has none.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// User name and password, if the URL has them; HTTP only.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// Whether it can be reached over `family`: a name always may be, an address only over its own.
    pub fn allows(&self, family: Family) -> bool {
        match self.host {
            Host::Name(_) => true,
            Host::Ip(ip) => Family::of(ip) == family,
        }
    }

    /// Where its swarms are scraped (BEP 48): the path's last part that begins with `announce` begins with `scrape`
    /// instead. UDP trackers are scraped where they are. `None` if the path has no such part.
    pub fn scrape(&self) -> Option<TrackerUrl> {
        if self.scheme == Scheme::Udp {
            return Some(self.clone());
        }
        let (path, query) = self.path_and_query();
        let at = path.rfind("/announce")?;
        let target = [&path[..at], "/scrape", &path[at + "/announce".len()..], query].concat();
        Some(TrackerUrl { target: target.into_boxed_str(), ..self.clone() })
    }

    /// Whether it looks like a tracker's and brings none of an announce's own parameters along.
    ///
    /// A torrent is a stranger's list of URLs. Before one whose host turns out to be this machine or network is asked,
    /// this must hold, lest a torrent make us talk to a router's or a printer's web interface.
    pub fn fit_for_local(&self) -> bool {
        const OWN: [&str; 9] =
            ["info_hash", "peer_id", "port", "uploaded", "downloaded", "left", "corrupt", "event", "key"];
        let (path, query) = self.path_and_query();
        let brings_own = query
            .trim_start_matches('?')
            .split(['&', ';'])
            .any(|part| OWN.contains(&part.split('=').next().unwrap_or_default()));
        match self.scheme {
            Scheme::Udp => !brings_own,
            Scheme::Http | Scheme::Https => path.starts_with("/announce") && !brings_own,
        }
    }

    /// Where `location`, an absolute or relative reference of a redirect, leads from here. Credentials go along only
    /// to the same scheme, host and port.
    ///
    /// # Errors
    /// The rule that the new URL breaks.
    #[cfg(feature = "http")]
    pub fn join(&self, location: &str) -> Result<TrackerUrl, UrlError> {
        let location = location.trim_ascii();
        let mut joined = if location.contains("://") && !location.starts_with(['/', '?', '.']) {
            TrackerUrl::parse(location)?
        } else if let Some(rest) = location.strip_prefix("//") {
            TrackerUrl::parse(&[self.scheme.word(), "://", rest].concat())?
        } else {
            let (path, _) = self.path_and_query();
            let folder = &path[..path.rfind('/').map_or(0, |at| at + 1)];
            let base = alloc::format!("{}://{}:{}", self.scheme.word(), self.host, self.port);
            let target = match location.as_bytes().first() {
                Some(b'/') => String::from(location),
                Some(b'?') => [path, location].concat(),
                _ => [folder, location].concat(),
            };
            TrackerUrl::parse(&[base, target].concat())?
        };
        if joined.credentials.is_none()
            && (joined.scheme, &joined.host, joined.port) == (self.scheme, &self.host, self.port)
        {
            joined.credentials.clone_from(&self.credentials);
        }
        Ok(joined)
    }

    /// Path, and query with its question mark.
    fn path_and_query(&self) -> (&str, &str) {
        self.target.split_at(self.target.find('?').unwrap_or(self.target.len()))
    }
}

impl fmt::Display for TrackerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.word())?;
        if self.credentials.is_some() {
            f.write_str("***@")?;
        }
        write!(f, "{}", self.host)?;
        if self.port != self.scheme.default_port() || self.scheme == Scheme::Udp {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.target)
    }
}

fn parse_credentials(scheme: Scheme, text: &str) -> Result<Credentials, UrlError> {
    if scheme == Scheme::Udp {
        return Err(UrlError::Credentials);
    }
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let part = |text: &str| percent::decode(text.as_bytes()).ok_or(UrlError::Credentials);
    let (user, password) = (part(user)?, part(password)?);
    // RFC 7617: the header cannot carry a colon in the name, nor control characters in either.
    if user.contains(&b':') || user.iter().chain(&password).any(u8::is_ascii_control) {
        return Err(UrlError::Credentials);
    }
    Ok(Credentials { user: user.into_boxed_slice(), password: password.into_boxed_slice() })
}

fn parse_endpoint(text: &str) -> Result<(Host, Option<u16>), UrlError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (ip, port) = rest.split_once(']').ok_or(UrlError::Host)?;
        let ip: Ipv6Addr = ip.parse().map_err(|_| UrlError::Host)?;
        (Host::Ip(IpAddr::V6(ip).to_canonical()), port)
    } else {
        let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        (parse_name(name)?, port)
    };
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        None => Err(UrlError::Host),
        // RFC 3986 allows a colon with nothing behind it.
        Some("") => Ok((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => match digits.parse() {
            Ok(0) | Err(_) => Err(UrlError::Port),
            Ok(port) => Ok((host, Some(port))),
        },
        Some(_) => Err(UrlError::Port),
    }
}

fn parse_name(text: &str) -> Result<Host, UrlError> {
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let label_is_sound = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    if name.len() > 253 || !name.split('.').all(label_is_sound) {
        return Err(UrlError::Host);
    }
    // `127.1`, `2130706433` and `0x7f.1` are addresses to some resolvers: a way around checks of the address.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X") {
        return Err(UrlError::Host);
    }
    Ok(Host::Name(name.to_ascii_lowercase().into_boxed_str()))
}

/// Path and query with a leading slash and every character that URIs do not allow escaped; escapes that are there stay
/// as they are, for trackers compare them byte by byte.
fn normal_target(scheme: Scheme, text: &str) -> Box<str> {
    let mut target = String::with_capacity(text.len() + 1);
    let bare = scheme == Scheme::Udp && text.is_empty();
    if !bare && !text.starts_with('/') {
        target.push('/');
    }
    for byte in text.bytes() {
        if byte.is_ascii_graphic()
            && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
        {
            target.push(char::from(byte));
        } else {
            percent::escape(byte, &mut target);
        }
    }
    target.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn url(text: &str) -> TrackerUrl {
        TrackerUrl::parse(text).expect(text)
    }

    #[test]
    fn parts_are_found_and_defaults_filled_in() {
        let cases = [
            ("http://a.example/announce", "a.example", 80, "/announce"),
            ("https://A.Example./announce?k=1#frag", "a.example", 443, "/announce?k=1"),
            ("udp://t.example:6969", "t.example", 6969, ""),
            ("UDP://1.2.3.4:6969/announce?a=b", "1.2.3.4", 6969, "/announce?a=b"),
            ("http://[2001:db9::1]:8080", "[2001:db9::1]", 8080, "/"),
            ("http://[::ffff:127.0.0.1]/x", "127.0.0.1", 80, "/x"),
            (" http://a_b.example:/?x\n", "a_b.example", 80, "/?x"),
            ("http://a?x=ü|y%20", "a", 80, "/?x=%C3%BC%7Cy%20"),
        ];
        for (text, host, port, target) in cases {
            let url = url(text);
            assert_eq!(
                (url.host().to_string().as_str(), url.port(), url.target()),
                (host, port, target),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_tracker_url_is_refused_by_its_rule() {
        let long = alloc::format!("http://a/{}", "x".repeat(URL_MAX));
        let cases = [
            (long.as_str(), UrlError::TooLong),
            ("", UrlError::Scheme),
            ("ftp://a/", UrlError::Scheme),
            ("wss://a/", UrlError::Scheme),
            ("http:/a", UrlError::Scheme),
            ("http://a/\r\nHost: b", UrlError::Character),
            ("http://a/ b", UrlError::Character),
            ("http:///announce", UrlError::Host),
            ("http://a..b/", UrlError::Host),
            ("http://münchen.example/", UrlError::Host),
            ("http://127.1/", UrlError::Host),
            ("http://2130706433/", UrlError::Host),
            ("http://0x7f.0x1/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[::1]x/", UrlError::Host),
            ("http://[fe80::1%25eth0]/", UrlError::Host),
            ("http://a:0/", UrlError::Port),
            ("http://a:65536/", UrlError::Port),
            ("http://a:+1/", UrlError::Port),
            ("http://a:b/", UrlError::Port),
            ("udp://u:p@a:1/", UrlError::Credentials),
            ("http://u%3ax:p@a/", UrlError::Credentials),
            ("http://u:%0d%0a@a/", UrlError::Credentials),
        ];
        for (text, error) in cases {
            assert_eq!(TrackerUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn credentials_are_kept_and_never_shown() {
        let url = url("http://us%40er:pa:ss@a.example:81/announce");
        let credentials = url.credentials().expect("given");
        assert_eq!((credentials.user(), credentials.password()), (&b"us@er"[..], &b"pa:ss"[..]));
        assert_eq!(url.to_string(), "http://***@a.example:81/announce");
        assert!(!alloc::format!("{url:?}").contains("pa:ss"));
    }

    #[test]
    fn a_url_shown_is_read_back_the_same() {
        for text in ["http://a/announce", "udp://[::1]:80/x?y", "https://1.2.3.4:1/%aa?b=c&d", "udp://a:1"] {
            assert_eq!(url(text).to_string(), text);
            assert_eq!(url(&url(text).to_string()), url(text));
        }
    }

    #[test]
    fn scraping_follows_the_convention() {
        let cases = [
            ("http://a/announce", Some("http://a/scrape")),
            ("http://a/x/announce", Some("http://a/x/scrape")),
            ("http://a/announce.php?k=announce", Some("http://a/scrape.php?k=announce")),
            ("http://a/announce/key", Some("http://a/scrape/key")),
            ("http://a/a", None),
            ("http://a/x?y=/announce", None),
            ("http://a/xannounce", None),
            ("udp://a:1", Some("udp://a:1")),
        ];
        for (from, to) in cases {
            assert_eq!(url(from).scrape().map(|url| url.to_string()).as_deref(), to, "{from}");
        }
    }

    #[test]
    fn only_what_looks_like_a_tracker_may_be_asked_at_home() {
        for text in ["http://a/announce", "http://a/announce.php?passkey=1", "udp://a:1", "udp://a:1/x"] {
            assert!(url(text).fit_for_local(), "{text}");
        }
        for text in
            ["http://a/", "http://a/admin/announce", "http://a/announce?x=1&port=2", "udp://a:1/?event=x"]
        {
            assert!(!url(text).fit_for_local(), "{text}");
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn redirects_lead_where_references_say() {
        let base = url("http://u:p@a.example:81/x/announce?k");
        let cases = [
            ("https://b/c", "https://b/c"),
            ("//b/c", "http://b/c"),
            ("/c?d=http://e", "http://***@a.example:81/c?d=http://e"),
            ("c", "http://***@a.example:81/x/c"),
            ("?d", "http://***@a.example:81/x/announce?d"),
            ("http://a.example/c", "http://a.example/c"),
        ];
        for (location, to) in cases {
            assert_eq!(base.join(location).map(|url| url.to_string()).as_deref(), Ok(to), "{location}");
        }
        assert_eq!(base.join("gopher://x/"), Err(UrlError::Scheme));
    }

    #[test]
    fn an_address_is_of_one_family_and_a_name_of_both() {
        assert!(url("udp://1.2.3.4:1").allows(Family::V4) && !url("udp://1.2.3.4:1").allows(Family::V6));
        assert!(url("udp://[::1]:1").allows(Family::V6) && !url("udp://[::1]:1").allows(Family::V4));
        assert!(url("udp://a:1").allows(Family::V6) && url("udp://a:1").allows(Family::V4));
    }
}
