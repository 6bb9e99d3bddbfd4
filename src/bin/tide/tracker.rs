//! `tide tracker`: a small tracker in memory.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tide::tracker::{ServerLimits, Tracker, TrackerConfig};

use crate::exit::{Exit, Failure};
use crate::json::Json;
use crate::run::Context;

/// The port that trackers have used since the first one.
const PORT: u16 = 6969;
/// How long a signal may go unnoticed.
const GLANCE: Duration = Duration::from_millis(50);

pub(crate) fn run(context: &mut Context<'_>) -> Result<Exit, Failure> {
    let (http, udp) = (context.matches.addrs("listen"), context.matches.addrs("udp"));
    let tracker = if http.is_empty() && udp.is_empty() { everywhere()? } else { start(http, udp)? };
    context.stop.be_gentle();
    let list = |addrs: &[SocketAddr]| Json::list(addrs.iter().map(ToString::to_string));
    context
        .console
        .emit(&Json::event("listening", [("tcp", list(tracker.http())), ("udp", list(tracker.udp()))]));
    tracker.http().iter().for_each(|addr| context.console.say(&format!("http://{addr}/announce")));
    tracker.udp().iter().for_each(|addr| context.console.say(&format!("udp://{addr}/announce")));
    loop {
        if let Some(exit) = context.stop.asked() {
            return Ok(exit);
        }
        if context.console.is_lost() {
            return Ok(Exit::Other);
        }
        std::thread::sleep(GLANCE);
    }
}

fn start(http: Vec<SocketAddr>, udp: Vec<SocketAddr>) -> Result<Tracker, Failure> {
    Ok(Tracker::start(TrackerConfig { http, udp, limits: ServerLimits::default() })?)
}

/// On all addresses of both families, or of IPv4 alone where there is no IPv6.
fn everywhere() -> Result<Tracker, Failure> {
    let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, PORT));
    start(vec![v4, v6], vec![v4, v6]).or_else(|_| start(vec![v4], vec![v4]))
}
