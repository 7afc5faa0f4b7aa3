//! Switches that forget, interfaces that flap, several on one host; the figures of `cargo xtask bench networks` in short.

use std::time::Duration;

use lanyard_tests::hosts::Lan;
use lanyard_tests::networks::{Flapping, Forgetful, flapping, forgetful, together};

#[test]
fn a_switch_that_forgets_who_listens_keeps_nobody_from_talking_or_being_found() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let (membership, lasts) = (Duration::from_secs(3), Duration::from_secs(3));
    let remembered = forgetful(&lan, &Forgetful { both: 4, only_v6: 0, membership, lasts, messages: 20 })?;
    assert_eq!(remembered.said.len(), 20);
    Ok(())
}

#[test]
fn what_is_said_while_interfaces_flap_arrives_and_no_socket_is_left_over() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let settled = flapping(&lan, &Flapping { nodes: 4, flaps: 3, every: Duration::from_secs(2) })?;
    assert_eq!(settled.messages, 3 * 2 * 4);
    // How soon after the last flap is a figure of the bench: here other tests have the processors, too.
    assert!(settled.leaks_nothing(), "{:?} {:?}", settled.udp, settled.descriptors);
    Ok(())
}

#[test]
fn five_on_one_host_see_each_other_and_the_rest_whichever_of_them_goes() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    together(&lan, 5).map(drop)
}
