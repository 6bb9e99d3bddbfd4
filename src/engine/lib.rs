//! The engine decides; the shell does. No socket, thread, file, clock or entropy is in here.
#![forbid(unsafe_code)]

pub mod torrent;
