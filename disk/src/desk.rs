//! What all stores of a volume share.

use crate::handles::Handles;
use crate::limits::Limits;
use crate::pool::Pool;
use crate::storage::Storage;

/// The tools of the thread that owns the files.
pub(crate) struct Desk<S: Storage> {
    pub(crate) storage: S,
    pub(crate) handles: Handles<S::File>,
    pub(crate) pool: Pool,
    pub(crate) limits: Limits,
}

impl<S: Storage> Desk<S> {
    pub(crate) fn new(storage: S, limits: Limits) -> Desk<S> {
        let (handles, pool) = (Handles::new(limits.open_files), Pool::new(&limits));
        Desk { storage, handles, pool, limits }
    }
}
