//! `lanyard status`: this device and its network.

use lanyard_engine::api::{Command, Snapshot, TransferState};
use lanyard_engine::control::Node;

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

fn words(snapshot: &Snapshot) -> String {
    let Snapshot { me, network, peers, rooms, transfers, mailbox } = snapshot;
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
    lines.extend([
        format!(
            "{} ({}), Lanyard {}",
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
    for dropped in &network.dropped {
        let datagrams = text::count(dropped.count, "datagram", "datagrams");
        lines.push(format!("{datagrams} not taken: {}", text::line(&dropped.reason)));
    }
    lines.push(format!(
        "{}, {}, {}",
        text::count(online, "other device online", "other devices online"),
        text::count(rooms.len() as u64, "room", "rooms"),
        text::count(open, "open transfer", "open transfers"),
    ));
    lines.join("\n")
}

fn is_open(state: TransferState) -> bool {
    !super::transfers::has_ended(state)
}
