//! Bytes of streams, and whose they are: where the next ones belong, what came, what is to be sent, and the end.

use tide_base::Instant;

use super::{Shard, Slices, opening};
use crate::border::{NetError, Want};
use crate::desk::{Owner, Role};
use crate::id::ConnKey;
use crate::session::mapping::Mapping;

impl Shard {
    /// Where the next bytes of `conn` belong.
    pub fn want(&mut self, now: Instant, conn: ConnKey) -> Want<'_> {
        let most = self.desk.limits.read_per_turn as usize;
        match self.desk.conns.get(conn).map(|conn| &conn.role) {
            Some(&Role::Member(crew, member)) => {
                self.touched.insert(Owner::Crew(crew));
                match self.crews.get_mut(crew) {
                    Some(crew) => crew.want(&mut self.desk, now, member, most),
                    None => Want::Nothing,
                }
            }
            Some(Role::Incoming(..) | Role::Greeting(..)) => Want::Scratch(opening::HANDSHAKE),
            Some(&Role::Tracker(request)) => match &self.central {
                Some(central) => Want::Scratch(central.want(request)),
                None => Want::Nothing,
            },
            Some(&Role::Gateway(stream)) => match self.mapping() {
                Some(mapping) => Want::Scratch(mapping.want(stream)),
                None => Want::Nothing,
            },
            Some(Role::Dialling(_)) | None => Want::Nothing,
        }
    }

    /// `placed` bytes were read into the place that [`want`](Self::want) named last, and behind them `scratch`.
    pub fn filled(&mut self, now: Instant, conn: ConnKey, placed: usize, scratch: &[u8]) {
        match self.desk.conns.get(conn).map(|conn| &conn.role) {
            Some(&Role::Member(crew, member)) => {
                self.touched.insert(Owner::Crew(crew));
                if let Some(crew) = self.crews.get_mut(crew) {
                    crew.filled(&mut self.desk, now, member, placed, scratch);
                }
            }
            Some(Role::Incoming(..) | Role::Greeting(..)) => self.shake(now, conn, scratch),
            Some(&Role::Tracker(request)) => {
                if let Some(central) = &mut self.central {
                    central.filled(&mut self.desk, now, request, scratch);
                }
            }
            Some(&Role::Gateway(stream)) => {
                if let Some(mapping) = self.mapping_mut() {
                    mapping.filled(now, stream, scratch);
                }
            }
            Some(Role::Dialling(_)) | None => {}
        }
    }

    /// Names the next bytes to be written to `conn`, as many as may go now; none if none may.
    pub fn gather<'a>(&'a self, conn: ConnKey, out: &mut Slices<'a>) {
        match self.desk.conns.get(conn).map(|conn| &conn.role) {
            Some(&Role::Member(crew, member)) => {
                if let Some(crew) = self.crews.get(crew) {
                    crew.gather(member, out);
                }
            }
            Some(Role::Greeting(_, greeting, _)) if !greeting.outgoing().is_empty() => {
                out.push(greeting.outgoing());
            }
            Some(&Role::Tracker(request)) => {
                if let Some(central) = &self.central {
                    central.gather(request, out);
                }
            }
            Some(&Role::Gateway(stream)) => {
                if let Some(mapping) = self.mapping() {
                    mapping.gather(stream, out);
                }
            }
            _ => {}
        }
    }

    /// `len` of the bytes gathered for `conn` were written.
    pub fn sent(&mut self, now: Instant, conn: ConnKey, len: usize) {
        match self.desk.conns.get_mut(conn).map(|conn| &mut conn.role) {
            Some(&mut Role::Member(crew, member)) => {
                self.touched.insert(Owner::Crew(crew));
                if let Some(crew) = self.crews.get_mut(crew) {
                    crew.sent(&mut self.desk, now, member, len);
                }
            }
            Some(Role::Greeting(_, greeting, _)) => greeting.sent(len),
            Some(&mut Role::Tracker(request)) => {
                if let Some(central) = &mut self.central {
                    central.sent(request, len);
                }
            }
            Some(&mut Role::Gateway(stream)) => {
                if let Some(mapping) = self.mapping_mut() {
                    mapping.sent(stream, len);
                }
            }
            _ => {}
        }
    }

    pub(super) fn closed(&mut self, now: Instant, conn: ConnKey, why: NetError) {
        let Some(known) = self.desk.conns.get(conn) else { return };
        match &known.role {
            &Role::Member(crew, member) => {
                self.touched.insert(Owner::Crew(crew));
                if let Some(crew) = self.crews.get_mut(crew) {
                    crew.lost(&mut self.desk, member, why);
                }
            }
            &Role::Tracker(request) => {
                self.desk.forget_conn(conn);
                if let Some(central) = &mut self.central {
                    central.closed(&mut self.desk, now, request, why);
                }
            }
            &Role::Gateway(stream) => {
                self.desk.forget_conn(conn);
                if let Some(mapping) = self.mapping_mut() {
                    mapping.closed(now, stream);
                }
            }
            Role::Dialling(_) | Role::Incoming(..) | Role::Greeting(..) => self.unmet(conn, why),
        }
    }

    pub(super) fn conn_due(&mut self, now: Instant, conn: ConnKey) {
        let Some(known) = self.desk.conns.get(conn) else { return };
        match &known.role {
            &Role::Member(crew, member) => {
                self.touched.insert(Owner::Crew(crew));
                if let Some(crew) = self.crews.get_mut(crew) {
                    crew.due(&mut self.desk, now, member);
                }
            }
            Role::Tracker(_) | Role::Gateway(_) => {}
            Role::Dialling(_) | Role::Incoming(..) | Role::Greeting(..) => {
                self.unmet(conn, NetError::TimedOut)
            }
        }
    }

    fn mapping(&self) -> Option<&Mapping> {
        self.central.as_ref()?.mapping()
    }

    fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        self.central.as_mut()?.mapping_mut()
    }
}
