//! A third order of pieces, the last first, and a download that follows it: `cargo run --example picker`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use tide::make::{Options, make};
use tide::picker::{Bits, Closed, Factory, Has, Opened, Picker, PieceIndex, Priority, Prng};
use tide::{Add, Config, Listen, Session};

/// Picks, of the highest priority, the last open piece that the asker has.
struct LastFirst {
    open: Bits,
    priorities: Vec<Priority>,
    /// Who wants to know what is picked.
    picked: Sender<PieceIndex>,
}

impl Picker for LastFirst {
    fn open(&mut self, piece: PieceIndex, _as_it_is: Opened) {
        self.open.set(piece.0);
    }

    fn close(&mut self, piece: PieceIndex, _why: Closed) {
        self.open.clear(piece.0);
    }

    fn prioritise(&mut self, piece: PieceIndex, priority: Priority) {
        self.priorities[piece.at()] = priority;
    }

    fn pick(&mut self, has: Has<'_>, _prng: &mut Prng) -> Option<PieceIndex> {
        let good = |piece: &PieceIndex| has.has(*piece) && self.priorities[piece.at()].is_wanted();
        let open = self.open.iter().map(PieceIndex).filter(good);
        let piece = open.max_by_key(|piece| (self.priorities[piece.at()], piece.0))?;
        // It may be that nobody listens any more.
        let _ = self.picked.send(piece);
        Some(piece)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let order: Vec<String> = download(32)?.iter().map(|piece| piece.to_string()).collect();
    println!("picked in this order: {}", order.join(" "));
    Ok(())
}

/// Two sessions of this process: one seeds, the other fetches with the picker above. The order in which it picked.
fn download(pieces: usize) -> Result<Vec<PieceIndex>, Box<dyn std::error::Error>> {
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let content: Vec<u8> = (0..pieces * 32_768).map(|i| (i >> 7) as u8).collect();
    std::fs::write(from.path().join("content"), &content)?;
    let options = Options { piece_len: Some(32_768), ..Options::default() };
    let torrent = make(&from.path().join("content"), &options, &mut |_| {})?.torrent;

    let listen = Listen::from(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let mut config = Config { listen, shards: 1, trackers: false, ..Config::default() };
    // Else some pieces could be fetched, and so would be picked, before the seed unchokes (BEP 6).
    config.limits.peer.allowed_fast_out = 0;
    let seed = Session::start(config.clone())?;
    seed.add(Add::metainfo(torrent.clone()).dir(from.path()).skip_check())?.wait_complete(None)?;

    let (picked, order) = channel();
    let picker = Factory::new(move |pieces| LastFirst {
        open: Bits::new(pieces),
        priorities: vec![Priority::NORMAL; pieces as usize],
        picked: picked.clone(),
    });
    let leech = Session::start(Config { picker: Some(picker), ..config })?;
    let add = Add::metainfo(torrent).dir(to.path()).peer(seed.listening().tcp[0]);
    leech.add(add)?.wait_complete(Some(Duration::from_secs(30)))?;
    assert!(std::fs::read(to.path().join("content"))? == content, "what was fetched is what was seeded");
    Ok(order.try_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_follows_the_picker() {
        let expected: Vec<PieceIndex> = (0..20).rev().map(PieceIndex).collect();
        assert_eq!(download(20).expect("a download"), expected);
    }
}
