//! The bytes of the protocol: the handshake, frames, messages, the extension handshake.

pub mod extended;
pub mod frame;
pub mod handshake;
pub mod message;
