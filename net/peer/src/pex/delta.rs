//! One message of the peer exchange: who came and who went.

use super::{PexLimits, concerns};
use crate::fault::Fault;
use crate::wire::extended::Hello;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::BitOr;
use tide_base::addr::{compact_v4, compact_v6, is_bogus, is_local, write_compact};
use tide_bencode::{Limits, Value, decode, encode};

/// What is told about a contact (BEP 11): a set of bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Flags(u8);

impl Flags {
    /// Nothing.
    pub const NONE: Flags = Flags(0);
    /// It prefers encrypted connections (`e` in its extension handshake).
    pub const ENCRYPTION: Flags = Flags(0x01);
    /// It wants no content (BEP 21), or has everything.
    pub const SEED: Flags = Flags(0x02);
    /// It takes connections over µTP (BEP 29).
    pub const UTP: Flags = Flags(0x04);
    /// It helps others through their NATs (BEP 55).
    pub const HOLEPUNCH: Flags = Flags(0x08);
    /// It was dialled: it can be reached.
    pub const REACHABLE: Flags = Flags(0x10);
    const KNOWN: u8 = 0x1f;

    /// The flags that a byte of `added.f` has; bits without a meaning are ignored.
    pub const fn from_bits(bits: u8) -> Flags {
        Flags(bits & Flags::KNOWN)
    }

    /// The byte that tells them.
    pub const fn to_bits(self) -> u8 {
        self.0
    }

    /// Whether all of `other` are among them.
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// These, with `flag` among them or not.
    pub const fn with(self, flag: Flags, is_set: bool) -> Flags {
        if is_set { Flags(self.0 | flag.0) } else { Flags(self.0 & !flag.0) }
    }

    /// What is known of a peer that was known by these, after an extension handshake: what a later one does not mention
    /// has not changed (BEP 10).
    pub fn after(self, hello: &Hello) -> Flags {
        let said = [(hello.encryption, Flags::ENCRYPTION), (hello.upload_only, Flags::SEED)];
        said.into_iter()
            .fold(self, |flags, (said, flag)| said.map_or(flags, |is_set| flags.with(flag, is_set)))
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

/// Somebody that the sender is connected to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Contact {
    /// Where it listens.
    pub addr: SocketAddr,
    /// What is told about it.
    pub flags: Flags,
}

/// One message: contacts that came and went since the one before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Delta {
    /// Those that came.
    pub added: Vec<Contact>,
    /// Those that went.
    pub dropped: Vec<SocketAddr>,
}

impl Delta {
    /// Whether it says nothing; such a message must not be sent (BEP 11).
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.dropped.is_empty()
    }

    /// The wire's form, behind the number of the extension. Lists of nobody are left out.
    pub fn to_bytes(&self) -> Vec<u8> {
        let added = |v4: bool| {
            let (mut addrs, mut flags) = (Vec::new(), Vec::new());
            for contact in self.added.iter().filter(|contact| contact.addr.is_ipv4() == v4) {
                write_compact(contact.addr, &mut addrs);
                flags.push(contact.flags.to_bits());
            }
            (addrs, flags)
        };
        let dropped = |v4: bool| {
            let mut addrs = Vec::new();
            for addr in self.dropped.iter().filter(|addr| addr.is_ipv4() == v4) {
                write_compact(*addr, &mut addrs);
            }
            addrs
        };
        let ((added4, flags4), (added6, flags6)) = (added(true), added(false));
        let entries: [(&[u8], Vec<u8>); 6] = [
            (b"added", added4),
            (b"added.f", flags4),
            (b"added6", added6),
            (b"added6.f", flags6),
            (b"dropped", dropped(true)),
            (b"dropped6", dropped(false)),
        ];
        encode(|v| v.dict(|d| entries.iter().filter(|e| !e.1.is_empty()).for_each(|e| d.bytes(e.0, &e.1))))
    }

    /// Reads the wire's form. Left out are addresses at which nobody can be, repeated ones, all but the first port of
    /// an address that is not local, whatever stands beyond the bounds, and of what was added and dropped at once the
    /// drop. What it says is not to be trusted; [`keep_for`](Delta::keep_for) should follow.
    ///
    /// # Errors
    /// [`Fault::PexMalformed`] if the bytes are not one bencoded dictionary.
    pub fn from_bytes(bytes: &[u8], limits: &PexLimits) -> Result<Delta, Fault> {
        // Six entries are known; some clients add their own.
        let bounds = Limits { depth: 4, tokens: 128, bytes: u32::MAX - 1 };
        let document = decode(bytes, bounds).map_err(|_| Fault::PexMalformed)?;
        let root = document.root();
        root.as_dict().ok_or(Fault::PexMalformed)?;
        let list = |key: &[u8]| root.get(key).and_then(Value::as_bytes).unwrap_or_default();
        let flags = |key: &[u8]| list(key).iter().copied().chain(core::iter::repeat(0)).map(Flags::from_bits);
        let four = compact_v4(list(b"added")).zip(flags(b"added.f"));
        let six = compact_v6(list(b"added6")).zip(flags(b"added6.f"));
        let mut delta = Delta::default();
        let mut ips = BTreeSet::new();
        let mut addrs = BTreeSet::new();
        for (addr, flags) in four.chain(six).take(limits.added_in as usize) {
            let mut first_port = |addr: SocketAddr| is_local(addr.ip()) || ips.insert(addr.ip());
            if !is_bogus(addr) && first_port(addr) && addrs.insert(addr) {
                delta.added.push(Contact { addr, flags });
            }
        }
        let gone = compact_v4(list(b"dropped")).chain(compact_v6(list(b"dropped6")));
        delta.dropped = gone
            .take(limits.dropped_in as usize)
            .filter(|addr| !is_bogus(*addr) && addrs.insert(*addr))
            .collect();
        Ok(delta)
    }

    /// Leaves out what a peer at `ip` cannot mean: see [`concerns`].
    pub fn keep_for(&mut self, ip: IpAddr) {
        self.added.retain(|contact| concerns(ip, contact.addr));
        self.dropped.retain(|addr| concerns(ip, *addr));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn read(bytes: &[u8]) -> Result<Delta, Fault> {
        Delta::from_bytes(bytes, &PexLimits::default())
    }

    #[test]
    fn the_literal_goes_both_ways() {
        let delta = Delta {
            added: vec![
                Contact { addr: at("1.2.3.4:258"), flags: Flags::SEED | Flags::REACHABLE },
                Contact { addr: at("[2001:db9::7]:9"), flags: Flags::UTP },
            ],
            dropped: vec![at("5.6.7.8:1"), at("[2001:db9::8]:1")],
        };
        let bytes = b"d5:added6:\x01\x02\x03\x04\x01\x027:added.f1:\x12\
            6:added618:\x20\x01\x0d\xb9\0\0\0\0\0\0\0\0\0\0\0\x07\0\x098:added6.f1:\x04\
            7:dropped6:\x05\x06\x07\x08\0\x018:dropped618:\x20\x01\x0d\xb9\0\0\0\0\0\0\0\0\0\0\0\x08\0\x01e";
        assert_eq!(delta.to_bytes(), bytes);
        assert_eq!(read(bytes), Ok(delta));
        assert_eq!(Delta::default().to_bytes(), b"de");
        assert!(read(b"de").expect("a dictionary").is_empty());
    }

    #[test]
    fn what_cannot_be_is_left_out_and_what_is_missing_is_nothing() {
        // Port 0, multicast, another port, a repeat, an incomplete one, no flags, a mapped one, and one that goes at once.
        let bytes = b"d5:added32:\x01\x02\x03\x04\0\0\xe0\x01\x01\x01\0\x05\x09\x09\x09\x09\0\x01\x09\x09\x09\x09\0\x02\
            \x09\x09\x09\x09\0\x01\x01\x026:added618:\0\0\0\0\0\0\0\0\0\0\xff\xff\x08\x08\x08\x08\0\x05\
            8:added6.f1:\xff7:dropped12:\x09\x09\x09\x09\0\x01\x08\x08\x04\x04\0\x01e";
        let delta = read(bytes).expect("a dictionary");
        let contact = |text, bits| Contact { addr: at(text), flags: Flags::from_bits(bits) };
        assert_eq!(delta.added, [contact("9.9.9.9:1", 0), contact("8.8.8.8:5", 0x1f)]);
        assert_eq!(delta.dropped, [at("8.8.4.4:1")]);
        assert_eq!(read(b"d5:addedi5e7:droppedlee"), Ok(Delta::default()));
        for bytes in [&b""[..], b"le", b"i1e", b"d", b"d5:added6:abce", b"dee"] {
            assert_eq!(read(bytes), Err(Fault::PexMalformed), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn nobody_outside_sends_us_into_our_own_network() {
        let local = [at("192.168.1.1:80"), at("127.0.0.1:631"), at("[::1]:1")];
        let contacts = local.map(|addr| Contact { addr, flags: Flags::NONE });
        let all = Delta { added: contacts.to_vec(), dropped: local.to_vec() };
        let kept = |ip: &str| {
            let mut delta = all.clone();
            delta.keep_for(ip.parse().expect("an address"));
            delta
        };
        assert_eq!((kept("10.0.0.1"), kept("127.0.0.1")), (all.clone(), all.clone()));
        assert!(kept("8.8.8.8").is_empty());
    }

    #[test]
    fn several_ports_of_a_local_address_are_several_peers() {
        let contact = |port| Contact { addr: SocketAddr::from(([127, 0, 0, 1], port)), flags: Flags::NONE };
        let delta = Delta { added: (1..=9).map(contact).collect(), dropped: vec![] };
        assert_eq!(read(&delta.to_bytes()), Ok(delta));
    }

    #[test]
    fn handshakes_tell_flags() {
        let hello = Hello { encryption: Some(true), upload_only: Some(true), ..Hello::default() };
        let flags = Flags::NONE.after(&hello);
        assert_eq!(flags, Flags::ENCRYPTION | Flags::SEED);
        assert!(flags.has(Flags::SEED) && !flags.has(Flags::UTP));
        // What a later one does not mention stays.
        assert_eq!(flags.after(&Hello::default()), flags);
        assert_eq!(flags.after(&Hello { encryption: Some(false), ..Hello::default() }), Flags::SEED);
        assert_eq!(flags.after(&Hello { upload_only: Some(false), ..Hello::default() }), Flags::ENCRYPTION);
        assert_eq!(flags.with(Flags::SEED, false).with(Flags::UTP, true), Flags::ENCRYPTION | Flags::UTP);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_lists_give_few_sound_addresses(
            lists in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2000), 6),
            cut in any::<prop::sample::Index>(),
        ) {
            let keys: [&[u8]; 6] = [b"added", b"added.f", b"added6", b"added6.f", b"dropped", b"dropped6"];
            let bytes = encode(|v| v.dict(|d| keys.iter().zip(&lists).for_each(|(key, list)| d.bytes(key, list))));
            let delta = read(&bytes).expect("a dictionary");
            prop_assert!(delta.added.len() <= 200 && delta.dropped.len() <= 200);
            let all: Vec<SocketAddr> = delta.added.iter().map(|c| c.addr).chain(delta.dropped.iter().copied()).collect();
            prop_assert!(all.iter().all(|addr| !is_bogus(*addr)));
            prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
            prop_assert_eq!(read(&delta.to_bytes()), Ok(delta));
            prop_assert_eq!(read(&bytes[..cut.index(bytes.len())]), Err(Fault::PexMalformed));
        }
    }
}
