//! What a mutant says and does once hands are shaken.

use tide_base::{Bits, Duration, Instant, Span};

use super::Vice;
use super::conduct::{Claims, When};
use super::data::{self, Answer};
use super::mutant::{DRIPS, Mutant, Scene};
use super::speaker::{Word, say};
use super::{floods, wire};
use crate::actor::{EndId, Hands};

/// The largest block that is served: what was asked for long ago, and is refused by everybody today.
const BLOCK: u32 = 128 * 1024;
/// Answers of no use, on one connection, after which it leaves.
const ANSWERS: u32 = 1000;
/// Pieces that were taken back, at a time.
const TAKEN: usize = 64;

impl Mutant {
    /// Says what it has, what it can do, and what it wants.
    pub(super) fn introduce(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let conduct = self.conduct();
        let pieces = self.spec.layout.pieces();
        let mut bytes = Vec::new();
        let either = conduct.throws == When::Anytime && conduct.claims == Claims::All;
        self.claims += 1;
        let claims = if either && self.claims.is_multiple_of(2) { Claims::None } else { conduct.claims };
        match claims {
            Claims::All if conduct.fast && self.prng.chance(1, 2) => bytes.extend(say::plain(14)),
            Claims::All => bytes.extend(say::message(5, &say::full_field(pieces))),
            Claims::None if conduct.fast => bytes.extend(say::plain(15)),
            Claims::None | Claims::Else => {}
        }
        if conduct.extended {
            let port =
                if self.spec.listens { format!("1:pi{}e", self.spec.at.port()) } else { String::new() };
            bytes.extend(say::extended(0, format!("d1:md11:lt_donthavei1ee{port}1:v6:mutante").as_bytes()));
        }
        if conduct.wants {
            bytes.extend(say::plain(2));
        }
        if claims != Claims::None {
            bytes.extend(say::plain(1));
        }
        hands.send(end, bytes);
        let leaves = conduct.leaves.map(|after| self.now + after);
        if let Some(conn) = self.conns.get_mut(&end) {
            conn.gives = claims != Claims::None;
            conn.leaves = leaves.filter(|_| conn.victim.is_some()).unwrap_or(Instant::NEVER);
            if self.snatch.is_some() {
                conn.has = Some(Bits::new(pieces));
            }
        }
        if conduct.throws == When::AtOnce {
            return self.throw(end, hands);
        }
        let at = match conduct.throws {
            When::Choked => self.within(5) + self.spec.limits.choke_grace,
            When::Never => self.within(30),
            // Some do it before others have had time for anything.
            _ if self.prng.chance(1, 2) => self.now + Duration::from_millis(1 + self.prng.below(20)),
            _ => self.within(5),
        };
        self.plan_act(end, at);
    }

    /// Does what its vice has it do of itself.
    pub(super) fn throw(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let (Some(vice), Some(conn)) = (self.vice_now(), self.conns.get(&end)) else { return };
        if self.throwable == 0 {
            return;
        }
        let mut scene = Scene {
            layout: &self.spec.layout,
            limits: &self.spec.limits,
            content: &*self.spec.content,
            prng: &mut self.prng,
            dont_have: conn.dont_have,
        };
        let Some(bytes) = floods::throw(vice, &mut scene).or_else(|| wire::throw(vice, &mut scene)) else {
            return;
        };
        if vice == Vice::NeverReads {
            hands.listen(end, false);
        }
        self.throwable = self.throwable.saturating_sub(bytes.len());
        hands.send(end, bytes);
        self.shown += 1;
        let conn = self.conns.get_mut(&end).expect("it was there");
        conn.throws = conn.throws.saturating_sub(1);
        // Whoever still puts up with that hears more of it, but not for ever.
        let at = if conn.throws > 0 && vice != Vice::NeverReads { self.within(20) } else { Instant::NEVER };
        self.plan_act(end, at);
    }

    pub(super) fn act(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let (now, conduct) = (self.now, self.conduct());
        let Some(conn) = self.conns.get_mut(&end) else { return };
        conn.next = Instant::NEVER;
        if self.reformed && conn.shown {
            return self.brk(end, hands);
        }
        if self.drips == 0 {
            conn.drip.clear();
        }
        if let Some(byte) = conn.drip.pop_front() {
            self.drips -= 1;
            hands.send(end, [byte]);
            let at = if conn.drip.is_empty() { Instant::NEVER } else { now + conn.drip_every };
            return self.plan_act(end, at);
        }
        if conn.leaves <= now {
            return self.end(end, hands);
        }
        let taken = std::mem::take(&mut conn.taken);
        let ready = match conduct.throws {
            When::Never => false,
            When::Unchoked => !conn.choked,
            When::Introduced => conn.dont_have.is_some(),
            When::Choked | When::AtOnce | When::Anytime => true,
        };
        if ready && conn.throws > 0 {
            return self.throw(end, hands);
        }
        self.waits = self.waits.saturating_sub(1);
        if !taken.is_empty() {
            let again: Vec<u8> = taken.iter().flat_map(|&piece| say::piece(4, piece)).collect();
            hands.send(end, again);
        } else if conduct.throws == When::Never {
            hands.send(end, say::keep_alive());
        }
        if self.waits > 0 {
            let at = if conduct.throws == When::Never {
                self.within(60) + Duration::from_secs(30)
            } else {
                self.within(10)
            };
            let leaves = self.conns.get(&end).map_or(Instant::NEVER, |conn| conn.leaves);
            self.plan_act(end, at.min(leaves.max(now)));
        }
    }

    pub(super) fn understand(&mut self, end: EndId, word: Word, hands: &mut Hands<'_>) {
        let Some(conn) = self.conns.get_mut(&end) else { return };
        match word {
            Word::Greeting(_, theirs) => return self.met(end, theirs, hands),
            Word::Choke => {
                conn.choked = true;
                let asked = std::mem::take(&mut conn.asked);
                if let Some(snatch) = &mut self.snatch {
                    snatch.give_up(&asked);
                }
            }
            Word::Unchoke => {
                conn.choked = false;
                if self.conduct().throws == When::Unchoked {
                    let at = self.within(1);
                    self.plan_act(end, at);
                }
            }
            Word::Hello(dont_have) => conn.dont_have = dont_have,
            Word::Request(span) => self.requested(end, span, hands),
            Word::Have(_) | Word::Bitfield(_) | Word::HaveAll => {
                if let Some(has) = &mut conn.has {
                    learn(has, &word);
                }
            }
            Word::Block(span) | Word::Reject(span) => {
                if let Some(snatch) = &mut self.snatch {
                    let came = matches!(word, Word::Block(_));
                    snatch.answered(&self.spec.layout, &mut conn.asked, span, came);
                }
            }
            Word::Other | Word::Port => {}
        }
        self.snatch_on(end, hands);
    }

    /// Asks for more, or is gone with everything.
    pub(super) fn snatch_on(&mut self, end: EndId, hands: &mut Hands<'_>) {
        let (Some(snatch), false) = (&mut self.snatch, self.reformed) else { return };
        if snatch.is_done() {
            self.shown += 1;
            self.snatch = None;
            self.victims.iter_mut().for_each(|victim| victim.dials = 0);
            for end in self.conns.keys().copied().collect::<Vec<_>>() {
                self.end(end, hands);
            }
            return;
        }
        let Some(conn) = self.conns.get_mut(&end).filter(|conn| !conn.choked) else { return };
        let Some(has) = &conn.has else { return };
        for span in snatch.more(&self.spec.layout, has, &mut conn.asked) {
            hands.send(end, say::span(6, span));
        }
    }

    /// Counts an answer that was no use to anybody; after so many it has had enough. Whoever asks for the same again
    /// and again would do so for ever.
    pub(super) fn tire(&mut self, end: EndId, vicious: bool, hands: &mut Hands<'_>) {
        let Some(conn) = self.conns.get_mut(&end).filter(|_| vicious) else { return };
        conn.answers += 1;
        if conn.answers >= ANSWERS {
            self.end(end, hands);
        }
    }

    pub(super) fn requested(&mut self, end: EndId, span: Span, hands: &mut Hands<'_>) {
        let conduct = self.conduct();
        let vice = self.vice_now();
        let Some(conn) = self.conns.get_mut(&end) else { return };
        if span.len == 0 || span.len > BLOCK || !self.spec.layout.holds(span) || !conn.gives {
            if conduct.fast {
                hands.send(end, say::span(16, span));
            }
            return self.tire(end, true, hands);
        }
        let mut scene = Scene {
            layout: &self.spec.layout,
            limits: &self.spec.limits,
            content: &*self.spec.content,
            prng: &mut self.prng,
            dont_have: conn.dont_have,
        };
        match data::answer(vice, span, conn.shown, &mut scene) {
            Answer::Say(bytes, vicious) => {
                conn.shown |= vicious;
                self.shown += u64::from(vicious);
                hands.send(end, bytes);
                self.tire(end, vicious, hands);
            }
            Answer::TakeBack(bytes) => {
                let again = conn.taken.contains(&span.piece.0) || conn.taken.len() >= TAKEN;
                if again {
                    hands.send(end, say::span(16, span));
                } else {
                    conn.taken.push(span.piece.0);
                    hands.send(end, bytes);
                    self.shown += 1;
                }
                self.tire(end, true, hands);
            }
            Answer::Drip(bytes) => {
                self.shown += 1;
                if conn.shown {
                    return;
                }
                conn.shown = true;
                conn.drip.extend(bytes.into_iter().take(DRIPS as usize));
                conn.drip_every = Duration::from_secs(60);
                let at = self.within(5);
                self.plan_act(end, at);
            }
            Answer::Cut(bytes) => {
                self.shown += 1;
                hands.send(end, bytes);
                if self.prng.chance(1, 2) { self.end(end, hands) } else { self.brk(end, hands) }
            }
            Answer::Nothing => {
                conn.shown = true;
                self.shown += 1;
            }
        }
    }
}

/// Notes what a victim says to have.
fn learn(has: &mut Bits, word: &Word) {
    match word {
        Word::Have(piece) if *piece < has.len() => drop(has.set(*piece)),
        Word::Bitfield(field) => {
            if let Some(bits) = Bits::from_wire(field, has.len()) {
                has.union_with(&bits);
            }
        }
        Word::HaveAll => has.fill(),
        _ => {}
    }
}
