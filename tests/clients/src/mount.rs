//! File systems in trouble: one whose calls hang, one that is soon full.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::process::{self, Guard};
use crate::{TempDir, Tool, wait};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/py/hanging_mount.py");

/// A kind of file call that can be made to hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Opening and creating files.
    Open,
    /// Reading, page faults included.
    Read,
    /// Writing, the write-back of mappings included.
    Write,
    /// Changing a file's length.
    Resize,
    /// Syncing a file.
    Sync,
}

impl Call {
    /// All of them: a mount that is gone for good.
    pub const ALL: [Self; 5] = [Self::Open, Self::Read, Self::Write, Self::Resize, Self::Sync];

    fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Resize => "resize",
            Self::Sync => "sync",
        }
    }
}

/// A FUSE mount that passes everything on to an ordinary folder, until some calls are told to hang.
///
/// A process that hangs in it cannot even be killed until the calls are released or the mount is dropped. Looking at
/// names and attributes never hangs.
#[derive(Debug)]
pub struct HangingMount {
    process: Guard,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    path: PathBuf,
    dir: TempDir,
}

impl HangingMount {
    /// Mounts it over an empty folder. Needs [`Tool::Fuse`].
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn new() -> Self {
        let dir = TempDir::new("hanging");
        let (behind, path) = (dir.folder("behind"), dir.folder("mount"));
        let mut command = process::command(Tool::Fuse.expect());
        command.arg(SCRIPT).args([&behind, &path]);
        let (process, stdin, stdout) = Guard::spawn_talking("hanging-mount", &mut command, dir.path());
        let mut this = Self { process, stdin, stdout: BufReader::new(stdout), path, dir };
        assert_eq!(this.answer()["mounted"], true);
        this
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder behind it, where the same files can be seen without hanging.
    #[must_use]
    pub fn behind(&self) -> PathBuf {
        self.dir.join("behind")
    }

    /// From now on these calls hang, and no others.
    pub fn hang(&mut self, calls: &[Call]) {
        let names: Vec<_> = calls.iter().map(|call| call.name()).collect();
        self.ask(&json!({ "hang": names }));
    }

    /// All calls go on, those that hang too.
    pub fn release(&mut self) {
        self.ask(&json!({"release": true}));
    }

    /// How many calls hang right now.
    ///
    /// # Panics
    /// When the mount's own process has died.
    pub fn held(&mut self) -> u64 {
        self.ask(&json!({"held": true}))["held"].as_u64().expect("a number")
    }

    /// Waits until at least one call hangs.
    ///
    /// # Panics
    /// When none does.
    pub fn wait_held(&mut self) {
        wait::until("a file call hangs", || (self.held() > 0).then_some(()));
    }

    fn ask(&mut self, command: &Value) -> Value {
        writeln!(self.stdin, "{command}").expect("the mount's process lives");
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        let read = self.stdout.read_line(&mut line).ok();
        let answer = read.and_then(|_| serde_json::from_str(&line).ok());
        answer.unwrap_or_else(|| panic!("the mount's process does not answer: {}", self.process.log()))
    }
}

impl Default for HangingMount {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for HangingMount {
    fn drop(&mut self) {
        // The kernel ends every call that hangs as soon as nobody holds the device any more.
        self.process.signal(process::Signal::Kill);
        let _ = wait::try_until(wait::GENEROUS, || self.process.ended());
        unmount(&self.path);
    }
}

/// A file system in memory with little room. Unmounted on drop.
#[derive(Debug)]
pub struct SmallTmpfs {
    path: PathBuf,
    _dir: TempDir,
}

impl SmallTmpfs {
    /// Mounts one with room for `bytes` (whole pages). Needs [`Tool::Mounts`].
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let dir = TempDir::new("tmpfs");
        let path = dir.folder("mount");
        let options = format!("size={bytes},mode=755");
        let mut command = Command::new(Tool::Mounts.expect());
        let status = command.args(["-t", "tmpfs", "-o", &options, "tide-small"]).arg(&path).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot mount a tmpfs on {}", path.display());
        Self { path, _dir: dir }
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Changes its room, also while it is full: the way a person makes room on a disk.
    ///
    /// # Panics
    /// When the kernel refuses, as it does for less than is in use.
    pub fn resize(&self, bytes: u64) {
        let options = format!("remount,size={bytes}");
        let status = Command::new(Tool::Mounts.expect()).args(["-o", &options]).arg(&self.path).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot resize {}", self.path.display());
    }
}

impl Drop for SmallTmpfs {
    fn drop(&mut self) {
        unmount(&self.path);
    }
}

/// Takes a mount off the tree even while files in it are open.
fn unmount(path: &Path) {
    let _ = Command::new("umount").arg("--lazy").arg(path).stderr(Stdio::null()).status();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::have;
    use std::fs;
    use std::io::ErrorKind;
    use std::thread;

    #[test]
    fn calls_hang_until_they_are_released() {
        if !have(&[Tool::Fuse]) {
            return;
        }
        let mut mount = HangingMount::new();
        let file = mount.path().join("a");
        fs::write(&file, b"before").unwrap();
        assert_eq!(fs::read(mount.behind().join("a")).unwrap(), b"before");
        mount.hang(&[Call::Write]);
        let writer = thread::spawn(move || fs::write(&file, b"after!"));
        mount.wait_held();
        assert!(!writer.is_finished());
        assert_eq!(fs::metadata(mount.path().join("a")).unwrap().len(), 0, "names and sizes are still told");
        mount.release();
        writer.join().unwrap().unwrap();
        assert_eq!(fs::read(mount.behind().join("a")).unwrap(), b"after!");
    }

    #[test]
    fn a_dropped_mount_ends_the_calls_that_hang_in_it() {
        if !have(&[Tool::Fuse]) {
            return;
        }
        let mut mount = HangingMount::new();
        let file = mount.path().join("a");
        mount.hang(&Call::ALL);
        let writer = thread::spawn(move || fs::write(&file, b"never"));
        mount.wait_held();
        drop(mount);
        assert!(writer.join().unwrap().is_err());
    }

    #[test]
    fn a_small_tmpfs_is_full_soon_and_can_grow() {
        if !have(&[Tool::Mounts]) {
            return;
        }
        let tmpfs = SmallTmpfs::new(64 * 1024);
        let file = tmpfs.path().join("a");
        let error = fs::write(&file, vec![1; 100_000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        tmpfs.resize(256 * 1024);
        fs::write(&file, vec![1; 100_000]).unwrap();
        let path = tmpfs.path().to_owned();
        drop(tmpfs);
        assert!(!path.exists());
    }
}
