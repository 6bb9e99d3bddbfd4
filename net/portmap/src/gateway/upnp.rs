//! The gateway's side of UPnP: search, description, actions.

use super::table::Row;
use super::{Gateway, Igd};
use crate::description::ServiceType;
use crate::http::{Message, Reader, Side};
use crate::soap::{self, Action, Entry, code};
use crate::ssdp;
use crate::types::Want;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::{IpAddr, SocketAddr};
use tide_base::{Duration, Instant};

/// A stream to the gateway's HTTP port: one request, one answer, then it is to be closed.
#[derive(Debug)]
pub struct HttpStream(Reader);

impl Default for HttpStream {
    fn default() -> Self {
        HttpStream(Reader::new(Side::Client))
    }
}

type Refusal = (u16, &'static str);

impl Gateway {
    pub(super) fn answer_search(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (Some(igd), Some(target)) = (&self.config.upnp, ssdp::parse_search(bytes)) else {
            return Vec::new();
        };
        let version = if igd.services.contains(&ServiceType::Ip2) { 2 } else { 1 };
        let known =
            ssdp::TARGETS.iter().take(version).chain(&ssdp::TARGETS[2..]).any(|known| *known == target);
        if !known {
            return Vec::new();
        }
        let place = SocketAddr::new(self.config.inside, igd.port);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {target}\r\nUSN: uuid:1::{target}\r\nEXT:\r\n\
             SERVER: tide UPnP/1.1\r\nLOCATION: http://{place}/rootDesc.xml\r\n\r\n"
        );
        Vec::from([answer.into_bytes()])
    }

    /// Takes bytes in that `client` sent over a stream; the answer, when the request is whole. Broken requests are
    /// answered with an error.
    pub fn read(
        &mut self,
        now: Instant,
        stream: &mut HttpStream,
        client: IpAddr,
        bytes: &[u8],
    ) -> Option<Vec<u8>> {
        let igd = self.config.upnp.clone()?;
        let (status, body) = match stream.0.push(bytes) {
            Ok(message) => self.answer_http(now, &igd, client, &message?),
            Err(_) => ("400 Bad Request", String::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/xml; charset=\"utf-8\"\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        Some([head.as_bytes(), body.as_bytes()].concat())
    }

    fn answer_http(
        &mut self,
        now: Instant,
        igd: &Igd,
        client: IpAddr,
        message: &Message,
    ) -> (&'static str, String) {
        let mut words = message.head.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("GET"), Some("/rootDesc.xml")) => ("200 OK", describe(igd)),
            (Some("POST"), Some(path)) if path.starts_with("/ctl/") => {
                let header = message.header("soapaction").unwrap_or_default();
                let service = igd.services.iter().find(|service| header.contains(service.urn()));
                let result = match (service, Action::parse(header, &message.text())) {
                    (Some(service), Ok(action)) => self
                        .act(now, igd, *service, client, &action)
                        .map(|fields| answer(*service, &action, &fields)),
                    _ => Err((code::INVALID_ARGS, "Invalid Args")),
                };
                match result {
                    Ok(body) => ("200 OK", body),
                    Err(refusal) => ("500 Internal Server Error", fault(refusal)),
                }
            }
            _ => ("404 Not Found", String::new()),
        }
    }

    fn act(
        &mut self,
        now: Instant,
        igd: &Igd,
        service: ServiceType,
        client: IpAddr,
        action: &Action,
    ) -> Result<String, Refusal> {
        match action {
            Action::ExternalAddress => {
                let ip = self.config.outside;
                Ok(format!("<NewExternalIPAddress>{ip}</NewExternalIPAddress>"))
            }
            Action::Add(entry) => {
                let outer = self.check(now, igd, client, entry)?;
                if self.table.at(now, outer).is_some_and(|row| row.client.ip() != client) {
                    return Err((code::CONFLICT, "ConflictInMappingEntry"));
                }
                self.enter(now, outer, entry);
                Ok(String::new())
            }
            Action::AddAny(entry) if service == ServiceType::Ip2 => {
                let wanted = self.check(now, igd, client, entry)?;
                let own = self.table.at(now, wanted).is_some_and(|row| row.client.ip() == client);
                let free = if own { Some(wanted) } else { self.table.free(now, wanted) };
                let outer = free.ok_or((code::NO_PORTS, "NoPortMapsAvailable"))?;
                self.enter(now, outer, entry);
                Ok(format!("<NewReservedPort>{}</NewReservedPort>", outer.port))
            }
            Action::AddAny(_) => Err((401, "Invalid Action")),
            Action::Delete { protocol, external } => {
                let outer = Want { protocol: *protocol, port: *external };
                match self.table.at(now, outer) {
                    Some(row) if row.client.ip() == client => {
                        self.table.remove(outer);
                        Ok(String::new())
                    }
                    _ => Err((code::NO_SUCH_ENTRY, "NoSuchEntryInArray")),
                }
            }
        }
    }

    fn check(&self, now: Instant, igd: &Igd, client: IpAddr, entry: &Entry) -> Result<Want, Refusal> {
        let outer = Want { protocol: entry.protocol, port: entry.external };
        if IpAddr::V4(entry.client) != client {
            return Err((606, "Action not authorized"));
        }
        if igd.permanent_only && entry.lease != 0 {
            return Err((code::ONLY_PERMANENT, "OnlyPermanentLeasesSupported"));
        }
        if self.table.at(now, outer).is_none() && self.table.rows(now).count() >= self.config.rows {
            return Err((code::NO_PORTS, "NoPortMapsAvailable"));
        }
        Ok(outer)
    }

    fn enter(&mut self, now: Instant, outer: Want, entry: &Entry) {
        let lease = Duration::from_secs(entry.lease.into()).min(self.config.longest);
        let until = if entry.lease == 0 { Instant::NEVER } else { now + lease };
        let client = SocketAddr::new(entry.client.into(), entry.internal);
        self.table.put(Row { outer, client, until, nonce: None });
    }
}

fn describe(igd: &Igd) -> String {
    let mut services = String::new();
    for (at, service) in igd.services.iter().enumerate() {
        let _ = write!(
            services,
            "<service><serviceType>{}</serviceType><serviceId>urn:upnp-org:serviceId:WANConn{at}</serviceId>\
             <controlURL>/ctl/{at}</controlURL><eventSubURL>/evt/{at}</eventSubURL><SCPDURL>/{at}.xml</SCPDURL>\
             </service>",
            service.urn()
        );
    }
    let device = "urn:schemas-upnp-org:device";
    format!(
        "<?xml version=\"1.0\"?>\r\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\"><specVersion><major>1</major>\
         <minor>1</minor></specVersion><device><deviceType>{device}:InternetGatewayDevice:1</deviceType><deviceList>\
         <device><deviceType>{device}:WANDevice:1</deviceType><deviceList><device><deviceType>{device}:\
         WANConnectionDevice:1</deviceType><serviceList>{services}</serviceList></device></deviceList></device>\
         </deviceList></device></root>"
    )
}

fn answer(service: ServiceType, action: &Action, fields: &str) -> String {
    let name = action.name();
    soap::envelope(&format!("<u:{name}Response xmlns:u=\"{}\">{fields}</u:{name}Response>", service.urn()))
}

fn fault((code, words): Refusal) -> String {
    soap::envelope(&format!(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail><UPnPError \
         xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode><errorDescription>{words}\
         </errorDescription></UPnPError></detail></s:Fault>"
    ))
}
