//! Messages byte for byte, as the RFCs have them and as routers send them, and any bytes at all.

use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use tide_portmap::description::{self, ServiceType};
use tide_portmap::soap::{Action, Entry, Fields};
use tide_portmap::{Fault, Place, Protocol, natpmp, pcp, ssdp};

fn ip(text: &str) -> IpAddr {
    text.parse().expect(text)
}

#[test]
fn natpmp_is_written_and_read_as_in_rfc_6886() {
    use natpmp::{Body, Map, Reply, Request};
    assert_eq!(Request::Address.write(), [0, 0]);
    let map = Map { protocol: Protocol::Tcp, internal: 0x1ae1, external: 0x1ae2, lifetime: 7200 };
    let bytes = [0, 2, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2, 0, 0, 0x1c, 0x20];
    assert_eq!(Request::Map(map).write(), bytes);
    assert_eq!(Request::parse(&bytes), Ok(Request::Map(map)));
    let udp = Map { protocol: Protocol::Udp, ..map };
    assert_eq!(Request::Map(udp).write()[1], 1);

    let reply = [0, 0x80, 0, 0, 0, 0, 1, 0, 203, 0, 113, 9];
    let body = Body::Address(Ipv4Addr::new(203, 0, 113, 9));
    assert_eq!(Reply::parse(&reply), Ok(Reply { epoch: 256, body }));
    let reply = [0, 0x82, 0, 0, 0, 0, 1, 0, 0x1a, 0xe1, 0x1a, 0xe2, 0, 0, 0x1c, 0x20];
    assert_eq!(Reply::parse(&reply), Ok(Reply { epoch: 256, body: Body::Map(map) }));
    // A refused version is eight bytes long, with whatever opcode was asked.
    let reply = [0, 0x81, 0, 1, 0, 0, 1, 0];
    assert_eq!(Reply::parse(&reply), Ok(Reply { epoch: 256, body: Body::Refused { opcode: 1, code: 1 } }));
}

#[test]
fn broken_natpmp_is_refused() {
    for bytes in [
        &[][..],
        &[0, 0x80, 0, 0, 0, 0, 0],
        &[1, 0x80, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
        &[0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
        &[0, 0x80, 0, 0, 0, 0, 0, 0, 1, 2, 3],
        &[0, 0x81, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
        &[0, 0x83, 0, 0, 0, 0, 0, 0],
    ] {
        assert!(natpmp::Reply::parse(bytes).is_err(), "{bytes:?}");
    }
    assert!(natpmp::Request::parse(&[0, 1, 0, 0, 1]).is_err() && natpmp::Request::parse(&[0, 9]).is_err());
}

#[test]
fn pcp_map_is_written_and_read_as_in_rfc_6887() {
    let map = pcp::Map {
        nonce: *b"abcdefghijkl",
        protocol: Protocol::Udp,
        internal: 0x1ae1,
        external: 0x1ae2,
        address: ip("0.0.0.0"),
    };
    let op = pcp::Op::Map(map);
    let request = pcp::Request { lifetime: 3600, client: ip("192.168.1.10"), op };
    let mut expected = vec![2, 1, 0, 0, 0, 0, 0x0e, 0x10];
    expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, 10]);
    expected.extend(b"abcdefghijkl");
    expected.extend([17, 0, 0, 0, 0x1a, 0xe1, 0x1a, 0xe2]);
    expected.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0]);
    assert_eq!((request.write(), expected.len()), (expected.clone(), 60));
    assert_eq!(pcp::Request::parse(&expected), Ok(request));

    let mut answer = vec![2, 0x81, 0, 0, 0, 0, 0x0e, 0x10, 0, 0, 1, 0];
    answer.extend([0; 12]);
    answer.extend(&expected[24..]);
    let granted = pcp::Reply { code: 0, lifetime: 3600, epoch: 256, op };
    assert_eq!((pcp::Reply::parse(&answer), granted.write()), (Ok(granted), answer.clone()));
    // With an option that nobody asked for (FILTER), and IPv6.
    answer.extend([3, 0, 0, 4, 0, 0, 0, 0]);
    assert_eq!(pcp::Reply::parse(&answer), Ok(granted));
    let v6 = pcp::Request { client: ip("2a00::1"), ..request };
    assert_eq!(pcp::Request::parse(&v6.write()), Ok(v6));
}

#[test]
fn a_pcp_refusal_may_lack_its_body_and_a_grant_may_not() {
    let mut bytes = vec![2, 0x81, 0, 1, 0, 0, 0, 30, 0, 0, 1, 0];
    bytes.extend([0; 12]);
    let refused = pcp::Reply { code: 1, lifetime: 30, epoch: 256, op: pcp::Op::Other(1) };
    assert_eq!(pcp::Reply::parse(&bytes), Ok(refused));
    bytes[3] = 0;
    assert_eq!(pcp::Reply::parse(&bytes), Err(Fault("MAP has 36 bytes")));
    bytes[1] = 0x80;
    let announce = pcp::Reply { code: 0, lifetime: 30, epoch: 256, op: pcp::Op::Announce };
    assert_eq!(pcp::Reply::parse(&bytes), Ok(announce));
    assert!(pcp::Reply::parse(&bytes[..23]).is_err() && pcp::Reply::parse(&bytes[..20]).is_err());
    assert!(pcp::Reply::parse(&[2; 1104]).is_err());
}

#[test]
fn ssdp_asks_as_upnp_has_it_and_reads_what_routers_answer() {
    let search = String::from_utf8(ssdp::search(ssdp::TARGETS[0])).expect("ASCII");
    assert_eq!(
        search,
        "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 2\r\n\
         ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
    );
    assert_eq!(ssdp::parse_search(search.as_bytes()).as_deref(), Some(ssdp::TARGETS[0]));
    let place = |text: &str| ssdp::parse_answer(text.as_bytes()).map(|p| format!("{}{}", p.addr, p.path));
    // In the manner of miniupnpd, of a Fritz!Box, and of something old.
    let mini = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
                EXT:\r\nSERVER: Debian UPnP/1.1 MiniUPnPd/2.3.1\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\n\
                OPT: \"http://schemas.upnp.org/upnp/1/0/\"; ns=01\r\n01-NLS: 1\r\nBOOTID.UPNP.ORG: 1\r\n\r\n";
    assert_eq!(place(mini).as_deref(), Ok("192.168.1.1:5000/rootDesc.xml"));
    let fritz =
        "HTTP/1.1 200 OK\r\nLOCATION: http://192.168.178.1:49000/igddesc.xml\r\nSERVER: FRITZ!Box\r\n\r\n";
    assert_eq!(place(fritz).as_deref(), Ok("192.168.178.1:49000/igddesc.xml"));
    assert_eq!(
        place("HTTP/1.0 200 OK\nLocation:http://10.0.0.138/upnp\n").as_deref(),
        Ok("10.0.0.138:80/upnp")
    );
    for text in [
        "",
        "HTTP/1.1 404 No\r\nLOCATION: http://10.0.0.1/\r\n\r\n",
        "NOTIFY * HTTP/1.1\r\nLOCATION: http://10.0.0.1/\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nLOCATION: http://router.local/\r\n\r\n",
    ] {
        assert!(place(text).is_err(), "{text}");
    }
}

/// Nested and indented as real devices have it, with the services of neighbours in between.
fn device(base: &str, services: &[(&str, &str)]) -> String {
    let services: String = services
        .iter()
        .map(|(kind, control)| {
            format!(
                "<service>\n  <serviceType>urn:schemas-upnp-org:service:{kind}</serviceType>\n  \
                 <serviceId>urn:upnp-org:serviceId:x</serviceId>\n  <SCPDURL>/x.xml</SCPDURL>\n  \
                 <controlURL> {control} </controlURL>\n  <eventSubURL>/e</eventSubURL>\n</service>\n"
            )
        })
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<root xmlns=\"urn:schemas-upnp-org:device-1-0\">\n{base}\
         <device><friendlyName>A &amp; B</friendlyName><serviceList><service><serviceType>urn:schemas-upnp-org:service:\
         Layer3Forwarding:1</serviceType><controlURL>/l3f</controlURL></service></serviceList><deviceList><device>\
         <serviceList>{services}</serviceList></device></deviceList></device></root>"
    )
}

fn services(base: &str, list: &[(&str, &str)]) -> Result<Vec<(ServiceType, String)>, Fault> {
    let from = Place::parse("http://192.168.1.1:5000/igd/desc.xml").expect("a place");
    let found = description::parse(&device(base, list), &from)?;
    Ok(found.into_iter().map(|s| (s.kind, format!("{}{}", s.control.addr, s.control.path))).collect())
}

#[test]
fn services_are_found_wherever_they_stand_and_the_best_comes_first() {
    use ServiceType::{Ip1, Ip2, Ppp1};
    let list =
        [("WANPPPConnection:1", "/ppp"), ("WANIPConnection:1", "ctl/ip"), ("WANIPConnection:2", "/ip2")];
    let found = services("", &list).expect("a gateway");
    let host = "192.168.1.1:5000";
    let expected = [(Ip2, "/ip2"), (Ip1, "/igd/ctl/ip"), (Ppp1, "/ppp")];
    assert_eq!(found, expected.map(|(kind, path)| (kind, format!("{host}{path}"))));
    let based = services("<URLBase>http://192.168.1.1:80/</URLBase>", &[("WANIPConnection:1", "ctl")]);
    assert_eq!(based, Ok(vec![(Ip1, "192.168.1.1:80/ctl".into())]));
}

#[test]
fn a_description_leads_to_no_other_host() {
    let ip1 = "WANIPConnection:1";
    let wrong_base = services("<URLBase>http://8.8.8.8/</URLBase>", &[(ip1, "/ctl")]);
    assert_eq!(wrong_base, Ok(vec![(ServiceType::Ip1, "192.168.1.1:5000/ctl".into())]));
    assert!(services("", &[(ip1, "http://8.8.8.8/ctl")]).is_err());
    assert!(services("", &[(ip1, "http://evil.example/ctl")]).is_err());
    assert!(services("", &[(ip1, "/a b\r\nX: y")]).is_err());
    assert!(services("", &[("WANCommonInterfaceConfig:1", "/x")]).is_err());
    assert!(services("", &[]).is_err());
}

#[test]
fn actions_are_written_in_the_order_of_the_standard_and_read_back() {
    let entry = Entry {
        protocol: Protocol::Tcp,
        external: 6881,
        internal: 6882,
        client: Ipv4Addr::new(192, 168, 1, 10),
        description: "a <b> & c".into(),
        lease: 3600,
    };
    let add = Action::Add(entry.clone());
    assert_eq!(
        add.header(ServiceType::Ip1),
        "\"urn:schemas-upnp-org:service:WANIPConnection:1#AddPortMapping\""
    );
    let body = add.body(ServiceType::Ip1);
    assert!(
        body.contains(
            "<s:Body><u:AddPortMapping xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">\
             <NewRemoteHost></NewRemoteHost><NewExternalPort>6881</NewExternalPort><NewProtocol>TCP</NewProtocol>\
             <NewInternalPort>6882</NewInternalPort><NewInternalClient>192.168.1.10</NewInternalClient>\
             <NewEnabled>1</NewEnabled><NewPortMappingDescription>a &lt;b&gt; &amp; c</NewPortMappingDescription>\
             <NewLeaseDuration>3600</NewLeaseDuration></u:AddPortMapping></s:Body>"
        ),
        "{body}"
    );
    let delete = Action::Delete { protocol: Protocol::Udp, external: 1 };
    for action in [add, Action::AddAny(entry), delete, Action::ExternalAddress] {
        for kind in [ServiceType::Ip1, ServiceType::Ip2, ServiceType::Ppp1] {
            assert_eq!(Action::parse(&action.header(kind), &action.body(kind)), Ok(action.clone()));
        }
    }
}

#[test]
fn answers_and_refusals_are_read_in_any_dress() {
    let answer = "<?xml version=\"1.0\"?>\r\n<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://schemas.xmlsoap.org/soap/envelope/\">\
                  <SOAP-ENV:Body><m:GetExternalIPAddressResponse xmlns:m=\"x\"><NewExternalIPAddress> 203.0.113.9 \
                  </NewExternalIPAddress></m:GetExternalIPAddressResponse></SOAP-ENV:Body></SOAP-ENV:Envelope>";
    let fields = Fields::parse(answer).expect("XML");
    assert_eq!((fields.get("NewExternalIPAddress"), fields.refusal()), (Some("203.0.113.9"), None));
    let fault = "<s:Envelope><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
                 <UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>718</errorCode><errorDescription>\
                 Conflict\u{1b}[2J</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>";
    let refusal = Fields::parse(fault).expect("XML").refusal();
    assert_eq!(refusal, Some((718, "Conflict [2J".into())));
}

proptest! {
    #[test]
    fn natpmp_goes_both_ways(tcp: bool, internal: u16, external: u16, lifetime: u32, epoch: u32) {
        let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
        let map = natpmp::Map { protocol, internal, external, lifetime };
        prop_assert_eq!(natpmp::Request::parse(&natpmp::Request::Map(map).write()), Ok(natpmp::Request::Map(map)));
        let reply = natpmp::Reply { epoch, body: natpmp::Body::Map(map) };
        prop_assert_eq!(natpmp::Reply::parse(&reply.write()), Ok(reply));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..130), version in 0u8..3) {
        let mut bytes = bytes;
        for _ in 0..2 {
            let _ = natpmp::Reply::parse(&bytes);
            let _ = natpmp::Request::parse(&bytes);
            if let Ok(reply) = pcp::Reply::parse(&bytes) {
                prop_assert_eq!(pcp::Reply::parse(&reply.write()), Ok(reply));
            }
            if let Ok(request) = pcp::Request::parse(&bytes) {
                prop_assert_eq!(pcp::Request::parse(&request.write()), Ok(request));
            }
            let _ = ssdp::parse_answer(&bytes);
            let _ = ssdp::parse_search(&bytes);
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
        }
    }

    #[test]
    fn descriptions_cut_anywhere_are_read_or_refused(cut in 0usize..900, with in "\\PC{0,8}") {
        let whole = device("", &[("WANIPConnection:1", "/ctl")]);
        let at = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
        let from = Place::parse("http://192.168.1.1/").expect("a place");
        let _ = description::parse(&format!("{}{with}", &whole[..at]), &from);
        let _ = description::parse(&format!("{}{with}{}", &whole[..at], &whole[at..]), &from);
        let _ = Fields::parse(&whole[at..]);
    }
}
