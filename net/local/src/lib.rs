//! Local service discovery (BEP 14): peers of the same network find each other by multicast, without a tracker.
//!
//! Bytes and time in, bytes and peers out. The owner carries the datagrams of both groups ([`Group`]), over each of
//! its interfaces. [`Discovery`] keeps the schedule and decides who is believed; [`Announce`] is the message.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod discovery;
mod floods;
pub mod limits;
mod message;

pub use discovery::{Discovery, Found, OwnAddress, Reason, Send, Visibility};
pub use message::{Announce, Fault, Group};
