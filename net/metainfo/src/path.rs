//! A path that cannot leave the folder it is put under.

use alloc::string::String;
use core::fmt;

/// A relative path of at least one component, of which none is empty, `.` or `..`, or has a separator of either kind or
/// a NUL. Components are divided by `/` on every system.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SafePath(String);

impl SafePath {
    /// The path that `text` is, if it is safe as it stands.
    pub fn new(text: &str) -> Option<SafePath> {
        let safe = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
        text.split('/').all(safe).then(|| SafePath(String::from(text)))
    }

    /// The path of one mended component.
    pub(crate) fn root(mended: &str) -> SafePath {
        SafePath::new(mended).expect("a mended name is safe")
    }

    /// Adds a mended component.
    pub(crate) fn push(&mut self, mended: &str) {
        debug_assert!(SafePath::new(mended).is_some(), "a mended name is safe");
        self.0.push('/');
        self.0.push_str(mended);
    }

    /// The whole path, its components divided by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components, outermost first.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path without its last component; `None` if it has only one.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }
}

impl fmt::Display for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_paths_are_paths() {
        for text in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a\0"] {
            assert_eq!(SafePath::new(text), None, "{text:?}");
        }
        let path = SafePath::new("a/...b/c.d").expect("a safe path");
        assert_eq!(path.components().collect::<alloc::vec::Vec<_>>(), ["a", "...b", "c.d"]);
        assert_eq!((path.file_name(), path.parent()), ("c.d", Some("a/...b")));
        assert_eq!(SafePath::root("a").parent(), None);
    }
}
