//! The shell's part of a turn: what waits in a shard's inbox goes in, what it wants is carried out.

use tide_base::{Instant, ShardId};
use tide_disk::{Done, Outcome, Task};
use tide_engine::{Driver, Output, Shard, Via, turn};

use super::node::{Owned, Seat};
use super::post::Letter;
use super::{Asker, Canary, Due, Holder, NodeId, World};
use crate::actor::EndId;
use crate::mishap::Mishap;

/// One shard's turn.
struct Turn<'a> {
    world: &'a mut World,
    node: NodeId,
    shard: ShardId,
}

impl World {
    pub(super) fn turn(&mut self, node: NodeId, shard: ShardId) {
        if self.is_still(node, Due::Turn(node, shard)) || !self.nodes[node.0 as usize].is_alive() {
            return;
        }
        let now = self.now;
        self.note_wake(node, shard);
        self.counts.turns += 1;
        self.trail.number(now.as_nanos());
        self.trail.number(u64::from(node.0) << 32 | u64::from(shard.0));
        crate::run::alarm::turn_of(now, node);
        turn(&mut Turn { world: self, node, shard }, now);
        let told = self.pump_out(node, shard);
        let seat = self.seat(node, shard);
        if told || !seat.inbox.is_empty() || !seat.reads.is_empty() {
            self.soon(node, shard);
        }
        if let Some((at, _)) = self.seat(node, shard).shard.wake_at() {
            let at = at.max(now + tide_base::Duration::from_nanos(1));
            self.agenda.hasten(Due::Turn(node, shard), at);
        }
        self.judge_turn(node, shard);
    }

    pub(super) fn seat(&mut self, node: NodeId, shard: ShardId) -> &mut Seat {
        let life = self.nodes[node.0 as usize].life.as_mut().expect("a living process has shards");
        &mut life.seats[usize::from(shard.0)]
    }
}

impl Turn<'_> {
    fn seat(&mut self) -> &mut Seat {
        self.world.seat(self.node, self.shard)
    }

    fn take(&mut self, now: Instant, mut input: Owned) {
        self.world.trail.number(input.mark());
        self.world.judge_input(self.node, self.shard, &input);
        if let Owned::Datagram { via: Via::Session, from, data } = &input {
            self.world.overhear_answer(self.node, *from, data);
        }
        let (node, shard) = (self.node, self.shard);
        let connected = match &input {
            Owned::Connected { conn, .. } => Some(*conn),
            _ => None,
        };
        if let Some(input) = input.input() {
            self.seat().shard.handle(now, input);
            if let Some(conn) = connected {
                self.seat().reads.insert(conn);
                self.seat().writes.insert(conn);
            }
            return;
        }
        match input {
            Owned::Accepted { end, from, at } => {
                self.world.note_accept(node);
                let conn = self.seat().shard.accept(now, from, at);
                self.world.settle_end(node, shard, end, conn);
            }
            Owned::HandOver { arrival, end } => {
                let conn = self.seat().shard.adopt(now, &arrival);
                self.world.settle_end(node, shard, end, conn);
            }
            other => unreachable!("a plain input: {other:?}"),
        }
    }

    fn dial(&mut self, conn: tide_engine::ConnKey, to: std::net::SocketAddr) {
        self.world.judge_dial(self.node, to);
        let end = EndId { stream: self.world.next_stream, dialler: true };
        self.world.next_stream += 1;
        self.seat().conns.insert(conn, end);
        if self.world.tracker_ips.contains(&to.ip()) {
            self.world.trackers.insert(end);
        }
        let host = self.world.nodes[self.node.0 as usize].host;
        self.world.dial(host, end, to, Holder::Conn(self.node, self.shard, conn));
    }

    fn hand_over(&mut self, conn: tide_engine::ConnKey, to: ShardId, arrival: Box<tide_engine::Arrival>) {
        // It may have ended in the same turn.
        let Some(end) = self.seat().forget(conn) else { return self.seat().shard.stranded() };
        self.world.holders.insert(end, Holder::Moving(self.node));
        self.mail(to, Letter::HandOver { arrival, end });
    }

    fn mail(&mut self, to: ShardId, letter: Letter) {
        let (now, node, shard) = (self.world.now, self.node, self.shard);
        let life = self.world.nodes[node.0 as usize].life.as_mut().expect("a shard that speaks lives");
        life.post.send(now, shard, to, letter);
        assert!(life.post.len() < LETTERS, "letters pile up");
        let next = life.post.next_at();
        self.world.agenda.hasten(Due::Post(node), next);
    }

    /// The canary: a write is answered and never done.
    fn forget(&mut self, job: tide_disk::Job) {
        let head = (job.id, job.shard, job.volume, job.store);
        let Task::Write { chunks, .. } = job.task else { unreachable!("only writes are forgotten") };
        let (id, shard, volume, store) = head;
        let done = Done { id, shard, volume, store, chunks, result: Ok(Outcome::Written) };
        self.world.put(self.node, shard, Owned::Disk(done));
    }

    fn disk(&mut self, now: Instant, job: tide_disk::Job) {
        let hides = self.world.canary == Some(Canary::LostWrites);
        if hides && matches!(job.task, Task::Write { .. }) && self.world.prng.chance(1, 50) {
            return self.forget(job);
        }
        let (node, volume) = (self.node, job.volume);
        let capacity = self.world.nodes[node.0 as usize].spec.setup.limits.disk_jobs;
        let shards = u32::from(self.world.nodes[node.0 as usize].spec.setup.shards);
        let keeper = self.world.nodes[node.0 as usize].keeper(volume);
        keeper.submit(now, job);
        let pending = keeper.pending() as u32;
        assert!(pending <= capacity * shards, "more disk jobs than there are tokens");
        let next = keeper.next_at();
        if pending == capacity {
            self.world.nodes[node.0 as usize].dice.hit(Mishap::FullQueue);
        }
        self.world.agenda.set(Due::Disk(node, volume), next);
    }
}

impl Driver for Turn<'_> {
    fn shard(&mut self) -> &mut Shard {
        &mut self.seat().shard
    }

    fn tell(&mut self, now: Instant) {
        let most = u64::from(self.world.nodes[self.node.0 as usize].spec.turns.inputs);
        let most = 1 + self.world.nodes[self.node.0 as usize].dice.prng().below(most);
        for _ in 0..most {
            let Some(input) = self.seat().inbox.pop_front() else { break };
            self.take(now, input);
        }
        self.world.pump_in(self.node, self.shard);
        self.world.pump_out(self.node, self.shard);
    }

    fn carry(&mut self, now: Instant, output: Output) {
        let node = self.node;
        match output {
            Output::Dial { conn, to, tls: _ } => self.dial(conn, to),
            Output::Send(conn) => drop(self.seat().writes.insert(conn)),
            Output::Read(conn) => drop(self.seat().reads.insert(conn)),
            Output::Close(conn) => {
                if let Some(end) = self.seat().forget(conn) {
                    self.world.holders.remove(&end);
                    self.world.net.close(now, end);
                    let life = self.world.nodes[node.0 as usize].life.as_mut().expect("it has a turn");
                    life.docket.ears.forget(end);
                }
            }
            Output::HandOver { conn, to, arrival } => self.hand_over(conn, to, arrival),
            Output::Datagram { via, to, data } => self.world.send_datagram(node, via, to, data),
            Output::Sockets(sockets) => self.world.set_sockets(node, sockets),
            Output::Reachable(reachable) => {
                self.world.judge_reachable(node, &reachable);
                let life = self.world.nodes[node.0 as usize].life.as_mut().expect("it has a turn");
                if life.reachable.mapped != reachable.mapped {
                    life.docket.ears.moved(now);
                }
                life.reachable = *reachable;
            }
            Output::Resolve { id, host } => {
                let life = self.world.nodes[node.0 as usize].lives;
                let asker = Asker { node, life, shard: self.shard, id };
                self.world.names.ask(now, asker, &host);
            }
            Output::Disk(job) => {
                self.world.judge_disk_job(node, &job);
                self.disk(now, job);
            }
            Output::Hash(job) => {
                self.world.judge_hash_job(node, self.shard, job.id);
                let life = self.world.nodes[node.0 as usize].life.as_mut().expect("it has a turn");
                life.pool.submit(now, job);
                let next = life.pool.next_at();
                self.world.agenda.set(Due::Pool(node), next);
            }
            Output::Mail { to, mail } => self.mail(to, Letter::Mail(mail)),
            Output::Event(event) => {
                self.world.judge_event(node, &event);
                self.world.told_user(node, event);
            }
            Output::Reply { id, reply } => {
                self.world.judge_reply(node, id, &reply);
                self.world.replied(node, id, reply);
            }
            Output::Finished => self.seat().finished = true,
        }
    }
}

/// Letters between the shards of a node: more is a leak.
const LETTERS: usize = 100_000;
