//! mktorrent: the torrents of the tests, and the oracle for ours.

use std::path::Path;
use std::process::Command;

use crate::payload::PIECE_LENGTH_LOG2;
use crate::{Payload, Tool, Torrent};

/// How a torrent is to be made.
#[derive(Clone, Debug)]
pub struct Mktorrent {
    piece_length_log2: u8,
    trackers: Vec<String>,
    private: bool,
}

impl Default for Mktorrent {
    fn default() -> Self {
        Self { piece_length_log2: PIECE_LENGTH_LOG2, trackers: Vec::new(), private: false }
    }
}

impl Mktorrent {
    /// Pieces of 32 KiB, no tracker, not private.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Pieces of two to the power of `exponent` bytes; mktorrent takes 15 to 28.
    #[must_use]
    pub fn piece_length_log2(mut self, exponent: u8) -> Self {
        self.piece_length_log2 = exponent;
        self
    }

    /// One more tracker, in a tier of its own.
    #[must_use]
    pub fn tracker(mut self, url: &str) -> Self {
        self.trackers.push(url.to_owned());
        self
    }

    /// Peers come from the trackers alone.
    #[must_use]
    pub fn private(mut self) -> Self {
        self.private = true;
        self
    }

    /// Makes a torrent of `payload`.
    ///
    /// # Panics
    /// When mktorrent is missing or fails.
    #[must_use]
    pub fn create(&self, payload: &Payload, file: &Path) -> Torrent {
        self.create_of(payload.root(), file)
    }

    /// Makes a torrent of a file or a folder.
    ///
    /// # Panics
    /// When mktorrent is missing or fails.
    #[must_use]
    pub fn create_of(&self, content: &Path, file: &Path) -> Torrent {
        let mut command = Command::new(Tool::Mktorrent.expect());
        command.args(["-l", &self.piece_length_log2.to_string(), "-t", "1", "-d"]).arg("-o").arg(file);
        if self.private {
            command.arg("-p");
        }
        for tracker in &self.trackers {
            command.args(["-a", tracker]);
        }
        let output = command.arg(content).output().expect("mktorrent runs");
        assert!(output.status.success(), "mktorrent: {output:?}");
        Torrent::read(file)
    }
}
