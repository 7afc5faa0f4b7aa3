//! Large rooms of real processes: what the network loses, nobody lacks.
#![cfg(target_os = "linux")]

use std::time::Duration;

use lanyard_tests::conversation::{
    CLOCKS, Plan, Said, in_confidence, same_logs, same_order, take_turns, whole_log,
};
use lanyard_tests::crash::survive;
use lanyard_tests::crowd::Crowd;
use lanyard_tests::history::History;
use lanyard_tests::hosts::{Addresses, Frames, Lan, Loss};

#[test]
fn fifty_who_lose_half_of_all_datagrams_all_hear_everything_once_and_in_the_same_order() -> Result<(), String>
{
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let crowd = Crowd::gather(&lan, 50, Addresses::OnlyIpv4)?;
    crowd.meet(EVENTUALLY)?;
    lan.lose(Loss { out: 30, into: 30, of: Frames::Udp });
    let texts = texts(take_turns(&crowd, &plan((0..10).collect(), 60, 1), EVENTUALLY)?);
    crowd.all_hear(&texts, EVENTUALLY)?;
    same_logs(&crowd, &texts)
}

#[test]
fn two_halves_that_could_not_hear_each_other_agree_when_they_can_again() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let crowd = Crowd::gather(&lan, 20, Addresses::Both)?;
    crowd.meet(EVENTUALLY)?;
    let hosts = crowd.hosts();
    let (here, there) = hosts.split_at(10);
    lan.part(&[here, there]);
    let said_here = texts(take_turns(&crowd, &plan(vec![0, 3, 6], 30, 1), EVENTUALLY)?);
    let said_there = texts(take_turns(&crowd, &plan(vec![10, 13, 16], 30, 2), EVENTUALLY)?);
    let leaked = crowd.heard()[0].texts.keys().filter(|text| said_there.contains(text)).count();
    assert_eq!(leaked, 0, "the network was not parted");
    lan.heal();
    let all = [said_here, said_there].concat();
    crowd.all_hear(&all, EVENTUALLY)?;
    same_logs(&crowd, &all)
}

#[test]
fn who_is_killed_at_any_moment_loses_nothing_that_was_acknowledged() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let survived = survive(&lan, 50, 1)?;
    assert!(survived.messages > 50 * 12 && survived.files > 50, "too little happened: {survived:?}");
    Ok(())
}

#[test]
fn who_comes_late_to_ten_thousand_messages_gets_them_all_in_order() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let history = History { entries: 10_000, authors: 10, length: 110 };
    let mut crowd = Crowd::new();
    for host in lan.hosts(["holder", "newcomer"], Addresses::Both) {
        crowd.add(host, &[]);
    }
    history.write(&crowd.profile(0))?;
    crowd.start_all()?;
    let texts: Vec<_> = (0..history.entries).map(|number| history.text(number)).collect();
    let log = whole_log(&crowd, 1, texts.len(), CATCHING_UP)?;
    let wrong = log.iter().zip(&texts).position(|(shown, text)| shown["text"] != text.as_str());
    assert_eq!(wrong, None, "the first message that is not in its place");
    same_logs(&crowd, &texts)
}

#[test]
fn ten_who_know_one_address_talk_where_no_multicast_passes() -> Result<(), String> {
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    lan.cut_multicast();
    let mut crowd = Crowd::new();
    let hosts = lan.hosts((1..=10).map(|number| format!("p{number}")), Addresses::Both);
    let first = hosts[0].address();
    for (number, host) in hosts.into_iter().enumerate() {
        let by_address = ["--peer", first.as_str()];
        crowd.add(host, if number == 0 { &[] } else { &by_address });
    }
    crowd.start_all()?;
    let texts = texts(take_turns(&crowd, &plan((0..10).collect(), 100, 1), EVENTUALLY)?);
    crowd.all_hear(&texts, EVENTUALLY)?;
    same_logs(&crowd, &texts)
}

#[test]
fn clocks_that_are_wrong_by_an_hour_or_ten_years_lose_nothing_and_disturb_nobodys_order() -> Result<(), String>
{
    let Some(lan) = Lan::or_skip() else { return Ok(()) };
    let mut crowd = Crowd::new();
    for (number, host) in
        lan.hosts((1..=10).map(|number| format!("p{number}")), Addresses::Both).into_iter().enumerate()
    {
        crowd.add(host, &[]);
        crowd.set_clock(number, CLOCKS[number]);
    }
    crowd.start_all()?;
    crowd.meet(EVENTUALLY)?;
    lan.lose(Loss { out: 5, into: 5, of: Frames::Udp });
    let said = take_turns(&crowd, &plan((0..10).collect(), 100, 1), EVENTUALLY)?;
    crowd.all_hear(&texts(said.clone()), EVENTUALLY)?;
    let right: Vec<usize> = (0..10).filter(|node| CLOCKS[*node].abs() < 600).collect();
    same_order(&crowd, &right, &said)?;
    in_confidence(&crowd, EVENTUALLY)
}

fn plan(talkers: Vec<usize>, messages: usize, seed: u64) -> Plan {
    Plan { talkers, messages, per_second: 0.5, length: 110, seed }
}

fn texts(said: Vec<Said>) -> Vec<String> {
    said.into_iter().map(|said| said.text).collect()
}

/// For what needs repair or catching up.
const EVENTUALLY: Duration = Duration::from_secs(60);

/// For ten thousand signatures that a debug build checks.
const CATCHING_UP: Duration = Duration::from_secs(120);
