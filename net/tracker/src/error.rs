//! What can go wrong between a torrent and a tracker, by the rule that was broken.

use alloc::string::String;
use core::fmt;
use tide_base::Duration;

/// Why a text is no tracker URL that we would use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UrlError {
    /// Longer than [`URL_MAX`](crate::limits::URL_MAX).
    TooLong,
    /// A control character or white space inside.
    Character,
    /// No scheme, or another one than `http`, `https` and `udp`.
    Scheme,
    /// No host, or one that is neither a name, an IPv4 nor a bracketed IPv6 address.
    Host,
    /// The port is not a number in 1 ..= 65535.
    Port,
    /// User name and password where the scheme has no place for them, or with a broken escape.
    Credentials,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::TooLong => "the URL is too long",
            UrlError::Character => "the URL has a control character or a space in it",
            UrlError::Scheme => "the URL does not begin with http://, https:// or udp://",
            UrlError::Host => "the URL has no valid host",
            UrlError::Port => "the URL's port is not a number from 1 to 65535",
            UrlError::Credentials => "the URL's user name or password is malformed",
        })
    }
}

impl core::error::Error for UrlError {}

/// When a tracker that refused wants to be asked again (BEP 31, `retry in`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Retry {
    /// Not before this long has passed.
    After(Duration),
    /// Not at all.
    Never,
}

/// A tracker understood and said no (`failure reason`, or BEP 15's error packet).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Its words, made fit to be shown, at most [`TEXT_MAX`](crate::limits::TEXT_MAX) bytes.
    pub reason: String,
    /// When it wants to be asked again, if it says so.
    pub retry: Option<Retry>,
}

/// Why a request to a tracker brought no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The tracker said no.
    Refused(Refusal),
    /// An HTTP status other than 200, without a reason in the body.
    Status(u16),
    /// The bytes break HTTP; which rule.
    Http(String),
    /// The reply is not what the BEPs ask for; which rule.
    Malformed(&'static str),
    /// The reply is larger than a limit of ours; of what.
    TooLarge(&'static str),
    /// The stream ended before the reply was complete.
    Closed,
    /// No complete reply in time.
    TimedOut,
    /// More redirects than [`HttpLimits::redirects`](crate::limits::HttpLimits::redirects), or in a circle.
    TooManyRedirects,
    /// A redirect to something that we do not follow; why.
    BadRedirect(&'static str),
    /// The host has no address of the family asked for.
    NoAddress,
    /// It cannot be scraped: the URL does not follow BEP 48's convention.
    NoScrape,
    /// Too many requests are waiting already.
    Busy,
    /// The world's: the name does not resolve, the connection is refused, TLS fails. The engine's words.
    Unreachable(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(refusal) if refusal.reason.is_empty() => {
                f.write_str("the tracker refused without a reason")
            }
            Error::Refused(refusal) => write!(f, "the tracker refused: {}", refusal.reason),
            Error::Status(status) => write!(f, "the tracker answered with HTTP status {status}"),
            Error::Http(rule) => write!(f, "the tracker's HTTP is broken: {rule}"),
            Error::Malformed(rule) => write!(f, "the tracker's reply is malformed: {rule}"),
            Error::TooLarge(what) => write!(f, "the tracker's reply is too large: {what}"),
            Error::Closed => f.write_str("the tracker closed the connection before its reply was complete"),
            Error::TimedOut => f.write_str("the tracker did not answer in time"),
            Error::TooManyRedirects => f.write_str("the tracker redirects too often"),
            Error::BadRedirect(why) => write!(f, "the tracker redirects to what we do not follow: {why}"),
            Error::NoAddress => f.write_str("the tracker has no address of this family"),
            Error::NoScrape => f.write_str("the tracker's URL does not allow scraping"),
            Error::Busy => f.write_str("too many requests to this tracker are waiting"),
            Error::Unreachable(why) => write!(f, "the tracker cannot be reached: {why}"),
        }
    }
}

impl core::error::Error for Error {}
