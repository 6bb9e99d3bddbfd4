//! Everything at once, at random: whatever happens, each announce is answered exactly once, and nothing is left over.
#![cfg(feature = "http")]

use super::*;

const JOBS: u64 = 300;

const URLS: [&str; 7] = [
    "http://a.example/announce",
    "https://b.example/announce",
    "http://1.2.3.4/announce",
    "http://127.0.0.1:7000/announce",
    "udp://c.example:6969",
    "udp://1.2.3.5:6969",
    "http://10.0.0.1/not-a-tracker",
];

const REPLIES: [&[u8]; 6] = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\nd8:intervali900e5:peers6:\x01\x02\x03\x04\x1a\xe1e",
    b"HTTP/1.1 200 OK\r\nContent-Le",
    b"HTTP/1.1 302 Found\r\nLocation: http://a.example/announce\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/announce\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
    b"\xff\xfe\r\n\r\n",
];

const FAILURES: [NetError; 5] =
    [NetError::Ended, NetError::Reset, NetError::Refused, NetError::Exhausted, NetError::Tls];

struct Storm {
    world: World,
    prng: Prng,
    open: Vec<ConnKey>,
    lookups: Vec<ResolveId>,
    packets: Vec<(SocketAddr, Vec<u8>)>,
    answers: Vec<u32>,
}

impl Storm {
    fn one_of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.prng.index(from.len())]
    }

    fn submit(&mut self, number: u64) {
        let url = self.one_of(&URLS);
        let event = self.one_of(&[Event::None, Event::Started, Event::Stopped]);
        let family = self.one_of(&[Family::V4, Family::V4, Family::V6]);
        self.world.submit(AnnounceJob { family, ..job(number, url, event) });
    }

    /// One thing that the world does.
    fn happen(&mut self) {
        let (desk, now) = (&mut self.world.desk, self.world.now);
        let pick = self.prng.next_u64() as usize;
        match self.prng.below(6) {
            0 if !self.lookups.is_empty() => {
                let id = self.lookups.swap_remove(pick % self.lookups.len());
                let result = match self.prng.below(3) {
                    0 => Err(FAILURES[pick % FAILURES.len()]),
                    1 => Ok(vec![at("1.2.3.4:1").ip(), at("1.2.3.5:1").ip(), at("[2001:4860::1]:1").ip()]),
                    _ => Ok(vec![at("1.2.3.6:1").ip()]),
                };
                self.world.answer_lookup(id, &result);
            }
            1 if !self.packets.is_empty() => {
                let (to, packet) = self.packets.swap_remove(pick % self.packets.len());
                let action = [packet[11], 3, 0][self.prng.index(3)] & 3;
                let data = [&[0, 0, 0, action], &packet[12..16], &[1; 18]].concat();
                self.world.announcer.datagram(desk, now, to, &data);
            }
            2 => self.world.pass(Duration::from_millis(pick as u64 % 8000)),
            _ if !self.open.is_empty() => self.stream(pick),
            _ => {}
        }
    }

    fn stream(&mut self, pick: usize) {
        let conn = self.open[pick % self.open.len()];
        let request = self.world.request_of(conn);
        match self.prng.below(5) {
            0 => {
                let why = self.one_of(&FAILURES);
                self.world.close(conn, why);
            }
            1 | 2 => self.world.announcer.connected(&mut self.world.desk, self.world.now, request),
            _ => {
                let reply = self.one_of(&REPLIES);
                self.world.receive(conn, reply);
            }
        }
    }

    fn collect(&mut self) {
        self.lookups.extend(self.world.lookups().into_iter().map(|(id, _)| id));
        self.packets.extend(self.world.datagrams());
        self.open.extend(self.world.dials().into_iter().map(|(conn, ..)| conn));
        self.open.retain(|conn| self.world.desk.conns.contains(*conn));
        assert!(self.open.len() <= 50);
        assert_eq!(self.open.len(), self.world.desk.conns.len());
        for (torrent, _) in self.world.told() {
            self.answers[torrent.slot.to_bits() as usize] += 1;
        }
    }
}

#[test]
fn each_announce_is_answered_once_whatever_happens() {
    for seed in 0..30 {
        let mut storm = Storm {
            world: World::new(),
            prng: Prng::new(seed),
            open: Vec::new(),
            lookups: Vec::new(),
            packets: Vec::new(),
            answers: vec![0; JOBS as usize],
        };
        let mut forgotten = Vec::new();
        for number in 0..JOBS {
            storm.submit(number);
            storm.happen();
            storm.collect();
            if storm.prng.chance(1, 10) {
                let gone = storm.prng.below(number + 1);
                storm.world.announcer.forget(torrent(gone));
                forgotten.push(gone as usize);
            }
        }
        let mut steps = 0;
        while !storm.world.announcer.is_idle() {
            storm.happen();
            storm.collect();
            steps += 1;
            assert!(steps < 100_000, "seed {seed} goes on for ever");
        }
        for (number, count) in storm.answers.iter().enumerate() {
            let expected = if forgotten.contains(&number) { *count <= 1 } else { *count == 1 };
            assert!(expected, "seed {seed}: torrent {number} was answered {count} times");
        }
        assert!(storm.world.desk.conns.is_empty() && storm.world.announcer.of_torrent.is_empty());
        storm.world.pass(Duration::from_secs(3600));
        assert_eq!(storm.world.announcer.deadline(), Instant::NEVER, "seed {seed}");
    }
}
