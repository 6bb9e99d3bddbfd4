//! A peer that is nobody's program: it shakes hands like others, and then says of a torrent's metadata (BEP 9) and of
//! other peers (BEP 11) what a test wants.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::{InfoHash, net};

/// Bytes of a piece of metadata.
const PIECE: usize = 16 * 1024;
/// Numbers of the extensions, as it says itself.
const METADATA: u8 = 1;
const PEX: u8 = 2;
/// Kind of an extended message, and the number of the handshake among them.
const EXTENDED: u8 = 20;
/// Messages longer than this are not for it.
const LONGEST: usize = 1 << 20;
/// How soon it notices that it is over, and how long it waits before it calls again.
const PAUSE: Duration = Duration::from_millis(50);

/// What it does to whoever it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manners {
    /// Gives so many pieces of the metadata, the first ones, and answers nothing else.
    Gives(u32),
    /// Gives every piece of the metadata with a byte changed.
    Lies,
    /// Says that the metadata has so many bytes, and answers nothing.
    Claims(u64),
    /// Says that the metadata has so many bytes, and gives as many that mean nothing.
    Invents(u32),
    /// Says nothing at all, not even in the handshake.
    Silent,
    /// Tells of peers that are not there, as fast as it is listened to.
    Floods,
}

/// Such a peer; it listens, and [calls](FakePeer::call) if told to. It is gone on drop.
#[derive(Debug)]
pub struct FakePeer {
    role: Arc<Role>,
}

#[derive(Debug)]
struct Role {
    address: SocketAddrV4,
    info_hash: InfoHash,
    metadata: Vec<u8>,
    manners: Manners,
    met: AtomicU64,
    given: AtomicU64,
    over: AtomicBool,
}

impl FakePeer {
    /// One that knows a torrent by its metadata, at an address of its own.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start(info_hash: &InfoHash, metadata: &[u8], manners: Manners) -> Self {
        let address = net::fresh();
        let listener = TcpListener::bind(address).expect("a fresh address is free");
        let role = Arc::new(Role {
            address,
            info_hash: info_hash.clone(),
            metadata: metadata.to_vec(),
            manners,
            met: AtomicU64::new(0),
            given: AtomicU64::new(0),
            over: AtomicBool::new(false),
        });
        let at_door = Arc::clone(&role);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept()
                && !at_door.is_over()
            {
                let role = Arc::clone(&at_door);
                thread::spawn(move || role.meet(stream, false));
            }
        });
        Self { role }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddrV4 {
        self.role.address
    }

    /// Has it call somebody, again and again.
    pub fn call(&self, whom: SocketAddr) {
        let role = Arc::clone(&self.role);
        thread::spawn(move || {
            while !role.is_over() {
                if let Ok(stream) = TcpStream::connect(whom) {
                    role.meet(stream, true);
                }
                thread::sleep(PAUSE);
            }
        });
    }

    /// How many connections it has had.
    #[must_use]
    pub fn met(&self) -> u64 {
        self.role.met.load(Ordering::SeqCst)
    }

    /// How many pieces of metadata, or messages about peers, it has given.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.role.given.load(Ordering::SeqCst)
    }
}

impl Drop for FakePeer {
    fn drop(&mut self) {
        self.role.over.store(true, Ordering::SeqCst);
        // Whoever waits at the door looks up.
        drop(TcpStream::connect(self.role.address));
    }
}

impl Role {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// A connection, until either side has enough.
    fn meet(&self, mut stream: TcpStream, called: bool) {
        self.met.fetch_add(1, Ordering::SeqCst);
        let timed = stream.set_read_timeout(Some(PAUSE)).and_then(|()| stream.set_write_timeout(Some(PAUSE)));
        // However it ends, the other side has heard what it was to hear.
        let _ = timed.and_then(|()| self.converse(&mut stream, called));
    }

    fn converse(&self, stream: &mut TcpStream, called: bool) -> io::Result<()> {
        if self.manners == Manners::Silent {
            return self.take(stream, &mut [0]);
        }
        if called {
            self.give(stream, &self.handshake())?;
        }
        self.take(stream, &mut [0; 68])?;
        if !called {
            self.give(stream, &self.handshake())?;
        }
        self.say(stream, 0, self.introduction().as_bytes())?;
        let mut theirs = [0; 2];
        loop {
            let message = self.message(stream)?;
            match message.as_slice() {
                [EXTENDED, 0, dict @ ..] => {
                    theirs = [number(dict, b"11:ut_metadatai"), number(dict, b"6:ut_pexi")]
                        .map(|id| id.and_then(|id| u8::try_from(id).ok()).unwrap_or(0));
                }
                [EXTENDED, METADATA, dict @ ..] if number(dict, b"8:msg_typei") == Some(0) => {
                    self.asked(stream, theirs[0], number(dict, b"5:piecei").unwrap_or(0))?;
                }
                _ => {}
            }
            if self.manners == Manners::Floods && theirs[1] > 0 {
                return self.flood(stream, theirs[1]);
            }
        }
    }

    /// Tells of peers without end.
    fn flood(&self, stream: &mut TcpStream, id: u8) -> io::Result<()> {
        loop {
            self.say(stream, id, &self.rumours())?;
            self.given.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn handshake(&self) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&self.info_hash.as_str()[at..at + 2], 16);
        let hash = (0..20).map(|byte| digit(byte * 2).expect("hexadecimal digits"));
        let mut all = b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\0".to_vec();
        all.extend(hash);
        all.extend(format!("-XX0000-{:012}", self.address.port()).bytes());
        all
    }

    fn introduction(&self) -> String {
        let size = match self.manners {
            Manners::Claims(size) => size,
            Manners::Invents(size) => size.into(),
            _ => self.metadata.len() as u64,
        };
        format!("d1:md11:ut_metadatai{METADATA}e6:ut_pexi{PEX}ee13:metadata_sizei{size}ee")
    }

    /// It was asked for a piece of the metadata.
    fn asked(&self, stream: &mut TcpStream, id: u8, piece: u64) -> io::Result<()> {
        let start = usize::try_from(piece).unwrap_or(usize::MAX).saturating_mul(PIECE);
        let of = |whole: &[u8]| whole.get(start..).map(|rest| rest[..rest.len().min(PIECE)].to_vec());
        let (size, bytes) = match self.manners {
            Manners::Gives(count) if piece < count.into() => (self.metadata.len(), of(&self.metadata)),
            Manners::Lies => {
                let mut bytes = of(&self.metadata);
                bytes.iter_mut().filter_map(|bytes| bytes.first_mut()).for_each(|byte| *byte ^= 1);
                (self.metadata.len(), bytes)
            }
            Manners::Invents(size) => {
                (size as usize, Some(vec![b'x'; PIECE.min((size as usize).saturating_sub(start))]))
            }
            _ => return Ok(()),
        };
        let Some(bytes) = bytes else { return Ok(()) };
        let head = format!("d8:msg_typei1e5:piecei{piece}e10:total_sizei{size}ee");
        self.say(stream, id, &[head.as_bytes(), &bytes].concat())?;
        self.given.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Fifty peers, on this machine, where nobody listens.
    fn rumours(&self) -> Vec<u8> {
        let round = self.given.load(Ordering::SeqCst).to_be_bytes();
        let peers = (0..50u8).flat_map(|number| [127, 255, round[7], number, round[6], 1]);
        let mut all = b"d5:added300:".to_vec();
        all.extend(peers);
        all.extend(b"7:added.f50:");
        all.extend([2; 50]);
        all.push(b'e');
        all
    }

    fn say(&self, stream: &mut TcpStream, id: u8, body: &[u8]) -> io::Result<()> {
        let len = u32::try_from(body.len() + 2).expect("a short message").to_be_bytes();
        self.give(stream, &[&len, &[EXTENDED, id][..], body].concat())
    }

    /// The next message; empty if it is none, or not for it.
    fn message(&self, stream: &mut TcpStream) -> io::Result<Vec<u8>> {
        let mut len = [0; 4];
        self.take(stream, &mut len)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > LONGEST {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut message = vec![0; len];
        self.take(stream, &mut message)?;
        Ok(message)
    }

    /// Reads as much as there is room for.
    fn take(&self, stream: &mut TcpStream, mut room: &mut [u8]) -> io::Result<()> {
        while !room.is_empty() {
            match stream.read(room) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => room = &mut room[count..],
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    /// Writes all of it.
    fn give(&self, stream: &mut TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.bear(error)?,
            }
        }
        Ok(())
    }

    /// Waits on, unless something broke or it is over.
    fn bear(&self, error: io::Error) -> io::Result<()> {
        let waits =
            matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted);
        if waits && !self.is_over() { Ok(()) } else { Err(error) }
    }
}

/// The number behind `key` in a dictionary that a well-behaved program has written.
fn number(dict: &[u8], key: &[u8]) -> Option<u64> {
    let at = dict.windows(key.len()).position(|part| part == key)? + key.len();
    let digits = dict[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&dict[at..at + digits]).ok()?.parse().ok()
}
