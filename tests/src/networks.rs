//! People on networks that forget who listens, on interfaces that come and go, and several on one host: the same for tests and
//! for measurements.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::conversation::{Delays, Plan, Said, same_logs, talk};
use crate::crowd::Crowd;
use crate::hosts::{Addresses, Lan};
use crate::process::cpu_seconds;

/// A switch that forgets members which say nothing.
pub struct Forgetful {
    /// Hosts with addresses of both families, and with IPv6 alone.
    pub both: usize,
    pub only_v6: usize,
    /// After which the switch forgets.
    pub membership: Duration,
    pub lasts: Duration,
    pub messages: usize,
}

/// What became of it.
pub struct Remembered {
    /// Messages of those that were said, and when each reached the last of all.
    pub said: Vec<Said>,
    pub slowest: Duration,
    /// From the start of somebody who came after all of it until they and all others see each other.
    pub found: Duration,
}

/// People talk, the switch forgets them, and somebody comes.
///
/// # Errors
/// What did not happen in time.
pub fn forgetful(lan: &Lan, plan: &Forgetful) -> Result<Remembered, String> {
    lan.snoop(plan.membership);
    let mut crowd = Crowd::new();
    let names = |from: usize, count: usize| (from + 1..=from + count).map(|number| format!("p{number}"));
    for host in lan.hosts(names(0, plan.both), Addresses::Both) {
        crowd.add(host, &[]);
    }
    for host in lan.hosts(names(plan.both, plan.only_v6), Addresses::OnlyIpv6) {
        crowd.add(host, &[]);
    }
    crowd.start_all()?;
    crowd.meet(PATIENCE)?;
    if plan.membership < REFRESHED {
        lan.forgets(GROUP, plan.membership + PATIENCE)?;
    }
    let talkers = crowd.size();
    let per_second = plan.messages as f64 / talkers as f64 / plan.lasts.as_secs_f64();
    let said = talk(&crowd, &self::plan((0..talkers).collect(), plan.messages, per_second))?;
    let texts: Vec<String> = said.iter().map(|said| said.text.clone()).collect();
    crowd.all_hear(&texts, PATIENCE)?;
    let slowest = Duration::from_secs_f64(Delays::of(&crowd, &said).all(1.0));
    let newcomer = crowd.add(lan.host("newcomer"), &[]);
    let begun = Instant::now();
    crowd.start(newcomer)?;
    crowd.meet(PATIENCE)?;
    let found = begun.elapsed();
    crowd.control(newcomer)?.say("#lobby", "hello")?;
    crowd.all_hear(&["hello".to_owned()], PATIENCE)?;
    Ok(Remembered { said, slowest, found })
}

/// Interfaces that go down and come up again.
pub struct Flapping {
    pub nodes: usize,
    pub flaps: usize,
    /// From one going down to the next; half of it they are down.
    pub every: Duration,
}

/// What became of it.
pub struct Settled {
    pub messages: usize,
    /// From the last coming up until everybody had everything.
    pub after: Duration,
    /// Sockets of each node before and after: of UDP, and descriptors of all kinds.
    pub udp: Vec<(usize, usize)>,
    pub descriptors: Vec<(usize, usize)>,
}

/// Of two the interface flaps, at the switch's end and at the host's own; all talk all the time.
///
/// # Errors
/// What did not happen in time.
pub fn flapping(lan: &Lan, plan: &Flapping) -> Result<Settled, String> {
    let crowd = Crowd::gather(lan, plan.nodes, Addresses::Both)?;
    crowd.meet(PATIENCE)?;
    let mut controls = (0..plan.nodes).map(|node| crowd.control(node)).collect::<Result<Vec<_>, _>>()?;
    for control in &mut controls {
        // Once it answers, the node has it.
        control.call("caught-up", &json!({}))?;
    }
    let before = sockets(&crowd)?;
    let mut texts = Vec::new();
    let mut all_say = |moment: &str, number: usize| -> Result<(), String> {
        for (node, control) in controls.iter_mut().enumerate() {
            let text = format!("{moment} {number} of p{}", node + 1);
            control.say("#lobby", &text)?;
            texts.push(text);
        }
        Ok(())
    };
    let (plugged, own) = (crowd.host(0), crowd.host(1));
    let begun = Instant::now();
    for number in 0..plan.flaps {
        let due = plan.every * u32::try_from(number).unwrap_or(u32::MAX);
        std::thread::sleep(due.saturating_sub(begun.elapsed()));
        plugged.cut();
        own.switch_off();
        all_say("down", number)?;
        std::thread::sleep((due + plan.every / 2).saturating_sub(begun.elapsed()));
        plugged.join();
        own.switch_on();
        all_say("up", number)?;
    }
    let last = Instant::now();
    crowd.all_hear(&texts, PATIENCE)?;
    let after = last.elapsed();
    same_logs(&crowd, &texts)?;
    crowd.meet(PATIENCE)?;
    // What was dialled while nothing answered ends a little later.
    let quiet = |after: &[Sockets]| {
        let stays = |(before, after): (&Sockets, &Sockets)| {
            after.udp == before.udp && after.descriptors <= before.descriptors + LINKS * plan.nodes
        };
        before.iter().zip(after).all(stays)
    };
    let deadline = Instant::now() + PATIENCE;
    let mut now = sockets(&crowd)?;
    while !quiet(&now) && Instant::now() < deadline {
        crowd.await_news(AGAIN);
        now = sockets(&crowd)?;
    }
    Ok(Settled {
        messages: texts.len(),
        after,
        udp: before.iter().zip(&now).map(|(before, now)| (before.udp, now.udp)).collect(),
        descriptors: before
            .iter()
            .zip(&now)
            .map(|(before, now)| (before.descriptors, now.descriptors))
            .collect(),
    })
}

impl Settled {
    /// Whether nobody has more sockets than before, but for a link or two to each of the others.
    pub fn leaks_nothing(&self) -> bool {
        let nodes = self.udp.len();
        self.udp.iter().all(|(before, after)| before == after)
            && self.descriptors.iter().all(|(before, after)| *after <= before + LINKS * nodes)
    }
}

/// Several profiles on one host, and one on another; how long until all see all, and until all have what each of them says.
///
/// # Errors
/// What did not happen in time.
pub fn together(lan: &Lan, profiles: usize) -> Result<(Duration, Duration), String> {
    let mut crowd = Crowd::new();
    let host = lan.host("p1");
    crowd.add(host.clone(), &[]);
    for number in 2..=profiles {
        crowd.add(host.second_profile(&format!("p{number}")), &[]);
    }
    crowd.add(lan.host("elsewhere"), &[]);
    let begun = Instant::now();
    crowd.start_all()?;
    crowd.meet(PATIENCE)?;
    let met = begun.elapsed();
    let said = talk(&crowd, &plan((0..=profiles).collect(), 4 * (profiles + 1), 4.0))?;
    let texts: Vec<String> = said.iter().map(|said| said.text.clone()).collect();
    crowd.all_hear(&texts, PATIENCE)?;
    same_logs(&crowd, &texts)?;
    let slowest = Duration::from_secs_f64(Delays::of(&crowd, &said).all(1.0));
    // The one that the system chooses for what comes by unicast to a port that all share may go: nobody depends on it.
    for node in [0, profiles - 1] {
        crowd.kill(node)?;
        crowd.start(node)?;
        crowd.meet(PATIENCE)?;
        let text = format!("back again, says p{}", node + 1);
        crowd.control(node)?.say("#lobby", &text)?;
        crowd.all_hear(&[text], PATIENCE)?;
    }
    Ok((met, slowest))
}

/// What a node costs while nobody does anything, on average of all: in a second, and `cpu` in percent of a core.
pub struct Idle {
    /// Sent to groups and to everybody, each copy for a family and way as one.
    pub datagrams: f64,
    /// Of these, with their headers.
    pub bytes: f64,
    /// Of all threads: each is a wake-up, or a turn of another thread.
    pub switches: f64,
    pub cpu: f64,
}

/// So many nodes that do nothing, for so long, once they have found each other.
///
/// # Errors
/// When they do not.
pub fn idle(lan: &Lan, nodes: usize, lasts: Duration) -> Result<Idle, String> {
    let mut crowd = Crowd::new();
    for host in lan.hosts((1..=nodes).map(|number| format!("p{number}")), Addresses::Both) {
        host.take_broadcast();
        crowd.add(host, &[]);
    }
    crowd.start_all()?;
    crowd.meet(PATIENCE)?;
    std::thread::sleep(QUIET);
    let now = || -> Result<[f64; 4], String> {
        let processes: Vec<u32> = (0..nodes).filter_map(|node| crowd.process(node)).collect();
        let sent = lan.traffic();
        let datagrams: u64 = sent.iter().map(|host| host.datagrams.frames).sum();
        let bytes: u64 = sent.iter().map(|host| host.datagrams.bytes).sum();
        let switched = processes.iter().map(|process| switches(*process)).collect::<Result<Vec<_>, _>>()?;
        let cpu: f64 = processes.iter().map(|process| cpu_seconds(*process)).sum();
        Ok([datagrams as f64, bytes as f64, switched.iter().sum::<u64>() as f64, cpu * 100.0])
    };
    let (begun, before) = (Instant::now(), now()?);
    std::thread::sleep(lasts);
    let after = now()?;
    let each = |of: usize| (after[of] - before[of]) / begun.elapsed().as_secs_f64() / nodes as f64;
    Ok(Idle { datagrams: each(0), bytes: each(1), switches: each(2), cpu: each(3) })
}

/// Context switches of a process so far, all its threads together.
fn switches(process: u32) -> Result<u64, String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).map_err(failed)? {
        // A thread may end in between.
        let status = fs::read_to_string(thread.map_err(failed)?.path().join("status")).unwrap_or_default();
        let counts = status.lines().filter(|line| line.contains("voluntary_ctxt_switches"));
        sum += counts.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}

struct Sockets {
    udp: usize,
    descriptors: usize,
}

/// Of each node, which is alone on its host.
fn sockets(crowd: &Crowd) -> Result<Vec<Sockets>, String> {
    let of = |node: usize| {
        let process = crowd.process(node).ok_or("it does not run")?;
        let lines = |family: &str| {
            let listed = fs::read_to_string(format!("/proc/{process}/net/{family}"));
            listed.map(|listed| listed.lines().count() - 1).map_err(|error| error.to_string())
        };
        let descriptors =
            fs::read_dir(format!("/proc/{process}/fd")).map_err(|error| error.to_string())?.count();
        Ok(Sockets { udp: lines("udp")? + lines("udp6")?, descriptors })
    };
    (0..crowd.size()).map(of).collect()
}

fn plan(talkers: Vec<usize>, messages: usize, per_second: f64) -> Plan {
    Plan { talkers, messages, per_second, length: 110, seed: 1 }
}

/// Links to each of the others that may stand beside those that stood before, one in each direction.
const LINKS: usize = 2;

/// How often nodes say anew that they are members; what a switch forgets sooner, it forgets.
const REFRESHED: Duration = Duration::from_secs(120);

/// The group for IPv6. The one for IPv4 is in the range that no switch watches.
const GROUP: &str = "ff12::4c43:5031";

/// Only a failure takes as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What follows from having come is over then.
const QUIET: Duration = Duration::from_secs(20);

const AGAIN: Duration = Duration::from_secs(1);
