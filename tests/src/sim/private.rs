//! What people do in private rooms.

use std::time::Duration;

use lanyard_proto::effects::{Input, Record};
use lanyard_proto::identity::Identity;
use lanyard_proto::model::{Hlc, RoomId, SecretKey, Seq, UnixMillis};
use lanyard_proto::node::{Membership, Refusal};
use lanyard_proto::rooms::{Content, Epochs, Invite, Role, RoomKeys, key_id};
use lanyard_proto::wire::datagram::{Envelope, NetworkTag, RoomPacket};
use lanyard_proto::wire::entry::{Entry, Header};
use lanyard_proto::wire::frame::Frame;

use super::{Lan, Who};

impl Lan {
    pub fn create_room(&mut self, who: Who, name: &str) -> RoomId {
        let mut room = None;
        self.command(who, |node, now| {
            let (id, effects) = node.create_room(name, now).expect("can be begun");
            room = Some(id);
            effects
        });
        room.expect("was begun")
    }

    pub fn add_member(&mut self, who: Who, room: RoomId, peer: Who) {
        let peer = self.id(peer);
        self.command(who, |node, now| node.add_member(room, peer, now).expect("can be let in"));
    }

    pub fn remove_member(&mut self, who: Who, room: RoomId, peer: Who) {
        let peer = self.id(peer);
        self.command(who, |node, now| node.remove_member(room, peer, now).expect("can be put out"));
    }

    pub fn appoint(&mut self, who: Who, room: RoomId, peer: Who, admin: bool) {
        let peer = self.id(peer);
        self.command(who, |node, now| node.appoint(room, peer, admin, now).expect("can be appointed"));
    }

    pub fn renew_keys(&mut self, who: Who, room: RoomId) {
        self.command(who, |node, now| node.renew_keys(room, now).expect("can be renewed"));
    }

    pub fn leave(&mut self, who: Who, room: RoomId) {
        self.command(who, |node, now| node.leave(room, now).expect("can be left"));
    }

    pub fn invite(&mut self, who: Who, room: RoomId, hours: u64) -> Invite {
        let mut invite = None;
        self.command(who, |node, now| {
            let (made, effects) =
                node.invite(room, Duration::from_secs(hours * 3600), now).expect("can invite");
            invite = Some(made);
            effects
        });
        invite.expect("was made")
    }

    pub fn revoke(&mut self, who: Who, invite: &Invite) {
        self.command(who, |node, now| {
            node.revoke_invite(invite.room, invite.id(), now).expect("can be revoked")
        });
    }

    pub fn use_invite(&mut self, who: Who, invite: &Invite) {
        self.command(who, |node, now| node.join_by_invite(invite.clone(), now).expect("can join").1);
    }

    /// Somebody's store gives up all but the newest entries of each log of a room.
    pub fn give_up_history(&mut self, who: Who, room: RoomId, keep: usize) {
        for (log, to, to_id) in self.hosts[who.0].disk.give_up(room, keep) {
            self.input(who, Input::Pruned { room, log, to, to_id });
        }
    }

    /// What somebody can say in a room who has its keys and a program of his own: sealed as the header says.
    pub fn seal_in(&self, who: Who, header: &Header, plain: &[u8]) -> Vec<u8> {
        let mut epochs = Epochs::default();
        let of_epoch = |(epoch, _): &(u32, SecretKey)| *epoch == header.epoch;
        let (epoch, key) =
            self.hosts[who.0].disk.keys_of(header.room).into_iter().find(of_epoch).expect("has the key");
        epochs.insert(epoch, key.0.clone());
        epochs.set_current(Some((epoch, key_id(&key.0))), Vec::new());
        RoomKeys::Epochs(epochs).seal_body(header, [7; 24], plain).expect("has the key")
    }

    pub fn identity(&self, who: Who) -> Identity {
        Identity::from_seed(&self.hosts[who.0].seed)
    }

    /// Entries that somebody makes with a program of his own, one log of them, sealed with the oldest key that he has of the
    /// epoch; as they travel in the room.
    pub fn forge(&self, who: Who, room: RoomId, epoch: u32, contents: &[Content]) -> Vec<Vec<u8>> {
        let keys = self.hosts[who.0].disk.keys_of(room);
        let (_, key) = keys.into_iter().find(|(of, _)| *of == epoch).expect("has the key");
        let mut epochs = Epochs::default();
        epochs.insert(epoch, key.0.clone());
        epochs.set_current(Some((epoch, key_id(&key.0))), Vec::new());
        let keys = RoomKeys::Epochs(epochs);
        let identity = Identity::from_seed(&self.hosts[who.0].seed);
        let mut prev = [0; 32];
        let entries = (1..).zip(contents).map(|(seq, content)| {
            let (author, hlc) = (identity.peer_id(), Hlc::at(UnixMillis(self.now_of(who).unix.0 + seq)));
            let (seq, kind) = (Seq(seq), content.kind());
            let header =
                Header { room, author, nonce: FORGED_LOG, epoch, seq, prev, hlc, deps: vec![], kind };
            let body = keys.seal_body(&header, [7; 24], &content.encode("forged")).expect("has the key");
            let entry = Entry::write(&identity, header, body);
            prev = entry.id().0;
            entry.encode_in_room()
        });
        entries.collect()
    }

    /// Sends forged entries over a link, the newest first as a catching up device would want them.
    pub fn plant_entries(&mut self, who: Who, to: Who, room: RoomId, entries: &[Vec<u8>]) {
        for part in entries.chunks(256) {
            self.say_on_link(who, to, Frame::Entries { room, entries: part.to_vec() }.encode());
        }
    }

    /// Keys that somebody has on disk, by whatever way they came there.
    pub fn put_keys(&mut self, who: Who, room: RoomId, keys: &[(u32, [u8; 32])]) {
        for (epoch, key) in keys {
            let key = SecretKey((*key).into());
            self.hosts[who.0].disk.commit(&Record::Key { room, epoch: *epoch, key });
        }
    }

    pub fn keys_on_disk(&self, who: Who, room: RoomId) -> Vec<(u32, [u8; 32])> {
        self.hosts[who.0].disk.keys_of(room).into_iter().map(|(epoch, key)| (epoch, *key.0)).collect()
    }

    /// The epochs of the keys of a room that somebody has on disk.
    pub fn key_epochs(&self, who: Who, room: RoomId) -> Vec<u32> {
        let mut epochs: Vec<u32> =
            self.hosts[who.0].disk.keys_of(room).into_iter().map(|(epoch, _)| epoch).collect();
        epochs.sort_unstable();
        epochs
    }

    /// Hosts of one segment hear each other, and nobody else.
    pub fn move_to_segment(&mut self, who: Who, segment: u32) {
        self.put_in_segment(who, segment);
    }

    /// Says whatever it likes on a connection to somebody.
    pub fn say_on_link(&mut self, who: Who, to: Who, frame: Vec<u8>) {
        let conn = self.conns.iter().find(|(_, conn)| conn.owner == who && conn.peer == to);
        if let Some(conn) = conn.map(|(id, _)| *id) {
            self.send_frame(conn, frame);
        }
    }

    /// A datagram of its own making, which speaks of a room, arrives at a host.
    pub fn inject_from(&mut self, who: Who, to: Who, room: RoomId, entry: Vec<u8>) {
        self.injected += 1;
        let packet = RoomPacket::Data { entries: vec![entry], heads: Vec::new() };
        let network = NetworkTag::of("default");
        let (kind, boot, sender) = (packet.kind(), u64::MAX, self.id(who));
        let envelope = Envelope { kind, boot, counter: self.injected, network, sender };
        let body = [&room.0[..8], &packet.encode()].concat();
        let bytes = envelope.sign(&Identity::from_seed(&self.hosts[who.0].seed), &body);
        self.inject(to, who, bytes);
    }

    /// Why somebody cannot write in a room.
    pub fn refused(&mut self, who: Who, room: RoomId) -> Option<Refusal> {
        let mut refusal = None;
        self.command(who, |node, now| match node.say(room, "may I?", now) {
            Ok((_, effects)) => effects,
            Err(error) => {
                refusal = Some(error);
                Default::default()
            }
        });
        refusal
    }

    pub fn membership(&self, who: Who, room: RoomId) -> Option<Membership> {
        self.node(who).room(room).map(|room| room.membership())
    }

    pub fn role(&self, who: Who, room: RoomId, peer: Who) -> Option<Role> {
        self.node(who).room(room)?.role(self.id(peer))
    }

    /// Who is in, as somebody sees it, by name.
    pub fn members(&self, who: Who, room: RoomId) -> Vec<String> {
        let held = self.node(who).room(room);
        let members =
            held.into_iter().flat_map(|room| room.roles().map(|(peer, _)| peer).collect::<Vec<_>>());
        let mut names: Vec<String> = members
            .map(|peer| self.hosts.iter().find(|host| host.id == peer).map_or("?".into(), |h| h.name.clone()))
            .collect();
        names.sort();
        names
    }

    /// Who is in, as all of these see it: they must agree.
    #[track_caller]
    pub fn agreed_members(&self, room: RoomId, who: &[Who]) -> Vec<String> {
        let seen: Vec<_> = who.iter().map(|who| self.members(*who, room)).collect();
        assert!(seen.windows(2).all(|two| two[0] == two[1]), "seed {}: {seen:?}", self.seed);
        seen.into_iter().next().unwrap_or_default()
    }
}

/// Names the log of what somebody forges.
const FORGED_LOG: u64 = 0xF06;
