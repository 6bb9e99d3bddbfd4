//! Who goes first, how many at a time, and who is forgotten.
#![cfg(feature = "http")]

use super::*;

fn hosts(world: &mut World) -> Vec<String> {
    world.lookups().into_iter().map(|(_, host)| host).collect()
}

#[test]
fn of_sixty_hosts_fifty_are_asked_at_a_time() {
    let mut world = World::new();
    for number in 0..60 {
        world.submit(job(number, &format!("http://h{number}.example/announce"), Event::None));
    }
    let lookups = world.lookups();
    assert_eq!(lookups.len(), 50);
    for (id, _) in &lookups[..7] {
        world.answer_lookup(*id, &Err(NetError::NoSuchName));
    }
    let expected: Vec<String> = (50..57).map(|number| format!("h{number}.example")).collect();
    assert_eq!(hosts(&mut world), expected);
    assert_eq!(world.told().len(), 7);
}

#[test]
fn every_announce_is_answered_once_however_it_ends() {
    let mut world = World::new();
    for number in 0..60 {
        world.submit(job(number, &format!("http://h{}.example/announce", number % 7), Event::None));
    }
    let mut answered = Vec::new();
    let mut turn = 0;
    while !world.announcer.is_idle() {
        turn += 1;
        for (id, _) in world.lookups() {
            let result =
                if turn % 3 == 0 { Err(NetError::NoSuchName) } else { Ok(vec![at("1.2.3.4:1").ip()]) };
            world.answer_lookup(id, &result);
        }
        for (index, (conn, ..)) in world.dials().into_iter().enumerate() {
            match index % 4 {
                0 => world.close(conn, NetError::Refused),
                1 => {
                    world.connect(conn);
                    world.receive(conn, &with_length("200 OK", BODY));
                }
                2 => {
                    world.connect(conn);
                    world.receive(conn, &with_length("200 OK", b"d14:failure reason4:nonee"));
                }
                _ => {
                    world.connect(conn);
                }
            }
        }
        world.pass(Duration::from_secs(1));
        answered.extend(world.told().into_iter().map(|(torrent, _)| torrent));
        assert!(turn < 1000);
    }
    answered.sort();
    assert_eq!(answered, (0..60).map(torrent).collect::<Vec<_>>());
    assert!(world.desk.conns.is_empty());
    assert_eq!(world.announcer.deadline(), Instant::NEVER);
}

#[test]
fn stopped_goes_first() {
    let mut world = World::new();
    for number in 0..50 {
        world.submit(job(number, &format!("http://h{number}.example/announce"), Event::None));
    }
    let first = world.lookups()[0].0;
    world.submit(job(50, "http://usual.example/announce", Event::Started));
    world.submit(job(51, "http://stopped.example/announce", Event::Stopped));
    assert!(world.lookups().is_empty());
    world.answer_lookup(first, &Err(NetError::NoSuchName));
    assert_eq!(hosts(&mut world), ["stopped.example"]);
}

#[test]
fn few_go_to_one_host_and_a_dead_one_costs_its_time_once() {
    let mut world = World::new();
    for number in 0..100 {
        world.submit(job(number, "http://t.example/announce", Event::None));
    }
    world.resolve("t.example", &["1.2.3.4"]);
    assert_eq!(world.dials().len(), 4);
    world.wait_until(15);
    let told = world.told();
    assert_eq!(told.len(), 100);
    assert!(told.iter().all(|(_, said)| said.result == Err(Error::TimedOut)));
    assert!(world.announcer.is_idle());
}

#[test]
fn a_tracker_that_drops_one_connection_is_not_dead() {
    let mut world = World::new();
    for number in 0..6 {
        world.submit(job(number, "http://t.example/announce", Event::None));
    }
    world.resolve("t.example", &["1.2.3.4"]);
    let dials = world.dials();
    world.connect(dials[0].0);
    world.pass(Duration::from_secs(1));
    world.receive(dials[0].0, &with_length("200 OK", BODY));
    world.close(dials[1].0, NetError::Refused);
    assert_eq!(world.told().len(), 2);
    assert_eq!(hosts(&mut world), ["t.example"]);
}

#[test]
fn our_own_want_of_sockets_is_not_the_trackers_fault() {
    let mut world = World::new();
    for number in 0..6 {
        world.submit(job(number, "http://1.2.3.4/announce", Event::None));
    }
    let dials = world.dials();
    world.close(dials[0].0, NetError::Exhausted);
    assert_eq!(world.told().len(), 1);
    assert_eq!(world.dials().len(), 1);
}

#[test]
fn a_forgotten_torrent_hears_nothing_but_its_tracker_hears_that_it_stopped() {
    let mut world = World::new();
    for number in 0..5 {
        world.submit(job(number, "http://1.2.3.4/announce", Event::None));
    }
    world.submit(job(9, "http://1.2.3.4/announce", Event::Started));
    world.submit(job(9, "http://1.2.3.4/announce", Event::Stopped));
    let dials = world.dials();
    assert_eq!(dials.len(), 4);
    world.announcer.forget(torrent(0));
    world.announcer.forget(torrent(4));
    world.announcer.forget(torrent(9));
    world.announcer.forget(torrent(77));

    for (conn, ..) in dials {
        world.connect(conn);
        world.receive(conn, &with_length("200 OK", BODY));
    }
    let heard: Vec<TorrentKey> = world.told().into_iter().map(|(torrent, _)| torrent).collect();
    assert_eq!(heard, [torrent(1), torrent(2), torrent(3)]);
    let last = world.dialled("1.2.3.4:80");
    let request = world.connect(last);
    assert!(request.contains("&event=stopped"), "{request}");
    assert!(!world.announcer.is_idle());
    world.receive(last, &with_length("200 OK", BODY));
    assert!(world.announcer.is_idle() && world.told().is_empty());
}

#[test]
fn keys_of_what_is_over_are_harmless() {
    let mut world = World::new();
    world.submit(job(1, "http://1.2.3.4/announce", Event::None));
    let conn = world.dialled("1.2.3.4:80");
    let request = world.request_of(conn);
    world.connect(conn);
    world.receive(conn, &with_length("200 OK", BODY));
    assert!(world.answer().is_ok());
    world.announcer.connected(&mut world.desk, world.now, request);
    world.announcer.filled(&mut world.desk, world.now, request, b"x");
    world.announcer.closed(&mut world.desk, world.now, request, NetError::Reset);
    world.announcer.sent(request, 1);
    let mut slices = Slices::new();
    world.announcer.gather(request, &mut slices);
    assert!(slices.parts().is_empty());
    assert_eq!(world.announcer.want(request), 0);
    assert!(world.told().is_empty());
}
