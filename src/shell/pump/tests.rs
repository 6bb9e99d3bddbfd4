//! The pump against a stream that answers as scripted.

use std::collections::VecDeque;
use std::net::SocketAddr;

use mio::event::Source;

use super::*;

/// A stream with a script: each read and write takes the next line.
#[derive(Debug, Default)]
struct Scripted {
    reads: VecDeque<io::Result<&'static [u8]>>,
    writes: VecDeque<io::Result<usize>>,
    flushes: VecDeque<io::Result<()>>,
    written: Vec<u8>,
}

fn block<T>() -> io::Result<T> {
    Err(ErrorKind::WouldBlock.into())
}

impl Transport for Scripted {
    fn source(&mut self) -> &mut dyn Source {
        unreachable!("the pump polls nothing")
    }
    fn open(&mut self) -> io::Result<bool> {
        Ok(true)
    }
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(ErrorKind::Unsupported.into())
    }
    fn read(&mut self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let mut bytes = self.reads.pop_front().unwrap_or_else(block)?;
        let len = bytes.len();
        for slice in into {
            let fits = slice.len().min(bytes.len());
            slice[..fits].copy_from_slice(&bytes[..fits]);
            bytes = &bytes[fits..];
        }
        assert!(bytes.is_empty(), "the script has a longer read than was asked for");
        Ok(len)
    }
    fn write(&mut self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        let most = self.writes.pop_front().unwrap_or_else(block)?;
        let all: Vec<u8> = from.iter().flat_map(|slice| slice.iter().copied()).collect();
        let count = most.min(all.len());
        self.written.extend_from_slice(&all[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.flushes.pop_front().unwrap_or(Ok(()))
    }
}

/// An engine that wants a place of four bytes, then scratch, and has some words to say.
#[derive(Debug, Default)]
struct Toy {
    place: [u8; 4],
    wants: usize,
    placed: Vec<u8>,
    loose: Vec<u8>,
    queue: VecDeque<&'static [u8]>,
    done: usize,
}

impl End for Toy {
    fn want(&mut self) -> Want<'_> {
        if self.wants == 0 {
            return Want::Nothing;
        }
        self.wants -= 1;
        match self.placed.len() {
            0 => Want::Place { place: &mut self.place, scratch: 8 },
            _ => Want::Scratch(8),
        }
    }
    fn filled(&mut self, placed: usize, scratch: &[u8]) {
        self.placed.extend_from_slice(&self.place[..placed]);
        self.loose.extend_from_slice(scratch);
    }
    fn gather<'a>(&'a mut self, out: &mut Slices<'a>) {
        let mut skip = self.done;
        for word in &self.queue {
            let from = skip.min(word.len());
            skip -= from;
            out.push(&word[from..]);
        }
    }
    fn sent(&mut self, len: usize) {
        self.done += len;
    }
}

const READY: Ready = Ready { readable: true, writable: true };

#[test]
fn a_read_runs_through_the_place_into_the_scratch() {
    let mut stream = Scripted { reads: [Ok(&b"abcdef"[..]), Ok(b"gh")].into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy { wants: 9, ..Toy::default() }, READY);
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 100), Read::Dry));
    assert_eq!((&toy.placed[..], &toy.loose[..]), (&b"abcd"[..], &b"efgh"[..]));
    assert_eq!(ready, Ready { readable: false, writable: true });
}

#[test]
fn a_used_up_budget_leaves_the_bit_and_says_so() {
    let mut stream = Scripted { reads: [Ok(&b"abcd"[..]), Ok(b"ef")].into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy { wants: 9, ..Toy::default() }, READY);
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 4), Read::Again));
    assert!(ready.readable);
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 4), Read::Dry));
    assert_eq!(toy.loose, b"ef");
}

#[test]
fn what_is_not_wanted_stays_in_the_socket() {
    let mut stream = Scripted { reads: [Ok(&b"abcd"[..])].into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy::default(), READY);
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 100), Read::Unwanted));
    assert!(ready.readable);
    toy.wants = 1;
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 100), Read::Unwanted));
    assert_eq!(toy.placed, b"abcd");
}

#[test]
fn the_end_and_a_break_are_told_apart_and_interruptions_are_not_told() {
    let reads = [Err(ErrorKind::Interrupted.into()), Ok(&b"abcd"[..]), Ok(b"")];
    let mut stream = Scripted { reads: reads.into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy { wants: 9, ..Toy::default() }, READY);
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 100), Read::Ended));
    assert_eq!(toy.placed, b"abcd");
    stream.reads.push_back(Err(ErrorKind::ConnectionReset.into()));
    assert!(matches!(read(&mut stream, &mut ready, &mut toy, &mut [0; 16], 100), Read::Broken(_)));
}

#[test]
fn short_writes_go_on_where_they_stopped() {
    let mut stream = Scripted { writes: [Ok(1), Ok(4), block(), Ok(99)].into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy { queue: [&b"abc"[..], b"", b"defg"].into(), ..Toy::default() }, READY);
    assert_eq!(write(&mut stream, &mut ready, &mut toy).count, 5);
    assert_eq!((&stream.written[..], ready.writable), (&b"abcde"[..], false));
    assert_eq!(write(&mut stream, &mut ready, &mut toy).count, 0, "not before an edge");
    ready.writable = true;
    assert_eq!(write(&mut stream, &mut ready, &mut toy).count, 2);
    assert_eq!((&stream.written[..], ready.writable), (&b"abcdefg"[..], true));
}

#[test]
fn what_the_transport_holds_goes_first_and_alone() {
    let mut stream = Scripted { flushes: [block(), Ok(()), Ok(())].into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy { queue: [&b"abc"[..]].into(), ..Toy::default() }, READY);
    assert_eq!(write(&mut stream, &mut ready, &mut toy).count, 0);
    assert_eq!((stream.written.len(), ready.writable), (0, false));
    ready.writable = true;
    stream.writes.push_back(Ok(3));
    assert_eq!(write(&mut stream, &mut ready, &mut toy).count, 3);
    assert!(ready.writable && stream.flushes.is_empty());
}

#[test]
fn a_broken_write_ends_the_stream() {
    let mut stream =
        Scripted { writes: [Ok(1), Err(ErrorKind::BrokenPipe.into())].into(), ..Scripted::default() };
    let (mut toy, mut ready) = (Toy { queue: [&b"abc"[..]].into(), ..Toy::default() }, READY);
    let wrote = write(&mut stream, &mut ready, &mut toy);
    assert_eq!((wrote.count, wrote.broken.map(|e| e.kind())), (1, Some(ErrorKind::BrokenPipe)));
    stream.writes.push_back(Ok(0));
    let wrote = write(&mut stream, &mut ready, &mut toy);
    assert_eq!(wrote.broken.map(|e| e.kind()), Some(ErrorKind::WriteZero));
}
