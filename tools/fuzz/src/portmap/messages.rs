//! One message, whatever it is, read by all readers.

use tide_portmap::limits::{PATH_MAX, SERVICES_MAX, TEXT_MAX};
use tide_portmap::{Place, description, natpmp, pcp, soap, ssdp};

pub(super) fn read(message: &[u8]) {
    if let Ok(request) = pcp::Request::parse(message) {
        assert_eq!(pcp::Request::parse(&request.write()), Ok(request));
    }
    if let Ok(reply) = pcp::Reply::parse(message) {
        assert_eq!(pcp::Reply::parse(&reply.write()), Ok(reply));
    }
    if let Ok(request) = natpmp::Request::parse(message) {
        assert_eq!(natpmp::Request::parse(&request.write()), Ok(request));
    }
    if let Ok(reply) = natpmp::Reply::parse(message) {
        assert_eq!(natpmp::Reply::parse(&reply.write()), Ok(reply));
    }
    let _ = ssdp::parse_search(message);
    if let Ok(place) = ssdp::parse_answer(message) {
        check(&place);
    }
    let text = String::from_utf8_lossy(message);
    let from = Place::parse("http://192.168.1.1:5000/root/desc.xml").expect("a place");
    for place in [Place::parse(&text), from.join(&text)].into_iter().flatten() {
        check(&place);
    }
    if let Ok(services) = description::parse(&text, &from) {
        assert!(!services.is_empty() && services.len() <= SERVICES_MAX);
        for service in &services {
            check(&service.control);
            assert_eq!(service.control.addr.ip(), from.addr.ip(), "a control on another host");
        }
    }
    if let Ok(fields) = soap::Fields::parse(&text)
        && let Some((_, words)) = fields.refusal()
    {
        assert!(words.len() <= TEXT_MAX && !words.contains(char::is_control));
    }
    for name in ["AddPortMapping", "AddAnyPortMapping", "DeletePortMapping", "GetExternalIPAddress"] {
        if let Ok(action) = soap::Action::parse(name, &text) {
            let kind = description::ServiceType::Ip1;
            let again = soap::Action::parse(&action.header(kind), &action.body(kind));
            assert_eq!(again.as_ref().map(soap::Action::name), Ok(name), "{action:?}");
        }
    }
}

/// A place that can be asked for in one line.
fn check(place: &Place) {
    assert!(place.addr.port() != 0 && place.path.len() <= PATH_MAX && place.path.starts_with('/'));
    assert!(place.path.bytes().all(|byte| byte.is_ascii_graphic()), "a path that ends a line: {place:?}");
}
