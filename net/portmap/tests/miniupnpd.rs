//! Against the real `miniupnpd`, in network namespaces: PCP, NAT-PMP, UPnP IGD 1 and 2.
//!
//! Needs root, `ip`, `ss`, `nft`, and `miniupnpd` for nftables. Where one is missing the tests say so and pass, unless `CI` is set to
//! `true`: then they fail.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration as Span;
use tide_base::{Instant, Prng};
use tide_portmap::limits::Limits;
use tide_portmap::{Event, Mapped, Mapper, Network, Output, Protocol, StreamId, Want, Way};

const TCP: Want = Want { protocol: Protocol::Tcp, port: 6881 };
const UDP: Want = Want { protocol: Protocol::Udp, port: 6881 };
/// miniupnpd refuses to map with a local or a documentation address outside.
const OUTSIDE: &str = "11.22.33.44";

/// Two namespaces, a house and a gateway with an outside, and the daemon; all gone when dropped.
struct Lab {
    name: String,
    folder: tempfile::TempDir,
    daemon: Option<Child>,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

fn run(line: &str) -> Result<String, String> {
    let mut words = line.split_ascii_whitespace();
    let program = words.next().unwrap_or_default();
    let output = Command::new(program).args(words).output().map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{line}: {text}")) }
}

impl Lab {
    fn new() -> Result<Lab, String> {
        run("miniupnpd --version")
            .or_else(|why| if why.contains("miniupnpd 2") { Ok(why) } else { Err(why) })?;
        let name = format!("tide{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let lab = Lab { name, folder, daemon: None };
        let (house, gate) = (lab.house(), lab.gate());
        for line in [
            format!("ip netns add {house}"),
            format!("ip netns add {gate}"),
            format!("ip -n {house} link add lan type veth peer name lan netns {gate}"),
            format!("ip -n {gate} link add wan type veth peer name isp"),
            format!("ip -n {house} address add 192.168.77.10/24 dev lan"),
            format!("ip -n {gate} address add 192.168.77.1/24 dev lan"),
            format!("ip -n {gate} address add {OUTSIDE}/24 dev wan"),
            format!("ip -n {house} link set lo up"),
            format!("ip -n {house} link set lan up"),
            format!("ip -n {gate} link set lo up"),
            format!("ip -n {gate} link set lan up"),
            format!("ip -n {gate} link set wan up"),
            format!("ip -n {gate} link set isp up"),
            format!("ip -n {house} route add default via 192.168.77.1"),
            format!("ip netns exec {gate} nft add table inet filter"),
        ] {
            run(&line)?;
        }
        Ok(lab)
    }

    fn house(&self) -> String {
        format!("{}h", self.name)
    }

    fn gate(&self) -> String {
        format!("{}g", self.name)
    }

    /// Starts the daemon and waits until it listens.
    fn start(&mut self, options: &str) -> Result<(), String> {
        let config = self.folder.path().join("miniupnpd.conf");
        let text = format!(
            "ext_ifname=wan\next_ip={OUTSIDE}\nlistening_ip=lan\nhttp_port=5000\nuuid=00000000-0000-0000-0000-000000000000\n\
             system_uptime=no\nsecure_mode=yes\nlease_file={}\nupnp_table_name=filter\nupnp_nat_table_name=filter\n\
             {options}\nallow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
            self.folder.path().join("leases").display()
        );
        std::fs::write(&config, text).map_err(|error| error.to_string())?;
        let chains = "prerouting_miniupnpd postrouting_miniupnpd miniupnpd";
        for chain in chains.split(' ') {
            run(&format!("ip netns exec {} nft add chain inet filter {chain}", self.gate()))?;
        }
        let log = std::fs::File::create(self.folder.path().join("log")).map_err(|error| error.to_string())?;
        let daemon = Command::new("ip")
            .args(["netns", "exec", &self.gate(), "miniupnpd", "-d", "-f"])
            .arg(&config)
            .arg("-P")
            .arg(self.folder.path().join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        self.daemon = Some(daemon);
        for _ in 0..100 {
            let sockets = run(&format!("ip netns exec {} ss -lntu", self.gate()))?;
            if sockets.contains(":5000") || sockets.contains(":5351") {
                return Ok(());
            }
            std::thread::sleep(Span::from_millis(50));
        }
        Err(format!("it does not listen: {}", self.log()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn rules(&self) -> String {
        run(&format!("ip netns exec {} nft list ruleset", self.gate())).expect("nft lists its rules")
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for space in [self.house(), self.gate()] {
            let _ = run(&format!("ip netns delete {space}"));
        }
    }
}

/// Carries a mapper's outputs over real sockets of the thread's namespace.
struct Shell {
    mapper: Mapper,
    socket: UdpSocket,
    streams: BTreeMap<StreamId, TcpStream>,
    begun: std::time::Instant,
    events: Vec<Event>,
    /// PCP does not reach the daemon, which speaks it; an older one's refusal comes back instead.
    refuses_pcp: bool,
}

impl Shell {
    fn new(limits: Limits) -> Shell {
        let socket = UdpSocket::bind(("192.168.77.10", 0)).expect("a socket of the house");
        socket.set_read_timeout(Some(Span::from_millis(20))).expect("a timeout");
        let mut shell = Shell {
            mapper: Mapper::new(limits, Prng::new(u64::from(std::process::id()))),
            socket,
            streams: BTreeMap::new(),
            #[expect(clippy::disallowed_methods, reason = "this is a shell")]
            begun: std::time::Instant::now(),
            events: Vec::new(),
            refuses_pcp: false,
        };
        let (gateway, local) = (Ipv4Addr::new(192, 168, 77, 1), Ipv4Addr::new(192, 168, 77, 10));
        let network = Network { gateway: gateway.into(), scope: 0, local: local.into() };
        shell.mapper.set_networks(shell.now(), &[network]);
        for want in [TCP, UDP] {
            shell.mapper.want(shell.now(), want).expect("room");
        }
        shell
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(self.begun.elapsed().as_nanos() as u64)
    }

    fn turn(&mut self) {
        while let Some(output) = self.mapper.poll_output() {
            match output {
                Output::Datagram { to, bytes, .. } if self.refuses_pcp && bytes[0] == 2 => {
                    self.mapper.receive(self.now(), to, &[0, bytes[1] | 0x80, 0, 1, 0, 0, 0, 0]);
                }
                Output::Datagram { to, bytes, .. } => drop(self.socket.send_to(&bytes, to)),
                Output::Connect { stream, to, .. } => self.connect(stream, to),
                Output::Write { stream, bytes } => {
                    let mut socket = &self.streams[&stream];
                    socket.write_all(&bytes).expect("the daemon reads");
                }
                Output::Close { stream } => drop(self.streams.remove(&stream)),
            }
        }
        self.events.extend(std::iter::from_fn(|| self.mapper.poll_event()));
        let mut buffer = [0; 4096];
        if let Ok((length, from)) = self.socket.recv_from(&mut buffer) {
            self.mapper.receive(self.now(), from, &buffer[..length]);
        }
        let now = self.now();
        for (stream, socket) in &self.streams {
            match (&*socket).read(&mut buffer) {
                Ok(0) => self.mapper.closed(now, *stream),
                Ok(length) => self.mapper.read(now, *stream, &buffer[..length]),
                Err(_) => {}
            }
        }
        self.mapper.wake(now);
    }

    fn connect(&mut self, stream: StreamId, to: SocketAddr) {
        let now = self.now();
        match TcpStream::connect_timeout(&to, Span::from_secs(2)) {
            Ok(socket) => {
                socket.set_read_timeout(Some(Span::from_millis(5))).expect("a timeout");
                self.streams.insert(stream, socket);
                self.mapper.connected(now, stream);
            }
            Err(_) => self.mapper.closed(now, stream),
        }
    }

    /// Turns until `done`, half a minute at most.
    fn until(&mut self, lab: &Lab, done: impl Fn(&Mapper) -> bool) {
        while !done(&self.mapper) {
            let waited = self.begun.elapsed();
            assert!(waited < Span::from_secs(30), "{:?}\n{}\n{}", self.events, lab.log(), lab.rules());
            self.turn();
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        for socket in self.streams.values() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Moves this thread alone into a namespace.
fn enter(space: &str) -> Result<(), String> {
    let path = format!("/var/run/netns/{space}");
    let file = std::fs::File::open(&path).map_err(|error| format!("{path}: {error}"))?;
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&file),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .map_err(|error| format!("{path}: {error}"))
}

/// Runs `test` in the house of a lab whose daemon has these options; each test has a thread of its own.
fn in_a_lab(options: &'static str, test: impl FnOnce(&Lab) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let lab = Lab::new()
            .and_then(|mut lab| lab.start(options).and_then(|()| enter(&lab.house())).map(|()| lab));
        match lab {
            Ok(lab) => test(&lab),
            Err(why) if std::env::var("CI").is_ok_and(|ci| ci == "true") => panic!("{why}"),
            Err(why) => eprintln!("skipped: {why}"),
        }
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Both ports are mapped in this way, found in the gateway's rules, and gone after the end.
fn maps_and_removes(lab: &Lab, way: Way) {
    let mut shell = Shell::new(Limits::default());
    shell.refuses_pcp = way == Way::NatPmp;
    shell.until(lab, |mapper| mapper.mapped().count() == 2);
    let mapped: Vec<Mapped> = shell.mapper.mapped().collect();
    for mapped in &mapped {
        assert_eq!(mapped.way, way, "{:?}", shell.events);
        let external = mapped.external().map(|external| external.to_string());
        assert_eq!(external, Some(format!("{OUTSIDE}:6881")), "{mapped:?}");
    }
    let rules = lab.rules();
    assert_eq!(rules.matches("dport 6881").count(), 4, "translated and let through, TCP and UDP: {rules}");
    shell.mapper.stop(shell.now());
    shell.until(lab, Mapper::is_stopped);
    shell.turn();
    let rules = lab.rules();
    assert!(!rules.contains("6881"), "{rules}\n{}", lab.log());
}

#[test]
fn pcp() {
    in_a_lab("enable_natpmp=yes\nenable_upnp=no", |lab| maps_and_removes(lab, Way::Pcp));
}

#[test]
fn natpmp() {
    in_a_lab("enable_natpmp=yes\nenable_upnp=no", |lab| maps_and_removes(lab, Way::NatPmp));
}

#[test]
fn upnp_igd_1() {
    in_a_lab("enable_natpmp=no\nenable_upnp=yes\nforce_igd_desc_v1=yes", |lab| {
        maps_and_removes(lab, Way::Upnp);
    });
}

#[test]
fn upnp_igd_2() {
    in_a_lab("enable_natpmp=no\nenable_upnp=yes\nforce_igd_desc_v1=no", |lab| {
        maps_and_removes(lab, Way::Upnp);
    });
}
