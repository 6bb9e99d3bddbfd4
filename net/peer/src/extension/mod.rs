//! The extensions of a connection (BEP 10): under which numbers each side receives them.

pub mod dont_have;
pub mod upload_only;

use crate::event::ExtensionKind;
use crate::wire::extended::Names;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// The number of the extension handshake on both sides.
pub const HELLO: u8 = 0;
/// The number by which we receive the first extension that the caller registered; the others follow.
const FIRST_REGISTERED: u8 = upload_only::ID + 1;
/// How many extensions a caller may register: their numbers are one byte.
pub const REGISTERED_MAX: usize = (u8::MAX - FIRST_REGISTERED) as usize;

/// What a number of ours stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// The extension handshake.
    Hello,
    /// `lt_donthave` (BEP 54).
    DontHave,
    /// `upload_only` (BEP 21, as a message).
    UploadOnly,
    /// One that the caller registered.
    Registered(ExtensionKind),
}

/// The numbers under which the peer receives what we know.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// By our number; 0 where the peer does not take it.
    theirs: Vec<u8>,
}

/// What our number `id` stands for, when `registered` extensions are.
pub fn known(id: u8, registered: usize) -> Option<Known> {
    match id {
        HELLO => Some(Known::Hello),
        dont_have::ID => Some(Known::DontHave),
        upload_only::ID => Some(Known::UploadOnly),
        _ => {
            let kind = id - FIRST_REGISTERED;
            (usize::from(kind) < registered).then_some(Known::Registered(ExtensionKind(kind)))
        }
    }
}

/// The names that we announce, in ascending order, with our numbers.
pub fn names(registered: &[String]) -> Vec<(&[u8], u8)> {
    let mut names = vec![(dont_have::NAME, dont_have::ID), (upload_only::NAME, upload_only::ID)];
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
        let ours = names(registered);
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
        let registered = [String::from("ut_pex"), String::from("a_first")];
        assert_eq!(
            names(&registered),
            [(&b"a_first"[..], 4), (b"lt_donthave", 1), (b"upload_only", 2), (b"ut_pex", 3)]
        );
        assert_eq!(known(0, 2), Some(Known::Hello));
        assert_eq!(known(1, 2), Some(Known::DontHave));
        assert_eq!(known(2, 2), Some(Known::UploadOnly));
        assert_eq!(known(4, 2), Some(Known::Registered(ExtensionKind(1))));
        assert_eq!(known(5, 2), None);
        assert_eq!(known(255, 2), None);

        let mut numbers = Numbers::new(2);
        assert_eq!(numbers.registered(ExtensionKind(0)), None);
        numbers.update(&vec![(&b"ut_pex"[..], 9), (b"other", 1), (b"lt_donthave", 7)], &registered);
        assert_eq!(numbers.registered(ExtensionKind(0)), Some(9));
        assert_eq!(numbers.registered(ExtensionKind(1)), None);
        assert_eq!(numbers.registered(ExtensionKind(255)), None);
        numbers.update(&vec![(&b"ut_pex"[..], 0)], &registered);
        assert_eq!((numbers.registered(ExtensionKind(0)), numbers.dont_have()), (None, Some(7)));
        assert_eq!(numbers.upload_only(), None);
    }
}
