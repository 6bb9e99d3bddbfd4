//! Trackers over HTTP (BEP 3, 7, 23, 24, 31, 48): one request over one byte stream.
//!
//! An [`Exchange`] writes its request, is fed what comes back, and ends with an [`Answer`](crate::Answer), a redirect
//! or an [`Error`](crate::Error). TLS, names and sockets are the caller's. HTTP/1.1 itself is `ureq-proto`'s.

mod exchange;
mod gzip;
mod query;
mod reply;

pub use exchange::{Exchange, Progress, Terms};
