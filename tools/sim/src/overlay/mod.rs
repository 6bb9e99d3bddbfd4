//! A large DHT, on the world's agenda and net: nodes of `tide-dht` in thousands, each one the code that ships, and a few
//! whole engines whose swarms nothing else brings together. Nodes leave without a word and come back, three in ten
//! cannot be reached, one in ten is a [liar](crate::liar).
//!
//! ```text
//! plan.rs     all that is drawn from a seed     peer.rs     a node: what a shell and a user do for it
//! engines.rs  swarms without a tracker          run.rs      the story, and its verdict
//! figures.rs  what it came to, in numbers       canary.rs   what is wrong on purpose
//! ```
//! How each node behaves is judged by [`judge::places`](crate::judge::places).

mod canary;
mod engines;
mod figures;
mod peer;
mod plan;
mod run;

pub use canary::Canary;
pub use figures::{Figures, Spread};
pub use plan::{HiddenBy, LiarPlan, PeerPlan, Plan};
pub use run::{Report, run};
