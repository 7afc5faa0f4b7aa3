//! What is said in calls.

use std::time::Duration;

use lanyard_media::audio::sinks::Null;
use lanyard_media::audio::sources::Tone;
use lanyard_media::packet::{Audio, Reception, encode_report};
use lanyard_media::session::{Session, Transmit};
use lanyard_media::{Key, Member, SenderId, Setup};

pub fn voices() -> Vec<(&'static str, Vec<u8>)> {
    let setup = Setup {
        call: [9; 16],
        sender: SenderId([2; 8]),
        key: Key { secret: [2; 32], odd: false },
        muted: false,
    };
    let mut session = Session::new(setup).expect("Opus is built in");
    let listener = Member {
        sender: SenderId([1; 8]),
        key: Key { secret: [1; 32], odd: false },
        old_key: None,
        unicast: None,
        relay: None,
    };
    session.set_members(vec![listener]).expect("Opus is built in");
    let (mut tone, mut out) = (Tone::new(440.0, 0.5), Vec::new());
    for tick in 0..8 {
        session.tick(Duration::from_millis(tick * 10), &mut tone, &mut Null::default(), &mut out);
    }
    let packets = out.into_iter().filter_map(|transmit| match transmit {
        Transmit::Group(packet) => Some(packet),
        Transmit::To(..) => None,
    });
    let names = ["report-packet", "audio-packet", "audio-packet-with-copy"];
    let mut seeds: Vec<_> = names.into_iter().zip(packets).collect();
    let copies = Audio { frame: &[8, 1, 2], copies: vec![(1, &[8, 1]), (2, &[8, 3])] }.encode();
    // As the target seals bodies: length, step, bytes.
    let sealed = [&[copies.len() as u8, 21][..], &copies, &[2, 22, 0, 8], &[1, 21, 0]].concat();
    let reception = Reception { of: SenderId([1; 8]), lost: 10, burst: 4 };
    seeds.extend([
        ("audio-body", copies),
        ("report-body", encode_report(&[reception])),
        ("sealed", sealed),
    ]);
    seeds
}
