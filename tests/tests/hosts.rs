//! The terminal program on several hosts, over real sockets.

#[path = "hosts/choosing.rs"]
mod choosing;
#[path = "hosts/clocks.rs"]
mod clocks;
#[path = "hosts/links.rs"]
mod links;
#[path = "hosts/mail.rs"]
mod mail;
#[path = "hosts/shares.rs"]
mod shares;

use std::path::Path;
use std::time::Duration;

use lanyard_tests::files::{sha256, tree, write_random};
use lanyard_tests::hosts::{Addresses, Frames, Host, Lan, Loss, built_beside};
use lanyard_tests::process::{Finished, Process};
use serde_json::Value;

#[test]
fn two_hosts_find_each_other_within_a_second() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = Node::up(&lan.host("ann"));
    let bob = Node::up(&lan.host("bob"));
    let (bob_ready, _) = bob.process.wait_timed("ready", SOON, |event| event["event"] == "ready");
    for (node, other) in [(&ann, "bob"), (&bob, "ann")] {
        let (found, _) = node.process.wait_timed("peer", SOON, |event| is_peer(event, "peer-online", other));
        let after = found.saturating_duration_since(bob_ready);
        assert!(after < Duration::from_secs(1), "{} found {other} only after {after:?}", node.host.name());
    }
    let peers = ann.host.run(&["peers"]);
    assert_eq!(names(&peers), ["bob"]);
    assert!(peers.lines[0]["addresses"].as_array().is_some_and(|addresses| !addresses.is_empty()));
}

#[test]
fn who_leaves_is_gone_at_once() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    let ended = bob.leave();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ann.process.wait_for("goodbye", AT_ONCE, |event| is_peer(event, "peer-offline", "bob"));
}

#[test]
fn who_dies_is_gone_after_the_lease() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    bob.process.kill();
    ann.process.wait_for("end of the lease", LEASE, |event| is_peer(event, "peer-offline", "bob"));
}

#[test]
fn a_verb_without_a_running_node_finds_people_by_itself() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
    let alone = ann.run(&["peers", "--wait", "1"]);
    assert_eq!((alone.code, alone.lines.len()), (Some(3), 0));
    let _bob = Node::up(&bob);
    let found = ann.run(&["peers", "--wait", "20"]);
    assert_eq!((found.code, names(&found)), (Some(0), vec!["bob".to_owned()]));
}

#[test]
fn people_talk_in_the_lobby_in_a_room_and_alone() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    bob.sees("ann");
    for node in [&ann, &bob] {
        node.does(&["room", "join", "design"]);
    }
    for (place, back) in [("#lobby", "#lobby"), ("#design", "#design"), ("@bob", "@ann")] {
        ann.does(&["say", place, &format!("question in {place}")]);
        bob.hears("ann", &format!("question in {place}"));
        bob.does(&["say", back, &format!("answer in {place}")]);
        ann.hears("bob", &format!("answer in {place}"));
        let both = [format!("ann: question in {place}"), format!("bob: answer in {place}")];
        assert_eq!(ann.log(place), both);
        assert_eq!(bob.log(back), both);
    }
}

#[test]
fn nobody_else_reads_what_two_people_say_to_each_other() {
    let Some(lan) = Lan::or_skip() else { return };
    let nodes = ["ann", "bob", "cyd"].map(|name| Node::up(&lan.host(name)));
    let [ann, bob, cyd] = &nodes;
    ann.sees("bob");
    ann.sees("cyd");
    ann.does(&["say", "@bob", "between us"]);
    bob.hears("ann", "between us");
    ann.does(&["say", "#lobby", "for everybody"]);
    cyd.hears("ann", "for everybody");
    assert!(!cyd.process.lines().iter().any(|event| event["message"]["text"] == "between us"));
}

#[test]
fn a_restarted_node_still_knows_what_was_said() {
    let Some(lan) = Lan::or_skip() else { return };
    let host = lan.host("ann");
    let ann = Node::up(&host);
    ann.does(&["say", "#lobby", "note to self"]);
    ann.leave();
    let ann = Node::up(&host);
    assert_eq!(ann.log("#lobby"), ["ann: note to self"]);
    ann.process.kill();
    assert_eq!(Node::up(&host).log("#lobby"), ["ann: note to self"]);
}

#[test]
fn who_comes_late_gets_the_whole_history() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    for number in 0..20 {
        let (who, text) = (if number % 2 == 0 { &ann } else { &bob }, format!("line {number}"));
        who.does(&["say", "#lobby", &text]);
    }
    let cyd = Node::up(&lan.host("cyd"));
    let expected: Vec<_> = (0..20).map(|n| format!("{}: line {n}", ["ann", "bob"][n % 2])).collect();
    cyd.comes_to_know("#lobby", &expected);
}

#[test]
fn who_comes_late_gets_it_from_others_when_the_author_is_gone() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    ann.does(&["say", "#lobby", "my last words"]);
    bob.hears("ann", "my last words");
    ann.leave();
    let cyd = Node::up(&lan.host("cyd"));
    cyd.comes_to_know("#lobby", &["ann: my last words".to_owned()]);
}

#[test]
fn what_was_said_while_the_cable_was_out_arrives_when_it_is_back() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    bob.sees("ann");
    bob.host.cut();
    ann.does(&["say", "#lobby", "from here"]);
    bob.does(&["say", "#lobby", "from there"]);
    bob.host.join();
    ann.hears("bob", "from there");
    bob.hears("ann", "from here");
}

#[test]
fn a_sender_killed_in_mid_chat_loses_nothing_that_was_acknowledged() {
    let Some(lan) = Lan::or_skip() else { return };
    let host = lan.host("ann");
    let bob = Node::up(&lan.host("bob"));
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let ann = Node::up(&host);
        for number in 0..8 {
            let text = format!("round {round} line {number}");
            ann.does(&["say", "#lobby", &text]);
            acknowledged.push(format!("ann: {text}"));
        }
        // Killed while it is told these; whichever was acknowledged counts.
        let texts: Vec<_> = (0..4).map(|number| format!("round {round} at the end {number}")).collect();
        let saying: Vec<_> = texts.iter().map(|text| host.spawn(&["say", "#lobby", text])).collect();
        ann.process.kill();
        for (text, saying) in texts.iter().zip(saying) {
            if saying.finish(SOON).code == Some(0) {
                acknowledged.push(format!("ann: {text}"));
            }
        }
    }
    let ann = Node::up(&host);
    acknowledged.sort();
    for node in [&ann, &bob] {
        node.comes_to_know("#lobby", &acknowledged);
    }
}

#[test]
fn without_multicast_people_still_talk_by_address() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.cut_multicast();
    let ann = Node::up(&lan.host("ann"));
    let bob = Node::up_with(&lan.host("bob"), &["--peer", &ann.host.address()]);
    ann.sees("bob");
    bob.sees("ann");
    ann.does(&["say", "#lobby", "can you hear me?"]);
    bob.hears("ann", "can you hear me?");
    bob.does(&["say", "@ann", "I can"]);
    ann.hears("bob", "I can");
}

#[test]
fn hosts_with_only_ipv6_find_each_other_and_talk() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = Node::up(&lan.host_with("ann", Addresses::OnlyIpv6));
    let bob = Node::up_with(&lan.host_with("bob", Addresses::OnlyIpv6), ACCEPT_ANY);
    ann.sees("bob");
    bob.sees("ann");
    ann.does(&["say", "#lobby", "over six"]);
    bob.hears("ann", "over six");
    let file = file_of(&ann, "small", 300_000);
    ann.does(&["send", "@bob", &file, "--wait"]);
}

#[test]
fn on_a_network_that_loses_every_fifth_packet_every_message_arrives() {
    let Some(lan) = Lan::or_skip() else { return };
    lan.lose_percent(20);
    let nodes = ["ann", "bob", "cyd"].map(|name| Node::up(&lan.host(name)));
    let mut expected = Vec::new();
    for number in 0..6 {
        for node in &nodes {
            let text = format!("line {number}");
            node.does(&["say", "#lobby", &text]);
            expected.push(format!("{}: {text}", node.host.name()));
        }
    }
    for node in &nodes {
        node.comes_to_know("#lobby", &expected);
    }
}

#[test]
fn a_large_file_arrives_whole_before_it_is_called_delivered() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = (Node::up(&lan.host("ann")), Node::up_with(&lan.host("bob"), ACCEPT_ANY));
    ann.sees("bob");
    let file = file_of(&ann, "large.iso", 1 << 30);
    let sent = ann.host.spawn(&["send", "@bob", &file, "--wait"]).finish(Duration::from_secs(300));
    assert_eq!(sent.code, Some(0), "{}", sent.stderr);
    let sum = sha256(Path::new(&file)).unwrap();
    assert_eq!(sha256(&bob.host.downloads().join("large.iso")).unwrap(), sum);
    let done = bob.process.wait_for("end", SOON, |event| event["event"] == "transfer-finished");
    assert_eq!((&done["transfer"]["state"], &done["transfer"]["sha256"]), (&"done".into(), &sum.into()));
}

#[test]
fn a_folder_arrives_with_all_that_is_in_it() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = (Node::up(&lan.host("ann")), Node::up_with(&lan.host("bob"), ACCEPT_ANY));
    ann.sees("bob");
    let folder = ann.host.folder().join("photos");
    std::fs::create_dir_all(folder.join("2026/November")).unwrap();
    std::fs::write(folder.join("empty"), "").unwrap();
    std::fs::write(folder.join("2026/Grüße 你好.txt"), "hello").unwrap();
    write_random(&folder.join("2026/November/one.jpg"), 3_000_001, 1).unwrap();
    for number in 0..200 {
        write_random(&folder.join(format!("small-{number}")), number, number).unwrap();
    }
    ann.does(&["send", "@bob", folder.to_str().unwrap(), "--wait"]);
    assert_eq!(tree(&bob.host.downloads().join("photos")).unwrap(), tree(&folder).unwrap());
}

#[test]
fn a_file_that_exists_is_never_overwritten_and_the_same_one_is_not_doubled() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = (Node::up(&lan.host("ann")), Node::up_with(&lan.host("bob"), ACCEPT_ANY));
    ann.sees("bob");
    let mut sums = Vec::new();
    for size in [100_000, 100_000, 100_001] {
        let file = file_of(&ann, "report.pdf", size);
        ann.does(&["send", "@bob", &file, "--wait"]);
        sums.push(Some(sha256(Path::new(&file)).unwrap()));
    }
    let received = tree(&bob.host.downloads()).unwrap();
    let found: Vec<_> = received.iter().map(|(_, sum)| sum.clone()).collect();
    assert_eq!(found.iter().filter(|sum| **sum == sums[0]).count(), 1, "{received:?}");
    assert!(found.contains(&sums[2]), "{received:?}");
}

#[test]
fn an_offer_is_fetched_only_after_a_yes_and_to_where_it_is_wanted() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    let file = file_of(&ann, "report.pdf", 2_000_000);
    ann.does(&["send", "@bob", &file]);
    let offer = bob.offered();
    assert!(!bob.host.downloads().join("report.pdf").exists());
    let into = bob.host.folder().join("elsewhere");
    let accepted = bob.does(&["accept", &offer, "--into", into.to_str().unwrap()]);
    assert_eq!(accepted.lines.last().unwrap()["state"], "done");
    assert_eq!(sha256(&into.join("report.pdf")).unwrap(), sha256(Path::new(&file)).unwrap());
    assert!(bob.does(&["offers"]).lines.is_empty());
}

#[test]
fn the_rule_to_accept_everything_holds_for_what_was_offered_before_the_start() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    let file = file_of(&ann, "report.pdf", 2_000_000);
    ann.does(&["send", "@bob", &file]);
    bob.offered();
    let host = bob.host.clone();
    bob.process.kill();
    let bob = Node::up_with(&host, ACCEPT_ANY);
    let done = bob.process.wait_for("end", SOON, |event| event["event"] == "transfer-finished");
    assert_eq!(done["transfer"]["state"], "done");
    assert_eq!(sha256(&host.downloads().join("report.pdf")).unwrap(), sha256(Path::new(&file)).unwrap());
}

#[test]
fn who_declines_is_not_sent_anything_and_the_sender_learns_it() {
    let Some(lan) = Lan::or_skip() else { return };
    let [ann, bob] = ["ann", "bob"].map(|name| Node::up(&lan.host(name)));
    ann.sees("bob");
    let file = file_of(&ann, "report.pdf", 1000);
    let sending = ann.host.spawn(&["send", "@bob", &file, "--wait"]);
    bob.does(&["decline", &bob.offered()]);
    assert_eq!(sending.finish(SOON).code, Some(4));
    assert!(!bob.host.downloads().join("report.pdf").exists());
}

#[test]
fn a_transfer_cancelled_midway_leaves_no_file_behind() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = (Node::up(&lan.host("ann")), Node::up_with(&lan.host("bob"), ACCEPT_ANY));
    if let Err(why) = ann.host.limit_mbit(200) {
        return println!("skipped: {why}");
    }
    ann.sees("bob");
    let file = file_of(&ann, "large.iso", 1 << 30);
    let sending = ann.host.spawn(&["send", "@bob", &file, "--wait"]);
    let moving = |event: &Value| event["event"] == "progress" && event["progress"][0]["moved"] != 0;
    let progress = bob.process.wait_for("progress", SOON, moving);
    bob.does(&["cancel", progress["progress"][0]["transfer"].as_str().unwrap()]);
    let sent = sending.finish(SOON);
    assert!(matches!(sent.code, Some(1 | 4)), "{sent:?}");
    assert!(!bob.host.downloads().join("large.iso").exists());
}

#[test]
fn a_profile_is_run_by_one_node_and_a_second_learns_by_which() {
    let Some(lan) = Lan::or_skip() else { return };
    let ann = Node::up(&lan.host("ann"));
    let second = ann.host.run(&["up"]);
    assert_eq!((second.code, second.lines.len()), (Some(1), 0));
    let holder = format!("in use by lanyard (process {})", ann.process.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    assert!(second.stderr.contains("--profile"), "{}", second.stderr);
    assert_eq!(ann.does(&["status"]).lines[0]["me"]["name"], "ann");
}

#[test]
fn a_port_that_another_program_has_is_said_plainly_or_worked_around() {
    let Some(lan) = Lan::or_skip() else { return };
    let (ann, bob) = (lan.host("ann"), Node::up(&lan.host("bob")));
    let port = bob.does(&["status"]).lines[0]["network"]["port"].to_string();
    let holder = Process::start("holder", ann.command(built_beside("probe")).args(["hold", &port]));
    holder.wait_for("port", SOON, |line| line["holds"].is_number());
    let up = ann.spawn(&["up", "--name", "ann"]);
    if up.wait_unless_ended("ready", SOON, |event| event["event"] == "ready").is_some() {
        return bob.sees("ann");
    }
    let ended = up.finish(SOON);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains(&port), "the port is not named: {}", ended.stderr);
}

/// The hosts of the tests above are worth something only if their network is what it says.
mod the_network_itself {
    use super::*;

    /// Datagrams between two programs that know nothing of Lanyard.
    fn pings(from: &Host, to: &Host) -> usize {
        pings_of(from, to, 200)
    }

    fn pings_of(from: &Host, to: &Host, rounds: u32) -> usize {
        let probe = built_beside("probe");
        let echo = Process::start("echo", to.command(&probe).args(["echo", &to.address()]));
        echo.wait_for("echo", SOON, |line| line["ready"] == true);
        Process::start("ping", from.command(&probe).args(["ping", &from.address(), &rounds.to_string()]))
            .finish(SOON)
            .lines
            .len()
    }

    #[test]
    fn carries_multicast_until_a_cable_is_pulled_and_again_when_it_is_back() {
        let Some(lan) = Lan::or_skip() else { return };
        let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
        assert_eq!(pings(&ann, &bob), 200);
        bob.cut();
        assert_eq!(pings(&ann, &bob), 0);
        bob.join();
        assert_eq!(pings(&ann, &bob), 200);
    }

    #[test]
    fn carries_no_multicast_once_it_is_cut_off() {
        let Some(lan) = Lan::or_skip() else { return };
        let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
        lan.cut_multicast();
        assert_eq!(pings(&ann, &bob), 0);
    }

    #[test]
    fn carries_nothing_to_or_from_one_that_is_muted_and_the_rest_as_before() {
        let Some(lan) = Lan::or_skip() else { return };
        let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| lan.host(name));
        cyd.mute();
        assert_eq!((pings(&ann, &bob), pings(&ann, &cyd), pings(&cyd, &ann)), (200, 0, 0));
    }

    #[test]
    fn is_in_two_when_it_is_parted_and_one_again_when_it_is_healed() {
        let Some(lan) = Lan::or_skip() else { return };
        let hosts = lan.hosts(["ann", "bob", "cyd"], Addresses::OnlyIpv4);
        let [ann, bob, cyd] = hosts.as_slice() else { panic!("three hosts") };
        lan.part(&[&hosts[..2]]);
        assert_eq!((pings(ann, bob), pings(ann, cyd), pings(cyd, ann)), (200, 0, 0));
        lan.heal();
        assert_eq!(pings(ann, cyd), 200);
    }

    #[test]
    fn loses_what_one_host_sends_and_counts_it_all_the_same() {
        let Some(lan) = Lan::or_skip() else { return };
        let [ann, bob, cyd] = ["ann", "bob", "cyd"].map(|name| lan.host(name));
        assert_eq!(pings(&ann, &bob), 200);
        let before = lan.traffic()[1];
        bob.lose(Loss { out: 100, into: 0, of: Frames::Udp });
        assert_eq!((pings(&ann, &bob), pings(&ann, &cyd)), (0, 200));
        let after = lan.traffic()[1];
        assert!(after.sent.frames > before.sent.frames, "bob answered: {before:?}, then {after:?}");
        assert!(after.received.frames > before.received.frames, "bob was asked: {before:?}, then {after:?}");
    }

    #[test]
    fn carries_no_more_than_the_shared_medium_takes() {
        let Some(lan) = Lan::or_skip() else { return };
        let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
        assert_eq!(pings_of(&ann, &bob, 2000), 2000);
        lan.share_kbit(1);
        assert!(pings_of(&ann, &bob, 2000) < 1500, "a burst passes, then hardly anything");
    }

    #[test]
    fn loses_what_it_is_told_to_lose() {
        let Some(lan) = Lan::or_skip() else { return };
        let [ann, bob] = ["ann", "bob"].map(|name| lan.host(name));
        lan.lose_percent(50);
        assert!(pings(&ann, &bob) < 200, "a ping ends at the first loss");
    }
}

/// A running `lanyard up`.
struct Node {
    host: Host,
    process: Process,
}

impl Node {
    fn up(host: &Host) -> Node {
        Node::up_with(host, &[])
    }

    fn up_with(host: &Host, options: &[&str]) -> Node {
        let downloads = host.downloads();
        let downloads = downloads.to_str().expect("Unicode");
        let words = [&["up", "--name", host.name(), "--downloads", downloads], options].concat();
        Node::ready(host, host.spawn(&words))
    }

    /// With a clock that is wrong by so many seconds.
    fn with_clock(host: &Host, seconds: i64) -> Node {
        let mut command = host.lanyard_with_clock(seconds, &["up", "--name", host.name()]);
        Node::ready(host, Process::start(format!("{}: {seconds} s off", host.name()), &mut command))
    }

    fn ready(host: &Host, process: Process) -> Node {
        process.wait_for("ready", SOON, |event| event["event"] == "ready");
        Node { host: host.clone(), process }
    }

    fn leave(self) -> Finished {
        self.process.terminate();
        self.process.finish(SOON)
    }

    /// Runs a verb that must succeed.
    #[track_caller]
    fn does(&self, words: &[&str]) -> Finished {
        let finished = self.host.run(words);
        assert_eq!(finished.code, Some(0), "{}: lanyard {words:?}: {}", self.host.name(), finished.stderr);
        finished
    }

    #[track_caller]
    fn sees(&self, name: &str) {
        self.process.wait_for(name, SOON, |event| is_peer(event, "peer-online", name));
    }

    #[track_caller]
    fn hears(&self, name: &str, text: &str) {
        self.process.wait_for(text, SOON, |event| {
            event["event"] == "message"
                && event["message"]["name"] == name
                && event["message"]["text"] == text
        });
    }

    /// The id of the first offer that came.
    #[track_caller]
    fn offered(&self) -> String {
        let offer = self.process.wait_for("offer", SOON, |event| event["event"] == "offer");
        offer["transfer"]["id"].as_str().expect("an id").to_owned()
    }

    fn log(&self, to: &str) -> Vec<String> {
        self.does(&["log", to, "--limit", "1000"]).lines.iter().map(spoken).collect()
    }

    /// Waits until the log holds all of `expected`, and then that it shows each once.
    #[track_caller]
    fn comes_to_know(&self, to: &str, expected: &[String]) {
        let following = self.host.spawn(&["log", to, "--follow", "--limit", "1000"]);
        for one in expected {
            following.wait_for(one, EVENTUALLY, |message| spoken(message) == *one);
        }
        let log = self.log(to);
        for one in expected {
            assert_eq!(log.iter().filter(|line| *line == one).count(), 1, "{one} in {log:?}");
        }
    }
}

fn is_peer(event: &Value, kind: &str, name: &str) -> bool {
    event["event"] == kind && event["peer"]["name"] == name
}

fn names(peers: &Finished) -> Vec<String> {
    let mut names: Vec<_> =
        peers.lines.iter().filter_map(|peer| peer["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

fn spoken(message: &Value) -> String {
    let of = |field: &str| message[field].as_str().unwrap_or("?").to_owned();
    format!("{}: {}", of("name"), of("text"))
}

fn file_of(node: &Node, name: &str, size: u64) -> String {
    let path = node.host.folder().join(name);
    write_random(&path, size, size).expect("a file");
    path.into_os_string().into_string().expect("Unicode")
}

const ACCEPT_ANY: &[&str] = &["--accept", "any"];

/// For what takes milliseconds on an idle machine.
const SOON: Duration = Duration::from_secs(30);

/// For a goodbye, where only a lease could be the other reason.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Longer than the lease of a device that says nothing any more.
const LEASE: Duration = Duration::from_secs(75);

/// For what needs repair or catching up.
const EVENTUALLY: Duration = Duration::from_secs(60);
