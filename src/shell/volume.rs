//! Which volume a path is on, without asking the file system that it is on: that one may hang.

use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tide_disk::VolumeId;

use crate::shell::links::VOLUMES;

/// The volumes that a session has met, by the system's name of the device.
#[derive(Debug, Default)]
pub(crate) struct VolumeTable {
    devices: Mutex<Vec<String>>,
}

impl VolumeTable {
    /// The volume of a path, which need not exist. Symbolic links are not followed, for that would mean to look: a
    /// folder behind a link shares the thread of the volume that the link is on.
    pub(crate) fn of(&self, path: &Path) -> VolumeId {
        // A table of mounts is not a file of any disk. Elsewhere than on Linux there is none, and so one volume.
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        self.number(device(&mounts, &tidy(&path)))
    }

    fn number(&self, device: &str) -> VolumeId {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let known = devices.iter().position(|known| known == device);
        let at = known.unwrap_or_else(|| {
            if devices.len() < VOLUMES {
                devices.push(device.to_owned());
            }
            devices.len() - 1
        });
        VolumeId(u16::try_from(at).expect("there are few volumes"))
    }
}

/// The path without `..`, as far as that can be told from the path alone.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            tidy.pop();
        } else {
            tidy.push(part);
        }
    }
    tidy
}

/// The device, as `major:minor`, of the mount that `path` lies below, in a table in the form of proc(5).
fn device<'a>(mounts: &'a str, path: &Path) -> &'a str {
    let mut best = (0, "");
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(2);
        let (Some(device), Some(point)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        let point = unescape(point);
        let depth = Path::new(&point).components().count();
        // Of two mounts at one point the later covers the earlier.
        if path.starts_with(&point) && depth >= best.0 {
            best = (depth, device);
        }
    }
    best.1
}

/// Undoes the octal escapes of blanks and backslashes.
fn unescape(text: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    #[cfg(unix)]
    return PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes));
    #[cfg(not(unix))]
    return PathBuf::from(String::from_utf8_lossy(&bytes).into_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw
30 22 0:45 / /mnt/nas rw shared:2 - nfs4 nas:/data rw
31 22 8:17 / /mnt/my\\040disk rw - ext4 /dev/sdb1 rw
32 22 0:50 / /mnt/over rw - tmpfs first rw
33 22 0:51 / /mnt/over rw - tmpfs second rw
34 22 8:2 /srv /mnt/nas/bound rw - ext4 /dev/sda2 rw
broken
";

    #[test]
    fn the_deepest_and_latest_mount_above_counts() {
        for (path, expected) in [
            ("/", "8:2"),
            ("/home/me/x", "8:2"),
            ("/mnt/nas", "0:45"),
            ("/mnt/nas/deep/er", "0:45"),
            ("/mnt/nasty", "8:2"),
            ("/mnt/my disk/a", "8:17"),
            ("/mnt/over/a", "0:51"),
            ("/mnt/nas/bound/x", "8:2"),
            ("/mnt/nas/../over", "0:51"),
        ] {
            assert_eq!(device(MOUNTS, &tidy(Path::new(path))), expected, "{path}");
        }
        assert_eq!(device("", Path::new("/anywhere")), "");
    }

    #[test]
    fn volumes_are_numbered_as_they_are_met_and_the_last_is_shared() {
        let table = VolumeTable::default();
        assert_eq!([table.number("a"), table.number("b"), table.number("a")].map(|v| v.0), [0, 1, 0]);
        for n in 0..100 {
            table.number(&n.to_string());
        }
        assert_eq!(usize::from(table.number("one too many").0), VOLUMES - 1);
        assert_eq!(table.number("b").0, 1);
    }

    #[test]
    fn a_path_that_does_not_exist_has_a_volume_too() {
        let table = VolumeTable::default();
        assert_eq!(table.of(Path::new("/no/such/folder")), table.of(Path::new("/no/such/other")));
    }
}
