//! Files between real processes that are killed, damaged, starved of frames and left by their sender.
#![cfg(target_os = "linux")]

use lanyard_tests::hosts::Lan;
use lanyard_tests::ordeal::{damage, kills, loss, renumbered, spread, tiny};

#[test]
fn a_file_whose_ends_are_killed_again_and_again_arrives_and_little_is_sent_twice() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let outcome = kills(&lan, 96, 6, 1)?;
    assert!(outcome.kills >= 4, "{outcome:?}");
    // What was under way, and what the journal had not been told: far below what F1 allows.
    assert!(outcome.again <= outcome.kills as u64 * (24 << 20), "{outcome:?}");
    Ok(())
}

#[test]
fn bits_that_turned_over_on_the_disk_are_found_and_fetched_anew() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    assert_eq!(damage(&lan, 64, 16, 1)?, 4);
    Ok(())
}

#[test]
fn a_file_crosses_a_network_that_loses_a_tenth_of_all_frames() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    loss(&lan, 8, 5)?;
    Ok(())
}

#[test]
fn when_one_receiver_has_it_the_sender_may_die() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let outcome = spread(&lan, 24, 5, 100, true)?;
    assert!(outcome.copies < 1.5, "{outcome:?}");
    Ok(())
}

#[test]
fn whoever_gets_another_address_goes_on_after_seconds() -> Result<(), String> {
    for receiver in [true, false] {
        let Some(lan) = Lan::or_skip() else { return Ok(()) };
        renumbered(&lan, 32, receiver)?;
    }
    Ok(())
}

#[test]
fn thousands_of_small_files_arrive_as_they_are() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    tiny(&lan, 5000)?;
    Ok(())
}
