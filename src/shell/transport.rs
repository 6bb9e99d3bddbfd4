//! What a connection runs over: a byte stream that never blocks. TCP and TLS come with the shell; an embedder may
//! bring its own by giving [`Config::dial`](crate::Config::dial) a [`Dial`].

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;

use mio::event::Source;

/// A byte stream that never blocks, driven by readiness.
///
/// Readiness comes in edges: after [`io::ErrorKind::WouldBlock`] from a call, an event on [`source`](Self::source)
/// must follow once that call can get on. An event promises nothing; spurious ones are normal.
pub trait Transport: Send + fmt::Debug {
    /// What a poller watches, for reading and for writing.
    fn source(&mut self) -> &mut dyn Source;

    /// Gets on with whatever precedes traffic: connecting, shaking hands. True once bytes may flow; then not called again.
    ///
    /// # Errors
    /// Why the stream will never stand.
    fn open(&mut self) -> io::Result<bool>;

    /// Our end's address. Called once open.
    ///
    /// # Errors
    /// What the system says.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Reads into `into`, in order. Zero is the orderly end.
    ///
    /// # Errors
    /// `WouldBlock`, or why the stream is broken.
    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// Takes some bytes of `from`, in order; at least one, if there is any.
    ///
    /// # Errors
    /// `WouldBlock`, or why the stream is broken.
    fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Passes on what [`write`](Self::write) took and the transport still holds.
    ///
    /// # Errors
    /// `WouldBlock` while something is left, or why the stream is broken.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Makes connections.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Begins a connection to `to`, with TLS if `tls` names who must be there. Must not block.
    ///
    /// # Errors
    /// Why it cannot even begin.
    fn dial(&self, to: SocketAddr, tls: Option<&str>) -> io::Result<Box<dyn Transport>>;
}
