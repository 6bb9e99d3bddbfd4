//! What flags take: each kind with its name, an example for whoever got it wrong, and a reader.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use tide::metainfo;
use tide_tracker::{Scheme, TrackerUrl};

use crate::args::table::Takes;
use crate::glob::Glob;
use crate::units;

/// A value that a flag was given.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// Nothing but the flag.
    Yes,
    /// Words.
    Text(String),
    /// A path.
    Path(PathBuf),
    /// A whole number.
    Number(u64),
    /// A fraction.
    Fraction(f64),
    /// Bytes a second; none is no limit.
    Rate(Option<u64>),
    /// A span of time.
    Span(Duration),
    /// An address.
    Addr(SocketAddr),
    /// Numbers of files, from one.
    Numbers(Numbers),
    /// A pattern.
    Glob(Glob),
}

/// Numbers from one, in ranges: `1-3,7`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Numbers(pub(crate) Vec<RangeInclusive<usize>>);

impl Numbers {
    fn parse(text: &str) -> Option<Numbers> {
        let range = |part: &str| {
            let (low, high) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().ok().filter(|&number| number > 0);
            let (low, high) = (number(low)?, number(high)?);
            (low <= high).then_some(low..=high)
        };
        text.split(',').map(range).collect::<Option<_>>().map(Numbers)
    }

    /// Whether `number` is one of them.
    pub(crate) fn contains(&self, number: usize) -> bool {
        self.0.iter().any(|range| range.contains(&number))
    }

    /// The highest.
    pub(crate) fn highest(&self) -> usize {
        self.0.iter().map(|range| *range.end()).max().unwrap_or(0)
    }
}

const fn takes(name: &'static str, like: &'static str, read: fn(&str) -> Option<Value>) -> Takes {
    Takes { name, like, read: Some(read), path: false, words: &[] }
}

fn number_within(text: &str, range: RangeInclusive<u64>) -> Option<Value> {
    text.parse().ok().filter(|number| range.contains(number)).map(Value::Number)
}

impl Takes {
    /// Nothing.
    pub(crate) const NOTHING: Takes = Takes { name: "", like: "", read: None, path: false, words: &[] };
    /// A folder.
    pub(crate) const DIR: Takes =
        Takes { path: true, ..takes("DIR", "a folder", |text| Some(Value::Path(text.into()))) };
    /// A file.
    pub(crate) const FILE: Takes =
        Takes { path: true, ..takes("FILE", "a file", |text| Some(Value::Path(text.into()))) };
    /// Bytes a second.
    pub(crate) const RATE: Takes =
        takes("RATE", "bytes a second, as 500k, 2M or 1.5MiB (0: no limit)", |text| {
            units::parse_rate(text).map(Value::Rate)
        });
    /// Bytes in a piece, zero for automatic.
    pub(crate) const PIECE: Takes =
        takes("SIZE|auto", "auto, or a power of two from 16KiB to 512MiB", |text| match text {
            "auto" => Some(Value::Number(0)),
            text => {
                let most = u64::from(metainfo::Limits::default().piece_len);
                let legal = |size: &u64| size.is_power_of_two() && (16 << 10..=most).contains(size);
                units::parse_size(text).filter(legal).map(Value::Number)
            }
        });
    /// A span of time.
    pub(crate) const DUR: Takes =
        takes("DUR", "a time, as 90s, 10m or 2h", |text| units::parse_span(text).map(Value::Span));
    /// A ratio.
    pub(crate) const RATIO: Takes = takes("F", "a number from 0, as 1.5", |text| {
        text.parse().ok().filter(|ratio: &f64| ratio.is_finite() && *ratio >= 0.0).map(Value::Fraction)
    });
    /// How many threads.
    pub(crate) const THREADS: Takes =
        takes("N", "a number from 1 to 1024", |text| number_within(text, 1..=1024));
    /// How many peers: one that comes, and one that is dialled.
    pub(crate) const PEERS: Takes =
        takes("N", "a number from 2", |text| number_within(text, 2..=u64::from(u32::MAX)));
    /// Memory for blocks.
    pub(crate) const MEMORY: Takes = takes("SIZE", "bytes, as 2M or 1.5GiB, and 512KiB at least", |text| {
        let least = 2 * u64::from(tide::Limits::default().chunk_len);
        units::parse_size(text).filter(|&size| size >= least).map(Value::Number)
    });
    /// A port.
    pub(crate) const PORT: Takes =
        takes("N", "a port from 0 (any) to 65535", |text| number_within(text, 0..=u64::from(u16::MAX)));
    /// An address to listen on.
    pub(crate) const ADDR: Takes =
        takes("ADDR:PORT", "an address and a port, as 127.0.0.1:6969 or [::]:0", |text| {
            text.parse().ok().map(Value::Addr)
        });
    /// A peer.
    pub(crate) const HOST: Takes = takes("HOST:PORT", "a host and a port, as 192.0.2.1:51413", |text| {
        metainfo::HostPort::parse(text).map(|_| Value::Text(text.to_owned()))
    });
    /// A tracker.
    pub(crate) const TRACKER: Takes = takes("URL", "a tracker's URL: http, https or udp", |text| {
        TrackerUrl::parse(text).ok().map(|_| Value::Text(text.trim().to_owned()))
    });
    /// A tier of trackers.
    pub(crate) const TIER: Takes =
        takes("URL", "trackers' URLs (http, https or udp) with commas between them", |text| {
            let legal = text.split(',').all(|url| TrackerUrl::parse(url).is_ok());
            legal.then(|| Value::Text(text.to_owned()))
        });
    /// A web seed.
    pub(crate) const WEB: Takes = takes("URL", "an http or https URL", |text| {
        let legal = TrackerUrl::parse(text).is_ok_and(|url| url.scheme() != Scheme::Udp);
        legal.then(|| Value::Text(text.to_owned()))
    });
    /// Files.
    pub(crate) const FILES: Takes =
        takes("1-3,7", "numbers of files from 1, as 1-3,7", |text| Numbers::parse(text).map(Value::Numbers));
    /// A pattern.
    pub(crate) const GLOB: Takes =
        takes("GLOB", "a pattern, as *.iso or extras/**", |text| Glob::parse(text).map(Value::Glob));
    /// A torrent's name.
    pub(crate) const NAME: Takes = takes("NAME", "a name without slashes, and not . or ..", |text| {
        metainfo::is_name(text.as_bytes()).then(|| Value::Text(text.to_owned()))
    });
    /// Any words.
    pub(crate) const TEXT: Takes = takes("TEXT", "text", |text| Some(Value::Text(text.to_owned())));
    /// A command for the shell.
    pub(crate) const SHELL: Takes = takes("CMD", "a command", |text| Some(Value::Text(text.to_owned())));
    /// One of these.
    pub(crate) const COLOR: Takes =
        Takes::one_of("WHEN", "auto, always or never", &["auto", "always", "never"]);
    /// One of these.
    pub(crate) const STORAGE: Takes =
        Takes::one_of("KIND", "mapped, file or memory", &["mapped", "file", "memory"]);

    const fn one_of(name: &'static str, like: &'static str, words: &'static [&'static str]) -> Takes {
        Takes { words, ..takes(name, like, |text| Some(Value::Text(text.to_owned()))) }
    }

    /// Reads what was given.
    pub(crate) fn read(&self, given: &std::ffi::OsStr) -> Option<Value> {
        if self.path {
            return (!given.is_empty()).then(|| Value::Path(given.into()));
        }
        let text = given.to_str()?;
        if !self.words.is_empty() && !self.words.contains(&text) {
            return None;
        }
        self.read?(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_files_are_ranges_from_one() {
        let numbers = Numbers::parse("1-3,7").expect("numbers");
        assert_eq!((1..=8).filter(|&n| numbers.contains(n)).collect::<Vec<_>>(), [1, 2, 3, 7]);
        assert_eq!(numbers.highest(), 7);
        for broken in ["", "0", "3-1", "1,,2", "a", "1-", "-1", "1-2-3"] {
            assert_eq!(Numbers::parse(broken), None, "{broken}");
        }
    }
}
