//! Large rooms of real processes: what the network loses, nobody lacks.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lanyard_tests::conversation::{Plan, same_logs, take_turns};
use lanyard_tests::crash::survive;
use lanyard_tests::crowd::Crowd;
use lanyard_tests::hosts::{Addresses, Frames, Lan, Loss};

#[test]
fn fifty_who_lose_half_of_all_datagrams_all_hear_everything_once_and_in_the_same_order() -> Result<(), String>
{
    let Some(lan) = lan() else { return Ok(()) };
    let crowd = Crowd::gather(&lan, 50, Addresses::OnlyIpv4)?;
    crowd.meet(EVENTUALLY)?;
    lan.lose(Loss { out: 30, into: 30, of: Frames::Udp });
    let plan = Plan { talkers: (0..10).collect(), messages: 60, per_second: 0.5, length: 110, seed: 1 };
    let said = take_turns(&crowd, &plan, EVENTUALLY)?;
    let texts: Vec<_> = said.into_iter().map(|said| said.text).collect();
    crowd.all_hear(&texts, EVENTUALLY)?;
    same_logs(&crowd, &texts)
}

#[test]
fn who_is_killed_at_any_moment_loses_nothing_that_was_acknowledged() -> Result<(), String> {
    let Some(lan) = lan() else { return Ok(()) };
    let survived = survive(&lan, 50, 1)?;
    assert!(survived.messages > 50 * 12 && survived.files > 50, "too little happened: {survived:?}");
    Ok(())
}

fn lan() -> Option<Lan> {
    match Lan::available() {
        Ok(()) => Some(Lan::new()),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// For what needs repair or catching up.
const EVENTUALLY: Duration = Duration::from_secs(60);
