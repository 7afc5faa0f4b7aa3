//! Calls between hosts of their own: whoever is in hears everybody else, whatever the network does to packets.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::time::Duration;

use lanyard_tests::hosts::{Addresses, Host, Lan};
use lanyard_tests::node::{LONG, Node};
use lanyard_tests::process::Process;
use lanyard_tests::sound::{LOUDNESS, RATE, loudness, read, write_tone};
use serde_json::Value;

#[test]
fn two_who_talk_hear_each_other_and_not_themselves() {
    let Some(lan) = Lan::or_skip() else { return };
    let mut talk = Talk::of(&lan, 2);
    talk.everybody_is_in(&["multicast"]);
    let heard = talk.for_seconds(3);
    heard.iter().for_each(Heard::is_everybody_else);
    assert!(heard.iter().all(|one| one.concealed < 2.0), "{heard:?}");
}

#[test]
fn five_hear_each_other_where_every_twentieth_packet_is_lost() {
    let Some(lan) = Lan::or_skip() else { return };
    let mut talk = Talk::of(&lan, 5);
    talk.everybody_is_in(&["multicast"]);
    lan.lose_percent(5);
    let heard = talk.for_seconds(4);
    lan.lose_percent(0);
    heard.iter().for_each(Heard::is_everybody_else);
    assert!(heard.iter().any(|one| one.lost > 0.0), "{heard:?}");
}

#[test]
fn ten_hear_each_other_where_every_tenth_packet_is_lost() {
    let Some(lan) = Lan::or_skip() else { return };
    let mut talk = Talk::of(&lan, 10);
    talk.everybody_is_in(&["multicast"]);
    lan.lose_percent(10);
    let heard = talk.for_seconds(4);
    lan.lose_percent(0);
    heard.iter().for_each(Heard::is_everybody_else);
}

#[test]
fn where_multicast_is_eaten_each_sends_copies() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.eat_multicast();
    let mut talk = Talk::with(&lan, 2, Host::take_broadcast);
    talk.everybody_is_in(&["unicast"]);
    talk.for_seconds(3).iter().for_each(Heard::is_everybody_else);
}

#[test]
fn two_who_cannot_reach_each_other_talk_through_a_third() {
    let Some(lan) = Lan::or_skip() else { return };
    let hosts = lan.hosts(["one", "other", "third"], Addresses::Both);
    hosts[..2].iter().for_each(Host::isolate);
    // The third one hears both, and they hear of each other from it.
    let third = hosts[2].address();
    let mut nodes = vec![Node::up(&hosts[2], &[])];
    nodes.extend(hosts[..2].iter().map(|host| Node::up(host, &["--peer", &third])));
    let mut talk = Talk::between(nodes);
    talk.everybody_is_in(&["multicast", "relayed"]);
    talk.for_seconds(3).iter().for_each(Heard::is_everybody_else);
}

#[test]
fn a_call_is_declined_and_another_one_answered() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name), &[]));
    ann.sees("bob");
    bob.sees("ann");
    let rings = |event: &Value| event["event"] == "call" && event["call"]["ringing"] == true;
    let calling = ann.host.spawn(&["call", "@bob", "--audio", "silence", "--record", "1.wav"]);
    bob.process.wait_for("a call", LONG, rings);
    let declined = bob.host.run(&["call", "@ann", "--decline"]);
    assert_eq!(declined.code, Some(0), "{}", declined.stderr);
    assert_eq!(calling.finish(LONG).code, Some(4));
    let calling = ann.host.spawn(&["call", "@bob", "--audio", "tone", "--record", "2.wav"]);
    bob.process.wait_for("the next call", LONG, |event| {
        rings(event) && event["call"]["joined"] == false && event["call"]["members"] != Value::Null
    });
    let answered = bob.host.run(&["call", "@ann", "--audio", "silence", "--record", "3.wav", "--for", "5"]);
    assert_eq!(answered.code, Some(0), "{}", answered.stderr);
    calling.terminate();
    assert_eq!(calling.finish(LONG).code, Some(0), "Ctrl-C leaves");
    let samples = read(&bob.host.folder().join("3.wav"));
    let second = RATE as usize;
    let loudest = samples.chunks(second / 2).map(|half| loudness(half, 440.0)).fold(0.0, f64::max);
    assert!(loudest > AUDIBLE, "{loudest}");
}

/// People of whom each says a tone of their own and records what they hear.
struct Talk {
    people: Vec<Person>,
}

struct Person {
    node: Node,
    call: Process,
    recording: PathBuf,
}

/// What somebody heard.
#[derive(Debug)]
struct Heard {
    /// Which of the tones, by their numbers.
    tones: Vec<usize>,
    own: usize,
    of: usize,
    /// The worst of those that were heard, in percent.
    lost: f64,
    concealed: f64,
}

impl Talk {
    fn of(lan: &Lan, count: usize) -> Talk {
        Talk::with(lan, count, |_| {})
    }

    /// Everybody joins a call in the lobby, on hosts to which something is done before.
    fn with(lan: &Lan, count: usize, mut done: impl FnMut(&Host)) -> Talk {
        let hosts = lan.hosts((0..count).map(|n| format!("host{n}")), Addresses::Both);
        hosts.iter().for_each(&mut done);
        Talk::between(hosts.iter().map(|host| Node::up(host, &[])).collect())
    }

    fn between(nodes: Vec<Node>) -> Talk {
        let names: Vec<String> = nodes.iter().map(|node| node.host.name().to_owned()).collect();
        for node in &nodes {
            names.iter().filter(|name| *name != node.host.name()).for_each(|name| node.sees(name));
        }
        let people = nodes.into_iter().enumerate().map(|(n, node)| {
            let (said, recording) =
                (node.host.folder().join("said.wav"), node.host.folder().join("heard.wav"));
            write_tone(&said, tone(n), 60);
            let words = ["call", "#lobby", "--audio", "said.wav", "--record", "heard.wav"];
            let call = node.host.spawn(&words);
            Person { node, call, recording }
        });
        Talk { people: people.collect() }
    }

    /// Waits until everybody is heard by everybody, in one of these ways.
    fn everybody_is_in(&mut self, ways: &[&str]) {
        let others = self.people.len() - 1;
        for person in &self.people {
            person.call.wait_for("everybody", LONG, |call| {
                let members = call["members"].as_array().into_iter().flatten();
                let heard = members.filter(|one| one["me"] == false);
                heard.filter(|one| ways.iter().any(|way| one["way"] == *way)).count() == others
            });
        }
    }

    /// What everybody heard in the last so many seconds of the call.
    fn for_seconds(&mut self, seconds: u64) -> Vec<Heard> {
        // What is waited for is the sound itself.
        std::thread::sleep(Duration::from_secs(seconds));
        let count = self.people.len();
        let calls = |person: &Person| {
            let known = person.node.host.run(&["call", "--list"]);
            assert_eq!(known.code, Some(0), "{}", known.stderr);
            known.lines.first().cloned().unwrap_or_default()
        };
        let last: Vec<Value> = self.people.iter().map(calls).collect();
        for person in &self.people {
            person.call.terminate();
        }
        let people = self.people.drain(..).zip(last).enumerate();
        let heard = people.map(|(own, (person, call))| {
            let ended = person.call.finish(LONG);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let left = |event: &Value| {
                let members = event["call"]["members"].as_array();
                event["event"] == "call-ended"
                    || members.is_some_and(|members| members.iter().all(|one| one["me"] == false))
            };
            person.node.process.wait_for("the end", LONG, left);
            let worst = |of: &str| {
                let members = call["members"].as_array().into_iter().flatten();
                members.filter_map(|one| one[of].as_f64()).fold(0.0, f64::max)
            };
            let (lost, concealed) = (worst("loss"), worst("concealed"));
            let samples = read(&person.recording);
            let window = RATE as usize / 2;
            let from = samples.len().saturating_sub(RATE as usize * seconds as usize);
            let loudest = |n: usize| {
                let halves = samples[from..].chunks_exact(window);
                halves.map(|half| loudness(half, tone(n))).fold(0.0, f64::max)
            };
            let tones = (0..count).filter(|n| loudest(*n) >= LOUDNESS / 2.0).collect();
            Heard { tones, own, of: count, lost, concealed }
        });
        heard.collect()
    }
}

impl Heard {
    fn is_everybody_else(&self) {
        let others: Vec<usize> = (0..self.of).filter(|n| *n != self.own).collect();
        assert_eq!(self.tones, others, "{self:?}");
    }
}

/// Whole numbers of periods in half a second, so that no tone is found in another one; and no two are as far from each other as
/// two others (a Golomb ruler), so that what bends the sum of some makes no other one.
fn tone(n: usize) -> f64 {
    400.0 + 40.0 * [0.0, 1.0, 6.0, 10.0, 23.0, 26.0, 34.0, 41.0, 53.0, 55.0][n]
}

/// The tone that the program says is three times as loud as this.
const AUDIBLE: f64 = 0.1;
