//! Peers that break the rules, one rule each.
//!
//! A mutant has one [`Vice`]. In everything else it behaves: it dials and shakes hands, says what it has, unchokes, and
//! serves what it is asked for, so that it stays long enough for the vice to show, and nothing but the vice is found.
//! What a vice is to be found as says [`Vice::provokes`]; that each [`Fault`] is provoked by some vice is tested.
//!
//! ```text
//! mod.rs       the table of vices                        greetings.rs  hands that are not shaken properly
//! mutant.rs    who dials, hears, wakes, and when         data.rs       what is served, and how
//! acts.rs      what is done once hands are shaken        wire.rs       messages that nobody may send
//! conduct.rs   what distinguishes one from another       floods.rs     messages of which nobody may send so many
//! exchange.rs  metadata and peers
//! speaker.rs   BitTorrent, spoken by hand                snatch.rs     downloads, and is gone
//! ```
//! The codec is written by hand, so that a mistake in the engine's is not made on both sides.

mod acts;
mod conduct;
mod data;
mod exchange;
mod floods;
mod greetings;
mod mutant;
mod snatch;
pub(crate) mod speaker;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;

use tide_peer::Fault;

pub use mutant::{Bytes, Mutant, MutantSpec};

/// Which of the mutant's doings the vice is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Connecting and shaking hands.
    Greeting,
    /// Blocks.
    Data,
    /// Single messages.
    Wire,
    /// Many messages.
    Flood,
    /// Metadata and peers (BEP 9, 11).
    Exchange,
}

macro_rules! vices {
    ($($kind:ident: { $($(#[$doc:meta])* $name:ident = $text:literal => [$($fault:ident),*],)* })*) => {
        /// The one rule that a mutant breaks.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Vice {
            $($($(#[$doc])* $name,)*)*
        }

        impl Vice {
            /// All there are, in the order of the table.
            pub const ALL: &[Vice] = &[$($(Vice::$name,)*)*];

            /// What it is called in tables and on the command line.
            pub const fn name(self) -> &'static str {
                match self { $($(Vice::$name => $text,)*)* }
            }

            /// What it is about.
            pub const fn kind(self) -> Kind {
                match self { $($(Vice::$name => Kind::$kind,)*)* }
            }

            /// The faults by which it is found: one of them is raised for it. None if what it does is no fault of the
            /// protocol.
            pub const fn provokes(self) -> &'static [Fault] {
                match self { $($(Vice::$name => &[$(Fault::$fault),*],)*)* }
            }
        }
    };
}

vices! {
    Greeting: {
        /// Says something else than a handshake.
        GarbageInstead = "garbage-instead" => [NotBitTorrent],
        /// Comes for a torrent that nobody has.
        ForeignTorrent = "foreign-torrent" => [],
        /// Answers who dials it for another torrent than was asked.
        AnswersForAnother = "answers-for-another" => [InfoHashDiffers],
        /// Calls itself what its victim is called.
        VictimsId = "victims-id" => [SelfConnection],
        /// Calls itself what another peer is called.
        AnothersId = "anothers-id" => [],
        /// Connects twice under one name.
        Twins = "twins" => [],
        /// Connects often under many names.
        Crowd = "crowd" => [],
        /// A handshake of a byte a second.
        SlowGreeting = "slow-greeting" => [],
        /// Connects and says nothing.
        SaysNothing = "says-nothing" => [],
    }
    Data: {
        /// All it serves is wrong.
        Liar = "liar" => [],
        /// Some of what it serves is wrong.
        LiesSometimes = "lies-sometimes" => [],
        /// One bit of one block is wrong.
        OneBit = "one-bit" => [],
        /// Blocks that nobody asked for.
        Unasked = "unasked" => [BlocksUnasked],
        /// The blocks asked for, but shorter.
        BlockShort = "block-short" => [BlocksUnasked],
        /// The blocks asked for, but longer than any may be.
        BlockLong = "block-long" => [BlockTooLong],
        /// The blocks asked for, but with nothing in them.
        BlockEmpty = "block-empty" => [MessageLength],
        /// A block that lies outside of the torrent.
        BlockOutside = "block-outside" => [BlockOutOfRange],
        /// Ends in the middle of a block.
        CutsBlock = "cuts-block" => [],
        /// Unchokes and never serves.
        NeverServes = "never-serves" => [],
        /// Serves a byte a minute.
        Drips = "drips" => [],
        /// Claims all and rejects all.
        RejectsAll = "rejects-all" => [],
        /// Claims all, takes back what it is asked for, and claims it again.
        TakesBack = "takes-back" => [],
        /// Downloads everything and leaves at once.
        Snatches = "snatches" => [],
    }
    Wire: {
        /// Has a piece that does not exist.
        HaveOutside = "have-outside" => [PieceOutOfRange],
        /// A bitfield that is too short.
        BitfieldShort = "bitfield-short" => [BitfieldLength],
        /// A bitfield that is too long.
        BitfieldLong = "bitfield-long" => [BitfieldLength],
        /// A bitfield with pieces behind the last one.
        BitfieldSpare = "bitfield-spare" => [BitfieldLength],
        /// A bitfield after other messages: many clients do that, and it is put up with.
        BitfieldLate = "bitfield-late" => [],
        /// A bitfield, and another one later.
        BitfieldTwice = "bitfield-twice" => [],
        /// Has everything, and then nothing.
        AllThenNone = "all-then-none" => [],
        /// An extension dictionary of a mebibyte.
        HelloHuge = "hello-huge" => [MessageTooLong],
        /// An extension dictionary in a dictionary in a dictionary.
        HelloDeep = "hello-deep" => [HelloMalformed],
        /// Random bytes after the handshake.
        GarbageAfter = "garbage-after" => [
            MessageTooLong, MessageLength, BlockTooLong, BitfieldLength, HashesNotNegotiated, UnknownFlood
        ],
        /// A message of four gibibytes.
        MessageHuge = "message-huge" => [MessageTooLong],
        /// A message whose length does not fit its kind.
        LengthWrong = "length-wrong" => [MessageLength],
        /// Messages of the fast extension, which was not agreed on.
        FastUnagreed = "fast-unagreed" => [FastNotNegotiated],
        /// Messages of the extension protocol, which was not agreed on.
        ExtendedUnagreed = "extended-unagreed" => [ExtendedNotNegotiated],
        /// Messages about hashes of version 2, which was not agreed on.
        HashesUnagreed = "hashes-unagreed" => [HashesNotNegotiated],
    }
    Flood: {
        /// Requests while it is choked.
        RequestsChoked = "requests-choked" => [RequestsWhileChoked],
        /// Requests of a gibibyte.
        RequestsHuge = "requests-huge" => [RequestsInvalid],
        /// More requests than anybody can answer.
        FloodRequests = "flood-requests" => [RequestFlood],
        /// Cancels of what it did not ask for.
        FloodCancels = "flood-cancels" => [CancelFlood],
        /// Chokes and unchokes, on and on.
        FlapsChoke = "flaps-choke" => [ChokeFlapping],
        /// Is interested and is not, on and on.
        FlapsInterest = "flaps-interest" => [InterestFlapping],
        /// Keep-alives without need.
        FloodKeepAlives = "flood-keep-alives" => [KeepAliveFlood],
        /// Rejects of what nobody asked for.
        FloodRejects = "flood-rejects" => [RejectFlood],
        /// The same suggestion again and again.
        FloodSuggestions = "flood-suggestions" => [SuggestFlood],
        /// The same piece allowed again and again.
        FloodAllowedFast = "flood-allowed-fast" => [AllowedFastFlood],
        /// The same piece announced again and again.
        FloodHaves = "flood-haves" => [HaveFlood],
        /// Takes back what it never had.
        FloodDontHaves = "flood-dont-haves" => [DontHaveFlood],
        /// One extension handshake after another.
        FloodHellos = "flood-hellos" => [HelloFlood],
        /// Messages that nobody knows.
        FloodUnknown = "flood-unknown" => [UnknownFlood],
        /// Makes its victim answer, and reads nothing of it.
        NeverReads = "never-reads" => [NotReading],
    }
    Exchange: {
        /// Says far too much about pieces while nobody knows them.
        FloodEarly = "flood-early" => [EarlyFlood],
        /// Asks for the metadata again and again.
        FloodMetadata = "flood-metadata" => [MetadataFlood],
        /// Sends metadata that nobody asked for.
        UnaskedMetadata = "unasked-metadata" => [MetadataUnasked],
        /// Messages about metadata that are none.
        NonsenseMetadata = "nonsense-metadata" => [MetadataMalformed],
        /// Says that it has the metadata, and sends something else.
        LiesAboutMetadata = "lies-about-metadata" => [MetadataWrong],
        /// Tells of its peers again and again.
        FloodPeers = "flood-peers" => [PexFlood],
        /// Messages about peers that are none.
        NonsensePeers = "nonsense-peers" => [PexMalformed],
    }
}

impl Vice {
    /// Whether its address is banned for it, sooner or later: it sends wrong data.
    pub const fn is_banned(self) -> bool {
        matches!(self, Vice::Liar | Vice::LiesSometimes | Vice::OneBit)
    }

    /// The vices of the exchanges of metadata and peers.
    pub fn exchange() -> &'static [Vice] {
        &Vice::ALL[Vice::first().len()..]
    }

    /// All but these. What is drawn among them stays what it is when an exchange gets one more.
    pub fn first() -> &'static [Vice] {
        let others = Vice::ALL.iter().take_while(|vice| vice.kind() != Kind::Exchange).count();
        &Vice::ALL[..others]
    }

    /// Whether it shows only to somebody who seeks metadata.
    pub const fn needs_seeker(self) -> bool {
        matches!(self, Vice::FloodEarly | Vice::LiesAboutMetadata)
    }

    /// Whether it shows only on connections that others made to the mutant.
    pub const fn waits(self) -> bool {
        matches!(self, Vice::AnswersForAnother)
    }
}

impl fmt::Display for Vice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
