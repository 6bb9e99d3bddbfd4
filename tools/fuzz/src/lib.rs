//! What must hold whatever strangers send: one function a reader, which is given any bytes and asserts it.
//!
//! A [`Target`] is such a function with the memory that it may take. `tools/fuzz/run` lets libFuzzer look for bytes under
//! which one fails; the tests of this crate give each its seeds, and changes of them, so that no target rots. Where
//! time, several senders or our own moves matter, the bytes are a [`script`].
#![deny(unsafe_code)]

mod bencode;
mod dht_node;
mod krpc;
mod lsd;
mod magnet;
pub mod memory;
mod metadata;
mod metainfo;
pub mod mutate;
mod pex;
mod portmap;
mod resume;
pub mod script;
mod session;
mod tracker;

/// Something that reads what strangers send.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, and that of its folder of seeds.
    pub name: &'static str,
    /// Reads the bytes and panics if something does not hold.
    pub run: fn(&[u8]),
    /// Bytes of an input that are looked at: what lies behind them changes nothing.
    pub input_max: usize,
    /// Bytes of memory that any input may take at once.
    pub memory: usize,
    /// Bytes of memory that each byte of the input may take beyond that.
    pub memory_per_byte: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    bencode::TARGET,
    dht_node::TARGET,
    krpc::TARGET,
    lsd::TARGET,
    magnet::TARGET,
    metadata::TARGET,
    metainfo::TARGET,
    pex::TARGET,
    portmap::TARGET,
    resume::TARGET,
    session::TARGET,
    tracker::TARGET,
];

impl Target {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Runs it, and sees that it stays within its memory.
    ///
    /// # Panics
    /// If something does not hold.
    pub fn judge(&self, data: &[u8]) {
        let data = &data[..data.len().min(self.input_max)];
        let took = memory::peak(|| (self.run)(data));
        let most = self.memory + self.memory_per_byte * data.len();
        assert!(
            took <= most,
            "{}: {took} bytes of memory for an input of {}, at most {most}",
            self.name,
            data.len()
        );
    }
}
