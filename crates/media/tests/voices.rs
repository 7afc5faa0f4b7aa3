//! Calls in virtual time: what is said is heard, whatever the network does, soon, and once on the wire.
#![allow(clippy::unwrap_used)] // A test that fails may panic; its helpers as well.

mod together;

use std::time::Duration;

use lanyard_media::audio::sources::{Silence, Tone};
use lanyard_media::{AudioIn, Block, Relay};

use together::{CALM, Network, Speech, Together, address, member, sender, tone_level};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// One who speaks and one who only listens.
fn two(seed: u64, network: Network) -> Together {
    let mut call = Together::new(seed, network, vec![Box::new(Speech::new(1)), Box::new(Silence::default())]);
    call.participants[1].session.set_muted(true);
    call
}

#[test]
fn a_tone_is_heard_as_that_tone() {
    let mut call =
        Together::new(1, CALM, vec![Box::new(Tone::new(1_000.0, 0.5)), Box::new(Tone::new(440.0, 0.25))]);
    call.run(seconds(3));
    for (listener, hertz, other, decibels) in [(1, 1_000.0, 440.0, -9.0), (0, 440.0, 1_000.0, -15.0)] {
        let heard = &call.participants[listener].heard.samples[96_000..];
        let level = tone_level(heard, hertz);
        assert!((level - decibels).abs() < 1.0, "{hertz} Hz at {level} dB");
        assert!(tone_level(heard, other) < level - 30.0, "and nothing of one's own");
    }
    let hearing = call.hearing(1, 0);
    assert!(hearing.speaking && hearing.by_multicast && hearing.made_up == 0, "{hearing:?}");
    assert_eq!(call.report(1).dropped, Default::default());
}

#[test]
fn little_is_made_up_at_five_and_ten_percent_of_loss() {
    for (loss, most) in [(0.0, 0.0), (5.0, 1.0), (10.0, 2.0), (20.0, 6.0)] {
        for seed in 1..=2 {
            let mut call = two(seed, Network { loss, jitter: 3_000, ..CALM });
            call.run(seconds(40));
            let hearing = call.hearing(1, 0);
            let made_up = 100.0 * hearing.made_up as f64 / (hearing.frames + hearing.made_up) as f64;
            println!("{loss} %, seed {seed}: {made_up:.2} % made up, {hearing:?}");
            assert!(hearing.frames > 1_000, "{hearing:?}");
            assert!(made_up <= most, "{loss} %, seed {seed}: {made_up:.2} % made up");
        }
    }
}

#[test]
fn bursts_are_bridged_once_they_are_known() {
    for (burst, loss, most) in [(2, 5.0, 1.0), (3, 5.0, 2.0), (4, 10.0, 3.0)] {
        for seed in 1..=2 {
            let mut call = two(seed, Network { loss, burst, jitter: 3_000, ..CALM });
            call.run(seconds(5));
            let before = call.hearing(1, 0);
            call.run(seconds(40));
            let hearing = call.hearing(1, 0);
            let missed = (hearing.made_up - before.made_up) as f64;
            let made_up = 100.0 * missed / ((hearing.frames - before.frames) as f64 + missed);
            println!("{loss} % in bursts of {burst}, seed {seed}: {made_up:.2} % made up, {hearing:?}");
            assert!(made_up <= most, "{loss} % in bursts of {burst}, seed {seed}: {made_up:.2} % made up");
        }
    }
}

#[test]
fn what_is_said_is_heard_soon() {
    for (network, most) in [
        (CALM, 60),
        (Network { jitter: 5_000, ..CALM }, 60),
        (Network { loss: 10.0, jitter: 5_000, ..CALM }, 90),
        (Network { jitter: 40_000, ..CALM }, 100),
    ] {
        let mut call =
            Together::new(5, network, vec![Box::new(Bursts::default()), Box::new(Silence::default())]);
        call.run(seconds(20));
        let delays = delays(&call.participants[1].heard.samples[5 * 48_000..]);
        println!("{network:?}: {delays:?} ms");
        assert!(delays.len() >= 13, "{} of 15 bursts were heard", delays.len());
        let worst = *delays.iter().max().expect("there are some");
        assert!(worst <= most, "{network:?}: {worst} ms from microphone to speaker: {delays:?}");
    }
}

#[test]
fn clocks_that_differ_neither_break_speech_nor_let_it_wait() {
    for drift in [-300, 300] {
        let mut call =
            Together::new(3, CALM, vec![Box::new(Tone::new(300.0, 0.4)), Box::new(Silence::default())]);
        call.participants[0].drift = drift;
        call.run(seconds(60));
        let hearing = call.hearing(1, 0);
        println!("{drift}: {hearing:?}");
        let made_up = hearing.made_up as f64 / hearing.frames as f64;
        assert!(made_up < 0.002, "{drift} millionths: {hearing:?}");
        assert!(hearing.buffer < Duration::from_millis(60), "{drift} millionths: {hearing:?}");
    }
}

#[test]
fn who_is_muted_sends_one_packet_a_second_and_nothing_of_the_sound() {
    let mut call =
        Together::new(1, CALM, vec![Box::new(Tone::new(1_000.0, 0.5)), Box::new(Silence::default())]);
    call.run(seconds(2));
    call.participants[0].session.set_muted(true);
    call.run(seconds(1));
    let (before, heard) = (call.report(0).me, call.participants[1].heard.samples.len());
    call.run(seconds(10));
    let after = call.report(0).me;
    assert!(
        (9..=11).contains(&(after.packets - before.packets)),
        "{} packets",
        after.packets - before.packets
    );
    assert!(after.muted && !after.speaking && after.level == 0);
    assert!(call.participants[1].heard.samples[heard..].iter().all(|sample| *sample == 0.0));
    let hearing = call.hearing(1, 0);
    assert!(hearing.by_multicast && !hearing.speaking && hearing.made_up <= 1, "{hearing:?}");

    call.participants[0].session.set_muted(false);
    call.run(seconds(2));
    assert!(call.hearing(1, 0).speaking);
    let again = call.hearing(1, 0).made_up;
    assert!(again <= 1, "a pause is not a loss: {again}");
}

#[test]
fn alone_in_a_call_nothing_is_sent() {
    let mut call = Together::new(1, CALM, vec![Box::new(Tone::new(1_000.0, 0.5))]);
    call.run(seconds(5));
    assert_eq!((call.packets, call.report(0).me.packets), (0, 0));
}

#[test]
fn what_a_sender_puts_on_the_wire_does_not_grow_with_the_listeners() {
    let packets = [2, 5, 10].map(|count| {
        let mut microphones: Vec<Box<dyn AudioIn>> = vec![Box::new(Tone::new(440.0, 0.5))];
        microphones.extend((1..count).map(|_| Box::new(Silence::default()) as Box<dyn AudioIn>));
        let mut call = Together::new(1, CALM, microphones);
        call.run(seconds(5));
        let me = call.report(0).me;
        println!("{count} participants: {me:?}");
        assert_eq!(me.unicast_packets, 0);
        (me.packets, me.bytes)
    });
    assert!(packets[0].0 == packets[1].0 && packets[1].0 == packets[2].0, "{packets:?}");
    assert!(
        packets[2].1 < packets[0].1 + 5 * 200,
        "only the reports grow, by ten bytes a member: {packets:?}"
    );
    let bits = (packets[2].1 + packets[2].0 * 28) * 8 / 5;
    assert!(bits < 110_000, "{bits} bits a second with the headers of IP and UDP");
}

#[test]
fn ten_who_speak_at_once_hear_each_other_at_five_percent_of_loss() {
    let microphones = (0..10).map(|index| Box::new(Speech::new(index + 1)) as Box<dyn AudioIn>).collect();
    let mut call = Together::new(8, Network { loss: 5.0, jitter: 3_000, ..CALM }, microphones);
    call.run(seconds(6));
    let (mut heard, mut missed) = (0, 0);
    for listener in 0..10 {
        for speaker in (0..10).filter(|speaker| *speaker != listener) {
            let hearing = call.hearing(listener, speaker);
            assert!(hearing.frames > 150 && hearing.made_up < 15, "{listener} of {speaker}: {hearing:?}");
            heard += hearing.frames;
            missed += hearing.made_up;
        }
        let loudest =
            call.participants[listener].heard.samples.iter().fold(0.0_f32, |loud, s| loud.max(s.abs()));
        assert!(loudest <= 1.0, "{loudest}");
    }
    let made_up = 100.0 * missed as f64 / (heard + missed) as f64;
    println!("ten at once: {made_up:.2} % made up");
    assert!(made_up < 1.0, "{made_up:.2} % made up");
}

#[test]
fn who_does_not_hear_the_group_gets_copies_and_a_relay_passes_on_what_it_cannot_read() {
    let tone = |hertz| Box::new(Tone::new(hertz, 0.3)) as Box<dyn AudioIn>;
    let mut call = Together::new(2, CALM, vec![tone(400.0), tone(700.0), Box::new(Silence::default())]);
    call.participants[2].deaf_to.extend([0, 1]);
    call.run(seconds(2));
    let hearing = call.hearing(2, 0);
    assert!(!hearing.by_multicast && hearing.by_unicast.is_none() && hearing.frames == 0, "{hearing:?}");

    // The first sends copies itself, and passes on what the second says.
    let deaf = lanyard_media::Member {
        unicast: Some(address(2)),
        relay: Some(Relay { to: address(2), of: vec![sender(1)] }),
        ..member(2)
    };
    call.participants[0].session.set_members(vec![member(1), deaf]).unwrap();
    call.run(seconds(3));
    let heard = &call.participants[2].heard.samples[3 * 48_000..];
    assert!(tone_level(heard, 400.0) > -16.0 && tone_level(heard, 700.0) > -16.0);
    for speaker in [0, 1] {
        let hearing = call.hearing(2, speaker);
        assert_eq!((hearing.by_multicast, hearing.by_unicast), (false, Some(address(0))), "{hearing:?}");
    }
    assert!(
        call.hearing(1, 0).by_multicast && call.hearing(1, 0).made_up == 0,
        "who hears the group loses nothing"
    );
    assert!(call.report(0).me.unicast_packets > 250);
}

#[test]
fn a_new_key_makes_no_gap_and_who_has_the_old_one_hears_no_more() {
    let mut call = Together::new(
        1,
        CALM,
        vec![Box::new(Tone::new(1_000.0, 0.5)), Box::new(Silence::default()), Box::new(Silence::default())],
    );
    call.run(seconds(2));
    let new = lanyard_media::Key { secret: [77; 32], odd: true };
    let renewed = lanyard_media::Member { key: new.clone(), old_key: Some(member(0).key), ..member(0) };
    call.participants[1].session.set_members(vec![renewed, member(2)]).unwrap();
    call.run(seconds(1));
    call.participants[0].session.set_key(new);
    call.run(seconds(2));
    let hearing = call.hearing(1, 0);
    assert!(hearing.speaking && hearing.made_up == 0, "{hearing:?}");
    assert_eq!(call.report(1).dropped.forged, 0);
    assert!(!call.hearing(2, 0).speaking && call.report(2).dropped.forged > 90);
}

#[test]
fn strangers_forgers_and_repeated_packets_are_not_heard() {
    let mut call =
        Together::new(1, CALM, vec![Box::new(Tone::new(1_000.0, 0.5)), Box::new(Silence::default())]);
    call.run(seconds(1));
    // The second forgets the first.
    call.participants[1].session.set_members(vec![]).unwrap();
    call.run(seconds(1));
    let dropped = call.report(1).dropped;
    assert!(dropped.strange >= 49, "{dropped:?}");
    let now = Duration::from_secs(2);
    for bytes in [&b""[..], &[0; 40], &[0x11; 1_200], &[0x11; 3_000]] {
        call.participants[1].session.receive(
            now,
            lanyard_media::Way::Multicast,
            address(0),
            bytes,
            &mut Vec::new(),
        );
    }
    assert_eq!(call.report(1).dropped.malformed, 4);
}

/// 20 ms of a tone every second.
#[derive(Default)]
struct Bursts {
    blocks: u64,
}

impl AudioIn for Bursts {
    fn read(&mut self, now: Duration, block: &mut Block) -> bool {
        if self.blocks > now.as_millis() as u64 / 10 {
            return false;
        }
        // A low hum between, so that the voice never pauses.
        let loud = if self.blocks % 100 < 4 { 0.6 } else { 0.02 };
        for (index, sample) in block.iter_mut().enumerate() {
            let time = (self.blocks as usize * 480 + index) as f32 / 48_000.0;
            *sample = loud * (std::f32::consts::TAU * 800.0 * time).sin();
        }
        self.blocks += 1;
        true
    }
}

/// From the first sample of each burst as it was spoken, at full seconds, to the first that was played, in ms.
fn delays(heard: &[f32]) -> Vec<usize> {
    let mut delays = Vec::new();
    let mut at = 0;
    while at < heard.len() {
        if heard[at].abs() > 0.25 {
            delays.push(at % 48_000 / 48);
            at += 24_000;
        } else {
            at += 1;
        }
    }
    delays
}
