//! Where content rests: jobs in, completions out.
//!
//! The engine describes what it wants as a [`Job`]; whoever owns the files carries it out and answers with exactly one
//! [`Done`] a job, which brings the job's memory home. [`Stores`] carries jobs out; it starts no thread and reads no
//! clock. Files are reached through [`Storage`] alone, which an embedder may implement; [`System`] is this machine's.
//!
//! ```text
//! Job → stores → queue (whose turn) → store (what is open) → plan (which bytes of which files) → storage → Done
//! ```
#![deny(unsafe_code)]

mod aside;
mod beside;
mod claims;
mod desk;
mod handles;
pub mod job;
pub mod limits;
pub mod media;
mod plan;
mod pool;
mod queue;
mod relocate;
pub mod resume;
mod save;
mod settle;
pub mod storage;
mod store;
mod stores;
pub mod table;
mod transfer;
pub mod trouble;
mod unsynced;

pub use beside::SyncJob;
pub use limits::Limits;
pub use media::{Memory, System};
pub use storage::{Access, Place, Storage, StorageFile};
pub use stores::Stores;

pub use job::{
    Allocation, Answer, Backing, Class, Digest, Done, HashJob, Hashed, Job, JobId, Outcome, StoreKey,
    StoreSpec, Study, Task, VolumeId,
};
pub use table::{FileEntry, FileState, FileTable};
pub use trouble::{Retry, Trouble, TroubleKind};
