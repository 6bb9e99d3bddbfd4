//! Where symbolic links lead (BEP 47). A link is kept only if it ends, perhaps through other links of the torrent, at
//! a file or directory of the torrent; its target is then that end, so that no link leads through another one.

use crate::files::{File, FileKind};
use crate::limits::Limits;
use crate::path::SafePath;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Replaces the target of every link by the end it leads to, or the link by a dead one.
pub(crate) fn resolve(files: &mut [File], root: &str, limits: &Limits) {
    let mut links = Vec::new();
    for (at, file) in files.iter_mut().enumerate() {
        if matches!(file.kind, FileKind::Link(_)) {
            if links.len() < limits.links as usize {
                links.push(at);
            } else {
                file.kind = FileKind::DeadLink;
            }
        }
    }
    if links.is_empty() {
        return;
    }
    let map = Map::new(files);
    let ends: Vec<_> = links.iter().map(|&at| map.end(files[at].path.as_str(), root, limits)).collect();
    drop(map);
    for (at, end) in links.into_iter().zip(ends) {
        files[at].kind = end.map_or(FileKind::DeadLink, FileKind::Link);
    }
}

struct Map<'f> {
    /// Files and directories that are or will be on disk.
    ends: BTreeSet<&'f str>,
    /// Links and what they are said to lead to.
    links: BTreeMap<&'f str, &'f str>,
}

impl<'f> Map<'f> {
    fn new(files: &'f [File]) -> Map<'f> {
        let mut map = Map { ends: BTreeSet::new(), links: BTreeMap::new() };
        for file in files {
            match &file.kind {
                FileKind::Link(target) => {
                    map.links.insert(file.path.as_str(), target.as_str());
                }
                FileKind::Padding | FileKind::DeadLink => {}
                FileKind::Regular => {
                    let mut path = file.path.as_str();
                    while map.ends.insert(path)
                        && let Some((parent, _)) = path.rsplit_once('/')
                    {
                        path = parent;
                    }
                }
            }
        }
        map
    }

    /// Where the link at `start` leads in the end. The torrent's own folder is no end: a link to it would let every
    /// walk over the folder go round in a circle.
    fn end(&self, start: &str, root: &str, limits: &Limits) -> Option<SafePath> {
        let mut path = String::from(start);
        for _ in 0..=limits.link_hops {
            let Some((link, target)) = self.first_link(&path) else {
                let inside = path != root && self.ends.contains(path.as_str());
                return inside.then(|| SafePath::new(&path)).flatten();
            };
            path = format!("{target}{}", &path[link.len()..]);
            if path.split('/').count() > limits.path_depth as usize + 1 {
                return None;
            }
        }
        None
    }

    /// The outermost link that `path` leads through.
    fn first_link(&self, path: &str) -> Option<(&'f str, &'f str)> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        ends.filter_map(|end| self.links.get_key_value(&path[..end]))
            .next()
            .map(|(link, target)| (*link, *target))
    }
}
