//! How an embedder's own picker comes to the torrents of a session.

use std::fmt;
use std::sync::Arc;

use super::Picker;

/// Makes the picker of each torrent.
///
/// A picker runs on the thread of its torrent's shard: one that is slow stalls everybody there, and one that breaks
/// the rules of [`Picker`] is a bug that ends the session.
#[derive(Clone)]
pub struct Factory(Arc<Make>);

/// Called on a shard's thread with the number of a torrent's pieces.
type Make = dyn Fn(u32) -> Box<dyn Picker> + Send + Sync;

impl Factory {
    /// `make` is given the number of a torrent's pieces and returns its picker, to which all of them are closed.
    pub fn new<P: Picker + 'static>(make: impl Fn(u32) -> P + Send + Sync + 'static) -> Factory {
        Factory(Arc::new(move |pieces| Box::new(make(pieces))))
    }

    /// The picker of a torrent with this many pieces.
    pub fn make(&self, pieces: u32) -> Box<dyn Picker> {
        (self.0)(pieces)
    }
}

impl fmt::Debug for Factory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Factory")
    }
}
