//! What is wrong on purpose, so that the alarm is known to ring.

/// What is wrong with the nodes of a large DHT on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Canary {
    /// The end of a query is lost.
    LostEnds,
    /// No node hears an announce.
    LostStores,
    /// Whatever is asked is asked thirty times.
    Repeats,
    /// Whatever is answered is answered ten times.
    Echoes,
    /// A node stores more than its judge is told that it may.
    Hoards,
    /// A lookup takes more than its judge is told that it may.
    Wanders,
    /// Somebody asks for a private torrent.
    Leaks,
}

impl Canary {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Canary> {
        let all = [
            ("lost-ends", Canary::LostEnds),
            ("lost-stores", Canary::LostStores),
            ("repeats", Canary::Repeats),
            ("echoes", Canary::Echoes),
            ("hoards", Canary::Hoards),
            ("wanders", Canary::Wanders),
            ("leaks", Canary::Leaks),
        ];
        all.into_iter().find_map(|(known, canary)| (known == name).then_some(canary))
    }
}
