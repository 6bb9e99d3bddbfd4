//! What went over the network, in a file that Wireshark and tcpdump read: classic pcap with nanoseconds, raw IP packets.
//! The world has streams and datagrams; headers of IP, TCP and UDP are made up around them, with sums that are right.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tide_base::Instant;

/// Says that times are in nanoseconds, and by its bytes that numbers are little-endian.
const MAGIC: u32 = 0xa1b2_3c4d;
/// LINKTYPE_RAW: packets begin with an IP header, whose first four bits say which.
const RAW: u32 = 101;
/// More than any packet has.
const SNAP: u32 = 1 << 18;
/// What a packet may hold besides its IP header; IPv4's length counts that header, too.
const PAYLOAD_MAX: usize = 65_535 - 20;
const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

/// What kind of packet it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Part of a stream.
    Tcp {
        /// How many bytes went before the data in this direction.
        offset: u64,
        /// It makes the stream, or agrees to that.
        syn: bool,
        /// It ends this direction, after the data.
        fin: bool,
        /// It breaks the stream.
        rst: bool,
    },
    /// A datagram.
    Udp,
}

/// Something that was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// When.
    pub at: Instant,
    /// By whom.
    pub from: SocketAddr,
    /// To whom.
    pub to: SocketAddr,
    /// What it is.
    pub kind: Kind,
    /// What it carries. Of a stream any number of bytes: they are cut into packets. A datagram that is larger than IP
    /// carries is cut off.
    pub data: &'a [u8],
}

/// Writes packets down.
#[derive(Debug)]
pub struct Pcap<W> {
    out: W,
    /// For each direction of a stream the next sequence number: what the other direction acknowledges.
    next: BTreeMap<(SocketAddr, SocketAddr), u32>,
}

impl<W: Write> Pcap<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Pcap<W>> {
        let mut header = Vec::with_capacity(24);
        header.extend_from_slice(&MAGIC.to_le_bytes());
        for version in [2_u16, 4] {
            header.extend_from_slice(&version.to_le_bytes());
        }
        // Time zone and accuracy have always been zero.
        for number in [0, 0, SNAP, RAW] {
            header.extend_from_slice(&number.to_le_bytes());
        }
        out.write_all(&header)?;
        Ok(Pcap { out, next: BTreeMap::new() })
    }

    /// Writes a packet down. They are expected in the order of their times.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn packet(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        match packet.kind {
            Kind::Udp => {
                let data = &packet.data[..packet.data.len().min(PAYLOAD_MAX - UDP_HEADER)];
                let mut udp = Vec::with_capacity(UDP_HEADER + data.len());
                udp.extend_from_slice(&packet.from.port().to_be_bytes());
                udp.extend_from_slice(&packet.to.port().to_be_bytes());
                udp.extend_from_slice(&((UDP_HEADER + data.len()) as u16).to_be_bytes());
                udp.extend_from_slice(&[0, 0]);
                udp.extend_from_slice(data);
                // A sum of zero would mean that there is none.
                let sum = transport_sum(packet, 17, &udp);
                udp[6..8].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
                self.write(packet, 17, &udp)
            }
            Kind::Tcp { offset, syn, fin, rst } => self.segments(packet, offset, [syn, fin, rst]),
        }
    }

    /// The writer, all packets being in it.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn segments(&mut self, packet: &Packet<'_>, offset: u64, [syn, fin, rst]: [bool; 3]) -> io::Result<()> {
        let (way, back) = ((packet.from, packet.to), (packet.to, packet.from));
        if syn && self.next.contains_key(&way) {
            // The same two ports are used again.
            self.next.remove(&way);
            self.next.remove(&back);
        }
        let mut rest = packet.data;
        // The SYN has number 0, the first byte 1. Numbers wrap around after 4 GiB, as they do in the world.
        let mut seq = if syn { 0 } else { (offset as u32).wrapping_add(1) };
        loop {
            let (data, more) = rest.split_at(rest.len().min(PAYLOAD_MAX - TCP_HEADER));
            rest = more;
            let fin = fin && rest.is_empty();
            let mut flags = 0;
            for (is_set, flag) in [(syn && seq == 0, SYN), (fin, FIN), (rst && rest.is_empty(), RST)] {
                flags |= if is_set { flag } else { 0 };
            }
            flags |= if data.is_empty() { 0 } else { PSH };
            let ack = self.next.get(&back).copied();
            flags |= if ack.is_some() { ACK } else { 0 };
            let tcp = segment(packet, seq, ack.unwrap_or(0), flags, data);
            self.write(packet, 6, &tcp)?;
            let takes = data.len() as u32 + u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
            seq = seq.wrapping_add(takes);
            if rest.is_empty() {
                break;
            }
        }
        if rst {
            self.next.remove(&way);
            self.next.remove(&back);
        } else {
            self.next.insert(way, seq);
        }
        Ok(())
    }

    /// Writes `payload` behind an IP header and the record's own.
    fn write(&mut self, packet: &Packet<'_>, protocol: u8, payload: &[u8]) -> io::Result<()> {
        let header = ip_header(packet, protocol, payload.len());
        let nanos = packet.at.as_nanos();
        let len = (header.len() + payload.len()) as u32;
        let mut record = Vec::with_capacity(16 + header.len() + payload.len());
        for number in [(nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32, len, len] {
            record.extend_from_slice(&number.to_le_bytes());
        }
        record.extend_from_slice(&header);
        record.extend_from_slice(payload);
        self.out.write_all(&record)
    }
}

fn segment(packet: &Packet<'_>, seq: u32, ack: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut tcp = Vec::with_capacity(TCP_HEADER + data.len());
    tcp.extend_from_slice(&packet.from.port().to_be_bytes());
    tcp.extend_from_slice(&packet.to.port().to_be_bytes());
    tcp.extend_from_slice(&seq.to_be_bytes());
    tcp.extend_from_slice(&ack.to_be_bytes());
    // Five words of header; a window that is always open; the sum, below; nothing urgent.
    tcp.extend_from_slice(&[5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(data);
    let sum = transport_sum(packet, 6, &tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    tcp
}

/// The addresses as bytes: four each, or sixteen each if either is IPv6.
fn addresses(packet: &Packet<'_>) -> (Vec<u8>, Vec<u8>) {
    fn six(ip: IpAddr) -> Ipv6Addr {
        match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        }
    }
    match (packet.from.ip(), packet.to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => (from.octets().to_vec(), to.octets().to_vec()),
        (from, to) => (six(from).octets().to_vec(), six(to).octets().to_vec()),
    }
}

fn ip_header(packet: &Packet<'_>, protocol: u8, payload: usize) -> Vec<u8> {
    let (from, to) = addresses(packet);
    let mut header = Vec::with_capacity(40);
    if from.len() == 4 {
        header.extend_from_slice(&[0x45, 0]);
        header.extend_from_slice(&((20 + payload) as u16).to_be_bytes());
        // No identification, never to be fragmented, 64 hops, the sum below.
        header.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    } else {
        header.extend_from_slice(&[0x60, 0, 0, 0]);
        header.extend_from_slice(&(payload as u16).to_be_bytes());
        header.extend_from_slice(&[protocol, 64]);
    }
    header.extend_from_slice(&from);
    header.extend_from_slice(&to);
    if from.len() == 4 {
        let sum = sum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    header
}

/// The sum in a TCP or UDP header, which covers the addresses, too. The place of the sum must be zero.
fn transport_sum(packet: &Packet<'_>, protocol: u8, payload: &[u8]) -> u16 {
    let (from, to) = addresses(packet);
    let len = (payload.len() as u32).to_be_bytes();
    sum(&[&from, &to, &len, &[0, protocol], payload])
}

/// The internet's sum (RFC 1071) of parts of which all but the last have an even length.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(pair.get(1).copied().unwrap_or(0));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "10.0.0.1:6881";
    const B: &str = "10.0.0.2:6882";

    fn packet<'a>(nanos: u64, from: &str, to: &str, kind: Kind, data: &'a [u8]) -> Packet<'a> {
        let at = |text: &str| text.parse().expect("an address");
        Packet { at: Instant::from_nanos(nanos), from: at(from), to: at(to), kind, data }
    }

    fn tcp(offset: u64, flags: &str) -> Kind {
        let has = |flag| flags.contains(flag);
        Kind::Tcp { offset, syn: has('S'), fin: has('F'), rst: has('R') }
    }

    /// The packets of a file, each from its IP header on.
    fn records(packets: &[Packet<'_>]) -> Vec<Vec<u8>> {
        let mut pcap = Pcap::new(Vec::new()).expect("memory takes all");
        packets.iter().for_each(|packet| pcap.packet(packet).expect("memory takes all"));
        let file = pcap.into_inner();
        let mut rest = &file[24..];
        let mut records = Vec::new();
        while !rest.is_empty() {
            let word = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().expect("four bytes"));
            assert_eq!(word(8), word(12), "nothing is left out");
            let end = 16 + word(8) as usize;
            records.push(rest[16..end].to_vec());
            rest = &rest[end..];
        }
        records
    }

    #[test]
    fn a_datagram_is_written_byte_for_byte() {
        let mut pcap = Pcap::new(Vec::new()).expect("memory takes all");
        pcap.packet(&packet(1_500_000_007, A, B, Kind::Udp, b"abc")).expect("memory takes all");
        #[rustfmt::skip]
        let expected = [
            // The file: magic, version 2.4, zone, accuracy, longest packet, raw IP.
            0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0,
            // The record: 1 s, 500,000,007 ns, 31 bytes of 31.
            1, 0, 0, 0, 0x07, 0x65, 0xcd, 0x1d, 31, 0, 0, 0, 31, 0, 0, 0,
            // IPv4.
            0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 17, 0x26, 0xcc, 10, 0, 0, 1, 10, 0, 0, 2,
            // UDP.
            0x1a, 0xe1, 0x1a, 0xe2, 0, 11, 0xf1, 0xaf, b'a', b'b', b'c',
        ];
        assert_eq!(pcap.into_inner(), expected);
    }

    #[test]
    fn a_stream_counts_and_acknowledges() {
        let all = [
            packet(0, A, B, tcp(0, "S"), b""),
            packet(1, B, A, tcp(0, "S"), b""),
            packet(2, A, B, tcp(0, ""), b"hello"),
            packet(3, B, A, tcp(0, ""), b"you"),
            packet(4, A, B, tcp(5, "F"), b"!"),
            packet(5, B, A, tcp(3, "R"), b""),
            packet(6, A, B, tcp(0, "S"), b""),
        ];
        let seen: Vec<(u32, u32, u8)> = records(&all)
            .iter()
            .map(|ip| {
                let word = |at: usize| u32::from_be_bytes(ip[at..at + 4].try_into().expect("four bytes"));
                (word(24), word(28), ip[33])
            })
            .collect();
        let expected = [
            (0, 0, SYN),
            (0, 1, SYN | ACK),
            (1, 1, PSH | ACK),
            (1, 6, PSH | ACK),
            (6, 4, FIN | PSH | ACK),
            (4, 8, RST | ACK),
            (0, 0, SYN),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn long_data_are_cut_and_sums_are_right() {
        let data: Vec<u8> =
            (0..150_001_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let six = "[2001:db9::1]:1";
        for (from, to, header) in [(A, B, 20), (six, "[2001:db9::2]:2", 40), (A, six, 40)] {
            let whole = packet(0, from, to, tcp(1 << 33, "F"), &data);
            let found = records(&[whole]);
            let carried: Vec<u8> = found.iter().flat_map(|ip| ip[header + 20..].to_vec()).collect();
            assert!(carried == data);
            assert_eq!(found.len(), 3);
            for (i, ip) in found.iter().enumerate() {
                assert_eq!(ip[header + 13] & FIN != 0, i == 2);
                // A sum over what holds its own sum is nothing.
                assert_eq!(transport_sum(&whole, 6, &ip[header..]), 0);
                // IPv4 counts its header, IPv6 does not.
                let (place, counted) = if header == 20 { (2, 0) } else { (4, 40) };
                let len = u16::from_be_bytes([ip[place], ip[place + 1]]);
                assert_eq!(usize::from(len) + counted, ip.len());
                if header == 20 {
                    assert_eq!(sum(&[&ip[..20]]), 0);
                }
            }
            let datagram = packet(0, from, to, Kind::Udp, &data);
            let found = records(&[datagram]);
            assert_eq!((found.len(), found[0].len()), (1, header + PAYLOAD_MAX));
            assert_eq!(transport_sum(&datagram, 17, &found[0][header..]), 0);
        }
    }
}
