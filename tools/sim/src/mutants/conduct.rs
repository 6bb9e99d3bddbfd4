//! How a mutant conducts itself, vice aside.

use tide_base::Duration;

use super::Vice;

/// What a mutant claims to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Claims {
    /// Everything, as its handshake permits.
    All,
    /// Nothing.
    None,
    /// What its vice makes it say.
    Else,
}

/// How many connections it makes to a victim, and under which names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Names {
    /// One, under its own name.
    Own,
    /// Two, under its own name.
    Twice,
    /// Many, under a fresh name each.
    Fresh,
}

/// When a mutant throws what its vice has it throw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    /// Never: it shows elsewhere.
    Never,
    /// As soon as hands are shaken.
    AtOnce,
    /// At some moment.
    Anytime,
    /// At some moment while it may ask.
    Unchoked,
    /// At some moment when its victim has introduced itself.
    Introduced,
    /// At some moment when nothing that it asks for can have crossed a choke.
    Choked,
}

/// How a mutant conducts itself, vice aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conduct {
    /// Whether it can do the fast extension.
    pub(super) fast: bool,
    /// Whether it can do the extension protocol.
    pub(super) extended: bool,
    /// What it claims to have. Who claims all also unchokes and serves. (Who throws something at any time claims nothing on
    /// every other connection: a victim that has everything does not talk to seeds.)
    pub(super) claims: Claims,
    /// Whether it wants to be unchoked.
    pub(super) wants: bool,
    /// Its connections and names.
    pub(super) names: Names,
    /// When it throws something.
    pub(super) throws: When,
    /// After how long it leaves, if it does.
    pub(super) leaves: Option<Duration>,
}

impl Conduct {
    /// A seed without a vice.
    pub(super) const SEED: Conduct = Conduct {
        fast: true,
        extended: true,
        claims: Claims::All,
        wants: false,
        names: Names::Own,
        throws: When::Never,
        leaves: None,
    };

    /// One who wants something.
    const LEECH: Conduct = Conduct { claims: Claims::None, wants: true, ..Conduct::SEED };

    /// What a vice comes with.
    pub(super) const fn of(vice: Vice) -> Conduct {
        let seed = Conduct::SEED;
        let anytime = Conduct { throws: When::Anytime, ..seed };
        let silent = Conduct { claims: Claims::None, ..seed };
        match vice {
            Vice::Twins => Conduct { names: Names::Twice, ..seed },
            Vice::Crowd => Conduct { names: Names::Fresh, ..seed },
            // It comes, tells where it can be found, and goes.
            Vice::AnswersForAnother => Conduct { leaves: Some(Duration::from_secs(20)), ..silent },
            Vice::Snatches => Conduct::LEECH,
            Vice::BitfieldShort | Vice::BitfieldLong | Vice::BitfieldSpare | Vice::BitfieldLate => {
                Conduct { claims: Claims::Else, throws: When::Anytime, ..seed }
            }
            Vice::FastUnagreed => Conduct { fast: false, ..anytime },
            Vice::ExtendedUnagreed => Conduct { extended: false, ..anytime },
            Vice::RequestsChoked => Conduct { throws: When::Choked, ..silent },
            Vice::FloodRequests => Conduct { throws: When::Unchoked, ..Conduct::LEECH },
            Vice::FloodDontHaves
            | Vice::FloodMetadata
            | Vice::UnaskedMetadata
            | Vice::NonsenseMetadata
            | Vice::FloodPeers
            | Vice::NonsensePeers => Conduct { throws: When::Introduced, ..silent },
            Vice::FloodEarly => Conduct { throws: When::AtOnce, claims: Claims::Else, ..seed },
            Vice::FloodCancels | Vice::RequestsHuge => Conduct { throws: When::Anytime, ..Conduct::LEECH },
            Vice::NeverReads | Vice::GarbageAfter => {
                Conduct { throws: When::AtOnce, claims: Claims::Else, ..seed }
            }
            Vice::Unasked
            | Vice::BlockOutside
            | Vice::HaveOutside
            | Vice::BitfieldTwice
            | Vice::AllThenNone
            | Vice::HelloHuge
            | Vice::HelloDeep
            | Vice::MessageHuge
            | Vice::LengthWrong
            | Vice::HashesUnagreed
            | Vice::FlapsChoke
            | Vice::FlapsInterest
            | Vice::FloodKeepAlives
            | Vice::FloodRejects
            | Vice::FloodSuggestions
            | Vice::FloodAllowedFast
            | Vice::FloodHaves
            | Vice::FloodHellos
            | Vice::FloodUnknown => anytime,
            Vice::GarbageInstead
            | Vice::ForeignTorrent
            | Vice::VictimsId
            | Vice::AnothersId
            | Vice::SlowGreeting
            | Vice::SaysNothing
            | Vice::Liar
            | Vice::LiesSometimes
            | Vice::OneBit
            | Vice::BlockShort
            | Vice::BlockLong
            | Vice::BlockEmpty
            | Vice::CutsBlock
            | Vice::NeverServes
            | Vice::Drips
            | Vice::RejectsAll
            | Vice::TakesBack
            | Vice::LiesAboutMetadata => seed,
        }
    }
}
