//! Faults: which rule of the protocol a peer broke. Each ends the connection; how the address is treated afterwards is
//! the caller's policy.

use core::fmt;

/// The rule that the peer broke.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fault {
    /// It went on telling us about pieces of the allowed-fast set that it had told us already or that do not exist.
    AllowedFastFlood,
    /// A bitfield whose length is not that of the torrent's pieces, or with a spare bit set (BEP 3).
    BitfieldLength,
    /// A block that lies outside of the torrent.
    BlockOutOfRange,
    /// A block longer than any that we ask for.
    BlockTooLong,
    /// It went on sending blocks that nobody had asked for (BEP 6: a peer must not).
    BlocksUnasked,
    /// It went on cancelling requests.
    CancelFlood,
    /// It went on choking and unchoking us.
    ChokeFlapping,
    /// It went on taking back pieces that it had not claimed to have (BEP 54).
    DontHaveFlood,
    /// A message of the extension protocol (BEP 10) on a connection where it was not agreed on.
    ExtendedNotNegotiated,
    /// A message of the fast extension (BEP 6) on a connection where it was not agreed on.
    FastNotNegotiated,
    /// A message of the hash exchange (BEP 52) on a connection where it was not agreed on.
    HashesNotNegotiated,
    /// It went on telling us about pieces that we knew it has.
    HaveFlood,
    /// It went on sending extension handshakes.
    HelloFlood,
    /// An extension handshake that is not a bencoded dictionary (BEP 10).
    HelloMalformed,
    /// The answer to our handshake names another torrent.
    InfoHashDiffers,
    /// It went on becoming interested and uninterested.
    InterestFlapping,
    /// It went on sending keep-alives.
    KeepAliveFlood,
    /// A message whose length does not fit its kind.
    MessageLength,
    /// A message longer than any that we accept.
    MessageTooLong,
    /// What came first is not BitTorrent's handshake (BEP 3).
    NotBitTorrent,
    /// It makes us answer and does not read the answers.
    NotReading,
    /// A piece that the torrent does not have.
    PieceOutOfRange,
    /// It went on rejecting requests that we had not made (BEP 6).
    RejectFlood,
    /// It went on requesting what it had requested already, or more than we accept at a time.
    RequestFlood,
    /// It went on requesting blocks that do not exist or are longer than we serve.
    RequestsInvalid,
    /// It went on requesting blocks while we choked it.
    RequestsWhileChoked,
    /// The peer is ourselves.
    SelfConnection,
    /// It went on suggesting pieces that it had suggested already or that do not exist.
    SuggestFlood,
    /// It went on sending messages that we do not know.
    UnknownFlood,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::AllowedFastFlood => "too many useless allowed-fast messages",
            Fault::BitfieldLength => "the bitfield does not fit the torrent",
            Fault::BlockOutOfRange => "a block outside of the torrent",
            Fault::BlockTooLong => "a block longer than any we ask for",
            Fault::BlocksUnasked => "too many blocks that nobody asked for",
            Fault::CancelFlood => "too many cancels",
            Fault::ChokeFlapping => "choked and unchoked us too often",
            Fault::DontHaveFlood => "took back too many pieces it never had",
            Fault::ExtendedNotNegotiated => "an extended message without the extension protocol",
            Fault::FastNotNegotiated => "a fast message without the fast extension",
            Fault::HashesNotNegotiated => "a hash message without version 2",
            Fault::HaveFlood => "told us of the same pieces too often",
            Fault::HelloFlood => "too many extension handshakes",
            Fault::HelloMalformed => "the extension handshake is not a dictionary",
            Fault::InfoHashDiffers => "the handshake names another torrent",
            Fault::InterestFlapping => "changed its interest too often",
            Fault::KeepAliveFlood => "too many keep-alives",
            Fault::MessageLength => "a message whose length does not fit its kind",
            Fault::MessageTooLong => "a message longer than we accept",
            Fault::NotBitTorrent => "not a BitTorrent handshake",
            Fault::NotReading => "does not read what it makes us send",
            Fault::PieceOutOfRange => "a piece that does not exist",
            Fault::RejectFlood => "rejected too many requests that we never made",
            Fault::RequestFlood => "too many requests, or the same ones again",
            Fault::RequestsInvalid => "too many requests that cannot be served",
            Fault::RequestsWhileChoked => "too many requests while choked",
            Fault::SelfConnection => "a connection to ourselves",
            Fault::SuggestFlood => "too many useless suggestions",
            Fault::UnknownFlood => "too many unknown messages",
        })
    }
}

impl core::error::Error for Fault {}
