//! What is asked for, by which way, and why it may not work.

use alloc::string::String;
use core::fmt;

/// What a port is of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Protocol {
    /// Streams.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Protocol {
    /// IANA's protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
        }
    }

    /// The word of UPnP.
    pub const fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
        }
    }

    pub(crate) fn of_number(number: u8) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp].into_iter().find(|known| known.number() == number)
    }

    pub(crate) fn of_word(word: &str) -> Option<Protocol> {
        [Protocol::Tcp, Protocol::Udp].into_iter().find(|known| known.word().eq_ignore_ascii_case(word))
    }
}

/// A port of ours that the world shall reach.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Want {
    /// What it is a port of.
    pub protocol: Protocol,
    /// The port that we listen on, 1 ..= 65535. The same one is asked for outside.
    pub port: u16,
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol.word(), self.port)
    }
}

/// How a gateway is asked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Way {
    /// Port Control Protocol (RFC 6887).
    Pcp,
    /// NAT Port Mapping Protocol (RFC 6886).
    NatPmp,
    /// UPnP Internet Gateway Device, version 1 or 2.
    Upnp,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Pcp => "PCP",
            Way::NatPmp => "NAT-PMP",
            Way::Upnp => "UPnP",
        })
    }
}

/// Why there is no mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The gateway answers in none of the three ways.
    NoGateway,
    /// It is spoken to in this way, and is silent.
    Silent(Way),
    /// It understood and said no: its number, and its words if it has any.
    Refused {
        /// In which way.
        way: Way,
        /// The protocol's own number.
        code: u16,
        /// The gateway's words, made fit to be shown; empty where it has none.
        text: String,
    },
    /// What it answers breaks the protocol; which rule.
    Malformed(&'static str),
    /// The stream to it could not be opened, or ended too early.
    Unreachable,
    /// All external ports tried were taken.
    Conflict,
    /// The mapping ran out before it could be renewed.
    Expired,
    /// The network is no longer there.
    NetworkGone,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoGateway => f.write_str("the gateway speaks neither PCP nor NAT-PMP nor UPnP"),
            Failure::Silent(way) => write!(f, "the gateway does not answer to {way}"),
            Failure::Refused { way, code, text } if text.is_empty() => {
                write!(f, "the gateway refused ({way} error {code})")
            }
            Failure::Refused { way, code, text } => {
                write!(f, "the gateway refused: {text} ({way} error {code})")
            }
            Failure::Malformed(rule) => write!(f, "the gateway's answer is malformed: {rule}"),
            Failure::Unreachable => f.write_str("the gateway's control point cannot be reached"),
            Failure::Conflict => f.write_str("every external port tried is taken"),
            Failure::Expired => f.write_str("the mapping ran out before it could be renewed"),
            Failure::NetworkGone => f.write_str("the network is gone"),
        }
    }
}

impl core::error::Error for Failure {}

/// Which rule bytes from the network break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault(pub &'static str);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Fault {}

/// `text` cut to [`TEXT_MAX`](crate::limits::TEXT_MAX) bytes, without what could move a terminal's cursor.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.trim().chars() {
        if out.len() + c.len_utf8() > crate::limits::TEXT_MAX {
            break;
        }
        let odd = c.is_control() || matches!(c, '\u{200e}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        out.push(if odd { ' ' } else { c });
    }
    out
}
