//! Names under way to their addresses: one table for all of the session's parts that ask, so that no two lookups have
//! one number, and a name that several wait for is looked up once.

use std::collections::BTreeMap;

use tide_base::SlotKey;

use crate::border::ResolveId;

/// Who waits for a name's addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    /// A request of the announcer's.
    Announce(SlotKey),
    /// A way into the DHT, by its number there.
    Router(u64),
}

/// Names being looked up, each once at a time whoever waits for it. What is known is remembered by the resolver. Who
/// asks bounds how much he asks, and gives up in his own time.
#[derive(Debug, Default)]
pub struct Names {
    next: u64,
    by_name: BTreeMap<Box<str>, ResolveId>,
    waiters: BTreeMap<ResolveId, (Box<str>, Vec<Asker>)>,
}

impl Names {
    /// Lets `asker` wait for `name`; the number of the lookup if it is to be begun.
    pub fn ask(&mut self, name: &str, asker: Asker) -> Option<ResolveId> {
        if let Some(id) = self.by_name.get(name) {
            self.waiters.get_mut(id).expect("both tables hold the same lookups").1.push(asker);
            return None;
        }
        let id = ResolveId(self.next);
        self.next += 1;
        self.by_name.insert(name.into(), id);
        self.waiters.insert(id, (name.into(), vec![asker]));
        Some(id)
    }

    /// Ends a lookup; who waits for it, and perhaps some that have given up.
    pub fn answered(&mut self, id: ResolveId) -> Vec<Asker> {
        let Some((name, waiters)) = self.waiters.remove(&id) else { return Vec::new() };
        self.by_name.remove(&name);
        waiters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_once_for_all_that_wait() {
        let key = |number| Asker::Announce(SlotKey::from_bits(number));
        let mut names = Names::default();
        let first = names.ask("a", key(1)).expect("a first lookup");
        let other = names.ask("b", key(2)).expect("another name");
        assert_eq!(names.ask("a", Asker::Router(3)), None);
        assert_eq!(names.answered(first), [key(1), Asker::Router(3)]);
        assert_eq!(names.answered(first), []);
        assert!(names.ask("a", key(4)).is_some_and(|again| again != first && again != other));
        assert_eq!(names.answered(other), [key(2)]);
    }
}
