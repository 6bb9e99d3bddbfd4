//! Faults: which rule of the protocol a peer broke. Each ends the connection; how the address is treated afterwards is
//! the caller's policy.

use core::fmt;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The rule that the peer broke.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All there are, each at the place of its number.
            pub const ALL: &[Fault] = &[$(Fault::$name,)*];

            /// What the peer did, in a few words.
            const fn text(self) -> &'static str {
                match self { $(Fault::$name => $text,)* }
            }
        }
    };
}

faults! {
    /// It went on telling us about pieces of the allowed-fast set that it had told us already or that do not exist.
    AllowedFastFlood = "too many useless allowed-fast messages",
    /// A bitfield whose length is not that of the torrent's pieces, or with a spare bit set (BEP 3).
    BitfieldLength = "the bitfield does not fit the torrent",
    /// A block that lies outside of the torrent.
    BlockOutOfRange = "a block outside of the torrent",
    /// A block longer than any that we ask for.
    BlockTooLong = "a block longer than any we ask for",
    /// It went on sending blocks that nobody had asked for (BEP 6: a peer must not).
    BlocksUnasked = "too many blocks that nobody asked for",
    /// It went on cancelling requests.
    CancelFlood = "too many cancels",
    /// It went on choking and unchoking us.
    ChokeFlapping = "choked and unchoked us too often",
    /// It went on taking back pieces that it had not claimed to have (BEP 54).
    DontHaveFlood = "took back too many pieces it never had",
    /// It said more about pieces than anybody has to say before the torrent's info dictionary is known.
    EarlyFlood = "said too much about pieces before we know the torrent",
    /// A message of the extension protocol (BEP 10) on a connection where it was not agreed on.
    ExtendedNotNegotiated = "an extended message without the extension protocol",
    /// A message of the fast extension (BEP 6) on a connection where it was not agreed on.
    FastNotNegotiated = "a fast message without the fast extension",
    /// A message of the hash exchange (BEP 52) on a connection where it was not agreed on.
    HashesNotNegotiated = "a hash message without version 2",
    /// It went on telling us about pieces that we knew it has.
    HaveFlood = "told us of the same pieces too often",
    /// It went on sending extension handshakes.
    HelloFlood = "too many extension handshakes",
    /// An extension handshake that is not a bencoded dictionary (BEP 10).
    HelloMalformed = "the extension handshake is not a dictionary",
    /// The answer to our handshake names another torrent.
    InfoHashDiffers = "the handshake names another torrent",
    /// It went on becoming interested and uninterested.
    InterestFlapping = "changed its interest too often",
    /// It went on sending keep-alives.
    KeepAliveFlood = "too many keep-alives",
    /// A message whose length does not fit its kind.
    MessageLength = "a message whose length does not fit its kind",
    /// A message longer than any that we accept.
    MessageTooLong = "a message longer than we accept",
    /// It went on requesting metadata (BEP 9).
    MetadataFlood = "too many requests for metadata",
    /// A metadata message that is not a bencoded dictionary with its kind and piece (BEP 9).
    MetadataMalformed = "a metadata message that is none",
    /// It went on sending or rejecting metadata that nobody had asked for.
    MetadataUnasked = "too much metadata that nobody asked for",
    /// It sent metadata that is not the torrent's, or said too often that there is more or less of it (BEP 9).
    MetadataWrong = "sent metadata that is not the torrent's",
    /// What came first is not BitTorrent's handshake (BEP 3).
    NotBitTorrent = "not a BitTorrent handshake",
    /// It makes us answer and does not read the answers.
    NotReading = "does not read what it makes us send",
    /// It went on exchanging peers much more often than once a minute (BEP 11).
    PexFlood = "exchanged peers too often",
    /// A peer exchange that is not a bencoded dictionary (BEP 11).
    PexMalformed = "a peer exchange that is not a dictionary",
    /// A piece that the torrent does not have.
    PieceOutOfRange = "a piece that does not exist",
    /// It went on rejecting requests that we had not made (BEP 6).
    RejectFlood = "rejected too many requests that we never made",
    /// It went on requesting what it had requested already, or more than we accept at a time.
    RequestFlood = "too many requests, or the same ones again",
    /// It went on requesting blocks that do not exist or are longer than we serve.
    RequestsInvalid = "too many requests that cannot be served",
    /// It went on requesting blocks while we choked it.
    RequestsWhileChoked = "too many requests while choked",
    /// The peer is ourselves.
    SelfConnection = "a connection to ourselves",
    /// It went on suggesting pieces that it had suggested already or that do not exist.
    SuggestFlood = "too many useless suggestions",
    /// It went on sending messages that we do not know.
    UnknownFlood = "too many unknown messages",
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl core::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn all_of_them_stand_in_their_order_each_with_words_of_its_own() {
        assert!(Fault::ALL.iter().enumerate().all(|(number, fault)| *fault as usize == number));
        let words: BTreeSet<&str> = Fault::ALL.iter().map(|fault| fault.text()).collect();
        assert_eq!((Fault::ALL.len(), words.len()), (36, 36));
    }
}
