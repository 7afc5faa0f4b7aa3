//! What a node told others, over the network and to the programs that talk to it: all of this has to stay true.

use std::collections::{BTreeSet, HashMap};

use lanyard_engine::store::Cursor;
use lanyard_proto::identity::Verifier;
use lanyard_proto::model::{EntryId, Hlc, LogId, PeerId, RoomId, Seq, TransferId};
use lanyard_proto::rooms::open_room_id;
use lanyard_proto::wire::compact;
use lanyard_proto::wire::datagram::{NetworkTag, RoomPacket, Unverified, kind};
use serde_json::Value;

use super::strace::{Argument, Call};

/// Something told, and the line of the record on which the telling began.
#[derive(Debug)]
pub struct Told {
    pub at: usize,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A datagram of this run was sent.
    Boot(u64),
    /// An entry of its own was sent, or acknowledged to whoever wrote it.
    Entry {
        room: RoomId,
        id: EntryId,
        nonce: u64,
        seq: Seq,
        clock: Hlc,
    },
    /// It said that its own log goes as far as this.
    Head {
        room: RoomId,
        log: LogId,
        seq: Seq,
    },
    /// An incoming transfer is done.
    Received {
        transfer: TransferId,
        name: String,
    },
    /// Files of its own are offered.
    Offered(TransferId),
    /// It takes part in a room.
    Joined(RoomId),
    Left(RoomId),
    /// This is its name.
    Name(String),
}

/// Listens to what a node says.
#[derive(Debug)]
pub struct Listener {
    me: PeerId,
    network: String,
    /// Open rooms whose datagrams can be read.
    rooms: Vec<RoomId>,
    /// Lines that are not at their end yet.
    lines: HashMap<i64, Vec<u8>>,
    pub told: Vec<Told>,
    heard: BTreeSet<String>,
}

impl Listener {
    pub fn new(me: PeerId, network: &str, rooms: &[&str]) -> Listener {
        Listener {
            me,
            network: network.to_owned(),
            rooms: rooms.iter().map(|name| open_room_id(network, name)).collect(),
            lines: HashMap::new(),
            told: Vec::new(),
            heard: BTreeSet::new(),
        }
    }

    /// A run begins: nothing of the one before is left in the air.
    pub fn new_run(&mut self) {
        self.lines.clear();
    }

    /// Takes in a call that concerns no file that is watched; `start` is where its run begins on the line of time.
    ///
    /// # Errors
    /// If the node said something that cannot be read.
    pub fn listen(&mut self, start: usize, call: &Call) -> Result<(), String> {
        if !["write", "sendto"].contains(&call.name.as_str()) || call.result <= 0 {
            return Ok(());
        }
        let [Argument::Descriptor { number, .. }, Argument::Bytes(bytes), ..] = &call.arguments[..] else {
            return Ok(());
        };
        let at = start + call.began;
        let bytes = bytes.get(..call.result as usize).ok_or("more than there was")?;
        if bytes.starts_with(b"LNY1") {
            return self.datagram(at, bytes);
        }
        let unended = self.lines.entry(*number).or_default();
        if unended.is_empty() && !bytes.starts_with(b"{\"") {
            return Ok(());
        }
        unended.extend(bytes);
        while let Some(length) = unended.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unended.drain(..=length).collect();
            let said =
                serde_json::from_slice(&line).map_err(|error| format!("a line of the node: {error}"))?;
            read_line(&said, &mut |what| {
                // Said again it is not another promise.
                if self.heard.insert(format!("{what:?}")) || matches!(what, What::Name(_)) {
                    self.told.push(Told { at, what });
                }
            });
        }
        Ok(())
    }

    fn datagram(&mut self, at: usize, bytes: &[u8]) -> Result<(), String> {
        let datagram = Unverified::decode(bytes, NetworkTag::of(&self.network))
            .and_then(|datagram| datagram.verify(&Verifier::default()))
            .map_err(|error| format!("a datagram of the node: {error}"))?;
        let (envelope, body) = datagram;
        self.tell(at, What::Boot(envelope.boot));
        let Some((tag, body)) = body.split_first_chunk::<8>() else { return Ok(()) };
        let Some(room) = self.rooms.iter().copied().find(|room| room.0[..8] == tag[..]) else {
            return Ok(());
        };
        if ![kind::DATA, kind::HEADS].contains(&envelope.kind) {
            return Ok(());
        }
        let packet =
            RoomPacket::decode(envelope.kind, body).map_err(|error| format!("a datagram: {error}"))?;
        let (entries, heads) = match packet {
            RoomPacket::Data { entries, heads } => (entries, heads),
            RoomPacket::Heads(said) => {
                (Vec::new(), said.heads.into_iter().map(|head| (head.log, head.seq)).collect())
            }
            RoomPacket::Nack { .. } | RoomPacket::Fragment(_) | RoomPacket::Typing | RoomPacket::Call(_) => {
                return Ok(());
            }
        };
        for entry in compact::unpack(room, envelope.sender, &entries) {
            let entry = entry.map_err(|error| format!("an entry: {error}"))?;
            let header = entry.header();
            if header.author == self.me {
                let (id, nonce, seq, clock) = (entry.id(), header.nonce, header.seq, header.hlc);
                self.tell(at, What::Entry { room, id, nonce, seq, clock });
            }
        }
        for (log, seq) in heads {
            self.tell(at, What::Head { room, log, seq });
        }
        Ok(())
    }

    fn tell(&mut self, at: usize, what: What) {
        if self.heard.insert(format!("{what:?}")) {
            self.told.push(Told { at, what });
        }
    }
}

/// A line of the control socket or of standard output.
fn read_line(line: &Value, tell: &mut impl FnMut(What)) {
    let event = line.get("params").unwrap_or(line);
    match (line["result"]["reply"].as_str(), event["event"].as_str()) {
        (Some("message"), _) => message(&line["result"]["value"], tell),
        (Some("transfer"), _) => transfer(&line["result"]["value"], tell),
        (Some("me"), _) => name(&line["result"]["value"], tell),
        (Some("room"), _) => room(&line["result"]["value"], What::Joined, tell),
        (_, Some("message")) => message(&event["message"], tell),
        (_, Some("transfer-changed" | "transfer-finished" | "offer")) => transfer(&event["transfer"], tell),
        (_, Some("me-changed" | "ready")) => name(&event["me"], tell),
        (_, Some("room-left")) => {
            if let Some(id) = event["room"].as_str().and_then(RoomId::parse) {
                tell(What::Left(id));
            }
        }
        _ => {}
    }
}

fn message(message: &Value, tell: &mut impl FnMut(What)) {
    let text = |field: &str| message[field].as_str().unwrap_or_default();
    let parsed =
        (EntryId::parse(text("id")), RoomId::parse(text("room")), Cursor::parse(text("cursor")).ok());
    if let (Some(id), Some(room), Some(cursor), Some(true)) =
        (parsed.0, parsed.1, parsed.2, message["mine"].as_bool())
    {
        tell(What::Entry { room, id, nonce: cursor.nonce, seq: cursor.seq, clock: cursor.place });
    }
}

fn transfer(transfer: &Value, tell: &mut impl FnMut(What)) {
    let Some(id) = transfer["id"].as_str().and_then(TransferId::parse) else { return };
    match (transfer["direction"].as_str(), transfer["state"].as_str()) {
        (Some("in"), Some("done")) => {
            let name = transfer["names"][0].as_str().unwrap_or_default().to_owned();
            tell(What::Received { transfer: id, name });
        }
        (Some("out"), Some("offered")) => tell(What::Offered(id)),
        _ => {}
    }
}

fn room(room: &Value, what: fn(RoomId) -> What, tell: &mut impl FnMut(What)) {
    if let Some(id) = room["id"].as_str().and_then(RoomId::parse) {
        tell(what(id));
    }
}

fn name(me: &Value, tell: &mut impl FnMut(What)) {
    if let Some(name) = me["name"].as_str() {
        tell(What::Name(name.to_owned()));
    }
}
