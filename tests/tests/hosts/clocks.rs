//! Conversations of hosts whose clocks are wrong (libfaketime), and are set right.

use super::*;

#[test]
fn a_conversation_reads_as_it_happened_while_a_clock_is_wrong_and_when_it_is_right_again() {
    for seconds in [7200, -7200] {
        let Some(lan) = Lan::or_skip() else { return };
        let ann = Node::up(&lan.host("ann"));
        let host = lan.host("bob");
        let mut bob: Option<Node> = None;
        let mut all = Vec::new();
        for (stage, clock) in [("right", 0), ("wrong", seconds), ("right again", 0)] {
            if let Some(before) = bob.take() {
                before.leave();
            }
            let bob = bob.insert(Node::with_clock(&host, clock));
            ann.sees("bob");
            bob.sees("ann");
            for round in 0..2 {
                let text = format!("{stage} {round}");
                bob.does(&["say", "@ann", &text]);
                ann.hears("bob", &text);
                ann.does(&["say", "@bob", &text]);
                bob.hears("ann", &text);
                all.extend([format!("bob: {text}"), format!("ann: {text}")]);
            }
            assert_eq!(ann.log("@bob"), all, "at ann, {seconds} s off");
            assert_eq!(bob.log("@ann"), all, "at bob, {seconds} s off");
        }
    }
}
