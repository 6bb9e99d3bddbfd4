//! .torrent files and magnet links: reading, writing, rewriting. Pure: no disk, no network, no hashing of content.
//!
//! [`Torrent::parse`] reads any v1 torrent and hybrids as v1 (BEP 3, 12, 19, 27, 47, 52). Whatever it is given, it
//! ends with a torrent whose numbers fit together and whose [paths](SafePath) stay inside the download folder, or
//! with an [`Error`] that names the broken rule. Names are mended ([`names`]); only broken structure is refused.
//!
//! [`create()`] writes new ones, [`rewrite()`] changes what is outside the info dictionary, [`Magnet`] is a link.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod create;
pub mod edit;
pub mod error;
mod files;
mod hybrid;
mod info;
mod limits;
mod links;
pub mod magnet;
pub mod names;
mod path;
mod percent;
mod text;
mod torrent;
mod unique;

pub use create::{Contents, NewFile, Recipe, create, is_name, piece_length_for};
pub use edit::{Changes, rewrite};
pub use error::{CreateError, Error, MagnetError};
pub use files::{Attributes, File, FileKind};
pub use info::Info;
pub use limits::Limits;
pub use magnet::Magnet;
pub use names::NameRules;
pub use path::SafePath;
pub use text::HostPort;
pub use torrent::Torrent;
