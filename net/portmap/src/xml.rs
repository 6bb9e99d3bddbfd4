//! As much of XML as a gateway's answers need: elements without their attributes and namespaces, and text.
//!
//! It reads on where a router's XML is sloppy (unknown entities, attributes of any kind, closing tags that do not
//! match) and stops where it cannot know what is meant. It keeps no more than the depth; nothing is expanded, so
//! that entities cannot grow.

use crate::limits::{XML_DEPTH_MAX, XML_TEXT_MAX};
use crate::types::Fault;
use alloc::string::String;
use alloc::vec::Vec;

/// One step through a document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token<'a> {
    /// `<name …>`, without a namespace prefix.
    Open(&'a str),
    /// An element without elements inside has ended: its name and its text.
    Leaf(&'a str, String),
    /// An element that had others inside has ended.
    Close(&'a str),
}

#[derive(Debug)]
struct Element<'a> {
    name: &'a str,
    is_leaf: bool,
}

/// Walks through a document.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    rest: &'a str,
    open: Vec<Element<'a>>,
    text: String,
    /// `<name/>` is an opening and a closing.
    closes: bool,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(document: &'a str) -> Scanner<'a> {
        Scanner { rest: document, open: Vec::new(), text: String::new(), closes: false }
    }

    /// The next step; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Token<'a>>, Fault> {
        if core::mem::take(&mut self.closes) {
            return Ok(self.close());
        }
        loop {
            let Some(start) = self.rest.find('<') else {
                self.rest = "";
                return Ok(None);
            };
            unescape(&self.rest[..start], &mut self.text);
            self.rest = &self.rest[start..];
            if let Some(rest) = self.rest.strip_prefix("<!--") {
                self.rest = behind(rest, "-->")?.1;
            } else if let Some(rest) = self.rest.strip_prefix("<![CDATA[") {
                let (text, rest) = behind(rest, "]]>")?;
                push(&mut self.text, text);
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix("<?") {
                self.rest = behind(rest, "?>")?.1;
            } else if let Some(rest) = self.rest.strip_prefix("<!") {
                let (declaration, rest) = behind(rest, ">")?;
                if declaration.contains('[') {
                    return Err(Fault("XML with declarations of its own"));
                }
                self.rest = rest;
            } else if let Some(rest) = self.rest.strip_prefix("</") {
                self.rest = behind(rest, ">")?.1;
                if let Some(token) = self.close() {
                    return Ok(Some(token));
                }
            } else {
                return self.open().map(Some);
            }
        }
    }

    fn open(&mut self) -> Result<Token<'a>, Fault> {
        let inside = &self.rest[1..];
        let end = tag_end(inside).ok_or(Fault("an XML tag without an end"))?;
        let tag = &inside[..end];
        self.rest = &inside[end + 1..];
        self.closes = tag.ends_with('/');
        let name = tag.split(|c: char| c.is_ascii_whitespace() || c == '/').next().unwrap_or_default();
        let name = name.rsplit(':').next().unwrap_or_default();
        if self.open.len() >= XML_DEPTH_MAX {
            return Err(Fault("XML that is nested too deeply"));
        }
        if let Some(parent) = self.open.last_mut() {
            parent.is_leaf = false;
        }
        self.open.push(Element { name, is_leaf: true });
        self.text.clear();
        Ok(Token::Open(name))
    }

    fn close(&mut self) -> Option<Token<'a>> {
        let element = self.open.pop()?;
        let text = core::mem::take(&mut self.text);
        Some(match element.is_leaf {
            true => Token::Leaf(element.name, String::from(text.trim())),
            false => Token::Close(element.name),
        })
    }
}

/// What stands before and behind the first `mark`.
fn behind<'a>(text: &'a str, mark: &str) -> Result<(&'a str, &'a str), Fault> {
    text.split_once(mark).ok_or(Fault("XML that ends within a tag"))
}

/// Where the `>` is that ends a tag: not one within quotes.
fn tag_end(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(mark), byte) if mark == byte => quote = None,
            _ => {}
        }
    }
    None
}

fn push(out: &mut String, text: &str) {
    for c in text.chars() {
        if out.len() + c.len_utf8() > XML_TEXT_MAX {
            return;
        }
        out.push(c);
    }
}

/// Appends `text` with its entities resolved; unknown ones stay as they are.
fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        push(out, &rest[..at]);
        rest = &rest[at..];
        // The longest that is known, `&#x10ffff;`, has ten bytes.
        let end = rest.bytes().take(10).position(|byte| byte == b';');
        match end.and_then(|end| entity(&rest[1..end]).map(|c| (c, end))) {
            Some((c, end)) => {
                push(out, c.encode_utf8(&mut [0; 4]));
                rest = &rest[end + 1..];
            }
            None => {
                push(out, "&");
                rest = &rest[1..];
            }
        }
        if out.len() >= XML_TEXT_MAX - 4 {
            return; // whatever follows is cut anyway
        }
    }
    push(out, rest);
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let value = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(value.ok()?)
        }
    }
}

/// Appends `text` as it may stand between tags.
pub(crate) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(document: &str) -> Result<Vec<(String, String)>, Fault> {
        let mut scanner = Scanner::new(document);
        let mut found = Vec::new();
        while let Some(token) = scanner.next()? {
            if let Token::Leaf(name, text) = token {
                found.push((String::from(name), text));
            }
        }
        Ok(found)
    }

    fn one(document: &str) -> String {
        leaves(document).expect(document).pop().expect(document).1
    }

    #[test]
    fn elements_come_with_their_text_whatever_is_around_them() {
        let document = "\u{feff}<?xml version='1.0'?><!DOCTYPE r><!-- <a> --><r xmlns='u:v' a=\"x>y\">\r\n\
                        <s:a b='/'> 1&amp;2 </s:a><e/><c d=\"\"></c><t><![CDATA[<&>]]>z</t></r>";
        let found = leaves(document).expect("XML");
        let found: Vec<_> = found.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(found, [("a", "1&2"), ("e", ""), ("c", ""), ("t", "<&>z")]);
    }

    #[test]
    fn entities_are_resolved_once_and_unknown_ones_stay() {
        assert_eq!(one("<a>&lt;&#65;&#x42;&quot;&apos;&gt;</a>"), "<AB\"'>");
        assert_eq!(one("<a>&amp;lt; &nbsp; & &#xffffffff; &;</a>"), "&lt; &nbsp; & &#xffffffff; &;");
    }

    #[test]
    fn what_cannot_be_known_is_refused_and_lengths_are_bounded() {
        let deep = "<a>".repeat(XML_DEPTH_MAX + 1);
        for document in ["<a", "<a b='>", "<!-- ", "<![CDATA[ ", "<!DOCTYPE a [<!ENTITY b 'c'>]>", &deep] {
            assert!(leaves(document).is_err(), "{document}");
        }
        assert_eq!(
            one(&alloc::format!("<a>{}</a>", "é&amp;".repeat(XML_TEXT_MAX))).len() / 8,
            XML_TEXT_MAX / 8 - 1
        );
        assert_eq!(leaves("</a></b>text").expect("nothing in it"), []);
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_bounded_number_of_steps(text in "[<>/a&;!\\[\\]\\-?\"' #xé]{0,200}") {
            let mut scanner = Scanner::new(&text);
            let mut steps = 0;
            while let Ok(Some(_)) = scanner.next() {
                steps += 1;
                prop_assert!(steps <= text.len() * 2);
            }
        }

        #[test]
        fn escaped_text_is_read_back(text in "\\PC{0,60}") {
            let mut document = String::from("<a>");
            escape(&text, &mut document);
            document.push_str("</a>");
            prop_assert_eq!(one(&document), text.trim());
        }
    }
}
