//! Trackers: how a torrent asks who else has it, and a small one of our own.
//!
//! Bytes and time in, bytes and events out. Nothing here opens a socket, resolves a name, reads a clock or draws
//! entropy: the engine owns the streams and datagrams, hands in the time, and splits a seeded generator off.
//!
//! * [`TrackerUrl`], [`Announce`], [`Reply`], [`Error`]: what is asked, of whom, and what comes back.
//! * `http` (the feature of that name, on by default): one request over one byte stream (BEP 3, 7, 23, 24, 31, 48).
//! * [`udp`]: everything asked of one tracker address over datagrams (BEP 15, 41).
//! * [`schedule`]: when a torrent asks which of its trackers (BEP 12, 27).
//! * [`server`]: a tracker in memory.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
#[cfg(feature = "http")]
pub mod http;
pub mod limits;
mod percent;
mod request;
pub mod schedule;
pub mod server;
mod text;
pub mod udp;
mod url;

pub use error::{Error, Refusal, Retry, UrlError};
pub use request::{Announce, Answer, Event, Reply, Scraped};
pub use schedule::{Due, Need, Policy, Schedule, TrackerKey, TrackerState, TrackerStatus};
pub use tide_base::addr::Family;
pub use url::{Credentials, Host, Scheme, TrackerUrl};
