use shipslog_domain::Span;

use super::*;
use crate::scenario::{Fault, FaultAt};

fn refusal(change: impl FnOnce(&mut Scenario)) -> String {
    let mut scenario = Scenario::honest(10, 1);
    change(&mut scenario);
    check(&scenario).expect_err("refused").to_string()
}

#[test]
fn what_sockets_cannot_do_is_refused_before_the_start() {
    check(&Scenario::honest(10, 1)).expect("honest devices can be played");
    let text = refusal(|scenario| {
        scenario.faults.push(Fault {
            at: FaultAt::Time(Span(0)),
            down: Span(0),
        });
    });
    assert!(
        text.contains("fault") && text.contains("model or wire"),
        "{text}"
    );
    let text = refusal(|scenario| scenario.network.duplicated = 1);
    assert!(text.contains("network:"), "{text}");
}
