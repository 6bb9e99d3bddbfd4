//! Mending of names: whatever bytes a torrent calls a file, the result is one harmless component of a path.
//!
//! A name keeps everything that the file system and a terminal can bear, because other programs have the same content
//! under the same name. What changes:
//! * separators of both kinds (`/`, `\`) and invisible characters (zero width, bidirectional controls, byte order mark)
//!   vanish, so that no name can show another one than it is;
//! * control characters and what is not UTF-8 become `_`;
//! * a name of which nothing is left, `.` and `..` become `_`;
//! * more than 240 bytes are cut, keeping a short extension.
//!
//! Under [`NameRules::Windows`] also `? < > " | * :` become `_`, dots and spaces at the end vanish, and the names of
//! devices (`CON`, `COM1.txt`) get a `_` in front.

use crate::limits::{EXTENSION_LEN, NAME_LEN};
use alloc::string::String;

/// What stands for a character that may not be in a name.
const STAND_IN: char = '_';

/// What the file system forbids beyond what is forbidden everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameRules {
    /// Nothing more: content that other programs put here is found under its own name.
    Posix,
    /// Windows' forbidden characters, endings and device names.
    Windows,
}

impl NameRules {
    /// The rules of the system that this is compiled for.
    pub const fn native() -> NameRules {
        if cfg!(windows) { NameRules::Windows } else { NameRules::Posix }
    }
}

/// The harmless component nearest to `name`. Never empty, `.` or `..`; never with a separator or control character;
/// at most 240 bytes.
pub fn mend(name: &[u8], rules: NameRules) -> String {
    let mut mended = mend_characters(name, rules);
    cut(&mut mended);
    if rules == NameRules::Windows {
        mended.truncate(mended.trim_end_matches(['.', ' ']).len());
        if is_device(&mended) {
            mended.insert(0, STAND_IN);
        }
    }
    if matches!(mended.as_str(), "" | "." | "..") {
        mended = String::from(STAND_IN);
    }
    mended
}

/// Whether `name` is lost in mending: nothing but separators, invisible characters, or one of `.` and `..`.
pub(crate) fn is_lost(name: &[u8], rules: NameRules) -> bool {
    let mended = mend_characters(name, rules);
    matches!(mended.as_str(), "" | "." | "..")
}

fn mend_characters(name: &[u8], rules: NameRules) -> String {
    let mut mended = String::with_capacity(name.len().min(NAME_LEN * 2));
    for part in name.utf8_chunks() {
        for c in part.valid().chars().filter(|&c| !vanishes(c)) {
            let forbidden = c.is_control() || rules == NameRules::Windows && r#"?<>"|*:"#.contains(c);
            mended.push(if forbidden { STAND_IN } else { c });
        }
        if !part.invalid().is_empty() {
            mended.push(STAND_IN);
        }
    }
    mended
}

fn vanishes(c: char) -> bool {
    matches!(c,
        '/' | '\\'
        | '\u{061c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}')
}

/// Shortens `name` to 240 bytes, taking them from in front of a short extension.
fn cut(name: &mut String) {
    if name.len() <= NAME_LEN {
        return;
    }
    let dot = name.rfind('.').filter(|&dot| dot > 0 && name.len() - dot <= EXTENSION_LEN);
    let extension = String::from(&name[dot.unwrap_or(name.len())..]);
    let mut end = NAME_LEN - extension.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.truncate(end);
    name.push_str(&extension);
}

/// Whether Windows takes a file of this name, whatever its extension, for a device.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ');
    let is = |device: &str| stem.eq_ignore_ascii_case(device);
    let numbered = || {
        let mut chars = stem.chars();
        let digit = chars.next_back().is_some_and(|c| c.is_ascii_digit() || "¹²³".contains(c));
        let port = chars.as_str();
        digit && (port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
    };
    ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is) || numbered()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posix(name: &[u8]) -> String {
        mend(name, NameRules::Posix)
    }

    #[test]
    fn harmless_names_stay() {
        for name in [
            "a",
            "...",
            "a b ",
            "x: y?.mkv",
            "CON",
            ".hidden",
            "日本語.txt",
            "é",
            "a‐b",
            "~",
            "-rf",
            "a\u{301}",
        ] {
            assert_eq!(posix(name.as_bytes()), name);
        }
    }

    #[test]
    fn harmful_ones_are_mended() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "_"),
            (b".", "_"),
            (b"..", "_"),
            (b"/", "_"),
            (b"/..\\", "_"),
            (b"./.", "_"),
            (b"/etc/passwd", "etcpasswd"),
            (b"temp/../../abc", "temp....abc"),
            (b"C:\\x", "C:x"),
            (b"a\0b\x1b[31m\x7f", "a_b_[31m_"),
            (b"a\xc2\x9bb", "a_b"),
            (b"\xff\xfeok\xe2\x82", "__ok_"),
            ("exe.\u{202e}txt".as_bytes(), "exe.txt"),
            ("\u{feff}.\u{200b}.".as_bytes(), "_"),
        ];
        for &(name, mended) in cases {
            assert_eq!(posix(name), mended, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn windows_forbids_more() {
        let windows = |name: &str| mend(name.as_bytes(), NameRules::Windows);
        for (name, mended) in [
            ("x: y?.mkv", "x_ y_.mkv"),
            ("a. .", "a"),
            ("...", "_"),
            ("con", "_con"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("lpt³", "_lpt³"),
            ("COM", "COM"),
            ("COM10", "COM10"),
            ("nul .txt", "_nul .txt"),
            ("console", "console"),
        ] {
            assert_eq!(windows(name), mended);
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let long = posix(&[&[b'a'; 300][..], b".tar"].concat());
        assert_eq!((long.len(), &long[230..]), (240, "aaaaaa.tar"));
        let odd = posix("é".repeat(200).as_bytes());
        assert_eq!(odd.len(), 240);
        let odd = posix(alloc::format!("x{}.{}", "é".repeat(200), "y".repeat(9)).as_bytes());
        assert_eq!(odd.len(), 239, "no character is cut in two");
        let long = posix(alloc::format!("{}.{}", "a".repeat(300), "y".repeat(10)).as_bytes());
        assert_eq!(long, "a".repeat(240), "that is no extension");
        let none = posix(&[&[b'.'][..], &[b'b'; 300]].concat());
        assert_eq!(none.len(), 240);
    }
}
