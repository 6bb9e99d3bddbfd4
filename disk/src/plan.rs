//! Which bytes of which files a run of a torrent's bytes is. Pure.

use std::io::{IoSlice, IoSliceMut};

use tide_base::Layout;

use crate::table::FileTable;

/// What holds the bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Holder {
    /// The file of this number.
    File(usize),
    /// Nothing: they are zero.
    Padding,
    /// The place for content of unwanted files.
    Aside,
}

/// A run of bytes in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) holder: Holder,
    /// Offset of the first byte: in the file if a file holds it, else in the torrent.
    pub(crate) at: u64,
    pub(crate) len: u64,
}

/// The extents of `len` bytes from `start` on, in order. Neighbours of one holder are one extent, but what is aside is
/// cut at the ends of pieces, since it is kept by piece. `aside` tells for each file whether its content is.
pub(crate) fn extents<'a>(
    table: &'a FileTable,
    layout: &Layout,
    start: u64,
    len: u64,
    aside: impl Fn(usize) -> bool + 'a,
) -> impl Iterator<Item = Extent> + 'a {
    let piece_len = u64::from(layout.piece_len());
    let (mut at, end) = (start, start + len);
    let mut files = table.touched(start, len).peekable();
    std::iter::from_fn(move || {
        let holder_of = |file: usize| match &table.files()[file] {
            entry if entry.padding => Holder::Padding,
            _ if aside(file) => Holder::Aside,
            _ => Holder::File(file),
        };
        let file = files.next_if(|_| at < end)?;
        let holder = holder_of(file);
        let entry = &table.files()[file];
        let mut stop = (entry.offset + entry.len).min(end);
        if let Holder::File(_) = holder {
            let extent = Extent { holder, at: at - entry.offset, len: stop - at };
            at = stop;
            return Some(extent);
        }
        while let Some(next) = files.next_if(|&next| holder_of(next) == holder) {
            let entry = &table.files()[next];
            stop = (entry.offset + entry.len).min(end);
        }
        let extent = Extent { holder, at, len: stop - at };
        at = stop;
        Some(extent)
    })
    .flat_map(move |extent| cut_aside(extent, piece_len))
}

fn cut_aside(extent: Extent, piece_len: u64) -> impl Iterator<Item = Extent> {
    let mut rest = Some(extent);
    std::iter::from_fn(move || {
        let mut part = rest.take()?;
        let room = piece_len - part.at % piece_len;
        if part.holder == Holder::Aside && part.len > room {
            rest = Some(Extent { at: part.at + room, len: part.len - room, ..part });
            part.len = room;
        }
        Some(part)
    })
}

/// Takes the first `len` bytes off `slices`, which have as many, leaving the rest: chunks cut at a file's end.
pub(crate) fn take<'a>(
    slices: &mut std::slice::Iter<'_, &'a [u8]>,
    open: &mut &'a [u8],
    len: u64,
) -> Vec<IoSlice<'a>> {
    let mut taken = Vec::with_capacity(slices.len() + 1);
    let mut left = len;
    while left > 0 {
        if open.is_empty() {
            *open = slices.next().expect("the slices have as many bytes as the extents");
            continue;
        }
        let (head, tail) = open.split_at(left.min(open.len() as u64) as usize);
        left -= head.len() as u64;
        taken.push(IoSlice::new(head));
        *open = tail;
    }
    taken
}

/// The same for memory to be filled.
pub(crate) fn take_mut<'a>(
    slices: &mut std::vec::IntoIter<&'a mut [u8]>,
    open: &mut &'a mut [u8],
    len: u64,
) -> Vec<IoSliceMut<'a>> {
    let mut taken = Vec::with_capacity(slices.len() + 1);
    let mut left = len;
    while left > 0 {
        if open.is_empty() {
            *open = slices.next().expect("the slices have as many bytes as the extents");
            continue;
        }
        let whole = std::mem::take(open);
        let middle = left.min(whole.len() as u64) as usize;
        let (head, tail) = whole.split_at_mut(middle);
        left -= head.len() as u64;
        taken.push(IoSliceMut::new(head));
        *open = tail;
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::table::FileEntry;

    /// Files as (length, padding, aside).
    fn table(files: &[(u64, bool, bool)]) -> FileTable {
        let entry = |(i, &(len, padding, _)): (usize, &(u64, bool, bool))| FileEntry {
            path: PathBuf::from(format!("f{i}")),
            offset: 0,
            len,
            padding,
            executable: false,
        };
        FileTable::new(files.iter().enumerate().map(entry).collect())
    }

    /// Where the torrent's byte `at` is, found the slow way.
    fn holder_of(files: &[(u64, bool, bool)], at: u64) -> (Holder, u64) {
        let mut begin = 0;
        for (i, &(len, padding, aside)) in files.iter().enumerate() {
            if at < begin + len {
                return match (padding, aside) {
                    (true, _) => (Holder::Padding, at),
                    (_, true) => (Holder::Aside, at),
                    _ => (Holder::File(i), at - begin),
                };
            }
            begin += len;
        }
        panic!("byte {at} is behind the end");
    }

    #[test]
    fn a_run_over_every_kind_of_file_is_cut_where_it_must_be() {
        let files = [
            (10, false, false),
            (0, false, false),
            (6, true, false),
            (4, false, true),
            (8, false, true),
            (5, false, false),
        ];
        let layout = Layout::new(33, 8, 4).expect("a legal layout");
        let found: Vec<_> = extents(&table(&files), &layout, 8, 25, |i| files[i].2).collect();
        let extent = |holder, at, len| Extent { holder, at, len };
        assert_eq!(
            found,
            [
                extent(Holder::File(0), 8, 2),
                extent(Holder::Padding, 10, 6),
                extent(Holder::Aside, 16, 8),
                extent(Holder::Aside, 24, 4),
                extent(Holder::File(5), 0, 5),
            ]
        );
    }

    #[test]
    fn slices_are_cut_at_the_ends_of_extents() {
        let slices: [&[u8]; 3] = [b"abc", b"", b"defg"];
        let (mut rest, mut open) = (slices.iter(), &b""[..]);
        let mut cut = |len| take(&mut rest, &mut open, len).iter().map(|s| s.to_vec()).collect::<Vec<_>>();
        assert_eq!(cut(2), [b"ab".to_vec()]);
        assert_eq!(cut(3), [b"c".to_vec(), b"de".to_vec()]);
        assert_eq!(cut(2), [b"fg".to_vec()]);
        assert!(cut(0).is_empty());
    }

    proptest! {
        #[test]
        fn extents_are_where_the_bytes_are(
            files in proptest::collection::vec((0u64..20, any::<bool>(), any::<bool>()), 1..12),
            piece_len in 1u32..20,
            from in 0u64..240,
            len in 0u64..240,
        ) {
            let table = table(&files);
            prop_assume!(table.total() > 0);
            let start = from % table.total();
            let len = len.min(table.total() - start);
            let layout = Layout::new(table.total(), piece_len, 4).expect("a legal layout");
            let mut at = start;
            let mut last: Option<Extent> = None;
            for extent in extents(&table, &layout, start, len, |i| files[i].2) {
                prop_assert!(extent.len > 0);
                for i in 0..extent.len {
                    prop_assert_eq!(holder_of(&files, at + i), (extent.holder, extent.at + i));
                }
                if let Some(last) = last {
                    let cut = extent.holder == Holder::Aside && at.is_multiple_of(u64::from(piece_len));
                    prop_assert!(last.holder != extent.holder || cut, "neighbours that are not one");
                }
                at += extent.len;
                last = Some(extent);
            }
            prop_assert_eq!(at, start + len);
        }
    }
}
