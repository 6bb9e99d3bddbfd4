//! Where symbolic links lead (BEP 47). A link is kept only if it ends, perhaps through other links of the torrent, at
//! a file or directory of the torrent; its target is then that end, so that no link leads through another one.

use crate::files::{File, FileKind};
use crate::limits::Limits;
use crate::path::SafePath;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Replaces the target of every link by the end it leads to, or the link by a dead one.
pub(crate) fn resolve(files: &mut [File], limits: &Limits) {
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
    let tree = Tree::new(files);
    let ends: Vec<_> = links.iter().map(|&at| tree.end(&files[at].path, limits)).collect();
    drop(tree);
    for (at, end) in links.into_iter().zip(ends) {
        files[at].kind = end.map_or(FileKind::DeadLink, FileKind::Link);
    }
}

/// What stands in the torrent's folders.
struct Tree<'f> {
    /// From a folder's number and a name in it to what has that name. The number 0 is the download folder.
    nodes: BTreeMap<(u32, &'f str), Node<'f>>,
}

#[derive(Clone, Copy, Default)]
struct Node<'f> {
    /// Its number, as a folder.
    number: u32,
    /// Whether it is a file, or a folder that has one within.
    end: bool,
    /// What it is said to lead to, as a link.
    target: Option<&'f SafePath>,
}

impl<'f> Tree<'f> {
    fn new(files: &'f [File]) -> Tree<'f> {
        let mut tree = Tree { nodes: BTreeMap::new() };
        for file in files {
            match &file.kind {
                FileKind::Regular => tree.add(&file.path, None),
                FileKind::Link(target) => tree.add(&file.path, Some(target)),
                FileKind::Padding | FileKind::DeadLink => {}
            }
        }
        tree
    }

    fn add(&mut self, path: &'f SafePath, target: Option<&'f SafePath>) {
        let mut key = None;
        let mut folder = 0;
        for name in path.components() {
            let number = self.nodes.len() as u32 + 1;
            let node = self.nodes.entry((folder, name)).or_insert(Node { number, ..Node::default() });
            node.end |= target.is_none();
            key = Some((folder, name));
            folder = node.number;
        }
        if let Some(node) = key.and_then(|key| self.nodes.get_mut(&key)) {
            node.target = target;
        }
    }

    /// Where the link at `start` leads in the end. The torrent's own folder is no end: a link to it would let every
    /// walk over the folder go round in a circle.
    fn end(&self, start: &SafePath, limits: &Limits) -> Option<SafePath> {
        let mut path: Vec<&str> = start.components().collect();
        for _ in 0..=limits.link_hops {
            let (depth, node) = self.walk(&path)?;
            let Some(target) = node.target else {
                return (node.end && path.len() > 1).then(|| SafePath::new(&path.join("/"))).flatten();
            };
            let rest = path.split_off(depth);
            path = target.components().chain(rest).collect();
            if path.len() > limits.path_depth as usize + 1 {
                return None;
            }
        }
        None
    }

    /// The first link on `path`, or else its end; with the number of components up to there.
    fn walk(&self, path: &[&str]) -> Option<(usize, Node<'f>)> {
        let mut last = Node::default();
        for (at, &name) in path.iter().enumerate() {
            last = *self.nodes.get(&(last.number, name))?;
            if last.target.is_some() {
                return Some((at + 1, last));
            }
        }
        Some((path.len(), last))
    }
}
