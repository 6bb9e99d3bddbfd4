//! Where content rests: jobs in, completions out.
//!
//! The engine describes what it wants as a [`Job`]; whoever owns the files carries it out and answers with exactly one
//! [`Done`] a job, which brings the job's memory home. Nothing here knows threads or channels.

pub mod job;
pub mod table;
pub mod trouble;

pub use job::{
    Allocation, Answer, Backing, Class, Digest, Done, HashJob, Hashed, Job, JobId, Outcome, StoreKey,
    StoreSpec, Task, VolumeId,
};
pub use table::{FileEntry, FileState, FileTable};
pub use trouble::{Retry, Trouble, TroubleKind};
