//! The extensions of a connection (BEP 10): under which numbers each side receives them.

pub mod dont_have;
pub mod upload_only;

use crate::event::ExtensionKind;
use crate::metadata;
use crate::pex;
use crate::wire::extended::Names;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The number of the extension handshake on both sides.
pub const HELLO: u8 = 0;
/// The number by which we receive the first extension that the caller registered; the others follow.
const FIRST_REGISTERED: u8 = pex::ID + 1;
/// How many extensions a caller may register: their numbers are one byte.
pub const REGISTERED_MAX: usize = (u8::MAX - FIRST_REGISTERED) as usize;

/// Which exchanges between peers a session takes part in. Private torrents have none (BEP 27).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Offers {
    /// Metadata (BEP 9).
    pub metadata: bool,
    /// Peers (BEP 11).
    pub pex: bool,
}

impl Offers {
    /// None: for private torrents.
    pub const NONE: Offers = Offers { metadata: false, pex: false };
    /// All of them.
    pub const ALL: Offers = Offers { metadata: true, pex: true };

    fn list(self) -> [(&'static [u8], u8, bool); 2] {
        [(metadata::NAME, metadata::ID, self.metadata), (pex::NAME, pex::ID, self.pex)]
    }
}

/// What a number of ours stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// The extension handshake.
    Hello,
    /// `lt_donthave` (BEP 54).
    DontHave,
    /// `upload_only` (BEP 21, as a message).
    UploadOnly,
    /// `ut_metadata` (BEP 9).
    Metadata,
    /// `ut_pex` (BEP 11).
    Pex,
    /// One that the caller registered.
    Registered(ExtensionKind),
}

/// The numbers under which the peer receives what we know.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// By our number; 0 where the peer does not take it.
    theirs: Vec<u8>,
}

/// What our number `id` stands for, when `registered` extensions are and `offers` are made.
pub fn known(id: u8, registered: usize, offers: Offers) -> Option<Known> {
    match id {
        HELLO => Some(Known::Hello),
        dont_have::ID => Some(Known::DontHave),
        upload_only::ID => Some(Known::UploadOnly),
        metadata::ID => offers.metadata.then_some(Known::Metadata),
        pex::ID => offers.pex.then_some(Known::Pex),
        _ => {
            let kind = id - FIRST_REGISTERED;
            (usize::from(kind) < registered).then_some(Known::Registered(ExtensionKind(kind)))
        }
    }
}

/// The names that we announce, in ascending order, with our numbers; with 0 what was offered `before` and is not any
/// more, because a peer remembers what it is not told anew (BEP 10).
pub fn names(registered: &[String], offers: Offers, before: Offers) -> Vec<(&[u8], u8)> {
    let mut names = vec![(dont_have::NAME, dont_have::ID), (upload_only::NAME, upload_only::ID)];
    for ((name, id, offered), (.., before)) in offers.list().into_iter().zip(before.list()) {
        if offered || before {
            names.push((name, if offered { id } else { 0 }));
        }
    }
    let ours = FIRST_REGISTERED..;
    names.extend(registered.iter().map(String::as_bytes).zip(ours).take(REGISTERED_MAX));
    names.sort_unstable();
    names.dedup_by_key(|(name, _)| *name);
    names
}

impl Numbers {
    /// The peer has announced nothing yet.
    pub fn new(registered: usize) -> Numbers {
        Numbers { theirs: vec![0; usize::from(FIRST_REGISTERED) + registered.min(REGISTERED_MAX)] }
    }

    /// Takes over what the peer announced, which changes only what it names (BEP 10).
    pub fn update(&mut self, announced: &Names<'_>, registered: &[String]) {
        let ours = names(registered, Offers::ALL, Offers::ALL);
        for (name, theirs) in announced {
            if let Ok(at) = ours.binary_search_by_key(name, |(name, _)| *name) {
                self.theirs[usize::from(ours[at].1)] = *theirs;
            }
        }
    }

    /// The number under which the peer receives what we receive under `ours`.
    fn of(&self, ours: u8) -> Option<u8> {
        self.theirs.get(usize::from(ours)).copied().filter(|&id| id != 0)
    }

    /// The number under which the peer receives a registered extension, if it does.
    pub fn registered(&self, kind: ExtensionKind) -> Option<u8> {
        self.of(kind.0.checked_add(FIRST_REGISTERED)?)
    }

    /// The number under which the peer receives `lt_donthave`, if it does.
    pub fn dont_have(&self) -> Option<u8> {
        self.of(dont_have::ID)
    }

    /// The number under which the peer receives `ut_metadata`, if it does.
    pub fn metadata(&self) -> Option<u8> {
        self.of(metadata::ID)
    }

    /// The number under which the peer receives `ut_pex`, if it does.
    pub fn pex(&self) -> Option<u8> {
        self.of(pex::ID)
    }

    /// The number under which the peer receives `upload_only`, if it does.
    pub fn upload_only(&self) -> Option<u8> {
        self.of(upload_only::ID)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_each_sides_own_and_change_by_what_is_announced() {
        let registered = [String::from("x_one"), String::from("a_first")];
        let (none, all) = (Offers::NONE, Offers::ALL);
        let few = [(&b"a_first"[..], 6), (b"lt_donthave", 1), (b"upload_only", 2), (b"x_one", 5)];
        assert_eq!(names(&registered, none, none), few);
        let known = |id, offers| known(id, 2, offers);
        assert_eq!(known(0, none), Some(Known::Hello));
        assert_eq!(known(1, none), Some(Known::DontHave));
        assert_eq!(known(2, none), Some(Known::UploadOnly));
        assert_eq!((known(3, none), known(3, all)), (None, Some(Known::Metadata)));
        assert_eq!((known(4, none), known(4, all)), (None, Some(Known::Pex)));
        assert_eq!(known(6, none), Some(Known::Registered(ExtensionKind(1))));
        assert_eq!((known(7, all), known(255, all)), (None, None));

        let mut numbers = Numbers::new(2);
        assert_eq!(numbers.registered(ExtensionKind(0)), None);
        let theirs = vec![(&b"x_one"[..], 9), (b"other", 1), (b"lt_donthave", 7), (b"ut_pex", 3)];
        numbers.update(&theirs, &registered);
        assert_eq!(numbers.registered(ExtensionKind(0)), Some(9));
        assert_eq!(numbers.registered(ExtensionKind(1)), None);
        assert_eq!(numbers.registered(ExtensionKind(255)), None);
        assert_eq!((numbers.pex(), numbers.metadata()), (Some(3), None));
        numbers.update(&vec![(&b"x_one"[..], 0)], &registered);
        assert_eq!((numbers.registered(ExtensionKind(0)), numbers.dont_have()), (None, Some(7)));
        assert_eq!(numbers.upload_only(), None);
    }

    #[test]
    fn an_offer_that_is_withdrawn_is_said_to_be() {
        let pex = Offers { metadata: false, pex: true };
        let base = [(&b"lt_donthave"[..], 1), (b"upload_only", 2)];
        let with = |more: &[(&'static [u8], u8)]| [&base[..], more].concat();
        assert_eq!(names(&[], Offers::ALL, Offers::NONE), with(&[(b"ut_metadata", 3), (b"ut_pex", 4)]));
        assert_eq!(names(&[], pex, Offers::ALL), with(&[(b"ut_metadata", 0), (b"ut_pex", 4)]));
        assert_eq!(names(&[], Offers::NONE, pex), with(&[(b"ut_pex", 0)]));
    }
}
