//! `lanyard doctor` on networks in which something is in the way: cause against verdict, as a table.
#![cfg(target_os = "linux")]

use std::process::Command;

use lanyard_tests::hosts::{Host, Lan, built_beside};
use lanyard_tests::node::{LONG, Node};
use lanyard_tests::process::Process;
use serde_json::Value;

#[test]
fn each_cause_is_named_and_nothing_where_there_is_none() {
    let mut wrong = Vec::new();
    for (number, (what, scene, expected)) in ROWS.iter().enumerate() {
        let Some(lan) = Lan::or_skip() else { return };
        let begun = std::time::Instant::now();
        let Scene { at, _others, _held } = scene(&lan);
        let looked = at.run(&["doctor"]);
        let [diagnosis] = &looked.lines[..] else { panic!("{what}: {}", looked.stderr) };
        let verdicts = diagnosis["verdicts"].as_array().expect("verdicts");
        let said: Vec<(&str, &str)> = verdicts
            .iter()
            .map(|verdict| {
                let cause = verdict["cause"].as_str().expect("a cause");
                (cause, verdict["direction"].as_str().unwrap_or_default())
            })
            .collect();
        println!("{:2} {what}: {said:?} in {:.1} s", number + 1, begun.elapsed().as_secs_f32());
        if said != *expected {
            wrong.push(format!("{what}: {said:?} instead of {expected:?}\n{diagnosis:#}"));
        }
        let problem = verdicts.iter().any(|verdict| verdict["severity"] == "problem");
        assert_eq!(looked.code, Some(i32::from(problem)), "{what}: {}", looked.stderr);
        for verdict in verdicts.iter().filter(|verdict| verdict["severity"] == "problem") {
            let some = |key: &str| verdict[key].as_array().is_some_and(|list| !list.is_empty());
            assert!(some("evidence") && some("steps"), "{what}: {verdict:#}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn two_who_look_at_the_same_time_get_the_same_answer() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = up(&lan, ["ann", "bob"]);
    ann.sees("bob");
    let both = [(); 2].map(|()| ann.host.spawn(&["doctor"]));
    let at_bob = bob.host.spawn(&["doctor"]);
    let [one, other] = both.map(|looking| looking.finish(LONG).lines);
    assert_eq!(one, other);
    assert_eq!(one[0]["verdicts"], Value::Array(Vec::new()), "{one:#?}");
    let at_bob = at_bob.finish(LONG);
    assert_eq!(at_bob.code, Some(0), "{:#?}", at_bob.lines);
}

#[test]
fn a_person_reads_what_is_in_the_way_how_that_is_known_and_what_to_do() {
    let Some(lan) = Lan::or_skip() else { return };
    let [bob] = up(&lan, ["bob"]);
    lan.cut_multicast();
    let ann = Node::up(&lan.host("ann"), &["--peer", &bob.host.address()]);
    ann.sees("bob");
    let mut words = ann.host.command(lanyard_tests::hosts::lanyard_binary());
    let profile = ann.host.folder().join("profile");
    let looked = words.arg("--profile").arg(profile).arg("doctor").output().expect("it runs");
    let (said, noted) = (String::from_utf8_lossy(&looked.stdout), String::from_utf8_lossy(&looked.stderr));
    assert_eq!(looked.status.code(), Some(1), "{said}{noted}");
    for part in [
        "The network does not pass on multicast.",
        "bob hears nothing that this device sends to everybody.",
        "This device hears nothing that bob sends to everybody.",
        "Connections to bob pass.",
        "1. Let the switch or access point pass multicast",
        "bob: by address; hears nothing of this device; is heard by nothing; connections to it pass",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert!(noted.contains("1 thing is in the way."), "{noted}");
}

type Row = (&'static str, fn(&Lan) -> Scene, &'static [(&'static str, &'static str)]);

const ROWS: &[Row] = &[
    ("three who hear each other", healthy, &[]),
    ("a node that is started only to look", without_a_node, &[]),
    ("only IPv6", only_v6, &[]),
    ("nobody else", alone, &[("nobody-there", "")]),
    ("no network", no_network, &[("no-network", "")]),
    ("multicast is dropped", multicast_cut, &[("multicast-filtered", "both")]),
    ("what it sends to everybody is dropped", hushed, &[("multicast-filtered", "out")]),
    (
        "what others send to everybody is dropped, and nobody is known",
        deafened_alone,
        &[("multicast-filtered", "in")],
    ),
    ("what others send to everybody is dropped", deafened, &[("multicast-filtered", "in")]),
    ("the own firewall lets nothing in, others are known by address", own_firewall, &[("firewall", "in")]),
    ("the own firewall lets nothing in, nobody is known", own_firewall_alone, &[("firewall", "in")]),
    ("connections to it are dropped", closed, &[("firewall", "in")]),
    ("the own firewall lets nothing out", forbidden, &[("firewall", "out")]),
    ("the firewall of somebody else", other_firewall, &[("firewall", "out")]),
    ("an access point isolates two of three", isolated, &[("isolation", "both")]),
    ("an interface was chosen at which nobody is", wrong_interface, &[("wrong-interface", "")]),
    ("the network of the others was excluded", excluded, &[("wrong-interface", "")]),
    ("another program has the port for IPv4", port_taken, &[("port-taken", "")]),
    ("the profile was copied", cloned, &[("cloned-identity", "")]),
    ("the clock is two hours ahead", clock_off, &[("clock-off", "")]),
];

/// Who looks, and whoever else is there meanwhile.
struct Scene {
    at: Host,
    _others: Vec<Node>,
    _held: Option<Process>,
}

impl Scene {
    fn of(at: &Host, others: impl IntoIterator<Item = Node>) -> Scene {
        Scene { at: at.clone(), _others: others.into_iter().collect(), _held: None }
    }
}

fn healthy(lan: &Lan) -> Scene {
    let nodes = up(lan, ["ann", "bob", "cyd"]);
    nodes[0].sees("bob");
    nodes[0].sees("cyd");
    Scene::of(&nodes[0].host.clone(), nodes)
}

fn without_a_node(lan: &Lan) -> Scene {
    Scene::of(&lan.host("ann"), up(lan, ["bob"]))
}

fn only_v6(lan: &Lan) -> Scene {
    use lanyard_tests::hosts::Addresses::OnlyIpv6;
    let nodes = ["ann", "bob"].map(|name| Node::up(&lan.host_with(name, OnlyIpv6), &[]));
    nodes[0].sees("bob");
    Scene::of(&nodes[0].host.clone(), nodes)
}

fn alone(lan: &Lan) -> Scene {
    Scene::of(&lan.host("ann"), [])
}

fn no_network(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    ann.cut();
    Scene::of(&ann, [])
}

fn multicast_cut(lan: &Lan) -> Scene {
    lan.cut_multicast();
    linked(lan, |_| {})
}

fn hushed(lan: &Lan) -> Scene {
    linked(lan, Host::hush)
}

fn deafened(lan: &Lan) -> Scene {
    linked(lan, Host::deafen)
}

fn deafened_alone(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    ann.deafen();
    Scene::of(&ann, up(lan, ["bob", "cyd"]))
}

fn own_firewall(lan: &Lan) -> Scene {
    linked(lan, shut)
}

fn own_firewall_alone(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    shut(&ann);
    Scene::of(&ann, up(lan, ["bob"]))
}

fn closed(lan: &Lan) -> Scene {
    let nodes = up(lan, ["ann", "bob", "cyd"]);
    nodes[0].host.close_tcp();
    nodes[0].sees("bob");
    nodes[0].sees("cyd");
    Scene::of(&nodes[0].host.clone(), nodes)
}

fn forbidden(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    ann.firewall("type filter hook output priority 0;", &["udp dport 24417 drop"]);
    Scene::of(&ann, [])
}

fn other_firewall(lan: &Lan) -> Scene {
    let nodes = up(lan, ["ann", "bob", "cyd"]);
    nodes[1].host.close_tcp();
    nodes[0].sees("bob");
    nodes[0].sees("cyd");
    Scene::of(&nodes[0].host.clone(), nodes)
}

fn isolated(lan: &Lan) -> Scene {
    let hosts = ["ann", "bob", "cyd"].map(|name| lan.host(name));
    hosts[0].isolate();
    hosts[1].isolate();
    let nodes = hosts.each_ref().map(|host| Node::up(host, &[]));
    nodes[2].sees("ann");
    nodes[2].sees("bob");
    nodes[0].sees("cyd");
    Scene::of(&hosts[0], nodes)
}

fn wrong_interface(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    ann.add_interface("eth1", "192.0.2.1/24");
    let [bob] = up(lan, ["bob"]);
    Scene::of(&ann, [Node::up(&ann, &["--interface", "eth1"]), bob])
}

fn excluded(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    let chosen = ann.run(&["network", "eth0", "never"]);
    assert_eq!(chosen.code, Some(0), "{}", chosen.stderr);
    Scene::of(&ann, up(lan, ["bob"]))
}

fn port_taken(lan: &Lan) -> Scene {
    let ann = lan.host("ann");
    let mut hold: Command = ann.command(built_beside("probe"));
    let held = Process::start("probe hold", hold.args(["hold", "24417"]));
    held.wait_for("the port", LONG, |line| line["holds"] == 24417);
    Scene { _held: Some(held), ..Scene::of(&ann, up(lan, ["bob"])) }
}

fn cloned(lan: &Lan) -> Scene {
    let [ann, copy] = ["ann", "copy"].map(|name| lan.host(name));
    // It begins with a key and a database.
    let begun = Node::up(&ann, &[]);
    begun.process.terminate();
    begun.process.finish(LONG);
    let copied = ann.command("cp").arg("-r").arg(ann.folder().join("profile")).arg(copy.folder()).status();
    assert!(copied.is_ok_and(|status| status.success()), "the profile is copied");
    let first = Node::up(&ann, &[]);
    let bob = Node::up(&lan.host("bob"), &[]);
    first.sees("bob");
    let second = Node::up(&copy, &[]);
    first.process.wait_for("word of a copy", LONG, |event| {
        !event["me"]["cloned"].is_null() && event["event"] == "me-changed"
    });
    Scene::of(&ann, [first, second, bob])
}

fn clock_off(lan: &Lan) -> Scene {
    let others = up(lan, ["bob", "cyd", "dora"]);
    let ann = lan.host("ann");
    let downloads = ann.downloads();
    let downloads = downloads.to_str().expect("Unicode");
    let words = ["up", "--name", "ann", "--downloads", downloads];
    let process = Process::start("ann", &mut ann.lanyard_with_clock(7200, &words));
    process.wait_for("ready", LONG, |event| event["event"] == "ready");
    let node = Node { host: ann.clone(), process };
    for name in ["bob", "cyd", "dora"] {
        node.sees(name);
    }
    Scene::of(&ann, others.into_iter().chain([node]))
}

/// Ann, who has a link to bob and whose network is as `change` makes it.
fn linked(lan: &Lan, change: impl Fn(&Host)) -> Scene {
    let ann = lan.host("ann");
    change(&ann);
    let [bob] = up(lan, ["bob"]);
    let node = Node::up(&ann, &["--peer", &bob.host.address()]);
    node.sees("bob");
    Scene::of(&ann, [node, bob])
}

/// Lets in what was asked for, and nothing else.
fn shut(host: &Host) {
    let rules = ["iif lo accept", "ct state established,related accept", "meta l4proto ipv6-icmp accept"];
    host.firewall("type filter hook input priority 0; policy drop;", &rules);
}

fn up<const N: usize>(lan: &Lan, names: [&str; N]) -> [Node; N] {
    names.map(|name| Node::up(&lan.host(name), &[]))
}
