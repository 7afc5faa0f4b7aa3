//! Many talk at once: over a network that loses much, over a slow one, and where multicast does not pass.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lanyard_tests::conversation::{
    CLOCKS, Delays, Said, in_confidence, quantile, same_logs, same_order, talk,
};
use lanyard_tests::crowd::Crowd;
use lanyard_tests::hosts::{Frames, Lan, Loss, built_beside};
use lanyard_tests::process::Process;

use super::{MEETING, Options, PATIENCE, Verdict, cost_rows, cpu_of, row, seconds_row};

/// R1 and R2: so many percent of all datagrams are lost on the way out, and as many on the way in.
pub fn lossy(name: &str, percent: u8, options: &Options) -> Result<(), String> {
    let (nodes, messages) = (options.nodes.unwrap_or(50), options.messages.unwrap_or(3000));
    let lan = Lan::new();
    let crowd = Crowd::gather(&lan, nodes, options.addresses())?;
    crowd.meet(MEETING)?;
    lan.lose(Loss { out: percent, into: percent, of: Frames::Udp });
    let what = format!("{name} ({nodes} nodes, {percent} % out and in, {messages} messages)");
    let (said, spent) = hold(&lan, &crowd, options, nodes.min(10), messages, 0.5)?;
    let heavy = percent > 10;
    let targets = if heavy { [Some(0.5), Some(3.0), Some(15.0)] } else { [None, Some(0.3), None] };
    judge(&what, &crowd, &said, targets)?;
    let (datagrams, bytes) = if heavy { (12.0, Some(7000.0)) } else { (5.5, None) };
    spent.rows(&what, &crowd, said.len(), datagrams, bytes);
    Ok(())
}

/// R8: all talk at once over 6 Mbit/s that they share with a bystander.
pub fn loud(options: &Options) -> Result<(), String> {
    let nodes = options.nodes.unwrap_or(50);
    let per_second = options.rate.unwrap_or(5) as f64;
    let messages = options.messages.unwrap_or((nodes as f64 * per_second) as usize * 20);
    let lan = Lan::new();
    let crowd = Crowd::gather(&lan, nodes, options.addresses())?;
    crowd.meet(MEETING)?;
    lan.share_kbit(6000);
    let [asking, answering] = ["asking", "answering"].map(|name| lan.host(name));
    let answerer = Process::start(
        "bystander",
        answering.command(built_beside("probe")).args(["answer", &answering.address()]),
    );
    answerer.wait_for("bystander", MEETING, |line| line["ready"] == true);
    let round_trips = |rounds: u32| {
        let probe = built_beside("probe");
        Process::start("ping", asking.command(probe).args(["ask", &answering.address(), &rounds.to_string()]))
    };
    let idle = median_rtt(round_trips(100));
    let busy = round_trips((messages as f64 / nodes as f64 / per_second * 10.0) as u32);
    let what = format!("R8 ({nodes} nodes at {per_second}/s over 6 Mbit/s, {messages} messages)");
    let (said, spent) = hold(&lan, &crowd, options, nodes, messages, per_second)?;
    judge(&what, &crowd, &said, [None, Some(10.0), None])?;
    let busy = median_rtt(busy);
    row(
        &format!("{what}: a bystander's round trip, median"),
        "<= 2 x idle",
        &format!("{:.3} ms, idle {:.3} ms", busy, idle),
        busy <= 2.0 * idle,
    );
    let rate = spent.rate();
    row(&format!("{what}: multicast"), "<= 100 kB/s", &format!("{rate:.1} kB/s"), rate <= 100.0);
    // All were to be said in this time; where it takes longer, it is for want of processors.
    let needed = spent.cpu / (messages as f64 / nodes as f64 / per_second);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    row(
        &format!("{what}: processors that the nodes need to keep up"),
        "those that are here",
        &format!("{needed:.1}, here are {cores}"),
        needed <= cores as f64,
    );
    spent.traffic_rows(&what, said.len(), None, None);
    cost_rows(&what, &crowd, spent.cpu, spent.lasted);
    Ok(())
}

/// R12: nothing but TCP, and all know one address.
pub fn without_multicast(options: &Options) -> Result<(), String> {
    let (nodes, messages) = (options.nodes.unwrap_or(20), options.messages.unwrap_or(300));
    let lan = Lan::new();
    lan.cut_multicast();
    let mut crowd = Crowd::new();
    let hosts = lan.hosts((1..=nodes).map(|number| format!("p{number}")), options.addresses());
    let seed = hosts[0].address();
    for (number, host) in hosts.into_iter().enumerate() {
        let by_address = ["--peer", seed.as_str()];
        crowd.add(host, if number == 0 { &[] } else { &by_address });
    }
    crowd.start_all()?;
    crowd.wait("everybody to reach the first", MEETING, |heard| {
        let reached = heard[0].here.len() + 1 == nodes && heard[1..].iter().all(|node| !node.here.is_empty());
        reached.then_some(())
    })?;
    let what = format!("R12 ({nodes} nodes without multicast, {messages} messages)");
    let (said, spent) = hold(&lan, &crowd, options, nodes.min(10), messages, 0.5)?;
    judge(&what, &crowd, &said, [None, Some(1.0), None])?;
    cost_rows(&what, &crowd, spent.cpu, spent.lasted);
    Ok(())
}

/// R12: multicast is eaten and broadcast passes; nobody knows an address, and all connect by themselves.
pub fn broadcast_alone(options: &Options) -> Result<(), String> {
    let (nodes, messages) = (options.nodes.unwrap_or(20), options.messages.unwrap_or(300));
    let lan = Lan::new();
    lan.eat_multicast();
    let mut crowd = Crowd::new();
    for host in lan.hosts((1..=nodes).map(|number| format!("p{number}")), options.addresses()) {
        host.take_broadcast();
        crowd.add(host, &[]);
    }
    let begun = Instant::now();
    crowd.start_all()?;
    crowd.meet(MEETING)?;
    let what = format!("R12 ({nodes} nodes, broadcast alone passes, {messages} messages)");
    let links = "everybody to have what one says";
    crowd.control(0)?.say("#lobby", "first")?;
    crowd.wait(links, MEETING, |heard| {
        heard.iter().all(|node| node.texts.contains_key("first")).then_some(())
    })?;
    seconds_row(
        &format!("{what}: the first message at all, after the start"),
        Some(60.0),
        begun.elapsed().as_secs_f64(),
    );
    let (mut said, spent) = hold(&lan, &crowd, options, nodes.min(10), messages, 0.5)?;
    let first = Said { text: "first".to_owned(), by: 0, at: begun };
    said.insert(0, first);
    let texts: Vec<_> = said.iter().map(|said| said.text.clone()).collect();
    let same = same_logs(&crowd, &texts);
    let shown = same.as_ref().err().map_or("the same on all, each once", String::as_str);
    row(&format!("{what}: logs"), "the same on all", shown, same.is_ok());
    said.remove(0);
    let delays = Delays::of(&crowd, &said);
    let due = said.len() * (crowd.size() - 1);
    row(
        &format!("{what}: delivered"),
        "100 %",
        &format!("{} of {due}", delays.deliveries()),
        delays.deliveries() == due,
    );
    seconds_row(&format!("{what}: delay to each, 99 %"), Some(1.0), delays.each(0.99));
    seconds_row(&format!("{what}: delay to each, worst"), None, delays.each(1.0));
    cost_rows(&what, &crowd, spent.cpu, spent.lasted);
    Ok(())
}

/// R16: clocks that are wrong by minutes, an hour and ten years.
pub fn clocks(options: &Options) -> Result<(), String> {
    let messages = options.messages.unwrap_or(300);
    let lan = Lan::new();
    let mut crowd = Crowd::new();
    let hosts = lan.hosts((1..=CLOCKS.len()).map(|number| format!("p{number}")), options.addresses());
    for (host, seconds) in hosts.into_iter().zip(CLOCKS) {
        let node = crowd.add(host, &[]);
        crowd.set_clock(node, seconds);
    }
    crowd.start_all()?;
    crowd.meet(MEETING)?;
    let what = format!(
        "R16 ({} nodes, clocks off by minutes, an hour and ten years, {messages} messages)",
        CLOCKS.len()
    );
    let (said, spent) = hold(&lan, &crowd, options, CLOCKS.len(), messages, 0.5)?;
    let delays = Delays::of(&crowd, &said);
    let due = said.len() * (crowd.size() - 1);
    let share = delays.deliveries() as f64 / due as f64 * 100.0;
    row(&format!("{what}: delivered"), "100 %", &format!("{share:.3} %"), delays.deliveries() == due);
    let right: Vec<usize> = (0..CLOCKS.len()).filter(|node| CLOCKS[*node].abs() < 600).collect();
    let same = same_order(&crowd, &right, &said);
    let shown =
        same.as_ref().err().map_or("the same where clocks agree, each once everywhere", String::as_str);
    row(&format!("{what}: order"), "the same where clocks agree", shown, same.is_ok());
    seconds_row(&format!("{what}: delay to each, 99 %"), None, delays.each(0.99));
    cost_rows(&what, &crowd, spent.cpu, spent.lasted);
    let sealed = in_confidence(&crowd, PATIENCE);
    let shown = sealed.as_ref().err().map_or("all of them", String::as_str);
    row(&format!("{what}: direct and private messages that pass"), "all of them", shown, sealed.is_ok());
    Ok(())
}

/// What a conversation has cost.
pub struct Spent {
    lasted: Duration,
    cpu: f64,
    /// Frames and bytes by the kind of their envelope.
    datagrams: BTreeMap<u8, (f64, f64)>,
}

/// Lets some talk until everybody has everything, or nobody waits any longer.
fn hold(
    lan: &Lan,
    crowd: &Crowd,
    options: &Options,
    talkers: usize,
    messages: usize,
    per_second: f64,
) -> Result<(Vec<Said>, Spent), String> {
    let (cpu, before, begun) = (cpu_of(crowd), lan.datagrams(), Instant::now());
    let said = talk(crowd, &options.plan((0..talkers).collect(), messages, per_second))?;
    let texts: Vec<_> = said.iter().map(|said| said.text.clone()).collect();
    crowd.all_hear(&texts, PATIENCE)?;
    let lasted = begun.elapsed();
    let more = lan.datagrams().into_iter().map(|(kind, after)| {
        let before = before.get(&kind).copied().unwrap_or_default();
        (kind, ((after.frames - before.frames) as f64, (after.bytes - before.bytes) as f64))
    });
    Ok((said, Spent { lasted, cpu: cpu_of(crowd) - cpu, datagrams: more.collect() }))
}

/// Whether all was delivered, and how fast: the targets are for the median, 99 % and the last.
fn judge(what: &str, crowd: &Crowd, said: &[Said], targets: [Option<f64>; 3]) -> Result<(), String> {
    let texts: Vec<_> = said.iter().map(|said| said.text.clone()).collect();
    let delays = Delays::of(crowd, said);
    let due = said.len() * (crowd.size() - 1);
    let share = delays.deliveries() as f64 / due as f64 * 100.0;
    row(&format!("{what}: delivered"), "100 %", &format!("{share:.3} %"), delays.deliveries() == due);
    let same = same_logs(crowd, &texts);
    let shown = same.as_ref().err().map_or("the same on all, each once", String::as_str);
    row(&format!("{what}: logs"), "the same on all", shown, same.is_ok());
    for (share, target, name) in
        [(0.5, targets[0], "median"), (0.99, targets[1], "99 %"), (1.0, targets[2], "worst")]
    {
        seconds_row(&format!("{what}: delay to each, {name}"), target, delays.each(share));
    }
    for (share, target, name) in [(0.5, targets[0], "median"), (0.99, targets[1], "99 %")] {
        seconds_row(&format!("{what}: delay to all, {name}"), target, delays.all(share));
    }
    let lagged: u64 = crowd.heard().iter().map(|node| node.lagged).sum();
    if lagged > 0 {
        row(
            &format!("{what}: events that were told too late to be counted"),
            "0",
            &lagged.to_string(),
            false,
        );
    }
    Ok(())
}

impl Spent {
    fn rows(&self, what: &str, crowd: &Crowd, messages: usize, datagrams: f64, bytes: Option<f64>) {
        self.traffic_rows(what, messages, Some(datagrams), bytes);
        cost_rows(what, crowd, self.cpu, self.lasted);
    }

    fn traffic_rows(&self, what: &str, messages: usize, datagrams: Option<f64>, bytes: Option<f64>) {
        let at_most =
            |most: Option<f64>, unit: &str| most.map_or(String::new(), |most| format!("<= {most}{unit}"));
        let within =
            |most: Option<f64>, measured: f64| most.map_or(Verdict::None, |most| (measured <= most).into());
        let per_message = |number: f64| number / messages as f64;
        let of = |kinds: &[u8]| {
            let spent = kinds.iter().filter_map(|kind| self.datagrams.get(kind));
            spent.fold((0.0, 0.0), |sum, one| (sum.0 + per_message(one.0), sum.1 + per_message(one.1)))
        };
        let (rooms, presence) = (of(&ROOM_KINDS), of(&PRESENCE_KINDS));
        let [data, heads, nacks] = [16, 17, 18].map(|kind| of(&[kind]).0);
        let size = |kind| of(&[kind]).1;
        row(
            &format!("{what}: datagrams per message"),
            &at_most(datagrams, ""),
            &format!("{:.2} (data {data:.2}, heads {heads:.2}, nacks {nacks:.2})", rooms.0),
            within(datagrams, rooms.0),
        );
        row(
            &format!("{what}: multicast per message, on the wire"),
            &at_most(bytes, " B"),
            &format!("{:.0} B (data {:.0}, heads {:.0}, nacks {:.0})", rooms.1, size(16), size(17), size(18)),
            within(bytes, rooms.1),
        );
        row(
            &format!("{what}: announcements in the same time, per message"),
            "",
            &format!("{:.2} datagrams, {:.0} B", presence.0, presence.1),
            Verdict::None,
        );
    }

    /// Kilobytes of multicast a second, announcements included.
    fn rate(&self) -> f64 {
        self.datagrams.values().map(|(_, bytes)| bytes).sum::<f64>() / self.lasted.as_secs_f64() / 1000.0
    }
}

/// In milliseconds. Rounds that were lost count as the longest.
fn median_rtt(ping: Process) -> f64 {
    let lines = ping.finish(PATIENCE).lines;
    let mut times: Vec<_> =
        lines.iter().map(|line| line["round_trip_us"].as_f64().unwrap_or(f64::INFINITY) / 1000.0).collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 0.5)
}

/// DATA, HEADS, NACK, FRAGMENT and TYPING, by the number in the envelope; ANNOUNCE and BYE.
const ROOM_KINDS: [u8; 5] = [16, 17, 18, 19, 20];
const PRESENCE_KINDS: [u8; 2] = [1, 2];
