//! Network namespaces: machines on one machine, joined by cables, one of them a gateway. They need root.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Guard, TempDir, Tool, process, wait};

/// Namespaces that are gone when this is dropped.
#[derive(Debug)]
struct Spaces(Vec<String>);

impl Spaces {
    /// New ones, whose names end like that.
    fn new(names: &[&str]) -> Spaces {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = |name: &&str| format!("tide{}x{number}{name}", std::process::id());
        let spaces = Spaces(names.iter().map(name).collect());
        for space in &spaces.0 {
            ip(&format!("netns add {space}"));
            ip(&format!("-n {space} link set lo up"));
        }
        spaces
    }

    /// Joins two of them by a cable, whose ends are called like that.
    fn join(&self, (a, name): (usize, &str), (b, other): (usize, &str)) {
        let (a, b) = (&self.0[a], &self.0[b]);
        ip(&format!("-n {a} link add {name} type veth peer name {other} netns {b}"));
        ip(&format!("-n {a} link set {name} up"));
        ip(&format!("-n {b} link set {other} up"));
    }
}

impl Drop for Spaces {
    fn drop(&mut self) {
        for space in &self.0 {
            let _ = Command::new("ip").args(["netns", "delete", space]).status();
        }
    }
}

/// Runs `ip`.
fn ip(line: &str) {
    run("ip", line);
}

fn run(program: &str, line: &str) -> String {
    let output = Command::new(program).args(line.split_ascii_whitespace()).output().expect("it is there");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{program} {line}: {text}");
    text
}

/// Two machines and a cable.
#[derive(Debug)]
pub struct Cable {
    spaces: Spaces,
    addresses: [String; 2],
}

impl Cable {
    /// With these addresses and prefixes at the two ends; where they are empty, with the link-local ones of IPv6 that any
    /// machine has.
    ///
    /// # Panics
    /// Where namespaces cannot be had: ask [`have`](crate::have) for [`Tool::Namespaces`] first.
    #[must_use]
    pub fn new(a: &str, b: &str) -> Cable {
        let cable = Cable::unplugged(a, b);
        cable.plug();
        cable
    }

    /// The same, before [`plug`](Self::plug).
    ///
    /// # Panics
    /// Where namespaces cannot be had.
    #[must_use]
    pub fn unplugged(a: &str, b: &str) -> Cable {
        let addresses = [a, b].map(str::to_owned);
        Cable { spaces: Spaces::new(&["a", "b"]), addresses }
    }

    /// Puts the cable in at both ends, once.
    ///
    /// # Panics
    /// When the system does not let us.
    pub fn plug(&self) {
        self.spaces.join((0, "lan"), (1, "lan"));
        let ends = self.spaces.0.iter().zip(&self.addresses);
        for (space, address) in ends.filter(|(_, address)| !address.is_empty()) {
            ip(&format!("-n {space} address add {address} dev lan"));
        }
    }

    /// The machines, by the names of their namespaces.
    #[must_use]
    pub fn machines(&self) -> [&str; 2] {
        [&self.spaces.0[0], &self.spaces.0[1]]
    }
}

/// A machine behind a gateway that translates addresses and opens ports (miniupnpd), and one out in the world.
#[derive(Debug)]
pub struct Home {
    spaces: Spaces,
    daemon: Option<Guard>,
    folder: TempDir,
}

impl Home {
    /// The gateway's address in the world. (miniupnpd refuses to map with a local or a documentation address.)
    pub const OUTSIDE: &'static str = "11.22.33.44";

    /// A home whose gateway has these lines in its configuration.
    ///
    /// # Panics
    /// Where it cannot be had: ask [`have`](crate::have) for [`Tool::Miniupnpd`] first.
    #[must_use]
    pub fn new(options: &str) -> Home {
        let spaces = Spaces::new(&["h", "g", "w"]);
        let [house, gate, world] = [0, 1, 2].map(|at: usize| spaces.0[at].clone());
        spaces.join((0, "lan"), (1, "lan"));
        spaces.join((1, "wan"), (2, "net"));
        ip(&format!("-n {house} address add 192.168.77.10/24 dev lan"));
        ip(&format!("-n {gate} address add 192.168.77.1/24 dev lan"));
        ip(&format!("-n {gate} address add {}/24 dev wan", Self::OUTSIDE));
        ip(&format!("-n {world} address add 11.22.33.1/24 dev net"));
        ip(&format!("-n {house} route add default via 192.168.77.1"));
        ip(&format!("netns exec {gate} sysctl -q -w net.ipv4.ip_forward=1"));
        for rule in [
            "add table inet filter",
            "add chain inet filter prerouting_miniupnpd",
            "add chain inet filter postrouting_miniupnpd",
            "add chain inet filter miniupnpd",
            "add chain inet filter in { type nat hook prerouting priority -100 ; }",
            "add rule inet filter in iifname wan jump prerouting_miniupnpd",
            "add chain inet filter out { type nat hook postrouting priority 100 ; }",
            "add rule inet filter out oifname wan masquerade",
            // Nothing comes in but what the daemon lets in, and answers.
            "add chain inet filter forward { type filter hook forward priority 0 ; policy drop ; }",
            "add rule inet filter forward ct state established,related accept",
            "add rule inet filter forward iifname lan accept",
            "add rule inet filter forward jump miniupnpd",
        ] {
            ip(&format!("netns exec {gate} nft {rule}"));
        }
        let mut home = Home { spaces, daemon: None, folder: TempDir::new("home") };
        home.start(options);
        home
    }

    fn start(&mut self, options: &str) {
        let at = |name: &str| self.folder.join(name);
        let text = format!(
            "ext_ifname=wan\next_ip={}\nlistening_ip=lan\nhttp_port=5000\n\
             uuid=00000000-0000-0000-0000-000000000000\nsystem_uptime=no\nsecure_mode=yes\nlease_file={}\n\
             upnp_table_name=filter\nupnp_nat_table_name=filter\n{options}\n\
             allow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n",
            Self::OUTSIDE,
            at("leases").display()
        );
        std::fs::write(at("conf"), text).expect("a file in a temporary folder");
        let mut command = process::command("ip");
        command.args(["netns", "exec", &self.spaces.0[1]]).arg(Tool::Miniupnpd.expect());
        command.arg("-d").arg("-f").arg(at("conf")).arg("-P").arg(at("pid"));
        self.daemon = Some(Guard::spawn("miniupnpd", &mut command, self.folder.path()));
        wait::until("miniupnpd listens", || {
            let sockets = run("ip", &format!("netns exec {} ss -lntu", self.spaces.0[1]));
            (sockets.contains(":5000") || sockets.contains(":5351")).then_some(())
        });
    }

    /// The machine in the house.
    #[must_use]
    pub fn house(&self) -> &str {
        &self.spaces.0[0]
    }

    /// The machine out in the world.
    #[must_use]
    pub fn world(&self) -> &str {
        &self.spaces.0[2]
    }

    /// The gateway's rules, as it lists them.
    ///
    /// # Panics
    /// When it lists none.
    #[must_use]
    pub fn rules(&self) -> String {
        run("ip", &format!("netns exec {} nft list ruleset", self.spaces.0[1]))
    }
}

/// Whether namespaces can be made here.
pub(crate) fn possible() -> bool {
    let name = format!("tide{}probe", std::process::id());
    let made = Command::new("ip").args(["netns", "add", &name]).output();
    let made =
        made.is_ok_and(|output| output.status.success() || Path::new("/var/run/netns").join(&name).exists());
    let _ = Command::new("ip").args(["netns", "delete", &name]).output();
    made
}
