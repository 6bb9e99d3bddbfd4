//! The program in network namespaces: behind a real gateway that opens a port for it, and next to another with nothing but
//! a cable between. They need root and say so where it is missing.

use tide_test_clients::{Cable, Event, Home, Payload, Signal, Tide, TideCommand, Tool, have, wait};

use crate::work::{LEAVE, Work, tide};

/// Seeds at a port of all addresses.
fn seed(work: &Work, space: &str) -> TideCommand {
    let command = tide(["seed"]).arg(&work.torrent.file).arg("-d").arg(work.payload.parent());
    command.args(["-p", "6881", "--no-trackers", "--no-dht", "-v"]).inside(space)
}

/// Downloads into a folder.
fn get(work: &Work, space: &str, name: &str) -> TideCommand {
    let command = tide(["get"]).arg(&work.torrent.file).arg("-d").arg(work.folder(name));
    command.args(["-p", "6882", "--no-trackers", "--no-dht", "--timeout", "60s"]).inside(space)
}

/// The outer port for peers, once both of its ports are open.
fn mapped(seed: &Tide) -> (u16, String) {
    seed.wait("that two ports are open", |event| match event {
        Event::Portmap { mapped, line } if mapped.len() == 2 => {
            let tcp = mapped.iter().find(|(protocol, _)| protocol == "tcp")?;
            Some((tcp.1, line["mapped"][0]["way"].as_str()?.to_owned()))
        }
        _ => None,
    })
}

/// Somebody out in the world downloads from the house; afterwards nothing is open any more.
fn is_reached_through(options: &str, way: &str) {
    if !have(&[Tool::Miniupnpd]) {
        return;
    }
    let home = Home::new(options);
    let work = Work::new(Payload::one_file);
    let mut seed = seed(&work, home.house()).start();
    seed.seeding(work.hash());
    let (port, by) = mapped(&seed);
    assert_eq!((port, by.as_str()), (6881, way), "{}", seed.stderr());
    assert!(seed.stderr().contains("TCP port 6881 is open"), "{}", seed.stderr());
    let peer = format!("{}:{port}", Home::OUTSIDE);
    get(&work, home.world(), "got").args(["--peer", &peer, "--no-lsd"]).run().expect_code(0);
    work.assert_same(&work.folder("got"));
    assert!(home.rules().contains("dport 6881"));
    seed.signal(Signal::Interrupt);
    seed.wait_exit(LEAVE);
    let rules = home.rules();
    assert!(!rules.contains("6881"), "{rules}");
}

#[test]
fn a_port_opened_by_pcp_lets_the_world_in() {
    is_reached_through("enable_natpmp=yes\nenable_upnp=no", "PCP");
}

#[test]
fn a_port_opened_by_upnp_lets_the_world_in() {
    is_reached_through("enable_natpmp=no\nenable_upnp=yes", "UPnP");
}

#[test]
fn no_port_is_asked_for_where_that_is_not_wanted() {
    if !have(&[Tool::Miniupnpd]) {
        return;
    }
    let home = Home::new("enable_natpmp=yes\nenable_upnp=yes");
    let work = Work::new(Payload::one_file);
    let seed = seed(&work, home.house()).arg("--no-portmap").start();
    seed.seeding(work.hash());
    let peer = format!("{}:6881", Home::OUTSIDE);
    let got = get(&work, home.world(), "got").args(["--peer", &peer, "--timeout", "2s"]).run();
    assert_ne!(got.code, Some(0), "nobody opened a port");
    assert!(!home.rules().contains("dport 6881"));
    let told = |event: &Event| matches!(event, Event::Portmap { .. });
    assert!(!seed.events().iter().any(told));
}

/// Two machines with a cable find each other, with the programs as they are without flags.
fn meet(a: &str, b: &str) {
    if !have(&[Tool::Namespaces]) {
        return;
    }
    let cable = Cable::new(a, b);
    let [one, other] = cable.machines();
    let work = Work::new(Payload::one_file);
    let seed = seed(&work, one).start();
    seed.seeding(work.hash());
    get(&work, other, "got").run().expect_code(0);
    work.assert_same(&work.folder("got"));
}

#[test]
fn neighbours_meet_over_ipv4() {
    meet("192.168.9.1/24", "192.168.9.2/24");
}

#[test]
fn neighbours_meet_with_link_local_addresses_alone() {
    meet("", "");
}

#[test]
fn a_cable_that_is_plugged_in_later_is_noticed() {
    if !have(&[Tool::Namespaces]) {
        return;
    }
    let cable = Cable::unplugged("192.168.9.1/24", "192.168.9.2/24");
    let [one, other] = cable.machines();
    let work = Work::new(Payload::one_file);
    let seed = seed(&work, one).start();
    seed.seeding(work.hash());
    let mut get = get(&work, other, "got").start();
    cable.plug();
    get.complete(work.hash());
    get.wait_exit(wait::GENEROUS).expect_code(0);
    work.assert_same(&work.folder("got"));
}
