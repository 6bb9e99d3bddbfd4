//! The extension handshake (BEP 10): a bencoded dictionary in which a side names its extensions and tells about itself.

use crate::fault::Fault;
use crate::limits::Limits;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use tide_bencode::{Value, decode, encode};

/// What a side tells about itself. Everything is optional, and nothing of it is to be trusted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Hello {
    /// The client's name and version (`v`): UTF-8 without control characters, of bounded length.
    pub client: Option<String>,
    /// The TCP port on which it listens (`p`).
    pub port: Option<u16>,
    /// How many requests it lets wait (`reqq`), as it says.
    pub reqq: Option<u32>,
    /// How it sees the receiver's address (`yourip`).
    pub yourip: Option<IpAddr>,
    /// Its IPv4 address, if it has another than the one it is connected from (`ipv4`).
    pub ipv4: Option<Ipv4Addr>,
    /// Its IPv6 address, if it has another than the one it is connected from (`ipv6`).
    pub ipv6: Option<Ipv6Addr>,
    /// Whether it wants no content (BEP 21); nothing if it does not say.
    pub upload_only: Option<bool>,
    /// Whether it prefers encrypted connections (`e`); nothing if it does not say.
    pub encryption: Option<bool>,
    /// Bytes of the info dictionary (BEP 9), within [`Limits::metadata_len`].
    pub metadata_size: Option<u32>,
}

/// Names and numbers of extensions, as the `m` dictionary has them; 0 turns an extension off.
pub type Names<'a> = Vec<(&'a [u8], u8)>;

impl Hello {
    /// The wire's form, with `names` (in ascending order, each once) as the extensions that can be received.
    pub fn to_bytes(&self, names: &[(&[u8], u8)]) -> Vec<u8> {
        encode(|v| {
            v.dict(|d| {
                if let Some(encryption) = self.encryption {
                    d.int(b"e", i64::from(encryption));
                }
                if let Some(ip) = self.ipv4 {
                    d.bytes(b"ipv4", &ip.octets());
                }
                if let Some(ip) = self.ipv6 {
                    d.bytes(b"ipv6", &ip.octets());
                }
                d.dict(b"m", |m| {
                    for (name, id) in names {
                        m.int(name, i64::from(*id));
                    }
                });
                if let Some(size) = self.metadata_size {
                    d.int(b"metadata_size", i64::from(size));
                }
                if let Some(port) = self.port {
                    d.int(b"p", i64::from(port));
                }
                if let Some(reqq) = self.reqq {
                    d.int(b"reqq", i64::from(reqq));
                }
                if let Some(upload_only) = self.upload_only {
                    d.int(b"upload_only", i64::from(upload_only));
                }
                if let Some(client) = &self.client {
                    d.bytes(b"v", client.as_bytes());
                }
                match self.yourip {
                    Some(IpAddr::V4(ip)) => d.bytes(b"yourip", &ip.octets()),
                    Some(IpAddr::V6(ip)) => d.bytes(b"yourip", &ip.octets()),
                    None => {}
                }
            });
        })
    }

    /// Reads the wire's form. Entries of a wrong type or range are ignored, as are names beyond
    /// [`Limits::extension_names`]; of a repeated key the first counts.
    ///
    /// # Errors
    /// [`Fault::HelloMalformed`] if the bytes are not one bencoded dictionary.
    pub fn from_bytes<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(Hello, Names<'a>), Fault> {
        let bounds = tide_bencode::Limits {
            depth: 8,
            tokens: limits.extension_names.saturating_mul(4).saturating_add(64),
            bytes: limits.extended_len,
        };
        let document = decode(bytes, bounds).map_err(|_| Fault::HelloMalformed)?;
        let root = document.root();
        root.as_dict().ok_or(Fault::HelloMalformed)?;
        let number = |key: &[u8]| root.get(key).and_then(Value::as_u64);
        let flag = |key: &[u8]| root.get(key).and_then(Value::as_int).map(|int| int != 0);
        let bytes_of = |key: &[u8]| root.get(key).and_then(Value::as_bytes);
        let hello = Hello {
            client: bytes_of(b"v").and_then(|name| printable(name, limits.client_name_len as usize)),
            port: number(b"p").and_then(|port| u16::try_from(port).ok()).filter(|&port| port != 0),
            reqq: number(b"reqq").map(|reqq| u32::try_from(reqq).unwrap_or(u32::MAX)),
            yourip: bytes_of(b"yourip").and_then(address),
            ipv4: bytes_of(b"ipv4").and_then(v4),
            ipv6: bytes_of(b"ipv6").and_then(v6),
            upload_only: flag(b"upload_only"),
            encryption: flag(b"e"),
            metadata_size: number(b"metadata_size")
                .and_then(|size| u32::try_from(size).ok())
                .filter(|&size| size > 0 && size <= limits.metadata_len),
        };
        let names = root.get(b"m").and_then(Value::as_dict).map_or_else(Vec::new, |m| {
            m.filter_map(|(name, id)| Some((name, u8::try_from(id.as_int()?).ok()?)))
                .take(limits.extension_names as usize)
                .collect()
        });
        Ok((hello, names))
    }
}

/// The name without control characters and in at most `max` bytes; `None` if nothing is left.
fn printable(name: &[u8], max: usize) -> Option<String> {
    let name = &name[..name.len().min(4 * max)];
    let mut text = String::new();
    for c in String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()) {
        if text.len() + c.len_utf8() > max {
            break;
        }
        text.push(c);
    }
    (!text.is_empty()).then_some(text)
}

fn v4(bytes: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from)
}

fn v6(bytes: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(bytes).ok().map(Ipv6Addr::from)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    v4(bytes).map(IpAddr::V4).or_else(|| v6(bytes).map(|ip| IpAddr::V6(ip).to_canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn everything_goes_both_ways_as_a_canonical_dictionary() {
        let hello = Hello {
            client: Some("tide 0.1".into()),
            port: Some(6881),
            reqq: Some(250),
            yourip: Some(IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4))),
            ipv4: Some(Ipv4Addr::new(5, 6, 7, 8)),
            ipv6: Some(Ipv6Addr::LOCALHOST),
            upload_only: Some(true),
            encryption: Some(false),
            metadata_size: Some(999),
        };
        let names: [(&[u8], u8); 2] = [(b"lt_donthave", 1), (b"ut_pex", 2)];
        let bytes = hello.to_bytes(&names);
        assert_eq!(
            bytes,
            b"d1:ei0e4:ipv44:\x05\x06\x07\x084:ipv616:\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\
              1:md11:lt_donthavei1e6:ut_pexi2ee13:metadata_sizei999e1:pi6881e4:reqqi250e\
              11:upload_onlyi1e1:v8:tide 0.16:yourip4:\x01\x02\x03\x04e"
        );
        assert_eq!(Hello::from_bytes(&bytes, &Limits::default()), Ok((hello, names.to_vec())));
        assert_eq!(Hello::default().to_bytes(&[]), b"d1:mdee");
    }

    #[test]
    fn what_is_out_of_range_is_as_if_it_were_not_there() {
        let bytes = b"d4:ipv43:abc1:md1:ai300e1:bi-1e1:c1:x1:di7ee13:metadata_sizei99999999e1:pi70000e\
                      4:reqqi99999999999e1:v5:\x07a\xffb\x1b6:yourip16:\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04e";
        let (hello, names) = Hello::from_bytes(bytes, &Limits::default()).expect("a dictionary");
        assert_eq!(
            hello,
            Hello {
                client: Some("a\u{fffd}b".into()),
                reqq: Some(u32::MAX),
                yourip: Some(IpAddr::V4(Ipv4Addr::new(1, 2, 3, 4))),
                ..Hello::default()
            }
        );
        assert_eq!(names, vec![(&b"d"[..], 7)]);
    }

    #[test]
    fn names_and_lengths_are_bounded_and_only_dictionaries_are_hellos() {
        let limits = Limits { extension_names: 1, client_name_len: 4, ..Limits::default() };
        let long = b"d1:md1:ai1e1:bi2ee1:v8:\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9e";
        let (hello, names) = Hello::from_bytes(long, &limits).expect("a dictionary");
        assert_eq!((hello.client.as_deref(), names), (Some("éé"), vec![(&b"a"[..], 1)]));
        for bytes in [&b"le"[..], b"", b"d", b"de ", b"i1e"] {
            assert_eq!(Hello::from_bytes(bytes, &limits), Err(Fault::HelloMalformed));
        }
    }
}
