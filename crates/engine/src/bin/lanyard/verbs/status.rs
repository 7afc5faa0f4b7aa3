//! `lanyard status`: this device and its network.

use lanyard_engine::api::{Command, ComparisonState, InterfaceState, Locked, Snapshot, TransferState};
use lanyard_engine::control::Node;

use super::network::reason;
use super::snapshot;
use crate::failure::Failure;
use crate::output::{Output, STRONG, paint};
use crate::text;

pub async fn run(node: &Node, out: Output, settled: bool) -> Result<(), Failure> {
    if node.is_ours() {
        out.note("No node is running for this profile. This is what one that starts right now sees.");
    }
    if settled {
        node.call(Command::SettleClone {}).await?;
    }
    out.item(&snapshot(node).await?, words)
}

fn decided(what: Locked) -> &'static str {
    match what {
        Locked::Network => "the name of the network",
        Locked::Interfaces => "which interfaces are used",
        Locked::Accept => "that nobody's files are fetched without asking",
        Locked::HistoryDays => "for how long history is kept",
        Locked::HistoryBytes => "how much history is kept",
        Locked::HoldForOthers => "whether messages are kept for others",
        Locked::Relay => "whether it passes on for others",
    }
}

fn words(snapshot: &Snapshot) -> String {
    let Snapshot { me, network, peers, rooms, transfers, mailbox, comparisons, calls } = snapshot;
    let online = peers.iter().filter(|peer| peer.online).count() as u64;
    let open = transfers.iter().filter(|transfer| is_open(transfer.state)).count() as u64;
    let mut lines = Vec::new();
    if let Some(since) = me.cloned {
        lines.push(format!(
            "This profile also runs on another machine, known since {}. Others cannot tell the two apart: end one of \
             them and let it begin with a profile of its own, then: lanyard status --settled",
            text::moment(since)
        ));
    }
    lines.extend(network.clock_off.map(clock_words));
    lines.extend([
        format!(
            "{} {} ({}), Lanyard {}",
            text::line(&me.avatar.emoji),
            paint(STRONG, &text::line(&me.name)),
            me.short,
            text::line(&me.version)
        ),
        format!("Received files go to {}", text::line(&me.downloads)),
        format!(
            "UDP port {}, TCP port {}, multicast {}",
            network.port,
            network.tcp_port,
            if network.multicast { "on" } else { "off" }
        ),
    ]);
    for interface in &network.interfaces {
        lines.push(format!(
            "{}: {}",
            text::line(&interface.name),
            text::line(&interface.addresses.join(", "))
        ));
    }
    for left_out in network.listed.iter().filter(|one| one.state != InterfaceState::Used) {
        lines.push(format!("{}: {}", text::line(&left_out.name), reason(left_out)));
    }
    lines.push(match (me.hold_for_others, mailbox.entries) {
        (false, _) => "Keeps no messages for others".to_owned(),
        (true, 0) => {
            format!("Keeps up to {} of sealed messages for others, none now", text::bytes(me.hold_bytes))
        }
        (true, entries) => format!(
            "Keeps {} ({}) for {}, sealed, up to {}",
            text::count(entries, "message", "messages"),
            text::bytes(mailbox.bytes),
            text::count(mailbox.people, "person who is away", "people who are away"),
            text::bytes(me.hold_bytes),
        ),
    });
    for comparison in comparisons.iter().filter(|one| one.state == ComparisonState::Asked) {
        let short = text::short(&comparison.peer);
        lines.push(format!("Somebody wants to compare emoji with you: lanyard verify @{short} --emoji"));
    }
    for call in calls {
        let room = rooms.iter().find(|room| room.id == call.room).map_or("", |room| &room.name);
        let (room, people) = (text::line(room), text::count(call.members.len() as u64, "person", "people"));
        lines.push(match call.joined {
            true => format!("In a call: {room}, {people}"),
            false => format!("A call is on: {room}, {people}"),
        });
    }
    lines.push(super::queue::relaying(me));
    if !me.locked.is_empty() {
        let decided: Vec<&str> = me.locked.iter().map(|what| decided(*what)).collect();
        lines.push(format!("Decided by whoever administers this device: {}", decided.join(", ")));
    }
    for dropped in &network.dropped {
        let datagrams = text::count(dropped.count, "datagram", "datagrams");
        lines.push(format!("{datagrams} not taken: {}", dropped.reason.text()));
    }
    lines.push(format!(
        "{}, {}, {}",
        text::count(online, "other device online", "other devices online"),
        text::count(rooms.len() as u64, "room", "rooms"),
        text::count(open, "open transfer", "open transfers"),
    ));
    lines.join("\n")
}

fn clock_words(off: i64) -> String {
    let by = match off.unsigned_abs() {
        ..7200 => text::count(off.unsigned_abs() / 60, "minute", "minutes"),
        7200..172_800 => text::count((off.unsigned_abs() + 1800) / 3600, "hour", "hours"),
        _ => text::count((off.unsigned_abs() + 43_200) / 86_400, "day", "days"),
    };
    let way = if off > 0 { "behind" } else { "ahead of" };
    format!(
        "The clock of this device is {by} {way} most others here, so messages may stand in the wrong place. If date, \
         time or time zone of this device are wrong, set them."
    )
}

fn is_open(state: TransferState) -> bool {
    !super::transfers::has_ended(state)
}
