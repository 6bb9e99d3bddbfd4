//! A world for the engine: whole swarms, simulated deterministically and replayed from a seed.
//!
//! The engine in here is the one that ships, whole: `tide-engine`, the protocol crates, and `tide-disk` over a simulated
//! medium. Only the shell is another: instead of sockets, threads and a clock there is one agenda of events, whose order
//! comes from a seed.
//!
//! ```text
//! seed → scenario (everything derived, printable) → world (net, disk, nodes, actors) → judges → verdict and trail
//! ```
#![forbid(unsafe_code)]

pub mod actor;
pub mod dice;
pub mod disk;
pub mod home;
pub mod judge;
pub mod liar;
pub mod mishap;
pub mod mutants;
pub mod net;
pub mod overlay;
pub mod pcap;
mod run;
pub mod scenario;
pub mod tracker;
pub mod trail;
pub mod world;

pub use actor::{Actor, Deed, EndId, Hands, Heard};
pub use dice::{Dice, Odds};
pub use mishap::{Mishap, Tally};
pub use run::{Note, Outcome, Verdict, Watch, run};
pub use scenario::{Cut, Directed, Scenario, draw};
pub use trail::Trail;
pub use world::World;
