//! The disks of the world: made-up content, a file system that fails, crashes and remembers what it did, and the disk
//! threads before it.
//!
//! ```text
//! engine → Job → Keeper (when) → tide_disk::Stores → Medium (a Storage) → files, in two images: there, and durable
//! ```

mod body;
mod calls;
mod content;
mod harm;
mod held;
mod inode;
mod keeper;
mod ledger;
mod medium;
mod names;

#[cfg(test)]
mod tests;

pub use calls::{MediumFile, MediumLock};
pub use content::{Content, ContentSpec, FileSpec};
pub use keeper::{Keeper, Pace};
pub use ledger::{Cause, PieceTruth};
pub use medium::{Medium, MediumSpec};
