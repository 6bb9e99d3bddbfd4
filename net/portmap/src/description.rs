//! A device's description: which of its services map ports, and where they are controlled.

use crate::limits::SERVICES_MAX;
use crate::place::Place;
use crate::types::Fault;
use crate::xml::{Scanner, Token};
use alloc::string::String;
use alloc::vec::Vec;

/// A service that maps ports. The order is that of preference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ServiceType {
    /// WANIPConnection, version 2: chooses another port by itself.
    Ip2,
    /// WANIPConnection, version 1.
    Ip1,
    /// WANPPPConnection: as version 1, on modems that dial.
    Ppp1,
}

impl ServiceType {
    /// Its name in messages.
    pub const fn urn(self) -> &'static str {
        match self {
            ServiceType::Ip2 => "urn:schemas-upnp-org:service:WANIPConnection:2",
            ServiceType::Ip1 => "urn:schemas-upnp-org:service:WANIPConnection:1",
            ServiceType::Ppp1 => "urn:schemas-upnp-org:service:WANPPPConnection:1",
        }
    }

    fn of_urn(urn: &str) -> Option<ServiceType> {
        let known = [ServiceType::Ip2, ServiceType::Ip1, ServiceType::Ppp1];
        known.into_iter().find(|known| known.urn().eq_ignore_ascii_case(urn))
    }
}

/// A service of a gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// What it is.
    pub kind: ServiceType,
    /// Where it is controlled; always on the host that described it.
    pub control: Place,
}

/// The services that map ports, the best first; at most [`SERVICES_MAX`], never none.
///
/// # Errors
/// The rule that the description, fetched from `from`, breaks.
pub fn parse(document: &str, from: &Place) -> Result<Vec<Service>, Fault> {
    let mut scanner = Scanner::new(document);
    let mut base: Option<String> = None;
    let mut found: Vec<(ServiceType, String)> = Vec::new();
    let (mut kind, mut control) = (None, None);
    while let Some(token) = scanner.next()? {
        match token {
            Token::Open("service") => (kind, control) = (None, None),
            Token::Leaf("URLBase", text) if !text.is_empty() => base = Some(text),
            Token::Leaf("serviceType", text) => kind = ServiceType::of_urn(&text),
            Token::Leaf("controlURL", text) => control = Some(text),
            Token::Close("service") => {
                if let (Some(kind), Some(control)) = (kind.take(), control.take())
                    && found.len() < SERVICES_MAX
                {
                    found.push((kind, control));
                }
            }
            _ => {}
        }
    }
    // A base that leads elsewhere is wrong more often than wicked: old routers keep their factory address in it.
    let base = base.and_then(|base| from.join(&base).ok()).unwrap_or_else(|| from.clone());
    let mut services: Vec<Service> = Vec::new();
    for (kind, control) in found {
        if let Ok(control) = base.join(&control) {
            services.push(Service { kind, control });
        }
    }
    services.sort_by_key(|service| service.kind);
    if services.is_empty() { Err(Fault("a device that maps no ports")) } else { Ok(services) }
}
