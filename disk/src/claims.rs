//! Which store owns which file, so that no two write the same one. Stores may share a folder, not a file: what two
//! torrents read from one file, each may also write, and what is good for one is damage to the other.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::job::StoreKey;
use crate::table::FileTable;

/// Owners by the hash of the file's one name: 16 bytes a file instead of its path. Two names of one hash are two that
/// nobody can open at once, which does no harm; by chance it happens once in some 10¹⁰ sessions of a million files.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    owners: BTreeMap<u64, StoreKey>,
}

fn names<'a>(root: &'a Path, table: &'a FileTable) -> impl Iterator<Item = (u64, &'a Path)> {
    table.files().iter().filter(|entry| !entry.padding).map(move |entry| {
        let mut hasher = DefaultHasher::new();
        root.join(&entry.path).hash(&mut hasher);
        (hasher.finish(), entry.path.as_path())
    })
}

impl Claims {
    /// Claims all files of a table below `root`, a folder's one name. If another store has one of them, nothing is
    /// claimed and the answer is that file's path.
    pub(crate) fn take(&mut self, owner: StoreKey, root: &Path, table: &FileTable) -> Result<(), PathBuf> {
        let foreign = |name: &u64| self.owners.get(name).is_some_and(|&other| other != owner);
        if let Some((_, path)) = names(root, table).find(|(name, _)| foreign(name)) {
            return Err(root.join(path));
        }
        self.owners.extend(names(root, table).map(|(name, _)| (name, owner)));
        Ok(())
    }

    /// Lets go of what [`Claims::take`] took.
    pub(crate) fn release(&mut self, owner: StoreKey, root: &Path, table: &FileTable) {
        for (name, _) in names(root, table) {
            if self.owners.get(&name) == Some(&owner) {
                self.owners.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::FileEntry;

    #[test]
    fn a_file_has_one_owner_and_a_folder_any_number() {
        let table = |names: &[&str]| {
            let entry = |name: &&str| FileEntry {
                path: PathBuf::from(name),
                offset: 0,
                len: 1,
                padding: name.starts_with(".pad"),
                executable: false,
            };
            FileTable::new(names.iter().map(entry).collect())
        };
        let mut claims = Claims::default();
        let (a, b) = (table(&["x/1", "x/2", ".pad/1"]), table(&["x/3", "x/2", ".pad/1"]));
        let root = Path::new("/r");
        assert_eq!(claims.take(StoreKey(1), root, &a), Ok(()));
        assert_eq!(claims.take(StoreKey(2), root, &b), Err(PathBuf::from("/r/x/2")));
        assert_eq!(claims.take(StoreKey(2), root, &table(&["x/3", ".pad/1"])), Ok(()));
        assert_eq!(claims.take(StoreKey(3), Path::new("/r/x"), &table(&["3"])), Err(PathBuf::from("/r/x/3")));
        assert_eq!(claims.take(StoreKey(3), Path::new("/other"), &b), Ok(()));
        claims.release(StoreKey(1), root, &a);
        assert_eq!(claims.take(StoreKey(3), root, &table(&["x/1", "x/2"])), Ok(()));
        assert_eq!(claims.owners.len(), 1 + 2 + 2);
    }
}
