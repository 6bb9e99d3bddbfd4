//! A node's speed and memory.
fn main() {}
