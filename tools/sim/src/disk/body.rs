//! The bytes of a file as runs: as a content has them, which costs nothing, or as they were written.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::content::Content;
use super::ledger::Cause;

/// All contents that a medium knows, by number.
pub(crate) type Contents = [Arc<Content>];

/// Where a run's bytes are.
#[derive(Clone, Debug)]
pub(crate) enum Stuff {
    /// The torrent's bytes of the content of this number, from this place on.
    Made { content: u32, from: u64 },
    /// These bytes, from this one on.
    Bytes { bytes: Arc<[u8]>, from: usize },
}

impl Stuff {
    fn behind(&self, skip: u64) -> Stuff {
        match self {
            Stuff::Made { content, from } => Stuff::Made { content: *content, from: from + skip },
            Stuff::Bytes { bytes, from } => Stuff::Bytes { bytes: bytes.clone(), from: from + skip as usize },
        }
    }

    fn read(&self, contents: &Contents, skip: u64, into: &mut [u8]) {
        match self {
            Stuff::Made { content, from } => contents[*content as usize].fill(from + skip, into),
            Stuff::Bytes { bytes, from } => {
                let begin = from + skip as usize;
                into.copy_from_slice(&bytes[begin..begin + into.len()]);
            }
        }
    }
}

/// Bytes in a row.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) len: u64,
    pub(crate) stuff: Stuff,
}

impl Run {
    /// The bytes of this run from `skip` on, at most `len`.
    pub(crate) fn part(&self, skip: u64, len: u64) -> Run {
        Run { len: len.min(self.len - skip), stuff: self.stuff.behind(skip) }
    }

    /// Whether both are of one content, and `next` begins where this ends.
    fn goes_on_in(&self, next: &Run) -> bool {
        match (&self.stuff, &next.stuff) {
            (Stuff::Made { content, from }, Stuff::Made { content: other, from: begin }) => {
                content == other && from + self.len == *begin
            }
            _ => false,
        }
    }
}

/// One image of a file. What no run has is zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    /// By where they begin; none is empty, none overlaps another, none reaches behind the end.
    runs: BTreeMap<u64, Run>,
    pub(crate) len: u64,
    /// What the medium itself did to it and nobody has written over since: where it ends, and what it was.
    harm: BTreeMap<u64, (u64, Cause)>,
}

impl Body {
    /// Puts a run at `at`, over whatever was there; the file becomes longer if need be.
    pub(crate) fn put(&mut self, at: u64, run: Run) {
        let end = at + run.len;
        if run.len == 0 {
            return;
        }
        self.clear(at, end);
        self.unharm(at, end);
        self.len = self.len.max(end);
        self.insert(at, run);
    }

    /// Puts a run where there is none, joined to its neighbours where a content goes on in them.
    fn insert(&mut self, mut at: u64, mut run: Run) {
        if let Some((&begin, left)) = self.runs.range(..at).next_back()
            && begin + left.len == at
            && left.goes_on_in(&run)
        {
            run = Run { len: left.len + run.len, stuff: left.stuff.clone() };
            at = begin;
        }
        let end = at + run.len;
        if let Some(right) = self.runs.get(&end)
            && run.goes_on_in(right)
        {
            run.len += right.len;
            self.runs.remove(&end);
        }
        self.runs.insert(at, run);
    }

    /// Takes out all runs of `at .. end`.
    fn clear(&mut self, at: u64, end: u64) {
        if let Some((&begin, run)) = self.runs.range(..at).next_back()
            && begin + run.len > at
        {
            let run = run.clone();
            self.runs.insert(begin, run.part(0, at - begin));
            self.runs.insert(at, run.part(at - begin, u64::MAX));
        }
        while let Some((&begin, run)) = self.runs.range(at..end).next() {
            let run = run.clone();
            self.runs.remove(&begin);
            if begin + run.len > end {
                self.runs.insert(end, run.part(end - begin, u64::MAX));
            }
        }
    }

    /// Makes the file so long: shorter, or longer with zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        if len < self.len {
            self.clear(len, u64::MAX);
        }
        self.len = len;
    }

    /// The runs within `at .. end`, cut to it, in order.
    pub(crate) fn runs(&self, at: u64, end: u64) -> impl Iterator<Item = (u64, Run)> + '_ {
        let first = self.runs.range(..at).next_back().filter(|(begin, run)| **begin + run.len > at);
        let from = first.map_or(at, |(&begin, _)| begin);
        self.runs.range(from..end.max(from)).map(move |(&begin, run)| {
            let skip = at.saturating_sub(begin);
            (begin + skip, run.part(skip, end - (begin + skip)))
        })
    }

    /// How many bytes of `at .. end` are in runs.
    pub(crate) fn covered(&self, at: u64, end: u64) -> u64 {
        self.runs(at, end).map(|(_, run)| run.len).sum()
    }

    /// Fills `into` from `at` on, whose end is not behind the file's.
    pub(crate) fn read(&self, contents: &Contents, at: u64, into: &mut [u8]) {
        let end = at + into.len() as u64;
        let mut done = 0;
        for (begin, run) in self.runs(at, end) {
            let place = (begin - at) as usize;
            into[done..place].fill(0);
            done = place + run.len as usize;
            run.stuff.read(contents, 0, &mut into[place..done]);
        }
        into[done..].fill(0);
    }

    /// Whether the file's bytes `at .. end` are those of the content number `content` from `from` on.
    pub(crate) fn is(&self, contents: &Contents, (at, end): (u64, u64), content: u32, from: u64) -> bool {
        if end > self.len {
            return false;
        }
        let mut done = at;
        for (begin, run) in self.runs(at, end) {
            if !is_zero(contents, content, from + (done - at), begin - done)
                || !run_is(contents, &run, content, from + (begin - at))
            {
                return false;
            }
            done = begin + run.len;
        }
        is_zero(contents, content, from + (done - at), end - done)
    }

    /// Puts back what `other` has in `at .. end`; the length stays.
    pub(crate) fn revert(&mut self, other: &Body, at: u64, end: u64) {
        let end = end.min(self.len);
        if at >= end {
            return;
        }
        self.clear(at, end);
        let runs: Vec<_> = other.runs(at, end).collect();
        for (begin, run) in runs {
            self.insert(begin, run);
        }
    }

    /// Notes that the medium harmed `at .. end`. What was harmed before keeps its first cause.
    pub(crate) fn harm(&mut self, at: u64, end: u64, cause: Cause) {
        let mut from = at;
        let old: Vec<(u64, u64)> = self.harms(at, end).map(|(begin, stop, _)| (begin, stop)).collect();
        for (begin, stop) in old {
            if from < begin {
                self.harm.insert(from, (begin, cause));
            }
            from = stop;
        }
        if from < end {
            self.harm.insert(from, (end, cause));
        }
    }

    /// What was harmed within `at .. end`, in order, as begin, end and cause.
    pub(crate) fn harms(&self, at: u64, end: u64) -> impl Iterator<Item = (u64, u64, Cause)> + '_ {
        let first = self.harm.range(..at).next_back().filter(|(_, (stop, _))| *stop > at);
        let from = first.map_or(at, |(&begin, _)| begin);
        self.harm
            .range(from..end.max(from))
            .map(move |(&begin, &(stop, cause))| (begin.max(at), stop.min(end), cause))
    }

    /// Forgets what the medium did to `at .. end`.
    pub(crate) fn unharm(&mut self, at: u64, end: u64) {
        if self.harm.is_empty() {
            return;
        }
        if let Some((&begin, &(stop, cause))) = self.harm.range(..at).next_back()
            && stop > at
        {
            self.harm.insert(begin, (at, cause));
            self.harm.insert(at, (stop, cause));
        }
        while let Some((&begin, &(stop, cause))) = self.harm.range(at..end).next() {
            self.harm.remove(&begin);
            if stop > end {
                self.harm.insert(end, (stop, cause));
            }
        }
    }

    /// Bytes of memory that it takes, about.
    pub(crate) fn cost(&self) -> usize {
        let bytes = |run: &Run| match &run.stuff {
            Stuff::Made { .. } => 0,
            Stuff::Bytes { .. } => run.len as usize,
        };
        let runs: usize = self.runs.values().map(|run| bytes(run) + 64).sum();
        runs + self.harm.len() * 40
    }
}

fn run_is(contents: &Contents, run: &Run, content: u32, from: u64) -> bool {
    match &run.stuff {
        Stuff::Made { content: c, from: f } if *c == content && *f == from => true,
        Stuff::Bytes { bytes, from: begin } => {
            contents[content as usize].is(from, &bytes[*begin..*begin + run.len as usize])
        }
        Stuff::Made { .. } => {
            let mut strip = [0; 1024];
            let mut done = 0;
            while done < run.len {
                let strip = &mut strip[..(run.len - done).min(1024) as usize];
                run.stuff.read(contents, done, strip);
                if !contents[content as usize].is(from + done, strip) {
                    return false;
                }
                done += strip.len() as u64;
            }
            true
        }
    }
}

fn is_zero(contents: &Contents, content: u32, from: u64, len: u64) -> bool {
    const ZEROS: [u8; 1024] = [0; 1024];
    let mut done = 0;
    while done < len {
        let part = (len - done).min(1024);
        if !contents[content as usize].is(from + done, &ZEROS[..part as usize]) {
            return false;
        }
        done += part;
    }
    true
}
