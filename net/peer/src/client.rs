//! Peer ids: what a client's id says about it, and ours (BEP 20).

use alloc::format;
use alloc::string::String;
use tide_base::PeerId;

/// How our ids begin: `TD` and the version.
pub const PREFIX: &[u8; 8] = b"-TD0100-";

/// Our id: the prefix, and twelve characters made of `random`. They are letters and digits, so that the id stands in a
/// tracker's URL as it is.
pub fn our_id(random: [u8; 12]) -> PeerId {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut id = [0; 20];
    id[..8].copy_from_slice(PREFIX);
    for (place, byte) in id[8..].iter_mut().zip(random) {
        *place = ALPHABET[usize::from(byte) % ALPHABET.len()];
    }
    PeerId(id)
}

/// The name and version that an id tells, or the id's readable characters if it is of no known form. For people only:
/// anybody can call himself anything.
pub fn name(id: &PeerId) -> String {
    azureus(&id.0).or_else(|| mainline(&id.0)).or_else(|| shadow(&id.0)).unwrap_or_else(|| {
        let readable = |&byte: &u8| if byte.is_ascii_graphic() { char::from(byte) } else { '.' };
        id.0[..8].iter().map(readable).collect()
    })
}

/// `-XXabcd-`: two characters for the client, four for the version.
fn azureus(id: &[u8; 20]) -> Option<String> {
    let [b'-', a, b, version @ ..] = id else { return None };
    if id[7] != b'-' && !(*a == b'F' && *b == b'G') {
        return None;
    }
    let code = [*a, *b];
    let known = AZUREUS.binary_search_by(|(known, _)| known.as_slice().cmp(&code)).ok();
    let name = match known {
        Some(at) => String::from(AZUREUS[at].1),
        None if code.iter().all(u8::is_ascii_graphic) => code.map(char::from).iter().collect(),
        None => return None,
    };
    let v = [digit(version[0])?, digit(version[1])?, digit(version[2])?, digit(version[3])?];
    Some(match &code {
        // Two digits of version, then one letter that says which kind of build.
        b"TR" if v[0] == 0 => format!("{name} {}.{}{}", v[0], v[1], v[2]),
        b"TR" => format!("{name} {}.{}.{}", v[0], v[1], v[2]),
        _ if v[3] == 0 => format!("{name} {}.{}.{}", v[0], v[1], v[2]),
        _ => format!("{name} {}.{}.{}.{}", v[0], v[1], v[2], v[3]),
    })
}

/// `M7-9-2--`: a letter, and numbers between dashes. aria2's `A2-1-37-0-` is of the same kind.
fn mainline(id: &[u8; 20]) -> Option<String> {
    let (name, version) = match id {
        [b'M', ..] => ("BitTorrent", &id[1..8]),
        [b'Q', ..] => ("Queen Bee", &id[1..8]),
        [b'A', b'2', b'-', ..] => ("aria2", &id[3..10]),
        _ => return None,
    };
    let text = core::str::from_utf8(version).ok()?;
    let mut parts = text.trim_end_matches('-').split('-');
    let mut number = || parts.next()?.parse::<u8>().ok();
    let version = (number()?, number()?, number()?);
    Some(format!("{name} {}.{}.{}", version.0, version.1, version.2))
}

/// `S58B-----`: a letter for the client, up to five characters of version padded by dashes, three dashes.
fn shadow(id: &[u8; 20]) -> Option<String> {
    let name = SHADOW.iter().find(|(letter, _)| *letter == id[0])?.1;
    if &id[6..9] != b"---" {
        return None;
    }
    let end = id[1..6].iter().position(|byte| *byte == b'-').unwrap_or(5);
    let mut text = String::from(name);
    for (i, byte) in id[1..1 + end].iter().enumerate() {
        text.push(if i == 0 { ' ' } else { '.' });
        text.push_str(&format!("{}", digit(*byte)?));
    }
    (end > 0).then_some(text)
}

/// The value of a version's character: digits, then capital letters, then small ones.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'Z' => Some(byte - b'A' + 10),
        b'a'..=b'z' => Some(byte - b'a' + 36),
        b'.' => Some(62),
        b'-' => Some(0),
        _ => None,
    }
}

/// Letters of Shadow's style.
const SHADOW: [(u8, &str); 7] = [
    (b'A', "ABC"),
    (b'O', "Osprey"),
    (b'Q', "BTQueue"),
    (b'R', "Tribler"),
    (b'S', "Shadow"),
    (b'T', "BitTornado"),
    (b'U', "UPnP NAT"),
];

/// Codes of Azureus's style that one meets, in order.
const AZUREUS: [(&[u8; 2], &str); 52] = [
    (b"7T", "aTorrent"),
    (b"AG", "Ares"),
    (b"AR", "Arctic"),
    (b"AX", "BitPump"),
    (b"AZ", "Vuze"),
    (b"BB", "BitBuddy"),
    (b"BC", "BitComet"),
    (b"BF", "Bitflu"),
    (b"BG", "BTG"),
    (b"BI", "BiglyBT"),
    (b"BR", "BitRocket"),
    (b"BT", "BitTorrent"),
    (b"BW", "BitTorrent Web"),
    (b"BX", "BittorrentX"),
    (b"CD", "Enhanced CTorrent"),
    (b"CT", "CTorrent"),
    (b"DE", "Deluge"),
    (b"FD", "Free Download Manager"),
    (b"FG", "FlashGet"),
    (b"FL", "Folx"),
    (b"FW", "FrostWire"),
    (b"FX", "Freebox"),
    (b"GT", "anacrolix/torrent"),
    (b"HL", "Halite"),
    (b"KG", "KGet"),
    (b"KT", "KTorrent"),
    (b"LP", "Lphant"),
    (b"LT", "libtorrent"),
    (b"LW", "LimeWire"),
    (b"MG", "MediaGet"),
    (b"MO", "MonoTorrent"),
    (b"MR", "Miro"),
    (b"PD", "Pando"),
    (b"PI", "PicoTorrent"),
    (b"QD", "QQDownload"),
    (b"RN", "Rain"),
    (b"SD", "Xunlei"),
    (b"SZ", "Shareaza"),
    (b"TD", "tide"),
    (b"TL", "Tribler"),
    (b"TR", "Transmission"),
    (b"TX", "Tixati"),
    (b"UE", "µTorrent Embedded"),
    (b"UM", "µTorrent Mac"),
    (b"UT", "µTorrent"),
    (b"UW", "µTorrent Web"),
    (b"WW", "WebTorrent"),
    (b"XL", "Xunlei"),
    (b"lt", "rTorrent"),
    (b"qB", "qBittorrent"),
    (b"rQ", "rqbit"),
    (b"st", "SharkTorrent"),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &[u8]) -> String {
        let mut bytes = [b'x'; 20];
        bytes[..id.len()].copy_from_slice(id);
        name(&PeerId(bytes))
    }

    #[test]
    fn the_table_can_be_searched() {
        assert!(AZUREUS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn well_known_ids_have_names() {
        for (id, text) in [
            (&b"-qB4650-"[..], "qBittorrent 4.6.5"),
            (b"-LT20B0-", "libtorrent 2.0.11"),
            (b"-TR4060-", "Transmission 4.0.6"),
            (b"-TR0072-", "Transmission 0.07"),
            (b"-UT3558-", "µTorrent 3.5.5.8"),
            (b"-TD0100-", "tide 0.1.0"),
            (b"-FG0180x", "FlashGet 0.1.8"),
            (b"-zz1234-", "zz 1.2.3.4"),
            (b"M7-9-2--", "BitTorrent 7.9.2"),
            (b"M4-20-8-", "BitTorrent 4.20.8"),
            (b"A2-1-37-0-", "aria2 1.37.0"),
            (b"A2-1-9-10-", "aria2 1.9.10"),
            (b"S58B-----", "Shadow 5.8.11"),
            (b"T03I-----", "BitTornado 0.3.18"),
            (b"\0\x01abc-de", "..abc-de"),
            (b"-\xff\xff1234-", "-..1234-"),
        ] {
            assert_eq!(named(id), text);
        }
    }

    #[test]
    fn ours_is_readable_and_knows_itself() {
        let id = our_id([0, 61, 62, 255, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(&id.0, b"-TD0100-0z0712345678");
        assert_eq!(name(&id), "tide 0.1.0");
    }
}
