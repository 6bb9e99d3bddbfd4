//! A node of ours and nodes of libtorrent on loopback: each finds what the other stores.
#![expect(clippy::disallowed_methods, reason = "a test beside a real client lives in real time")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant as Clock;

use serde_json::{Value, json};
use tide_base::id::hex;
use tide_base::{Duration, InfoHash, Instant, Prng};
use tide_dht::item::Item;
use tide_dht::{Announce, Config, Event, Families, Node, Outcome, Output, Port, QueryId, Wanted};
use tide_test_clients::{Tool, have, net};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/libtorrent/node.py");
/// Whatever does not happen within this time does not happen.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(40);

/// The smallest shell: a socket, a clock, a node.
struct Shell {
    socket: UdpSocket,
    node: Node,
    began: Clock,
    events: Vec<Event>,
}

impl Shell {
    fn start(seed: u64) -> Shell {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket on loopback");
        let config = Config { families: Families::V4, ..Config::default() };
        let node = Node::new(config, Prng::new(seed), Instant::ZERO);
        Shell { socket, node, began: Clock::now(), events: Vec::new() }
    }

    fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.began.elapsed()
    }

    /// Runs the node until `wanted` finds in its events, or elsewhere, what it looks for.
    fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&mut Shell) -> Option<T>) -> T {
        let start = Clock::now();
        let mut buffer = [0; 2048];
        loop {
            self.node.settle(self.now());
            while let Some(output) = self.node.poll() {
                match output {
                    Output::Send { to, datagram } => drop(self.socket.send_to(&datagram, to)),
                    Output::Event(event) => self.events.push(event),
                }
            }
            if let Some(found) = wanted(self) {
                return found;
            }
            assert!(start.elapsed() < PATIENCE, "{what}: {:?} {:?}", self.events, self.node.stats());
            let wake = self.now().until(self.node.wake_at().0);
            let wait = wake.clamp(Duration::from_millis(1), Duration::from_millis(20));
            self.socket.set_read_timeout(Some(wait)).expect("it is not zero");
            if let Ok((len, from)) = self.socket.recv_from(&mut buffer) {
                self.node.datagram(self.now(), from, &buffer[..len]);
            }
        }
    }

    /// Lets libtorrent do something while the node runs.
    fn beside(&mut self, client: &LibTorrent, command: &Value) -> Value {
        client.commands.send(command.clone()).expect("it runs");
        self.until(&command.to_string(), |_| client.answers.try_recv().ok())
    }

    /// How a query of ours ends.
    fn end(&mut self, id: u64) -> Outcome {
        self.until("a query ends", |shell| {
            let ends = shell
                .events
                .iter()
                .position(|event| matches!(event, Event::Done { query, .. } if *query == QueryId(id)));
            match shell.events.remove(ends?) {
                Event::Done { outcome, .. } => Some(outcome),
                _ => None,
            }
        })
    }
}

/// A process of libtorrent; killed on drop.
struct LibTorrent {
    child: Child,
    address: SocketAddr,
    commands: SyncSender<Value>,
    answers: Receiver<Value>,
}

impl LibTorrent {
    fn start() -> LibTorrent {
        let address = SocketAddr::from(net::fresh());
        let mut child = Command::new(Tool::LibTorrent.expect())
            .args([SCRIPT, &address.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (commands, orders) = sync_channel::<Value>(1);
        let (results, answers) = sync_channel(1);
        std::thread::spawn(move || {
            for order in orders {
                let mut line = String::new();
                if writeln!(stdin, "{order}").is_err() || stdout.read_line(&mut line).is_err() {
                    return;
                }
                let answer = serde_json::from_str(&line).unwrap_or(Value::Null);
                if results.send(answer).is_err() {
                    return;
                }
            }
        });
        LibTorrent { child, address, commands, answers }
    }
}

impl Drop for LibTorrent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ours, and two of libtorrent's that know ours.
fn network(seed: u64) -> Option<(Shell, [LibTorrent; 2])> {
    if !have(&[Tool::LibTorrent]) {
        return None;
    }
    let mut shell = Shell::start(seed);
    let clients = [LibTorrent::start(), LibTorrent::start()];
    let address = shell.address();
    for client in &clients {
        let meet = json!({"do": "meet", "ip": address.ip().to_string(), "port": address.port()});
        assert_eq!(shell.beside(client, &meet), json!(true));
        shell.until("libtorrent answers", |shell| {
            let now = shell.now();
            shell.node.add_node(now, client.address);
            (shell.node.stats().tables[0].good > 0).then_some(())
        });
    }
    shell.until("both are known", |shell| (shell.node.stats().tables[0].good == 2).then_some(()));
    for client in &clients {
        // We may have its answer before it has ours.
        shell.until("libtorrent knows ours", |shell| {
            let known = shell.beside(client, &json!({"do": "nodes"}));
            known.as_u64().filter(|&known| known > 0)
        });
    }
    Some((shell, clients))
}

#[test]
fn peers_are_found_both_ways() {
    let Some((mut shell, [a, b])) = network(1) else { return };
    let hash = InfoHash([0x17; 20]);
    let say = Announce::at(Port::Named(4567), false);
    shell.node.get_peers(QueryId(1), hash, Some(say)).expect("room");
    let outcome = shell.end(1);
    assert!(matches!(outcome, Outcome::Peers { announced: 2, .. }), "{outcome:?}");
    let found = shell.beside(&a, &json!({"do": "get_peers", "hash": hex(&hash.0)}));
    assert_eq!(found, json!([["127.0.0.1", 4567]]));

    let other = InfoHash([0x81; 20]);
    shell.beside(&b, &json!({"do": "announce", "hash": hex(&other.0), "port": 777}));
    let wanted = SocketAddr::new(b.address.ip(), 777);
    // libtorrent says when it begins to announce, not when it is done.
    let mut tries = 10;
    shell.until("the peer is found", |shell| {
        let is_found = |event: &Event| matches!(event, Event::Peers { peers, .. } if peers.contains(&wanted));
        if shell.events.iter().any(is_found) {
            return Some(());
        }
        if shell.node.stats().queries == 0 {
            tries += 1;
            shell.node.get_peers(QueryId(tries), other, None).expect("room");
        }
        None
    });
    assert!(shell.node.stats().peers > 0, "ours stores it, too");
}

#[test]
fn items_are_found_both_ways() {
    let Some((mut shell, [a, b])) = network(2) else { return };
    let ours = Item::immutable(b"9:from tide").expect("an item");
    let target = hex(&ours.target().0);
    shell.node.put(QueryId(1), ours, None).expect("room");
    let outcome = shell.end(1);
    assert!(matches!(outcome, Outcome::Stored { nodes: 2, .. }), "{outcome:?}");
    let got = shell.beside(&a, &json!({"do": "get_immutable", "hash": target}));
    assert_eq!(got, json!("from tide"));

    let put = shell.beside(&b, &json!({"do": "put_immutable", "text": "from libtorrent"}));
    let theirs = Item::immutable(b"15:from libtorrent").expect("an item");
    assert_eq!(put[0], json!(hex(&theirs.target().0)));
    shell.node.get(QueryId(2), Wanted::Immutable(theirs.target())).expect("room");
    let outcome = shell.end(2);
    assert!(matches!(&outcome, Outcome::Item { item: Some(item), .. } if *item == theirs), "{outcome:?}");
}

#[test]
fn mutable_items_are_found_both_ways() {
    let Some((mut shell, [a, b])) = network(3) else { return };
    let seed = [5; 32];
    let ours = Item::sign(&seed, b"salt", 4, b"5:first").expect("an item");
    let key = ours.signed.as_ref().expect("it is signed").key;
    shell.node.put(QueryId(1), ours, None).expect("room");
    let outcome = shell.end(1);
    assert!(matches!(outcome, Outcome::Stored { nodes: 2, .. }), "{outcome:?}");
    let name = json!({"do": "get_mutable", "key": hex(&key), "salt": "salt"});
    assert_eq!(shell.beside(&a, &name), json!([4, "first"]));

    // It puts the next version, with the same key.
    let put =
        json!({"do": "put_mutable", "seed": hex(&seed), "key": hex(&key), "salt": "salt", "text": "next"});
    let put = shell.beside(&b, &put);
    assert_eq!(put[0], json!(5));
    let wanted = Wanted::Mutable { key, salt: b"salt"[..].into(), newer_than: Some(4) };
    shell.node.get(QueryId(2), wanted).expect("room");
    let outcome = shell.end(2);
    let Outcome::Item { item: Some(item), .. } = outcome else { panic!("{outcome:?}") };
    assert_eq!((item.seq(), &item.value[..]), (Some(5), &b"4:next"[..]));
    assert!(shell.node.stats().items > 0, "ours stores it, too");
}
