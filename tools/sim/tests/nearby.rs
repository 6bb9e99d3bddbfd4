//! Neighbours and gateways in the world: what completes by them completes by nothing else.

use tide_sim::{Directed, Verdict, Watch, run};

#[test]
fn neighbours_complete_by_finding_each_other() {
    let mut scenario = Directed::Neighbours.scenario(7);
    let outcome = run(&scenario, &mut Watch::default());
    assert!(matches!(outcome.verdict, Verdict::Passed), "{}", outcome.verdict);
    for node in &mut scenario.nodes {
        node.local = false;
    }
    let outcome = run(&scenario, &mut Watch::default());
    assert!(matches!(outcome.verdict, Verdict::Liveness(_) | Verdict::Excused(_)), "{}", outcome.verdict);
}

#[test]
fn who_is_behind_a_gateway_is_reached_at_the_port_that_it_opened() {
    let mut scenario = Directed::Mapped.scenario(7);
    for speaks in [[true, false, false], [false, true, false], [false, false, true]] {
        scenario.nodes[0].gateway.as_mut().expect("it has one").speaks = speaks;
        let outcome = run(&scenario, &mut Watch::default());
        assert!(matches!(outcome.verdict, Verdict::Passed), "{speaks:?}: {}", outcome.verdict);
    }
    scenario.nodes[0].gateway.as_mut().expect("it has one").speaks = [false; 3];
    let outcome = run(&scenario, &mut Watch::default());
    assert!(matches!(outcome.verdict, Verdict::Liveness(_) | Verdict::Excused(_)), "{}", outcome.verdict);
}
