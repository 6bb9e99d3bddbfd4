//! What `get` and `seed` have in common: a session set up from flags, watched until its torrents are where they shall
//! be.

pub(crate) mod config;
mod entry;
mod hook;
pub(crate) mod line;
mod news;
mod overlay;
pub(crate) mod select;
mod watch;

pub(crate) use entry::Plan;
pub(crate) use watch::{Totals, Watch};
