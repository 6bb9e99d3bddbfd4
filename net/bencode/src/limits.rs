//! How much a reader takes on before it gives up.

/// What one document may cost. A token is a number, a string (keys too), a list or a dictionary; each costs 16 bytes
/// of memory while the document is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Lists and dictionaries open at once.
    pub depth: u32,
    /// Tokens in the document.
    pub tokens: u32,
    /// Bytes of input, whether or not the document fills them.
    pub bytes: u32,
}

impl Limits {
    /// For messages over a stream: tracker replies, extension handshakes, peer exchange.
    ///
    /// They nest three or four deep. A tracker's reply in the long form has nine tokens a peer, so 1 MiB of such a
    /// reply has some 150,000; the table for the most tokens is 4 MiB.
    pub const MESSAGE: Limits = Limits { depth: 32, tokens: 1 << 18, bytes: 4 << 20 };

    /// For datagrams: they nest two deep, and the longest legal one, full of nodes, has some hundred tokens. Depth
    /// and tokens are those that libtorrent allows in its DHT.
    pub const DATAGRAM: Limits = Limits { depth: 10, tokens: 500, bytes: 1 << 16 };
}
