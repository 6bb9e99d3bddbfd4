//! Every bound of this crate, with its reason.

use tide_base::Duration;

/// Bytes of a description's or a control's URL path. Known ones are below 60.
pub const PATH_MAX: usize = 512;

/// Depth of nested elements in XML. A device description has a dozen levels.
pub const XML_DEPTH_MAX: usize = 32;

/// Bytes of one element's text that are kept: URLs and names are shorter, the rest is not for us.
pub const XML_TEXT_MAX: usize = 1024;

/// Services kept of one device description. A gateway has one or two WAN connections; some modems list eight.
pub const SERVICES_MAX: usize = 8;

/// Arguments kept of one SOAP message. The largest action of ours has eight.
pub const FIELDS_MAX: usize = 16;

/// Bytes of an HTTP message's start line and headers. Routers send a few hundred.
pub const HTTP_HEAD_MAX: usize = 8 << 10;

/// Bytes of an HTTP message's body. Device descriptions have 2 to 30 KiB.
pub const HTTP_BODY_MAX: usize = 128 << 10;

/// Bytes of an SSDP datagram that is looked at: what fits one Ethernet frame, and some slack.
pub const SSDP_MAX: usize = 2048;

/// Bytes of a PCP message (RFC 6887, section 7).
pub const PCP_MAX: usize = 1100;

/// Bytes of a gateway's error text that are kept for people.
pub const TEXT_MAX: usize = 128;

/// Bounds and habits of a [`Mapper`](crate::Mapper).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Ports wanted at once: one or two families, TCP and UDP, and room for an embedder's own.
    pub wants: usize,
    /// Networks (a gateway and an address of ours) served at once; a laptop has two or three.
    pub networks: usize,
    /// How long a mapping is asked for. After a crash it stays open that long, so not the two hours of RFC 6886.
    pub lifetime: Duration,
    /// What a shorter lifetime is taken for, so that a gateway cannot make us ask without end.
    pub shortest_life: Duration,
    /// What a longer or an endless lifetime is taken for when renewals are planned: so a restarted gateway that says
    /// nothing of it costs at most half of this (UPnP has no epoch).
    pub longest_life: Duration,
    /// How soon a failed renewal is tried again at the soonest (RFC 6887, section 11.2.1).
    pub renew_again: Duration,
    /// How long port 5351 may be silent before a UPnP gateway that has been found is used instead.
    pub head_start: Duration,
    /// How long the first PCP request waits; each later one twice as long (RFC 6887, section 8.1.1: 3 s).
    pub pcp_wait: Duration,
    /// PCP requests before silence means that it is not spoken: 21 s in all.
    pub pcp_tries: u32,
    /// How long the first NAT-PMP request waits; each later one twice as long (RFC 6886, section 3.1: 250 ms).
    pub natpmp_wait: Duration,
    /// NAT-PMP requests before silence means that it is not spoken. RFC 6886 has nine, which take two minutes; six
    /// take 16 s, and silent gateways are asked again later anyway.
    pub natpmp_tries: u32,
    /// SSDP searches, the second after [`search_gap`](Limits::search_gap), each later one after twice as long:
    /// datagrams get lost, above all multicast ones over radio.
    pub searches: u32,
    /// The gap between the first two searches; the answers to the last are waited for twice as long as its gap.
    pub search_gap: Duration,
    /// Answering devices kept. Media players and printers answer, too; the gateway's own answer comes first.
    pub candidates: usize,
    /// From the wish to connect to the last byte of the answer. Slow routers take two seconds.
    pub http: Duration,
    /// Other external ports tried when the wanted one is taken and the gateway does not choose by itself.
    pub conflicts: u32,
    /// How often a gateway that does not tell of changes is asked for its external address.
    pub address: Duration,
    /// After a gateway's restart, mappings are made anew within this long, at random (RFC 6887, section 14.1.3: 5 s).
    pub recovery: Duration,
    /// Restarts closer together than this are taken for one: announcements can be forged by neighbours.
    pub restarts: Duration,
    /// Wait after the first time that nothing worked; doubled by each further one.
    pub first_retry: Duration,
    /// What that wait is lowered to.
    pub longest_retry: Duration,
    /// How long removing the mappings may hold up an exit.
    pub stop_budget: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            wants: 16,
            networks: 8,
            lifetime: Duration::from_secs(3600),
            shortest_life: Duration::from_secs(120),
            longest_life: Duration::from_secs(3600),
            renew_again: Duration::from_secs(4),
            head_start: Duration::from_secs(2),
            pcp_wait: Duration::from_secs(3),
            pcp_tries: 3,
            natpmp_wait: Duration::from_millis(250),
            natpmp_tries: 6,
            searches: 3,
            search_gap: Duration::from_secs(1),
            candidates: 8,
            http: Duration::from_secs(8),
            conflicts: 8,
            address: Duration::from_secs(600),
            recovery: Duration::from_secs(5),
            restarts: Duration::from_secs(30),
            first_retry: Duration::from_secs(60),
            longest_retry: Duration::from_secs(3600),
            stop_budget: Duration::from_secs(3),
        }
    }
}

/// Bounds and weights of the vote on the external address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VoteLimits {
    /// Votes of one family kept; the oldest makes room. A session hears of some hundred voters an hour.
    pub votes: usize,
    /// How long a vote counts: providers change addresses daily, and those who knew the old one stay silent.
    pub life: Duration,
    /// What one kind of source can weigh at most, so that a crowd of peers cannot outvote everybody else.
    pub source_max: u32,
    /// What an address must weigh to be believed at first: one tracker or gateway, or two strangers.
    pub quorum: u32,
    /// A challenger must be heavier than the believed address by a part of `1 / margin` of the latter's weight, so
    /// that two equally strong camps do not make the answer swing.
    pub margin: u32,
}

impl Default for VoteLimits {
    fn default() -> Self {
        VoteLimits { votes: 64, life: Duration::from_secs(3600), source_max: 8, quorum: 2, margin: 4 }
    }
}
