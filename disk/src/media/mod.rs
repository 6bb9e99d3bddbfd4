//! The media that come with the crate: positional files, mapped files, memory, and [`System`], which is all three.

mod file;
mod folders;
mod mapped;
mod memory;
mod pressure;
mod system;

pub use memory::{Memory, MemoryFile, MemoryLock};
pub use system::{System, SystemFile, SystemLock};
