//! The program's code, kept in memory.
//!
//! Code and constants are pages of files: of the program, of the libraries it was linked with. Where memory is short
//! the kernel takes them away as it takes any file's, and reads them anew at the next call of the function. That is a
//! major page fault in the middle of whatever the thread was doing, and shards must take none: in a control group of
//! 48 MiB with more content than that, it was where all of theirs came from. Locked pages stay.
//!
//! What the program allocates is not a file's, and goes only where there is swap.

use std::collections::BTreeSet;
use std::ops::Range;

/// What [`lock`] did, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Locked {
    /// Locked: they are in memory, and stay there.
    pub(crate) locked: usize,
    /// Left as they were, because the system does not let us lock so much, or at all.
    pub(crate) refused: usize,
}

/// Reads all code of this process, and what belongs to it, and locks it in memory, as far as the system allows.
#[cfg(target_os = "linux")]
pub(crate) fn lock() -> Locked {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut sum = Locked::default();
    for stretch in stretches(&maps) {
        let of = if lock_stretch(&stretch) { &mut sum.locked } else { &mut sum.refused };
        *of += stretch.len();
    }
    sum
}

/// Elsewhere nobody says where the code is.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lock() -> Locked {
    Locked::default()
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the address of the stretch is a number that the kernel told: see below")]
fn lock_stretch(stretch: &Range<usize>) -> bool {
    let start = std::ptr::with_exposed_provenance_mut(stretch.start);
    // SAFETY: the kernel has just named the stretch as mapped and readable. `mlock` loads and stores nothing for the
    // program: it makes pages resident and marks them, and no value that Rust code could look at changes. Should the
    // stretch have been unmapped since, by another thread that unloads a library, then the call fails, or marks pages
    // of whatever is there now, which is as harmless.
    unsafe { rustix::mm::mlock(start, stretch.len()) }.is_ok()
}

/// Where code is, and the constants and variables that were loaded with it: what is readable of each file of which
/// something is executable. From the text of `/proc/self/maps`; code first, since not all may be allowed, and the
/// program itself before its libraries, which lie behind it.
///
/// Files that are only mapped to be read are not ours to keep: content on its way out, an embedder's database.
fn stretches(maps: &str) -> Vec<Range<usize>> {
    let all: Vec<Mapping<'_>> = maps.lines().filter_map(Mapping::read).collect();
    let programs: BTreeSet<_> =
        all.iter().filter(|mapping| mapping.executable).map(|mapping| mapping.file).collect();
    let mut ours: Vec<&Mapping<'_>> = all.iter().filter(|mapping| programs.contains(&mapping.file)).collect();
    ours.sort_by_key(|mapping| !mapping.executable);
    ours.into_iter().map(|mapping| mapping.stretch.clone()).collect()
}

/// A readable mapping of a file.
struct Mapping<'a> {
    stretch: Range<usize>,
    executable: bool,
    /// Device and inode.
    file: (&'a str, &'a str),
}

impl Mapping<'_> {
    /// From `start-end permissions offset device inode path`; `None` for memory that is no file's.
    fn read(line: &str) -> Option<Mapping<'_>> {
        let mut words = line.split_ascii_whitespace();
        let (start, end) = words.next()?.split_once('-')?;
        let permissions = words.next()?;
        let file = (words.nth(1)?, words.next()?);
        let number = |text| usize::from_str_radix(text, 16).ok();
        let mapping =
            Mapping { stretch: number(start)?..number(end)?, executable: permissions.contains('x'), file };
        (permissions.starts_with('r') && file.1 != "0").then_some(mapping)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comes_first_and_files_without_code_not_at_all() {
        let maps = "\
10000-12000 r--p 00000000 fe:00 17                         /usr/bin/a program
12000-15000 r-xp 00002000 fe:00 17                         /usr/bin/a program
15000-16000 rw-p 00005000 fe:00 17                         /usr/bin/a program
16000-18000 rw-p 00000000 00:00 0                          [heap]
20000-40000 r--s 00000000 fe:00 18                         /home/me/content
50000-51000 r--p 00000000 fe:01 17                         /home/me/same inode elsewhere
60000-61000 ---p 00000000 fe:00 19                         /lib/lib.so
61000-62000 r-xp 00001000 fe:00 19                         /lib/lib.so
ffff0000-ffff1000 r-xp 00000000 00:00 0                    [vdso]
";
        let expected = [0x12000..0x15000, 0x61000..0x62000, 0x10000..0x12000, 0x15000..0x16000];
        assert_eq!(stretches(maps), expected);
        for strange in
            ["", "\n", "10000 r-xp 0 fe:00 17 x", "x-y r-xp 0 fe:00 17 x", "1000-2000 r-xp 0 fe:00"]
        {
            assert_eq!(stretches(strange), [], "{strange}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_locked_the_kernel_counts_as_locked() {
        let Locked { locked, refused } = lock();
        assert!(locked + refused > 0, "there is code");
        let status = std::fs::read_to_string("/proc/self/status").expect("it tells of us");
        let counted = status.lines().find_map(|line| line.strip_prefix("VmLck:")?.strip_suffix("kB"));
        let counted: usize = counted.expect("it counts").trim().parse().expect("a number");
        assert_eq!(counted << 10, locked);
        assert_eq!(lock(), Locked { locked, refused }, "the second time changes nothing");
    }
}
