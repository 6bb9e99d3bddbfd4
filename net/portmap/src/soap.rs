//! What a UPnP gateway is told to do, and what it answers (SOAP; WANIPConnection 1 and 2, WANPPPConnection 1).

use crate::description::ServiceType;
use crate::limits::FIELDS_MAX;
use crate::types::{Fault, Protocol, shown};
use crate::xml::{Scanner, Token, escape};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::Ipv4Addr;

/// Error numbers of the service.
pub mod code {
    /// An argument is not what the gateway takes; often the lease.
    pub const INVALID_ARGS: u16 = 402;
    /// It did not work, and the gateway does not say why.
    pub const ACTION_FAILED: u16 = 501;
    /// There is no such mapping.
    pub const NO_SUCH_ENTRY: u16 = 714;
    /// The external port is another host's.
    pub const CONFLICT: u16 = 718;
    /// External and internal port must be the same.
    pub const SAME_PORTS: u16 = 724;
    /// Only mappings without an end can be made.
    pub const ONLY_PERMANENT: u16 = 725;
    /// There is no free port (version 2).
    pub const NO_PORTS: u16 = 728;
}

/// A mapping to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Of which protocol.
    pub protocol: Protocol,
    /// The gateway's port.
    pub external: u16,
    /// Our port.
    pub internal: u16,
    /// Our address.
    pub client: Ipv4Addr,
    /// What people read in the gateway's list.
    pub description: String,
    /// Seconds; 0 for ever.
    pub lease: u32,
}

/// What a gateway is told to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Tell the external address.
    ExternalAddress,
    /// Make this mapping.
    Add(Entry),
    /// Make this mapping, or one with another external port (version 2).
    AddAny(Entry),
    /// Remove a mapping.
    Delete {
        /// Of which protocol.
        protocol: Protocol,
        /// The gateway's port.
        external: u16,
    },
}

impl Action {
    /// Its name in messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Action::ExternalAddress => "GetExternalIPAddress",
            Action::Add(_) => "AddPortMapping",
            Action::AddAny(_) => "AddAnyPortMapping",
            Action::Delete { .. } => "DeletePortMapping",
        }
    }

    /// The value of the SOAPAction header.
    pub fn header(&self, service: ServiceType) -> String {
        format!("\"{}#{}\"", service.urn(), self.name())
    }

    /// The message.
    pub fn body(&self, service: ServiceType) -> String {
        let mut arguments = String::new();
        let mut argument = |name: &str, value: &str| {
            let _ = write!(arguments, "<{name}>");
            escape(value, &mut arguments);
            let _ = write!(arguments, "</{name}>");
        };
        match self {
            Action::ExternalAddress => {}
            Action::Add(entry) | Action::AddAny(entry) => {
                argument("NewRemoteHost", "");
                argument("NewExternalPort", &format!("{}", entry.external));
                argument("NewProtocol", entry.protocol.word());
                argument("NewInternalPort", &format!("{}", entry.internal));
                argument("NewInternalClient", &format!("{}", entry.client));
                argument("NewEnabled", "1");
                argument("NewPortMappingDescription", &entry.description);
                argument("NewLeaseDuration", &format!("{}", entry.lease));
            }
            Action::Delete { protocol, external } => {
                argument("NewRemoteHost", "");
                argument("NewExternalPort", &format!("{external}"));
                argument("NewProtocol", protocol.word());
            }
        }
        envelope(&format!("<u:{0} xmlns:u=\"{1}\">{arguments}</u:{0}>", self.name(), service.urn()))
    }

    /// Reads an action as a gateway does: its name from the SOAPAction header, its arguments from the message.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn parse(header: &str, document: &str) -> Result<Action, Fault> {
        let name = header.trim().trim_matches('"').rsplit('#').next().unwrap_or_default();
        let fields = Fields::parse(document)?;
        let entry = || -> Option<Entry> {
            Some(Entry {
                protocol: Protocol::of_word(fields.get("NewProtocol")?)?,
                external: fields.number("NewExternalPort")?,
                internal: fields.number("NewInternalPort")?,
                client: fields.get("NewInternalClient")?.parse().ok()?,
                description: String::from(fields.get("NewPortMappingDescription")?),
                lease: fields.get("NewLeaseDuration")?.parse().ok()?,
            })
        };
        let bad = Fault("an argument is missing or malformed");
        match name {
            "GetExternalIPAddress" => Ok(Action::ExternalAddress),
            "AddPortMapping" => entry().map(Action::Add).ok_or(bad),
            "AddAnyPortMapping" => entry().map(Action::AddAny).ok_or(bad),
            "DeletePortMapping" => Ok(Action::Delete {
                protocol: fields.get("NewProtocol").and_then(Protocol::of_word).ok_or(bad)?,
                external: fields.number("NewExternalPort").ok_or(bad)?,
            }),
            _ => Err(Fault("an unknown action")),
        }
    }
}

/// A message with `inside` for its body.
pub(crate) fn envelope(inside: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>{inside}</s:Body></s:Envelope>\r\n"
    )
}

/// The arguments of a message, or what an answer says: elements without others inside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads the first [`FIELDS_MAX`] of them.
    ///
    /// # Errors
    /// The rule that the XML breaks.
    pub fn parse(document: &str) -> Result<Fields, Fault> {
        let mut scanner = Scanner::new(document);
        let mut fields = Vec::new();
        while let Some(token) = scanner.next()? {
            if let Token::Leaf(name, text) = token
                && fields.len() < FIELDS_MAX
            {
                fields.push((String::from(name), text));
            }
        }
        Ok(Fields(fields))
    }

    /// The text of the first one of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// The same as a number.
    pub fn number(&self, name: &str) -> Option<u16> {
        self.get(name)?.parse().ok()
    }

    /// The error that a refusal tells: its number and the gateway's words, made fit to be shown.
    pub fn refusal(&self) -> Option<(u16, String)> {
        Some((self.number("errorCode")?, shown(self.get("errorDescription").unwrap_or_default())))
    }
}
