//! Torrents and links from outside: tables of valid and invalid ones, another program's files, hostile ones.

mod build;
mod corpus;
mod edit;
mod hybrid;
mod invalid;
mod magnet;
mod mktorrent;
mod properties;
