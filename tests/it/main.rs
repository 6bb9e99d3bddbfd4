//! Black box: the library over real sockets and files, the program, and the clients and trackers of others.

#[cfg(feature = "cli")]
mod after_five_minutes;
mod choosing;
mod dht;
mod edges;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod faults;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod gateway;
#[cfg(feature = "cli")]
mod hostile;
#[cfg(feature = "tls")]
mod https;
mod interop;
#[cfg(feature = "cli")]
mod kill;
mod links;
mod loopback;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod memory;
#[cfg(feature = "cli")]
mod nearby;
#[cfg(feature = "cli")]
mod program;
mod removing;
mod scene;
#[cfg(feature = "cli")]
mod seeking;
mod trackers;
mod waiting;
#[cfg(feature = "cli")]
mod work;
