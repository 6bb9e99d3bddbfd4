//! The files that are open, over all stores of a volume: bounded, the longest unused closed first.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::job::StoreKey;

/// Which file of a store. The place for content of unwanted files has the number behind all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct HandleKey {
    pub(crate) store: StoreKey,
    pub(crate) file: u32,
}

/// The number of the file for content of unwanted files.
pub(crate) const ASIDE: u32 = u32::MAX;

#[derive(Debug)]
struct Entry<F> {
    file: Arc<F>,
    writable: bool,
    used: u64,
}

/// Open files by key.
#[derive(Debug)]
pub(crate) struct Handles<F> {
    open: BTreeMap<HandleKey, Entry<F>>,
    bound: usize,
    clock: u64,
}

impl<F> Handles<F> {
    pub(crate) fn new(bound: usize) -> Handles<F> {
        Handles { open: BTreeMap::new(), bound: bound.max(1), clock: 0 }
    }

    /// The file if it is open, and writable if that is asked for.
    pub(crate) fn get(&mut self, key: HandleKey, writable: bool) -> Option<Arc<F>> {
        self.clock += 1;
        let entry = self.open.get_mut(&key).filter(|entry| entry.writable || !writable)?;
        entry.used = self.clock;
        Some(entry.file.clone())
    }

    /// Opens a file with `open` and keeps it. Where the process has too many open, half of ours are closed, and it is
    /// tried once more.
    pub(crate) fn open(
        &mut self,
        key: HandleKey,
        writable: bool,
        mut open: impl FnMut() -> io::Result<F>,
    ) -> io::Result<Arc<F>> {
        let opened = match open() {
            Err(error) if crate::trouble::is_too_many_files(&error) && !self.open.is_empty() => {
                self.shrink_to(self.open.len() / 2);
                open()
            }
            other => other,
        };
        let file = Arc::new(opened?);
        self.open.remove(&key);
        self.shrink_to(self.bound - 1);
        self.clock += 1;
        self.open.insert(key, Entry { file: file.clone(), writable, used: self.clock });
        Ok(file)
    }

    /// Closes the longest unused until at most `count` are open. The search costs a step for each that is open, once
    /// for each file opened beyond the bound: little against opening it.
    fn shrink_to(&mut self, count: usize) {
        while self.open.len() > count {
            let oldest = self.open.iter().min_by_key(|(_, entry)| entry.used).map(|(&key, _)| key);
            self.open.remove(&oldest.expect("more than `count` are open"));
        }
    }

    /// Closes one file.
    pub(crate) fn forget(&mut self, key: HandleKey) {
        self.open.remove(&key);
    }

    /// Closes all files of a store.
    pub(crate) fn forget_store(&mut self, store: StoreKey) {
        let all = HandleKey { store, file: 0 }..=HandleKey { store, file: u32::MAX };
        let keys: Vec<HandleKey> = self.open.range(all).map(|(&key, _)| key).collect();
        for key in keys {
            self.open.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(file: u32) -> HandleKey {
        HandleKey { store: StoreKey(u64::from(file % 2)), file }
    }

    #[test]
    fn the_longest_unused_is_closed_first() {
        let mut handles = Handles::new(2);
        for file in [0, 1] {
            handles.open(key(file), false, || Ok(file)).expect("opens");
        }
        assert!(handles.get(key(0), false).is_some());
        assert!(handles.get(key(0), true).is_none(), "it is open for reading only");
        handles.open(key(2), true, || Ok(2)).expect("opens");
        assert!(handles.get(key(1), false).is_none());
        assert!(handles.get(key(2), true).is_some());
        handles.forget_store(StoreKey(0));
        assert!(handles.open.is_empty());
    }

    #[test]
    fn where_the_process_has_too_many_open_some_are_closed() {
        let mut handles = Handles::new(8);
        for file in 0..4 {
            handles.open(key(file), false, || Ok(file)).expect("opens");
        }
        let mut calls = 0;
        let opened = handles.open(key(9), false, || {
            calls += 1;
            if calls == 1 { Err(io::Error::from(rustix::io::Errno::MFILE)) } else { Ok(9) }
        });
        assert_eq!((*opened.expect("opens"), handles.open.len()), (9, 3));
        let error = handles.open(key(10), false, || Err(io::Error::from(rustix::io::Errno::MFILE)));
        assert!(error.is_err());
    }
}
