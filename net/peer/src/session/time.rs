//! What time does to a session.

use super::Session;
use crate::choking::Choke;
use crate::event::{Due, Timer};
use tide_base::{Instant, Span};

impl Session {
    /// Stops the clock of everything that the peer has to do: the caller does not read from it for now.
    pub fn hold(&mut self, now: Instant) {
        self.liveness.hold(now);
    }

    /// The caller reads again. What the peer sent meanwhile, at its pace, comes all at once.
    pub fn release(&mut self, now: Instant) {
        let held = self.liveness.release(now);
        self.pex_waited(held);
    }

    /// When [`due`](Session::due) should be called next, and why.
    pub fn deadline(&self) -> (Instant, Timer) {
        let limits = self.limits();
        let overdue = self.asks.overdue_at(limits, self.arriving_span());
        [
            (self.liveness.idle_at(limits), Timer::Idle),
            (self.liveness.keep_alive_at(limits), Timer::KeepAlive),
            (self.liveness.real(overdue), Timer::Overdue),
            (self.liveness.real(self.snub_at()), Timer::Snub),
            (self.liveness.stall_at(limits, self.out.len()), Timer::Stall),
            (self.ask_again_at(), Timer::Refused),
        ]
        .into_iter()
        .min()
        .expect("there are six")
    }

    /// Takes one thing that has become due; to be called until there is none, unless the connection ends.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        let limits = &self.config.limits;
        if self.liveness.stall_at(limits, self.out.len()) <= now {
            return Some(Due::Stalled);
        }
        if self.liveness.idle_at(limits) <= now {
            return Some(Due::Idle);
        }
        if self.liveness.keep_alive_at(limits) <= now {
            self.keep_alive(now);
            return Some(Due::KeepAlive);
        }
        if self.liveness.real(self.snub_at()) <= now {
            self.depth.snub();
            return Some(Due::Snubbed);
        }
        if self.ask_again_at() <= now {
            self.shy_until = Instant::ZERO;
            return Some(Due::AskAgain);
        }
        let arriving = self.arriving_span();
        if self.liveness.real(self.asks.overdue_at(&self.config.limits, arriving)) <= now {
            let listening = self.liveness.listening(now);
            return self.asks.overdue(listening, &self.config.limits, arriving).map(Due::Overdue);
        }
        None
    }

    fn snub_at(&self) -> Instant {
        if self.choking.theirs == Choke::Choked || self.depth.snubbed() {
            return Instant::NEVER;
        }
        self.asks.snub_at(self.limits())
    }

    fn ask_again_at(&self) -> Instant {
        if self.shy_until == Instant::ZERO { Instant::NEVER } else { self.shy_until }
    }

    fn arriving_span(&self) -> Option<Span> {
        self.arrival.filter(|arrival| arrival.asked).map(|arrival| arrival.span)
    }
}
