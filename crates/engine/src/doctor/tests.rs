//! Cause against verdict, as a table: what was found out, and what is said of it.

use super::*;
use crate::api::Ways;
use crate::doctor::steps::LinuxFirewall;

#[test]
fn each_cause_has_its_verdict() {
    let rows: Vec<(&str, Evidence, Vec<Expected>)> = vec![
        ("all is well", healthy(), vec![]),
        ("nobody is here", alone(), vec![problem(Cause::NobodyThere)]),
        (
            "who was here does not answer",
            with(alone(), |it| it.peers = vec![gone()]),
            vec![problem(Cause::NobodyThere)],
        ),
        ("no interface is up", with(alone(), |it| it.interfaces = vec![]), vec![problem(Cause::NoNetwork)]),
        (
            "only the loopback is used",
            with(alone(), |it| {
                it.interfaces = vec![CheckedInterface { kind: InterfaceKind::Loopback, ..eth0() }]
            }),
            vec![problem(Cause::NoNetwork)],
        ),
        (
            "only a tunnel is up",
            with(alone(), |it| it.interfaces = vec![tunnel()]),
            vec![problem(Cause::WrongInterface)],
        ),
        (
            "what was chosen is gone, and another is up",
            with(alone(), |it| (it.chosen, it.interfaces) = (true, vec![unused()])),
            vec![problem(Cause::WrongInterface)],
        ),
        (
            "nobody is on what was chosen, and another is up",
            with(alone(), |it| (it.chosen, it.interfaces) = (true, vec![eth0(), unused()])),
            vec![problem(Cause::WrongInterface)],
        ),
        (
            "others were chosen, and people are there all the same",
            with(healthy(), |it| it.chosen = true),
            vec![],
        ),
        (
            "somebody is on the network of an interface that is not used",
            with(healthy(), |it| it.elsewhere = vec![("eth1".into(), "bob".into())]),
            vec![problem(Cause::WrongInterface)],
        ),
        (
            "everything was excluded",
            with(alone(), |it| (it.chosen, it.interfaces) = (true, vec![excluded()])),
            vec![problem(Cause::WrongInterface)],
        ),
        ("a tunnel beside it is no problem", with(healthy(), |it| it.interfaces.push(tunnel())), vec![]),
        (
            "the port is another program's",
            with(alone(), |it| it.port_taken = true),
            vec![problem(Cause::PortTaken)],
        ),
        (
            "multicast passes in neither direction",
            with(healthy(), |it| it.peers = vec![linked(NONE, NONE)]),
            vec![toward(Cause::MulticastFiltered, Direction::Both)],
        ),
        (
            "only broadcast passes",
            with(healthy(), |it| {
                it.peers = vec![CheckedPeer { hears: BROADCAST, heard: BROADCAST, ..bob() }]
            }),
            vec![toward(Cause::MulticastFiltered, Direction::Both)],
        ),
        (
            "multicast does not get out",
            with(healthy(), |it| {
                it.peers = vec![CheckedPeer { hears: NONE, ..bob() }, CheckedPeer { hears: NONE, ..cyd() }]
            }),
            vec![toward(Cause::MulticastFiltered, Direction::Out)],
        ),
        (
            "multicast does not get in",
            with(healthy(), |it| it.peers = vec![linked(BOTH, NONE)]),
            vec![toward(Cause::MulticastFiltered, Direction::In)],
        ),
        (
            "one of two does not hear",
            with(healthy(), |it| it.peers = vec![bob(), CheckedPeer { hears: NONE, ..cyd() }]),
            vec![toward(Cause::MulticastFiltered, Direction::Out)],
        ),
        (
            "the own firewall drops packets and connections",
            with(healthy(), |it| {
                it.interfaces[0] = CheckedInterface { loops_back: Some(false), heard: 0, ..eth0() };
                it.peers = vec![CheckedPeer { dials: Some(Reached::Silent), ..linked(BOTH, NONE) }];
            }),
            vec![toward(Cause::Firewall, Direction::In)],
        ),
        (
            "the own firewall drops packets, and nobody is known",
            with(alone(), |it| it.interfaces[0].loops_back = Some(false)),
            vec![toward(Cause::Firewall, Direction::In)],
        ),
        (
            "the own firewall drops connections",
            with(healthy(), |it| it.peers = vec![CheckedPeer { dials: Some(Reached::Silent), ..bob() }]),
            vec![toward(Cause::Firewall, Direction::In)],
        ),
        (
            "one of two can connect: so it is not this device",
            with(healthy(), |it| {
                it.peers = vec![bob(), CheckedPeer { dials: Some(Reached::Silent), ..cyd() }]
            }),
            vec![],
        ),
        (
            "the system forbids to send",
            with(alone(), |it| (it.interfaces[0].forbidden, it.interfaces[0].failed) = (9, 9)),
            vec![toward(Cause::Firewall, Direction::Out)],
        ),
        (
            "the firewall of somebody else",
            with(healthy(), |it| {
                it.peers = vec![CheckedPeer { dial: Some(Reached::Silent), ..bob() }, cyd()]
            }),
            vec![(Cause::Firewall, Severity::Note, Some(Direction::Out))],
        ),
        (
            "an access point keeps two apart",
            with(healthy(), |it| it.peers = vec![apart(), cyd()]),
            vec![toward(Cause::Isolation, Direction::Both)],
        ),
        (
            "a copy of this profile runs",
            with(healthy(), |it| (it.cloned, it.peers) = (true, vec![linked(NONE, BOTH)])),
            vec![problem(Cause::ClonedIdentity)],
        ),
        (
            "the clock is off",
            with(healthy(), |it| it.clock_off = Some(-7200)),
            vec![problem(Cause::ClockOff)],
        ),
        (
            "without multicast nothing is said of it",
            with(healthy(), |it| (it.multicast, it.peers) = (false, vec![linked(NONE, NONE)])),
            vec![(Cause::MulticastOff, Severity::Note, None)],
        ),
        (
            "somebody on another network is no problem",
            with(healthy(), |it| it.peers.push(CheckedPeer { interface: None, ..linked(NONE, NONE) })),
            vec![(Cause::OtherSubnet, Severity::Note, None)],
        ),
        (
            "others of another version and network",
            with(healthy(), |it| (it.other_version, it.other_network) = (3, 4)),
            vec![(Cause::OtherVersion, Severity::Note, None), (Cause::OtherNetwork, Severity::Note, None)],
        ),
    ];
    for (what, evidence, expected) in rows {
        let verdicts = judge(&evidence);
        let said: Vec<Expected> =
            verdicts.iter().map(|verdict| (verdict.cause, verdict.severity, verdict.direction)).collect();
        assert_eq!(said, expected, "{what}: {verdicts:#?}");
        for verdict in verdicts.iter().filter(|verdict| verdict.severity == Severity::Problem) {
            assert!(!verdict.steps.is_empty() && !verdict.evidence.is_empty(), "{what}: {verdict:?}");
        }
    }
}

#[test]
fn steps_name_what_the_system_has() {
    let on = |system: System| {
        let evidence = with(alone(), |it| (it.system, it.interfaces[0].loops_back) = (system, Some(false)));
        judge(&evidence)[0].steps.iter().map(|step| step.message.clone()).collect::<Vec<_>>().join(" ")
    };
    assert!(on(System::Linux(LinuxFirewall::Ufw)).contains("ufw allow 24417/udp"));
    assert!(on(System::Linux(LinuxFirewall::Firewalld)).contains("--add-port=24418/tcp"));
    assert!(on(System::Windows).contains("Windows Security"));
    assert!(on(System::Macos).contains("System Settings"));
    assert!(on(System::Other).contains("UDP port 24417 and TCP port 24418"));
}

#[test]
fn a_verdict_names_whom_it_concerns() {
    let evidence = with(healthy(), |it| it.peers = vec![bob(), CheckedPeer { hears: NONE, ..cyd() }]);
    let verdict = &judge(&evidence)[0];
    assert_eq!(verdict.peers, ["cyd"]);
    assert!(verdict.what.message.contains("1 of 2"), "{}", verdict.what.message);
}

#[test]
fn the_way_out_of_a_wrong_interface_is_the_setting_or_the_option_that_goes_before_it() {
    let step = |named: bool| {
        let (chosen, interfaces) = (true, vec![eth0(), excluded()]);
        let evidence = with(alone(), |it| (it.chosen, it.named, it.interfaces) = (chosen, named, interfaces));
        let [verdict] = &judge(&evidence)[..] else { panic!("one verdict") };
        (verdict.steps[0].message.clone(), verdict.evidence.last().map(|said| said.message.clone()))
    };
    let (setting, why) = step(false);
    assert!(setting.contains("lanyard network NAME always"), "{setting}");
    assert_eq!(why.as_deref(), Some("eth1 (10.77.0.1) is up, and you chose not to use it."));
    let (option, why) = step(true);
    assert!(option.contains("--interface"), "{option}");
    assert_eq!(why.as_deref(), Some("eth1 (10.77.0.1) is up and not used."));
}

type Expected = (Cause, Severity, Option<Direction>);

fn problem(cause: Cause) -> Expected {
    (cause, Severity::Problem, None)
}

fn toward(cause: Cause, direction: Direction) -> Expected {
    (cause, Severity::Problem, Some(direction))
}

fn with(mut evidence: Evidence, change: impl FnOnce(&mut Evidence)) -> Evidence {
    change(&mut evidence);
    evidence
}

fn healthy() -> Evidence {
    Evidence { peers: vec![bob(), cyd()], ..alone() }
}

fn alone() -> Evidence {
    Evidence {
        system: System::Linux(LinuxFirewall::Unknown),
        port: 24417,
        tcp_port: 24418,
        multicast: true,
        port_taken: false,
        chosen: false,
        named: false,
        cloned: false,
        clock_off: None,
        other_version: 0,
        other_network: 0,
        interfaces: vec![eth0()],
        peers: Vec::new(),
        elsewhere: Vec::new(),
    }
}

fn eth0() -> CheckedInterface {
    CheckedInterface {
        name: "eth0".into(),
        addresses: vec!["10.77.0.1".into()],
        used: true,
        kind: InterfaceKind::Ordinary,
        choice: InterfaceChoice::Automatic,
        sent: 20,
        failed: 0,
        forbidden: 0,
        heard: 0,
        loops_back: Some(true),
    }
}

fn unused() -> CheckedInterface {
    CheckedInterface { name: "eth1".into(), used: false, sent: 0, loops_back: None, ..eth0() }
}

fn excluded() -> CheckedInterface {
    CheckedInterface { choice: InterfaceChoice::Never, ..unused() }
}

fn tunnel() -> CheckedInterface {
    CheckedInterface { name: "tun0".into(), kind: InterfaceKind::PointToPoint, ..unused() }
}

fn bob() -> CheckedPeer {
    CheckedPeer {
        id: "bob".into(),
        name: "Bob".into(),
        found: FoundBy::Heard,
        addresses: vec!["10.77.0.2:24417".into()],
        interface: Some("eth0".into()),
        hears: BOTH,
        heard: BOTH,
        dial: Some(Reached::Open),
        dials: Some(Reached::Open),
    }
}

fn cyd() -> CheckedPeer {
    CheckedPeer { id: "cyd".into(), name: "Cyd".into(), ..bob() }
}

/// Somebody who is only known by address.
fn linked(hears: Option<Ways>, heard: Option<Ways>) -> CheckedPeer {
    CheckedPeer { found: FoundBy::Address, hears, heard, ..bob() }
}

/// Somebody who is here, as others say, and to whom nothing passes.
fn apart() -> CheckedPeer {
    let found = FoundBy::Told;
    CheckedPeer { found, hears: NONE, heard: NONE, dial: Some(Reached::Unreachable), dials: None, ..bob() }
}

/// Somebody who was here before.
fn gone() -> CheckedPeer {
    CheckedPeer { found: FoundBy::Remembered, hears: None, heard: None, dials: None, ..apart() }
}

const BOTH: Option<Ways> = Some(Ways { multicast: true, broadcast: true });
const BROADCAST: Option<Ways> = Some(Ways { multicast: false, broadcast: true });
const NONE: Option<Ways> = Some(Ways { multicast: false, broadcast: false });
