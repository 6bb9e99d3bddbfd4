//! Bencoding, the form of .torrent files and of many messages (BEP 3): a reader and a writer.
//!
//! The reader makes one pass over its input and builds one flat table of tokens; values are views into that table and
//! borrow their bytes from the input. It allocates nothing per key or value, never recurses, and ends with an error
//! that names the broken rule for whatever it is given, within the [`Limits`] it is given.
//!
//! Reading is lenient where real files are: unsorted and repeated keys (the first one counts), leading zeros and `-0`
//! are read. Who must be strict asks [`Value::oddity`] for the first such departure from the canonical form.
//! The writer can write nothing but the canonical form.
//!
//! ```
//! use tide_bencode::{Limits, decode, encode};
//!
//! let bytes = encode(|v| {
//!     v.dict(|d| {
//!         d.bytes(b"cow", b"moo");
//!         d.list(b"spam", |l| l.int(3));
//!     })
//! });
//! assert_eq!(bytes, b"d3:cow3:moo4:spamli3eee");
//! let document = decode(&bytes, Limits::MESSAGE)?;
//! assert_eq!(document.root().get(b"cow").and_then(|v| v.as_str()), Some("moo"));
//! # Ok::<(), tide_bencode::Error>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod limits;
mod reader;
mod value;
mod writer;

pub use error::{Error, Rule};
pub use limits::Limits;
pub use reader::{Document, decode, decode_prefix};
pub use value::{DictIter, Kind, ListIter, Oddity, Value};
pub use writer::{Dict, List, One, encode, encode_into};
