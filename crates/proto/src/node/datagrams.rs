//! Presence and rooms over UDP.

use std::net::SocketAddr;

use crate::effects::{Detour, Effects, Event, Job, Reach, Transmit};
use crate::model::{Instant, Now, PeerId, RoomId};
use crate::node::{Node, Profile};
use crate::presence::Heard;
use crate::rooms::{RoomKeys, RoomKind, RoomTag};
use crate::wire::call::CallState;
use crate::wire::codec::DecodeError;
use crate::wire::compact;
use crate::wire::datagram::{
    Announcement, Envelope, MAX_BODY, MAX_DATAGRAM, Query, RoomPacket, Unverified, kind,
};
use crate::wire::frame::Relayed;

/// Why something from the network was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dropped {
    /// A datagram that is not one of ours, or not intact.
    Datagram(DecodeError),
    /// Heard before, from ourselves, or from somebody blocked.
    Replay,
    /// A body that does not fit its kind or did not unseal.
    Body,
    /// A frame on a connection.
    Frame,
    /// An entry that is not genuine, or contradicts its log.
    Entry,
}

/// How a packet of a room came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Multicast,
    /// In a carry or over a link: heads and calls only.
    Passed,
    /// In somebody else's CALL: calls only.
    Carried,
}

impl Node {
    pub(super) fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Now) -> Effects {
        match Unverified::decode(bytes, self.network) {
            Ok(datagram) => self.known_datagram(datagram, from, now),
            Err(error) => self.drop(Dropped::Datagram(error)),
        }
    }

    fn known_datagram(&mut self, datagram: Unverified<'_>, from: SocketAddr, now: Now) -> Effects {
        let claimed = *datagram.envelope();
        if claimed.sender == self.me {
            if claimed.kind == kind::PROBE {
                self.probe_looped(datagram, from.ip());
            }
            return self.own_datagram(datagram, now);
        }
        let multicast = self.unheard.coming.is_none();
        if matches!(claimed.kind, kind::CARRY | kind::PROBE) && !multicast {
            // Those who have a link to its sender are not the group, and over a link a probe says nothing.
            return self.drop(Dropped::Frame);
        }
        if !self.presence.is_fresh(&claimed) {
            if multicast {
                self.carrying.said_itself(claimed.sender, datagram.bytes(), from.ip());
            }
            if claimed.kind == kind::ANNOUNCE && self.presence.shows_address(&claimed, from) {
                return self.another_address(datagram, from);
            }
            if claimed.kind == kind::PROBE {
                self.probe_heard_again(datagram, from.ip());
            }
            if claimed.kind == kind::ANNOUNCE && self.presence.doubts(&claimed, now.instant) {
                return self.ask_for_run(datagram, from, now);
            }
            return self.drop(Dropped::Replay);
        }
        let (envelope, body) = match datagram.verify(&self.verifier) {
            Ok(verified) => verified,
            Err(error) => return self.drop(Dropped::Datagram(error)),
        };
        // What goes over a link besides is not lost.
        if let Some(newest) = self.presence.newest_of(&envelope).filter(|_| multicast) {
            self.air.counted(newest, envelope.counter);
        }
        match envelope.kind {
            kind::ANNOUNCE => match Announcement::decode(body) {
                Ok(said) => {
                    self.announced(&envelope, &said, datagram.bytes().to_vec(), Heard::From(from), now)
                }
                Err(_) => self.drop(Dropped::Body),
            },
            kind::BYE => {
                let mut effects = self.said_goodbye(&envelope, now.instant);
                effects.extend(self.pass_goodbye(&envelope, datagram.bytes(), None, &effects, now.instant));
                effects
            }
            kind::CARRY => self.carry_heard(&envelope, body, now),
            kind::DATA | kind::HEADS | kind::NACK | kind::FRAGMENT | kind::TYPING | kind::CALL => {
                self.air.carried(body.len() + AROUND_BODY, now.instant);
                self.unheard.note_in_rooms(envelope.sender, now.instant);
                self.pass_to_deaf_soon(&envelope, body, datagram.bytes(), None, now.instant);
                if envelope.kind == kind::NACK {
                    self.air.nacked();
                }
                let mut effects = self.presence.heard(&envelope, now);
                effects.extend(self.notice_arrivals(&effects, now));
                effects.extend(self.room_packet(&envelope, body, Way::Multicast, now));
                effects.extend(self.pass_call(&envelope, datagram.bytes(), None, now));
                effects
            }
            kind::KNOCK => self.knock_heard(&envelope, body, now),
            kind::MEET => self.asked_to_meet(&envelope, body, now),
            kind::PROBE => self.probe_heard(&envelope, body, from.ip(), now),
            _ => Effects::default(),
        }
    }

    pub(super) fn announced(
        &mut self,
        envelope: &Envelope,
        said: &Announcement,
        datagram: Vec<u8>,
        from: Heard,
        now: Now,
    ) -> Effects {
        let overtaken = self.presence.is_overtaken(envelope);
        let mut effects = self.presence.announced(envelope, said, from, now, &mut self.dice);
        if overtaken {
            if matches!(from, Heard::From(_)) && self.presence.is_online(envelope.sender) {
                self.unheard.note_on_air(envelope.sender, said, now.instant);
            }
            return effects;
        }
        effects.extend(self.notice_arrivals(&effects, now));
        let ip = from.ip();
        if let Some(conn) = self.unheard.coming {
            self.carry_soon(conn, envelope, &[], &datagram, &effects, now.instant);
        }
        let relayed = Relayed { datagram: datagram.clone(), from: ip };
        self.pass_on_announcement(envelope.sender, relayed, &effects.tell, now.instant);
        if let Heard::From(from) = from {
            self.unheard.note_on_air(envelope.sender, said, now.instant);
            self.roster.heard(envelope.sender, datagram, from.ip(), now.instant);
        }
        // Whom its sender hears, and who is carried is heard elsewhere, it need not show for good.
        if matches!(from, Heard::From(_)) || self.unheard.coming.is_some() {
            self.consider_looking(envelope.sender, said, now);
        }
        effects.extend(self.compare_clocks(now));
        effects
    }

    pub(super) fn said_goodbye(&mut self, envelope: &Envelope, now: Instant) -> Effects {
        let effects = self.presence.left(envelope);
        self.notice_departures(&effects, now);
        effects
    }

    pub(super) fn notice_arrivals(&mut self, effects: &Effects, now: Now) -> Effects {
        let mut more = Effects::default();
        for event in &effects.tell {
            if let Event::PeerOnline(peer) = event {
                self.transfers.peer_came(*peer, now.instant);
                self.private_peer_came(*peer, now);
                self.greet_rooms(Some(*peer), now);
                self.linking.look_soon(now.instant);
                more.extend(self.mail_peer_came(*peer, now));
            }
        }
        more
    }

    fn another_address(&mut self, datagram: Unverified<'_>, from: SocketAddr) -> Effects {
        if let Ok((envelope, body)) = datagram.verify(&self.verifier)
            && let Ok(said) = Announcement::decode(body)
        {
            self.presence.add_address(envelope.sender, &said, from);
            self.roster.heard_from(envelope.sender, from.ip());
        }
        Effects::default()
    }

    /// Somebody who is not here announces itself in an older run than the newest that was heard. Whether that is repeated or
    /// true is asked over TLS, by some of those who hear it.
    fn ask_for_run(&mut self, datagram: Unverified<'_>, from: SocketAddr, now: Now) -> Effects {
        let verified = datagram.verify(&self.verifier).ok();
        let said = verified.and_then(|(envelope, body)| Some((envelope, Announcement::decode(body).ok()?)));
        let here = self.presence.online_count().max(1) as f64;
        let Some((envelope, said)) = said.filter(|_| self.dice.fraction() < ASKERS / here) else {
            return self.drop(Dropped::Replay);
        };
        let (peer, dialled) = (envelope.sender, self.dialling.contains_key(&envelope.sender));
        let addresses = self.presence.ask_for_run(peer, &said, from, now.instant);
        if addresses.is_empty() {
            return self.drop(Dropped::Replay);
        }
        self.roster.runs_asked.insert(peer);
        self.dialling.entry(peer).or_default();
        let run =
            if dialled { Vec::new() } else { vec![Job::Dial { peer, addresses, detour: Detour::Never }] };
        Effects { run, ..Effects::default() }
    }

    pub(super) fn room_packet(&mut self, envelope: &Envelope, body: &[u8], way: Way, now: Now) -> Effects {
        let Some(tag) = body.first_chunk::<{ size_of::<RoomTag>() }>() else {
            return self.drop(Dropped::Body);
        };
        // Rooms that this device does not take part in are none of its business.
        let Some(id) = self.room_of_tag(*tag, envelope.sender, now) else {
            return self.puzzled(envelope.sender, now);
        };
        let mut effects = Effects::default();
        if !self.rooms.contains_key(&id) {
            if !self.begins_conversation(id, envelope, body) {
                return Effects::default();
            }
            effects.extend(self.room_with(id, envelope.sender, now));
        }
        let present = self.presence.is_online(envelope.sender);
        let Some(room) = self.rooms.get_mut(&id) else { return effects };
        let open = room.is_open_to(envelope.sender);
        if !open && room.record.kind != RoomKind::Private {
            return self.drop(Dropped::Body);
        }
        let opened = room.keys.open_packet_by(envelope, body);
        let opened =
            opened.and_then(|(packet, key)| Some((RoomPacket::decode(envelope.kind, &packet).ok()?, key)));
        let Some((packet, key)) = opened else { return self.drop(Dropped::Body) };
        if !open {
            if let Some(key) = key {
                self.suspected(id, envelope.sender, key, now);
            }
            return effects;
        }
        if let Some((epoch, _)) = key {
            self.left_behind(id, envelope.sender, epoch, now);
        }
        if packet == RoomPacket::Typing {
            if present {
                effects.extend(self.heard_typing(id, envelope.sender, now));
            }
            return effects;
        }
        if let RoomPacket::Call(said) = packet {
            if present {
                effects.extend(self.heard_call(id, envelope, said, key, way, now));
            }
            return effects;
        }
        let Some(room) = self.rooms.get_mut(&id) else { return effects };
        let (sender, dice) = (envelope.sender, &mut self.dice);
        let received = match way {
            Way::Multicast => room.replica.packet(sender, present, packet, now.instant, dice),
            Way::Passed | Way::Carried => {
                room.replica.heads_passed(sender, present, packet, now.instant, dice)
            }
        };
        effects.extend(self.absorb(id, envelope.sender, received, now));
        effects
    }

    /// Whether a packet of a direct conversation that is none of ours yet says something: that it was only opened on
    /// the other side is nobody's business here.
    fn begins_conversation(&self, id: RoomId, envelope: &Envelope, body: &[u8]) -> bool {
        let Some(key) = self.identity.agree(envelope.sender) else { return false };
        let packet = RoomKeys::Sealed(key).open_packet(envelope, body);
        match packet.and_then(|packet| RoomPacket::decode(envelope.kind, &packet).ok()) {
            Some(RoomPacket::Data { entries, .. }) => {
                compact::unpack(id, envelope.sender, &entries).into_iter().any(|entry| {
                    let entry = entry.and_then(|entry| entry.verify(&self.verifier));
                    entry.is_ok_and(|entry| entry.header.author == envelope.sender)
                })
            }
            Some(RoomPacket::Heads(heads)) => heads.logs > 0,
            Some(RoomPacket::Call(said)) => said.state == CallState::In,
            _ => false,
        }
    }

    /// The datagram of a room's packet; the room is looked up for its keys.
    pub(super) fn seal_packet(&mut self, id: RoomId, packet: &RoomPacket, now: Now) -> Option<Transmit> {
        let envelope = self.envelope(packet.kind());
        let room = self.rooms.get(&id).filter(|room| room.speaks())?;
        let tag = room.keys.tag(id, self.me, now.unix);
        let body = room.keys.seal_packet(&envelope, tag, &packet.encode())?;
        let bytes = envelope.sign(&self.identity, &body);
        self.bucket.spend(bytes.len(), now.instant);
        self.air.carried(bytes.len(), now.instant);
        Some(Transmit::Multicast { reach: Reach::Group, bytes })
    }

    /// This device's announcement as a signed datagram.
    pub(super) fn announcement(&mut self, query: Query, now: Now) -> Vec<u8> {
        let interval = self.presence.interval().as_secs().try_into().unwrap_or(u16::MAX);
        let peers = self.presence.online_count().try_into().unwrap_or(u16::MAX);
        let Profile { name, platform, avatar, tcp_port, .. } = &self.profile;
        let said = Announcement::new(name, *platform, *tcp_port, interval, peers, query)
            .with_directory(self.directory_digest())
            .with_avatar(avatar.as_ref())
            .with_clock(now.unix);
        self.clocks.said = Some(now);
        self.envelope(kind::ANNOUNCE).sign(&self.identity, &said.encode())
    }

    /// Says goodbye, to everybody and over links: others need not wait for the lease to end. Twice in small groups, where a
    /// loss would be noticed.
    pub fn goodbye(&mut self) -> Effects {
        let times = if self.presence.online_count() < SMALL_GROUP { 2 } else { 1 };
        let byes: Vec<Vec<u8>> =
            (0..times).map(|_| self.envelope(kind::BYE).sign(&self.identity, &[])).collect();
        let over_links = self.pass_own_goodbye(byes.clone());
        let everywhere =
            byes.into_iter().map(|bytes| Transmit::Multicast { reach: Reach::GroupAndBroadcast, bytes });
        let send = everywhere.chain(over_links).collect();
        Effects { send, ..Effects::default() }
    }

    pub(super) fn envelope(&mut self, kind: u8) -> Envelope {
        self.counter += 1;
        let (boot, counter, network, sender) = (self.boot, self.counter, self.network, self.me);
        Envelope { kind, boot, counter, network, sender }
    }

    pub(super) fn drop(&mut self, reason: Dropped) -> Effects {
        self.count(reason, 1);
        self.idle = true;
        Effects::default()
    }

    /// Whether a device was found by multicast or told of itself otherwise in this run.
    pub fn is_online(&self, peer: PeerId) -> bool {
        self.presence.is_online(peer)
    }
}

/// Bytes of a datagram beside its body.
pub(super) const AROUND_BODY: usize = MAX_DATAGRAM - MAX_BODY;
/// So many devices ask at a time which run somebody is in.
const ASKERS: f64 = 20.0;
/// Up to so many devices a goodbye is said twice.
const SMALL_GROUP: usize = 50;
