//! One node of the DHT (BEP 5) without I/O: datagrams and time in, datagrams and events out.
//!
//! The owner has the socket, the clock, the entropy and the names of routers. It hands every datagram that
//! [`krpc::is_likely`] to [`Node::datagram`], calls [`Node::settle`] once a turn, sends and hears whatever
//! [`Node::poll`] returns until that is `None`, and comes back at [`Node::wake_at`]. The same inputs under the same
//! seed give the same outputs.
//!
//! * [`krpc`]: the messages (BEP 5, 32, 33, 42, 43, 44, 51) and their form.
//! * [`Node`]: both networks (BEP 32) behind one front: routing tables, lookups, stores, upkeep.
//! * [`item`]: what BEP 44 stores. [`secure`]: the ids of BEP 42. [`bloom`]: the counting of BEP 33.
//!
//! ```
//! use tide_base::{InfoHash, Instant, Prng};
//! use tide_dht::{Config, Event, Node, Output, QueryId};
//!
//! let now = Instant::ZERO;
//! let mut node = Node::new(Config::default(), Prng::new(7), now);
//! node.add_router(now, "9.8.7.6:6881".parse()?);
//! node.get_peers(QueryId(1), InfoHash([1; 20]), None)?;
//! node.settle(now);
//! while let Some(output) = node.poll() {
//!     match output {
//!         Output::Send { to, datagram } => println!("{} bytes to {to}", datagram.len()),
//!         Output::Event(Event::Peers { peers, .. }) => println!("found {peers:?}"),
//!         Output::Event(event) => println!("{event:?}"),
//!     }
//! }
//! println!("then at {:?}", node.wake_at());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! Memory of a node is bounded by its [`Limits`]: with the defaults 100 KiB for both tables, 40 KiB for counting
//! floods, 9 MiB for peers that others announced and 1.5 MiB for items when those stores are full, and at most 100 KiB
//! for each of 34 lookups under way: 14 MiB at the very worst, some 200 KiB usually. Queries that wait are the owner's
//! and come on top. [`Node::memory`] says what it is.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod bloom;
mod calls;
mod config;
mod digest;
mod event;
mod flood;
mod host;
mod id;
pub mod item;
pub mod krpc;
pub mod limits;
mod lookup;
mod node;
mod saved;
pub mod secure;
mod store;
mod table;
mod token;
mod votes;

pub use config::{Config, Families, Reach};
pub use event::{Effort, Event, Failure, Outcome, Output, QueryId, Reason, Refused, Swarm};
pub use host::Locals;
pub use id::{Contact, Distance, NodeId};
pub use item::Item;
pub use krpc::{Port, Samples};
pub use limits::Limits;
pub use node::{Announce, Counters, Node, Stats, Wanted};
pub use saved::{NotSaved, Saved};
pub use table::TableStats;
pub use tide_base::addr::Family;
